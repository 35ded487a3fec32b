//! Files from the network: those of the hub through its own client, others through the same HTTP stack.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::hub::HubFile;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// Fetches a file of the hub into its cache; gives the reason when that fails.
pub(crate) fn hub(endpoint: &str, cache: &Path, bar: bool, file: &HubFile) -> Result<PathBuf, String> {
    let cache = std::path::absolute(cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    let mut builder = ApiBuilder::from_cache(Cache::new(cache));
    if let Ok(token) = std::env::var("HF_TOKEN") {
        builder = builder.with_token(Some(token));
    }
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let api = builder.with_endpoint(endpoint).with_progress(bar).build().map_err(|e| reason(&e))?;
    let repository = Repo::with_revision(file.repository(), RepoType::Model, file.revision().to_owned());
    api.repo(repository).download(file.file()).map_err(|e| reason(&e))
}

/// Fetches a file of any address; gives the reason when that fails, and may then leave a part of it.
pub(crate) fn address(url: &str, to: &Path) -> Result<(), String> {
    let text = |e: io::Error| format!("{}: {e}", to.display());
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let https = url.starts_with("https://");
    let config = ureq::Agent::config_builder().https_only(https).timeout_connect(Some(CONNECT)).build();
    let mut response = ureq::Agent::from(config).get(url).call().map_err(|e| of_request(&e))?;
    let mut file = File::create(to).map_err(text)?;
    io::copy(&mut response.body_mut().as_reader(), &mut file).map_err(text)?;
    file.sync_all().map_err(text)
}

fn reason(error: &ApiError) -> String {
    match error {
        ApiError::RequestError(error) => of_request(error),
        other => other.to_string(),
    }
}

fn of_request(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(404) => "404: no such repository, file or revision".to_owned(),
        ureq::Error::StatusCode(status @ (401 | 403)) => {
            format!("{status}: no such repository, or one that asks for a token: set HF_TOKEN")
        }
        other => format!("no answer from the network: {other}"),
    }
}

//! Files of the hub, and where its cache keeps them:
//!
//! ```text
//! models--OWNER--NAME/refs/REVISION        the commit that the revision stands for
//! models--OWNER--NAME/snapshots/COMMIT/…   the files of a commit, links to
//! models--OWNER--NAME/blobs/DIGEST         contents; large files are called by their SHA-256
//! ```
//!
//! Reading it needs no network and no program but this one.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::is_sha256;
use crate::origin::OriginError;

/// What names of the hub begin with.
pub(crate) const SCHEME: &str = "hub://";

/// The file of a repository when none is named.
const DEFAULT_FILE: &str = "model.safetensors";

/// The revision when none is named.
const DEFAULT_REVISION: &str = "main";

/// Longest name of a commit, with room for white space.
const LONGEST_REF: u64 = 256;

/// A file in a repository of the hub: `hub://OWNER/NAME[/FILE][@REVISION]`.
///
/// No part of it can lead out of a folder: they are letters, digits and `-_.`, none begins with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    owner: String,
    name: String,
    file: String,
    revision: Option<String>,
}

impl HubFile {
    /// `OWNER/NAME`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The file, with slashes where it lies in folders.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }

    /// The address to download it from.
    pub fn url(&self, endpoint: &str) -> String {
        let (endpoint, revision) = (endpoint.trim_end_matches('/'), self.revision().replace('/', "%2F"));
        format!("{endpoint}/{}/resolve/{revision}/{}", self.repository(), self.file)
    }

    /// The folder of its repository in a cache.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("models--{}--{}", self.owner, self.name))
    }

    /// The file in a cache, if it is there.
    ///
    /// # Errors
    /// [`OriginError::Cache`] for a reference that is the name of no commit.
    pub(crate) fn in_cache(&self, cache: &Path) -> Result<Option<PathBuf>, OriginError> {
        let folder = self.folder(cache);
        let of =
            |commit: &str| Some(folder.join("snapshots").join(commit).join(&self.file)).filter(|path| path.is_file());
        if let Some(commit) = read_reference(&folder.join("refs").join(self.revision()))?
            && let Some(path) = of(&commit)
        {
            return Ok(Some(path));
        }
        Ok(if self.revision().contains('/') { None } else { of(self.revision()) })
    }
}

/// The commit in a file of references; none where there is no such file.
fn read_reference(path: &Path) -> Result<Option<String>, OriginError> {
    let refused = |reason: String| OriginError::Cache { path: path.to_owned(), reason };
    if !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_REF).read_to_end(&mut bytes));
    read.map_err(|e| refused(e.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        commit if is_plain(commit) => Ok(Some(commit.to_owned())),
        other => Err(refused(format!("got `{}`", other.escape_debug()))),
    }
}

/// The digest of a file's content by the name that the cache gives it; none for files that are not of a cache, and for small
/// ones, which the hub calls otherwise.
pub(crate) fn named_digest(path: &Path) -> Option<String> {
    let content = path.canonicalize().ok()?;
    let name = content.file_name()?.to_str().filter(|name| is_sha256(name))?;
    let is_blob = content.parent()?.file_name()? == "blobs";
    is_blob.then(|| name.to_owned())
}

/// Whether a text is the name of one file or folder and of nothing else.
pub(crate) fn is_plain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 128 && !text.starts_with('.') && text.bytes().all(allowed)
}

impl FromStr for HubFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |what: &str| {
            let form = "hub://OWNER/NAME[/FILE][@REVISION], letters, digits and -_. in each part";
            format!("`{}`: {what}: expected {form}", text.escape_debug())
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| refused("no name of the hub"))?;
        let (path, revision) = rest.split_once('@').map_or((rest, None), |(path, revision)| (path, Some(revision)));
        let mut parts = path.splitn(3, '/');
        let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let file = parts.next().unwrap_or(DEFAULT_FILE);
        // Two dashes part owner and name in the cache.
        let is_name = |text: &str| is_plain(text) && !text.contains("--") && !text.contains("..");
        let is_path = |text: &str| text.split('/').all(is_plain);
        if !is_name(owner) {
            return Err(refused("owner"));
        }
        if !is_name(name) {
            return Err(refused("name"));
        }
        if !is_path(file) {
            return Err(refused("file"));
        }
        if revision.is_some_and(|revision| !is_path(revision)) {
            return Err(refused("revision"));
        }
        let (owner, name, file) = (owner.to_owned(), name.to_owned(), file.to_owned());
        Ok(Self { owner, name, file, revision: revision.map(str::to_owned) })
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.owner, self.name, self.file)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

#[cfg(test)]
mod tests;

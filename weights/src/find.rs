//! From the name of weights to a file on this machine.

use std::env;
use std::path::{Path, PathBuf};

use crate::digest::sha256;
use crate::hub::{HubFile, named_digest};
use crate::manifest::{self, Entry, Source};
use crate::origin::{Origin, OriginError, Why};

/// Where weights are looked for, and whether the network may be asked.
#[derive(Clone, Debug)]
pub struct Finder {
    /// How far it looks.
    pub reach: Reach,
    /// A bar on stderr while something comes.
    pub bar: bool,
    /// Told what is about to be fetched.
    pub say: fn(&str),
    /// Folders and addresses.
    pub places: Places,
}

/// How far weights are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What is not on this machine is fetched.
    Network,
    /// The network is not to be used.
    Machine,
    /// Only to see what is there.
    Glance,
}

/// Folders and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The hub's cache.
    pub hub: Option<PathBuf>,
    /// Where files of other addresses are kept.
    pub files: Option<PathBuf>,
    /// The hub's address.
    pub endpoint: String,
}

impl Places {
    /// As the environment says: `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`, `HF_ENDPOINT`.
    pub fn from_env() -> Self {
        Self::of(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from);
        let caches = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let home = folder("HF_HOME").or_else(|| Some(caches.as_ref()?.join("huggingface")));
        Self {
            hub: folder("HF_HUB_CACHE").or_else(|| Some(home?.join("hub"))),
            files: caches.map(|caches| caches.join("wrs")),
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
        }
    }
}

/// Weights that are on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What they were asked for by.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in small hexadecimal digits.
    pub sha256: String,
}

impl Found {
    /// The name, the file behind it and its digest, in a line.
    pub fn line(&self) -> String {
        let path = self.path.display().to_string();
        let file = if path == self.name { path } else { format!("{} is {path}", self.name) };
        format!("init    {file}, {} bytes, sha256 {}", self.bytes, self.sha256)
    }
}

/// What a file is known to be.
#[derive(Clone, Copy, Debug, Default)]
struct Known<'a> {
    bytes: Option<u64>,
    sha256: Option<&'a str>,
}

impl Finder {
    /// Looks for what the environment says, without asking the network where `HF_HUB_OFFLINE` is set.
    pub fn from_env(reach: Reach) -> Self {
        let forbidden = env::var("HF_HUB_OFFLINE").is_ok_and(|value| is_yes(&value));
        let reach = if forbidden && reach == Reach::Network { Reach::Machine } else { reach };
        Self { reach, bar: false, say: |_| {}, places: Places::from_env() }
    }

    /// The file of the weights; none for a start from scratch.
    ///
    /// What is known of the size and the digest is checked.
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn find(&self, origin: &Origin) -> Result<Option<Found>, OriginError> {
        let name = origin.to_string();
        match origin {
            Origin::Scratch => Ok(None),
            Origin::File(path) if path.is_file() => checked(&name, path, Known::default()).map(Some),
            Origin::File(path) => Err(OriginError::NoFile { path: path.clone() }),
            Origin::Hub(file) => self.hub(&name, file, Known::default()).map(Some),
            Origin::Named(_) => match manifest::find(&name) {
                Some(entry) => self.entry(entry).map(Some),
                None => Err(OriginError::Name { reason: format!("`{name}`: no such name") }),
            },
        }
    }

    fn entry(&self, entry: &Entry) -> Result<Found, OriginError> {
        let known = Known { bytes: entry.bytes, sha256: entry.sha256.as_deref() };
        match &entry.source {
            Source::Hub(file) => self.hub(&entry.name, file, known),
            Source::Url(url) => self.address(&entry.name, url, known),
        }
    }

    fn hub(&self, name: &str, file: &HubFile, known: Known<'_>) -> Result<Found, OriginError> {
        let url = file.url(&self.places.endpoint);
        let Some(cache) = &self.places.hub else { return Err(OriginError::Homeless { name: name.to_owned(), url }) };
        let path = if let Some(path) = file.in_cache(cache)? {
            path
        } else {
            let expected = file.folder(cache).join("snapshots").join(file.revision()).join(file.file());
            self.fetch(name, &expected, &url, |say| fetch_hub(self, say, cache, file))?
        };
        checked(name, &path, known)
    }

    fn address(&self, name: &str, url: &str, known: Known<'_>) -> Result<Found, OriginError> {
        let Some(folder) = &self.places.files else {
            return Err(OriginError::Homeless { name: name.to_owned(), url: url.to_owned() });
        };
        let path = folder.join(url.rsplit('/').next().unwrap_or_default());
        if !path.is_file() {
            let part = folder.join(format!(".part-{}", std::process::id()));
            let fetched = self.fetch(name, &path, url, |say| fetch_address(say, url, &part).map(|()| part.clone()));
            // What does not hold is not kept, or it would be found the next time.
            let held = fetched.and_then(|part| checked(name, &part, known));
            let kept = held.and_then(|_| std::fs::rename(&part, &path).map_err(OriginError::io("write", &path)));
            kept.inspect_err(|_| {
                let _ = std::fs::remove_file(&part);
            })?;
        }
        checked(name, &path, known)
    }

    /// Fetches what is not there, if that is wanted and possible.
    fn fetch(
        &self,
        name: &str,
        expected: &Path,
        url: &str,
        fetch: impl FnOnce(&dyn Fn()) -> Result<PathBuf, Why>,
    ) -> Result<PathBuf, OriginError> {
        let say = || (self.say)(&format!("init    {name}: fetching {url}"));
        let fetched = match self.reach {
            Reach::Network => fetch(&say),
            Reach::Machine => Err(Why::Offline),
            Reach::Glance => Err(Why::Checking),
        };
        let absent = |why| OriginError::Absent {
            name: name.to_owned(),
            expected: expected.to_owned(),
            url: url.to_owned(),
            why,
        };
        fetched.map_err(absent)
    }
}

#[cfg(feature = "hub")]
fn fetch_hub(finder: &Finder, say: &dyn Fn(), cache: &Path, file: &HubFile) -> Result<PathBuf, Why> {
    say();
    crate::fetch::hub(&finder.places.endpoint, cache, finder.bar, file).map_err(Why::Failed)
}

#[cfg(not(feature = "hub"))]
fn fetch_hub(_: &Finder, _: &dyn Fn(), _: &Path, _: &HubFile) -> Result<PathBuf, Why> {
    Err(Why::NoClient)
}

#[cfg(feature = "hub")]
fn fetch_address(say: &dyn Fn(), url: &str, to: &Path) -> Result<(), Why> {
    say();
    crate::fetch::address(url, to).map_err(Why::Failed)
}

#[cfg(not(feature = "hub"))]
fn fetch_address(_: &dyn Fn(), _: &str, _: &Path) -> Result<(), Why> {
    Err(Why::NoClient)
}

/// The file, if it is what is known of it.
fn checked(name: &str, path: &Path, known: Known<'_>) -> Result<Found, OriginError> {
    let bytes = path.metadata().map_err(OriginError::io("read", path))?.len();
    let (name, path) = (name.to_owned(), path.to_owned());
    if let Some(expected) = known.bytes.filter(|&expected| expected != bytes) {
        return Err(OriginError::Size { name, path, expected, got: bytes });
    }
    let (sha256, bytes) = sha256(&path).map_err(OriginError::io("read", &path))?;
    let expected = known.sha256.map(str::to_owned).or_else(|| named_digest(&path));
    if let Some(expected) = expected.filter(|expected| *expected != sha256) {
        return Err(OriginError::Digest { name, path, expected, got: sha256 });
    }
    Ok(Found { name, path, bytes, sha256 })
}

/// What the hub's own programs take for a yes.
fn is_yes(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests;

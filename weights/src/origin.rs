//! What a network starts from, as recipes and command lines name it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hub::{HubFile, SCHEME};
use crate::manifest;

/// The word for no weights at all.
const SCRATCH: &str = "none";

/// What a network starts from: `none`, a short name such as `imagenet/resnet101`, `hub://OWNER/NAME[/FILE][@REVISION]`, or the
/// path of a file.  A file that is called like one of the others is named with a `./` before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// Its own random numbers.
    Scratch,
    /// Weights with a short name ([`manifest`]).
    Named(String),
    /// A file of the hub.
    Hub(HubFile),
    /// A file of this machine.
    File(PathBuf),
}

impl Origin {
    /// The same, with a relative path made a whole one: what is typed is relative to where it is typed.
    ///
    /// # Errors
    /// The system's, when it does not say where that is.
    pub fn absolute(self) -> std::io::Result<Self> {
        match self {
            Self::File(path) => std::path::absolute(path).map(Self::File),
            other => Ok(other),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let refused = |reason: String| Err(OriginError::Name { reason });
        if text == SCRATCH {
            return Ok(Self::Scratch);
        }
        if text.starts_with(SCHEME) {
            return text.parse().map(Self::Hub).or_else(refused);
        }
        if manifest::find(text).is_some() {
            return Ok(Self::Named(text.to_owned()));
        }
        match text {
            "" => refused("expected a file or a name, got nothing".to_owned()),
            _ if text.starts_with("https://") || text.starts_with("http://") => {
                refused(format!("`{}`: expected a file, got an address: download it first", text.escape_debug()))
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch => f.write_str(SCRATCH),
            Self::Named(name) => f.write_str(name),
            Self::Hub(file) => file.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Weights that a network cannot start from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// A text that names nothing.
    #[error("init: {reason}\nhelp: name a file, hub://OWNER/NAME, `none`, or one of {}", manifest::names())]
    Name {
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is not there.
    #[error(
        "init: no such file: {}\nhelp: name one that is there, `none` to start from scratch, or one of {}",
        path.display(), manifest::names()
    )]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A name whose file is not on this machine and was not fetched.
    #[error(
        "init: weights `{name}` are not on this machine, and {why}: expected {}\n\
         help: give a file, --init FILE ({url}); or start from scratch, --init none{}",
        expected.display(), builds(why)
    )]
    Absent {
        /// The name.
        name: String,
        /// Where it would be.
        expected: PathBuf,
        /// Where it can be had.
        url: String,
        /// Why it was not fetched.
        why: Why,
    },
    /// A machine that has no place for downloads.
    #[error(
        "init: weights `{name}`: no folder to keep them in\n\
         help: set HOME or HF_HOME, or give a file: --init FILE ({url})"
    )]
    Homeless {
        /// The name.
        name: String,
        /// Where it can be had.
        url: String,
    },
    /// A reference in the hub's cache that leads nowhere.
    #[error("init: {}: expected the name of a commit, {reason}\nhelp: delete it; a download writes it anew", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is in it.
        reason: String,
    },
    /// A file of another size.
    #[error(
        "init: {}: expected the {expected} bytes of `{name}`, got {got}\n\
         help: delete it and download it again; another file of yours goes by its path: --init FILE",
        path.display()
    )]
    Size {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is known.
        expected: u64,
        /// What was found.
        got: u64,
    },
    /// A file of other contents.
    #[error(
        "init: {}: expected the SHA-256 of `{name}`, {expected}, got {got}\n\
         help: delete it and download it again; another file of yours goes by its path: --init FILE",
        path.display()
    )]
    Digest {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is known.
        expected: String,
        /// What was found.
        got: String,
    },
    /// The system refuses.
    #[error("init: cannot {action} {}: {reason}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

impl OriginError {
    /// Whether the weights are merely somewhere else: nothing is wrong with the name.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, reason: source.to_string() }
    }
}

/// Why weights were not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A check fetches nothing.
    Checking,
    /// The network is not to be used.
    Offline,
    /// This program was built without it.
    NoClient,
    /// It was tried.
    Failed(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checking => f.write_str("a check fetches nothing"),
            Self::Offline => f.write_str("the network is not to be used (--offline or HF_HUB_OFFLINE)"),
            Self::NoClient => f.write_str("this program was built without a client for the network"),
            Self::Failed(reason) => write!(f, "fetching them failed ({reason})"),
        }
    }
}

/// The mend that only a build without a client needs.
fn builds(why: &Why) -> &'static str {
    match why {
        Why::NoClient => "; or build a program that fetches them, cargo build --release --features hub",
        Why::Checking if !cfg!(feature = "hub") => {
            "; or build a program that fetches them, cargo build --release --features hub"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Recipe {
        init: Option<Origin>,
    }

    #[test]
    fn names_and_paths_are_told_apart() {
        let of = |text: &str| text.parse::<Origin>().unwrap();
        assert_eq!(of("none"), Origin::Scratch);
        assert_eq!(of("imagenet/resnet101"), Origin::Named("imagenet/resnet101".into()));
        assert_eq!(of("hub://a/b"), Origin::Hub("hub://a/b".parse().unwrap()));
        for path in ["./none", "./imagenet/resnet101", "/a/b.pth", "imagenet/resnet102", "None", "darknet53.conv.74"] {
            assert_eq!(of(path), Origin::File(path.into()));
        }
        for (wrong, named) in [("", "got nothing"), ("https://a/b", "download it first"), ("hub://a", "OWNER/NAME")] {
            let refusal = wrong.parse::<Origin>().unwrap_err().to_string();
            assert!(refusal.contains(named) && refusal.contains("imagenet/darknet53"), "{refusal}");
        }
    }

    #[test]
    fn a_typed_path_is_made_whole_and_a_name_is_left() {
        let typed = Origin::File("a.safetensors".into()).absolute().unwrap();
        assert!(matches!(&typed, Origin::File(path) if path.is_absolute()), "{typed}");
        let named = Origin::Named("imagenet/vgg16".into());
        assert_eq!(named.clone().absolute().unwrap(), named);
    }

    #[test]
    fn a_recipe_holds_the_name() {
        let recipe: Recipe = toml::from_str("init = \"imagenet/darknet53\"").unwrap();
        assert_eq!(recipe.init, Some(Origin::Named("imagenet/darknet53".into())));
        assert_eq!(toml::to_string(&recipe).unwrap(), "init = \"imagenet/darknet53\"\n");
        let refusal = toml::from_str::<Recipe>("init = \"hub://x\"").unwrap_err().to_string();
        assert!(refusal.contains("init: `hub://x`: name: expected hub://OWNER/NAME"), "{refusal}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "\\PC{0,40}|hub://[a-z/.@]{0,12}|(imagenet|coco)/[a-z0-9_]{0,9}") {
            if let Ok(origin) = text.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
            }
        }
    }
}

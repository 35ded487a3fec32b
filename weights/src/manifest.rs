//! Weights that have short names, such as `imagenet/resnet101`.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::hub::HubFile;

/// The list, as it stands in the source.
const TEXT: &str = include_str!("manifest.toml");

/// Parsed once; a test holds it whole.
static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| toml::from_str(TEXT).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    weights: Vec<Entry>,
}

/// Weights under a short name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The short name.
    pub name: String,
    /// Where the file is.
    pub source: Source,
    /// Its size, where that is known.
    pub bytes: Option<u64>,
    /// Its SHA-256 in small hexadecimal digits, where that is known.
    pub sha256: Option<String>,
    /// Under which terms it is given.
    pub licence: String,
    /// Which recipes it starts.
    #[serde(rename = "for")]
    pub serves: String,
    /// What it is, and where the facts come from.
    pub note: String,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Source {
    /// In a repository of the hub.
    Hub(HubFile),
    /// At an address of its own.
    Url(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("https://") { Ok(Self::Url(text)) } else { text.parse().map(Self::Hub) }
    }
}

impl Source {
    /// The address to download it from.
    pub fn url(&self, endpoint: &str) -> String {
        match self {
            Self::Hub(file) => file.url(endpoint),
            Self::Url(url) => url.clone(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(file) => file.fmt(f),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// Everything that has a short name.
pub fn all() -> &'static [Entry] {
    &MANIFEST.weights
}

/// What has that short name.
pub fn find(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.name == name)
}

/// The short names, for messages.
pub fn names() -> String {
    all().iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ")
}

impl Entry {
    /// What is known of it, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("weights {}", self.name),
            format!("from    {}", self.source),
            format!("for     {}", self.serves),
            format!("licence {}", self.licence),
            format!("note    {}", self.note),
        ];
        lines.extend(self.bytes.map(|bytes| format!("bytes   {bytes}")));
        lines.extend(self.sha256.as_ref().map(|digest| format!("sha256  {digest}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Origin;

    #[test]
    fn the_list_is_whole() {
        let manifest: Manifest = toml::from_str(TEXT).unwrap();
        assert_eq!(manifest.weights, all());
        for name in ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16_bn", "vgg16", "darknet53"] {
            assert!(find(&format!("imagenet/{name}")).is_some(), "{name}");
        }
        let unique: BTreeSet<&str> = all().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(unique.len(), all().len());
    }

    #[test]
    fn every_entry_can_be_named_and_checked() {
        for entry in all() {
            assert_eq!(entry.name.parse::<Origin>().unwrap(), Origin::Named(entry.name.clone()));
            assert!(!entry.licence.is_empty() && !entry.serves.is_empty() && !entry.note.is_empty(), "{}", entry.name);
            if let Some(digest) = &entry.sha256 {
                assert!(crate::digest::is_sha256(digest), "{digest}");
            }
            if let Source::Url(url) = &entry.source {
                assert!(entry.bytes.is_some(), "{url}: nothing else tells a file that was cut short");
                assert!(url.rsplit('/').next().is_some_and(|file| file.contains('.')), "{url}");
            }
        }
    }

    #[test]
    fn an_address_says_where_the_file_is() {
        let url = find("imagenet/resnet101").unwrap().source.url("https://huggingface.co");
        assert_eq!(url, "https://huggingface.co/timm/resnet101.tv_in1k/resolve/main/model.safetensors");
        assert!(find("imagenet/darknet53").unwrap().source.url("x").ends_with("/darknet53.conv.74"));
        assert!(find("coco/yolov3").unwrap().lines().iter().any(|line| line == "bytes   248007048"));
    }

    #[test]
    fn a_source_is_the_hub_or_an_address() {
        for wrong in ["http://a/b", "file.safetensors", "", "hub://a"] {
            assert!(Source::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}

//! Parts of a data set.

use std::fmt;

/// Which part of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The training part of whatever layout is there.
    Train,
    /// The validation part of whatever layout is there.
    Val,
    /// The test part of whatever layout is there.
    Test,
    /// COCO: `annotations/instances_NAME.json` with the folder `NAME` (`5k` and `trainvalno5k` cut COCO 2014 by its list
    /// files); YOLO: a key of the yaml; VOC: a list of `ImageSets/Main` or `ImageSets/Segmentation`; else the folders or the
    /// list of that name.
    Named(String),
}

impl From<&str> for Split {
    fn from(name: &str) -> Self {
        match name {
            "train" => Self::Train,
            "val" => Self::Val,
            "test" => Self::Test,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
            Self::Named(name) => name,
        })
    }
}

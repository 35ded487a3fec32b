//! What is odd about files that can be read: a note a kind where a set is opened, a warning a file where it is checked.

use std::path::{Path, PathBuf};

use super::places::name_of;
use crate::fault::{Faults, warning};

/// How many files a note names.
const SHOWN: usize = 10;

/// Something odd about a file.
#[derive(Debug, Clone)]
pub(super) struct Remark {
    /// What it is about.
    pub kind: Kind,
    /// The file.
    pub path: PathBuf,
    /// How often it is so in the file.
    pub count: usize,
    /// The whole sentence.
    pub problem: String,
}

/// What remarks are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Points that were left out.
    Outside,
    /// Points that were turned from columns to rows.
    Columns,
    /// More than x and y.
    MoreColumns,
    /// Another number of points than stated.
    OtherCount,
    /// The file of another picture, by its own words.
    OtherPicture,
    /// A picture that the data set has nothing to say of.
    Unlisted,
    /// Dots that touch, each pixel one.
    TouchingDots,
    /// A patch that may be several dots.
    LargePatch,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Outside,
        Self::Columns,
        Self::MoreColumns,
        Self::OtherCount,
        Self::OtherPicture,
        Self::Unlisted,
        Self::TouchingDots,
        Self::LargePatch,
    ];

    /// What there are so many of.
    fn summary(self) -> &'static str {
        match self {
            Self::Outside => "points lie outside their pictures and are left out",
            Self::Columns => "files hold their points in columns, and are turned",
            Self::MoreColumns => "files have columns beyond x and y, which are left out",
            Self::OtherCount => "pictures have another number of points than their data set states",
            Self::OtherPicture => "files name another picture than theirs",
            Self::Unlisted => "pictures are not in the list of labels",
            Self::TouchingDots => "dots touch others: each pixel counts as one",
            Self::LargePatch => "patches are larger than others: dots that touch count as one",
        }
    }

    /// The mend; none where there is nothing wrong.
    fn help(self) -> Option<&'static str> {
        match self {
            Self::Outside => Some("few such points are clicks beside the picture; many belong to another copy of it"),
            Self::Columns => Some("nothing to do, if it has a point a column; else store a point a row"),
            Self::MoreColumns => Some("nothing to do, if the first two columns are x and y"),
            Self::OtherCount => Some("the points are what is counted: correct the number, or look for lost points"),
            Self::OtherPicture => Some("rename the file, or correct what it says"),
            Self::Unlisted => Some("add a line for it, or errors cannot be broken down by its labels"),
            Self::TouchingDots => None,
            Self::LargePatch => Some("draw dots apart; if each pixel is a dot: dots = \"pixels\""),
        }
    }
}

impl Remark {
    /// A remark; `problem` is the whole sentence.
    pub fn new(kind: Kind, path: &Path, count: usize, problem: String) -> Self {
        Self { kind, path: path.to_path_buf(), count, problem }
    }
}

/// Adds a note for each kind of remark, and a warning for each file.
pub(super) fn tell(remarks: &[Remark], notes: &mut Vec<String>, faults: &mut Faults) {
    for kind in Kind::ALL {
        let of_kind: Vec<_> = remarks.iter().filter(|remark| remark.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let total: usize = of_kind.iter().map(|remark| remark.count).sum();
        let one = |remark: &&Remark| match remark.count {
            1 => name_of(&remark.path),
            count => format!("{} ({count})", name_of(&remark.path)),
        };
        let mut names: Vec<_> = of_kind.iter().take(SHOWN).map(one).collect();
        if let more @ 1.. = of_kind.len() - names.len() {
            names.push(format!("{more} more files"));
        }
        notes.push(format!("{total} {}: {}", kind.summary(), names.join(", ")));
        for remark in of_kind {
            if let Some(help) = kind.help() {
                faults.warn(|| warning(&remark.path, None, remark.problem.clone(), help));
            }
        }
    }
}

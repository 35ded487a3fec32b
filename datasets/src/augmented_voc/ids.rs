//! Which pictures belong to the set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::error::DataError;
use crate::id_list::read_id_list;
use crate::sbd::SbdHome;
use crate::segmentation::{AUGMENTED_IDS, SEGMENTATION};
use crate::split::Split;

/// Whether the counts must be the published ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expect {
    /// Those of the whole sets: anything else means that a list is not the original.
    #[default]
    Published,
    /// Whatever they are: for parts of the sets.
    Any,
}

/// How many ids there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In VOC's training list.
    pub voc_train: usize,
    /// In VOC's validation list.
    pub voc_val: usize,
    /// In SBD's training list.
    pub sbd_train: usize,
    /// In SBD's validation list.
    pub sbd_val: usize,
    /// In the augmented set.
    pub augmented: usize,
}

/// The counts of the whole sets.
const PUBLISHED: Counts =
    Counts { voc_train: 1464, voc_val: 1449, sbd_train: 8498, sbd_val: 2857, augmented: AUGMENTED_IDS };
/// The pictures of the whole augmented set by year.
const PUBLISHED_YEARS: [(&str, usize); 5] =
    [("2007", 311), ("2008", 3967), ("2009", 2392), ("2010", 2695), ("2011", 1217)];

impl Counts {
    fn named(&self) -> [(&'static str, usize); 5] {
        [
            ("VOC train", self.voc_train),
            ("VOC val", self.voc_val),
            ("SBD train", self.sbd_train),
            ("SBD val", self.sbd_val),
            ("augmented", self.augmented),
        ]
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.named().iter().map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// The lists, and the set that follows from them.
pub(super) struct Lists {
    pub voc_train: BTreeSet<String>,
    voc_val: BTreeSet<String>,
    sbd_train: BTreeSet<String>,
    sbd_val: BTreeSet<String>,
    augmented: BTreeSet<String>,
    pub notes: Vec<String>,
}

impl Lists {
    pub fn read(voc: &Path, sbd: &SbdHome) -> Result<Self, DataError> {
        let mut notes = Vec::new();
        let mut ids = |list: &Path| -> Result<BTreeSet<String>, DataError> {
            let list = read_id_list(list)?;
            notes.extend(list.notes);
            Ok(list.ids.into_iter().map(|listed| listed.id).collect())
        };
        let voc_train = ids(&SEGMENTATION.list(voc, &Split::Train)?)?;
        let voc_val = ids(&SEGMENTATION.list(voc, &Split::Val)?)?;
        let sbd_train = ids(&sbd.list_path("train"))?;
        let sbd_val = ids(&sbd.list_path("val"))?;
        let all = [&voc_train, &sbd_train, &sbd_val].into_iter().flatten();
        // What is evaluated on is not trained on: SBD's lists hold most of VOC's validation pictures.
        let augmented = all.filter(|id| !voc_val.contains(*id)).cloned().collect();
        Ok(Self { voc_train, voc_val, sbd_train, sbd_val, augmented, notes })
    }

    /// The ids of the set, sorted.
    pub fn augmented(&self) -> impl Iterator<Item = &str> {
        self.augmented.iter().map(String::as_str)
    }

    pub fn is_in_sbd(&self, id: &str) -> bool {
        self.sbd_train.contains(id) || self.sbd_val.contains(id)
    }

    pub fn counts(&self) -> Counts {
        Counts {
            voc_train: self.voc_train.len(),
            voc_val: self.voc_val.len(),
            sbd_train: self.sbd_train.len(),
            sbd_val: self.sbd_val.len(),
            augmented: self.augmented.len(),
        }
    }

    /// The pictures of the set by what their ids begin with, up to the `_`.
    pub fn years(&self) -> BTreeMap<String, usize> {
        let mut years = BTreeMap::new();
        for id in &self.augmented {
            *years.entry(id.split('_').next().unwrap_or(id).to_owned()).or_default() += 1;
        }
        years
    }

    /// Refuses counts other than expected, naming each.
    pub fn require(&self, expect: Expect, voc: &Path) -> Result<(), DataError> {
        let years = self.years();
        let differences = match expect {
            Expect::Any => return Ok(()),
            Expect::Published => differences(self.counts(), &years),
        };
        if differences.is_empty() {
            return Ok(());
        }
        Err(DataError::Record {
            path: voc.to_path_buf(),
            record: "augmented set".into(),
            expected: format!("the published counts ({PUBLISHED})"),
            got: differences.join(", "),
            help: "fetch the lists that differ again; SBD's val.txt is a part of the set; for a part of the data expect any counts",
        })
    }
}

fn differences(counts: Counts, years: &BTreeMap<String, usize>) -> Vec<String> {
    let spell = |name: &str, got: usize, published: usize| {
        let (word, by) = if got < published { ("fewer", published - got) } else { ("more", got - published) };
        (got != published).then(|| format!("{name} {got} ({by} {word})"))
    };
    let of_lists = counts.named().into_iter().zip(PUBLISHED.named());
    let of_lists = of_lists.filter_map(|((name, got), (_, published))| spell(name, got, published));
    let of_years = PUBLISHED_YEARS.iter().filter_map(|&(year, published)| {
        spell(&format!("augmented of {year}"), years.get(year).copied().unwrap_or(0), published)
    });
    of_lists.chain(of_years).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_counts_agree_with_each_other() {
        assert_eq!(PUBLISHED_YEARS.iter().map(|(_, count)| count).sum::<usize>(), PUBLISHED.augmented);
        let years = PUBLISHED_YEARS.iter().map(|&(year, count)| (year.to_owned(), count)).collect();
        assert!(differences(PUBLISHED, &years).is_empty());
    }

    #[test]
    fn every_difference_is_named() {
        let mut years: BTreeMap<_, _> = PUBLISHED_YEARS.iter().map(|&(year, count)| (year.to_owned(), count)).collect();
        years.insert("2008".into(), 3960);
        years.remove("2011");
        let counts = Counts { sbd_val: 0, voc_train: 1470, ..PUBLISHED };
        let expected = [
            "VOC train 1470 (6 more)",
            "SBD val 0 (2857 fewer)",
            "augmented of 2008 3960 (7 fewer)",
            "augmented of 2011 0 (1217 fewer)",
        ];
        assert_eq!(differences(counts, &years), expected);
    }
}

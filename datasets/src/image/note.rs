//! What is worth a remark about a picture, and how many pictures it was said of.

use std::collections::{BTreeMap, HashSet};

/// Something about a file that a user should hear of once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageNote {
    /// One channel of grey stands for all three.
    Grey,
    /// Four printing colours were converted to three, without a profile.
    Cmyk,
    /// 16 bits a channel were scaled to 8.
    SixteenBits,
    /// Transparent pixels were laid over grey.
    Transparency,
    /// Of transparent pixels the colour below is seen.
    AlphaDropped,
    /// EXIF asks for a turn, but the annotations give the size as stored: they are taken to mean the stored pixels.
    KeptAsStored,
}

impl ImageNote {
    /// What pictures of this kind are, for a line about several.
    fn of_several(self) -> &'static str {
        match self {
            Self::Grey => "are grey: their channel stands for all three",
            Self::Cmyk => "are CMYK, converted to RGB without a profile",
            Self::SixteenBits => "have 16 bits a channel, scaled to 8",
            Self::Transparency => "have transparent pixels, laid over grey",
            Self::AlphaDropped => "have transparent pixels: the colour below is seen",
            Self::KeptAsStored => "ask by EXIF for a turn that is not made: masks lie over the stored pixels",
        }
    }
}

/// Remarks on many pictures: of each kind, how many pictures it was said of, and the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteCounts {
    kinds: BTreeMap<ImageNote, Pictures>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pictures {
    first: String,
    /// Every name: a training meets a picture once an epoch.
    names: HashSet<String>,
}

impl NoteCounts {
    /// Counts the remarks on a picture; those on one of a name met before are counted once.
    pub fn add(&mut self, name: &str, notes: &[ImageNote]) {
        for &note in notes {
            let fresh = || Pictures { first: name.to_owned(), names: HashSet::new() };
            self.kinds.entry(note).or_insert_with(fresh).names.insert(name.to_owned());
        }
    }

    /// Adds the remarks on other pictures.
    pub fn merge(&mut self, other: &Self) {
        for (note, Pictures { first, names }) in &other.kinds {
            let fresh = || Pictures { first: first.clone(), names: HashSet::new() };
            self.kinds.entry(*note).or_insert_with(fresh).names.extend(names.iter().cloned());
        }
    }

    /// The kinds that were met, with a line about each.
    pub fn lines(&self) -> impl Iterator<Item = (ImageNote, String)> {
        self.kinds.iter().map(|(note, Pictures { first, names })| {
            (*note, format!("{} pictures {}, first {first}", names.len(), note.of_several()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_counted_once_a_kind_and_the_first_is_named() {
        let mut counts = NoteCounts::default();
        for (name, notes) in [
            ("c", &[ImageNote::SixteenBits, ImageNote::Grey][..]),
            ("a", &[ImageNote::Grey]),
            ("b", &[]),
            ("c", &[ImageNote::SixteenBits, ImageNote::Grey]),
        ] {
            counts.add(name, notes);
        }
        let mut others = NoteCounts::default();
        others.add("d", &[ImageNote::Cmyk]);
        others.add("a", &[ImageNote::Grey]);
        counts.merge(&others);
        let lines: Vec<_> = counts.lines().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "2 pictures are grey: their channel stands for all three, first c",
                "1 pictures are CMYK, converted to RGB without a profile, first d",
                "1 pictures have 16 bits a channel, scaled to 8, first c"
            ]
        );
    }
}

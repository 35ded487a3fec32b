//! A split in two: where a data set has no validation split, or no splits at all.
//!
//! What is drawn is a function of seed and id: neither the order of a listing nor the pictures beside it change the rank of
//! one. Both halves keep the order of the whole.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;

use wrs_ops::rng::Rng;

use super::natural::natural_cmp;
use super::{CountingDataset, CountingRecord};
use crate::error::DataError;
use crate::id_list::read_id_list;

/// What is kept, and what is cut from it.
pub type Halves = (CountingDataset, CountingDataset);

/// Cuts so many pictures, drawn by a seed.
///
/// # Errors
/// [`DataError::Option`] where none or all would be cut.
pub fn cut_by_seed(set: &CountingDataset, count: usize, seed: u64) -> Result<Halves, DataError> {
    let total = set.images.len();
    if count == 0 || count >= total {
        return Err(refused("count", format!("1 to {} of the {total} pictures", total.saturating_sub(1)), &count));
    }
    let ranks = ranks(set, seed);
    halves(set, &format!("{count} by seed {seed}"), |at, _| ranks[at] < count)
}

/// Cuts the pictures that a file lists, one a line, with or without folders and ending.
///
/// # Errors
/// A list that cannot be read or names no picture; one that the split does not have; a list of all.
pub fn cut_by_list(set: &CountingDataset, list: &Path) -> Result<Halves, DataError> {
    let listed: Vec<_> = read_id_list(list)?.ids.into_iter().map(|listed| listed.id).collect();
    let present: HashSet<&str> = set.images.iter().map(|record| record.id.as_str()).collect();
    let absent: Vec<_> = listed.iter().map(String::as_str).filter(|id| !present.contains(id)).collect();
    if let Some(first) = absent.first() {
        return Err(DataError::Record {
            path: list.to_path_buf(),
            record: (*first).to_owned(),
            expected: format!("pictures of {}", set.name),
            got: format!("{} of {} that it does not have", absent.len(), listed.len()),
            help: "unpack these pictures, or take the list that belongs to the split",
        });
    }
    let listed: HashSet<&str> = listed.iter().map(String::as_str).collect();
    halves(set, &format!("{} by {}", listed.len(), list.display()), |_, record| listed.contains(record.id.as_str()))
}

/// Cuts the pictures whose ids lie between two of the split's own, both included: `IMG_2` comes before `IMG_10`.
///
/// # Errors
/// [`DataError::Option`] for an id that the split does not have, an end in front of its start, and a range of all.
pub fn cut_by_range(set: &CountingDataset, first: &str, last: &str) -> Result<Halves, DataError> {
    for (option, id) in [("first", first), ("last", last)] {
        if !set.images.iter().any(|record| record.id == id) {
            return Err(refused(option, format!("an id of {}{}", set.name, examples(set)), &id));
        }
    }
    if natural_cmp(first, last) == Ordering::Greater {
        return Err(refused("last", format!("{first} or an id behind it"), &last));
    }
    halves(set, &format!("{first} to {last}"), |_, record| {
        natural_cmp(first, &record.id).is_le() && natural_cmp(&record.id, last).is_le()
    })
}

/// Cuts fold `index`, from 0, of `of` folds that a seed deals: together they have every picture once, and their sizes differ
/// by one at most.
///
/// # Errors
/// [`DataError::Option`] for fewer than two folds, more than pictures, or an index beyond them.
pub fn fold(set: &CountingDataset, index: usize, of: usize, seed: u64) -> Result<Halves, DataError> {
    let total = set.images.len();
    if of < 2 || of > total {
        return Err(refused("folds", format!("2 to {total}, the pictures of {}", set.name), &of));
    }
    if index >= of {
        return Err(refused("fold", format!("0 to {}", of - 1), &index));
    }
    let ranks = ranks(set, seed);
    halves(set, &format!("fold {index} of {of} by seed {seed}"), |at, _| ranks[at] % of == index)
}

/// The rank of each picture in the order that a seed draws.
fn ranks(set: &CountingDataset, seed: u64) -> Vec<usize> {
    let draw = |record: &CountingRecord| {
        let digest = blake3::hash(record.id.as_bytes());
        let (words, _) = digest.as_bytes().as_chunks();
        Rng::new(seed, "cut", 0, words.first().map_or(0, |word| u64::from_le_bytes(*word))).next_u64()
    };
    let mut order: Vec<_> = set.images.iter().enumerate().map(|(at, record)| (draw(record), &record.id, at)).collect();
    order.sort_unstable();
    let mut ranks = vec![0; order.len()];
    for (rank, (_, _, at)) in order.into_iter().enumerate() {
        ranks[at] = rank;
    }
    ranks
}

/// The two halves; `what` names the one that is cut.
fn halves(
    set: &CountingDataset,
    what: &str,
    is_cut: impl Fn(usize, &CountingRecord) -> bool,
) -> Result<Halves, DataError> {
    let parts = set.images.iter().enumerate().partition::<Vec<_>, _>(|(at, record)| is_cut(*at, record));
    let [cut, kept] = [parts.0, parts.1].map(|part| part.into_iter().map(|(_, record)| record.clone()).collect());
    let part = |name, images: Vec<_>| CountingDataset { name, images, notes: set.notes.clone() };
    let kept = part(format!("{} without {what}", set.name), kept);
    if kept.images.is_empty() {
        return Err(refused("cut", format!("a part of {}", set.name), &format!("{what}: all of it")));
    }
    Ok((kept, part(format!("{what} of {}", set.name), cut)))
}

fn examples(set: &CountingDataset) -> String {
    let mut ids: Vec<_> = set.images.iter().map(|record| record.id.as_str()).collect();
    ids.sort_by(|a, b| natural_cmp(a, b));
    match (ids.first(), ids.last()) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    }
}

fn refused(option: &'static str, expected: String, got: &dyn Display) -> DataError {
    DataError::Option { option, expected, got: got.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::counting::{ImageSize, refuse_overlap};
    use crate::testing::folder;

    fn set(ids: impl IntoIterator<Item = String>) -> CountingDataset {
        let record = |id: String| CountingRecord {
            image: format!("pictures/{id}.jpg").into(),
            id,
            size: ImageSize { width: 4, height: 4 },
            points: None,
            attributes: std::collections::BTreeMap::new(),
        };
        CountingDataset { name: "train".into(), images: ids.into_iter().map(record).collect(), notes: Vec::new() }
    }

    fn numbered(count: usize) -> CountingDataset {
        set((1..=count).map(|number| format!("img_{number}")))
    }

    fn ids(set: &CountingDataset) -> Vec<&str> {
        set.images.iter().map(|record| record.id.as_str()).collect()
    }

    #[test]
    fn a_seed_cuts_so_many_whatever_the_order() {
        let whole = numbered(40);
        let (kept, cut) = cut_by_seed(&whole, 9, 1).unwrap();
        assert_eq!((kept.images.len(), cut.images.len()), (31, 9));
        assert_eq!((kept.name.as_str(), cut.name.as_str()), ("train without 9 by seed 1", "9 by seed 1 of train"));
        assert!(refuse_overlap(&kept, &cut).is_ok());
        let mut turned = whole.clone();
        turned.images.reverse();
        let mut again = cut_by_seed(&turned, 9, 1).unwrap().1;
        again.images.reverse();
        assert_eq!(ids(&again), ids(&cut));
        assert_ne!(ids(&cut_by_seed(&whole, 9, 2).unwrap().1), ids(&cut));
        // A golden: drawn sets must not change under the feet of runs that are compared.
        assert_eq!(ids(&cut_by_seed(&numbered(10), 3, 0).unwrap().1), GOLDEN);
        for count in [0, 40, 41] {
            let error = cut_by_seed(&whole, count, 1).unwrap_err().to_string();
            assert!(error.contains(&format!("count: expected 1 to 39 of the 40 pictures, got {count}")), "{error}");
        }
    }

    const GOLDEN: [&str; 3] = ["img_2", "img_4", "img_6"];

    #[test]
    fn a_list_cuts_what_it_names() {
        let whole = numbered(12);
        let lists = folder(&[
            ("val.txt", b"img_10.jpg\n/data/Train/img_2.jpg\n"),
            ("absent.txt", b"img_1\nimg_99\nimg_98\n"),
            ("all.txt", (1..=12).map(|number| format!("img_{number}")).collect::<Vec<_>>().join("\n").as_bytes()),
            ("empty.txt", b"\n"),
        ]);
        let cut = |name: &str| cut_by_list(&whole, &lists.path().join(name));
        assert_eq!(ids(&cut("val.txt").unwrap().1), ["img_2", "img_10"]);
        assert_eq!(cut("val.txt").unwrap().0.images.len(), 10);
        let refusal = |name: &str| cut(name).unwrap_err().to_string();
        let absent = refusal("absent.txt");
        assert!(absent.contains("img_99: expected pictures of train, got 2 of 3 that it does not have"), "{absent}");
        assert!(refusal("all.txt").contains("cut: expected a part of train, got 12 by"));
        assert!(refusal("empty.txt").contains("expected at least one id"));
    }

    #[test]
    fn a_range_goes_by_numbers_and_names_ids_of_the_split() {
        let whole = numbered(120);
        let (kept, cut) = cut_by_range(&whole, "img_9", "img_101").unwrap();
        assert_eq!((cut.images.len(), ids(&cut)[0], ids(&cut)[92]), (93, "img_9", "img_101"));
        assert_eq!((kept.images.len(), cut.name.as_str()), (27, "img_9 to img_101 of train"));
        let refusal = |first: &str, last: &str| cut_by_range(&whole, first, last).unwrap_err().to_string();
        assert!(refusal("img_0", "img_9").contains("first: expected an id of train, img_1 to img_120, got img_0"));
        assert!(refusal("img_10", "img_9").contains("last: expected img_10 or an id behind it, got img_9"));
        assert!(refusal("img_1", "img_120").contains("cut: expected a part of train, got img_1 to img_120: all of it"));
    }

    #[test]
    fn folds_have_every_picture_once() {
        let whole = numbered(42);
        let mut all: Vec<String> = Vec::new();
        for index in 0..5 {
            let (kept, cut) = fold(&whole, index, 5, 7).unwrap();
            assert!((8..=9).contains(&cut.images.len()) && kept.images.len() + cut.images.len() == 42);
            all.extend(cut.images.iter().map(|record| record.id.clone()));
        }
        all.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(all, ids(&whole));
        let refusal = |index, of| fold(&whole, index, of, 7).unwrap_err().to_string();
        assert!(refusal(0, 1).contains("folds: expected 2 to 42"));
        assert!(refusal(0, 43).contains("folds: expected 2 to 42"));
        assert!(refusal(5, 5).contains("fold: expected 0 to 4, got 5"));
        assert!(cut_by_seed(&set([]), 1, 0).is_err() && fold(&set([]), 0, 2, 0).is_err());
    }

    /// Row 30 of the edge cases.
    #[test]
    fn splits_that_share_pictures_are_refused() {
        let whole = numbered(9);
        let (_, cut) = cut_by_range(&whole, "img_2", "img_4").unwrap();
        let error = refuse_overlap(&whole, &cut).unwrap_err().to_string();
        assert!(
            error.contains("train and img_2 to img_4 of train share 3 pictures, first img_2, img_3, img_4"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn halves_make_up_the_whole(count in 2..30_usize, cut in 1..30_usize, seed in any::<u64>()) {
            prop_assume!(cut < count);
            let whole = numbered(count);
            let (kept, cut) = cut_by_seed(&whole, cut, seed).unwrap();
            let mut all = [ids(&kept), ids(&cut)].concat();
            prop_assert!(all.len() == count && refuse_overlap(&kept, &cut).is_ok());
            all.sort_by(|a, b| natural_cmp(a, b));
            prop_assert_eq!(all, ids(&whole));
        }
    }
}

//! Counts of two lists, paired by the names of the images.

use std::collections::BTreeMap;
use std::path::Path;

use wrs_datasets::id_list::stem_of;

use super::buckets::Buckets;
use super::csv_files::{read_predicted_counts, read_true_counts};
use super::error::{CountError, CountFault, UnpairedCounts};
use super::metrics::CountMetrics;
use super::records::ImageCount;
use crate::mean_iou::NameList;

/// What two files gave.
#[derive(Debug, Clone, PartialEq)]
pub struct CountFileEvaluation {
    /// The numbers of all images.
    pub metrics: CountMetrics,
    /// The images in the order of the truth's file.
    pub images: Vec<ImageCount>,
}

/// Scores a CSV file of predicted counts against one of points or true counts.
///
/// # Errors
/// What [`read_true_counts`], [`read_predicted_counts`] and [`evaluate_counts`] refuse.
pub fn evaluate_count_files(
    truth: &Path,
    predicted: &Path,
    buckets: &Buckets,
) -> Result<CountFileEvaluation, CountError> {
    evaluate_counts(&read_true_counts(truth)?, &read_predicted_counts(predicted)?, buckets)
}

/// Scores predicted counts against true ones.
///
/// # Errors
/// What [`pair_counts`] and [`CountMetrics::of`] refuse.
pub fn evaluate_counts(
    truth: &[(String, f64)],
    predicted: &[(String, f64)],
    buckets: &Buckets,
) -> Result<CountFileEvaluation, CountError> {
    let images = pair_counts(truth, predicted)?;
    Ok(CountFileEvaluation { metrics: CountMetrics::of(&images, buckets)?, images })
}

/// Pairs true and predicted counts by the names of their images, in the order of the truth.
///
/// Names that are the same in both lists pair as they are.  Otherwise folders and the endings of pictures are left out
/// (`test/img_1.jpg` is `img_1`), unless two images of one list would be called the same.
///
/// # Errors
/// An image that comes twice; all images that one list lacks.
pub fn pair_counts(truth: &[(String, f64)], predicted: &[(String, f64)]) -> Result<Vec<ImageCount>, CountError> {
    let (by_name, predicted_by_name) = (keyed(truth, whole)?, keyed(predicted, whole)?);
    if by_name.keys().eq(predicted_by_name.keys()) {
        return paired(truth, &by_name, &predicted_by_name, whole);
    }
    match (keyed(truth, short), keyed(predicted, short)) {
        (Ok(by_stem), Ok(predicted_by_stem)) => paired(truth, &by_stem, &predicted_by_stem, short),
        _ => paired(truth, &by_name, &predicted_by_name, whole),
    }
}

fn whole(name: &str) -> &str {
    name
}

fn short(name: &str) -> &str {
    stem_of(name.rsplit(['/', '\\']).next().unwrap_or(name))
}

type Keyed<'c> = BTreeMap<&'c str, &'c (String, f64)>;

fn keyed(counts: &[(String, f64)], key: fn(&str) -> &str) -> Result<Keyed<'_>, CountFault> {
    let mut keyed = BTreeMap::new();
    for count in counts {
        if keyed.insert(key(&count.0), count).is_some() {
            return Err(CountFault::Repeated { image: count.0.clone() });
        }
    }
    Ok(keyed)
}

fn paired(
    order: &[(String, f64)],
    truth: &Keyed<'_>,
    predicted: &Keyed<'_>,
    key: fn(&str) -> &str,
) -> Result<Vec<ImageCount>, CountError> {
    let only = |of: &Keyed<'_>, other: &Keyed<'_>| {
        let names = of.iter().filter(|(key, _)| !other.contains_key(*key)).map(|(_, (name, _))| name.clone());
        NameList(names.collect())
    };
    let (without_prediction, without_truth) = (only(truth, predicted), only(predicted, truth));
    if !without_prediction.0.is_empty() || !without_truth.0.is_empty() {
        return Err(CountError::Unpaired(UnpairedCounts { without_prediction, without_truth }));
    }
    let image = |(name, truth): &(String, f64)| {
        let (_, predicted) = predicted.get(key(name))?;
        let (image, groups) = (name.clone(), BTreeMap::new());
        Some(ImageCount { image, predicted: *predicted, truth: *truth, game: None, groups })
    };
    Ok(order.iter().filter_map(image).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(names: &[&str]) -> Vec<(String, f64)> {
        (0..).zip(names).map(|(index, name)| ((*name).to_owned(), f64::from(index))).collect()
    }

    fn pairs(truth: &[&str], predicted: &[&str]) -> Vec<(f64, f64)> {
        let paired = pair_counts(&counts(truth), &counts(predicted)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(paired.iter().map(|image| image.image.as_str()).collect::<Vec<_>>(), truth);
        paired.iter().map(|image| (image.truth, image.predicted)).collect()
    }

    fn refused(truth: &[&str], predicted: &[&str]) -> String {
        pair_counts(&counts(truth), &counts(predicted)).unwrap_err().to_string()
    }

    #[test]
    fn the_same_names_pair_as_they_are() {
        assert_eq!(pairs(&["a.jpg", "b.jpg"], &["b.jpg", "a.jpg"]), [(0.0, 1.0), (1.0, 0.0)]);
        assert_eq!(pairs(&["x/1.jpg", "y/1.jpg"], &["y/1.jpg", "x/1.jpg"]), [(0.0, 1.0), (1.0, 0.0)]);
        assert_eq!(pairs(&["a", "a.jpg"], &["a", "a.jpg"]), [(0.0, 0.0), (1.0, 1.0)]);
    }

    #[test]
    fn folders_and_endings_of_pictures_are_left_out_otherwise() {
        assert_eq!(pairs(&["img_1.jpg", "img_2.v3"], &["out\\img_2.v3.PNG", "test/img_1"]), [(0.0, 1.0), (1.0, 0.0)]);
    }

    #[test]
    fn what_does_not_pair_is_named() {
        let text = refused(&["a.jpg", "b.jpg", "c.jpg"], &["b", "d", "e"]);
        assert!(text.starts_with("expected the same images in truth and predictions\n2 of the truth have no prediction: a.jpg, c.jpg\n2 of the predictions are not in the truth: d, e\nhelp: "), "{text}");
        // Without folders two images would be one, so the whole names are compared.
        let text = refused(&["x/1.jpg", "y/1.jpg"], &["x/1.jpg"]);
        assert!(text.contains("\n1 of the truth have no prediction: y/1.jpg\nhelp: "), "{text}");
        assert_eq!(refused(&["a", "a"], &["a"]), "expected each image once, got `a` again");
        let many: Vec<String> = (0..31).map(|index| format!("i{index:02}")).collect();
        let text = refused(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert!(
            text.contains("31 of the truth have no prediction: i00, ") && text.contains(", i19 and 11 more"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn any_names_pair_with_themselves_in_any_order(
            names in prop::collection::btree_set("[ab./\\\\]{0,4}(.jpg)?", 0..8), turn in 0_usize..8,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut turned = names.clone();
            turned.rotate_left(turn.min(names.len()));
            for (truth, predicted) in pairs(&names, &turned) {
                prop_assert_eq!(names[truth as usize], turned[predicted as usize]);
            }
        }
    }
}

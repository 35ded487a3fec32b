//! What the labels of mask files mean: a class, void, or nothing.

use std::path::Path;

use super::{SegmentationOptions, UnknownLabels};
use crate::error::DataError;
use crate::label_map::{LabelMap, VOID};

/// Most classes that labels of 8 bits can tell apart, void being one of their values.
const MAX_CLASSES: usize = VOID as usize;

/// The class of each label that files may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRule {
    /// By the file's label: the class, [`VOID`], or nothing where it is refused.
    meaning: [Option<u8>; 256],
    classes: usize,
    /// Whether the options map the label 255.
    maps_void: bool,
}

/// Labels of a mask that mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrangeLabels {
    /// The first of them, rows from the top.
    pub first: u8,
    /// Its column, from 0.
    pub x: usize,
    /// Its row, from 0.
    pub y: usize,
    /// All of them, sorted, each once.
    pub all: Vec<u8>,
}

impl LabelRule {
    /// Labels below `classes` are classes and 255 is void, but for what the options say.
    ///
    /// # Errors
    /// [`DataError::Option`]: no class or more than 255; a map to what is neither class nor void; a label that is mapped
    /// twice, or mapped and void.
    pub fn new(classes: usize, options: &SegmentationOptions) -> Result<Self, DataError> {
        let fault = |option, expected: String, got: String| Err(DataError::Option { option, expected, got });
        if !(1..=MAX_CLASSES).contains(&classes) {
            let expected = format!("1 to {MAX_CLASSES} classes, as labels of 8 bits tell apart beside void");
            return fault("class-names", expected, classes.to_string());
        }
        let unknown = match options.unknown_labels {
            UnknownLabels::Refuse => None,
            UnknownLabels::Void => Some(VOID),
        };
        let mut meaning = [unknown; 256];
        for (class, meaning) in (0..=VOID).zip(&mut meaning).take(classes) {
            *meaning = Some(class);
        }
        meaning[usize::from(VOID)] = Some(VOID);
        for &label in &options.void_labels {
            meaning[usize::from(label)] = Some(VOID);
        }
        for (at, &(label, class)) in options.mask_map.iter().enumerate() {
            if usize::from(class) >= classes && class != VOID {
                let expected = format!("classes 0 to {} or {VOID} (void)", classes - 1);
                return fault("mask-map", expected, format!("label {label} to {class}"));
            }
            let is_void = options.void_labels.contains(&label);
            if is_void || options.mask_map[..at].iter().any(|(other, _)| *other == label) {
                return fault("mask-map", "one meaning a label".into(), format!("two for {label}"));
            }
            meaning[usize::from(label)] = Some(class);
        }
        let maps_void = options.mask_map.iter().any(|(label, _)| *label == VOID);
        Ok(Self { meaning, classes, maps_void })
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class of a file's label, or [`VOID`]; nothing where it is refused.
    pub fn meaning(&self, label: u8) -> Option<u8> {
        self.meaning[usize::from(label)]
    }

    /// Whether the options say what the label 255 means, be it void.
    pub(super) fn says_what_void_means(&self) -> bool {
        self.maps_void
    }

    /// Turns the labels of a file into classes and void, in place.
    ///
    /// # Errors
    /// [`StrangeLabels`]; the labels are then as they were.
    pub fn apply(&self, map: &mut LabelMap) -> Result<(), StrangeLabels> {
        let is_strange = |label: &u8| self.meaning(*label).is_none();
        if let Some(at) = map.labels.iter().position(is_strange) {
            let mut all: Vec<u8> = map.labels.iter().copied().filter(is_strange).collect();
            all.sort_unstable();
            all.dedup();
            return Err(StrangeLabels { first: map.labels[at], x: at % map.width, y: at / map.width, all });
        }
        for label in &mut map.labels {
            *label = self.meaning(*label).unwrap_or(VOID);
        }
        Ok(())
    }
}

impl StrangeLabels {
    /// As an error, of the mask they were found in.
    pub fn at(&self, mask: &Path, rule: &LabelRule) -> DataError {
        let classes = rule.classes();
        let others: Vec<_> = self.all.iter().filter(|label| **label != self.first).map(ToString::to_string).collect();
        DataError::Record {
            path: mask.to_path_buf(),
            record: format!("x {}, y {}", self.x, self.y),
            expected: format!("labels 0 to {} for {classes} classes, or {VOID} (void)", classes - 1),
            got: match others.as_slice() {
                [] => self.first.to_string(),
                others => format!("{}, elsewhere in it {}", self.first, others.join(", ")),
            },
            help: match self.all[..] {
                [only] if usize::from(only) == classes => ONE_TOO_MANY,
                [_] => ONE_STRANGER,
                _ => SPACED,
            },
        }
    }
}

const ONE_TOO_MANY: &str =
    "the background counts as a class: is it missing in class-names?  if this label means no class: void-labels = [11]";
const ONE_STRANGER: &str = "name its class in class-names, say which class it means, mask-map = [[40, 1]], or that it means none, void-labels = [40]";
const SPACED: &str = "labels are class indices; where they are spaced to be seen, say what each means: mask-map = [[40, 1], [80, 2]], or unknown-labels = \"void\"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(labels: &[u8]) -> LabelMap {
        LabelMap { width: 3, height: labels.len() / 3, labels: labels.to_vec() }
    }

    fn applied(options: &SegmentationOptions, labels: &[u8]) -> Result<Vec<u8>, StrangeLabels> {
        let mut map = map(labels);
        LabelRule::new(3, options).unwrap().apply(&mut map).map(|()| map.labels)
    }

    #[test]
    fn classes_stay_void_is_void_and_the_rest_is_refused() {
        let plain = SegmentationOptions::default();
        assert_eq!(applied(&plain, &[0, 1, 2, 255, 2, 0]).unwrap(), [0, 1, 2, 255, 2, 0]);
        let strange = applied(&plain, &[0, 1, 2, 0, 80, 40]).unwrap_err();
        assert_eq!(strange, StrangeLabels { first: 80, x: 1, y: 1, all: vec![40, 80] });
        let lenient = SegmentationOptions { unknown_labels: UnknownLabels::Void, ..plain.clone() };
        assert_eq!(applied(&lenient, &[0, 1, 2, 0, 80, 40]).unwrap(), [0, 1, 2, 0, 255, 255]);
        let void = SegmentationOptions { void_labels: vec![3, 40], ..plain.clone() };
        assert_eq!(applied(&void, &[0, 3, 40]).unwrap(), [0, 255, 255]);
        let mapped = SegmentationOptions { mask_map: vec![(255, 1), (40, 255), (0, 2)], ..plain };
        assert_eq!(applied(&mapped, &[0, 255, 40]).unwrap(), [2, 1, 255]);
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |classes, options: SegmentationOptions| match LabelRule::new(classes, &options) {
            Err(DataError::Option { option, got, .. }) => (option, got),
            other => panic!("{other:?}"),
        };
        let plain = SegmentationOptions::default();
        // Row 41 of the edge cases: labels are bytes, and one of them is void.
        assert_eq!(refused(256, plain.clone()), ("class-names", "256".into()));
        assert_eq!(refused(0, plain.clone()), ("class-names", "0".into()));
        assert!(LabelRule::new(255, &plain).is_ok());
        let map = |mask_map, void_labels| SegmentationOptions { void_labels, mask_map, ..plain.clone() };
        assert_eq!(refused(2, map(vec![(9, 2)], vec![])), ("mask-map", "label 9 to 2".into()));
        assert_eq!(refused(2, map(vec![(9, 1), (9, 0)], vec![])), ("mask-map", "two for 9".into()));
        assert_eq!(refused(2, map(vec![(9, 1)], vec![9])), ("mask-map", "two for 9".into()));
    }

    proptest! {
        #[test]
        fn what_is_applied_is_a_class_or_void(
            classes in 1usize..=255,
            labels in prop::collection::vec(any::<u8>(), 3..60),
            void_labels in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let options = SegmentationOptions { void_labels, unknown_labels: UnknownLabels::Void, ..Default::default() };
            let mut map = map(&labels[..labels.len() / 3 * 3]);
            LabelRule::new(classes, &options).unwrap().apply(&mut map).unwrap();
            prop_assert!(map.labels.iter().all(|label| usize::from(*label) < classes || *label == VOID));
        }
    }
}

//! From what a layout lists to records that are on disk.

use std::path::Path;
use std::sync::Arc;

use super::black_and_white::BlackAndWhite;
use super::broken::leave_out_broken;
use super::classes::class_names;
use super::layout::{Listed, Pair, recognise};
use super::{BrokenFiles, LabelRule, SegmentationDataset, SegmentationLayout, SegmentationOptions, SegmentationRecord};
use crate::error::DataError;
use crate::fault::Faults;
use crate::listed::{leave_out_missing, refuse_repeated};
use crate::split::Split;

/// Masks that are looked into when a set is opened, to see whether they are black and white.
const SAMPLED_MASKS: usize = 32;

impl SegmentationDataset {
    /// Opens a split under a data root. Every picture and mask must be there; of a test split the masks may all be absent.
    ///
    /// # Errors
    /// The first fault found: no such layout or split, no names of classes, missing files, names that several files have,
    /// masks of black and white.
    pub fn open(root: &Path, options: &SegmentationOptions, split: &Split) -> Result<Self, DataError> {
        let layout = options.layout.map_or_else(|| recognise(root), Ok)?;
        let mut faults = Faults::first();
        let data = read(root, layout, options, split, &mut faults);
        faults.refuse()?;
        let data = data?;
        data.sample_masks()?;
        Ok(data)
    }

    /// Looks whether masks spread over the split are black and white.
    fn sample_masks(&self) -> Result<(), DataError> {
        let count = self.images.len().min(SAMPLED_MASKS);
        let mut masks = BlackAndWhite::default();
        for i in 0..count {
            let record = &self.images[i * self.images.len() / count];
            if record.mask.is_some() {
                masks.add(&record.read_raw_labels()?.histogram());
            }
        }
        match self.images.first() {
            Some(record) => masks.refuse(&self.name, &record.labels, record.mask.as_deref().unwrap_or(&record.image)),
            None => Ok(()),
        }
    }
}

/// Reads a split. What leaves something to go on with is pushed; an error ends the reading.
pub(super) fn read(
    root: &Path,
    layout: SegmentationLayout,
    options: &SegmentationOptions,
    split: &Split,
    faults: &mut Faults,
) -> Result<SegmentationDataset, DataError> {
    let Listed { name, home, source, pairs, class_names: usual, mut notes } =
        layout.reader().list(root, split, faults)?;
    let class_names = class_names(options, &home, usual)?;
    let labels = Arc::new(LabelRule::new(class_names.len(), options)?);
    let is_unlabelled = *split == Split::Test && pairs.iter().all(|pair| !pair.mask.is_file());
    if is_unlabelled {
        notes.push(format!("{name} has no masks: it serves prediction alone"));
    }
    let record = |pair: Pair| SegmentationRecord {
        id: pair.id,
        image: pair.image,
        mask: (!is_unlabelled).then_some(pair.mask),
        labels: Arc::clone(&labels),
    };
    let mut images: Vec<_> = pairs.into_iter().map(record).collect();
    refuse_repeated(&mut images, |record| (&record.id, &record.image), &source, faults);
    let missing = |record: &SegmentationRecord| {
        std::iter::once(&record.image).chain(&record.mask).filter(|path| !path.is_file()).cloned().collect()
    };
    leave_out_missing(&mut images, missing, (options.missing, "masks"), &source, &mut notes, faults);
    if options.broken == BrokenFiles::Skip {
        leave_out_broken(&mut images, &source, &mut notes, faults)?;
    }
    if images.is_empty() && faults.errors() == 0 {
        return Err(DataError::Record {
            path: source,
            record: format!("split {split}"),
            expected: "pictures".into(),
            got: "none".into(),
            help: "unpack the pictures, or name another split",
        });
    }
    Ok(SegmentationDataset { name, split: split.clone(), class_names, images, notes })
}

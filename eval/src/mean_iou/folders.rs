//! Two folders of index PNGs, paired by name and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::ConfusionMatrix;
use super::error::{MapSide, MaskFault, MaskFaults, NameList, SegmentationError, Unpaired};
use super::tally::tally;
use wrs_datasets::label_map::{LabelMap, read_label_map};

/// Which masks of two folders are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskNames<'a> {
    /// Every mask of either folder.
    Every,
    /// The masks of these names (without `.png`), as a split's list gives them; other files are not looked at.
    Listed(&'a [String]),
}

/// What two folders gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEvaluation {
    /// The counts of all pairs.
    pub confusion: ConfusionMatrix,
    /// Pairs counted.
    pub images: usize,
}

/// Counts the predicted masks of a folder against those of the ground truth.
///
/// Masks are index PNGs at the top of either folder, paired by their names without `.png`; hidden files and files of other
/// kinds are not looked at. Files are decoded in parallel, in the current pool of rayon.
///
/// # Errors
/// All names that one folder lacks; else all masks that cannot be read, differ in size or hold labels of no class; a
/// ground truth whose foreground is void: nothing but 0 and 255 in more than nine masks of ten.
pub fn evaluate_folders(
    predictions: &Path,
    ground_truth: &Path,
    num_classes: usize,
    names: MaskNames<'_>,
) -> Result<FolderEvaluation, SegmentationError> {
    let empty = ConfusionMatrix::new(num_classes)?;
    let pairs = pairs(predictions, ground_truth, names)?;
    let images = pairs.len();
    let counted = pairs
        .par_iter()
        .enumerate()
        .try_fold(|| Progress::new(&empty), |progress, (index, pair)| progress.with(index, pair))
        .try_reduce(|| Progress::new(&empty), Progress::joined)?;
    let Progress { confusion, binary, mut faults } = counted;
    if !faults.is_empty() {
        faults.sort_by_key(|&(index, _)| index);
        return Err(SegmentationError::Masks(MaskFaults(faults.into_iter().map(|(_, fault)| fault).collect())));
    }
    if num_classes > 1 && binary * 10 > images * 9 {
        return Err(SegmentationError::ForegroundIsVoid { path: ground_truth.to_owned(), binary, masks: images });
    }
    Ok(FolderEvaluation { confusion, images })
}

/// What some of the pairs gave; how they were dealt out changes nothing.
struct Progress {
    confusion: ConfusionMatrix,
    /// Masks of the ground truth that are nothing but 0 and 255, and have both.
    binary: usize,
    /// Faults with the position of their pair.
    faults: Vec<(usize, MaskFault)>,
}

impl Progress {
    fn new(empty: &ConfusionMatrix) -> Self {
        Self { confusion: empty.clone(), binary: 0, faults: Vec::new() }
    }

    fn with(mut self, index: usize, pair: &Pair) -> Result<Self, SegmentationError> {
        let mut one = ConfusionMatrix::new(self.confusion.num_classes)?;
        match pair.count(&mut one) {
            Ok(()) => {
                let pixels = one.truth_pixels();
                self.binary += usize::from(one.void_pixels > 0 && pixels[0] > 0 && pixels[1..].iter().all(|&n| n == 0));
                self.confusion.merge(&one)?;
            }
            Err(fault) => self.faults.push((index, fault)),
        }
        Ok(self)
    }

    fn joined(mut self, other: Self) -> Result<Self, SegmentationError> {
        self.confusion.merge(&other.confusion)?;
        self.binary += other.binary;
        self.faults.extend(other.faults);
        Ok(self)
    }
}

struct Pair {
    truth: PathBuf,
    prediction: PathBuf,
}

impl Pair {
    fn count(&self, confusion: &mut ConfusionMatrix) -> Result<(), MaskFault> {
        let truth = read(&self.truth)?;
        let prediction = read(&self.prediction)?;
        let (expected, got) = ((truth.width, truth.height), (prediction.width, prediction.height));
        let (prediction_path, truth_path) = (self.prediction.clone(), self.truth.clone());
        if expected != got {
            return Err(MaskFault::Size { prediction: prediction_path, truth: truth_path, expected, got });
        }
        tally(confusion, &truth.labels, &prediction.labels).map_err(|fault| {
            let path = if fault.side == MapSide::Truth { truth_path } else { prediction_path };
            MaskFault::Label { path, x: fault.pixel % truth.width, y: fault.pixel / truth.width, fault }
        })
    }
}

fn read(path: &Path) -> Result<LabelMap, MaskFault> {
    read_label_map(path).map_err(|source| MaskFault::Unreadable { path: path.to_owned(), source })
}

/// Every pair to score, by name.
fn pairs(predictions: &Path, ground_truth: &Path, names: MaskNames<'_>) -> Result<Vec<Pair>, SegmentationError> {
    let truth = Folder::list(ground_truth)?;
    let predicted = Folder::list(predictions)?;
    let wanted: BTreeSet<&String> = match names {
        MaskNames::Every if truth.masks.is_empty() => BTreeSet::new(),
        MaskNames::Every => truth.masks.keys().chain(predicted.masks.keys()).collect(),
        MaskNames::Listed(names) => names.iter().collect(),
    };
    if wanted.is_empty() {
        return Err(SegmentationError::NoMasks { path: ground_truth.to_owned() });
    }
    let without_truth = truth.lacks(&wanted);
    let without_prediction = predicted.lacks(&wanted);
    if !without_truth.0.is_empty() || !without_prediction.0.is_empty() {
        let (truth_folder, prediction_folder) = (ground_truth.to_owned(), predictions.to_owned());
        let unpaired = Unpaired { truth_folder, without_truth, prediction_folder, without_prediction };
        return Err(SegmentationError::Unpaired(unpaired));
    }
    let pair = |name| {
        let (truth, prediction) = (truth.masks.get(name)?.clone(), predicted.masks.get(name)?.clone());
        Some(Pair { truth, prediction })
    };
    Ok(wanted.into_iter().filter_map(pair).collect())
}

/// The files at the top of a folder, by their names without the extension.
struct Folder {
    masks: BTreeMap<String, PathBuf>,
    /// File names of what is no PNG, for messages.
    others: BTreeMap<String, String>,
}

impl Folder {
    fn list(path: &Path) -> Result<Self, SegmentationError> {
        let unreadable = |source| SegmentationError::Folder { path: path.to_owned(), source };
        let mut folder = Self { masks: BTreeMap::new(), others: BTreeMap::new() };
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (file, file_name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Some(name) = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else { continue };
            if file_name.starts_with('.') || !file.is_file() {
                continue;
            }
            if !file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
                folder.others.insert(name, file_name);
            } else if let Some(first) = folder.masks.insert(name, file.clone()) {
                let (first, second) = if first < file { (first, file) } else { (file, first) };
                return Err(SegmentationError::Ambiguous { first, second });
            }
        }
        Ok(folder)
    }

    /// The names without a mask here, with the file of another kind where there is one.
    fn lacks(&self, wanted: &BTreeSet<&String>) -> NameList {
        let missing = wanted.iter().filter(|&&name| !self.masks.contains_key(name));
        let described = missing.map(|&name| match self.others.get(name) {
            Some(other) => format!("{name} (there is {other})"),
            None => name.clone(),
        });
        NameList(described.collect())
    }
}

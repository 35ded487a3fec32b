//! From a data set to batches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wrs_datasets::augment::Draw;
use wrs_datasets::augment::segmentation::SegmentationAugment;
use wrs_datasets::image::ImageNote;
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_datasets::scenes::write_segmentation_scenes;
use wrs_datasets::segmentation::{
    Overlap, SegmentationDataset, SegmentationLayout, SegmentationOptions, SegmentationRecord, refuse_overlap,
};
use wrs_datasets::{DataError, Split};
use wrs_nn::Dims;
use wrs_train::plan::Plan;
use wrs_train::run_dir::DATA_DIGEST;

use crate::error::SegmentationError;
use crate::recipe::{DataSource, InputSettings, Recipe};

/// Batches that may wait for the network, beside those being made.
const AHEAD: usize = 2;

/// Name of the folder of made-up scenes in a run's directory.
const SCENES: &str = "scenes";

/// Both splits of a recipe's data.
#[derive(Clone, Debug)]
pub struct Data {
    /// What is trained on.
    pub train: SegmentationDataset,
    /// What is evaluated on.
    pub val: SegmentationDataset,
    /// The folder.
    pub root: PathBuf,
}

impl Data {
    /// Which data it is, for the run's records: among other things a digest of names and masks of both splits.
    ///
    /// # Errors
    /// [`DataError::Io`] for a mask that cannot be read.
    pub fn summary(&self) -> Result<BTreeMap<String, String>, DataError> {
        let images = |set: &SegmentationDataset| format!("{} ({} images)", set.name, set.images.len());
        Ok(BTreeMap::from([
            ("folder".to_owned(), self.root.display().to_string()),
            (DATA_DIGEST.to_owned(), digest(&self.train, &self.val)?),
            ("training".to_owned(), images(&self.train)),
            ("validation".to_owned(), images(&self.val)),
        ]))
    }
}

/// Opens a recipe's data; made-up scenes are written into the run's directory first, if they are not there.
///
/// # Errors
/// [`SegmentationError::Data`]; [`SegmentationError::Usage`] for a recipe that was not told where its data is, and for splits
/// without pictures or masks.
pub fn open(recipe: &Recipe, run: &Path) -> Result<Data, SegmentationError> {
    let (root, options) = data_root(recipe, run)?;
    let [train, val] = [&recipe.data.train_split, &recipe.data.val_split].map(|name| open_split(recipe, run, name));
    let (train, val) = (train?, val?);
    if options.overlap == Overlap::Refuse {
        refuse_overlap(&train, &val)?;
    }
    if train.images.is_empty() {
        let text = format!("{}: the split `{}` has no image to train on", root.display(), train.name);
        return Err(SegmentationError::Usage(text));
    }
    for set in [&train, &val] {
        require_masks(set)?;
    }
    Ok(Data { train, val, root })
}

/// One split of a recipe's data, which another may not know: its own splits are cut to the images that the recipe names.
///
/// # Errors
/// As [`open`].
pub fn open_split(recipe: &Recipe, run: &Path, name: &str) -> Result<SegmentationDataset, SegmentationError> {
    let (root, options) = data_root(recipe, run)?;
    let mut set = SegmentationDataset::open(&root, &options, &Split::from(name))?;
    if name == recipe.data.train_split || name == recipe.data.val_split {
        keep_only(recipe, &mut set)?;
    }
    Ok(set)
}

/// Leaves the images of a split that the recipe names, if it names any.
///
/// # Errors
/// [`SegmentationError::Usage`] for one that is not in it.
pub fn keep_only(recipe: &Recipe, set: &mut SegmentationDataset) -> Result<(), SegmentationError> {
    let Some(ids) = &recipe.data.only_images else { return Ok(()) };
    set.images.retain(|image| ids.contains(&image.id));
    if let Some(absent) = ids.iter().find(|id| set.images.iter().all(|image| image.id != **id)) {
        let text = format!("data.only-images: split `{}` has no image `{absent}`", set.name);
        return Err(SegmentationError::Usage(format!("{text}\nhelp: name images of this split, or another split")));
    }
    Ok(())
}

/// Refuses a split with pictures that nothing can be learned from or counted in.
///
/// # Errors
/// [`SegmentationError::Usage`].
pub fn require_masks(set: &SegmentationDataset) -> Result<(), SegmentationError> {
    let Some(bare) = set.images.iter().find(|image| image.mask.is_none()) else { return Ok(()) };
    let text = format!("split `{}`: expected a mask for every image, got none for `{}`", set.name, bare.id);
    Err(SegmentationError::Usage(format!("{text}\nhelp: splits without masks serve `wrs eval --save` alone")))
}

/// The masks decide what is learned and what is counted; their files are small.
fn digest(train: &SegmentationDataset, val: &SegmentationDataset) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    for set in [train, val] {
        for name in &set.class_names {
            hasher.update(name.as_bytes()).update(b"\0");
        }
        for image in &set.images {
            hasher.update(image.id.as_bytes()).update(b"\0");
            if let Some(mask) = &image.mask {
                let read = |source| DataError::Io { action: "read", path: mask.clone(), source };
                hasher.update(&std::fs::read(mask).map_err(read)?);
            }
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Refuses a recipe that was not told where its data is, before anything is made for it.
///
/// # Errors
/// [`SegmentationError::Usage`].
pub fn check_source(recipe: &Recipe) -> Result<(), SegmentationError> {
    match &recipe.data.source {
        DataSource::Folder { .. } => folder(recipe).map(drop),
        DataSource::Scenes(_) => Ok(()),
    }
}

/// The folder of a recipe's data, and how to read it.
fn data_root(recipe: &Recipe, run: &Path) -> Result<(PathBuf, SegmentationOptions), SegmentationError> {
    if let DataSource::Scenes(scenes) = &recipe.data.source {
        let root = run.join(SCENES);
        write_segmentation_scenes(&root, scenes)?;
        return Ok((root, read_options(recipe)));
    }
    let (root, options) = folder(recipe)?;
    Ok((root.to_owned(), options))
}

/// The folder that a recipe names, and how to read it.
///
/// # Errors
/// [`SegmentationError::Usage`] for a recipe that names none.
pub fn folder(recipe: &Recipe) -> Result<(&Path, SegmentationOptions), SegmentationError> {
    let DataSource::Folder { root: Some(root), .. } = &recipe.data.source else {
        let text = format!("recipe `{}`: no data", recipe.training.name);
        let help = "name a folder in VOC's layout, or of pictures and masks: --data DIR";
        return Err(SegmentationError::Usage(format!("{text}\nhelp: {help}")));
    };
    Ok((root, read_options(recipe)))
}

/// How a recipe's data is read.
pub fn read_options(recipe: &Recipe) -> SegmentationOptions {
    match &recipe.data.source {
        DataSource::Scenes(_) => {
            SegmentationOptions { layout: Some(SegmentationLayout::Voc), ..SegmentationOptions::default() }
        }
        DataSource::Folder {
            layout,
            class_names,
            void_labels,
            mask_map,
            unknown_labels,
            missing,
            broken,
            overlap,
            root: _,
        } => SegmentationOptions {
            layout: *layout,
            class_names: class_names.clone(),
            void_labels: void_labels.clone(),
            mask_map: mask_map.clone(),
            unknown_labels: *unknown_labels,
            missing: *missing,
            broken: *broken,
            overlap: *overlap,
        },
    }
}

/// One batch, ready for the network.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, H, W, 3]`
    pub dims: Dims,
    /// The pixels, normalised.
    pub pixels: Vec<f32>,
    /// `[B, H, W]`, class or void.
    pub labels: Vec<u8>,
    /// The pictures it was made of.
    pub ids: Vec<String>,
    /// What is worth a remark about each of them.
    pub notes: Vec<Vec<ImageNote>>,
}

/// Makes batches: a function of the recipe, the data and the place in the run.
#[derive(Clone, Debug)]
pub struct Batcher {
    images: Vec<SegmentationRecord>,
    augment: SegmentationAugment,
    input: InputSettings,
    batch: usize,
    /// Pictures of an epoch that are trained on.
    trained: usize,
    seed: u64,
    plan: Plan,
}

/// Batches on their way.
pub type Batches = Loader<u64, Batch, DataError>;

impl Batcher {
    /// Of a recipe's training split, in a plan's order.
    pub fn new(recipe: &Recipe, set: &SegmentationDataset, plan: Plan) -> Self {
        Self {
            images: set.images.clone(),
            augment: recipe.augment,
            input: recipe.input,
            batch: recipe.training.batch.get() as usize,
            trained: trained(recipe, set) as usize,
            seed: recipe.training.seed,
            plan,
        }
    }

    /// Starts making the batches of the steps from `from` to `to`.
    ///
    /// # Errors
    /// [`SegmentationError::Loader`].
    pub fn start(self, from: u64, to: u64, workers: usize) -> Result<Batches, SegmentationError> {
        let make = Arc::new(move |step: &u64| self.make(*step));
        Ok(Loader::start(workers, workers + AHEAD, from..to, make)?)
    }

    /// The batch of a step.
    ///
    /// # Errors
    /// [`DataError`] of the first picture that cannot be read.
    pub fn make(&self, step: u64) -> Result<Batch, DataError> {
        let (epoch, position) = self.plan.place(step);
        let order = epoch_order(self.images.len(), self.seed, epoch);
        let first = position as usize * self.batch;
        let members = &order[first..(first + self.batch).min(self.trained)];
        let (mut pictures, mut labels, mut ids, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &index in members {
            let draw = Draw { seed: self.seed, epoch, index };
            let sample = self.augment.sample(&self.images[index], draw)?;
            pictures.push(sample.image);
            labels.extend(sample.labels.labels);
            ids.push(sample.id);
            notes.push(sample.notes);
        }
        let side = self.augment.crop;
        let dims = Dims { n: pictures.len(), h: side, w: side, c: 3 };
        Ok(Batch { dims, pixels: self.input.pixels(&pictures), labels, ids, notes })
    }
}

/// Pictures of an epoch that are trained on.
pub fn trained(recipe: &Recipe, set: &SegmentationDataset) -> u64 {
    recipe.last_batch.trained(set.images.len() as u64, recipe.training.batch)
}

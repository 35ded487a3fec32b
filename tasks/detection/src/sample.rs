//! From a data set to batches.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wrs_datasets::augment::{Augment, Draw, MultiScale, batch_pixels};
use wrs_datasets::coco::{TrainingSet, unite_categories};
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_datasets::scenes::write_scenes;
use wrs_datasets::{CocoDataset, DataError, ImageSize, Split};
use wrs_nn::Dims;

use crate::assign::Truth;
use crate::error::DetectionError;
use crate::plan::Plan;
use crate::recipe::{DataSource, Recipe};

/// Batches that may wait for the network, beside those being made.
const AHEAD: usize = 2;

/// Name of the folder of made-up scenes in a run's directory.
const SCENES: &str = "scenes";

/// Both splits of a recipe's data.
#[derive(Clone, Debug)]
pub struct Data {
    /// What is trained on.
    pub train: TrainingSet,
    /// What is evaluated on.
    pub val: CocoDataset,
    /// Names of the classes, by class index.
    pub class_names: Vec<String>,
    /// The folder.
    pub root: PathBuf,
    /// What the readers noticed, a line each.
    pub notes: Vec<String>,
}

impl Data {
    /// Which data it is, for the run's records.
    pub fn summary(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("folder".to_owned(), self.root.display().to_string()),
            ("training images".to_owned(), self.train.images.len().to_string()),
            ("validation".to_owned(), format!("{} ({} images)", self.val.name, self.val.images.len())),
        ])
    }
}

/// Opens a recipe's data; made-up scenes are written into the run's directory first, if they are not there.
///
/// # Errors
/// [`DetectionError::Data`]; [`DetectionError::Usage`] for a recipe that was not told where its data is.
pub fn open(recipe: &Recipe, run: &Path) -> Result<Data, DetectionError> {
    let root = data_root(recipe, run)?;
    let settings = &recipe.data;
    let split = |name: &str| {
        let split: Split = name.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
        CocoDataset::open(&root, &split)
    };
    let (mut train, mut val) = (split(&settings.train_split)?, split(&settings.val_split)?);
    let mut notes = unite_categories(&mut train, &mut val)?;
    if let Some(ids) = &settings.only_images {
        for set in [&mut train, &mut val] {
            set.images.retain(|image| ids.contains(&image.id));
            if set.images.len() != ids.len() {
                let (name, found) = (&set.name, set.images.len());
                let text = format!("data.only-images: split `{name}` has {found} of the {} images", ids.len());
                return Err(DetectionError::Usage(text));
            }
        }
    }
    notes.extend(train.report.notes.iter().chain(&val.report.notes).cloned());
    let class_names = train.class_names();
    let train_name = train.name.clone();
    let train = train.training_set(settings.empty_images);
    notes.insert(0, format!("{train_name}: {}", train.counts));
    if train.images.is_empty() {
        let reason = format!("{}: the split `{train_name}` has no image to train on", root.display());
        return Err(DetectionError::Usage(reason));
    }
    Ok(Data { train, val, class_names, root, notes })
}

/// Refuses a recipe that was not told where its data is, before anything is made for it.
///
/// # Errors
/// [`DetectionError::Usage`].
pub fn check_source(recipe: &Recipe) -> Result<(), DetectionError> {
    match &recipe.data.source {
        DataSource::Coco { root } => named(recipe, root.as_deref()).map(|_| ()),
        DataSource::Scenes(_) => Ok(()),
    }
}

/// The folder of a recipe's data.
fn data_root(recipe: &Recipe, run: &Path) -> Result<PathBuf, DetectionError> {
    match &recipe.data.source {
        DataSource::Coco { root } => named(recipe, root.as_deref()).map(Path::to_owned),
        DataSource::Scenes(options) => {
            let root = run.join(SCENES);
            write_scenes(&root, options)?;
            Ok(root)
        }
    }
}

fn named<'a>(recipe: &Recipe, root: Option<&'a Path>) -> Result<&'a Path, DetectionError> {
    root.ok_or_else(|| {
        let name = &recipe.name;
        DetectionError::Usage(format!("recipe `{name}`: no data\nhelp: name a folder in COCO's layout: --data DIR"))
    })
}

/// One micro-batch, ready for the network.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, H, W, 3]`
    pub dims: Dims,
    /// The pixels, in 0..1.
    pub pixels: Vec<f32>,
    /// The boxes.
    pub truths: Vec<Truth>,
    /// For each picture of the batch, the json ids it was made of.
    pub image_ids: Vec<Vec<u64>>,
}

/// Makes batches: a function of the recipe, the data and the place in the run.
#[derive(Clone, Debug)]
pub struct Batcher {
    set: TrainingSet,
    augment: Augment,
    multi_scale: Option<MultiScale>,
    batch: usize,
    seed: u64,
    plan: Plan,
}

/// Which micro-batch of which step.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    step: u64,
    micro_batch: u64,
}

/// Batches on their way.
pub type Batches = Loader<Place, Batch, DataError>;

impl Batcher {
    /// # Errors
    /// [`DetectionError::Setting`] for sizes out of order.
    pub fn new(recipe: &Recipe, set: TrainingSet, plan: Plan) -> Result<Self, DetectionError> {
        let multi_scale = recipe.augment.multi_scale()?;
        let batch = recipe.batch.get() as usize;
        Ok(Self { set, augment: recipe.augment.augment(), multi_scale, batch, seed: recipe.seed, plan })
    }

    /// Starts making the batches of the steps from `from` to `to`.
    ///
    /// # Errors
    /// [`DetectionError::Loader`].
    pub fn start(self, from: u64, to: u64, workers: usize) -> Result<Batches, DetectionError> {
        let plan = self.plan.clone();
        let places = (from..to)
            .flat_map(move |step| plan.micro_batches(step).map(move |micro_batch| Place { step, micro_batch }));
        let make = Arc::new(move |place: &Place| self.make(*place));
        Ok(Loader::start(workers, workers + AHEAD, places, make)?)
    }

    /// One micro-batch.
    ///
    /// # Errors
    /// [`DataError`] of the first picture that cannot be read.
    pub fn make(&self, place: Place) -> Result<Batch, DataError> {
        let (epoch, position) = self.plan.place(place.micro_batch);
        let order = epoch_order(self.set.images.len(), self.seed, epoch);
        let first = position as usize * self.batch;
        let members = &order[first..(first + self.batch).min(order.len())];
        let (mut pictures, mut truths, mut image_ids) = (Vec::new(), Vec::new(), Vec::new());
        for (image, &index) in members.iter().enumerate() {
            let sample = self.augment.sample(&self.set, Draw { seed: self.seed, epoch, index })?;
            truths.extend(sample.boxes.iter().map(|b| Truth {
                image,
                class: b.class as usize,
                cxcywh: [b.cx, b.cy, b.w, b.h],
            }));
            pictures.push(sample.image);
            image_ids.push(sample.image_ids);
        }
        let input = ImageSize::square(self.augment.size);
        let size = self.multi_scale.map_or(input, |m| m.batch_size(input, m.draw(self.seed, place.step)));
        let pixels = batch_pixels(&pictures, size);
        let dims = Dims { n: pictures.len(), h: size.height, w: size.width, c: 3 };
        Ok(Batch { dims, pixels, truths, image_ids })
    }
}

/// The images of an epoch, as a plan wants them.
pub fn images_of(set: &TrainingSet) -> NonZeroU64 {
    NonZeroU64::new(set.images.len() as u64).unwrap_or(NonZeroU64::MIN)
}

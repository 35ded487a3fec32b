//! From a data set to batches.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wrs_datasets::augment::{Augment, Draw, MultiScale};
use wrs_datasets::detection::{Layout, ReadOptions, TrainingSet, unite_categories};
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_datasets::scenes::write_scenes;
use wrs_datasets::{DataError, DetectionDataset, ImageSize, Split};
use wrs_nn::Dims;
use wrs_train::plan::{Place, Plan};
use wrs_train::run_dir::DATA_DIGEST;

use crate::assign::Truth;
use crate::error::DetectionError;
use crate::net::InputSpec;
use crate::recipe::{DataSource, Recipe};

/// Batches that may wait for the network, beside those being made.
const AHEAD: usize = 2;

/// What all objects are called where a recipe takes them for one class.
pub const SINGLE_CLASS: &str = "object";

/// Name of the folder of made-up scenes in a run's directory.
const SCENES: &str = "scenes";

/// Both splits of a recipe's data.
#[derive(Clone, Debug)]
pub struct Data {
    /// What is trained on.
    pub train: TrainingSet,
    /// What is evaluated on.
    pub val: DetectionDataset,
    /// Names of the classes, by class index.
    pub class_names: Vec<String>,
    /// The folder.
    pub root: PathBuf,
    /// What the readers noticed, a line each.
    pub notes: Vec<String>,
    /// Of names, sizes and boxes of both splits: the same photographs with the same boxes give the same digest in any layout.
    pub digest: String,
}

impl Data {
    /// Which data it is, for the run's records.
    pub fn summary(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("folder".to_owned(), self.root.display().to_string()),
            (DATA_DIGEST.to_owned(), self.digest.clone()),
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
    let (root, options) = data_root(recipe, run)?;
    let settings = &recipe.data;
    let open = |name: &str| DetectionDataset::open_with(&root, options, &Split::from(name));
    let (mut train, mut val) = (open(&settings.train_split)?, open(&settings.val_split)?);
    let mut notes = unite_categories(&mut train, &mut val)?;
    if settings.single_class {
        for set in [&mut train, &mut val] {
            set.merge_classes(SINGLE_CLASS);
        }
    }
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
    let digest = digest(&class_names, &train, &val);
    Ok(Data { train, val, class_names, root, notes, digest })
}

fn digest(class_names: &[String], train: &TrainingSet, val: &DetectionDataset) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in class_names {
        hasher.update(name.as_bytes()).update(b"\0");
    }
    let mut image = |path: &Path, size: ImageSize, boxes: &mut dyn Iterator<Item = (u32, [f64; 4])>| {
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(format!(" {size}").as_bytes());
        for (class, xywh) in boxes {
            hasher.update(&class.to_le_bytes());
            for side in xywh {
                hasher.update(&side.to_le_bytes());
            }
        }
    };
    for of in &train.images {
        image(&of.path, of.size, &mut of.boxes.iter().map(|b| (b.class, b.xyxy.to_xywh())));
    }
    for of in &val.images {
        image(&of.path, of.size, &mut of.annotations.iter().map(|a| (a.class, a.bbox)));
    }
    hasher.finalize().to_hex().to_string()
}

/// Refuses a recipe that was not told where its data is, before anything is made for it.
///
/// # Errors
/// [`DetectionError::Usage`].
pub fn check_source(recipe: &Recipe) -> Result<(), DetectionError> {
    match &recipe.data.source {
        DataSource::Folder { .. } => folder(recipe).map(drop),
        DataSource::Scenes(_) => Ok(()),
    }
}

/// The folder of a recipe's data, and how to read it.
fn data_root(recipe: &Recipe, run: &Path) -> Result<(PathBuf, ReadOptions), DetectionError> {
    if let DataSource::Scenes(scenes) = &recipe.data.source {
        let root = run.join(SCENES);
        write_scenes(&root, scenes)?;
        return Ok((root, ReadOptions { layout: Some(Layout::Coco), ..ReadOptions::default() }));
    }
    let (root, options) = folder(recipe)?;
    Ok((root.to_owned(), options))
}

/// The folder that a recipe names, and how to read it.
///
/// # Errors
/// [`DetectionError::Usage`] for a recipe that names none.
pub fn folder(recipe: &Recipe) -> Result<(&Path, ReadOptions), DetectionError> {
    let DataSource::Folder { root: Some(root), layout, first_pixel } = &recipe.data.source else {
        let text = format!("recipe `{}`: no data", recipe.training.name);
        let help = "name a folder in COCO's, YOLO's or VOC's layout: --data DIR";
        return Err(DetectionError::Usage(format!("{text}\nhelp: {help}")));
    };
    Ok((root, ReadOptions { layout: *layout, first_pixel: *first_pixel, ..ReadOptions::default() }))
}

/// One micro-batch, ready for the network.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, H, W, C]`
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
    input: InputSpec,
    multi_scale: Option<(MultiScale, NonZeroU64)>,
    batch: usize,
    seed: u64,
    plan: Plan,
}

/// Batches on their way.
pub type Batches = Loader<Place, Batch, DataError>;

impl Batcher {
    /// # Errors
    /// [`DetectionError::Train`] for sizes out of order.
    pub fn new(recipe: &Recipe, set: TrainingSet, plan: Plan, input: InputSpec) -> Result<Self, DetectionError> {
        let every = recipe.augment.multi_scale.map(|settings| settings.every);
        let multi_scale = recipe.augment.multi_scale(input.stride)?.zip(every);
        let batch = recipe.training.batch.get() as usize;
        Ok(Self { set, augment: recipe.augment.augment(), input, multi_scale, batch, seed: recipe.training.seed, plan })
    }

    /// Starts making the batches of the steps from `from` to `to`.
    ///
    /// # Errors
    /// [`DetectionError::Loader`].
    pub fn start(self, from: u64, to: u64, workers: usize) -> Result<Batches, DetectionError> {
        let places = self.plan.places(from, to);
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
        let drawn = ImageSize::square(self.augment.size);
        let of_step = |(scale, every): (MultiScale, NonZeroU64)| {
            scale.batch_size(drawn, scale.draw(self.seed, place.step / every))
        };
        let size = self.multi_scale.map_or(drawn, of_step);
        let pixels = self.input.pixels(&pictures, size);
        let dims = Dims { n: pictures.len(), h: size.height, w: size.width, c: self.input.channels };
        Ok(Batch { dims, pixels, truths, image_ids })
    }
}

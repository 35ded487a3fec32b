//! From a data set to batches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wrs_datasets::augment::counting::{CountingSample, PreparedRecord};
use wrs_datasets::augment::{Draw, InputSettings};
use wrs_datasets::counting::{
    CountingDataset, CountingLayout, CountingOptions, cut_by_list, cut_by_range, cut_by_seed, fold, refuse_overlap,
};
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_datasets::scenes::write_crowds;
use wrs_datasets::{DataError, Split};
use wrs_nn::Dims;
use wrs_train::plan::{Place, Plan};
use wrs_train::recipe::{SettingError, judge};
use wrs_train::run_dir::DATA_DIGEST;

use crate::error::CountingError;
use crate::net::STRIDE;
use crate::posterior::{Annotation, BayesianConfig, Posterior};
use crate::recipe::{DataSource, Parts, Recipe, Validation};

/// Batches that may wait for the network, beside those being made.
const AHEAD: usize = 2;

/// Name of the folder of made-up crowds in a run's directory.
const CROWDS: &str = "crowds";

/// What a recipe's training pictures are called.
pub const TRAINING: &str = "train";

/// What the pictures that pick the best weights are called.
pub const VALIDATION: &str = "val";

/// What a recipe's test pictures are called.
pub const TEST: &str = "test";

/// The parts of a recipe's data.
#[derive(Clone, Debug)]
pub struct Data {
    /// What is trained on.
    pub train: CountingDataset,
    /// What picks the best weights.
    pub val: CountingDataset,
    /// What the best weights are told by, where there is such a part.
    pub test: Option<CountingDataset>,
    /// The folder.
    pub root: PathBuf,
}

impl Data {
    /// Which data it is, for the run's records: among other things a digest of names and points of all parts.
    pub fn summary(&self) -> BTreeMap<String, String> {
        let mut summary = BTreeMap::from([
            ("folder".to_owned(), self.root.display().to_string()),
            (DATA_DIGEST.to_owned(), self.digest()),
        ]);
        for (name, set) in self.parts() {
            summary.insert(name.to_owned(), format!("{} ({} images)", set.name, set.images.len()));
        }
        summary
    }

    /// A line for each part, as people read it.
    pub fn lines(&self) -> Vec<String> {
        let line = |(name, set): (&str, &CountingDataset)| {
            format!("{name:<7} {} ({} images, {} points)", set.name, set.images.len(), points_of(set))
        };
        self.parts().map(line).collect()
    }

    /// What was found while reading, each once.
    pub fn notes(&self) -> Vec<&str> {
        let mut notes: Vec<&str> = Vec::new();
        for note in self.parts().flat_map(|(_, set)| &set.notes) {
            if !notes.contains(&note.as_str()) {
                notes.push(note);
            }
        }
        notes
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &CountingDataset)> {
        let test = self.test.as_ref().map(|set| (TEST, set));
        [(TRAINING, &self.train), (VALIDATION, &self.val)].into_iter().chain(test)
    }

    /// Of the names and points of all parts, which decide what is learned and what is counted.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (name, set) in self.parts() {
            hasher.update(name.as_bytes()).update(b"\0");
            for image in &set.images {
                hasher.update(image.id.as_bytes()).update(b"\0");
                for point in image.points.iter().flat_map(|points| points.iter()) {
                    hasher.update(&point.x.to_le_bytes()).update(&point.y.to_le_bytes());
                }
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Points of all images of a set.
pub fn points_of(set: &CountingDataset) -> usize {
    set.images.iter().map(|image| image.points.as_ref().map_or(0, |points| points.len())).sum()
}

/// Opens a recipe's data; made-up crowds are written into the run's directory first, if they are not there.
///
/// # Errors
/// [`CountingError::Data`], also where parts share pictures; [`CountingError::Usage`] for a recipe that was not told where its
/// data is, and for training or validation pictures without points.
pub fn open(recipe: &Recipe, run: &Path) -> Result<Data, CountingError> {
    let (root, options) = data_root(recipe, run)?;
    let split = |name: &str| CountingDataset::open(&root, &options, &Split::from(name));
    let (whole, test) = match &recipe.data.parts {
        Parts::Splits { train, test } => (split(train)?, test.as_deref().map(split).transpose()?),
        Parts::Fold { split: name, index, of, seed } => {
            let (kept, cut) = fold(&split(name)?, *index, *of, *seed)?;
            (kept, Some(cut))
        }
        Parts::Ranges { split: name, train, test } => {
            let all = split(name)?;
            let (_, train) = cut_by_range(&all, &train.first, &train.last)?;
            let (_, test) = cut_by_range(&all, &test.first, &test.last)?;
            (train, Some(test))
        }
    };
    let (train, val) = match &recipe.data.validation {
        Validation::Cut { images, seed } => {
            require_rest(&whole, *images)?;
            cut_by_seed(&whole, *images, *seed)?
        }
        Validation::List { file } => cut_by_list(&whole, &root.join(file))?,
        Validation::Split { name } => {
            let val = split(name)?;
            (whole, val)
        }
    };
    refuse_overlap(&train, &val)?;
    for learned_from in [&train, &val] {
        require_points(learned_from)?;
        if let Some(test) = &test {
            refuse_overlap(learned_from, test)?;
        }
    }
    Ok(Data { train, val, test, root })
}

/// Refuses a validation that leaves nothing to train on.
fn require_rest(whole: &CountingDataset, cut: usize) -> Result<(), SettingError> {
    let total = whole.images.len();
    let expected = format!("fewer than the {total} images of {}", whole.name);
    judge("data.validation.cut.images", cut < total, &expected, &cut)
}

/// One part of a recipe's data by its name (`train`, `val`, `test`, as the recipe cuts them), or another split of the folder.
///
/// # Errors
/// As [`open`]; [`CountingError::Usage`] for a recipe without a test part.
pub fn open_split(recipe: &Recipe, run: &Path, name: &str) -> Result<CountingDataset, CountingError> {
    match name {
        TRAINING => Ok(open(recipe, run)?.train),
        VALIDATION => Ok(open(recipe, run)?.val),
        TEST => open(recipe, run)?.test.ok_or_else(|| {
            let text = format!("recipe `{}`: no test part", recipe.training.name);
            CountingError::Usage(format!("{text}\nhelp: name one: --set data.parts.splits.test=test"))
        }),
        other => {
            let (root, options) = data_root(recipe, run)?;
            Ok(CountingDataset::open(&root, &options, &Split::from(other))?)
        }
    }
}

/// The splits of the folder that a recipe's parts are made of.
pub fn layout_splits(recipe: &Recipe) -> Vec<&str> {
    let mut names = match &recipe.data.parts {
        Parts::Splits { train, test } => std::iter::once(train).chain(test).map(String::as_str).collect(),
        Parts::Fold { split, .. } | Parts::Ranges { split, .. } => vec![split.as_str()],
    };
    if let Validation::Split { name } = &recipe.data.validation {
        names.push(name);
    }
    names
}

/// Refuses a part with pictures that nothing can be learned from or scored by.
///
/// # Errors
/// [`CountingError::Usage`].
pub fn require_points(set: &CountingDataset) -> Result<(), CountingError> {
    let Some(bare) = set.images.iter().find(|image| image.points.is_none()) else { return Ok(()) };
    let text = format!("{}: expected points for every image, got none for `{}`", set.name, bare.id);
    Err(CountingError::Usage(format!("{text}\nhelp: splits without annotation serve prediction alone")))
}

/// Refuses a recipe that was not told where its data is, before anything is made for it.
///
/// # Errors
/// [`CountingError::Usage`].
pub fn check_source(recipe: &Recipe) -> Result<(), CountingError> {
    match &recipe.data.source {
        DataSource::Folder { .. } => folder(recipe).map(drop),
        DataSource::Crowds(_) => Ok(()),
    }
}

/// The folder of a recipe's data, and how to read it.
fn data_root(recipe: &Recipe, run: &Path) -> Result<(PathBuf, CountingOptions), CountingError> {
    if let DataSource::Crowds(crowds) = &recipe.data.source {
        let root = run.join(CROWDS);
        write_crowds(&root, crowds)?;
        return Ok((root, read_options(recipe)));
    }
    let (root, options) = folder(recipe)?;
    Ok((root.to_owned(), options))
}

/// The folder that a recipe names, and how to read it.
///
/// # Errors
/// [`CountingError::Usage`] for a recipe that names none.
pub fn folder(recipe: &Recipe) -> Result<(&Path, CountingOptions), CountingError> {
    let DataSource::Folder { root: Some(root), .. } = &recipe.data.source else {
        let text = format!("recipe `{}`: no data", recipe.training.name);
        let help = "name a folder of pictures and points: --data DIR";
        return Err(CountingError::Usage(format!("{text}\nhelp: {help}")));
    };
    Ok((root, read_options(recipe)))
}

/// How a recipe's data is read.
pub fn read_options(recipe: &Recipe) -> CountingOptions {
    match &recipe.data.source {
        DataSource::Crowds(_) => CountingOptions { layout: Some(CountingLayout::Qnrf), ..CountingOptions::default() },
        DataSource::Folder { layout, part, swap_xy, variable, dots, .. } => CountingOptions {
            layout: *layout,
            part: *part,
            swap_xy: *swap_xy,
            variable: variable.clone(),
            dots: *dots,
            ..CountingOptions::default()
        },
    }
}

/// One micro-batch, ready for the network and the loss.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, H, W, 3]`
    pub dims: Dims,
    /// The pixels, normalised.
    pub pixels: Vec<f32>,
    /// Whose people are those of a cell, of each crop.
    pub posteriors: Vec<Posterior>,
    /// Crops of the whole optimizer step.
    pub of_step: usize,
    /// The pictures it was made of.
    pub ids: Vec<String>,
}

/// Makes micro-batches: a function of the recipe, the data and the place in the run.
#[derive(Clone, Debug)]
pub struct Batcher {
    images: Vec<PreparedRecord>,
    input: InputSettings,
    loss: BayesianConfig,
    batch: usize,
    crop: usize,
    seed: u64,
    plan: Plan,
}

/// Batches on their way.
pub type Batches = Loader<Place, Batch, DataError>;

impl Batcher {
    /// Of a recipe's training part, in a plan's order.
    ///
    /// # Errors
    /// [`CountingError::Data`] for a record without points, and sizes out of reach.
    pub fn new(recipe: &Recipe, set: &CountingDataset, plan: Plan) -> Result<Self, CountingError> {
        let prepare = |record| recipe.augment.prepare(record, recipe.resize.as_ref());
        Ok(Self {
            images: set.images.iter().map(prepare).collect::<Result<_, _>>()?,
            input: recipe.input,
            loss: recipe.loss,
            batch: recipe.training.batch.get() as usize,
            crop: recipe.augment.crop,
            seed: recipe.training.seed,
            plan,
        })
    }

    /// Starts making the micro-batches of the steps from `from` to `to`.
    ///
    /// # Errors
    /// [`CountingError::Loader`].
    pub fn start(self, from: u64, to: u64, workers: usize) -> Result<Batches, CountingError> {
        let places = self.plan.places(from, to);
        let make = Arc::new(move |place: &Place| self.make(*place));
        Ok(Loader::start(workers, workers + AHEAD, places, make)?)
    }

    /// The micro-batch of a place.
    ///
    /// # Errors
    /// [`DataError`] of the first picture that cannot be read.
    pub fn make(&self, place: Place) -> Result<Batch, DataError> {
        let (epoch, position) = self.plan.place(place.micro_batch);
        let order = epoch_order(self.images.len(), self.seed, epoch);
        let first = position as usize * self.batch;
        let side = self.crop;
        let grid = [side / STRIDE; 2];
        let (mut pictures, mut posteriors, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for &index in &order[first..first + self.crops(position)] {
            let draw = Draw { seed: self.seed, epoch, index };
            let CountingSample { image, points, targets, shorter_side_px, id } = self.images[index].sample(draw)?;
            let annotation = Annotation { points, targets, shorter_side_px };
            posteriors.push(Posterior::new(&self.loss, grid, STRIDE, &annotation));
            pictures.push(image);
            ids.push(id);
        }
        let of_step = self.plan.micro_batches(place.step).map(|of| self.crops(self.plan.place(of).1)).sum();
        let dims = Dims { n: pictures.len(), h: side, w: side, c: 3 };
        Ok(Batch { dims, pixels: self.input.pixels(&pictures), posteriors, of_step, ids })
    }

    /// Crops of the micro-batch at this place of an epoch; those left at its end are fewer.
    fn crops(&self, position: u64) -> usize {
        self.batch.min(self.images.len() - position as usize * self.batch)
    }
}

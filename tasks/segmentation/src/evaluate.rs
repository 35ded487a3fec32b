//! The class of every pixel, and what that is worth.
//!
//! Legend: `H W` the picture's pixels, `h w` cells of the logits, `K` classes.  The protocol is DeepLab's "native": each
//! picture whole, at its own size, alone, scored at its own pixels; "tiled" where any picture has too many of them.

mod tiles;
mod views;

use std::path::Path;
use std::sync::Arc;

use wrs_datasets::image::{NoteCounts, probe};
use wrs_datasets::label_map::LabelMap;
use wrs_datasets::loader::Loader;
use wrs_datasets::segmentation::{LabelledImage, SegmentationDataset, SegmentationRecord, read_picture};
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_eval::{AbsentClasses, ConfusionMatrix, ImageConfusion, SegmentationMetrics};
use wrs_nn::{Dims, InputGradient, Params, Pass, Value};
use wrs_ops::conv::Algorithms;

use crate::error::SegmentationError;
use crate::model::DeepLabV3;
use crate::recipe::{EvaluationSettings, InputSettings};

pub use tiles::TilePlan;

/// Pictures that may wait for the network.
const AHEAD: usize = 2;

/// A network that gives every pixel a class.
#[derive(Clone, Copy, Debug)]
pub struct Segmenter<'a> {
    /// Its layers.
    pub net: &'a DeepLabV3,
    /// Its numbers.
    pub params: &'a Params,
    /// How bytes become its input.
    pub input: &'a InputSettings,
    /// Which kernels.
    pub algorithms: Algorithms,
}

/// The classes of a picture's pixels.
#[derive(Clone, Debug)]
pub struct Segmented {
    /// Of the picture's size, without void.
    pub labels: LabelMap,
    /// Logits that are not finite: a sign that the network is broken.
    pub not_finite: usize,
    /// Whether the picture, or a view of it, was cut into tiles.
    pub is_tiled: bool,
}

impl Segmenter<'_> {
    /// Gives every pixel of a picture its most probable class; of equals the first.
    ///
    /// # Errors
    /// [`SegmentationError::Train`] when the network refuses.
    pub fn segment(&self, image: &ImageRgb8, settings: &EvaluationSettings) -> Result<Segmented, SegmentationError> {
        if !settings.is_plain() {
            return views::segment(self, image, settings);
        }
        let logits = self.logits(image, settings)?;
        let labels = self.net.labels(&logits, [image.size.height, image.size.width])?;
        let is_tiled = self.plan(image.size, settings).is_some();
        Ok(Segmented { labels: label_map(image.size, labels), not_finite: not_finite(&logits), is_tiled })
    }

    /// How the largest view of a picture of this size is cut into tiles, where it is.
    pub fn plan(&self, size: ImageSize, settings: &EvaluationSettings) -> Option<TilePlan> {
        let largest = settings.scales.iter().copied().fold(0.0, f64::max);
        self.plan_of_view(views::scaled(size, largest), settings)
    }

    fn plan_of_view(&self, size: ImageSize, settings: &EvaluationSettings) -> Option<TilePlan> {
        TilePlan::new(size, settings.max_pixels?, self.net.output_stride())
    }

    /// `[1, h, w, K]`, before they are brought to the picture's size.
    fn logits(&self, image: &ImageRgb8, settings: &EvaluationSettings) -> Result<Value, SegmentationError> {
        match self.plan_of_view(image.size, settings) {
            Some(plan) => tiles::logits(self, image, &plan),
            None => self.whole_logits(image),
        }
    }

    /// The same of a picture that is seen at once.
    fn whole_logits(&self, image: &ImageRgb8) -> Result<Value, SegmentationError> {
        let dims = Dims { n: 1, h: image.size.height, w: image.size.width, c: 3 };
        let mut pass = Pass::eval(self.params, self.algorithms);
        let x = pass.input(dims, self.input.pixels([image]).into(), InputGradient::Skipped);
        Ok(self.net.forward_low(&mut pass, &x)?)
    }
}

fn not_finite(logits: &Value) -> usize {
    logits.buffer().host().iter().filter(|logit| !logit.is_finite()).count()
}

fn label_map(size: ImageSize, labels: Vec<u8>) -> LabelMap {
    LabelMap { width: size.width, height: size.height, labels }
}

/// An evaluation and what it was made of.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// mIOU and the rest.
    pub metrics: SegmentationMetrics,
    /// Over all pictures.
    pub confusion: ConfusionMatrix,
    /// Picture by picture, in the order of the set.
    pub by_image: Vec<ImageConfusion>,
    /// Logits that are not finite.
    pub not_finite: usize,
    /// Pictures that were cut into tiles.
    pub tiled: usize,
    /// Remarks on the pictures.
    pub notes: NoteCounts,
}

/// What is done with each picture's classes besides counting.
pub type Keep<'a> = dyn FnMut(&SegmentationRecord, &LabelMap) -> Result<(), SegmentationError> + 'a;

/// Runs a network over a split and counts what it makes of every pixel that has a class.
///
/// # Errors
/// [`SegmentationError::Loader`] for a picture that cannot be read; [`SegmentationError::Usage`] for data of another number
/// of classes, or without masks; what `keep` ends in.
pub fn evaluate(
    segmenter: Segmenter<'_>,
    data: &SegmentationDataset,
    settings: &EvaluationSettings,
    workers: usize,
    keep: &mut Keep<'_>,
) -> Result<Evaluation, SegmentationError> {
    let classes = data.class_names.len();
    if segmenter.net.classes() != classes {
        let text = format!("the network knows {} classes, {} has {classes}", segmenter.net.classes(), data.name);
        return Err(SegmentationError::Usage(format!("{text}\nhelp: evaluate on data of the same classes")));
    }
    let make = Arc::new(SegmentationRecord::read);
    let pictures = Loader::start(workers, workers + AHEAD, data.images.clone(), make)?;
    let mut whole = ConfusionMatrix::new(classes)?;
    let (mut by_image, mut broken) = (Vec::with_capacity(data.images.len()), 0);
    let (mut tiled, mut remarks) = (0, NoteCounts::default());
    for (picture, record) in pictures.zip(&data.images) {
        let LabelledImage { image, labels, notes } = picture?;
        remarks.add(&record.id, &notes);
        let segmented = segmenter.segment(&image, settings)?;
        let mut confusion = ConfusionMatrix::new(classes)?;
        confusion.add(&labels.labels, &segmented.labels.labels)?;
        whole.merge(&confusion)?;
        by_image.push(ImageConfusion::of(&record.id, &confusion));
        broken += segmented.not_finite;
        tiled += usize::from(segmented.is_tiled);
        keep(record, &segmented.labels)?;
    }
    let metrics = whole.metrics(AbsentClasses::Skip).named(&data.class_names)?;
    Ok(Evaluation { metrics, confusion: whole, by_image, not_finite: broken, tiled, notes: remarks })
}

/// Runs a network over a split whose classes nobody tells; `keep` has them.
///
/// # Errors
/// [`SegmentationError::Loader`] for a picture that cannot be read; what `keep` ends in.
pub fn segment_all(
    segmenter: Segmenter<'_>,
    data: &SegmentationDataset,
    settings: &EvaluationSettings,
    workers: usize,
    keep: &mut Keep<'_>,
) -> Result<(), SegmentationError> {
    let make = Arc::new(SegmentationRecord::read_image);
    let pictures = Loader::start(workers, workers + AHEAD, data.images.clone(), make)?;
    for (picture, record) in pictures.zip(&data.images) {
        keep(record, &segmenter.segment(&picture?, settings)?.labels)?;
    }
    Ok(())
}

/// Reads a picture of any format and gives its pixels classes.
///
/// # Errors
/// [`SegmentationError::Data`] when it cannot be read.
pub fn segment_file(
    segmenter: Segmenter<'_>,
    path: &Path,
    settings: &EvaluationSettings,
) -> Result<(ImageRgb8, Segmented), SegmentationError> {
    let image = read_picture(path)?.image;
    let segmented = segmenter.segment(&image, settings)?;
    Ok((image, segmented))
}

/// How many of a split's pictures are too large to be seen at once, and how the largest of them is cut, for people; none
/// where all are seen whole.  Of a picture whose header cannot be read nothing is said: reading it will say more.
pub fn tell_tiles(
    segmenter: &Segmenter<'_>,
    data: &SegmentationDataset,
    settings: &EvaluationSettings,
) -> Option<String> {
    settings.max_pixels?;
    let sizes = data.images.iter().filter_map(|record| Some(probe(&record.image).ok()?.stored));
    let plans: Vec<_> = sizes.filter_map(|size| segmenter.plan(size, settings)).collect();
    let largest = plans.iter().max_by_key(|plan| plan.tiles())?;
    Some(format!("tiles   {} of {} pictures; the largest: {largest}", plans.len(), data.images.len()))
}

//! What a network finds in pictures, and what that is worth.

use std::path::Path;
use std::sync::Arc;

use wrs_datasets::augment::{Letterbox, rectangular_input};
use wrs_datasets::detection::{Annotation, ImageRecord};
use wrs_datasets::image::{ImageSize, ResizeFilter, long_side_size, read_image};
use wrs_datasets::loader::Loader;
use wrs_datasets::{BoxXyxy, DataError, DetectionDataset, ImageRgb8};
use wrs_eval::{Category, Detection, DetectionMetrics, GroundTruth, GtBox, evaluate_detections};
use wrs_nn::{Dims, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;

use crate::anchors::{Anchors, LevelMap};
use crate::decode::decode;
use crate::error::DetectionError;
use crate::net::{DetectionNet, InputSpec};
use crate::nms::{NmsSettings, suppress};
use crate::recipe::{EvaluationSettings, InputShape};

/// Pictures that may wait for the network.
const AHEAD: usize = 4;

/// A network that finds things.
#[derive(Clone, Copy, Debug)]
pub struct Detector<'a> {
    /// Its layers.
    pub net: &'a DetectionNet,
    /// Its numbers.
    pub params: &'a Params,
    /// Its anchors.
    pub anchors: &'a Anchors,
    /// Which kernels.
    pub algorithms: Algorithms,
}

/// A box in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Edges in pixels of the picture.
    pub xyxy: BoxXyxy,
    /// From 0 to 1.
    pub score: f32,
    /// Class index.
    pub class: usize,
}

/// What was found in one picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundInPicture {
    /// Best score first.
    pub found: Vec<Found>,
    /// Candidates whose numbers were not finite: a sign that the network is broken.
    pub not_finite: usize,
}

/// A picture as the network sees it.
#[derive(Clone, Debug)]
pub struct Prepared {
    fit: Letterbox,
    channels: usize,
    pixels: Vec<f32>,
}

impl Prepared {
    /// `[1, H, W, C]`.
    pub fn dims(&self) -> Dims {
        Dims { n: 1, h: self.fit.input.height, w: self.fit.input.width, c: self.channels }
    }

    /// The input's numbers.
    pub fn into_pixels(self) -> Vec<f32> {
        self.pixels
    }
}

/// Fits a picture into a network's input.
///
/// Padded shapes: resized to `size` along the long side by area averaging (small pictures grow), the rest grey.  Stretched:
/// resized to `size` by `size` with anti-aliasing.
///
/// # Errors
/// [`DataError::Resize`].
pub fn prepare(image: &ImageRgb8, settings: &EvaluationSettings, input: InputSpec) -> Result<Prepared, DataError> {
    let size = settings.size.get();
    let content = long_side_size(image.size, size);
    let square = ImageSize::square(size.next_multiple_of(input.stride));
    let (fit, filter) = match settings.shape {
        InputShape::Rectangle => {
            (centred(image.size, content, rectangular_input(&[content], size, input.stride, 0.0)), ResizeFilter::Area)
        }
        InputShape::Square => (centred(image.size, content, square), ResizeFilter::Area),
        InputShape::Stretch => (Letterbox::stretch(image.size, square), ResizeFilter::Triangle),
    };
    let padded = fit.apply(image, filter)?;
    Ok(Prepared { pixels: input.pixels([&padded], fit.input), channels: input.channels, fit })
}

/// The content in the middle of the input; of an odd padding the smaller half comes first.
fn centred(image: ImageSize, content: ImageSize, input: ImageSize) -> Letterbox {
    let padding = |input: usize, content: usize| input.saturating_sub(content) / 2;
    let (left, top) = (padding(input.width, content.width), padding(input.height, content.height));
    Letterbox { image, input, content, left, top }
}

impl Detector<'_> {
    /// Finds boxes in a prepared picture.
    ///
    /// # Errors
    /// [`DetectionError::Train`] when the network refuses.
    pub fn find(&self, picture: Prepared, nms: &NmsSettings) -> Result<FoundInPicture, DetectionError> {
        let dims = picture.dims();
        let Prepared { fit, pixels, .. } = picture;
        let mut pass = Pass::eval(self.params, self.algorithms);
        let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
        let outputs = self.net.forward(&mut pass, &x)?;
        let maps: Vec<LevelMap<'_>> = outputs
            .iter()
            .map(|v| LevelMap { n: 1, h: v.dims().h, w: v.dims().w, logits: v.buffer().host() })
            .collect();
        let candidates = decode(&maps, self.anchors, self.net.classes(), 0, nms.confidence)
            .map_err(|source| wrs_nn::NnError::Shape { layer: "decode".into(), source })?;
        let kept = suppress(&candidates, nms);
        let to_picture = |d: &crate::nms::Detected| {
            let [x0, y0, x1, y1] = d.bbox_xyxy.map(f64::from);
            Found { xyxy: fit.image_from_input(BoxXyxy { x0, y0, x1, y1 }), score: d.score, class: d.class }
        };
        Ok(FoundInPicture { found: kept.detections.iter().map(to_picture).collect(), not_finite: kept.not_finite })
    }
}

/// An evaluation and what it was made of.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// COCO's numbers and the paper's.
    pub metrics: DetectionMetrics,
    /// The detections, in the order of the images.
    pub detections: Vec<Detection>,
    /// Candidates whose numbers were not finite.
    pub not_finite: usize,
}

/// Runs a network over a split and scores what it finds.
///
/// Pictures missing on disk stay in the ground truth, so that their objects count as missed.
///
/// # Errors
/// [`DetectionError::Loader`] for a picture that cannot be read; [`DetectionError::Usage`] for data of another number of classes;
/// [`DetectionError::Eval`].
pub fn evaluate(
    detector: Detector<'_>,
    data: &DetectionDataset,
    settings: &EvaluationSettings,
    workers: usize,
) -> Result<Evaluation, DetectionError> {
    let (known, classes) = (detector.net.classes(), data.categories.len());
    if known != classes {
        let text = format!("the network knows {known} classes, {} has {classes}", data.name);
        return Err(DetectionError::Usage(format!("{text}\nhelp: evaluate on data of the same classes")));
    }
    let (how, input) = (settings.clone(), detector.net.input());
    let readable: Vec<_> = data.images.iter().filter(|image| image.on_disk).cloned().collect();
    let ids: Vec<u64> = readable.iter().map(|image| image.id).collect();
    let make = Arc::new(move |image: &ImageRecord| prepare(&image.read()?.image, &how, input));
    let pictures = Loader::start(workers, workers + AHEAD, readable, make)?;
    let (mut detections, mut not_finite) = (Vec::new(), 0);
    for (picture, image_id) in pictures.zip(ids) {
        let result = detector.find(picture?, &settings.nms)?;
        not_finite += result.not_finite;
        for found in result.found {
            let category_id = data.categories[found.class].id;
            let (bbox, score) = (found.xyxy.to_xywh(), f64::from(found.score));
            detections.push(Detection { image_id, category_id, bbox, score });
        }
    }
    let metrics = evaluate_detections(&ground_truth(data), &detections)?;
    Ok(Evaluation { metrics, detections, not_finite })
}

/// A split as the evaluator knows it: everything, crowds included.
pub fn ground_truth(data: &DetectionDataset) -> GroundTruth {
    let mut truth = GroundTruth {
        image_ids: data.images.iter().map(|image| image.id).collect(),
        categories: data.categories.iter().map(|c| Category { id: c.id, name: c.name.clone() }).collect(),
        boxes: Vec::new(),
    };
    for image in &data.images {
        for a in &image.annotations {
            let category_id = data.categories[a.class as usize].id;
            let &Annotation { bbox, area, is_crowd, difficult, .. } = a;
            truth.boxes.push(GtBox { image_id: image.id, category_id, bbox, area, is_crowd, difficult });
        }
    }
    truth
}

/// Reads a picture of any format and finds boxes in it.
///
/// # Errors
/// [`DetectionError::Data`] when it cannot be read.
pub fn find_in_file(
    detector: Detector<'_>,
    path: &Path,
    settings: &EvaluationSettings,
) -> Result<(ImageRgb8, FoundInPicture), DetectionError> {
    let image = read_image(path, None)?.image;
    let found = detector.find(prepare(&image, settings, detector.net.input())?, &settings.nms)?;
    Ok((image, found))
}

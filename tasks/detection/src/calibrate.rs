//! Running statistics of plain training pictures, where a recipe asks for them.

use std::borrow::Cow;
use std::sync::Arc;

use wrs_datasets::detection::{TrainingImage, TrainingSet};
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_nn::{Dims, Params};
use wrs_ops::conv::Algorithms;
use wrs_train::recalibrate::recalibrate;

use crate::error::DetectionError;
use crate::evaluate::{Prepared, prepare};
use crate::net::DetectionNet;
use crate::recipe::{EvaluationSettings, InputShape, Recipe};

/// Pictures that may wait for the network.
const AHEAD: usize = 4;

/// The numbers that an evaluation judges: with statistics of plain pictures where the recipe asks for it.
///
/// The pictures are fitted as the evaluation fits them, but into squares, so that batches of the recipe's size can be made.
///
/// # Errors
/// [`DetectionError::Loader`] for a picture that cannot be read.
pub fn recalibrated<'p>(
    recipe: &Recipe,
    net: &DetectionNet,
    params: &'p Params,
    set: &TrainingSet,
    workers: usize,
    algorithms: Algorithms,
) -> Result<Cow<'p, Params>, DetectionError> {
    let Some(settings) = recipe.training.recalibrate_bn else { return Ok(Cow::Borrowed(params)) };
    let order = epoch_order(set.images.len(), recipe.training.seed, 0);
    let chosen: Vec<TrainingImage> =
        order.into_iter().take(settings.images.get()).map(|index| set.images[index].clone()).collect();
    let shape = match recipe.evaluation.shape {
        InputShape::Stretch => InputShape::Stretch,
        InputShape::Rectangle | InputShape::Square => InputShape::Square,
    };
    let (how, input) = (EvaluationSettings { shape, ..recipe.evaluation.clone() }, net.input());
    let make = Arc::new(move |image: &TrainingImage| prepare(&image.read()?.image, &how, input));
    let mut pictures = Loader::start(workers, workers + AHEAD, chosen, make)?;
    let batches = std::iter::from_fn(|| {
        let batch: Result<Vec<Prepared>, _> = pictures.by_ref().take(recipe.training.batch.get() as usize).collect();
        batch.map_err(DetectionError::from).map(stacked).transpose()
    });
    let measured = recalibrate(params, algorithms, batches, |pass, x| net.forward(pass, x))?;
    Ok(Cow::Owned(measured))
}

/// Pictures of one size as one input; none of no pictures.
fn stacked(pictures: Vec<Prepared>) -> Option<(Dims, Vec<f32>)> {
    let dims = Dims { n: pictures.len(), ..pictures.first()?.dims() };
    Some((dims, pictures.into_iter().flat_map(Prepared::into_pixels).collect()))
}

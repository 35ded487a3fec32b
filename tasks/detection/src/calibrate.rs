//! Running statistics measured anew: batch norms trained on augmented pictures judge plain ones by statistics of others.
//!
//! "Precise BN" (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3): the statistics of whole batches of
//! plain training pictures under the final weights, averaged, take the place of the moving average.

use std::borrow::Cow;
use std::sync::Arc;

use wrs_datasets::detection::{TrainingImage, TrainingSet};
use wrs_datasets::loader::{Loader, epoch_order};
use wrs_nn::{Calibration, Dims, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;

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
    let Some(settings) = recipe.recalibrate_bn else { return Ok(Cow::Borrowed(params)) };
    let order = epoch_order(set.images.len(), recipe.seed, 0);
    let chosen: Vec<TrainingImage> =
        order.into_iter().take(settings.images.get()).map(|index| set.images[index].clone()).collect();
    let shape = match recipe.evaluation.shape {
        InputShape::Stretch => InputShape::Stretch,
        InputShape::Rectangle | InputShape::Square => InputShape::Square,
    };
    let (how, input) = (EvaluationSettings { shape, ..recipe.evaluation.clone() }, net.input());
    let make = Arc::new(move |image: &TrainingImage| prepare(&image.read()?.image, &how, input));
    let mut pictures = Loader::start(workers, workers + AHEAD, chosen, make)?;
    let mut calibration = Calibration::new(params);
    loop {
        let batch = pictures.by_ref().take(recipe.batch.get() as usize).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = batch.first() else { break };
        let dims = Dims { n: batch.len(), ..first.dims() };
        let pixels: Vec<f32> = batch.into_iter().flat_map(Prepared::into_pixels).collect();
        let mut pass = Pass::calibrate(params, algorithms);
        let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
        net.forward(&mut pass, &x)?;
        calibration.add(pass)?;
    }
    let mut measured = params.clone();
    calibration.finish(&mut measured)?;
    Ok(Cow::Owned(measured))
}

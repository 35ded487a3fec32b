//! Running statistics measured anew on plain crops: those of enlarged and shrunken ones are others.

use std::borrow::Cow;

use wrs_datasets::SegmentationDataset;
use wrs_datasets::augment::HsvGains;
use wrs_datasets::augment::segmentation::SegmentationAugment;
use wrs_datasets::loader::epoch_order;
use wrs_nn::Params;
use wrs_ops::conv::Algorithms;
use wrs_train::plan::{Accumulation, Plan};
use wrs_train::recalibrate::recalibrate;

use crate::error::SegmentationError;
use crate::model::DeepLabV3;
use crate::recipe::{LastBatch, Recipe};
use crate::sample::{self, Batcher};

/// The numbers that an evaluation judges: with statistics of plain crops where the recipe asks for it.
///
/// The crops are the training's, at the pictures' own scale and not mirrored: whole pictures have a size each, and batches of
/// one picture would leave the pooling branch's norm a single value a channel.
///
/// # Errors
/// [`SegmentationError::Loader`] for a picture that cannot be read.
pub fn recalibrated<'p>(
    recipe: &Recipe,
    net: &DeepLabV3,
    params: &'p Params,
    set: &SegmentationDataset,
    workers: usize,
    algorithms: Algorithms,
) -> Result<Cow<'p, Params>, SegmentationError> {
    let Some(settings) = recipe.training.recalibrate_bn else { return Ok(Cow::Borrowed(params)) };
    let augment = SegmentationAugment {
        scale: [1.0, 1.0],
        scale_step: None,
        flip_left_right: 0.0,
        hsv: HsvGains { hue: 0.0, saturation: 0.0, value: 0.0 },
        ..recipe.augment
    };
    let plain = Recipe { augment, last_batch: LastBatch::Keep, ..recipe.clone() };
    let order = epoch_order(set.images.len(), recipe.training.seed, 0);
    let images = order.into_iter().take(settings.images.get()).map(|index| set.images[index].clone()).collect();
    let chosen = SegmentationDataset { images, ..set.clone() };
    let trained = sample::trained(&plain, &chosen);
    let batch = plain.training.batch;
    let plan = Plan::new(trained, batch, batch, Accumulation::Constant);
    let batches = plan.per_epoch().get();
    let batches = Batcher::new(&plain, &chosen, plan).start(0, batches, workers)?;
    let batches = batches.map(|batch| Ok::<_, SegmentationError>(batch.map(|batch| (batch.dims, batch.pixels))?));
    let measured = recalibrate(params, algorithms, batches, |pass, x| Ok(vec![net.forward_low(pass, x)?]))?;
    Ok(Cow::Owned(measured))
}

//! Running statistics measured anew on plain crops, under the weights as they are.

use std::borrow::Cow;

use wrs_datasets::augment::counting::CountingAugment;
use wrs_datasets::counting::CountingDataset;
use wrs_datasets::loader::epoch_order;
use wrs_nn::{Dims, Params};
use wrs_ops::conv::Algorithms;
use wrs_train::plan::{Accumulation, Plan};
use wrs_train::recalibrate::recalibrate;

use crate::error::CountingError;
use crate::model::CsrNet;
use crate::recipe::Recipe;
use crate::sample::Batcher;

/// The numbers that an evaluation judges: with statistics of plain crops where the recipe asks for it.
///
/// # Errors
/// [`CountingError::Loader`] for a picture that cannot be read.
pub fn recalibrated<'p>(
    recipe: &Recipe,
    net: &CsrNet,
    params: &'p Params,
    set: &CountingDataset,
    workers: usize,
    algorithms: Algorithms,
) -> Result<Cow<'p, Params>, CountingError> {
    let Some(settings) = recipe.training.recalibrate_bn else { return Ok(Cow::Borrowed(params)) };
    let batches = plain_crops(recipe, set, settings.images.get(), workers)?;
    let measured = recalibrate(params, algorithms, batches, |pass, x| Ok(vec![net.forward(pass, x)?]))?;
    Ok(Cow::Owned(measured))
}

/// How many training crops norms are filled from which a file starts without: as many as running statistics are measured on.
///
/// # Errors
/// [`CountingError::Usage`] for a recipe that does not say.
pub fn images_to_calibrate(recipe: &Recipe) -> Result<usize, CountingError> {
    recipe.training.recalibrate_bn.map(|settings| settings.images.get()).ok_or_else(|| {
        let text = "init: the file has no batch norms, so that those of the network must be measured on training crops";
        CountingError::Usage(format!("{text}\nhelp: say on how many: --set recalibrate-bn.images=64"))
    })
}

/// Batches of so many training crops, a draw of the seed, as they are: shape and pixels.
///
/// # Errors
/// [`CountingError::Loader`].
pub fn plain_crops(
    recipe: &Recipe,
    set: &CountingDataset,
    images: usize,
    workers: usize,
) -> Result<impl Iterator<Item = Result<(Dims, Vec<f32>), CountingError>>, CountingError> {
    let augment = CountingAugment { flip_left_right: 0.0, ..recipe.augment };
    let plain = Recipe { augment, nominal_batch: recipe.training.batch, ..recipe.clone() };
    let order = epoch_order(set.images.len(), recipe.training.seed, 0);
    let images = order.into_iter().take(images).map(|index| set.images[index].clone()).collect();
    let chosen = CountingDataset { images, ..set.clone() };
    let batch = plain.training.batch;
    let plan = Plan::new(chosen.images.len() as u64, batch, batch, Accumulation::Constant);
    let batches = plan.per_epoch().get();
    let batches = Batcher::new(&plain, &chosen, plan)?.start(0, batches, workers)?;
    Ok(batches.map(|batch| Ok::<_, CountingError>(batch.map(|batch| (batch.dims, batch.pixels))?)))
}

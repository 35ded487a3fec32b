//! What a training has before its first step: its course, its network.

use wrs_datasets::detection::TrainingSet;
use wrs_nn::Params;
use wrs_optim::RunLength as ScheduleLength;
use wrs_train::recipe::RunLength;

use crate::error::DetectionError;
use crate::net::DetectionNet;
use crate::plan::{Accumulation, Plan};
use crate::recipe::Recipe;
use crate::sample;

/// How a recipe's steps lie over a training set.
pub(super) struct Course {
    /// Which micro-batches make which step.
    pub plan: Plan,
    /// Optimizer steps of the run.
    pub total: u64,
    /// The run as its schedule counts it: in micro-batches, as the code the paper ran does; without accumulation they are
    /// the steps.
    pub length: ScheduleLength,
}

impl Course {
    pub fn of(recipe: &Recipe, train: &TrainingSet) -> Self {
        let images = sample::images_of(train);
        let plan_of = |accumulation| Plan::new(images, recipe.batch, recipe.nominal_batch, accumulation);
        let per_epoch = plan_of(Accumulation::Constant).per_epoch();
        let endless = ScheduleLength { steps: u64::MAX, steps_per_epoch: per_epoch };
        let warm_up = recipe.schedule.warm_up.map_or(0, |warm_up| warm_up.steps(endless));
        let growing = Accumulation::Growing { warm_up };
        let plan = plan_of(if recipe.growing_accumulation { growing } else { Accumulation::Constant });
        let total = match recipe.length {
            RunLength::Steps(steps) => steps.get(),
            RunLength::Epochs(epochs) => plan.steps_of(epochs.get()),
        };
        let steps = plan.micro_batches(total.max(1) - 1).end;
        Self { plan, total, length: ScheduleLength { steps, steps_per_epoch: per_epoch } }
    }
}

/// The network of a recipe with the seed's values, and what the recipe freezes of it.
pub(super) fn network(recipe: &Recipe, classes: usize) -> Result<(DetectionNet, Params, Vec<String>), DetectionError> {
    let (net, mut params) = DetectionNet::new(&recipe.model, classes, recipe.seed)?;
    let mut notes = Vec::new();
    for part in &recipe.freeze {
        let tensors = params.freeze(part);
        if tensors == 0 {
            let first = params.iter().next().map_or("", |(_, parameter)| parameter.name.as_str());
            let text = format!("freeze: no tensor's name begins with `{part}`\nhelp: names are like `{first}`");
            return Err(DetectionError::Usage(text));
        }
        notes.push(format!("frozen  {part}: {tensors} tensors keep their values"));
    }
    Ok((net, params, notes))
}

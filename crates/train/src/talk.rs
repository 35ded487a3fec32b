//! What every training says of itself in the same words.

use wrs_nn::Params;
use wrs_optim::{OptimError, Optimizer, Regularizer, StageNorms};

use crate::progress::Progress;
use crate::recipe::TrainingSettings;
use crate::run_dir::RunDir;

/// What is said last before the first step: the arm of the experiment and the groups of its optimizer, what is frozen
/// (`notes`), and where the run is.
pub fn say_training(
    training: &TrainingSettings,
    optimizer: &dyn Optimizer,
    notes: &[String],
    run: &RunDir,
    progress: &mut Progress,
) {
    say_groups(&training.regularizer, optimizer, progress);
    for note in notes {
        progress.say(note);
    }
    say_run(run, progress);
}

/// The arm of the experiment, and a line for each group of its optimizer: what it holds and how it decays.
fn say_groups(regularizer: &Regularizer, optimizer: &dyn Optimizer, progress: &mut Progress) {
    let how = match regularizer {
        Regularizer::Wrs { rescale, .. } => {
            let literal = if rescale.literal { ", running statistics left (literal)" } else { "" };
            let start = if rescale.rescale_at_start { ", once before the first" } else { "" };
            format!(": to unit norm every {} steps{start}{literal}", rescale.tau)
        }
        Regularizer::WeightDecay { .. } => String::new(),
    };
    progress.say(&format!("arm     {}{how}", regularizer.arm()));
    for (group, size) in optimizer.groups().iter().zip(optimizer.groups().sizes()) {
        progress.say(&format!(
            "group   {}: {} tensors, {} values, weight decay {}",
            size.name, size.tensors, size.scalars, group.weight_decay
        ));
    }
}

/// The norms that weights from elsewhere bring into the first rescale, stage by stage; nothing where nothing is rescaled.
///
/// # Errors
/// A filter without values.
pub fn say_first_norms(regularizer: &Regularizer, params: &Params, progress: &mut Progress) -> Result<(), OptimError> {
    let Regularizer::Wrs { rescale, .. } = regularizer else { return Ok(()) };
    for found in StageNorms::measure(params, rescale.select)? {
        let StageNorms { stage, tensors, rows, rows_without_direction, min, median, max } = &found;
        let norms = format!("{min:.4} / {median:.4} / {max:.4}");
        let left = match rows_without_direction {
            0 => String::new(),
            left => format!(", {left} without direction"),
        };
        progress.say(&match stage.as_str() {
            "" => format!(
                "norms   before the first rescale, min / median / max: {norms}  ({tensors} tensors, {rows} rows{left})"
            ),
            stage => format!("        {stage}: {norms}  ({rows} rows{left})"),
        });
    }
    Ok(())
}

/// Where the run is, and how to go on with it.
fn say_run(run: &RunDir, progress: &mut Progress) {
    let root = run.files().root().display();
    progress.say(&format!("run     {root}   (to go on after a stop: wrs train --resume {root})"));
}

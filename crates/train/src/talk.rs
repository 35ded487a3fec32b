//! What every training says of itself in the same words.

use wrs_optim::Optimizer;

use crate::progress::Progress;
use crate::run_dir::RunDir;

/// A line for each group of the optimizer: what it holds and how it decays.
pub fn say_groups(optimizer: &dyn Optimizer, progress: &mut Progress) {
    for (group, size) in optimizer.groups().iter().zip(optimizer.groups().sizes()) {
        progress.say(&format!(
            "group   {}: {} tensors, {} values, weight decay {}",
            size.name, size.tensors, size.scalars, group.weight_decay
        ));
    }
}

/// Where the run is, and how to go on with it.
pub fn say_run(run: &RunDir, progress: &mut Progress) {
    let root = run.files().root().display();
    progress.say(&format!("run     {root}   (to go on after a stop: wrs train --resume {root})"));
}

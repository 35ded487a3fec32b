//! A training's checkpoints: everything that the rest of the run depends on, and back.

use wrs_nn::{Buffer, Params};
use wrs_optim::{Ema, Optimizer, SavedState};
use wrs_train::checkpoint::{CheckpointFile, Checkpoints, Damage, Mark};
use wrs_train::progress::Progress;
use wrs_train::state::TrainState;
use wrs_weights::{Metadata, NamedBuffers, safetensors, write_buffers};

use crate::error::DetectionError;
use crate::recipe::Recipe;

/// The network's numbers.
const MODEL: &str = "model.safetensors";

/// The optimizer's and the average's.
const OPTIMIZER: &str = "optimizer.safetensors";

/// Where the run stands.
const STATE: &str = "state.json";

/// Brings everything back to the last checkpoint; `false` where there is none.
pub(super) fn load(
    checkpoints: &Checkpoints,
    state: &mut TrainState,
    params: &mut Params,
    optimizer: &mut dyn Optimizer,
    recipe: &Recipe,
    ema: &mut Option<Ema>,
    progress: &mut Progress,
) -> Result<bool, DetectionError> {
    let Some(found) = checkpoints.load_last()? else { return Ok(false) };
    found.notes.iter().for_each(|note| progress.say(note));
    let checkpoint = found.checkpoint;
    let damaged = |damage: Damage| DetectionError::Checkpoint(damage.into());
    let named = |name| checkpoint.path(name).display().to_string();
    let saved_state = TrainState::from_json(&checkpoint.read(STATE).map_err(damaged)?, &named(STATE))?;
    saved_state.check_recipe(&state.recipe_digest, &named(STATE))?;
    let model = checkpoint.read(MODEL).map_err(damaged)?;
    safetensors::load_bytes(params, &model, &named(MODEL), safetensors::Strictness::Exact)?;
    let buffers = NamedBuffers::read(&checkpoint.read(OPTIMIZER).map_err(damaged)?, &named(OPTIMIZER))?;
    let mut saved = SavedState::new(buffers.into_all(), saved_state.counters.clone());
    optimizer.load_state(&mut saved)?;
    if let Some(config) = recipe.ema {
        let mut average = Ema::new(config, params)?;
        average.load_state(&mut saved)?;
        *ema = Some(average);
    }
    saved.finish()?;
    progress.say(&format!("resuming after step {}", saved_state.step));
    *state = saved_state;
    Ok(true)
}

/// Saves everything that the rest of the run depends on.
pub(super) fn save(
    checkpoints: &Checkpoints,
    state: &mut TrainState,
    params: &Params,
    metadata: &Metadata,
    optimizer: &dyn Optimizer,
    ema: Option<&Ema>,
    mark: Mark,
) -> Result<(), DetectionError> {
    let (own, average) = (optimizer.state(), ema.map(Ema::state).unwrap_or_default());
    let counters = own.counters.iter().chain(&average.counters);
    state.counters = counters.map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let buffers: Vec<(&str, &Buffer)> = own.buffers.iter().chain(&average.buffers).copied().collect();
    let json = state.to_json()?;
    let empty = Metadata::new();
    let files = vec![
        CheckpointFile::written_by(MODEL, |writer| safetensors::write(params, metadata, writer)),
        CheckpointFile::written_by(OPTIMIZER, |writer| write_buffers(&buffers, &empty, writer)),
        CheckpointFile::bytes(STATE, &json),
    ];
    Ok(checkpoints.save(state.step, files, mark)?)
}

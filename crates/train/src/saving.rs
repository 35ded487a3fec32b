//! What a training's checkpoint holds: everything that the rest of the run depends on, and the way back.

use wrs_nn::{Buffer, Params};
use wrs_optim::{Ema, EmaConfig, Optimizer, SavedState};
use wrs_weights::{Metadata, NamedBuffers, safetensors, write_buffers};

use crate::checkpoint::{CheckpointError, CheckpointFile, Checkpoints, Damage, Mark};
use crate::error::TrainError;
use crate::progress::Progress;
use crate::state::TrainState;

/// The network's numbers.
const MODEL: &str = "model.safetensors";

/// The optimizer's and the average's.
const OPTIMIZER: &str = "optimizer.safetensors";

/// Where the run stands.
const STATE: &str = "state.json";

/// What [`load`] brought back beside the values that it changed in place.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The average of the weights, where the recipe has one.
    pub ema: Option<Ema>,
}

/// Brings state, parameters, optimizer and average back to the last checkpoint, and says so; `None` where there is none.
///
/// # Errors
/// Checkpoints none of which is whole; one of another recipe, network or optimizer.
pub fn load(
    checkpoints: &Checkpoints,
    state: &mut TrainState,
    params: &mut Params,
    optimizer: &mut dyn Optimizer,
    ema: Option<EmaConfig>,
    progress: &mut Progress,
) -> Result<Option<Resumed>, TrainError> {
    let Some(found) = checkpoints.load_last()? else { return Ok(None) };
    found.notes.iter().for_each(|note| progress.say(note));
    let checkpoint = found.checkpoint;
    let damaged = |damage: Damage| CheckpointError::from(damage);
    let named = |name| checkpoint.path(name).display().to_string();
    let saved_state = TrainState::from_json(&checkpoint.read(STATE).map_err(damaged)?, &named(STATE))?;
    saved_state.check_recipe(&state.recipe_digest, &named(STATE))?;
    let model = checkpoint.read(MODEL).map_err(damaged)?;
    safetensors::load_bytes(params, &model, &named(MODEL), safetensors::Strictness::Exact)?;
    let buffers = NamedBuffers::read(&checkpoint.read(OPTIMIZER).map_err(damaged)?, &named(OPTIMIZER))?;
    let mut saved = SavedState::new(buffers.into_all(), saved_state.counters.clone());
    optimizer.load_state(&mut saved)?;
    let mut ema = ema.map(|config| Ema::new(config, params)).transpose()?;
    if let Some(average) = &mut ema {
        average.load_state(&mut saved)?;
    }
    saved.finish()?;
    progress.say(&format!("resuming after step {}", saved_state.step));
    *state = saved_state;
    Ok(Some(Resumed { ema }))
}

/// Saves everything that the rest of the run depends on; the state takes the optimizer's counters along.
///
/// # Errors
/// [`TrainError::State`] for a state that JSON cannot hold, [`TrainError::Checkpoint`].
pub fn save(
    checkpoints: &Checkpoints,
    state: &mut TrainState,
    params: &Params,
    metadata: &Metadata,
    optimizer: &dyn Optimizer,
    ema: Option<&Ema>,
    mark: Mark,
) -> Result<(), TrainError> {
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

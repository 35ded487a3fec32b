//! What a training's checkpoint holds: everything that the rest of the run depends on, and the way back.

use wrs_nn::{Buffer, Params};
use wrs_optim::{Ema, EmaConfig, Optimizer, SavedState};
use wrs_weights::{Metadata, NamedBuffers, Strictness, load_bytes, safetensors, write_buffers};

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
    load_bytes(params, &model, &named(MODEL), Strictness::Exact)?;
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

#[cfg(test)]
mod tests {
    use wrs_nn::Gradients;
    use wrs_optim::schedule::Curve;
    use wrs_optim::{DecayScope, OptimError, OptimizerConfig, Regularizer, RunLength, Schedule};

    use super::*;
    use crate::progress::Appearance;
    use crate::state::StateError;
    use crate::tiny_net::TinyNet;

    const EMA: EmaConfig = EmaConfig { decay: 0.5, ramp: 1.0 };
    const SGD: OptimizerConfig = OptimizerConfig::Sgd { momentum: 0.5, nesterov: false };

    /// A training that decays, momentum and average included.
    struct Training {
        state: TrainState,
        params: Params,
        optimizer: Box<dyn Optimizer>,
        ema: Option<Ema>,
    }

    impl Training {
        fn new(seed: u64, digest: &str, config: &OptimizerConfig) -> Self {
            let params = TinyNet::new(seed).1;
            let regularizer = Regularizer::WeightDecay { weight_decay: 0.1, decay_scope: DecayScope::All };
            let optimizer = regularizer.build_optimizer(config, &params).unwrap();
            let ema = Some(Ema::new(EMA, &params).unwrap());
            Self { state: TrainState::new(digest), params, optimizer, ema }
        }

        fn step(&mut self) {
            let constant = Schedule { curve: Curve::Constant, warm_up: None };
            let factors = constant.at(0, RunLength { steps: 1, steps_per_epoch: std::num::NonZeroU64::MIN });
            let settings = self.optimizer.groups().settings(0.1, 0.5, &factors, 0);
            let mut gradients = Gradients::new(&self.params);
            self.optimizer.step(&mut self.params, &mut gradients, &settings).unwrap();
            self.ema.as_mut().unwrap().update(&self.params).unwrap();
            self.state.step += 1;
        }

        fn save(&mut self, checkpoints: &Checkpoints) {
            let (ema, metadata) = (self.ema.as_ref(), Metadata::new());
            let (params, optimizer) = (&self.params, self.optimizer.as_ref());
            save(checkpoints, &mut self.state, params, &metadata, optimizer, ema, Mark::Last).unwrap();
        }

        fn load(&mut self, checkpoints: &Checkpoints) -> Result<bool, TrainError> {
            let mut progress = Progress::new(Appearance::Silent, None);
            let (state, params, optimizer) = (&mut self.state, &mut self.params, self.optimizer.as_mut());
            let resumed = load(checkpoints, state, params, optimizer, Some(EMA), &mut progress)?;
            Ok(resumed.map(|resumed| self.ema = resumed.ema).is_some())
        }

        fn bits(&self) -> Vec<u32> {
            let average = self.ema.as_ref().unwrap().params();
            let values = [&self.params, average].map(|of| of.trainable().host());
            values.iter().copied().flatten().map(|value| value.to_bits()).collect()
        }
    }

    #[test]
    fn a_training_goes_on_where_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(&folder.path().join("ckpt"), 1).unwrap();
        let mut through = Training::new(1, "digest", &SGD);
        let mut resumed = Training::new(2, "digest", &SGD);
        assert!(!resumed.load(&checkpoints).unwrap(), "nothing is saved");
        for _ in 0..2 {
            through.step();
        }
        through.save(&checkpoints);
        assert!(resumed.load(&checkpoints).unwrap());
        assert_eq!(resumed.state, through.state);
        for training in [&mut through, &mut resumed] {
            training.step();
        }
        assert_eq!(resumed.bits(), through.bits());
    }

    #[test]
    fn another_recipe_or_optimizer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(&folder.path().join("ckpt"), 1).unwrap();
        let mut saved = Training::new(1, "digest", &SGD);
        saved.step();
        saved.save(&checkpoints);
        let other = Training::new(1, "other", &SGD).load(&checkpoints).unwrap_err();
        assert!(matches!(other, TrainError::State(StateError::OtherRecipe { .. })), "{other}");
        let adam = OptimizerConfig::Adam(wrs_optim::AdamConfig { beta1: 0.9, beta2: 0.99, eps: 1e-8 });
        let other = Training::new(1, "digest", &adam).load(&checkpoints).unwrap_err();
        assert!(matches!(other, TrainError::Optim(OptimError::StateMissing { .. })), "{other}");
    }
}

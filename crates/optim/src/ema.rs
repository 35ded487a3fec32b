//! The exponential moving average of a network, which is what gets evaluated.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wrs_nn::{Buffer, ParamId, Parameter, Params};
use wrs_ops::update;

use crate::groups::windows;
use crate::schedule::in_range;
use crate::{OptimError, OptimizerState, SavedState};

const TRAINABLE: &str = "ema.trainable";
const STATISTICS: &str = "ema.statistics";
const UPDATES: &str = "ema.updates";

/// How slowly the average moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EmaConfig {
    /// Share of the average that an update keeps, in the end.
    pub decay: f64,
    /// Updates over which that share grows from 0: `decay * (1 - exp(-k / ramp))` at the k-th.
    pub ramp: f64,
}

/// An average over the trainable values and the running statistics, to be fed after each optimizer step and its rescale.
#[derive(Clone, Debug)]
pub struct Ema {
    config: EmaConfig,
    params: Params,
    updates: u64,
}

impl Ema {
    /// Begins with the network as it is; after [`crate::Optimizer::start`].
    ///
    /// # Errors
    /// A decay outside [0, 1] or a negative ramp.
    pub fn new(config: EmaConfig, params: &Params) -> Result<Self, OptimError> {
        in_range("ema.decay", config.decay, 0.0..=1.0, "a share from 0 to 1")?;
        in_range("ema.ramp", config.ramp, 0.0..=f64::MAX, "a number of updates of at least 0")?;
        Ok(Self { config, params: params.clone(), updates: 0 })
    }

    /// The share of the average that the k-th update keeps, from k = 1 on.
    pub fn decay(&self, k: u64) -> f64 {
        self.config.decay * (1.0 - (-(k as f64) / self.config.ramp).exp())
    }

    /// Moves the average towards the network; what is frozen stays, to the last bit.
    ///
    /// # Errors
    /// When it is another network.
    pub fn update(&mut self, params: &Params) -> Result<(), OptimError> {
        let decay = self.decay(self.updates + 1);
        let (trainable, statistics): (Vec<_>, Vec<_>) =
            params.iter().filter(|&(id, _)| !params.is_frozen(id)).partition(|(_, p)| p.role.is_trainable());
        let moving = |tensors: Vec<(ParamId, &Parameter)>| {
            windows(params, &tensors.into_iter().map(|(id, _)| id).collect::<Vec<_>>())
        };
        let (average, trainable, statistics) = (&mut self.params, moving(trainable), moving(statistics));
        follow("trainable values", average.trainable_mut(), params.trainable(), &trainable, decay)?;
        follow("statistics", average.statistics_mut(), params.statistics(), &statistics, decay)?;
        self.updates += 1;
        Ok(())
    }

    /// The averaged network.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// What must be saved to go on from here.
    pub fn state(&self) -> OptimizerState<'_> {
        OptimizerState {
            buffers: vec![(TRAINABLE, self.params.trainable()), (STATISTICS, self.params.statistics())],
            counters: vec![(UPDATES, self.updates)],
        }
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// A part that is missing or of another size.
    pub fn load_state(&mut self, saved: &mut SavedState) -> Result<(), OptimError> {
        saved.take_buffer(TRAINABLE, self.params.trainable_mut())?;
        saved.take_buffer(STATISTICS, self.params.statistics_mut())?;
        self.updates = saved.take_counter(UPDATES)?;
        Ok(())
    }
}

fn follow(
    what: &'static str,
    average: &mut Buffer,
    value: &Buffer,
    windows: &[Range<usize>],
    decay: f64,
) -> Result<(), OptimError> {
    if average.len() != value.len() {
        return Err(OptimError::OtherNetwork { what, expected: average.len(), got: value.len() });
    }
    let (average, value) = (average.host_mut(), value.host());
    for window in windows {
        update::ema(&mut average[window.clone()], &value[window.clone()], decay)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::{bits, id, tiny_net};

    const CONFIG: EmaConfig = EmaConfig { decay: 0.9999, ramp: 2000.0 };

    #[test]
    fn the_decay_grows_to_its_value() {
        let ema = Ema::new(CONFIG, &tiny_net(0)).unwrap();
        assert!((ema.decay(1) - 0.9999 * (1.0 - (-1.0f64 / 2000.0).exp())).abs() < 1e-15);
        assert!((ema.decay(2000) - 0.9999 * (1.0 - (-1.0f64).exp())).abs() < 1e-12);
        assert_eq!(ema.decay(10_000_000), 0.9999);
        let constant = Ema::new(EmaConfig { decay: 0.5, ramp: 0.0 }, &tiny_net(0)).unwrap();
        assert_eq!(constant.decay(1), 0.5);
    }

    #[test]
    fn values_and_statistics_are_averaged_alike() {
        let (old, mut new) = (tiny_net(0), tiny_net(1));
        let mut ema = Ema::new(EmaConfig { decay: 0.75, ramp: 0.0 }, &old).unwrap();
        new.values_mut(id(&new, "a.bn.running_var")).fill(6.0);
        ema.update(&new).unwrap();
        for name in ["b.conv.weight", "a.bn.running_mean", "a.bn.running_var", "linear.bias"] {
            let at = id(&old, name);
            for ((got, old), new) in ema.params().values(at).iter().zip(old.values(at)).zip(new.values(at)) {
                assert!((got - (0.75 * old + 0.25 * new)).abs() < 1e-6, "{name}");
            }
        }
        assert_eq!(ema.params().values(id(&old, "a.bn.running_var")), [3.0; 3]);
    }

    #[test]
    fn each_update_keeps_the_share_of_its_number() {
        let (mut ones, mut zeros) = (tiny_net(0), tiny_net(0));
        ones.trainable_mut().host_mut().fill(1.0);
        zeros.trainable_mut().host_mut().fill(0.0);
        let mut ema = Ema::new(EmaConfig { decay: 0.9, ramp: 2.0 }, &ones).unwrap();
        let mut expected = 1.0;
        for k in [1.0f64, 2.0, 3.0] {
            ema.update(&zeros).unwrap();
            expected *= 0.9 * (1.0 - (-k / 2.0).exp());
            assert!((f64::from(ema.params().trainable().host()[0]) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_resumed_average_goes_on_with_the_same_bytes() {
        let nets: Vec<_> = (0..6).map(tiny_net).collect();
        let feed = |ema: &mut Ema, nets: &[Params]| nets.iter().for_each(|net| ema.update(net).unwrap());
        let mut whole = Ema::new(CONFIG, &nets[0]).unwrap();
        feed(&mut whole, &nets[1..4]);
        let mut saved = whole.state().to_saved();
        feed(&mut whole, &nets[4..]);

        let mut resumed = Ema::new(CONFIG, &tiny_net(99)).unwrap();
        resumed.load_state(&mut saved).unwrap();
        saved.finish().unwrap();
        feed(&mut resumed, &nets[4..]);
        assert_eq!(bits(resumed.params()), bits(whole.params()));
    }

    #[test]
    fn settings_outside_their_range_and_other_networks_are_refused() {
        assert!(Ema::new(EmaConfig { decay: 1.5, ramp: 1.0 }, &tiny_net(0)).is_err());
        assert!(Ema::new(EmaConfig { decay: 0.9, ramp: f64::NAN }, &tiny_net(0)).is_err());
        let other = wrs_nn::ParamsBuilder::new().build(0);
        let refusal = Ema::new(CONFIG, &tiny_net(0)).unwrap().update(&other).unwrap_err();
        assert!(matches!(refusal, OptimError::OtherNetwork { got: 0, .. }));
    }
}

//! How long a network takes, as the goldens and the PyTorch references measure it: no data, no loss.

use std::num::NonZeroU64;
use std::time::Instant;

use wrs_nn::{Buffer, Dims, Gradients, InputGradient, NnError, Params, Pass, Tape, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_optim::schedule::Curve;
use wrs_optim::{DecayScope, Groups, Momentum, Optimizer, RunLength, Schedule, Select, Sgd, Wrs, WrsConfig};

use crate::error::TrainError;

/// Runs before the first that counts.
const WARM_UP: u64 = 2;

/// Runs that count.
const REPEATS: u64 = 5;

/// The learning rate of the timed steps: it moves every weight and changes nothing.
const LR: f64 = 1e-9;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forward, backward from fixed output gradients, one SGD step with momentum 0.9.
    Train {
        /// WRS around the optimizer, every so many steps.
        rescale_every: Option<NonZeroU64>,
    },
    /// Forward with the norms folded in.
    Infer,
}

/// The milliseconds of each run that counted.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Whole runs.
    pub runs: Vec<f64>,
    /// The optimizer's part of each, rescaling included; none in an inference.
    pub updates: Vec<f64>,
}

/// Times a network on random pictures of that shape.
///
/// # Errors
/// [`TrainError::Nn`] for sizes the network refuses.
pub fn time(
    mode: Mode,
    dims: Dims,
    algorithms: Algorithms,
    params: &mut Params,
    forward: impl Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError>,
) -> Result<Times, TrainError> {
    let mut rng = Rng::new(0, "bench input", 0, 0);
    let pixels: Vec<f32> = (0..dims.len()).map(|_| rng.uniform() as f32).collect();
    let mut training = match mode {
        Mode::Train { rescale_every } => Some(Training::new(params, rescale_every)?),
        Mode::Infer => None,
    };
    let mut times = Times::default();
    for run in 0..WARM_UP + REPEATS {
        let begun = Instant::now();
        let mut update = None;
        if let Some(training) = &mut training {
            let mut pass = Pass::train(params, algorithms).with_draws(0, run);
            let x = pass.input(dims, pixels.clone().into(), InputGradient::Skipped);
            let outputs = forward(&mut pass, &x)?;
            drop(x);
            update = Some(training.step(pass.into_tape()?, outputs, params)?);
        } else {
            let mut pass = Pass::eval(params, algorithms);
            let x = pass.input(dims, pixels.clone().into(), InputGradient::Skipped);
            forward(&mut pass, &x)?;
        }
        if run >= WARM_UP {
            times.runs.push(milliseconds(begun));
            times.updates.extend(update);
        }
    }
    Ok(times)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

struct Training {
    optimizer: Box<dyn Optimizer>,
    gradients: Gradients,
    cotangents: Vec<Buffer>,
}

impl Training {
    fn new(params: &Params, rescale_every: Option<NonZeroU64>) -> Result<Self, TrainError> {
        let groups = Groups::by_role(params, DecayScope::Conv, 0.0, &[])?;
        let mut optimizer: Box<dyn Optimizer> = Box::new(Sgd::new(groups, Momentum::Classical));
        if let Some(tau) = rescale_every {
            let (literal, rescale_at_start, angles) = (false, false, false);
            let config = WrsConfig { tau, select: Select::Filters, literal, rescale_at_start, angles, active: None };
            optimizer = Box::new(Wrs::new(optimizer, params, config)?);
        }
        Ok(Self { optimizer, gradients: Gradients::new(params), cotangents: Vec::new() })
    }

    /// Everything behind the forward pass; the milliseconds of the optimizer's part.
    fn step(&mut self, mut tape: Tape, outputs: Vec<Value>, params: &mut Params) -> Result<f64, TrainError> {
        if self.cotangents.is_empty() {
            let mut rng = Rng::new(0, "bench cotangents", 0, 0);
            let values = |n: usize| (0..n).map(|_| rng.range(-1.0, 1.0) as f32).collect::<Vec<f32>>();
            self.cotangents = outputs.iter().map(|o| o.dims().len()).map(values).map(Buffer::from).collect();
        }
        let seeds = outputs.into_iter().zip(self.cotangents.iter().cloned()).collect();
        self.gradients.reset();
        tape.update_statistics(params)?;
        tape.backward(params, seeds, &mut self.gradients, None)?;
        let constant = Schedule { curve: Curve::Constant, warm_up: None };
        let factors = constant.at(0, RunLength { steps: 1, steps_per_epoch: NonZeroU64::MIN });
        let settings = self.optimizer.groups().settings(LR, 0.9, &factors, 0);
        let begun = Instant::now();
        self.optimizer.step(params, &mut self.gradients, &settings)?;
        Ok(milliseconds(begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::TinyNet;

    #[test]
    fn a_training_moves_the_weights_and_an_inference_does_not() {
        let dims = Dims { n: 2, h: 3, w: 3, c: 2 };
        let train = |rescale_every| Mode::Train { rescale_every };
        let modes = [(Mode::Infer, false), (train(None), true), (train(Some(NonZeroU64::MIN)), true)];
        for (mode, moves) in modes {
            let (net, mut params) = TinyNet::new(0);
            let before = params.trainable().host().to_vec();
            let times = time(mode, dims, Algorithms::Fast, &mut params, |pass, x| net.forward(pass, x)).unwrap();
            assert!(times.runs.len() == REPEATS as usize && times.runs.iter().all(|&ms| ms > 0.0), "{times:?}");
            let updates = times.updates.iter().zip(&times.runs).filter(|(update, run)| update < run).count();
            assert_eq!(updates, if mode == Mode::Infer { 0 } else { REPEATS as usize }, "{times:?}");
            assert_eq!(params.trainable().host() != before, moves, "{mode:?}");
        }
    }

    #[test]
    fn sizes_that_the_network_refuses_are_an_error() {
        let (net, mut params) = TinyNet::new(0);
        let dims = Dims { n: 1, h: 3, w: 3, c: 3 };
        let refused = time(Mode::Infer, dims, Algorithms::Fast, &mut params, |pass, x| net.forward(pass, x));
        assert!(matches!(refused, Err(TrainError::Nn(NnError::Shape { .. }))), "{refused:?}");
    }
}

//! How long the network takes, as the goldens and the PyTorch references measure it: no data, no loss.

use std::time::Instant;

use wrs_nn::{Buffer, Dims, Gradients, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_optim::{DecayScope, Groups, Momentum, Optimizer, RunLength, Schedule, Sgd, schedule::Curve};

use crate::error::DetectionError;
use crate::model::YoloV3;

/// Runs before the first that counts.
const WARM_UP: usize = 2;

/// Runs that count.
const REPEATS: usize = 5;

/// The learning rate of the timed steps: it moves every weight and changes nothing.
const LR: f64 = 1e-9;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forward, backward from fixed output gradients, one SGD step with momentum 0.9.
    Train,
    /// Forward with the norms folded in.
    Infer,
}

/// The milliseconds of each run that counted.
///
/// # Errors
/// [`DetectionError::Nn`] for sizes the network refuses.
pub fn time(mode: Mode, batch: usize, size: usize, algorithms: Algorithms) -> Result<Vec<f64>, DetectionError> {
    let (net, mut params) = YoloV3::reference();
    let dims = Dims { n: batch, h: size, w: size, c: 3 };
    let mut rng = Rng::new(0, "bench input", 0, 0);
    let pixels: Vec<f32> = (0..dims.len()).map(|_| rng.uniform() as f32).collect();
    let mut training = (mode == Mode::Train).then(|| Training::new(&params)).transpose()?;
    let mut times = Vec::with_capacity(REPEATS);
    for run in 0..WARM_UP + REPEATS {
        let begun = Instant::now();
        if let Some(training) = &mut training {
            training.step(&net, &mut params, dims, &pixels, algorithms)?;
        } else {
            let mut pass = Pass::eval(&params, algorithms);
            let x = pass.input(dims, pixels.clone().into(), InputGradient::Skipped);
            net.forward(&mut pass, &x)?;
        }
        if run >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

struct Training {
    optimizer: Sgd,
    gradients: Gradients,
    cotangents: Vec<Buffer>,
}

impl Training {
    fn new(params: &Params) -> Result<Self, DetectionError> {
        let groups = Groups::by_role(params, DecayScope::Conv, 0.0, &[])?;
        let optimizer = Sgd::new(groups, Momentum::Classical);
        Ok(Self { optimizer, gradients: Gradients::new(params), cotangents: Vec::new() })
    }

    fn step(
        &mut self,
        net: &YoloV3,
        params: &mut Params,
        dims: Dims,
        pixels: &[f32],
        algorithms: Algorithms,
    ) -> Result<(), DetectionError> {
        let mut pass = Pass::train(params, algorithms);
        let x = pass.input(dims, pixels.to_vec().into(), InputGradient::Skipped);
        let outputs = net.forward(&mut pass, &x)?;
        drop(x);
        if self.cotangents.is_empty() {
            let mut rng = Rng::new(0, "bench cotangents", 0, 0);
            let values = |n: usize| (0..n).map(|_| rng.range(-1.0, 1.0) as f32).collect::<Vec<f32>>();
            self.cotangents = outputs.iter().map(|o| o.dims().len()).map(values).map(Buffer::from).collect();
        }
        let mut tape = pass.into_tape()?;
        let seeds = outputs.into_iter().zip(self.cotangents.iter().cloned()).collect();
        self.gradients.reset();
        tape.update_statistics(params)?;
        tape.backward(params, seeds, &mut self.gradients, None)?;
        let groups = self.optimizer.groups();
        let constant = Schedule { curve: Curve::Constant, warm_up: None };
        let factors = constant.at(0, RunLength { steps: 1, steps_per_epoch: std::num::NonZeroU64::MIN });
        let settings = groups.settings(LR, 0.9, &factors, 0);
        self.optimizer.step(params, &mut self.gradients, &settings)?;
        Ok(())
    }
}

//! A network against central differences: what the tests of layers share.

use wrs_nn::{Buffer, Dims, Gradients, InputGradient, NnError, ParamId, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

/// Steps of the central differences: the loss is smooth, f32 rounding is 1e-7 of it.
const STEP: f32 = 2.5e-3;

/// Largest difference between a slope and its central difference, relative above 1.
const TOLERANCE: f64 = 2e-3;

/// A network's forward.
pub trait Forward: Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError> {}
impl<F: Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError>> Forward for F {}

/// Uniform in [-1, 1), the same for the same purpose.
pub fn random(purpose: &str, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(5, purpose, 0, 0);
    (0..len).map(|_| rng.range(-1.0, 1.0) as f32).collect()
}

fn training(params: &Params) -> Pass<'_> {
    Pass::train(params, Algorithms::Exact).with_draws(3, 4)
}

/// The outputs of a training pass.
pub fn outputs(forward: &impl Forward, params: &Params, dims: Dims, x: &[f32]) -> Vec<Value> {
    let mut pass = training(params);
    let x = pass.input(dims, x.to_vec().into(), InputGradient::Skipped);
    forward(&mut pass, &x).unwrap()
}

fn cotangent(k: usize, out: &Value) -> Vec<f32> {
    random(&format!("cotangent {k}"), out.dims().len())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The outputs against fixed cotangents, in f64.
pub fn loss(forward: &impl Forward, params: &Params, dims: Dims, x: &[f32]) -> f64 {
    let outputs = outputs(forward, params, dims, x);
    outputs.iter().enumerate().map(|(k, out)| dot(out.buffer().host(), &cotangent(k, out))).sum()
}

/// The gradients of [`loss`]: the parameters' are added, the input's is returned.
pub fn backward(
    forward: &impl Forward,
    params: &Params,
    dims: Dims,
    x: &[f32],
    gradients: &mut Gradients,
) -> Option<Buffer> {
    let mut pass = training(params);
    let x = pass.input(dims, x.to_vec().into(), InputGradient::Wanted);
    let outputs = forward(&mut pass, &x).unwrap();
    let seeds = outputs.into_iter().enumerate().map(|(k, out)| {
        let cotangent = cotangent(k, &out);
        (out, Buffer::from(cotangent))
    });
    let seeds = seeds.collect();
    pass.into_tape().unwrap().backward(params, seeds, gradients, Some(&x)).unwrap()
}

/// Asserts that the gradients of every trainable tensor that is not frozen, and of the input, are the loss's slopes along
/// random directions, and that the frozen ones are zero.
pub fn assert_gradients(forward: &impl Forward, params: &Params, dims: Dims, x: &[f32]) {
    let mut gradients = Gradients::new(params);
    let gx = backward(forward, params, dims, x, &mut gradients).unwrap();
    let flat = gradients.finish().host().to_vec();
    let ids: Vec<ParamId> = params.iter().filter(|(_, p)| p.role.is_trainable()).map(|(id, _)| id).collect();
    for id in ids {
        let name = params.get(id).name.clone();
        let window = &flat[params.get(id).range.clone()];
        if params.is_frozen(id) {
            assert!(window.iter().all(|g| *g == 0.0), "{name} is frozen");
            continue;
        }
        let direction = random(&name, window.len());
        let moved = |sign: f32| {
            let mut params = params.clone();
            params.values_mut(id).iter_mut().zip(&direction).for_each(|(v, d)| *v += sign * STEP * d);
            loss(forward, &params, dims, x)
        };
        assert_slope(&name, moved, dot(window, &direction));
    }
    let direction = random("direction", x.len());
    let moved = |sign: f32| {
        let x: Vec<f32> = x.iter().zip(&direction).map(|(v, d)| v + sign * STEP * d).collect();
        loss(forward, params, dims, &x)
    };
    assert_slope("input", moved, dot(gx.host(), &direction));
}

fn assert_slope(what: &str, moved: impl Fn(f32) -> f64, exact: f64) {
    let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * f64::from(STEP));
    assert!((numeric - exact).abs() < TOLERANCE * (1.0 + exact.abs()), "{what}: {numeric} against {exact}");
}

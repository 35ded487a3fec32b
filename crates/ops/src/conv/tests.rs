//! Every pass against the definition in f64, on awkward shapes and random ones, for every instruction set.

use super::*;
use crate::Activation;
use crate::norm_act::ResidualAt;
use crate::oracle::{finite_differences, to_f64};
use proptest::prelude::*;

mod folded;
mod threads;

/// A shape from `[n, h, w, c_in, c_out]`, kernel, stride, padding, dilation and groups.
fn shape(
    [n, h, w, c_in, c_out]: [usize; 5],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
) -> ConvShape {
    ConvShape { n, h, w, c_in, c_out, kernel, stride, padding, dilation, groups }
}

fn square(sizes: [usize; 5], kernel: usize, stride: usize, padding: usize, dilation: usize) -> ConvShape {
    shape(sizes, [kernel; 2], [stride; 2], [padding; 2], [dilation; 2], 1)
}

/// Tails in every channel count, odd sizes, every special path.
fn awkward() -> Vec<ConvShape> {
    vec![
        square([1, 1, 1, 1, 1], 1, 1, 0, 1),
        square([2, 5, 7, 3, 32], 3, 1, 1, 1),
        square([1, 9, 8, 3, 21], 7, 2, 3, 1),
        square([2, 6, 5, 20, 255], 1, 1, 0, 1),
        square([1, 13, 13, 33, 70], 3, 1, 1, 1),
        square([2, 9, 10, 17, 40], 3, 2, 1, 1),
        square([1, 8, 8, 64, 1], 1, 1, 0, 1),
        square([1, 7, 5, 16, 16], 3, 1, 12, 12),
        square([2, 9, 13, 35, 18], 3, 1, 2, 2),
        square([1, 11, 6, 16, 33], 3, 1, 4, 4),
        square([2, 5, 5, 130, 100], 3, 2, 1, 1),
        square([1, 3, 4, 18, 9], 5, 1, 3, 1),
        square([1, 11, 6, 24, 48], 1, 2, 0, 1),
        square([1, 9, 9, 16, 20], 2, 3, 0, 2),
        square([1, 40, 70, 5, 12], 3, 1, 1, 1),
        square([2, 50, 60, 16, 8], 1, 1, 0, 1),
        shape([2, 7, 9, 18, 20], [1, 3], [2, 1], [0, 2], [1, 3], 2),
        shape([1, 8, 6, 6, 9], [3, 2], [1, 2], [2, 0], [2, 1], 3),
        shape([2, 6, 7, 37, 37], [3, 3], [1, 1], [1, 1], [1, 1], 37),
        shape([1, 9, 8, 20, 20], [5, 3], [2, 3], [2, 1], [1, 2], 20),
        shape([1, 5, 6, 4, 12], [3, 3], [1, 1], [1, 1], [1, 1], 4),
        shape([1, 60, 70, 8, 8], [3, 3], [1, 1], [1, 1], [1, 1], 8),
        // Heads of one, 21 and 255 channels, over more channels than are read as they lie.
        square([1, 6, 5, 160, 255], 1, 1, 0, 1),
        square([1, 4, 7, 272, 21], 1, 1, 0, 1),
        square([2, 5, 3, 144, 1], 1, 1, 0, 1),
        square([1, 5, 6, 140, 21], 3, 1, 1, 1),
        // Few channels in and a tail out: the first layers.
        square([2, 11, 9, 1, 17], 3, 1, 1, 1),
        square([1, 13, 10, 3, 64], 7, 2, 3, 1),
        square([1, 6, 7, 15, 31], 3, 2, 1, 1),
        // Sums of more values than are summed at once, by fewer and by more weights than source values.
        square([1, 3, 5, 530, 600], 1, 1, 0, 1),
        square([1, 4, 3, 200, 130], 3, 2, 1, 1),
        square([2, 20, 15, 530, 20], 1, 1, 0, 1),
    ]
}

/// Numbers in -1..1 that look random and depend on nothing.
fn values(len: usize, salt: u32) -> Vec<f32> {
    let mut state = salt.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..len).map(|_| next() as f32).collect()
}

/// Calls `visit(index in x, index in weight, index in y)` for every product of the definition.
fn each_product(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (oh, ow, gi, go) = (s.out_h(), s.out_w(), s.c_in / s.groups, s.c_out / s.groups);
    for n in 0..s.n {
        for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
            for (ky, kx) in (0..s.kernel[0]).flat_map(|ky| (0..s.kernel[1]).map(move |kx| (ky, kx))) {
                let iy = (oy * s.stride[0] + ky * s.dilation[0]).checked_sub(s.padding[0]).filter(|&iy| iy < s.h);
                let ix = (ox * s.stride[1] + kx * s.dilation[1]).checked_sub(s.padding[1]).filter(|&ix| ix < s.w);
                let (Some(iy), Some(ix)) = (iy, ix) else { continue };
                for o in 0..s.c_out {
                    for i in 0..gi {
                        let x = ((n * s.h + iy) * s.w + ix) * s.c_in + o / go * gi + i;
                        let weight = ((o * s.kernel[0] + ky) * s.kernel[1] + kx) * gi + i;
                        visit(x, weight, ((n * oh + oy) * ow + ox) * s.c_out + o);
                    }
                }
            }
        }
    }
}

/// Tensors of a shape and what the definition makes of them: `y`, `gx`, `gw`.
struct Case {
    x: Vec<f32>,
    weight: Vec<f32>,
    gy: Vec<f32>,
    y: Vec<f64>,
    gx: Vec<f64>,
    gw: Vec<f64>,
}

impl Case {
    fn new(s: &ConvShape) -> Self {
        let (x, weight, gy) = (values(s.x_len(), 1), values(s.weight_len(), 2), values(s.y_len(), 3));
        let (mut y, mut gx, mut gw) = (vec![0.0; gy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
        each_product(s, |i, j, k| {
            let (xi, wj, gk) = (f64::from(x[i]), f64::from(weight[j]), f64::from(gy[k]));
            y[k] += xi * wj;
            gx[i] += gk * wj;
            gw[j] += gk * xi;
        });
        Self { x, weight, gy, y, gx, gw }
    }
}

/// Largest difference, relative to the largest expected value: f32 sums of some thousand terms stay far below.
const TOLERANCE: f64 = 2e-6;

fn close(got: &[f32], expected: &[f64], what: &str, s: &ConvShape) {
    let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    assert_eq!(got.len(), expected.len());
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / scale;
        assert!(error < TOLERANCE, "{what} at {i}: expected {expected}, got {got}, {s:?}");
    }
}

/// All passes of `s` against the definition, on one instruction set.
fn all_passes(isa: Isa, s: &ConvShape, case: &Case, algorithms: Algorithms) {
    let what = |pass: &str| format!("{isa:?} {algorithms:?} {pass}");
    // NaN shows a destination that is read or left.
    let mut y = vec![f32::NAN; case.gy.len()];
    forward_with(isa, s, &case.x, &case.weight, &Epilogue::default(), &mut y, algorithms);
    close(&y, &case.y, &what("forward"), s);

    let mut gx = vec![f32::NAN; case.x.len()];
    backward_input_with(isa, s, &case.gy, &case.weight, &mut gx, Store::Overwrite, algorithms);
    close(&gx, &case.gx, &what("input"), s);
    backward_input_with(isa, s, &case.gy, &case.weight, &mut gx, Store::Accumulate, algorithms);
    close(&gx, &case.gx.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), &what("input accumulated"), s);

    let mut gw = vec![f32::NAN; case.weight.len()];
    backward_weight_with(isa, s, &case.x, &case.gy, &mut gw, Store::Overwrite, algorithms);
    close(&gw, &case.gw, &what("weight"), s);
    backward_weight_with(isa, s, &case.x, &case.gy, &mut gw, Store::Accumulate, algorithms);
    close(&gw, &case.gw.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), &what("weight accumulated"), s);
}

#[test]
fn awkward_shapes_are_those_of_the_definition() {
    for s in awkward() {
        let case = Case::new(&s);
        for &isa in Isa::available() {
            all_passes(isa, &s, &case, Algorithms::Exact);
            all_passes(isa, &s, &case, Algorithms::Fast);
        }
    }
}

/// The definition's gradients, against which the kernels are judged, are the slopes of its output.
#[test]
fn the_gradients_of_the_definition_are_its_slopes() {
    for s in [square([2, 4, 3, 2, 3], 3, 2, 1, 1), shape([1, 5, 4, 4, 2], [3, 2], [1, 2], [2, 0], [2, 1], 2)] {
        let case = Case::new(&s);
        let loss = |x: &[f64], weight: &[f64]| {
            let mut loss = 0.0;
            each_product(&s, |i, j, k| loss += x[i] * weight[j] * f64::from(case.gy[k]));
            loss
        };
        let (x, weight) = (to_f64(&case.x), to_f64(&case.weight));
        let slopes = |got: Vec<f64>, expected: &[f64]| {
            assert!(got.iter().zip(expected).all(|(got, e)| (got - e).abs() < 1e-7), "{got:?} {expected:?}");
        };
        slopes(finite_differences(&x, 1e-4, |x| loss(x, &weight)), &case.gx);
        slopes(finite_differences(&weight, 1e-4, |weight| loss(&x, weight)), &case.gw);
    }
}

#[test]
fn the_epilogue_scales_shifts_activates_and_adds() {
    for s in awkward() {
        let case = Case::new(&s);
        let (scale, shift, residual) = (values(s.c_out, 4), values(s.c_out, 5), values(s.y_len(), 6));
        let bias_alone = Epilogue { shift: Some(&shift), ..Epilogue::default() };
        let relu = Epilogue { scale: Some(&scale), activation: Activation::Relu, ..Epilogue::default() };
        let with_residual = |at| Epilogue {
            scale: Some(&scale),
            shift: Some(&shift),
            activation: Activation::LeakyRelu(0.1),
            residual: Some((&residual, at)),
        };
        let before = with_residual(ResidualAt::BeforeActivation);
        let after = with_residual(ResidualAt::AfterActivation);
        for &isa in Isa::available() {
            for (epilogue, [factor, shifted], slope, [inner, outer]) in [
                (bias_alone, [0.0, 1.0], 1.0, [0.0, 0.0]),
                (relu, [1.0, 0.0], 0.0, [0.0, 0.0]),
                (before, [1.0, 1.0], f64::from(0.1f32), [1.0, 0.0]),
                (after, [1.0, 1.0], f64::from(0.1f32), [0.0, 1.0]),
            ] {
                let expected: Vec<f64> = case
                    .y
                    .iter()
                    .enumerate()
                    .map(|(i, y)| {
                        let channel = i % s.c_out;
                        let scale = 1.0 + factor * (f64::from(scale[channel]) - 1.0);
                        let z = y * scale + shifted * f64::from(shift[channel]) + inner * f64::from(residual[i]);
                        (if z > 0.0 { z } else { slope * z }) + outer * f64::from(residual[i])
                    })
                    .collect();
                let mut y = vec![f32::NAN; s.y_len()];
                forward_with(isa, &s, &case.x, &case.weight, &epilogue, &mut y, Algorithms::Exact);
                close(&y, &expected, "epilogue", &s);
            }
        }
    }
}

#[test]
fn the_bias_gradient_sums_every_pixel() {
    let s = square([3, 40, 45, 2, 5], 1, 1, 0, 1);
    let gy = values(s.y_len(), 7);
    let expected: Vec<f64> = (0..5).map(|o| gy.iter().skip(o).step_by(5).map(|&g| f64::from(g)).sum()).collect();
    let mut gb = vec![f32::NAN; 5];
    conv2d_backward_bias(&s, &gy, &mut gb, Store::Overwrite).unwrap();
    close(&gb, &expected, "bias", &s);
    conv2d_backward_bias(&s, &gy, &mut gb, Store::Accumulate).unwrap();
    close(&gb, &expected.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), "bias accumulated", &s);
}

#[test]
fn lengths_that_do_not_fit_are_refused_by_name() {
    let s = square([1, 4, 4, 2, 3], 3, 1, 1, 1);
    let (x, weight, gy) = (values(s.x_len(), 1), values(s.weight_len(), 2), values(s.y_len(), 3));
    let mut out = values(s.y_len(), 1);
    let what = |result: Result<(), ShapeError>| result.err().map(|e| (e.op, e.what, e.expected, e.got));
    let expected =
        |op, what, expected: usize, got: usize| Some((op, what, format!("{expected} values"), got.to_string()));
    let short = Epilogue { shift: Some(&x[..2]), ..Epilogue::default() };
    let idle = Epilogue::default();
    let fast = Algorithms::Fast;
    assert_eq!(what(conv2d(&s, &x[1..], &weight, &idle, &mut out, fast)), expected("conv2d", "x", 32, 31));
    assert_eq!(what(conv2d(&s, &x, &weight[1..], &idle, &mut out, fast)), expected("conv2d", "weight", 54, 53));
    assert_eq!(what(conv2d(&s, &x, &weight, &idle, &mut out[1..], fast)), expected("conv2d", "y", 48, 47));
    assert_eq!(what(conv2d(&s, &x, &weight, &short, &mut out, fast)), expected("conv2d", "shift", 3, 2));
    let (op, store) = ("conv2d_backward_input", Store::Overwrite);
    assert_eq!(what(conv2d_backward_input(&s, &gy, &weight, &mut out, store, fast)), expected(op, "gx", 32, 48));
    let op = "conv2d_backward_weight";
    assert_eq!(what(conv2d_backward_weight(&s, &x, &gy, &mut out, store, fast)), expected(op, "gw", 54, 48));
    assert_eq!(what(conv2d_backward_bias(&s, &gy, &mut out, store)), expected("conv2d_backward_bias", "gb", 3, 48));
    let grouped = ConvShape { groups: 2, ..s };
    assert_eq!(what(conv2d(&grouped, &x, &weight, &idle, &mut out, fast)).map(|e| e.1), Some("output channels"));
}

prop_compose! {
    fn any_shape()(
        n in 1..3usize, h in 1..10usize, w in 1..10usize, group_in in 1..20usize, group_out in 1..20usize,
        groups in prop_oneof![3 => Just(1usize), 1 => 2..4usize],
        kernel in [1..5usize, 1..5usize], stride in [1..4usize, 1..4usize], padding in [0..4usize, 0..4usize],
        dilation in [1..4usize, 1..4usize],
    ) -> ConvShape {
        shape([n, h, w, groups * group_in, groups * group_out], kernel, stride, padding, dilation, groups)
    }
}

proptest! {
    #![proptest_config(crate::oracle::cases(150))]

    #[test]
    fn random_shapes_are_those_of_the_definition(s in any_shape().prop_filter("exists", |s| s.check().is_ok())) {
        let case = Case::new(&s);
        for &isa in Isa::available() {
            all_passes(isa, &s, &case, Algorithms::Exact);
            all_passes(isa, &s, &case, Algorithms::Fast);
        }
    }
}

use super::*;
use crate::oracle::{assert_close, normals, same_in_any_pool, to_f64};
use proptest::prelude::*;

const ALL: [Interpolation; 3] =
    [Interpolation::Nearest, Interpolation::Bilinear(Corners::Edges), Interpolation::Bilinear(Corners::Centres)];

fn shape(batch: usize, input: [usize; 2], output: [usize; 2], channels: usize) -> ResizeShape {
    ResizeShape { batch, input, output, channels }
}

/// The definition, output by output, in `f64`: position, lower pixel, weight of the upper one.
fn position(interpolation: Interpolation, i: usize, input: usize, output: usize) -> (usize, f64) {
    let (i, n, m) = (i as f64, input as f64, output as f64);
    let p = match interpolation {
        Interpolation::Nearest => return (((i * n / m + 1e-9).floor() as usize).min(input - 1), 0.0),
        Interpolation::Bilinear(Corners::Edges) => ((i + 0.5) * n / m - 0.5).max(0.0),
        Interpolation::Bilinear(Corners::Centres) if output == 1 => 0.0,
        Interpolation::Bilinear(Corners::Centres) => i * (n - 1.0) / (m - 1.0),
    };
    let first = (p.floor() as usize).min(input - 1);
    (first, p - first as f64)
}

fn oracle(s: &ResizeShape, interpolation: Interpolation, x: &[f64]) -> Vec<f64> {
    let ([ih, iw], [oh, ow], c) = (s.input, s.output, s.channels);
    let mut y = vec![0.0; s.output_values()];
    for (i, y) in y.iter_mut().enumerate() {
        let (ch, ox, oy, n) = (i % c, i / c % ow, i / c / ow % oh, i / c / ow / oh);
        let (y0, v) = position(interpolation, oy, ih, oh);
        let (x0, w) = position(interpolation, ox, iw, ow);
        let at = |row: usize, col: usize| x[((n * ih + row.min(ih - 1)) * iw + col.min(iw - 1)) * c + ch];
        *y = (1.0 - v) * ((1.0 - w) * at(y0, x0) + w * at(y0, x0 + 1))
            + v * ((1.0 - w) * at(y0 + 1, x0) + w * at(y0 + 1, x0 + 1));
    }
    y
}

fn shapes() -> Vec<ResizeShape> {
    vec![
        shape(1, [1, 1], [3, 2], 1),
        shape(2, [2, 2], [4, 4], 3),
        shape(1, [5, 4], [10, 8], 21),
        shape(2, [7, 5], [3, 11], 17),
        shape(1, [9, 8], [4, 1], 64),
        shape(1, [6, 6], [6, 9], 255),
        shape(3, [3, 5], [13, 7], 16),
    ]
}

#[test]
fn nearest_by_hand() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let s = shape(1, [2, 2], [4, 3], 1);
    let mut y = [0.0; 12];
    resize(&s, Interpolation::Nearest, &x, &mut y).unwrap();
    assert_eq!(y, [1.0, 1.0, 2.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 3.0, 3.0, 4.0]);
    let mut gx = [0.0; 4];
    resize_backward(&s, Interpolation::Nearest, &[1.0; 12], &mut gx, Store::Overwrite).unwrap();
    assert_eq!(gx, [4.0, 2.0, 4.0, 2.0]);
    // Going down, pixels nobody reads get nothing.
    let s = shape(1, [1, 4], [1, 2], 1);
    resize_backward(&s, Interpolation::Nearest, &[5.0, 7.0], &mut gx, Store::Overwrite).unwrap();
    assert_eq!(gx, [5.0, 0.0, 7.0, 0.0]);
    resize_backward(&s, Interpolation::Nearest, &[5.0, 7.0], &mut gx, Store::Accumulate).unwrap();
    assert_eq!(gx, [10.0, 0.0, 14.0, 0.0]);
}

#[test]
fn bilinear_by_hand() {
    // F.interpolate(tensor([[1, 2], [3, 4]]), size=(4, 4), mode="bilinear") of PyTorch 2.
    let s = shape(1, [2, 2], [4, 4], 1);
    let x = [1.0, 2.0, 3.0, 4.0];
    let mut y = [0.0; 16];
    resize(&s, Interpolation::Bilinear(Corners::Edges), &x, &mut y).unwrap();
    let expected = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
    assert_eq!(y, expected);
    resize(&s, Interpolation::Bilinear(Corners::Centres), &x, &mut y).unwrap();
    let third = 1.0 / 3.0;
    let expected: Vec<f64> = (0..16).map(|i| 1.0 + 2.0 * third * f64::from(i / 4) + third * f64::from(i % 4)).collect();
    assert_close(&y, &expected, 1e-7, "corners on corners");
    let mut gx = [0.0; 4];
    resize_backward(&s, Interpolation::Bilinear(Corners::Edges), &[1.0; 16], &mut gx, Store::Overwrite).unwrap();
    assert_eq!(gx, [4.0; 4]);
}

#[test]
fn every_size_agrees_with_the_definition() {
    for s in shapes() {
        let x = normals(s.input_values(), "x");
        for interpolation in ALL {
            let expected = oracle(&s, interpolation, &to_f64(&x));
            for &isa in Isa::available() {
                let y = same_in_any_pool(|| {
                    let mut y = vec![f32::NAN; s.output_values()];
                    separable::apply(isa, &s.taps(interpolation), s.channels, &x, &mut y, Store::Overwrite);
                    y
                });
                assert_close(&y, &expected, 1e-6, &format!("{isa:?} {interpolation:?} {s:?}"));
            }
        }
    }
}

#[test]
fn the_backward_is_the_transpose_of_the_definition() {
    for s in shapes().into_iter().filter(|s| s.input_values() < 700) {
        let gy = normals(s.output_values(), "gy");
        for interpolation in ALL {
            // The map is linear: its matrix is read off the oracle, one unit vector at a time.
            let mut probe = vec![0.0; s.input_values()];
            let expected: Vec<f64> = (0..probe.len())
                .map(|i| {
                    probe[i] = 1.0;
                    let column = oracle(&s, interpolation, &probe);
                    probe[i] = 0.0;
                    1.0 + column.iter().zip(&gy).map(|(a, g)| a * f64::from(*g)).sum::<f64>()
                })
                .collect();
            for &isa in Isa::available() {
                let gx = same_in_any_pool(|| {
                    let readers = s.taps(interpolation).map(|taps| taps.transposed());
                    let mut gx = vec![1.0; s.input_values()];
                    separable::apply(isa, &readers, s.channels, &gy, &mut gx, Store::Accumulate);
                    gx
                });
                assert_close(&gx, &expected, 1e-6, &format!("{isa:?} {interpolation:?} {s:?}"));
                let mut gx = vec![f32::NAN; s.input_values()];
                resize_backward(&s, interpolation, &gy, &mut gx, Store::Overwrite).unwrap();
                let expected: Vec<f64> = expected.iter().map(|e| e - 1.0).collect();
                assert_close(&gx, &expected, 1e-6, &format!("overwritten {interpolation:?} {s:?}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::oracle::cases(60))]

    /// Forward and backward of any sizes are transposes of each other, by every instruction set in every pool.
    #[test]
    fn any_sizes_are_adjoint(
        batch in 1..3usize, input in [1..14usize, 1..14usize], output in [1..20usize, 1..20usize], channels in 1..40usize,
    ) {
        let s = shape(batch, input, output, channels);
        let (x, gy) = (normals(s.input_values(), "x"), normals(s.output_values(), "gy"));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        for interpolation in ALL {
            for &isa in Isa::available() {
                let apply = |taps: &[Taps; 2], from: &[f32], len: usize| same_in_any_pool(|| {
                    let mut to = vec![f32::NAN; len];
                    separable::apply(isa, taps, channels, from, &mut to, Store::Overwrite);
                    to
                });
                let taps = s.taps(interpolation);
                let y = apply(&taps, &x, gy.len());
                let gx = apply(&taps.map(|taps| taps.transposed()), &gy, x.len());
                let (forward, backward) = (dot(&y, &gy), dot(&x, &gx));
                let room = 1e-5 * (1.0 + dot(&y, &y).sqrt() * dot(&gy, &gy).sqrt());
                prop_assert!((forward - backward).abs() < room, "{isa:?} {interpolation:?} {s:?}: {forward} {backward}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let s = shape(1, [2, 2], [4, 4], 1);
    assert!(resize(&s, Interpolation::Nearest, &[0.0; 3], &mut [0.0; 16]).is_err());
    assert!(resize_backward(&s, Interpolation::Nearest, &[0.0; 16], &mut [0.0; 3], Store::Overwrite).is_err());
    let error = resize(&shape(1, [0, 2], [4, 4], 1), Interpolation::Nearest, &[], &mut [0.0; 16]).unwrap_err();
    assert!(error.to_string().contains("at least one pixel"), "{error}");
}

#[test]
fn nearest_follows_pytorch_where_its_ratio_rounds() {
    // F.interpolate(arange(41.), size=41 * 41, mode="nearest")[::41] of PyTorch 2, whose single precision ratio takes some
    // of these a pixel too far down.
    let s = shape(1, [1, 41], [1, 41 * 41], 1);
    let x: Vec<f32> = (0..41u8).map(f32::from).collect();
    let mut y = vec![0.0; 41 * 41];
    resize(&s, Interpolation::Nearest, &x, &mut y).unwrap();
    let got: Vec<u8> = y.iter().step_by(41).map(|&v| v as u8).collect();
    let expected = [
        0, 0, 1, 3, 3, 5, 6, 6, 7, 9, 10, 11, 12, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 25, 26, 27, 28,
        29, 30, 31, 33, 34, 35, 36, 37, 38, 39, 40,
    ];
    assert_eq!(got, expected);
}

#[test]
fn bilinear_to_other_sizes_is_pytorchs() {
    // The first rows of F.interpolate(arange(1., 25.).reshape(1, 1, 4, 6), size=(3, 11), mode="bilinear") of PyTorch 2.
    let s = shape(1, [4, 6], [3, 11], 1);
    let x: Vec<f32> = (1..25u8).map(f32::from).collect();
    let mut y = vec![0.0; 33];
    resize(&s, Interpolation::Bilinear(Corners::Edges), &x, &mut y).unwrap();
    let expected = [
        2.0,
        2.318_181_991_577_148_4,
        2.863_636_493_682_861_3,
        3.409_090_995_788_574,
        3.954_545_736_312_866,
        4.5,
        5.045_454_502_105_713,
        5.590_909_481_048_584,
        6.136_363_983_154_297,
        6.681_818_962_097_168,
        7.0,
    ];
    assert_close(&y[..11], &expected, 1e-7, "edges on edges");
    resize(&s, Interpolation::Bilinear(Corners::Centres), &x, &mut y).unwrap();
    let expected: Vec<f64> = (0..33).map(|i| 1.0 + 9.0 * f64::from(i / 11) + 0.5 * f64::from(i % 11)).collect();
    assert_close(&y, &expected, 1e-7, "corners on corners");
}

#[test]
fn the_largest_channel_of_a_resized_map_is_that_of_the_map_resized() {
    for s in shapes().into_iter().chain([shape(2, [3, 4], [33, 65], 21)]) {
        // Few different values, so that many are equal.
        let x: Vec<f32> = normals(s.input_values(), "x").iter().map(|v| v.round()).collect();
        for interpolation in ALL {
            let mut y = vec![f32::NAN; s.output_values()];
            resize(&s, interpolation, &x, &mut y).unwrap();
            let mut expected = vec![0; y.len() / s.channels];
            argmax(s.channels, &y, &mut expected).unwrap();
            let got = same_in_any_pool(|| {
                let mut labels = vec![7; expected.len()];
                resize_argmax(&s, interpolation, &x, &mut labels).unwrap();
                labels.into_iter().map(f32::from).collect()
            });
            assert_eq!(got, expected.into_iter().map(f32::from).collect::<Vec<_>>(), "{interpolation:?} {s:?}");
        }
    }
}

#[test]
fn rows_by_themselves_are_those_of_the_whole() {
    for s in shapes() {
        let x = normals(s.input_values(), "x");
        let (all, width) = (s.batch * s.output[0], s.output[1] * s.channels);
        for interpolation in ALL {
            let mut whole = vec![f32::NAN; s.output_values()];
            resize(&s, interpolation, &x, &mut whole).unwrap();
            for rows in [0..all, 0..1, all / 2..all, all..all] {
                let mut part = vec![f32::NAN; rows.len() * width];
                resize_rows(&s, interpolation, rows.clone(), &x, &mut part).unwrap();
                assert!(
                    part.iter().zip(&whole[rows.start * width..]).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{s:?}"
                );
            }
            assert!(resize_rows(&s, interpolation, 0..all + 1, &x, &mut vec![0.0; (all + 1) * width]).is_err());
        }
    }
}

#[test]
fn the_lowest_of_equal_channels_is_taken() {
    let x = [1.0, 3.0, 3.0, -2.0, -2.0, -3.0, f32::NAN, 0.0, 0.0, f32::NAN, f32::NAN, f32::NAN];
    let mut labels = [9; 4];
    argmax(3, &x, &mut labels).unwrap();
    assert_eq!(labels, [1, 0, 1, 0]);
    assert!(argmax(0, &[], &mut []).is_err());
    assert!(argmax(257, &[0.0; 257], &mut [0]).is_err());
    assert!(argmax(3, &[0.0; 4], &mut [0]).is_err());
    let s = shape(1, [2, 2], [4, 4], 1);
    assert!(resize_argmax(&s, Interpolation::Nearest, &[0.0; 4], &mut [0; 15]).is_err());
    assert!(resize_argmax(&s, Interpolation::Nearest, &[0.0; 3], &mut [0; 16]).is_err());
}

use super::*;
use crate::oracle::{assert_close, finite_differences, normals, same_in_any_pool, to_f64};
use proptest::prelude::*;

fn shape(batch: usize, input: [usize; 2], channels: usize, window: [[usize; 2]; 3]) -> PoolShape {
    let [kernel, stride, padding] = window;
    PoolShape { batch, input, channels, kernel, stride, padding: padding.map(|side| [side; 2]) }
}

/// The definition: each window's values in order, the first of the largest.
fn oracle(s: &PoolShape, x: &[f64]) -> (Vec<f64>, Vec<u8>) {
    let [oh, ow] = s.output().unwrap();
    let ([ih, iw], c) = (s.input, s.channels);
    (0..s.output_values().unwrap())
        .map(|i| {
            let (ch, ox, oy, n) = (i % c, i / c % ow, i / c / ow % oh, i / c / ow / oh);
            let mut best = (f64::NEG_INFINITY, None);
            for tap in 0..s.kernel[0] * s.kernel[1] {
                let row = (oy * s.stride[0] + tap / s.kernel[1]).wrapping_sub(s.padding[0][0]);
                let col = (ox * s.stride[1] + tap % s.kernel[1]).wrapping_sub(s.padding[1][0]);
                if row < ih && col < iw {
                    let v = x[((n * ih + row) * iw + col) * c + ch];
                    if best.1.is_none() || v > best.0 {
                        best = (v, Some(tap as u8));
                    }
                }
            }
            (best.0, best.1.unwrap())
        })
        .unzip()
}

fn pooled(isa: Isa, s: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<u8>) {
    let n = s.output_values().unwrap();
    let (mut y, mut argmax) = (vec![f32::NAN; n], vec![255; n]);
    forward(isa, s, s.output().unwrap(), x, &mut y, Some(&mut argmax));
    (y, argmax)
}

fn shapes() -> Vec<PoolShape> {
    vec![
        shape(1, [2, 2], 1, [[2, 2], [2, 2], [0, 0]]),
        shape(2, [7, 9], 3, [[3, 3], [2, 2], [1, 1]]),
        shape(1, [8, 5], 21, [[2, 2], [2, 2], [0, 0]]),
        shape(1, [6, 7], 64, [[5, 5], [1, 1], [2, 2]]),
        shape(2, [5, 6], 255, [[2, 3], [3, 1], [1, 0]]),
        shape(1, [13, 13], 16, [[13, 13], [1, 1], [6, 6]]),
        shape(1, [4, 4], 17, [[1, 1], [3, 3], [0, 0]]),
        // Darknet's 2x2 at stride 1, and at stride 2 on odd sizes: padding below and on the right alone.
        PoolShape { padding: [[0, 1]; 2], ..shape(2, [5, 4], 18, [[2, 2], [1, 1], [0, 0]]) },
        PoolShape { padding: [[0, 1]; 2], ..shape(1, [7, 5], 3, [[2, 2], [2, 2], [0, 0]]) },
        PoolShape { padding: [[2, 0], [1, 2]], ..shape(1, [6, 5], 4, [[3, 4], [2, 1], [0, 0]]) },
    ]
}

#[test]
fn the_gradient_of_two_by_two_goes_to_the_maximum() {
    let s = shape(1, [2, 2], 1, [[2, 2], [2, 2], [0, 0]]);
    let (mut y, mut argmax, mut gx) = ([0.0], [0], [9.0; 4]);
    max_pool(&s, &[1.0, 2.0, 3.0, 4.0], &mut y, Some(&mut argmax)).unwrap();
    assert_eq!((y, argmax), ([4.0], [3]));
    max_pool_backward(&s, &argmax, &[5.0], &mut gx, Store::Overwrite).unwrap();
    assert_eq!(gx, [0.0, 0.0, 0.0, 5.0]);
    max_pool_backward(&s, &argmax, &[5.0], &mut gx, Store::Accumulate).unwrap();
    assert_eq!(gx, [0.0, 0.0, 0.0, 10.0]);
}

#[test]
fn darknets_two_by_two_at_stride_one_keeps_the_size_and_pads_below_and_on_the_right() {
    let s = PoolShape { padding: [[0, 1]; 2], ..shape(1, [2, 2], 1, [[2, 2], [1, 1], [0, 0]]) };
    assert_eq!(s.output().unwrap(), [2, 2]);
    let (mut y, mut argmax) = ([0.0; 4], [9; 4]);
    // Padding with 0 would win over every one of these.
    max_pool(&s, &[-1.0, -2.0, -3.0, -4.0], &mut y, Some(&mut argmax)).unwrap();
    assert_eq!((y, argmax), ([-1.0, -2.0, -3.0, -4.0], [0; 4]));
    max_pool(&s, &[1.0, 2.0, 3.0, 4.0], &mut y, Some(&mut argmax)).unwrap();
    assert_eq!((y, argmax), ([4.0, 4.0, 4.0, 4.0], [3, 2, 1, 0]));
}

#[test]
fn the_first_maximum_wins_and_what_is_no_number_wins_over_all() {
    let s = shape(1, [1, 4], 1, [[1, 4], [1, 1], [0, 0]]);
    let position = |x: [f32; 4]| {
        let (mut y, mut argmax) = ([0.0], [9]);
        max_pool(&s, &x, &mut y, Some(&mut argmax)).unwrap();
        (y[0].is_nan(), argmax[0])
    };
    let low = f32::NEG_INFINITY;
    assert_eq!(position([1.0, 7.0, 7.0, 2.0]), (false, 1));
    assert_eq!(position([low; 4]), (false, 0));
    assert_eq!(position([1.0, f32::NAN, 7.0, f32::NAN]), (true, 3));
    assert_eq!(position([f32::NAN, 7.0, 8.0, 9.0]), (true, 0));
}

#[test]
fn every_window_agrees_with_the_definition() {
    for s in shapes() {
        let x = normals(s.input_values(), "x");
        let (expected, positions) = oracle(&s, &to_f64(&x));
        for &isa in Isa::available() {
            let y = same_in_any_pool(|| {
                let (y, argmax) = pooled(isa, &s, &x);
                assert_eq!(argmax, positions, "{isa:?} {s:?}");
                y
            });
            assert_close(&y, &expected, 0.0, &format!("{isa:?} {s:?}"));
            let mut alone = vec![f32::NAN; y.len()];
            forward(isa, &s, s.output().unwrap(), &x, &mut alone, None);
            assert_eq!(alone, y);
        }
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_definition() {
    for s in shapes() {
        let x = normals(s.input_values(), "x");
        let gy = normals(s.output_values().unwrap(), "gy");
        let (_, positions) = oracle(&s, &to_f64(&x));
        let expected: Vec<f64> = if s.input_values() > 700 {
            continue;
        } else {
            finite_differences(&to_f64(&x), 1e-7, |x| {
                oracle(&s, x).0.iter().zip(&gy).map(|(y, g)| y * f64::from(*g)).sum()
            })
        };
        for &isa in Isa::available() {
            let gx = same_in_any_pool(|| {
                let mut gx = vec![0.0; x.len()];
                backward(isa, &s, s.output().unwrap(), &positions, &gy, &mut gx, Store::Accumulate);
                gx
            });
            assert_close(&gx, &expected, 1e-6, &format!("{isa:?} {s:?}"));
        }
    }
}

#[test]
fn every_gradient_arrives_once() {
    for s in shapes() {
        let x = normals(s.input_values(), "x");
        for &isa in Isa::available() {
            let (_, argmax) = pooled(isa, &s, &x);
            // Small whole numbers, so that the sums are exact.
            let gy: Vec<f32> = (0..argmax.len()).map(|i| (i % 8) as f32 - 3.0).collect();
            let mut gx = vec![f32::NAN; x.len()];
            backward(isa, &s, s.output().unwrap(), &argmax, &gy, &mut gx, Store::Overwrite);
            let total = |values: &[f32]| to_f64(values).iter().sum::<f64>();
            assert_eq!(total(&gx), total(&gy), "{isa:?} {s:?}");
        }
    }
}

proptest! {
    #![proptest_config(crate::oracle::cases(60))]

    /// Any window, by every instruction set in every pool; few different values, so that many are equal.
    #[test]
    fn any_window_agrees_with_the_definition(
        batch in 1..3usize, input in [1..12usize, 1..12usize], channels in 1..40usize,
        kernel in [1..5usize, 1..5usize], stride in [1..4usize, 1..4usize],
        padding in [[0..4usize, 0..4usize], [0..4usize, 0..4usize]],
    ) {
        let s = PoolShape { batch, input, channels, kernel, stride, padding };
        prop_assume!(s.output().is_ok());
        let x: Vec<f32> = normals(s.input_values(), "x").iter().map(|v| (2.0 * v).round()).collect();
        // Whole numbers, so that the sums are exact in any order.
        let gy: Vec<f32> = normals(s.output_values().unwrap(), "gy").iter().map(|v| (9.0 * v).round()).collect();
        let (expected, positions) = oracle(&s, &to_f64(&x));
        let [oh, ow] = s.output().unwrap();
        let mut slopes = vec![0.0; x.len()];
        for (i, &tap) in positions.iter().enumerate() {
            let (ch, ox, oy, n) = (i % channels, i / channels % ow, i / channels / ow % oh, i / channels / ow / oh);
            let row = oy * stride[0] + usize::from(tap) / kernel[1] - padding[0][0];
            let column = ox * stride[1] + usize::from(tap) % kernel[1] - padding[1][0];
            slopes[((n * input[0] + row) * input[1] + column) * channels + ch] += f64::from(gy[i]);
        }
        for &isa in Isa::available() {
            let y = same_in_any_pool(|| {
                let (y, argmax) = pooled(isa, &s, &x);
                assert_eq!(argmax, positions, "{isa:?} {s:?}");
                y
            });
            assert_close(&y, &expected, 0.0, &format!("{isa:?} {s:?}"));
            let gx = same_in_any_pool(|| {
                let mut gx = vec![f32::NAN; x.len()];
                backward(isa, &s, [oh, ow], &positions, &gy, &mut gx, Store::Overwrite);
                gx
            });
            assert_close(&gx, &slopes, 0.0, &format!("{isa:?} {s:?}"));
        }
    }
}

#[test]
fn global_averages_by_hand_and_by_oracle() {
    let (mut y, mut gx) = ([0.0; 2], [1.0; 6]);
    global_average_pool(1, 3, 2, &[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], &mut y).unwrap();
    assert_eq!(y, [3.0, 30.0]);
    global_average_pool_backward(1, 3, 2, &[3.0, 6.0], &mut gx, Store::Accumulate).unwrap();
    assert_eq!(gx, [2.0, 3.0, 2.0, 3.0, 2.0, 3.0]);

    let (batch, pixels, channels) = (3, 77, 21);
    let x = normals(batch * pixels * channels, "x");
    let y = same_in_any_pool(|| {
        let mut y = vec![f32::NAN; batch * channels];
        global_average_pool(batch, pixels, channels, &x, &mut y).unwrap();
        y
    });
    let mean = |i: usize| {
        let column = x[i / channels * pixels * channels..][..pixels * channels].iter();
        column.skip(i % channels).step_by(channels).map(|v| f64::from(*v)).sum::<f64>() / pixels as f64
    };
    assert_close(&y, &(0..y.len()).map(mean).collect::<Vec<_>>(), 1e-7, "means");
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    let good = shape(1, [4, 4], 1, [[2, 2], [2, 2], [1, 1]]);
    assert_eq!(good.output().unwrap(), [3, 3]);
    for bad in [
        PoolShape { kernel: [0, 2], ..good },
        PoolShape { kernel: [17, 16], ..good },
        PoolShape { stride: [1, 0], ..good },
        PoolShape { padding: [[2, 0], [0, 0]], ..good },
        PoolShape { padding: [[0, 0], [0, 2]], ..good },
        PoolShape { input: [0, 4], ..good },
        PoolShape { input: [4, 1], kernel: [4, 4], ..good },
    ] {
        assert!(bad.output().is_err(), "{bad:?}");
    }
    assert!(max_pool(&good, &[0.0; 15], &mut [0.0; 9], None).is_err());
    assert!(max_pool(&good, &[0.0; 16], &mut [0.0; 9], Some(&mut [0; 8])).is_err());
    assert!(max_pool_backward(&good, &[0; 9], &[0.0; 9], &mut [0.0; 15], Store::Overwrite).is_err());
    let error = global_average_pool(1, 0, 2, &[], &mut [0.0; 2]).unwrap_err();
    assert!(error.to_string().contains("pixels"), "{error}");
}

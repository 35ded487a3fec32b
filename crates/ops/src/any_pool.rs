//! The operations without lanes give the same bytes in any pool, at any size.  Those with lanes are tested where they are,
//! on every instruction set.

use proptest::prelude::*;

use crate::concat::{Part, PartGradient, concat, split};
use crate::dropout::{Dropped, dropout, dropout_backward};
use crate::norm_act::{activate, activation_backward};
use crate::oracle::{normals, same_in_any_pool};
use crate::pool::{global_average_pool, global_average_pool_backward};
use crate::rows::{UnitRows, rescale_rows, row_angles, row_norms};
use crate::softmax::softmax_in_place;
use crate::update::{
    AdamStep, Decay, Momentum, SgdStep, Velocity, adam, add, ema, first_not_finite, scale, sgd, sum_of_squares,
};
use crate::{Activation, Store};

/// Every bit of some f64, as f32s.
fn bits(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| v.to_bits()).flat_map(|b| [(b >> 32) as u32, b as u32]).map(f32::from_bits).collect()
}

proptest! {
    #![proptest_config(crate::oracle::cases(12))]

    #[test]
    fn updates(n in 1..200_000usize, nesterov: bool, decoupled: bool) {
        let [p, g, m] = ["p", "g", "m"].map(|purpose| normals(n, purpose));
        let v: Vec<f32> = normals(n, "v").iter().map(|v| v * v).collect();
        let kind = if nesterov { Momentum::Nesterov } else { Momentum::Classical };
        let decay = if decoupled { Decay::Decoupled } else { Decay::Coupled };
        let sgd_step = SgdStep { lr: 0.1, momentum: 0.9, kind, weight_decay: 0.01, velocity: Velocity::Running };
        let adam_step = AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, step: 3, weight_decay: 0.1, decay };
        same_in_any_pool(|| {
            let (mut a, mut b, mut c) = (p.clone(), m.clone(), v.clone());
            sgd(&mut a, &g, Some(&mut b), &sgd_step).unwrap();
            sgd(&mut a, &b, None, &sgd_step).unwrap();
            adam(&mut a, &g, &mut b, &mut c, &adam_step).unwrap();
            ema(&mut b, &a, 0.99).unwrap();
            add(&mut c, &a, Store::Accumulate).unwrap();
            scale(&mut c, 0.3);
            let squares = sum_of_squares(&a);
            assert_eq!(first_not_finite(&c), None);
            [a, b, c, bits(&[squares])].concat()
        });
    }

    #[test]
    fn rows(rows in 1..300usize, row_len in 1..500usize) {
        let before = normals(rows * row_len, "rows");
        same_in_any_pool(|| {
            let (mut after, mut norms) = (before.clone(), vec![0.0; rows]);
            row_norms(&before, row_len, &mut norms).unwrap();
            let rescaled = rescale_rows(&mut after, UnitRows { row_len, min_norm: 1e-12 }).unwrap();
            let angles = row_angles(&before, &after, row_len).unwrap();
            [after, bits(&norms), bits(&rescaled.norms), bits(&rescaled.factors), bits(&angles)].concat()
        });
    }

    #[test]
    fn maps(batch in 1..4usize, pixels in 1..900usize, widths in prop::collection::vec(1..60usize, 1..4)) {
        let (rows, channels) = (batch * pixels, widths.iter().sum::<usize>());
        let parts: Vec<Vec<f32>> = widths.iter().map(|width| normals(rows * width, "part")).collect();
        let dropped = Dropped { probability: 0.3, seed: 1, purpose: "test".to_owned(), step: 2 };
        same_in_any_pool(|| {
            let mut y = vec![f32::NAN; rows * channels];
            let to_join = |(values, &channels): (&'_ Vec<f32>, &usize)| (values.clone(), channels);
            let joined: Vec<(Vec<f32>, usize)> = parts.iter().zip(&widths).map(to_join).collect();
            let views: Vec<Part> = joined.iter().map(|(values, channels)| Part { values, channels: *channels }).collect();
            concat(rows, &views, &mut y).unwrap();
            let (mut mask, mut gx, mut means) = (y.clone(), y.clone(), vec![f32::NAN; batch * channels]);
            dropout(&dropped, &y, &mut mask).unwrap();
            dropout_backward(&dropped, &y, &mut gx, Store::Accumulate).unwrap();
            activate(Activation::LeakyRelu(0.1), &mut mask);
            activation_backward(Activation::Relu, &mask, &mut gx).unwrap();
            global_average_pool(batch, pixels, channels, &gx, &mut means).unwrap();
            global_average_pool_backward(batch, pixels, channels, &means, &mut gx, Store::Accumulate).unwrap();
            let mut gradients = parts.clone();
            let mut asked: Vec<PartGradient> = gradients
                .iter_mut()
                .zip(&widths)
                .map(|(gradient, &channels)| PartGradient { gradient: Some(gradient), channels, store: Store::Accumulate })
                .collect();
            split(rows, &gx, &mut asked).unwrap();
            softmax_in_place(channels, &mut y).unwrap();
            [y, mask, gx, means, gradients.concat()].concat()
        });
    }
}

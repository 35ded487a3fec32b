//! A norm folded into the convolution's epilogue, as inference has it, against convolution and norm one after the other.

use super::*;
use crate::norm_act::{Affine, BatchStats};

#[test]
fn a_folded_norm_is_the_norm_of_the_convolution() {
    for s in awkward() {
        let case = Case::new(&s);
        let (mean, gamma, beta) = (values(s.c_out, 4), values(s.c_out, 5), values(s.c_out, 6));
        let var: Vec<f32> = values(s.c_out, 7).iter().map(|v| v * v + 0.5).collect();
        let stats = BatchStats::from_moments(&mean, &var, 1e-5).unwrap();
        let affine = Affine::new(&gamma, &beta, &stats).unwrap();
        let epilogue = Epilogue {
            scale: Some(&affine.scale),
            shift: Some(&affine.shift),
            activation: Activation::Relu,
            residual: None,
        };
        let expected: Vec<f64> = (0..case.y.len())
            .map(|i| {
                let [mean, var, gamma, beta] = [&mean, &var, &gamma, &beta].map(|v| f64::from(v[i % s.c_out]));
                ((case.y[i] - mean) / (var + f64::from(1e-5f32)).sqrt() * gamma + beta).max(0.0)
            })
            .collect();
        for &isa in Isa::available() {
            for algorithms in [Algorithms::Exact, Algorithms::Fast] {
                let mut y = vec![f32::NAN; s.y_len()];
                forward_with(isa, &s, &case.x, &case.weight, &epilogue, &mut y, algorithms);
                close(&y, &expected, "folded norm", &s);
            }
        }
    }
}

#[test]
fn a_named_algorithm_is_the_convolution_and_refuses_what_it_cannot_compute() {
    let s = square([1, 9, 7, 17, 20], 3, 1, 1, 1);
    let case = Case::new(&s);
    for tile in [None, Some(Tile::Two), Some(Tile::Four)] {
        let (mut y, mut gx, mut gw) =
            (vec![f32::NAN; s.y_len()], vec![f32::NAN; s.x_len()], vec![f32::NAN; s.weight_len()]);
        forced_pass(&s, Pass::Forward, tile, [&case.x, &case.weight], &mut y).unwrap();
        forced_pass(&s, Pass::BackwardInput, tile, [&case.gy, &case.weight], &mut gx).unwrap();
        forced_pass(&s, Pass::BackwardWeight, tile, [&case.x, &case.gy], &mut gw).unwrap();
        for (got, expected, what) in [(&y, &case.y, "y"), (&gx, &case.gx, "gx"), (&gw, &case.gw, "gw")] {
            crate::oracle::assert_close(got, expected, 1e-5, what);
        }
        let error = forced_pass(&s, Pass::Forward, tile, [&case.x[1..], &case.weight], &mut y).unwrap_err();
        assert_eq!(error.what, "x");
        let strided = ConvShape { stride: [2; 2], ..s };
        assert!(!winograd_exists(&strided, Pass::Forward));
        let error = forced_pass(&strided, Pass::Forward, tile, [&case.x, &case.weight], &mut y).unwrap_err();
        // The direct kernels refuse the length alone.
        assert_eq!(error.what, if tile.is_some() { "convolution" } else { "y" });
    }
    assert_eq!(chosen_tile(&s, Pass::Forward, Algorithms::Exact), None);
}

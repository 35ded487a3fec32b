//! The same bytes for any number of threads, by every algorithm on every instruction set.

use super::*;
use crate::conv::winograd::exists;
use crate::oracle::same_in_any_pool;

/// All passes by every algorithm the shape allows, one behind the other.
fn passes(isa: Isa, s: &ConvShape) -> Vec<f32> {
    let (x, weight, gy) = (values(s.x_len(), 1), values(s.weight_len(), 2), values(s.y_len(), 3));
    let epilogue = Epilogue { shift: Some(&weight[..1].repeat(s.c_out)), ..Epilogue::default() };
    let (store, mut all) = (Store::Overwrite, vec![0.0; s.c_out]);
    conv2d_backward_bias(s, &gy, &mut all, store).unwrap();
    let (mut y, mut gx, mut gw) = (vec![0.0; gy.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
    for algorithms in [Algorithms::Exact, Algorithms::Fast] {
        forward_with(isa, s, &x, &weight, &epilogue, &mut y, algorithms);
        backward_input_with(isa, s, &gy, &weight, &mut gx, store, algorithms);
        backward_weight_with(isa, s, &x, &gy, &mut gw, store, algorithms);
        all.extend([&y[..], &gx, &gw].concat());
    }
    for tile in [Tile::Two, Tile::Four] {
        if exists(s, Pass::Forward) {
            winograd::forward(isa, s, &x, &weight, &epilogue, &mut y, tile);
            winograd::backward_weight(isa, s, &x, &gy, &mut gw, store, tile);
            all.extend([&y[..], &gw].concat());
        }
        if exists(s, Pass::BackwardInput) {
            winograd::backward_input(isa, s, &gy, &weight, &mut gx, store, tile);
            all.extend(&gx);
        }
    }
    all
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    let long = [
        square([2, 60, 50, 16, 100], 3, 2, 1, 1),
        square([1, 90, 70, 40, 130], 3, 1, 1, 1),
        square([1, 50, 50, 16, 32], 3, 1, 2, 2),
        square([2, 65, 64, 3, 20], 7, 2, 3, 1),
        shape([2, 70, 66, 24, 24], [3; 2], [1; 2], [1; 2], [1; 2], 24),
    ];
    for s in awkward().iter().chain(&long) {
        for &isa in Isa::available() {
            same_in_any_pool(|| passes(isa, s));
        }
    }
}

/// More threads than there is work for.
#[test]
fn many_threads_change_nothing() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, seven) = (pool(1), pool(7));
    for s in [square([1, 90, 70, 40, 130], 3, 1, 1, 1), square([1, 13, 13, 33, 70], 3, 1, 1, 1)] {
        for &isa in Isa::available() {
            let same = one.install(|| passes(isa, &s)) == seven.install(|| passes(isa, &s));
            assert!(same, "{isa:?} {s:?}");
        }
    }
}

proptest! {
    #![proptest_config(crate::oracle::cases(40))]

    #[test]
    fn bytes_of_random_shapes_do_not_depend_on_the_number_of_threads(
        s in any_shape().prop_filter("exists", |s| s.check().is_ok()),
        tiles in [3..30usize, 3..30usize],
        dilation in 1..3usize,
    ) {
        let [h, w] = tiles;
        let [kernel, stride, padding, dilation] = [3, 1, 1, dilation].map(|side| [side; 2]);
        let tiled = ConvShape { h, w, kernel, stride, padding, dilation, groups: 1, ..s };
        for s in [s, tiled] {
            for &isa in Isa::available() {
                if s.check().is_ok() {
                    same_in_any_pool(|| passes(isa, &s));
                }
            }
        }
    }
}

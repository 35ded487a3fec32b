//! All passes against a plain convolution in `f64`.

use super::*;
use crate::Activation;
use crate::norm_act::ResidualAt;
use crate::oracle::{assert_close, normals, same_in_any_pool, to_f64};
use proptest::prelude::*;

/// Rounding of the transforms, whose largest coefficient is 1, in units of the largest output.
const TOLERANCE_F2: f64 = 6e-6;
/// Rounding of the transforms, whose coefficients go up to 3.4.
const TOLERANCE_F4: f64 = 1e-5;

const TILES: [(Tile, f64); 2] = [(Tile::Two, TOLERANCE_F2), (Tile::Four, TOLERANCE_F4)];

fn shape(n: usize, [h, w]: [usize; 2], [c_in, c_out]: [usize; 2], padding: [usize; 2], dilation: usize) -> ConvShape {
    let (kernel, stride, dilation) = ([3; 2], [1; 2], [dilation; 2]);
    ConvShape { n, h, w, c_in, c_out, kernel, stride, padding, dilation, groups: 1 }
}

/// Odd sizes, tails of channels, dilated odd maps, every padding, maps smaller than a tile.
fn awkward_shapes() -> Vec<ConvShape> {
    vec![
        shape(1, [5, 7], [1, 3], [1, 1], 1),
        shape(2, [13, 13], [17, 33], [1, 1], 1),
        shape(3, [6, 9], [3, 255], [0, 0], 1),
        shape(1, [9, 11], [255, 1], [2, 2], 1),
        shape(2, [11, 13], [17, 16], [2, 2], 2),
        shape(1, [7, 5], [16, 17], [1, 0], 2),
        shape(1, [8, 8], [64, 80], [1, 2], 1),
        shape(1, [3, 3], [5, 6], [0, 0], 1),
        shape(1, [4, 5], [7, 9], [3, 3], 3),
        shape(1, [1, 2], [4, 4], [1, 1], 1),
        shape(2, [10, 6], [130, 70], [1, 1], 1),
    ]
}

/// Calls `visit(y, x, weight)` with the indices of every product of the convolution.
fn for_each_product(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (out_h, out_w) = (shape.out_h(), shape.out_w());
    for pixel in 0..shape.n * out_h * out_w {
        let (image, row, column) = (pixel / (out_h * out_w), pixel / out_w % out_h, pixel % out_w);
        for tap in 0..9 {
            let y = (row + tap / 3 * shape.dilation[0]).checked_sub(shape.padding[0]).filter(|&y| y < shape.h);
            let x = (column + tap % 3 * shape.dilation[1]).checked_sub(shape.padding[1]).filter(|&x| x < shape.w);
            let (Some(y), Some(x)) = (y, x) else { continue };
            let source = ((image * shape.h + y) * shape.w + x) * shape.c_in;
            for o in 0..shape.c_out {
                for i in 0..shape.c_in {
                    visit(pixel * shape.c_out + o, source + i, (o * 9 + tap) * shape.c_in + i);
                }
            }
        }
    }
}

struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    weight: Vec<f32>,
    gy: Vec<f32>,
}

impl Case {
    fn new(shape: ConvShape) -> Self {
        let (x, weight) = (normals(shape.x_len(), "x"), normals(shape.weight_len(), "weight"));
        Self { shape, x, weight, gy: normals(shape.y_len(), "gy") }
    }

    fn y(&self) -> Vec<f64> {
        let mut y = vec![0.0; self.shape.y_len()];
        for_each_product(&self.shape, |o, i, w| y[o] += f64::from(self.x[i]) * f64::from(self.weight[w]));
        y
    }

    fn gx(&self) -> Vec<f64> {
        let mut gx = vec![0.0; self.shape.x_len()];
        for_each_product(&self.shape, |o, i, w| gx[i] += f64::from(self.gy[o]) * f64::from(self.weight[w]));
        gx
    }

    fn gw(&self) -> Vec<f64> {
        let mut gw = vec![0.0; self.shape.weight_len()];
        for_each_product(&self.shape, |o, i, w| gw[w] += f64::from(self.gy[o]) * f64::from(self.x[i]));
        gw
    }

    /// The result of one pass, on top of `before`.
    fn pass(&self, isa: Isa, pass: Pass, tile: Tile, before: Option<&[f32]>) -> Vec<f32> {
        let store = if before.is_some() { Store::Accumulate } else { Store::Overwrite };
        let start = |len| before.map_or_else(|| vec![f32::NAN; len], <[f32]>::to_vec);
        let shape = &self.shape;
        match pass {
            Pass::Forward => {
                let mut y = start(shape.y_len());
                forward(isa, shape, &self.x, &self.weight, &Epilogue::default(), &mut y, tile);
                y
            }
            Pass::BackwardInput => {
                let mut gx = start(shape.x_len());
                backward_input(isa, shape, &self.gy, &self.weight, &mut gx, store, tile);
                gx
            }
            Pass::BackwardWeight => {
                let mut gw = start(shape.weight_len());
                backward_weight(isa, shape, &self.x, &self.gy, &mut gw, store, tile);
                gw
            }
        }
    }

    fn check_all(&self, isas: &[Isa]) {
        let gx_exists = transposed(&self.shape).is_some();
        let passes = [
            (Pass::Forward, self.y()),
            (Pass::BackwardInput, if gx_exists { self.gx() } else { Vec::new() }),
            (Pass::BackwardWeight, self.gw()),
        ];
        for (pass, expected) in passes.iter().filter(|(_, expected)| !expected.is_empty()) {
            for &isa in isas {
                for (tile, tolerance) in TILES {
                    let what = format!("{isa:?} {pass:?} {tile:?} {:?}", self.shape);
                    assert_close(&self.pass(isa, *pass, tile, None), expected, tolerance, &what);
                }
            }
        }
    }
}

#[test]
fn every_pass_is_the_convolution() {
    for shape in awkward_shapes() {
        Case::new(shape).check_all(Isa::available());
    }
}

#[test]
fn many_chunks_and_panels_make_one_output() {
    // More tiles than a chunk holds, more channels than a panel, and filters too large to be kept.
    for shape in [shape(2, [61, 47], [20, 12], [1, 1], 1), shape(1, [15, 15], [256, 272], [1, 1], 1)] {
        Case::new(shape).check_all(Isa::available());
    }
}

#[test]
fn both_cuts_agree() {
    let case = Case::new(shape(2, [9, 10], [70, 100], [1, 1], 1));
    let expected = case.y();
    for &isa in Isa::available() {
        for (tile, tolerance) in TILES {
            for cut in [product::Cut::Tiles, product::Cut::Panels] {
                let mut y = vec![f32::NAN; case.shape.y_len()];
                let product = Product {
                    isa,
                    shape: case.shape,
                    x: &case.x,
                    weights: weights(isa, &case.shape, &case.weight, Orientation::Forward),
                    store: Store::Overwrite,
                    finish: None,
                    y: Shared::new(&mut y),
                };
                match tile {
                    Tile::Two => product.run::<F2>(cut),
                    Tile::Four => product.run::<F4>(cut),
                }
                assert_close(&y, &expected, tolerance, &format!("{isa:?} {tile:?} {cut:?}"));
            }
        }
    }
}

#[test]
fn gradients_are_added_to_what_is_there() {
    let case = Case::new(shape(2, [9, 7], [18, 20], [1, 1], 1));
    for (pass, expected) in [(Pass::BackwardInput, case.gx()), (Pass::BackwardWeight, case.gw())] {
        for (tile, tolerance) in TILES {
            let before = normals(expected.len(), "before");
            let expected: Vec<f64> = expected.iter().zip(to_f64(&before)).map(|(a, b)| a + b).collect();
            for &isa in Isa::available() {
                let got = case.pass(isa, pass, tile, Some(&before));
                assert_close(&got, &expected, tolerance, &format!("{isa:?} {pass:?} {tile:?} accumulated"));
            }
        }
    }
}

#[test]
fn the_epilogue_is_applied_in_order() {
    for (dilation, padding) in [(1, [1, 1]), (2, [2, 1])] {
        epilogue_of(&Case::new(shape(2, [6, 7], [9, 21], padding, dilation)));
    }
}

fn epilogue_of(case: &Case) {
    let (scale, shift) = (normals(21, "scale"), normals(21, "shift"));
    let residual = normals(case.shape.y_len(), "residual");
    for (at, [inner, outer]) in [(ResidualAt::BeforeActivation, [1.0, 0.0]), (ResidualAt::AfterActivation, [0.0, 1.0])]
    {
        let epilogue = Epilogue {
            scale: Some(&scale),
            shift: Some(&shift),
            activation: Activation::LeakyRelu(0.1),
            residual: Some((&residual, at)),
        };
        let finished = case.y().into_iter().enumerate().map(|(at, conv)| {
            let residual = f64::from(residual[at]);
            let y = conv * f64::from(scale[at % 21]) + f64::from(shift[at % 21]) + inner * residual;
            (if y > 0.0 { y } else { 0.1 * y }) + outer * residual
        });
        let expected: Vec<f64> = finished.collect();
        for &isa in Isa::available() {
            for (tile, tolerance) in TILES {
                let mut y = vec![f32::NAN; case.shape.y_len()];
                forward(isa, &case.shape, &case.x, &case.weight, &epilogue, &mut y, tile);
                assert_close(&y, &expected, tolerance, "epilogue");
            }
        }
    }
}

#[test]
fn threads_change_nothing() {
    let shapes = [
        shape(2, [33, 29], [20, 70], [1, 1], 1),
        shape(2, [15, 15], [256, 272], [1, 1], 1),
        shape(1, [31, 26], [18, 33], [2, 2], 2),
    ];
    for case in shapes.map(Case::new) {
        for pass in [Pass::Forward, Pass::BackwardInput, Pass::BackwardWeight] {
            for (&isa, (tile, _)) in Isa::available().iter().flat_map(|isa| TILES.map(|tile| (isa, tile))) {
                same_in_any_pool(|| case.pass(isa, pass, tile, None));
            }
        }
    }
}

#[test]
fn the_tile_follows_the_shape() {
    // Layers of YOLOv3 and DeepLabv3: many tiles, a small map of many channels, taps mostly on padding, few channels.
    let tile =
        |n, size, channels, dilation| applies(&shape(n, [size; 2], channels, [dilation; 2], dilation), Pass::Forward);
    assert_eq!(tile(2, 104, [64, 128], 1), Some(Tile::Four));
    assert_eq!(tile(1, 33, [2048, 256], 6), Some(Tile::Two));
    assert_eq!(tile(1, 33, [2048, 256], 12), None);
    assert_eq!(tile(1, 13, [512, 1024], 1), Some(Tile::Two));
    assert_eq!(tile(1, 7, [512, 512], 1), None);
    assert_eq!(tile(2, 416, [3, 32], 1), None);
    let gradient = |channels| applies(&shape(2, [104; 2], channels, [1, 1], 1), Pass::BackwardWeight);
    assert_eq!((gradient([64, 128]), gradient([32, 64])), (Some(Tile::Four), None));
}

#[test]
fn shapes_it_cannot_compute_are_left_to_others() {
    let usual = shape(2, [104, 104], [64, 64], [1, 1], 1);
    assert!(applies(&usual, Pass::Forward).is_some());
    for other in [
        ConvShape { kernel: [1, 3], ..usual },
        ConvShape { stride: [1, 2], ..usual },
        ConvShape { dilation: [1, 2], ..usual },
        ConvShape { groups: 2, ..usual },
    ] {
        assert_eq!(applies(&other, Pass::Forward), None);
    }
    // Twice the dilation less the padding would be negative.
    let padded = ConvShape { padding: [1, 3], ..usual };
    assert_eq!(applies(&padded, Pass::BackwardInput), None);
}

proptest! {
    #![proptest_config(crate::oracle::cases(40))]
    #[test]
    fn any_shape_is_the_convolution(
        n in 1_usize..3,
        size in [1_usize..14, 1_usize..14],
        channels in [1_usize..40, 1_usize..70],
        padding in [0_usize..4, 0_usize..4],
        dilation in 1_usize..4,
    ) {
        let shape = shape(n, size, channels, padding, dilation);
        prop_assume!(shape.check().is_ok());
        Case::new(shape).check_all(Isa::available());
    }
}

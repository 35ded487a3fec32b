//! The work of a forward pass, over parameters that networks of one layout share.

use super::*;
use wrs_nn::{Buffer, InputGradient};

use OutputStride::{Eight, Sixteen};
use ResNetDepth::{R18, R34, R50, R101, R152};

const CLASSES: usize = 21;

fn config(depth: ResNetDepth) -> ModelConfig {
    ModelConfig {
        depth,
        output_stride: Sixteen,
        multi_grid: Some([1, 2, 4]),
        rates: None,
        width: 1.0,
        head: Head::Torchvision,
        dropout: 0.5,
        auxiliary: None,
        align_corners: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

/// Multiply-adds of the convolutions for one picture, in thousand millions, at each output stride and size.
fn assert_work(config: &ModelConfig, expected: &[(OutputStride, usize, f64)]) -> Params {
    let (_, params) = DeepLabV3::new(config, CLASSES, 0);
    for &(output_stride, size, expected) in expected {
        let config = ModelConfig { output_stride, ..config.clone() };
        let net = DeepLabV3::in_scope(&mut ParamsBuilder::new().root(), &config, CLASSES);
        let mut pass = Pass::plan(&params);
        let dims = Dims { n: 1, h: size, w: size, c: 3 };
        let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
        net.forward(&mut pass, &x).unwrap();
        let work = pass.flops() as f64 / 2e9;
        assert!((work - expected).abs() < 0.0051, "{config:?} at {size}: expected {expected}, got {work}");
    }
    params
}

#[test]
fn work_is_the_published_one() {
    assert_work(&config(R18), &[(Sixteen, 513, 21.71), (Eight, 513, 69.00)]);
    assert_work(&config(R34), &[(Sixteen, 513, 35.71), (Eight, 513, 112.59)]);
    assert_work(&config(R50), &[(Sixteen, 513, 51.08), (Eight, 513, 168.65)]);
    let sizes = [
        (Sixteen, 513, 71.70),
        (Eight, 513, 248.67),
        (Sixteen, 480, 59.59),
        (Eight, 480, 211.95),
        (Sixteen, 512, 67.80),
        (Eight, 512, 241.16),
        (Sixteen, 321, 28.95),
        (Eight, 321, 98.92),
    ];
    let params = assert_work(&config(R101), &sizes);
    // As many as in torchvision's state dict, where each norm has a `num_batches_tracked`.
    assert_eq!(params.iter().len() + params.filters().len(), 668);
}

#[test]
fn work_of_the_deepest_is_the_published_one() {
    assert_work(&config(R152), &[(Sixteen, 513, 92.18), (Eight, 513, 314.57)]);
}

#[test]
fn work_of_other_heads_is_the_published_one() {
    let paper = ModelConfig { head: Head::Paper, ..config(R101) };
    let params = assert_work(&paper, &[(Sixteen, 513, 71.06), (Eight, 513, 246.18)]);
    assert_eq!((params.trainable().len(), params.filters().len()), (58_040_661, 110));
    let auxiliary = Some(AuxiliaryConfig { dropout: 0.1, loss_weight: 0.5 });
    assert_work(&ModelConfig { auxiliary, ..config(R101) }, &[(Eight, 520, 258.74)]);
}

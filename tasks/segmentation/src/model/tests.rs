//! Parameters and work of the networks of full size: what their authors and torchvision publish.

use super::*;
use wrs_nn::{Buffer, InputGradient, Role};

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

fn with_auxiliary(config: ModelConfig) -> ModelConfig {
    ModelConfig { auxiliary: Some(AuxiliaryConfig { dropout: 0.1, loss_weight: 0.5 }), ..config }
}

/// Output stride, side of the picture, and multiply-adds of the convolutions in thousand millions.
type Work = (OutputStride, usize, f64);

/// `params` may be those of the same network with a second classifier, whose tensors come last.
fn assert_work(config: &ModelConfig, params: &Params, expected: &[Work]) {
    for &(output_stride, size, expected) in expected {
        let config = ModelConfig { output_stride, ..*config };
        let net = DeepLabV3::in_scope(&mut ParamsBuilder::new().root(), &config, CLASSES);
        let mut pass = Pass::plan(params);
        let dims = Dims { n: 1, h: size, w: size, c: 3 };
        let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
        net.forward(&mut pass, &x).unwrap();
        let work = pass.flops() as f64 / 2e9;
        assert!((work - expected).abs() < 0.0051, "{config:?} at {size}: expected {expected}, got {work}");
    }
}

/// Trainable values without and with the second classifier, convolutions and statistics without it.
struct Counts {
    plain: usize,
    with_auxiliary: usize,
    convolutions: usize,
    statistics: usize,
}

fn assert_published(depth: ResNetDepth, counts: &Counts, work: &[Work]) -> Params {
    let (_, params) = DeepLabV3::new(&with_auxiliary(config(depth)), CLASSES, 0);
    let auxiliary = |trainable: bool| {
        let tensors = params.iter().filter(|(_, p)| p.name.starts_with("aux_classifier."));
        tensors.filter(|(_, p)| p.role.is_trainable() == trainable).map(|(_, p)| p.range.len()).sum::<usize>()
    };
    assert_eq!(params.trainable().len(), counts.with_auxiliary, "{depth:?}");
    assert_eq!(params.trainable().len() - auxiliary(true), counts.plain, "{depth:?}");
    assert_eq!(params.statistics().len() - auxiliary(false), counts.statistics, "{depth:?}");
    let convolutions = params.iter().filter(|(_, p)| p.role == Role::ConvWeight).count();
    // Two of them are the second classifier's; neither classifier's last one feeds a norm.
    assert_eq!((convolutions - 2, params.filters().len()), (counts.convolutions, counts.convolutions), "{depth:?}");
    assert_work(&config(depth), &params, work);
    params
}

#[test]
fn smaller_networks_have_the_published_parameters_and_work() {
    let counts = Counts { plain: 15_904_085, with_auxiliary: 16_053_034, convolutions: 28, statistics: 13_184 };
    assert_published(R18, &counts, &[(Sixteen, 513, 21.71), (Eight, 513, 69.00)]);
    let counts = Counts { plain: 26_012_245, with_auxiliary: 26_161_194, convolutions: 44, statistics: 20_608 };
    assert_published(R34, &counts, &[(Sixteen, 513, 35.71), (Eight, 513, 112.59)]);
    let counts = Counts { plain: 39_638_869, with_auxiliary: 42_004_074, convolutions: 61, statistics: 56_704 };
    assert_published(R50, &counts, &[(Sixteen, 513, 51.08), (Eight, 513, 168.65)]);
}

#[test]
fn the_papers_network_has_the_published_parameters_and_work() {
    let counts = Counts { plain: 58_630_997, with_auxiliary: 60_996_202, convolutions: 112, statistics: 108_928 };
    let work = [
        (Sixteen, 513, 71.70),
        (Eight, 513, 248.67),
        (Sixteen, 480, 59.59),
        (Eight, 480, 211.95),
        (Sixteen, 512, 67.80),
        (Eight, 512, 241.16),
        (Sixteen, 321, 28.95),
        (Eight, 321, 98.92),
    ];
    let params = assert_published(R101, &counts, &work);
    assert_work(&with_auxiliary(config(R101)), &params, &[(Eight, 520, 258.74)]);
    // As many as in torchvision's state dict, where each norm has a `num_batches_tracked`.
    assert_eq!(params.iter().len() + params.filters().len(), 676);
}

#[test]
fn the_deepest_network_has_the_published_parameters_and_work() {
    let counts = Counts { plain: 74_274_645, with_auxiliary: 76_639_850, convolutions: 163, statistics: 155_008 };
    assert_published(R152, &counts, &[(Sixteen, 513, 92.18), (Eight, 513, 314.57)]);
}

#[test]
fn the_papers_head_has_the_published_parameters_and_work() {
    let config = ModelConfig { head: Head::Paper, ..config(R101) };
    let (_, params) = DeepLabV3::new(&config, CLASSES, 0);
    assert_eq!((params.trainable().len(), params.filters().len()), (58_040_661, 110));
    assert_work(&config, &params, &[(Sixteen, 513, 71.06), (Eight, 513, 246.18)]);
}

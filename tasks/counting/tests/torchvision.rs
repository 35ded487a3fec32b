//! torchvision's VGG16 with random weights, as `torch.save` wrote it, against what torchvision computes with it.
//!
//! `WRS_TEST_TORCHVISION` is the folder that the segmentation's test of the same name speaks of; `vgg16_bn` and `vgg16` have as
//! `out` what the front end of a CSRNet ends with: `features[:33]` and `features[:23]`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, which tell what they measure

use wrs_backbones::{Vgg, VggConfig, VggDepth};
use wrs_counting::init::load_init;
use wrs_counting::model::CsrNet;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_golden::Torchvision;
use wrs_nn::{InputGradient, ParamsBuilder, Pass};
use wrs_ops::conv::Algorithms;

/// Over the largest value.
const TOLERANCE: f32 = 2e-5;

/// Stages of the front end: its last map lies before the fourth pooling.
const STAGES: usize = 4;

fn starts(name: &str, batch_norm: bool) {
    let Some(torchvision) = Torchvision::asked(&format!("{name}.pth")) else { return };
    let (dims, pixels) = torchvision.golden(name, "x").unwrap();
    let config = ModelConfig {
        backend: Backend::B,
        batch_norm,
        conv_bias: true,
        head: HeadActivation::Abs,
        width: 1.0,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    };
    for path in torchvision.weights(name) {
        let (_, mut params) = CsrNet::new(&config, 7);
        let start = load_init(&path, &config, &mut params).unwrap();
        println!("{}", start.lines.join("\n"));
        assert!(start.uncalibrated.is_none());
        // The front end by itself, with the numbers that were loaded.
        let mut builder = ParamsBuilder::new();
        let vgg = if batch_norm { VggConfig::with_norms(VggDepth::V16) } else { VggConfig::new(VggDepth::V16) };
        let front = Vgg::new(&mut builder.root(), &VggConfig { stages: STAGES, ..vgg });
        let mut own = builder.build(0);
        let ids: Vec<_> =
            own.iter().map(|(id, p)| (id, params.find(&format!("frontend.{}", p.name)).unwrap())).collect();
        for (to, from) in ids {
            own.values_mut(to).copy_from_slice(params.values(from));
        }
        let mut pass = Pass::eval(&own, Algorithms::Fast);
        let x = pass.input(dims, pixels.clone().into(), InputGradient::Skipped);
        let got = front.last_map(&mut pass, &x).unwrap();
        let difference = torchvision.difference(name, "out", &got).unwrap();
        println!("{}: largest difference {difference:.1e} of the largest value", path.display());
        assert!(difference < TOLERANCE);
    }
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn vgg16_bn_starts_the_front_end() {
    starts("vgg16_bn", true);
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn vgg16_starts_the_front_end_of_a_network_without_norms() {
    starts("vgg16", false);
}

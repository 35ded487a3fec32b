//! torchvision's networks with random weights, as `torch.save` wrote them, against what torchvision computes with them.
//!
//! `WRS_TEST_TORCHVISION` is a folder of files NAME.pth, NAME_legacy.pth (`_use_new_zipfile_serialization=False`, names behind
//! `module.`, under `model`) and NAME.golden.safetensors (`x` and `out`, of `deeplabv3_resnet101` `aux`, too), made in Python of
//! `torchvision.models` with `weights=None` in evaluation mode, statistics and scales drawn at random: `deeplabv3_resnet101` with
//! 21 classes and `aux_loss=True`, and `resnet101`, whose `out` is what `layer4` gives.  The test leaves `ours.safetensors`
//! there, for `load_state_dict(load_file(…), strict=True)`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, which tell what they measure

use std::path::Path;

use wrs_backbones::{Backbone, OutputStride, ResNet, ResNetConfig, ResNetDepth};
use wrs_golden::Torchvision;
use wrs_nn::{InputGradient, ParamsBuilder, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_segmentation::init::load_init;
use wrs_segmentation::model::DeepLabV3;
use wrs_segmentation::net::{AuxiliaryConfig, Head, ModelConfig};
use wrs_weights::{Metadata, Strictness, TensorFile, load_into, safetensors};

/// Over the largest value: some hundred layers of f32 sums in another order.
const TOLERANCE: f32 = 2e-5;

fn assert_same(torchvision: &Torchvision, name: &str, tensor: &str, got: &Value) {
    let difference = torchvision.difference(name, tensor, got).unwrap();
    println!("{name} {tensor}: largest difference {difference:.1e} of the largest value");
    assert!(difference < TOLERANCE);
}

fn input(torchvision: &Torchvision, pass: &mut Pass<'_>, name: &str) -> Value {
    let (dims, pixels) = torchvision.golden(name, "x").unwrap();
    pass.input(dims, pixels.into(), InputGradient::Skipped)
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn deeplabv3_computes_what_torchvision_does() {
    let Some(torchvision) = Torchvision::asked("deeplabv3_resnet101") else { return };
    let config = ModelConfig {
        depth: ResNetDepth::R101,
        output_stride: OutputStride::Eight,
        multi_grid: None,
        rates: None,
        width: 1.0,
        head: Head::Torchvision,
        dropout: 0.0,
        auxiliary: Some(AuxiliaryConfig { dropout: 0.1, loss_weight: 0.5 }),
        align_corners: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    };
    let name = "deeplabv3_resnet101";
    for path in torchvision.weights(name) {
        let (net, mut params) = DeepLabV3::new(&config, 21, 7);
        let lines = load_init(&path, &mut params).unwrap();
        let n = params.iter().len();
        assert_eq!(lines, [format!("init    {}: {n} of {n} tensors loaded", path.display())]);
        for algorithms in [Algorithms::Exact, Algorithms::Fast] {
            let mut pass = Pass::eval(&params, algorithms);
            let x = input(&torchvision, &mut pass, name);
            let outputs = net.forward(&mut pass, &x).unwrap();
            assert_same(&torchvision, name, "out", &outputs.logits);
            assert_same(&torchvision, name, "aux", &outputs.auxiliary.unwrap());
        }
        safetensors::save(&params, &Metadata::new(), &torchvision.path("ours.safetensors")).unwrap();
    }
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn resnet101_computes_what_torchvision_does() {
    let Some(torchvision) = Torchvision::asked("resnet101") else { return };
    let name = "resnet101";
    for path in torchvision.weights(name) {
        let mut builder = ParamsBuilder::new();
        let net = ResNet::new(&mut builder.root(), &ResNetConfig::new(ResNetDepth::R101));
        let mut params = builder.build(7);
        let report = load_into(&mut params, &path, Strictness::Partial).unwrap();
        assert_eq!((report.loaded, report.missing.len()), (params.iter().len(), 0));
        assert_eq!(report.unexpected, ["fc.bias", "fc.weight"]);
        let mut pass = Pass::eval(&params, Algorithms::Fast);
        let x = input(&torchvision, &mut pass, name);
        assert_same(&torchvision, name, "out", net.forward(&mut pass, &x).unwrap().last().unwrap());
    }
}

/// A file of ours that PyTorch read and wrote again (`again.safetensors`, of `ours.safetensors`) has the same numbers.
#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn a_file_comes_back_from_pytorch_byte_for_byte() {
    let Some(torchvision) = Torchvision::asked("ours.safetensors") else { return };
    let [ours, again] = ["ours.safetensors", "again.safetensors"].map(|name| torchvision.path(name));
    let open = |path: &Path| TensorFile::open(path).unwrap();
    let (ours, again) = (open(&ours), open(&again));
    assert_eq!(ours.entries().len(), again.entries().len());
    for entry in ours.entries() {
        let other = again.get(&entry.name).unwrap();
        assert_eq!((&entry.shape, entry.dtype), (&other.shape, other.dtype));
        let bits = |file: &TensorFile<'_>, entry| -> Vec<u32> {
            file.values(entry).unwrap().into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(&ours, entry), bits(&again, other), "{}", entry.name);
    }
}

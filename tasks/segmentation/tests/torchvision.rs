//! torchvision's networks with random weights, as `torch.save` wrote them, against what torchvision computes with them.
//!
//! `WRS_TEST_TORCHVISION` is a folder of files NAME.pth, NAME_legacy.pth (`_use_new_zipfile_serialization=False`, names behind
//! `module.`, under `model`) and NAME.golden.safetensors (`x` and `out`, of `deeplabv3_resnet101` `aux`, too), made in Python of
//! `torchvision.models` with `weights=None` in evaluation mode, statistics and scales drawn at random: `deeplabv3_resnet101` with
//! 21 classes and `aux_loss=True`, and `resnet101`, whose `out` is what `layer4` gives.  The test leaves `ours.safetensors`
//! there, for `load_state_dict(load_file(…), strict=True)`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, which tell what they measure

use std::path::{Path, PathBuf};

use wrs_backbones::{Backbone, OutputStride, ResNet, ResNetConfig, ResNetDepth};
use wrs_nn::{Dims, InputGradient, ParamsBuilder, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_segmentation::init::load_init;
use wrs_segmentation::model::DeepLabV3;
use wrs_segmentation::net::{AuxiliaryConfig, Head, ModelConfig};
use wrs_weights::{Metadata, Strictness, TensorFile, load_into, safetensors};

/// Over the largest value: some hundred layers of f32 sums in another order.
const TOLERANCE: f32 = 2e-5;

fn folder() -> PathBuf {
    PathBuf::from(std::env::var("WRS_TEST_TORCHVISION").unwrap_or_default())
}

/// Other tests that are ignored want other data.
fn is_asked() -> bool {
    std::env::var("WRS_TEST_TORCHVISION").is_ok()
}

/// A tensor of a golden, `[B, C, H, W]`, as `[B, H, W, C]`.
fn golden(name: &str, tensor: &str) -> (Dims, Vec<f32>) {
    let file = TensorFile::open(&folder().join(format!("{name}.golden.safetensors"))).unwrap();
    let entry = file.get(tensor).unwrap();
    let [n, c, h, w] = entry.shape[..] else { panic!("{:?}", entry.shape) };
    let values = file.values(entry).unwrap();
    let at = |i: usize| {
        let (n, y, x, c_) = (i / c / w / h, i / c / w % h, i / c % w, i % c);
        values[((n * c + c_) * h + y) * w + x]
    };
    (Dims { n, h, w, c }, (0..values.len()).map(at).collect())
}

fn assert_same(name: &str, tensor: &str, got: &Value) {
    let (dims, expected) = golden(name, tensor);
    assert_eq!(got.dims(), dims);
    let largest = expected.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    let pairs = got.buffer().host().iter().zip(&expected);
    let difference = pairs.fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / largest;
    println!("{name} {tensor}: largest difference {difference:.1e} of the largest value {largest:.3}");
    assert!(difference < TOLERANCE);
}

fn files(name: &str) -> [PathBuf; 2] {
    ["pth", "legacy"].map(|form| match form {
        "pth" => folder().join(format!("{name}.pth")),
        _ => folder().join(format!("{name}_legacy.pth")),
    })
}

fn input(pass: &mut Pass<'_>, name: &str) -> Value {
    let (dims, pixels) = golden(name, "x");
    pass.input(dims, pixels.into(), InputGradient::Skipped)
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn deeplabv3_computes_what_torchvision_does() {
    if !is_asked() {
        return;
    }
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
    for path in files(name) {
        let (net, mut params) = DeepLabV3::new(&config, 21, 7);
        let lines = load_init(&path, &mut params).unwrap();
        let n = params.iter().len();
        assert_eq!(lines, [format!("init    {}: {n} of {n} tensors loaded", path.display())]);
        for algorithms in [Algorithms::Exact, Algorithms::Fast] {
            let mut pass = Pass::eval(&params, algorithms);
            let x = input(&mut pass, name);
            let outputs = net.forward(&mut pass, &x).unwrap();
            assert_same(name, "out", &outputs.logits);
            assert_same(name, "aux", &outputs.auxiliary.unwrap());
        }
        safetensors::save(&params, &Metadata::new(), &folder().join("ours.safetensors")).unwrap();
    }
}

#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn resnet101_computes_what_torchvision_does() {
    if !is_asked() {
        return;
    }
    let name = "resnet101";
    for path in files(name) {
        let mut builder = ParamsBuilder::new();
        let net = ResNet::new(&mut builder.root(), &ResNetConfig::new(ResNetDepth::R101));
        let mut params = builder.build(7);
        let report = load_into(&mut params, &path, Strictness::Partial).unwrap();
        assert_eq!((report.loaded, report.missing.len()), (params.iter().len(), 0));
        assert_eq!(report.unexpected, ["fc.bias", "fc.weight"]);
        let mut pass = Pass::eval(&params, Algorithms::Fast);
        let x = input(&mut pass, name);
        assert_same(name, "out", net.forward(&mut pass, &x).unwrap().last().unwrap());
    }
}

/// A file of ours that PyTorch read and wrote again (`again.safetensors`, of `ours.safetensors`) has the same numbers.
#[test]
#[ignore = "needs WRS_TEST_TORCHVISION"]
fn a_file_comes_back_from_pytorch_byte_for_byte() {
    if !is_asked() {
        return;
    }
    let [ours, again] = ["ours.safetensors", "again.safetensors"].map(|name| folder().join(name));
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

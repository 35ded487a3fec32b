#![allow(clippy::float_cmp)] // bytes are compared on purpose

use std::path::PathBuf;

use tempfile::TempDir;
use wrs_backbones::{Vgg, VggConfig, VggDepth};
use wrs_golden::fill;
use wrs_nn::{Dims, Init, InputGradient, NnError, ParamsBuilder, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_weights::{Metadata, safetensors};

use super::*;
use crate::net::{Backend, HeadActivation};

const DIMS: Dims = Dims { n: 2, h: 41, w: 50, c: 3 };

const WIDTH: f64 = 0.0625;

fn config(batch_norm: bool, conv_bias: bool) -> ModelConfig {
    ModelConfig {
        backend: Backend::B,
        batch_norm,
        conv_bias,
        head: HeadActivation::Abs,
        width: WIDTH,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

/// torchvision's `features` at the tests' width, filled.
fn vgg(config: VggConfig) -> Params {
    let mut builder = ParamsBuilder::new();
    Vgg::new(&mut builder.root(), &VggConfig { width: WIDTH, ..config });
    let mut params = builder.build(0);
    fill(&mut params);
    params
}

fn csrnet(config: &ModelConfig) -> (CsrNet, Params) {
    let (net, mut params) = CsrNet::new(config, 3);
    fill(&mut params);
    (net, params)
}

/// A file of a network's tensors under other names, those without one left out, and of some that are no network's.
fn saved(of: &Params, name: impl Fn(&str) -> Option<String>, extra: &[&str]) -> (TempDir, PathBuf) {
    let mut builder = ParamsBuilder::new();
    let mut values = Vec::new();
    for (id, p) in of.iter() {
        if let Some(name) = name(&p.name) {
            let id_in_file = builder.root().add(&name, p.role, &p.shape, Init::Constant(0.0));
            values.push((id_in_file, of.values(id).to_vec()));
        }
    }
    for name in extra {
        builder.root().add(name, Role::Bias, &[1], Init::Constant(7.0));
    }
    let mut file = builder.build(0);
    for (id, values) in values {
        file.values_mut(id).copy_from_slice(&values);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("init.safetensors");
    safetensors::save(&file, &Metadata::new(), &path).unwrap();
    (folder, path)
}

#[allow(clippy::unnecessary_wraps)] // as the names of files are asked for
fn features(name: &str) -> Option<String> {
    Some(format!("features.{name}"))
}

fn pixels(purpose: &str) -> Vec<f32> {
    let mut rng = Rng::new(1, purpose, 0, 0);
    (0..DIMS.len()).map(|_| rng.range(-1.0, 1.0) as f32).collect()
}

fn run(net: &CsrNet, mut pass: Pass<'_>, pixels: Vec<f32>) -> Vec<f32> {
    let x = pass.input(DIMS, pixels.into(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap().buffer().host().to_vec()
}

fn evaluated(net: &CsrNet, params: &Params) -> Vec<f32> {
    run(net, Pass::eval(params, Algorithms::Exact), pixels("a"))
}

/// The largest difference over the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    assert!(scale > 0.0);
    a.iter().zip(b).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / scale
}

fn values<'p>(params: &'p Params, name: &str) -> &'p [f32] {
    params.values(params.find(name).unwrap_or_else(|| panic!("no tensor {name}")))
}

/// A network started from a file, and what was said.
fn started(config: &ModelConfig, path: &Path) -> (CsrNet, Params, Start) {
    let (net, mut params) = CsrNet::new(config, 3);
    let start = load_init(path, config, &mut params).unwrap();
    (net, params, start)
}

fn refusal(config: &ModelConfig, path: &Path) -> InitError {
    let (_, mut params) = CsrNet::new(config, 3);
    let before = params.clone();
    let CountingError::Init(refusal) = load_init(path, config, &mut params).unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(params.trainable().host(), before.trainable().host());
    assert_eq!(params.statistics().host(), before.statistics().host());
    refusal
}

/// Convolutions of `vgg16`, and of `vgg16_bn` with their norms.
const ROWS: [(usize, usize, usize); 10] = [
    (0, 0, 1),
    (2, 3, 4),
    (5, 7, 8),
    (7, 10, 11),
    (10, 14, 15),
    (12, 17, 18),
    (14, 20, 21),
    (17, 24, 25),
    (19, 27, 28),
    (21, 30, 31),
];

#[test]
fn torchvisions_vgg16_bn_starts_the_front_end() {
    let file = vgg(VggConfig::with_norms(VggDepth::V16));
    let extra = ["features.1.num_batches_tracked", "features.41.num_batches_tracked", "classifier.0.weight"];
    let (_folder, path) = saved(&file, features, &extra);
    let config = config(true, true);
    let (_, params, start) = started(&config, &path);
    for (_, conv, norm) in ROWS {
        let tensors = ["weight", "bias"].map(|part| format!("{conv}.{part}")).into_iter();
        let parts = ["weight", "bias", "running_mean", "running_var"];
        for name in tensors.chain(parts.map(|part| format!("{norm}.{part}"))) {
            assert_eq!(values(&params, &format!("frontend.{name}")), values(&file, &name), "{name}");
        }
    }
    let (_, fresh) = CsrNet::new(&config, 3);
    for name in ["backend.0.weight", "backend.1.weight", "output_layer.weight"] {
        assert_eq!(values(&params, name), values(&fresh, name));
    }
    assert!(start.uncalibrated.is_none());
    let of = format!(": 60 of {} tensors loaded", params.iter().len());
    assert!(start.lines[0].ends_with(&of), "{:?}", start.lines);
    assert_eq!(start.lines[1], "        renamed: 60, such as features.0.weight to frontend.0.weight");
    assert_eq!(start.lines[2], "        a front end alone: back end and head start afresh");
    let deeper = "passed over, deeper than the front end: 18: features.34.bias, features.34.weight, features.35.bias";
    assert!(start.lines[3].contains(deeper) && start.lines[3].ends_with(" and 8 more"), "{:?}", start.lines);
    assert_eq!(start.lines[4], "        passed over, another task's: 1: classifier.0.weight");
    assert_eq!(start.lines.len(), 5, "{:?}", start.lines);
}

#[test]
fn torchvisions_vgg16_starts_the_front_end_of_a_network_without_norms() {
    let file = vgg(VggConfig::new(VggDepth::V16));
    let (_folder, path) = saved(&file, features, &["classifier.6.bias"]);
    let (_, params, start) = started(&config(false, true), &path);
    for (index, ..) in ROWS {
        for name in [format!("{index}.weight"), format!("{index}.bias")] {
            assert_eq!(values(&params, &format!("frontend.{name}")), values(&file, &name), "{name}");
        }
    }
    assert!(start.uncalibrated.is_none());
    let deeper = "6: features.24.bias, features.24.weight, features.26.bias, features.26.weight, features.28.bias, features.28.weight";
    assert!(start.lines[3].ends_with(deeper), "{:?}", start.lines);
}

/// Back ends begin alike in both, since a tensor's first values follow its name.
#[test]
fn biases_that_the_network_leaves_out_go_into_the_running_means() {
    let (_folder, path) = saved(&vgg(VggConfig::with_norms(VggDepth::V16)), features, &[]);
    let ((with, kept, _), (without, dropped, start)) =
        (started(&config(true, true), &path), started(&config(true, false), &path));
    assert!(dropped.find("frontend.0.bias").is_none());
    let (with, without) = (evaluated(&with, &kept), evaluated(&without, &dropped));
    let difference = difference(&without, &with);
    println!("largest difference {difference:.1e}");
    assert!(difference < 1e-5, "{difference}");
    assert!(start.lines.iter().any(|line| line.ends_with("biases before norms went into the running means")));
}

#[test]
fn whole_networks_load_under_every_spelling() {
    type Rename = fn(&str) -> String;
    let wans = |name: &str| name.replace("frontend.", "features.").replace("backend.", "reg_layer.");
    let spellings: [Rename; 5] = [
        str::to_owned,
        wans,
        |name| format!("CCN.{name}"),
        |name| format!("CCN.module.{name}"),
        |name| format!("module.{}", name.replace("frontend.", "features.").replace("backend.", "reg_layer.")),
    ];
    for config in [config(true, true), config(true, false), config(false, true)] {
        let (_, file) = csrnet(&config);
        for rename in spellings {
            let (_folder, path) = saved(&file, |name| Some(rename(name)), &[]);
            let (_, params, start) = started(&config, &path);
            assert_eq!(params.trainable().host(), file.trainable().host());
            assert_eq!(params.statistics().host(), file.statistics().host());
            let of = params.iter().len();
            assert_eq!(start.lines[0], format!("init    {}: {of} of {of} tensors loaded", path.display()));
            assert!(start.lines[1..].iter().all(|line| line.contains("renamed: ")), "{:?}", start.lines);
        }
    }
}

#[test]
fn biases_that_a_file_lacks_begin_at_zero() {
    let (plain, file) = csrnet(&config(true, false));
    let (_folder, path) = saved(&file, |name| Some(name.to_owned()), &[]);
    let (net, mut params) = csrnet(&config(true, true));
    let start = load_init(&path, &config(true, true), &mut params).unwrap();
    assert!(values(&params, "frontend.0.bias").iter().all(|b| *b == 0.0));
    assert!(difference(&evaluated(&net, &params), &evaluated(&plain, &file)) < 1e-6);
    assert!(start.lines[1].ends_with("no biases before norms in the file: they begin at 0"), "{:?}", start.lines);
}

#[test]
fn files_that_lack_something_are_refused_by_name() {
    let file = vgg(VggConfig::with_norms(VggDepth::V16));
    let lacking = |lost: &'static str| move |name: &str| if name == lost { None } else { features(name) };
    for lost in ["0.weight", "20.bias", "31.running_var", "4.weight"] {
        let (_folder, path) = saved(&file, lacking(lost), &[]);
        for conv_bias in [true, false] {
            let told = refusal(&config(true, conv_bias), &path);
            assert!(
                matches!(&told, InitError::Missing { names, .. } if *names == [format!("features.{lost}")]),
                "{told}"
            );
        }
    }
    // Another depth lacks what it has elsewhere.
    let (_folder, path) = saved(&vgg(VggConfig::with_norms(VggDepth::V13)), features, &[]);
    let told = refusal(&config(true, true), &path).to_string();
    assert!(told.contains("got none called features.20.weight, ") && told.contains(" more\nhelp: "), "{told}");

    // A back end of which a part is there is no back end.
    let (_, whole) = csrnet(&config(true, true));
    let cut = |name: &str| (name != "backend.9.bias").then(|| format!("module.{name}"));
    let (_folder, path) = saved(&whole, cut, &[]);
    let told = refusal(&config(true, true), &path);
    assert!(matches!(&told, InitError::Missing { names, .. } if *names == ["module.backend.9.bias"]), "{told}");
}

#[test]
fn other_widths_other_networks_and_unwanted_norms_are_refused() {
    let (_, whole) = csrnet(&config(true, true));
    let (_folder, path) = saved(&whole, |name| Some(name.to_owned()), &[]);
    let wider = ModelConfig { width: 0.125, ..config(true, true) };
    let told = refusal(&wider, &path).to_string();
    assert!(told.contains("frontend.7.weight: expected [16, 8, 3, 3], got [8, 8, 3, 3]"), "{told}");
    assert!(matches!(refusal(&config(false, true), &path), InitError::Norms { .. }));
    let (_folder, path) = saved(&whole, |name| Some(format!("encoder.{name}")), &[]);
    assert!(matches!(refusal(&config(true, true), &path), InitError::NoFrontEnd { .. }));
}

#[test]
fn what_is_left_in_a_file_is_told() {
    let (_, whole) = csrnet(&config(true, true));
    let (_folder, path) = saved(&whole, |name| Some(name.to_owned()), &["optimizer", "frontend.0.scale"]);
    let lines = started(&config(true, true), &path).2.lines;
    assert_eq!(lines[1..], ["        left over in the file: 2: optimizer, frontend.0.scale"], "{lines:?}");
}

/// timm's file has other classes behind the same layers.
#[test]
fn timms_vgg16_bn_starts_the_front_end() {
    let file = vgg(VggConfig::with_norms(VggDepth::V16));
    let (_folder, path) = saved(&file, features, &["pre_logits.fc1.weight", "head.fc.bias"]);
    let lines = started(&config(true, true), &path).2.lines;
    let passed = "        passed over, another task's: 2: pre_logits.fc1.weight, head.fc.bias";
    assert!(lines[0].contains(": 60 of ") && lines.iter().any(|line| line == passed), "{lines:?}");
}

#[test]
fn what_a_file_fits_is_told_by_names_and_shapes() {
    let told = |params: &Params, rename: fn(&str) -> Option<String>| {
        let (_folder, path) = saved(params, rename, &["classifier.0.bias"]);
        fits(&TensorFile::open(&path).unwrap())
    };
    let (_, whole) = CsrNet::new(&ModelConfig { width: 1.0, ..config(true, false) }, 0);
    assert_eq!(told(&whole, |name| Some(format!("module.{name}"))), ["csrnet with batch norms: counting, with --init"]);
    assert_eq!(
        told(&whole, |name| name.strip_prefix("frontend.").and_then(features)),
        ["vgg16, CSRNet's front end, with batch norms: counting, with --init"]
    );
    let lacking = |name: &str| name.strip_prefix("frontend.").filter(|name| *name != "30.weight").and_then(features);
    assert!(told(&whole, lacking).is_empty());
    assert!(told(&vgg(VggConfig::with_norms(VggDepth::V16)), features).is_empty(), "narrow layers are nobody's");
}

fn calibrated(net: &CsrNet, params: &mut Params, start: Start, batches: &[&str]) {
    let batches = batches.iter().map(|purpose| Ok::<_, NnError>((DIMS, pixels(purpose))));
    start.uncalibrated.unwrap().calibrate(net, params, Algorithms::Exact, batches).unwrap();
}

#[test]
fn norms_for_a_network_without_keep_its_function_and_undo_what_they_measure() {
    let (plain, file) = csrnet(&config(false, true));
    let (_folder, path) = saved(&file, |name| Some(name.to_owned()), &[]);
    let expected = evaluated(&plain, &file);
    for conv_bias in [true, false] {
        let (net, mut params, start) = started(&config(true, conv_bias), &path);
        assert_eq!(start.uncalibrated.as_ref().map(Uncalibrated::len), Some(16));
        assert!(difference(&evaluated(&net, &params), &expected) < 1e-5, "before");
        let trained = |params: &Params| run(&net, Pass::train(params, Algorithms::Exact), pixels("a"));
        assert!(difference(&trained(&params), &expected) > 0.1, "norms at work destroy the function");
        calibrated(&net, &mut params, start, &["a"]);
        let after = difference(&evaluated(&net, &params), &expected);
        println!("largest difference {after:.1e}");
        assert!(after < 1e-5, "{after}");
        // Statistics of the batch are the running ones but for the unbiased variance of 60 values in the last layers.
        assert!(difference(&trained(&params), &expected) < 0.1);

        // The last norm: mean and variance of what the last convolution gives, against the plain network's.
        let [mean, gamma] = ["backend.16.running_mean", "backend.16.weight"].map(|name| values(&params, name));
        let [var, beta] = ["backend.16.running_var", "backend.16.bias"].map(|name| values(&params, name));
        for (gamma, var) in gamma.iter().zip(var) {
            assert!((f64::from(*gamma).powi(2) - f64::from(*var) - 1e-5).abs() < 1e-6 * f64::from(*var) + 1e-9);
        }
        let bias = values(&file, "backend.10.bias");
        for ((beta, mean), bias) in beta.iter().zip(mean).zip(bias) {
            let whole = if conv_bias { *mean } else { mean + bias };
            assert!((beta - whole).abs() < 1e-6, "{beta} is not {whole}");
        }
    }
}

/// The first norm measures the first convolution over all batches, by hand.
#[test]
fn statistics_are_those_of_all_batches() {
    let (_, file) = csrnet(&config(false, true));
    let (_folder, path) = saved(&file, |name| Some(name.to_owned()), &[]);
    let (net, mut params, start) = started(&config(true, true), &path);
    calibrated(&net, &mut params, start, &["a", "b", "c"]);
    // At the centre tap alone the sum over all pixels is easy: padding plays no part.
    let weight = values(&file, "frontend.0.weight").to_vec();
    let (mut sum, mut count) = (0.0, 0.0);
    for purpose in ["a", "b", "c"] {
        let x = pixels(purpose);
        let at = |n: usize, y: usize, x_: usize, c: usize| f64::from(x[((n * DIMS.h + y) * DIMS.w + x_) * 3 + c]);
        for (n, y, x) in (0..DIMS.n).flat_map(|n| (0..DIMS.h).flat_map(move |y| (0..DIMS.w).map(move |x| (n, y, x)))) {
            count += 1.0;
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                let (Some(iy), Some(ix)) = ((y + ky).checked_sub(1), (x + kx).checked_sub(1)) else { continue };
                if iy < DIMS.h && ix < DIMS.w {
                    sum += (0..3).map(|c| at(n, iy, ix, c) * f64::from(weight[(ky * 3 + kx) * 3 + c])).sum::<f64>();
                }
            }
        }
    }
    let expected = sum / count + f64::from(values(&file, "frontend.0.bias")[0]);
    let got = f64::from(values(&params, "frontend.1.running_mean")[0]);
    assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
}

#[test]
fn a_calibration_leaves_fresh_norms_and_a_failed_one_leaves_all() {
    let (_folder, path) = saved(&vgg(VggConfig::new(VggDepth::V16)), features, &[]);
    let (net, mut params, start) = started(&config(true, true), &path);
    assert_eq!(start.uncalibrated.as_ref().map(Uncalibrated::len), Some(10));
    assert!(start.lines.iter().any(|line| line.ends_with("they begin as the identity, to be calibrated")));
    let before = params.clone();
    let failing = [Ok((DIMS, pixels("a"))), Err(NnError::NotTraining)];
    let again = load_init(&path, &config(true, true), &mut params).unwrap();
    let refusal = start.uncalibrated.unwrap().calibrate(&net, &mut params, Algorithms::Exact, failing).unwrap_err();
    assert!(matches!(refusal, NnError::NotTraining));
    assert_eq!(params.statistics().host(), before.statistics().host());
    let none: [Result<_, NnError>; 0] = [];
    let third = load_init(&path, &config(true, true), &mut params).unwrap();
    assert!(again.uncalibrated.unwrap().calibrate(&net, &mut params, Algorithms::Exact, none).is_err());
    assert_eq!(params.trainable().host(), before.trainable().host());

    let function = evaluated(&net, &params);
    calibrated(&net, &mut params, third, &["a", "b"]);
    assert!(difference(&evaluated(&net, &params), &function) < 1e-5);
    for name in ["backend.1.weight", "backend.1.running_mean", "backend.16.running_var"] {
        assert_eq!(values(&params, name), values(&before, name), "{name}");
    }
    assert_ne!(values(&params, "frontend.31.running_var"), values(&before, "frontend.31.running_var"));
}

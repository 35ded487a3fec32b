//! YOLOv3's numbers, as the cfg files of its authors give them.

#![allow(clippy::unwrap_used)] // tests

use wrs_backbones::Darknet53Config;
use wrs_detection::model::YoloV3;
use wrs_nn::{Buffer, Dims, InputGradient, NormConfig, Pass, Role};

fn plan(net: &YoloV3, params: &wrs_nn::Params, size: usize) -> (Vec<Dims>, u64) {
    let mut pass = Pass::plan(params);
    let dims = Dims { n: 1, h: size, w: size, c: 3 };
    let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x).unwrap();
    (outputs.iter().map(wrs_nn::Value::dims).collect(), pass.flops())
}

#[test]
fn parameters_are_those_of_yolov3() {
    let (_, params) = YoloV3::reference();
    assert_eq!(params.trainable().len(), 61_949_149);
    assert_eq!(params.statistics().len(), 52_608);
    let of = |role| params.iter().filter(|(_, p)| p.role == role).count();
    assert_eq!(of(Role::ConvWeight), 75);
    assert_eq!(of(Role::NormScale), 72);
    assert_eq!(of(Role::NormShift) + of(Role::Bias), 75);
    assert_eq!(params.filters().len(), 72);
    let rescaled: usize = params.filters().iter().map(|f| params.values(f.weight).len()).sum();
    assert_eq!(rescaled, 61_438_816);
    let heads: usize =
        params.iter().filter(|(_, p)| p.name.contains("predict")).map(|(id, _)| params.values(id).len()).sum();
    assert_eq!(heads, 456_960 + 765);
    let config = Darknet53Config { width: 1.0, norm: NormConfig { eps: 1e-5, momentum: 0.1 } };
    assert_eq!(YoloV3::new(&config, 20, 3, 0).1.trainable().len(), 61_626_049);
}

#[test]
fn shapes_and_flops_are_those_of_yolov3() {
    let (net, params) = YoloV3::reference();
    // Published: 65.86, 140.69 and 38.97 billion.
    for (size, billions) in [(320, 38.97), (416, 65.86), (512, 99.77), (608, 140.69), (640, 155.89)] {
        let (outputs, flops) = plan(&net, &params, size);
        assert!((flops as f64 / 1e9 - billions).abs() < 0.005, "{size}: {flops}");
        for (out, stride) in outputs.iter().zip([32, 16, 8]) {
            assert_eq!(*out, Dims { n: 1, h: size / stride, w: size / stride, c: 255 });
        }
    }
}

#[test]
fn names_are_the_canonical_ones() {
    let (_, params) = YoloV3::reference();
    for (name, shape) in [
        ("backbone.stem.conv.weight", vec![32, 3, 3, 3]),
        ("backbone.stages.0.down.bn.running_var", vec![64]),
        ("backbone.stages.4.blocks.3.expand.conv.weight", vec![1024, 3, 3, 512]),
        ("necks.1.convs.0.conv.weight", vec![256, 1, 1, 768]),
        ("routes.1.bn.bias", vec![128]),
        ("heads.2.expand.conv.weight", vec![256, 3, 3, 128]),
        ("heads.0.predict.weight", vec![255, 1, 1, 1024]),
        ("heads.2.predict.bias", vec![255]),
    ] {
        let id = params.find(name).unwrap_or_else(|| panic!("no tensor is called {name}"));
        assert_eq!(params.get(id).shape, shape, "{name}");
    }
}

#[test]
fn head_biases_carry_the_priors() {
    let (_, params) = YoloV3::reference();
    let bias = params.values(params.find("heads.0.predict.bias").unwrap());
    let bound = 1.0 / 1024.0f32.sqrt();
    for anchor in bias.chunks(85) {
        assert!(anchor[..4].iter().all(|b| b.abs() <= bound));
        assert!((anchor[4] + 4.5).abs() <= bound, "{}", anchor[4]);
        assert!(anchor[5..].iter().all(|b| (b + 4.880).abs() <= bound + 1e-3));
    }
}

#[test]
fn sizes_the_network_cannot_take_are_refused_by_name() {
    let config = Darknet53Config { width: 0.25, norm: NormConfig { eps: 1e-5, momentum: 0.1 } };
    let (net, params) = YoloV3::new(&config, 2, 3, 0);
    let mut pass = Pass::train(&params, wrs_ops::conv::Algorithms::Fast);
    let dims = Dims { n: 1, h: 32, w: 32, c: 3 };
    let x = pass.input(dims, Buffer::zeros(dims.len()), InputGradient::Skipped);
    let error = net.forward(&mut pass, &x).unwrap_err().to_string();
    assert!(error.contains("backbone.stages.4") && error.contains("single value"), "{error}");
    let mut pass = Pass::plan(&params);
    let x = pass.input(Dims { n: 1, h: 48, w: 64, c: 3 }, Buffer::default(), InputGradient::Skipped);
    assert!(net.forward(&mut pass, &x).is_err());
}

//! ResNets: tensors and their names, work, sizes of the maps, and what dilation, freezing and rescaling may not change.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use std::num::NonZeroU64;

use wrs_backbones::{Backbone, OutputStride, ResNet, ResNetConfig, ResNetDepth, Stage};
use wrs_golden::fill;
use wrs_nn::{
    Buffer, Calibration, Dims, Gradients, InputGradient, NormConfig, Parameter, Params, ParamsBuilder, Pass, Value,
};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_optim::{DecayScope, Groups, Momentum, Optimizer, Select, Sgd, Wrs, WrsConfig};

use OutputStride::{Eight, Sixteen, ThirtyTwo};
use ResNetDepth::{R18, R34, R50, R101, R152};

fn build(config: &ResNetConfig) -> (ResNet, Params) {
    let mut builder = ParamsBuilder::new();
    let net = ResNet::new(&mut builder.root(), config);
    (net, builder.build(5))
}

fn narrow(depth: ResNetDepth) -> ResNetConfig {
    ResNetConfig { width: 0.125, ..ResNetConfig::new(depth) }
}

fn dims(n: usize, h: usize, w: usize) -> Dims {
    Dims { n, h, w, c: 3 }
}

fn pixels(dims: Dims) -> Buffer {
    let mut rng = Rng::new(1, "pixels", 0, 0);
    (0..dims.len()).map(|_| rng.range(-1.0, 1.0) as f32).collect::<Vec<_>>().into()
}

fn run(net: &ResNet, mut pass: Pass<'_>, dims: Dims) -> Vec<Value> {
    let x = pass.input(dims, pixels(dims), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap()
}

/// The largest difference over the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    assert!(scale > 0.0);
    a.iter().zip(b).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / scale
}

fn assert_same_maps(a: &[Value], b: &[Value], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let difference = difference(a.buffer().host(), b.buffer().host());
        assert!(difference < tolerance, "{difference}");
    }
}

/// Multiply-adds of DeepLabv3's head over a last map of `c` channels and `pixels` pixels, with 21 classes: five branches of
/// 256 channels, one of them on a single pixel, their projection, a 3x3 and the classifier.
fn head_macs(c: u64, pixels: u64) -> u64 {
    let dense = c * 256 * (1 + 3 * 9) + 5 * 256 * 256 + 9 * 256 * 256 + 256 * 21;
    dense * pixels + c * 256
}

fn gigamacs(net: &ResNet, params: &Params, size: usize, output_stride: u64) -> f64 {
    let mut pass = Pass::plan(params);
    let x = pass.input(dims(1, size, size), Buffer::default(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap();
    let side = (size as u64).div_ceil(output_stride);
    let channels = net.stages()[3].channels as u64;
    (pass.flops() / 2 + head_macs(channels, side * side)) as f64 / 1e9
}

/// Parameters, tensors and convolutions of the backbone, and the multiply-adds of DeepLabv3 on it at 513 x 513 with output
/// strides 16 and 8, in thousand millions.
#[test]
fn parameters_convolutions_and_work_are_the_published_ones() {
    for (depth, parameters, tensors, convs, at_16, at_8) in [
        (R18, 11_176_512, 100, 20, 21.71, 69.00),
        (R34, 21_284_672, 180, 36, 35.71, 112.59),
        (R50, 23_508_032, 265, 53, 51.08, 168.65),
        (R101, 42_500_160, 520, 104, 71.70, 248.67),
        (R152, 58_143_808, 775, 155, 92.18, 314.57),
    ] {
        let config = ResNetConfig { output_stride: Sixteen, ..ResNetConfig::new(depth) };
        let (net, params) = build(&config);
        assert_eq!(params.trainable().len(), parameters, "{depth:?}");
        assert_eq!(params.iter().len(), tensors, "{depth:?}");
        // Every convolution feeds a norm.
        assert_eq!(params.filters().len(), convs, "{depth:?}");
        let work = gigamacs(&net, &params, 513, 16);
        assert!((work - at_16).abs() < 0.0051, "{depth:?}: {work}");
        let finer = ResNetConfig { output_stride: Eight, ..config };
        let work = gigamacs(&ResNet::new(&mut ParamsBuilder::new().root(), &finer), &params, 513, 8);
        assert!((work - at_8).abs() < 0.0051, "{depth:?}: {work}");
    }
}

/// torchvision's names with their shapes in PyTorch's order, in the order of its state dict.
fn torchvision(blocks: [usize; 4], bottleneck: bool) -> Vec<(String, Vec<usize>)> {
    let mut list = Vec::new();
    let mut pair = |conv: &str, norm: &str, [o, i, k]: [usize; 3]| {
        list.push((format!("{conv}.weight"), vec![o, i, k, k]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            list.push((format!("{norm}.{part}"), vec![o]));
        }
    };
    pair("conv1", "bn1", [64, 3, 7]);
    let mut c_in = 64;
    for (s, depth) in blocks.into_iter().enumerate() {
        let width = 64 << s;
        for b in 0..depth {
            let at = |part: &str| format!("layer{}.{b}.{part}", s + 1);
            let convs = if bottleneck {
                vec![[width, c_in, 1], [width, width, 3], [4 * width, width, 1]]
            } else {
                vec![[width, c_in, 3], [width, width, 3]]
            };
            let c_out = convs[convs.len() - 1][0];
            for (i, sizes) in convs.into_iter().enumerate() {
                pair(&at(&format!("conv{}", i + 1)), &at(&format!("bn{}", i + 1)), sizes);
            }
            if c_in != c_out {
                pair(&at("downsample.0"), &at("downsample.1"), [c_out, c_in, 1]);
            }
            c_in = c_out;
        }
    }
    list
}

#[test]
fn names_and_shapes_are_torchvisions() {
    for (depth, blocks, bottleneck) in [(R18, [2, 2, 2, 2], false), (R50, [3, 4, 6, 3], true)] {
        let (_, params) = build(&ResNetConfig::new(depth));
        let in_pytorchs_order = |p: &Parameter| match p.shape[..] {
            [o, h, w, i] => vec![o, i, h, w],
            _ => p.shape.clone(),
        };
        let ours: Vec<_> = params.iter().map(|(_, p)| (p.name.clone(), in_pytorchs_order(p))).collect();
        assert_eq!(ours, torchvision(blocks, bottleneck));
    }
}

#[test]
fn first_values_are_torchvisions() {
    let (_, params) = build(&ResNetConfig { width: 0.5, ..ResNetConfig::new(R50) });
    let values = |name: &str| params.values(params.find(name).unwrap());
    for (name, fan_out) in [("conv1", 32 * 49), ("layer2.1.conv2", 64 * 9), ("layer4.0.downsample.0", 1024)] {
        let weight = values(&format!("{name}.weight"));
        let variance = weight.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / weight.len() as f64;
        assert!((variance * f64::from(fan_out) / 2.0 - 1.0).abs() < 0.08, "{name}");
    }
    assert!(values("layer1.2.bn3.weight").iter().all(|v| *v == 1.0));
    assert!(values("layer1.2.bn3.bias").iter().all(|v| *v == 0.0));
}

#[test]
fn maps_of_any_input_are_its_size_over_the_stride_rounded_up() {
    for depth in [R18, R50] {
        for (output_stride, strides) in [(Eight, [4, 8, 8, 8]), (Sixteen, [4, 8, 16, 16]), (ThirtyTwo, [4, 8, 16, 32])]
        {
            let config = ResNetConfig { output_stride, multi_grid: Some([1, 2, 4]), ..narrow(depth) };
            let (net, params) = build(&config);
            let channels = [64, 128, 256, 512].map(|c| if depth == R18 { c / 8 } else { c / 2 });
            let expected = [0, 1, 2, 3].map(|i| Stage { stride: strides[i], channels: channels[i] });
            assert_eq!(net.stages(), expected);
            for n in [1, 2, 15, 16, 17, 33, 321, 375, 500, 512, 513] {
                let mut pass = Pass::plan(&params);
                let x = pass.input(dims(2, n, n + 7), Buffer::default(), InputGradient::Skipped);
                let maps = net.forward(&mut pass, &x).unwrap();
                let sizes: Vec<Dims> = maps.iter().map(Value::dims).collect();
                let stage = |Stage { stride: s, channels: c }: Stage| Dims {
                    n: 2,
                    h: n.div_ceil(s),
                    w: (n + 7).div_ceil(s),
                    c,
                };
                assert_eq!(sizes, expected.map(stage), "{n}");
            }
        }
    }
}

#[test]
fn the_smallest_pictures_are_computed() {
    for depth in [R18, R50] {
        let (net, params) = build(&ResNetConfig { output_stride: Eight, ..narrow(depth) });
        for (h, w) in [(1, 1), (2, 1), (17, 3)] {
            let maps = run(&net, Pass::eval(&params, Algorithms::Fast), dims(1, h, w));
            assert!(maps.iter().all(|map| map.buffer().host().iter().all(|v| v.is_finite())), "{h}x{w}");
        }
    }
}

/// At the narrowest width no stage changes channels, so that a projection stands on the plain network's stride alone.
#[test]
fn dilation_changes_no_tensor() {
    for depth in [R18, R50] {
        for width in [0.01, 0.125] {
            let list = |output_stride, multi_grid| {
                let config = ResNetConfig { output_stride, multi_grid, width, ..ResNetConfig::new(depth) };
                let (_, params) = build(&config);
                params.iter().map(|(_, p)| (p.name.clone(), p.shape.clone())).collect::<Vec<_>>()
            };
            let plain = list(ThirtyTwo, None);
            for output_stride in [Eight, Sixteen, ThirtyTwo] {
                assert_eq!(list(output_stride, None), plain);
                assert_eq!(list(output_stride, Some([1, 2, 4])), plain);
            }
        }
    }
}

/// Every `step`-th row and column of a map.
fn subsampled(map: &Value, step: usize) -> Vec<f32> {
    let Dims { n, h, w, c } = map.dims();
    let places = (0..n).flat_map(|n| (0..h).step_by(step).map(move |y| n * h + y));
    let pixels = places.flat_map(|row| (0..w).step_by(step).map(move |x| row * w + x));
    pixels.flat_map(|p| map.buffer().host()[p * c..][..c].to_vec()).collect()
}

#[test]
fn a_dilated_network_computes_the_strided_one_in_between() {
    for depth in [R18, R50] {
        for (h, w) in [(65, 49), (50, 71), (33, 32)] {
            let map = |output_stride, multi_grid| {
                let (net, mut params) = build(&ResNetConfig { output_stride, multi_grid, ..narrow(depth) });
                fill(&mut params);
                run(&net, Pass::eval(&params, Algorithms::Exact), dims(2, h, w)).remove(3)
            };
            let strided = map(ThirtyTwo, None);
            let far = |map: &Value, step| difference(&subsampled(map, step), strided.buffer().host());
            assert!(far(&map(Sixteen, None), 2) < 1e-5);
            assert!(far(&map(Eight, None), 4) < 1e-5);
            assert!(far(&map(Sixteen, Some([1, 2, 4])), 2) > 1e-3, "a grid is another function");
        }
    }
}

#[test]
fn evaluation_is_the_function_of_training_with_frozen_statistics() {
    for depth in [R18, R50] {
        let (net, mut params) = build(&ResNetConfig { output_stride: Sixteen, ..narrow(depth) });
        fill(&mut params);
        let evaluated = run(&net, Pass::eval(&params, Algorithms::Exact), dims(2, 33, 41));
        let names: Vec<String> = params.iter().map(|(_, p)| p.name.clone()).collect();
        for name in names.iter().filter(|name| name.ends_with(".running_mean")) {
            assert_eq!(params.freeze(name), 1);
        }
        let trained = run(&net, Pass::train(&params, Algorithms::Exact), dims(2, 33, 41));
        assert_same_maps(&evaluated, &trained, 1e-5);
    }
}

/// But for the norms' epsilon, which is too small here to be felt.
#[test]
fn rescaling_leaves_evaluation_unchanged() {
    for depth in [R18, R50] {
        let norm = NormConfig { eps: 1e-10, momentum: 0.1 };
        let (net, mut params) = build(&ResNetConfig { norm, ..narrow(depth) });
        fill(&mut params);
        let before = params.clone();
        let evaluated = run(&net, Pass::eval(&params, Algorithms::Exact), dims(1, 65, 49));
        let rescaled = Select::Filters.tensors(&params);
        let groups = Groups::by_role(&params, DecayScope::All, 0.0, &rescaled).unwrap();
        let config = WrsConfig {
            tau: NonZeroU64::MIN,
            select: Select::Filters,
            literal: false,
            rescale_at_start: true,
            angles: false,
            active: None,
        };
        let mut wrs = Wrs::new(Sgd::new(groups, Momentum::Classical), &params, config).unwrap();
        wrs.start(&mut params).unwrap();
        for filter in params.filters() {
            let rows = params.get(filter.weight).shape[0];
            let weight = params.values(filter.weight);
            let norms = weight.chunks(weight.len() / rows).map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt());
            assert!(norms.into_iter().all(|norm| (norm - 1.0).abs() < 1e-5));
            assert_ne!(weight, before.values(filter.weight));
        }
        assert_same_maps(&run(&net, Pass::eval(&params, Algorithms::Exact), dims(1, 65, 49)), &evaluated, 1e-4);
    }
}

#[test]
fn frozen_stages_get_no_gradient_and_keep_their_statistics() {
    let (net, mut params) = build(&narrow(R50));
    for prefix in ["conv1", "bn1", "layer1", "layer2.0"] {
        assert!(params.freeze(prefix) > 0);
    }
    let before = params.clone();
    let maps = dims(2, 64, 64);
    let mut pass = Pass::train(&params, Algorithms::Fast);
    let x = pass.input(maps, pixels(maps), InputGradient::Skipped);
    let last = net.forward(&mut pass, &x).unwrap().remove(3);
    let mut tape = pass.into_tape().unwrap();
    tape.update_statistics(&mut params).unwrap();
    let seed: Vec<f32> = last.buffer().host().to_vec();
    let mut gradients = Gradients::new(&params);
    tape.backward(&params, vec![(last, seed.into())], &mut gradients, None).unwrap();
    let flat = gradients.finish().host();
    for (id, p) in params.iter() {
        if p.role.is_trainable() {
            let none = flat[p.range.clone()].iter().all(|g| *g == 0.0);
            assert_eq!(none, params.is_frozen(id), "{}", p.name);
        } else {
            assert_eq!(params.values(id) == before.values(id), params.is_frozen(id), "{}", p.name);
        }
    }
}

#[test]
fn calibration_reaches_every_norm() {
    let (net, mut params) = build(&narrow(R18));
    let before = params.clone();
    let mut calibration = Calibration::new(&params);
    let mut pass = Pass::calibrate(&params, Algorithms::Fast);
    let input = dims(2, 64, 64);
    let x = pass.input(input, pixels(input), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap();
    calibration.add(pass).unwrap();
    calibration.finish(&mut params).unwrap();
    for filter in params.filters() {
        assert_ne!(params.values(filter.mean), before.values(filter.mean));
    }
}

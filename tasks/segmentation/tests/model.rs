//! DeepLabv3's tensors, work and sizes, and that it trains on what others cannot.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use candle_core::{Device, Tensor};
use candle_nn::ModuleT;
use wrs_backbones::{OutputStride, ResNetDepth};
use wrs_nn::{Buffer, Calibration, Dims, Gradients, InputGradient, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::resize::argmax;
use wrs_ops::rng::Rng;
use wrs_ops::softmax_cross_entropy::{CrossEntropy, softmax_cross_entropy};
use wrs_segmentation::model::DeepLabV3;
use wrs_segmentation::module::Inference;
use wrs_segmentation::net::{AuxiliaryConfig, Head, ModelConfig};

use OutputStride::{Eight, Sixteen, ThirtyTwo};
use ResNetDepth::{R18, R50};

const CLASSES: usize = 21;

fn config(depth: ResNetDepth, output_stride: OutputStride) -> ModelConfig {
    ModelConfig {
        depth,
        output_stride,
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

fn narrow(depth: ResNetDepth) -> ModelConfig {
    ModelConfig { width: 0.125, ..config(depth, Sixteen) }
}

fn dims(n: usize, h: usize, w: usize) -> Dims {
    Dims { n, h, w, c: 3 }
}

fn pixels(dims: Dims) -> Buffer {
    let mut rng = Rng::new(1, "pixels", 0, 0);
    (0..dims.len()).map(|_| rng.range(-1.0, 1.0) as f32).collect::<Vec<_>>().into()
}

fn labels(dims: Dims, classes: usize) -> Vec<u8> {
    (0..dims.pixels()).map(|i| if i % 11 == 5 { 255 } else { (i / 13 % classes) as u8 }).collect()
}

/// The head's tensors in torchvision's order, with their shapes in memory.
fn head(c_in: usize, auxiliary_in: Option<usize>) -> Vec<(String, Vec<usize>)> {
    let mut list = Vec::new();
    let mut pair = |conv: &str, norm: &str, shape: [usize; 4]| {
        list.push((format!("{conv}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            list.push((format!("{norm}.{part}"), vec![shape[0]]));
        }
    };
    for (i, kernel) in [1, 3, 3, 3].into_iter().enumerate() {
        let branch = format!("classifier.0.convs.{i}");
        pair(&format!("{branch}.0"), &format!("{branch}.1"), [256, kernel, kernel, c_in]);
    }
    pair("classifier.0.convs.4.1", "classifier.0.convs.4.2", [256, 1, 1, c_in]);
    pair("classifier.0.project.0", "classifier.0.project.1", [256, 1, 1, 1280]);
    pair("classifier.1", "classifier.2", [256, 3, 3, 256]);
    list.push(("classifier.4.weight".into(), vec![21, 1, 1, 256]));
    list.push(("classifier.4.bias".into(), vec![21]));
    if let Some(c) = auxiliary_in {
        list.push(("aux_classifier.0.weight".into(), vec![c / 4, 3, 3, c]));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            list.push((format!("aux_classifier.1.{part}"), vec![c / 4]));
        }
        list.push(("aux_classifier.4.weight".into(), vec![21, 1, 1, c / 4]));
        list.push(("aux_classifier.4.bias".into(), vec![21]));
    }
    list
}

/// The backbone's names are judged where the backbone is.
#[test]
fn names_and_shapes_are_torchvisions() {
    // Tensors of torchvision's state dict, one `num_batches_tracked` for each norm among them.
    for (depth, map, third, keys, keys_with_aux) in [(R18, 512, 256, 164, 172), (R50, 2048, 1024, 362, 370)] {
        for (config, third, keys) in
            [(config(depth, Sixteen), None, keys), (with_auxiliary(config(depth, Sixteen)), Some(third), keys_with_aux)]
        {
            let (_, params) = DeepLabV3::new(&config, CLASSES, 0);
            assert_eq!(params.iter().len() + params.filters().len(), keys, "{depth:?}");
            let list: Vec<_> = params.iter().map(|(_, p)| (p.name.clone(), p.shape.clone())).collect();
            let (backbone, rest): (Vec<_>, Vec<_>) =
                list.into_iter().partition(|(name, _)| name.starts_with("backbone."));
            assert_eq!(rest, head(map, third));
            assert_eq!(backbone[0].0, "backbone.conv1.weight");
            assert!(backbone.iter().any(|(name, _)| name == "backbone.layer4.1.bn2.running_var"));
        }
    }
    let paper = ModelConfig { head: Head::Paper, ..narrow(R50) };
    let (_, params) = DeepLabV3::new(&paper, CLASSES, 0);
    assert!(params.find("classifier.1.weight").is_none() && params.find("classifier.4.weight").is_some());
}

#[test]
fn first_values_are_normal_by_fan_in_and_biases_zero() {
    let (_, params) = DeepLabV3::new(&with_auxiliary(config(R18, Sixteen)), CLASSES, 3);
    let values = |name: &str| params.values(params.find(name).unwrap());
    for (name, fan_in) in [
        ("classifier.0.convs.0.0", 512),
        ("classifier.0.convs.2.0", 9 * 512),
        ("classifier.0.project.0", 1280),
        ("classifier.1", 9 * 256),
        ("classifier.4", 256),
        ("aux_classifier.0", 9 * 256),
    ] {
        let weight = values(&format!("{name}.weight"));
        let variance = weight.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / weight.len() as f64;
        assert!((variance * f64::from(fan_in) / 2.0 - 1.0).abs() < 0.08, "{name}");
    }
    assert!(values("classifier.4.bias").iter().chain(values("aux_classifier.4.bias")).all(|v| *v == 0.0));
}

#[test]
fn any_size_gives_logits_of_its_own_size() {
    for (output_stride, stride) in [(Eight, 8), (Sixteen, 16), (ThirtyTwo, 32)] {
        let (net, params) = DeepLabV3::new(&with_auxiliary(ModelConfig { output_stride, ..narrow(R50) }), 4, 0);
        for n in [1, 2, 15, 16, 17, 33, 321, 375, 500, 512, 513] {
            let mut pass = Pass::plan(&params);
            let x = pass.input(dims(2, n, n + 5), Buffer::default(), InputGradient::Skipped);
            let outputs = net.forward(&mut pass, &x).unwrap();
            let full = Dims { n: 2, h: n, w: n + 5, c: 4 };
            assert_eq!((outputs.logits.dims(), outputs.auxiliary.unwrap().dims()), (full, full));
            let low = net.forward_low(&mut pass, &x).unwrap();
            assert_eq!(low.dims(), Dims { n: 2, h: n.div_ceil(stride), w: (n + 5).div_ceil(stride), c: 4 });
        }
    }
}

#[test]
fn odd_pictures_are_computed_and_labelled_alike_in_both_ways() {
    for align_corners in [false, true] {
        let (net, params) = DeepLabV3::new(&ModelConfig { align_corners, ..narrow(R18) }, CLASSES, 0);
        for (h, w) in [(1, 1), (7, 500), (81, 113)] {
            let mut pass = Pass::eval(&params, Algorithms::Fast);
            let x = pass.input(dims(1, h, w), pixels(dims(1, h, w)), InputGradient::Skipped);
            let logits = net.forward(&mut pass, &x).unwrap().logits;
            assert!(logits.buffer().host().iter().all(|v| v.is_finite()), "{h}x{w}");
            let mut expected = vec![0; h * w];
            argmax(CLASSES, logits.buffer().host(), &mut expected).unwrap();
            let low = net.forward_low(&mut pass, &x).unwrap();
            assert_eq!(net.labels(&low, [h, w]).unwrap(), expected, "{h}x{w}");
            let tensor = Tensor::from_vec(pixels(dims(1, h, w)).host().to_vec(), (1, h, w, 3), &Device::Cpu).unwrap();
            let module = Inference { net: &net, params: &params };
            let got = module.forward_t(&tensor, false).unwrap();
            assert_eq!(got.dims(), [1, h, w, CLASSES]);
            assert_eq!(got.flatten_all().unwrap().to_vec1::<f32>().unwrap(), logits.buffer().host());
            assert!(module.forward_t(&tensor, true).is_err());
        }
    }
}

/// The loss of one training step with both classifiers, its gradient, and the running statistics behind it.
fn step(net: &DeepLabV3, params: &mut Params, input: Dims, step: u64) -> (f64, Vec<f32>) {
    let mut pass = Pass::train(params, Algorithms::Fast).with_draws(7, step);
    let x = pass.input(input, pixels(input), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x).unwrap();
    let mut tape = pass.into_tape().unwrap();
    let labels = labels(input, net.classes());
    let mut total = 0.0;
    let mut seeds: Vec<(Value, Buffer)> = Vec::new();
    for (logits, weight) in [(Some(outputs.logits), 1.0), (outputs.auxiliary, 0.5)] {
        let Some(logits) = logits else { continue };
        let mut gradient = Buffer::scratch(logits.dims().len());
        let args =
            CrossEntropy { logits: logits.buffer().host(), labels: &labels, images: input.n, classes: net.classes() };
        let loss = softmax_cross_entropy(&args, weight, gradient.host_mut()).unwrap();
        total += f64::from(weight) * loss.mean();
        seeds.push((logits, gradient));
    }
    tape.update_statistics(params).unwrap();
    let mut gradients = Gradients::new(params);
    tape.backward(params, seeds, &mut gradients, None).unwrap();
    (total, gradients.finish().host().to_vec())
}

#[test]
fn a_batch_of_one_trains_and_leaves_the_statistics_of_the_pooled_map() {
    let (net, mut params) = DeepLabV3::new(&with_auxiliary(narrow(R18)), 5, 0);
    let before = params.clone();
    let (loss, gradient) = step(&net, &mut params, dims(1, 49, 65), 0);
    assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
    for (id, p) in params.iter() {
        if p.role.is_trainable() {
            assert!(gradient[p.range.clone()].iter().any(|g| *g != 0.0), "{} has no gradient", p.name);
        } else {
            let pooled = p.name.starts_with("classifier.0.convs.4.");
            assert_eq!(params.values(id) == before.values(id), pooled, "{}", p.name);
        }
    }
    let (_, _) = step(&net, &mut params, dims(2, 49, 65), 1);
    let id = params.find("classifier.0.convs.4.2.running_mean").unwrap();
    assert_ne!(params.values(id), before.values(id));
}

#[test]
fn a_few_steps_down_the_gradient_lower_the_loss() {
    let plain = ModelConfig { dropout: 0.0, ..narrow(R18) };
    let (net, mut params) = DeepLabV3::new(&plain, 5, 0);
    let losses: Vec<f64> = (0..8)
        .map(|i| {
            let (loss, gradient) = step(&net, &mut params, dims(2, 49, 65), i);
            params.trainable_mut().host_mut().iter_mut().zip(gradient).for_each(|(v, g)| *v -= 0.1 * g);
            loss
        })
        .collect();
    assert!(losses[7] < 0.9 * losses[0], "{losses:?}");
}

#[test]
fn calibration_copes_with_pictures_one_at_a_time() {
    let (net, mut params) = DeepLabV3::new(&with_auxiliary(narrow(R18)), 5, 0);
    let before = params.clone();
    let mut calibration = Calibration::new(&params);
    for size in [33, 49] {
        let mut pass = Pass::calibrate(&params, Algorithms::Fast);
        let x = pass.input(dims(1, size, size), pixels(dims(1, size, size)), InputGradient::Skipped);
        net.forward(&mut pass, &x).unwrap();
        calibration.add(pass).unwrap();
    }
    calibration.finish(&mut params).unwrap();
    for filter in params.filters() {
        let pooled = params.get(filter.mean).name.starts_with("classifier.0.convs.4.");
        assert_eq!(params.values(filter.mean) == before.values(filter.mean), pooled);
    }
}

/// Where the whole picture is a single cell, more norms than the pooled map's would see a single value.
#[test]
fn other_norms_over_a_single_value_are_refused_by_name() {
    let (net, params) = DeepLabV3::new(&narrow(R18), 5, 0);
    let mut pass = Pass::train(&params, Algorithms::Fast).with_draws(0, 0);
    let x = pass.input(dims(1, 16, 16), pixels(dims(1, 16, 16)), InputGradient::Skipped);
    let error = net.forward(&mut pass, &x).unwrap_err().to_string();
    assert!(error.contains("backbone.layer3.0.conv1") && error.contains("single value"), "{error}");
}

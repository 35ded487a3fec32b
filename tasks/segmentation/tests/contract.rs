//! What WRS, losses and views promise on a small DeepLabv3.

#![allow(clippy::unwrap_used)] // tests

use std::num::NonZeroU64;

use wrs_backbones::{OutputStride, ResNetDepth};
use wrs_datasets::scenes::{ScenesOptions, write_segmentation_scenes};
use wrs_datasets::segmentation::SegmentationOptions;
use wrs_datasets::{ImageRgb8, ImageSize, SegmentationDataset, Split};
use wrs_nn::{Dims, Gradients, InputGradient, Params, Pass, Role};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_optim::{AdamConfig, OptimizerConfig, Regularizer, WrsConfig};
use wrs_segmentation::evaluate::{Segmenter, evaluate};
use wrs_segmentation::loss::{Loss, loss};
use wrs_segmentation::model::DeepLabV3;
use wrs_segmentation::net::{AuxiliaryConfig, Head, ModelConfig};
use wrs_segmentation::recipe::{EvaluationSettings, InputSettings};

const CLASSES: usize = 5;
const SIDE: usize = 33;
const BATCH: usize = 3;

fn config(auxiliary: Option<AuxiliaryConfig>) -> ModelConfig {
    ModelConfig {
        depth: ResNetDepth::R18,
        output_stride: OutputStride::Sixteen,
        multi_grid: None,
        rates: None,
        width: 0.125,
        head: Head::Torchvision,
        dropout: 0.0,
        auxiliary,
        align_corners: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

fn picture(index: u64, size: ImageSize) -> ImageRgb8 {
    let mut rng = Rng::new(7, "picture", 0, index);
    ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
}

const INPUT: InputSettings = InputSettings { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

fn batch() -> (Vec<f32>, Vec<u8>) {
    let pictures: Vec<_> = (0..BATCH as u64).map(|i| picture(i, ImageSize::square(SIDE))).collect();
    let mut rng = Rng::new(7, "labels", 0, 0);
    let label = |_| if rng.chance(0.1) { 255 } else { rng.below(CLASSES) as u8 };
    (INPUT.pixels(&pictures), (0..BATCH * SIDE * SIDE).map(label).collect())
}

fn computed(net: &DeepLabV3, params: &mut Params, labels: &[u8], gradients: Option<&mut Gradients>) -> Loss {
    let mut pass = Pass::train(params, Algorithms::Fast);
    let dims = Dims { n: BATCH, h: SIDE, w: SIDE, c: 3 };
    let x = pass.input(dims, batch().0.into(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x).unwrap();
    drop(x);
    let auxiliary = outputs.auxiliary.is_some().then_some(AuxiliaryConfig { dropout: 0.0, loss_weight: 0.4 });
    let mut value = loss(outputs, labels, auxiliary).unwrap();
    let mut tape = pass.into_tape().unwrap();
    if let Some(gradients) = gradients {
        gradients.reset();
        tape.update_statistics(params).unwrap();
        tape.backward(params, std::mem::take(&mut value.seeds), gradients, None).unwrap();
    }
    value
}

fn wrs(tau: u64) -> Regularizer {
    let rescale = WrsConfig {
        tau: NonZeroU64::new(tau).unwrap(),
        select: wrs_optim::Select::Filters,
        literal: false,
        rescale_at_start: false,
        angles: false,
        active: None,
    };
    Regularizer::Wrs { rescale, weight_decay: 2e-4, decay_scope: wrs_optim::DecayScope::ConvAndGamma }
}

fn row_norms(params: &Params, name: &str) -> Vec<f64> {
    let id = params.find(name).unwrap();
    let rows = params.get(id).shape[0];
    let values = params.values(id);
    values
        .chunks_exact(values.len() / rows)
        .map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt())
        .collect()
}

#[test]
fn every_filter_before_a_norm_is_rescaled_and_the_function_stays() {
    let (net, mut params) = DeepLabV3::new(&config(None), CLASSES, 3);
    let optimizer = OptimizerConfig::Adamw(AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    let mut optimizer = wrs(4).build_optimizer(&optimizer, &params).unwrap();
    let mut gradients = Gradients::new(&params);
    let (_, labels) = batch();
    let constant = wrs_optim::Schedule { curve: wrs_optim::schedule::Curve::Constant, warm_up: None };
    let length = wrs_optim::RunLength { steps: 9, steps_per_epoch: NonZeroU64::MIN };
    for step in 1..=4u64 {
        computed(&net, &mut params, &labels, Some(&mut gradients));
        let settings = optimizer.groups().settings(1e-3, 0.0, &constant.at(0, length), 0);
        let report = optimizer.step(&mut params, &mut gradients, &settings).unwrap();
        assert_eq!(report.rescale.is_some(), step == 4, "every fourth step");
        if step == 3 {
            assert!(row_norms(&params, "backbone.conv1.weight").iter().any(|norm| (norm - 1.0).abs() > 1e-3));
        }
    }
    let filters = params.filters().len();
    let convs = params.iter().filter(|(_, p)| p.role == Role::ConvWeight).count();
    assert_eq!((convs, filters), (28, 27), "all but the classifier");
    for filter in params.filters().to_vec() {
        let name = params.get(filter.weight).name.clone();
        assert!(row_norms(&params, &name).iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{name}");
    }
    assert!(row_norms(&params, "classifier.4.weight").iter().any(|norm| (norm - 1.0).abs() > 1e-3));
}

/// What an evaluation sees of a picture, before and behind a rescale (the rescale at the start is one by itself).
#[test]
fn a_rescale_leaves_evaluation_and_the_next_loss_as_they_are() {
    let (net, mut params) = DeepLabV3::new(&config(None), CLASSES, 3);
    let (_, labels) = batch();
    let mut gradients = Gradients::new(&params);
    computed(&net, &mut params, &labels, Some(&mut gradients));
    let logits = |params: &Params| {
        let mut pass = Pass::eval(params, Algorithms::Exact);
        let dims = Dims { n: BATCH, h: SIDE, w: SIDE, c: 3 };
        let x = pass.input(dims, batch().0.into(), InputGradient::Skipped);
        net.forward_low(&mut pass, &x).unwrap().buffer().host().to_vec()
    };
    let (before, loss_before) = (logits(&params), computed(&net, &mut params.clone(), &labels, None).total);
    let Regularizer::Wrs { rescale, weight_decay, decay_scope } = wrs(4) else { unreachable!() };
    let rescale = WrsConfig { rescale_at_start: true, ..rescale };
    let sgd = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false };
    let arm = Regularizer::Wrs { rescale, weight_decay, decay_scope };
    let report = arm.build_optimizer(&sgd, &params).unwrap().start(&mut params).unwrap();
    assert!(report.rescale.is_some());
    let largest = before.iter().zip(logits(&params)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-3, "logits moved by {largest}");
    let loss_behind = computed(&net, &mut params, &labels, None).total;
    assert!((loss_before - loss_behind).abs() < 1e-4 * loss_before.abs(), "{loss_before} {loss_behind}");
}

#[test]
fn a_batch_without_a_class_has_no_loss_and_no_gradient_but_statistics() {
    let (net, mut params) = DeepLabV3::new(&config(None), CLASSES, 3);
    let mut gradients = Gradients::new(&params);
    let before = params.clone();
    let value = computed(&net, &mut params, &[255; BATCH * SIDE * SIDE], Some(&mut gradients));
    assert_eq!((value.total, value.pixels), (0.0, 0));
    assert!(gradients.finish().host().iter().all(|gradient| *gradient == 0.0));
    let mean = params.find("backbone.bn1.running_mean").unwrap();
    assert_ne!(params.values(mean), before.values(mean));
}

#[test]
fn the_auxiliary_head_adds_its_share() {
    let (net, mut params) =
        DeepLabV3::new(&config(Some(AuxiliaryConfig { dropout: 0.0, loss_weight: 0.4 })), CLASSES, 3);
    let mut gradients = Gradients::new(&params);
    let (_, labels) = batch();
    let value = computed(&net, &mut params, &labels, Some(&mut gradients));
    assert!((value.total - value.main - 0.4 * value.auxiliary.unwrap()).abs() < 1e-9);
    let bias = params.get(params.find("aux_classifier.4.bias").unwrap()).range.clone();
    let gradient = &gradients.finish().host()[bias];
    // The gradients of a classifier's biases add up to nothing, as those of its probabilities do.
    let sum: f32 = gradient.iter().sum();
    assert!(gradient.iter().any(|g| g.abs() > 1e-4) && sum.abs() < 1e-5, "{gradient:?}");
}

#[test]
fn one_view_by_the_way_of_several_gives_the_same_classes() {
    let (net, params) = DeepLabV3::new(&config(None), CLASSES, 5);
    let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Fast };
    let plain = EvaluationSettings::plain();
    // Twice the same view: not plain, and the same mean.
    let twice = EvaluationSettings { scales: vec![1.0, 1.0], flip: false, max_pixels: None };
    assert!(plain.is_plain() && !twice.is_plain());
    for (index, (width, height)) in [(1, 1), (7, 50), (40, 33), (64, 17)].into_iter().enumerate() {
        let image = picture(index as u64, ImageSize { width, height });
        let one = segmenter.segment(&image, &plain).unwrap().labels;
        assert_eq!(one.labels.len(), width * height);
        assert_eq!(one, segmenter.segment(&image, &twice).unwrap().labels, "{width}x{height}");
        let mirrored = EvaluationSettings { scales: vec![0.5, 1.5], flip: true, max_pixels: None };
        assert_eq!(segmenter.segment(&image, &mirrored).unwrap().labels.labels.len(), width * height);
    }
}

#[test]
fn mirrored_views_are_symmetric() {
    let (net, params) = DeepLabV3::new(&config(None), CLASSES, 5);
    let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Exact };
    let image = picture(9, ImageSize { width: 32, height: 24 });
    let both = EvaluationSettings { scales: vec![1.0], flip: true, max_pixels: None };
    let one = segmenter.segment(&image, &both).unwrap().labels;
    let mut mirrored = image.clone();
    wrs_datasets::augment::mirror_pixels(&mut mirrored);
    let other = segmenter.segment(&mirrored, &both).unwrap().labels;
    for y in 0..24 {
        for x in 0..32 {
            assert_eq!(one.labels[y * 32 + x], other.labels[y * 32 + 31 - x], "{x} {y}");
        }
    }
}

/// Four made-up pictures are learned by heart: data, network, loss, optimizer and rescaling fit together.
#[test]
fn four_pictures_are_learned_by_heart() {
    const STEPS: u64 = 260;
    let folder = tempfile::tempdir().unwrap();
    let scenes = ScenesOptions { train: 4, val: 1, size: 64, classes: CLASSES - 1, seed: 1 };
    write_segmentation_scenes(&folder.path().join("scenes"), &scenes).unwrap();
    let options = SegmentationOptions::default();
    let data = SegmentationDataset::open(&folder.path().join("scenes"), &options, &Split::Train).unwrap();
    let read: Vec<_> = data.images.iter().map(|image| image.read().unwrap()).collect();
    let pixels = INPUT.pixels(read.iter().map(|labelled| &labelled.image));
    let labels: Vec<u8> = read.iter().flat_map(|labelled| labelled.labels.labels.iter().copied()).collect();
    let dims = Dims { n: read.len(), h: 64, w: 64, c: 3 };

    let small = ModelConfig { width: 0.25, output_stride: OutputStride::Eight, ..config(None) };
    let (net, mut params) = DeepLabV3::new(&small, data.class_names.len(), 0);
    let adam = OptimizerConfig::Adamw(AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    let mut optimizer = wrs(10).build_optimizer(&adam, &params).unwrap();
    let mut gradients = Gradients::new(&params);
    let curve = wrs_optim::schedule::Curve::Polynomial {
        power: 0.9,
        floor: 0.01,
        every: wrs_optim::schedule::Every::Step,
        horizon: None,
    };
    let schedule = wrs_optim::Schedule { curve, warm_up: None };
    let length = wrs_optim::RunLength { steps: STEPS, steps_per_epoch: NonZeroU64::MIN };
    for step in 0..STEPS {
        let mut pass = Pass::train(&params, Algorithms::Fast);
        let x = pass.input(dims, pixels.clone().into(), InputGradient::Skipped);
        let outputs = net.forward(&mut pass, &x).unwrap();
        drop(x);
        let value = loss(outputs, &labels, None).unwrap();
        let mut tape = pass.into_tape().unwrap();
        gradients.reset();
        tape.update_statistics(&mut params).unwrap();
        tape.backward(&params, value.seeds, &mut gradients, None).unwrap();
        let settings = optimizer.groups().settings(3e-3, 0.0, &schedule.at(step, length), 0);
        optimizer.step(&mut params, &mut gradients, &settings).unwrap();
    }
    let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Fast };
    let plain = EvaluationSettings::plain();
    let result = evaluate(segmenter, &data, &plain, 1, &mut |_, _| Ok(())).unwrap();
    assert!(result.metrics.miou.unwrap() > 0.95, "{:?}", result.metrics.miou);
    assert_eq!((result.by_image.len(), result.not_finite), (4, 0));
}

//! Networks of `.cfg` files: the published numbers, the same function as our YOLOv3, training.

#![allow(clippy::unwrap_used)] // tests

use wrs_backbones::Darknet53Config;
use wrs_detection::anchors::{Anchors, COCO_ANCHORS, LevelPlan, yolov3_levels};
use wrs_detection::darknet::{BUILTIN_NAMES, DarknetNet, DarknetOptions, builtin, published_masks_note, yolov3_order};
use wrs_detection::model::YoloV3;
use wrs_nn::{Buffer, Dims, Gradients, InputGradient, NnError, NormConfig, ParamId, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_weights::Strictness;
use wrs_weights::darknet::{Cfg, Header, LayerKind, Walk, file_floats, first_layers, read, write};

fn cfg(name: &str) -> Cfg {
    let cfg = Cfg::parse(name, builtin(name).unwrap()).unwrap();
    assert_eq!(cfg.notes, [], "{name}");
    cfg
}

fn walk(cfg: &Cfg, size: usize) -> Walk {
    cfg.walk([size, size]).unwrap()
}

/// Convolutions, and how many of them have a norm.
fn convolutions(cfg: &Cfg) -> [usize; 2] {
    let norm = |layer: &wrs_weights::darknet::Layer| match &layer.kind {
        LayerKind::Convolutional(conv) => Some(conv.batch_normalize),
        _ => None,
    };
    let all: Vec<bool> = cfg.layers.iter().filter_map(norm).collect();
    [all.len(), all.iter().filter(|norm| **norm).count()]
}

/// The first layers of a network, and what else the text says.
fn part(name: &str, layers: usize, behind: &str) -> Cfg {
    let cfg = cfg(name);
    let end = cfg.layers.get(layers).map_or(usize::MAX, |layer| layer.line - 1);
    let text: Vec<&str> = builtin(name).unwrap().lines().take(end).collect();
    Cfg::parse(name, &format!("{}\n{behind}", text.join("\n"))).unwrap()
}

#[test]
fn parameters_and_file_sizes_are_the_published_ones() {
    let classifier = "[avgpool]\n[convolutional]\nfilters=1000\nsize=1\nstride=1\nactivation=linear\n[softmax]\n";
    let darknet53 = part("yolov3", 75, classifier);
    let voc = cfg("yolov3").with_classes(20).unwrap();
    for (cfg, layers, convs, params, statistics, bytes) in [
        (cfg("yolov3"), 107, [75, 72], 61_949_149, 52_608, 248_007_048),
        (cfg("yolov3-spp"), 114, [76, 73], 62_998_749, 53_632, 252_209_544),
        (cfg("yolov3-tiny"), 24, [13, 11], 8_852_366, 6_368, 35_434_956),
        (cfg("yolov3-tiny-published"), 24, [13, 11], 8_852_366, 6_368, 35_434_956),
        (voc, 107, [75, 72], 61_626_049, 52_608, 246_714_648),
        (darknet53, 78, [53, 52], 41_609_928, 35_712, 166_582_580),
        (part("yolov3", 74, ""), 74, [52, 52], 40_584_928, 35_712, 162_482_580),
        (part("yolov3-tiny", 15, ""), 15, [9, 9], 7_737_744, 5_600, 30_973_396),
    ] {
        let walk = walk(&cfg, 416);
        assert_eq!((cfg.layers.len(), convolutions(&cfg)), (layers, convs), "{}", cfg.file);
        assert_eq!((walk.params(), walk.file_floats()), (params, params + statistics), "{}", cfg.file);
        assert_eq!(20 + 4 * walk.file_floats(), bytes, "{}", cfg.file);
    }
}

#[test]
fn flops_are_the_published_ones() {
    let darknet53 = part("yolov3", 75, "");
    for (cfg, size, billions) in [
        (cfg("yolov3"), 320, 38.97),
        (cfg("yolov3"), 416, 65.86),
        (cfg("yolov3"), 608, 140.69),
        (cfg("yolov3-spp"), 416, 66.22),
        (cfg("yolov3-spp"), 608, 141.45),
        (cfg("yolov3-tiny"), 320, 3.29),
        (cfg("yolov3-tiny"), 416, 5.565),
        (cfg("yolov3-tiny"), 608, 11.89),
        (darknet53.clone(), 224, 14.22),
        (darknet53, 256, 18.57),
    ] {
        let flops = walk(&cfg, size).flops() as f64 / 1e9;
        assert!((flops - billions).abs() < 0.005, "{} {size}: {flops}", cfg.file);
    }
}

#[test]
fn networks_have_the_sizes_their_cfg_says() {
    for name in BUILTIN_NAMES {
        let cfg = cfg(name);
        let options = DarknetOptions { width: 0.125, ..DarknetOptions::default() };
        let (net, params) = DarknetNet::new(&cfg, &options, 1).unwrap();
        let walk = walk(&cfg.with_width(0.125).unwrap(), 64);
        assert_eq!(params.trainable().len() as u64, walk.params(), "{name}");
        assert_eq!(file_floats(&params, net.darknet_order()), walk.file_floats(), "{name}");
        let mut pass = Pass::plan(&params);
        let dims = Dims { n: 1, h: 64, w: 64, c: 3 };
        let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
        let maps = net.forward(&mut pass, &x).unwrap();
        assert_eq!(pass.flops(), walk.flops(), "{name}");
        let levels = net.levels();
        assert_eq!(maps.len(), levels.len());
        for (map, level) in maps.iter().zip(levels) {
            let side = 64 / level.stride;
            assert_eq!(map.dims(), Dims { n: 1, h: side, w: side, c: 3 * 85 }, "{name}");
        }
        assert!(Anchors::deal(net.sizes(), levels).is_ok(), "{name}");
        assert_eq!((net.classes(), net.channels(), net.max_stride()), (80, 3, 32));
    }
    let (net, _) = narrow("yolov3");
    assert_eq!((net.levels(), net.sizes()), (&yolov3_levels()[..], &COCO_ANCHORS[..]));
    let plan = |stride, mask: [usize; 3]| LevelPlan { stride, mask: mask.to_vec(), scale_xy: 1.0 };
    assert_eq!(narrow("yolov3-tiny").0.levels(), [plan(32, [3, 4, 5]), plan(16, [0, 1, 2])]);
    assert_eq!(narrow("yolov3-tiny-published").0.levels(), [plan(32, [3, 4, 5]), plan(16, [1, 2, 3])]);
}

fn narrow(name: &str) -> (DarknetNet, Params) {
    let options = DarknetOptions { width: 0.25, classes: Some(4), ..DarknetOptions::default() };
    DarknetNet::new(&cfg(name), &options, 1).unwrap()
}

fn draw(count: usize, purpose: &str) -> Vec<f32> {
    let mut rng = Rng::new(3, purpose, 0, 0);
    (0..count).map(|_| rng.uniform() as f32).collect()
}

fn bits(maps: Vec<Value>) -> Vec<Vec<u32>> {
    maps.into_iter().map(|map| map.buffer().host().iter().map(|v| v.to_bits()).collect()).collect()
}

fn evaluate(
    params: &Params,
    dims: Dims,
    forward: impl Fn(&mut Pass<'_>, &Value) -> Result<Vec<Value>, NnError>,
) -> Vec<Vec<u32>> {
    let mut pass = Pass::eval(params, Algorithms::Fast);
    let x = pass.input(dims, draw(dims.len(), "picture").into(), InputGradient::Skipped);
    bits(forward(&mut pass, &x).unwrap())
}

#[test]
fn our_yolov3_goes_through_darknets_file_and_stays_the_same_function() {
    let config = Darknet53Config { width: 0.25, norm: NormConfig::default() };
    let (ours, mut from) = YoloV3::new(&config, 4, 3, 7);
    let running: Vec<f32> = draw(from.statistics().len(), "statistics").iter().map(|v| 0.5 + v).collect();
    from.statistics_mut().host_mut().copy_from_slice(&running);
    let order = yolov3_order(&from);
    let layers: Vec<usize> = order.iter().map(|conv| conv.layer).collect();
    let (net, mut params) = narrow("yolov3");
    let darknets: Vec<usize> = net.darknet_order().iter().map(|conv| conv.layer).collect();
    assert_eq!((layers.len(), layers), (75, darknets));
    assert_eq!(first_layers(&order, 74).len(), 52, "the backbone is darknet53.conv.74");

    let mut bytes = Vec::new();
    write(&from, &order, Header::new(12), &mut bytes).unwrap();
    let all = bytes.len() as u64;
    let report = read(&mut params, net.darknet_order(), &bytes[..], all, "net", Strictness::Exact).unwrap();
    assert_eq!((report.loaded, report.header.seen), (75, 12));
    // Rectangular: rows and columns are not mistaken for each other.
    let dims = Dims { n: 2, h: 64, w: 96, c: 3 };
    let expected = evaluate(&from, dims, |pass, x| ours.forward(pass, x));
    assert_eq!(evaluate(&params, dims, |pass, x| net.forward(pass, x)), expected);

    let mut again = Vec::new();
    write(&params, net.darknet_order(), report.header, &mut again).unwrap();
    assert_eq!(again, bytes, "ours to Darknet's to ours, byte for byte");
}

#[test]
fn anew_the_heads_carry_yolov3s_priors() {
    let (net, params) = narrow("yolov3-tiny");
    for head in net.darknet_order().iter().filter(|conv| conv.head_anchors.is_some()) {
        for anchor in params.values(head.bias_or_beta).chunks(9) {
            assert!((anchor[4] + 4.5).abs() < 0.2 && anchor[0].abs() < 0.2, "{anchor:?}");
            assert!(anchor[5..].iter().all(|b| (b - (0.6f32 / 3.01).ln()).abs() < 0.2), "{anchor:?}");
        }
    }
}

#[test]
fn a_file_of_other_classes_says_so() {
    let (net, params) = narrow("yolov3-tiny");
    let mut bytes = Vec::new();
    write(&params, net.darknet_order(), Header::new(0), &mut bytes).unwrap();
    let options = DarknetOptions { width: 0.25, classes: Some(2), ..DarknetOptions::default() };
    let (other, mut params) = DarknetNet::new(&cfg("yolov3-tiny"), &options, 1).unwrap();
    let mut load = |strictness| {
        read(&mut params, other.darknet_order(), &bytes[..], bytes.len() as u64, "tiny.weights", strictness)
    };
    let error = load(Strictness::Exact).unwrap_err().to_string();
    assert!(
        error.starts_with("tiny.weights: expected 2 classes, got the weights of 4\nhelp: filters before"),
        "{error}"
    );
    let report = load(Strictness::Partial).unwrap();
    let heads: Vec<_> = report.mismatched.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(heads, ["layers.15.bias", "layers.15.weight", "layers.22.bias", "layers.22.weight"]);
}

#[test]
fn the_published_tiny_weights_warn_of_the_later_masks() {
    let note = published_masks_note(&cfg("yolov3-tiny"), 35_434_956).unwrap();
    assert!(note.contains("yolov3-tiny:149: ") && note.contains("mask=1,2,3, not 0,1,2\nhelp: "), "{note}");
    assert_eq!(published_masks_note(&cfg("yolov3-tiny-published"), 35_434_956), None);
    assert_eq!(published_masks_note(&cfg("yolov3-tiny"), 35_434_952), None);
    assert_eq!(published_masks_note(&cfg("yolov3"), 35_434_956), None);
}

#[test]
fn layers_that_no_detector_has_are_refused_with_their_line() {
    let net = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=6\n";
    let yolo = "[yolo]\nclasses=1\nnum=1\nanchors=10,13\n";
    for (text, expected) in [
        (net.to_owned(), "x.cfg:5: layer 0 [convolutional]: expected a [yolo] section, got none"),
        (format!("{net}[softmax]\n{yolo}"), "x.cfg:7: layer 1 [softmax]: expected layers of a detector"),
        (format!("{net}{yolo}[convolutional]\n"), "x.cfg:11: layer 2 [convolutional]: expected a layer of features"),
        (format!("{net}{yolo}[route]\nlayers=1\n"), "x.cfg:11: layer 2 [route]: expected a layer of features"),
        (format!("{net}[avgpool]\n{yolo}"), "x.cfg:8: layer 2 [yolo]: expected a map of cells"),
    ] {
        let cfg = Cfg::parse("x.cfg", &text).unwrap();
        let error = DarknetNet::new(&cfg, &DarknetOptions::default(), 0).unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.contains("\nhelp: "), "{error}");
    }
}

/// A tree of every kind of layer that trains: grey input, two levels, activations of every kind.
const TREE: &str = "
[net]\nwidth=16\nheight=16\nchannels=1
[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=leaky
[maxpool]\nsize=2\nstride=2
[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\ngroups=4\nactivation=mish
[convolutional]\nbatch_normalize=1\nfilters=4\nsize=1\nactivation=linear
[dropout]\nprobability=.25
[shortcut]\nfrom=-3,1\nactivation=leaky
[convolutional]\nbatch_normalize=1\nfilters=4\nsize=1\nactivation=relu
[shortcut]\nfrom=-2\nactivation=linear
[maxpool]\nsize=2\nstride=2
[maxpool]\nsize=3\nstride=1
[route]\nlayers=-1,-2
[convolutional]\nfilters=6\nsize=1\nactivation=swish
[convolutional]\nfilters=7\nsize=1\nactivation=linear
[yolo]\nclasses=2\nnum=2\nmask=1\nanchors=4,5, 8,9\nscale_x_y=1.1
[route]\nlayers=-3
[upsample]\nstride=2
[route]\nlayers=-1,7
[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=logistic
[convolutional]\nfilters=7\nsize=1\nactivation=linear
[yolo]\nclasses=2\nnum=2\nmask=0\nanchors=4,5, 8,9
";

fn tree() -> (DarknetNet, Params) {
    DarknetNet::new(&Cfg::parse("tree", TREE).unwrap(), &DarknetOptions::default(), 5).unwrap()
}

/// The outputs of a training pass, each times a fixed cotangent and summed, and the parameters' gradients.
fn loss_and_gradient(net: &DarknetNet, params: &Params) -> (f64, Vec<f32>) {
    let dims = Dims { n: 2, h: 16, w: 16, c: 1 };
    let mut pass = Pass::train(params, Algorithms::Exact).with_draws(11, 0);
    let x = pass.input(dims, draw(dims.len(), "picture").into(), InputGradient::Skipped);
    let maps = net.forward(&mut pass, &x).unwrap();
    assert_eq!(maps.iter().map(|m| m.dims().h).collect::<Vec<_>>(), [4, 8]);
    let seeds: Vec<_> = maps
        .into_iter()
        .map(|map| {
            let cotangent = draw(map.dims().len(), "cotangent").iter().map(|v| v - 0.4).collect::<Vec<_>>();
            (map, Buffer::from(cotangent))
        })
        .collect();
    let products = |(map, seed): &(Value, Buffer)| {
        let pairs = map.buffer().host().iter().zip(seed.host());
        pairs.map(|(y, g)| f64::from(*y) * f64::from(*g)).sum::<f64>()
    };
    let loss = seeds.iter().map(products).sum();
    let mut gradients = Gradients::new(params);
    pass.into_tape().unwrap().backward(params, seeds, &mut gradients, None).unwrap();
    (loss, gradients.finish().host().to_vec())
}

#[test]
fn one_step_moves_every_tensor_downhill() {
    let (net, mut params) = tree();
    let (before, gradient) = loss_and_gradient(&net, &params);
    let old = params.clone();
    for (value, g) in params.trainable_mut().host_mut().iter_mut().zip(&gradient) {
        *value -= 1e-3 * g;
    }
    for (id, p) in old.iter().filter(|(_, p)| p.role.is_trainable()) {
        assert_ne!(params.values(id), old.values(id), "{}", p.name);
    }
    let (after, _) = loss_and_gradient(&net, &params);
    assert!(after < before, "{after} {before}");
    assert_eq!(net.levels()[0].scale_xy.to_bits(), 1.1f64.to_bits());
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (net, params) = tree();
    let (_, gradient) = loss_and_gradient(&net, &params);
    // With these draws no window changes its maximum on the way, and no leaky unit its side.
    let step = 1e-3;
    let tensors: Vec<ParamId> = params.iter().filter(|(_, p)| p.role.is_trainable()).map(|(id, _)| id).collect();
    let mut judged = 0;
    for id in tensors {
        let range = params.get(id).range.clone();
        for at in [range.start, usize::midpoint(range.start, range.end)] {
            let moved = |by: f32| {
                let mut params = params.clone();
                params.trainable_mut().host_mut()[at] += by;
                loss_and_gradient(&net, &params).0
            };
            let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let error = (slope - f64::from(gradient[at])).abs();
            assert!(error < 0.002 * (1.0 + slope.abs()), "{}: {slope} {}", params.get(id).name, gradient[at]);
            judged += 1;
        }
    }
    assert!(judged >= 40, "{judged}");
}

#[test]
fn dropout_acts_in_training_alone() {
    let (net, params) = tree();
    let dims = Dims { n: 1, h: 16, w: 16, c: 1 };
    let run = |pass: &mut Pass<'_>| {
        let x = pass.input(dims, draw(dims.len(), "picture").into(), InputGradient::Skipped);
        net.forward(pass, &x).map(bits)
    };
    let train = |step| run(&mut Pass::train(&params, Algorithms::Exact).with_draws(11, step)).unwrap();
    assert_ne!(train(0), train(1));
    assert_eq!(train(1), train(1));
    let eval = || run(&mut Pass::eval(&params, Algorithms::Exact)).unwrap();
    assert_eq!(eval(), eval());
    let error = run(&mut Pass::train(&params, Algorithms::Exact)).unwrap_err().to_string();
    assert!(error.contains("layers.4"), "{error}");
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let (net, params) = narrow("yolov3-tiny");
    for (h, w, c) in [(48, 64, 3), (64, 64, 1)] {
        let mut pass = Pass::plan(&params);
        let x = pass.input(Dims { n: 1, h, w, c }, Buffer::default(), InputGradient::Skipped);
        assert!(net.forward(&mut pass, &x).is_err(), "{h} {w} {c}");
    }
}

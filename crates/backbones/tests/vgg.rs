//! VGGs: tensors and their names, first values, sizes of the maps, and what stopping early and norms may not change.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use wrs_backbones::{Backbone, Stage, Vgg, VggConfig, VggDepth, VggNorm};
use wrs_golden::fill;
use wrs_nn::{Buffer, Dims, InputGradient, NnError, NormConfig, Parameter, Params, ParamsBuilder, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

use VggDepth::{V11, V13, V16, V19};

fn build(config: &VggConfig) -> (Vgg, Params) {
    let mut builder = ParamsBuilder::new();
    let net = Vgg::new(&mut builder.root(), config);
    (net, builder.build(5))
}

fn dims(n: usize, h: usize, w: usize) -> Dims {
    Dims { n, h, w, c: 3 }
}

fn run(net: &Vgg, mut pass: Pass<'_>, dims: Dims) -> Vec<Value> {
    let mut rng = Rng::new(1, "pixels", 0, 0);
    let pixels: Vec<f32> = (0..dims.len()).map(|_| rng.range(-1.0, 1.0) as f32).collect();
    let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap()
}

fn planned(net: &Vgg, params: &Params, dims: Dims) -> Result<Vec<Dims>, NnError> {
    let mut pass = Pass::plan(params);
    let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
    Ok(net.forward(&mut pass, &x)?.iter().map(Value::dims).collect())
}

/// torchvision's lists of channels; 0 is a pooling.
const LISTS: [(VggDepth, &[usize]); 4] = [
    (V11, &[64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]),
    (V13, &[64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]),
    (V16, &[64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]),
    (V19, &[64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0]),
];

/// Names with their shapes in PyTorch's order, in the order of torchvision's state dict.
fn torchvision(list: &[usize], has_norms: bool) -> Vec<(String, Vec<usize>)> {
    let (mut tensors, mut index, mut c_in) = (Vec::new(), 0, 3);
    for &c in list {
        if c == 0 {
            index += 1;
            continue;
        }
        tensors.push((format!("{index}.weight"), vec![c, c_in, 3, 3]));
        tensors.push((format!("{index}.bias"), vec![c]));
        if has_norms {
            let parts = ["weight", "bias", "running_mean", "running_var"];
            tensors.extend(parts.map(|part| (format!("{}.{part}", index + 1), vec![c])));
        }
        index += if has_norms { 3 } else { 2 };
        c_in = c;
    }
    tensors
}

fn ours(params: &Params) -> Vec<(String, Vec<usize>)> {
    let in_pytorchs_order = |p: &Parameter| match p.shape[..] {
        [o, h, w, i] => vec![o, i, h, w],
        _ => p.shape.clone(),
    };
    params.iter().map(|(_, p)| (p.name.clone(), in_pytorchs_order(p))).collect()
}

/// Trainable values without and with norms, and running statistics, of torchvision's `features`.
const COUNTS: [[usize; 3]; 4] = [
    [9_220_480, 9_225_984, 5_504],
    [9_404_992, 9_410_880, 5_888],
    [14_714_688, 14_723_136, 8_448],
    [20_024_384, 20_035_392, 11_008],
];

#[test]
fn names_shapes_and_numbers_of_parameters_are_torchvisions() {
    for ((depth, list), [plain, normed, statistics]) in LISTS.into_iter().zip(COUNTS) {
        let (_, params) = build(&VggConfig::new(depth));
        assert_eq!(ours(&params), torchvision(list, false), "{depth:?}");
        assert_eq!((params.trainable().len(), params.statistics().len(), params.filters().len()), (plain, 0, 0));
        let (_, params) = build(&VggConfig::with_norms(depth));
        assert_eq!(ours(&params), torchvision(list, true), "{depth:?}");
        assert_eq!((params.trainable().len(), params.statistics().len()), (normed, statistics), "{depth:?}");
        let convolutions = u64::from(depth) as usize - 3;
        assert_eq!(params.filters().iter().filter(|filter| filter.bias.is_some()).count(), convolutions);
    }
}

#[test]
fn biases_before_norms_can_be_left_out_and_later_stages_too() {
    let narrow = |config: VggConfig| VggConfig { width: 0.125, ..config };
    for depth in [V11, V13, V16, V19] {
        let with = build(&narrow(VggConfig::with_norms(depth))).1;
        let norm = VggNorm { norm: NormConfig::default(), conv_bias: false };
        let without = build(&narrow(VggConfig { norm: Some(norm), ..VggConfig::new(depth) })).1;
        // As many biases as running means.
        assert_eq!(with.trainable().len() - without.trainable().len(), with.statistics().len() / 2);
        assert!(without.filters().iter().all(|filter| filter.bias.is_none()));
        let kept = with.iter().filter(|(_, p)| without.find(&p.name).is_some()).count();
        assert_eq!(kept, without.iter().len(), "the other names are the same");
    }
    // The last convolutions of the ten that CSRNet takes, and of all.
    let last = |config: VggConfig| {
        let names: Vec<String> = build(&narrow(config)).1.iter().map(|(_, p)| p.name.clone()).collect();
        names.into_iter().rfind(|name| name.ends_with(".weight")).unwrap()
    };
    let four = |config: VggConfig| VggConfig { stages: 4, ..config };
    assert_eq!([V16, V19].map(|depth| last(four(VggConfig::new(depth)))), ["21.weight", "25.weight"]);
    assert_eq!([V16, V19].map(|depth| last(four(VggConfig::with_norms(depth)))), ["31.weight", "37.weight"]);
    assert_eq!([V11, V13].map(|depth| last(VggConfig::with_norms(depth))), ["26.weight", "32.weight"]);
}

#[test]
fn first_values_are_torchvisions() {
    for config in [VggConfig::new(V11), VggConfig::with_norms(V11)] {
        let (_, params) = build(&VggConfig { width: 0.5, ..config });
        for (_, p) in params.iter() {
            let values = params.values(params.find(&p.name).unwrap());
            if let [c_out, ..] = p.shape[..]
                && p.shape.len() == 4
            {
                let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
                let (fan_out, samples) = (c_out as f64 * 9.0, values.len() as f64);
                // The mean of n squares of normal numbers has a deviation of sqrt(2 / n).
                assert!((variance * fan_out / 2.0 - 1.0).abs() < 5.0 * (2.0 / samples).sqrt(), "{}", p.name);
            } else if p.name.ends_with("bias") {
                assert!(values.iter().all(|v| *v == 0.0), "{}", p.name);
            }
        }
    }
}

#[test]
fn maps_of_any_input_are_its_size_over_the_stride_rounded_down() {
    let strides = [1, 2, 4, 8, 16];
    for config in [VggConfig::new(V16), VggConfig::with_norms(V11)] {
        for stages in 1..=5 {
            let (net, params) = build(&VggConfig { width: 0.125, stages, ..config });
            let expected = [8, 16, 32, 64, 64].into_iter().zip(strides).take(stages);
            let expected: Vec<Stage> = expected.map(|(channels, stride)| Stage { stride, channels }).collect();
            assert_eq!(net.stages(), expected);
            for n in [16, 17, 31, 33, 333, 500, 512] {
                let sizes = planned(&net, &params, dims(2, n, n + 7)).unwrap();
                let map = |s: &Stage| Dims { n: 2, h: n / s.stride, w: (n + 7) / s.stride, c: s.channels };
                assert_eq!(sizes, expected.iter().map(map).collect::<Vec<_>>(), "{n}");
            }
            let (least, scope) = (strides[stages - 1], "");
            assert!(planned(&net, &params, dims(1, least, least)).is_ok());
            for (h, w) in [(least - 1, 40), (40, least - 1)] {
                let refusal = planned(&net, &params, dims(1, h, w)).unwrap_err();
                assert!(matches!(&refusal, NnError::TooSmall { layer, .. } if layer == scope), "{refusal}");
            }
        }
    }
}

/// `out[y][x][o] = relu(sum in * weight + bias)` and the maxima of 2x2, written out.
#[test]
fn the_network_is_the_one_of_the_definition() {
    let (net, mut params) = build(&VggConfig { width: 0.125, stages: 2, ..VggConfig::new(V11) });
    fill(&mut params);
    let (h, w) = (5, 7);
    let maps = run(&net, Pass::eval(&params, Algorithms::Exact), dims(1, h, w));
    let mut rng = Rng::new(1, "pixels", 0, 0);
    let pixels: Vec<f64> = (0..h * w * 3).map(|_| f64::from(rng.range(-1.0, 1.0) as f32)).collect();
    let conv = |x: &[f64], [h, w, c]: [usize; 3], name: &str| -> Vec<f64> {
        let of = |part: &str| params.values(params.find(&format!("{name}.{part}")).unwrap());
        let (weight, bias) = (of("weight"), of("bias"));
        let at = |y: usize, x_: usize, o: usize| {
            let mut sum = f64::from(bias[o]);
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                let (Some(iy), Some(ix)) = ((y + ky).checked_sub(1), (x_ + kx).checked_sub(1)) else { continue };
                if iy < h && ix < w {
                    let taps =
                        (0..c).map(|i| x[(iy * w + ix) * c + i] * f64::from(weight[((o * 3 + ky) * 3 + kx) * c + i]));
                    sum += taps.sum::<f64>();
                }
            }
            sum.max(0.0)
        };
        (0..h * w * bias.len()).map(|i| at(i / bias.len() / w, i / bias.len() % w, i % bias.len())).collect()
    };
    let first = conv(&pixels, [h, w, 3], "0");
    let value = |y: usize, x: usize, c: usize| first[(y * w + x) * 8 + c];
    let pooled: Vec<f64> = (0..2 * 3 * 8)
        .map(|i| {
            let (y, x, c) = (2 * (i / 24), 2 * (i / 8 % 3), i % 8);
            value(y, x, c).max(value(y, x + 1, c)).max(value(y + 1, x, c)).max(value(y + 1, x + 1, c))
        })
        .collect();
    let second = conv(&pooled, [2, 3, 8], "3");
    for (map, expected) in maps.iter().zip([first, second]) {
        assert_eq!(map.dims().len(), expected.len());
        assert!(expected.iter().any(|v| *v > 0.5));
        for (got, expected) in map.buffer().host().iter().zip(expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-5, "{got} is not {expected}");
        }
    }
}

#[test]
fn the_last_map_alone_is_the_last_of_all_and_fewer_stages_change_none() {
    for config in [VggConfig::new(V13), VggConfig::with_norms(V13)] {
        let config = VggConfig { width: 0.125, ..config };
        let (net, mut params) = build(&config);
        fill(&mut params);
        let all = run(&net, Pass::eval(&params, Algorithms::Fast), dims(2, 37, 50));
        let (short, mut fewer) = build(&VggConfig { stages: 4, ..config });
        fill(&mut fewer);
        let four = run(&short, Pass::eval(&fewer, Algorithms::Fast), dims(2, 37, 50));
        assert_eq!((all.len(), four.len()), (5, 4));
        for (a, b) in all.iter().zip(&four) {
            assert_eq!(a.buffer().host(), b.buffer().host());
        }
        let mut pass = Pass::eval(&fewer, Algorithms::Fast);
        let mut rng = Rng::new(1, "pixels", 0, 0);
        let pixels: Vec<f32> = (0..2 * 37 * 50 * 3).map(|_| rng.range(-1.0, 1.0) as f32).collect();
        let x = pass.input(dims(2, 37, 50), pixels.into(), InputGradient::Skipped);
        let last = short.last_map(&mut pass, &x).unwrap();
        assert_eq!(last.buffer().host(), four[3].buffer().host());
    }
}

#[test]
fn depths_are_their_numbers() {
    for (depth, layers) in [(V11, 11), (V13, 13), (V16, 16), (V19, 19)] {
        assert_eq!((u64::from(depth), VggDepth::try_from(layers)), (layers, Ok(depth)));
    }
    let refusal = VggDepth::try_from(18).unwrap_err().to_string();
    assert_eq!(refusal, "expected a depth of 11, 13, 16 or 19, got 18");
}

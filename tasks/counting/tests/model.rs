//! CSRNet's tensors, work and sizes, and that it trains.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use candle_core::{Device, Tensor};
use candle_nn::ModuleT;
use wrs_counting::model::CsrNet;
use wrs_counting::module::Inference;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_nn::{Buffer, Dims, Gradients, InputGradient, NnError, Parameter, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

use Backend::{A, B, C, D};

fn config(batch_norm: bool, conv_bias: bool) -> ModelConfig {
    ModelConfig {
        backend: B,
        batch_norm,
        conv_bias,
        head: HeadActivation::Abs,
        width: 1.0,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

fn narrow() -> ModelConfig {
    ModelConfig { width: 0.125, ..config(true, true) }
}

fn dims(n: usize, h: usize, w: usize) -> Dims {
    Dims { n, h, w, c: 3 }
}

fn pixels(dims: Dims) -> Vec<f32> {
    let mut rng = Rng::new(1, "pixels", 0, 0);
    (0..dims.len()).map(|_| rng.range(-1.0, 1.0) as f32).collect()
}

/// What a picture of that size would give, and the multiply-adds of the convolutions.
fn planned(net: &CsrNet, params: &Params, dims: Dims) -> Result<(Dims, u64), NnError> {
    let mut pass = Pass::plan(params);
    let x = pass.input(dims, Buffer::default(), InputGradient::Skipped);
    let out = net.forward(&mut pass, &x)?.dims();
    Ok((out, pass.flops() / 2))
}

fn evaluated(net: &CsrNet, params: &Params, dims: Dims) -> wrs_nn::Value {
    let mut pass = Pass::eval(params, Algorithms::Fast);
    let x = pass.input(dims, pixels(dims).into(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap()
}

/// Names and shapes in PyTorch's order: the first ten convolutions of torchvision's VGG16, the six of the back end, the head.
fn published(batch_norm: bool, conv_bias: bool) -> Vec<(String, Vec<usize>)> {
    let front = [(64, 2), (128, 2), (256, 3), (512, 3)];
    let (mut list, mut c_in) = (Vec::new(), 3);
    let step = if batch_norm { 3 } else { 2 };
    let mut conv = |part: &str, index: usize, c: usize| {
        list.push((format!("{part}.{index}.weight"), vec![c, c_in, 3, 3]));
        if conv_bias {
            list.push((format!("{part}.{index}.bias"), vec![c]));
        }
        if batch_norm {
            let parts = ["weight", "bias", "running_mean", "running_var"];
            list.extend(parts.map(|of| (format!("{part}.{}.{of}", index + 1), vec![c])));
        }
        c_in = c;
    };
    let mut index = 0;
    for (channels, convolutions) in front {
        for _ in 0..convolutions {
            conv("frontend", index, channels);
            index += step;
        }
        index += 1;
    }
    for (i, channels) in [512, 512, 512, 256, 128, 64].into_iter().enumerate() {
        conv("backend", i * step, channels);
    }
    list.push(("output_layer.weight".to_owned(), vec![1, 64, 1, 1]));
    list.push(("output_layer.bias".to_owned(), vec![1]));
    list
}

#[test]
fn names_shapes_and_numbers_of_parameters_are_the_published_ones() {
    for (batch_norm, conv_bias, trainable, statistics) in
        [(false, true, 16_263_489, 0), (true, true, 16_272_833, 9_344), (true, false, 16_268_161, 9_344)]
    {
        let (_, params) = CsrNet::new(&config(batch_norm, conv_bias), 0);
        assert_eq!((params.trainable().len(), params.statistics().len()), (trainable, statistics));
        let in_pytorchs_order = |p: &Parameter| match p.shape[..] {
            [o, h, w, i] => vec![o, i, h, w],
            _ => p.shape.clone(),
        };
        let ours: Vec<_> = params.iter().map(|(_, p)| (p.name.clone(), in_pytorchs_order(p))).collect();
        assert_eq!(ours, published(batch_norm, conv_bias));
        // Every convolution but the head feeds a norm, where there are any.
        assert_eq!(params.filters().len(), if batch_norm { 16 } else { 0 });
    }
}

#[test]
fn densities_have_a_cell_for_every_whole_eight_pixels() {
    let (net, params) = CsrNet::new(&narrow(), 0);
    for (h, w, cells) in
        [(512, 512, [64, 64]), (500, 333, [62, 41]), (8, 8, [1, 1]), (15, 16, [1, 2]), (2048, 3072, [256, 384])]
    {
        let (out, _) = planned(&net, &params, dims(2, h, w)).unwrap();
        assert_eq!(out, Dims { n: 2, h: cells[0], w: cells[1], c: 1 });
    }
    for (h, w) in [(7, 500), (500, 7), (1, 1), (0, 8)] {
        let refusal = planned(&net, &params, dims(1, h, w)).unwrap_err().to_string();
        let expected = format!("layer frontend: expected pictures of at least 8x8 pixels, got {h}x{w}\nhelp: ");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
    let mut pass = Pass::eval(&params, Algorithms::Fast);
    let x = pass.input(dims(1, 7, 9), pixels(dims(1, 7, 9)).into(), InputGradient::Skipped);
    assert!(matches!(net.forward(&mut pass, &x), Err(NnError::TooSmall { .. })));
}

/// Multiply-adds in units of 10^8, rounded as they are published; a dilation changes none.
#[test]
fn work_is_the_published_one() {
    let (net, params) = CsrNet::reference();
    for (h, w, published) in
        [(256, 256, 271), (512, 512, 1083), (576, 864, 2055), (768, 1024, 3248), (2048, 3072, 25983)]
    {
        let (_, work) = planned(&net, &params, dims(1, h, w)).unwrap();
        assert_eq!((work + 50_000_000) / 100_000_000, published, "{h}x{w}");
    }
}

#[test]
fn the_back_end_and_the_head_begin_small_and_the_front_end_as_torchvisions() {
    let (_, params) = CsrNet::new(&config(true, true), 3);
    let of = |name: &str| params.values(params.find(name).unwrap());
    let deviation = |v: &[f32]| (v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
    for name in ["backend.0.weight", "backend.9.weight", "backend.15.weight"] {
        assert!((deviation(of(name)) / 0.01 - 1.0).abs() < 0.02, "{name}");
    }
    assert!((deviation(of("output_layer.weight")) / 0.01 - 1.0).abs() < 0.4);
    assert!((deviation(of("frontend.30.weight")) / (2.0 / (9.0 * 512.0f64)).sqrt() - 1.0).abs() < 0.02);
    for name in ["frontend.0.bias", "backend.15.bias", "output_layer.bias", "backend.1.bias"] {
        assert!(of(name).iter().all(|v| *v == 0.0), "{name}");
    }
    assert!(of("backend.16.weight").iter().all(|v| *v == 1.0));
}

/// The receptive field, by what a change of one pixel reaches: in norms' evaluation mode the network is a finite filter.
#[test]
fn a_pixel_reaches_the_cells_of_the_receptive_field_and_no_others() {
    for backend in [A, B, C, D] {
        let config = ModelConfig { backend, width: 0.03, ..config(true, true) };
        let (net, mut params) = CsrNet::new(&config, 0);
        // Positive weights, so that nothing is lost on the way.
        params.trainable_mut().host_mut().iter_mut().for_each(|v| *v = v.abs().max(1e-3));
        let width = 1024;
        let row = |at: Option<usize>| {
            let size = dims(1, 8, width);
            let mut x = vec![0.5; size.len()];
            if let Some(at) = at {
                x[at * 3] += 1e3;
            }
            let mut pass = Pass::eval(&params, Algorithms::Exact);
            let x = pass.input(size, x.into(), InputGradient::Skipped);
            net.forward(&mut pass, &x).unwrap().buffer().host().to_vec()
        };
        let still = row(None);
        let changed = |at: usize| -> Vec<usize> {
            let moved = row(Some(at));
            (0..width / 8).filter(|&cell| moved[cell] != still[cell]).collect()
        };
        // The field of cell 64 is centred on its pixels, 512 to 519.
        let field = config.receptive_field();
        let first = 512 - (field - 8) / 2;
        assert!(changed(first).contains(&64) && !changed(first - 1).contains(&64), "{backend:?}");
        assert!(changed(first + field - 1).contains(&64) && !changed(first + field).contains(&64), "{backend:?}");
        assert!(config.halo_px() >= (field - 8) / 2 && config.halo_px() < (field - 8) / 2 + 8);
    }
}

#[test]
fn densities_are_the_heads_activation_of_raw_values() {
    for head in [HeadActivation::None, HeadActivation::Abs, HeadActivation::Relu] {
        let (net, params) = CsrNet::new(&ModelConfig { head, ..narrow() }, 1);
        let size = dims(2, 31, 50);
        let raw = evaluated(&net, &params, size);
        assert_eq!(raw.dims(), Dims { n: 2, h: 3, w: 6, c: 1 });
        let values = raw.buffer().host();
        assert!(values.iter().any(|v| *v < 0.0) && values.iter().any(|v| *v > 0.0), "{values:?}");
        let density = net.density(&raw);
        assert!(density.iter().zip(values).all(|(density, raw)| *density == net.activation().apply(*raw)));

        let module = Inference { net: &net, params: &params };
        let x = Tensor::from_vec(pixels(size), (2, 31, 50, 3), &Device::Cpu).unwrap();
        let tensor = module.forward_t(&x, false).unwrap();
        assert_eq!(tensor.dims(), [2, 1, 3, 6]);
        assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), density);
        assert!(module.forward_t(&x, true).is_err());
        let small = Tensor::zeros((1, 7, 50, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(module.forward_t(&small, false).unwrap_err().to_string().contains("at least 8x8"));
    }
}

/// One step towards a density of 1 in every cell: the loss before it, and the gradient.
fn step(net: &CsrNet, params: &mut Params, input: Dims) -> (f64, Vec<f32>) {
    let mut pass = Pass::train(params, Algorithms::Fast);
    let x = pass.input(input, pixels(input).into(), InputGradient::Skipped);
    let raw = net.forward(&mut pass, &x).unwrap();
    let mut tape = pass.into_tape().unwrap();
    let n = raw.dims().len() as f32;
    let (density, values) = (net.density(&raw), raw.buffer().host());
    let loss = density.iter().map(|d| f64::from(d - 1.0).powi(2)).sum::<f64>() / f64::from(n);
    let slopes = density.iter().zip(values).map(|(d, raw)| 2.0 * (d - 1.0) / n * net.activation().slope(*raw));
    let seed: Buffer = slopes.collect::<Vec<f32>>().into();
    tape.update_statistics(params).unwrap();
    let mut gradients = Gradients::new(params);
    tape.backward(params, vec![(raw, seed)], &mut gradients, None).unwrap();
    (loss, gradients.finish().host().to_vec())
}

#[test]
fn a_few_steps_down_the_gradient_lower_the_loss() {
    for config in [narrow(), ModelConfig { conv_bias: false, backend: C, ..narrow() }] {
        let (net, mut params) = CsrNet::new(&config, 0);
        let losses: Vec<f64> = (0..8)
            .map(|_| {
                let (loss, gradient) = step(&net, &mut params, dims(2, 49, 66));
                params.trainable_mut().host_mut().iter_mut().zip(gradient).for_each(|(v, g)| *v -= 0.02 * g);
                loss
            })
            .collect();
        assert!(losses[7] < 0.9 * losses[0], "{losses:?}");
    }
}

#[test]
fn every_tensor_but_the_biases_before_norms_has_a_gradient() {
    let (net, mut params) = CsrNet::new(&narrow(), 0);
    let before = params.clone();
    let (_, gradient) = step(&net, &mut params, dims(2, 49, 66));
    let taken_out: Vec<_> = params.filters().iter().filter_map(|filter| filter.bias).collect();
    assert_eq!(taken_out.len(), 16);
    for (id, p) in params.iter() {
        if p.role.is_trainable() {
            let is_zero = gradient[p.range.clone()].iter().all(|g| *g == 0.0);
            assert_eq!(is_zero, taken_out.contains(&id), "{}", p.name);
        } else {
            assert_ne!(params.values(id), before.values(id), "{}", p.name);
        }
    }
    // Without norms a bias is one like any other.
    let plain = ModelConfig { batch_norm: false, ..narrow() };
    let (net, mut params) = CsrNet::new(&plain, 0);
    // Kept alive: the small weights of the back end would leave gradients that f32 rounds to nothing.
    params.trainable_mut().host_mut().iter_mut().for_each(|v| *v *= 3.0);
    let (_, gradient) = step(&net, &mut params, dims(2, 49, 66));
    for (_, p) in params.iter() {
        assert!(gradient[p.range.clone()].iter().any(|g| *g != 0.0), "{}", p.name);
    }
}

#[test]
fn a_single_cell_trains_no_norm() {
    let (net, params) = CsrNet::new(&narrow(), 0);
    let mut pass = Pass::train(&params, Algorithms::Fast);
    let x = pass.input(dims(1, 8, 8), pixels(dims(1, 8, 8)).into(), InputGradient::Skipped);
    let refusal = net.forward(&mut pass, &x).unwrap_err().to_string();
    assert!(refusal.contains("frontend.24") && refusal.contains("single value"), "{refusal}");
}

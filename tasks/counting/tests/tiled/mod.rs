//! A network with random filters, and pictures for it.

use wrs_counting::model::CsrNet;
use wrs_counting::net::{Backend, HeadActivation, ModelConfig};
use wrs_datasets::augment::InputSettings;
use wrs_datasets::{ImageRgb8, ImageSize};
use wrs_nn::{Buffer, Calibration, Dims, InputGradient, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

pub const INPUT: InputSettings = InputSettings { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

pub fn config(backend: Backend, width: f64) -> ModelConfig {
    ModelConfig {
        backend,
        batch_norm: true,
        conv_bias: false,
        head: HeadActivation::Abs,
        width,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

pub fn picture(size: ImageSize) -> ImageRgb8 {
    let mut rng = Rng::new(2, "picture", size.width as u64, size.height as u64);
    ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
}

pub struct Network {
    pub net: CsrNet,
    pub params: Params,
}

impl Network {
    /// Random filters, and running statistics that keep every layer's values of the order of 1.
    pub fn new(config: &ModelConfig) -> Self {
        let (net, mut params) = CsrNet::new(config, 5);
        let mut calibration = Calibration::new(&params);
        let mut pass = Pass::calibrate(&params, Algorithms::Fast);
        let size = ImageSize::square(128);
        let x = input(&mut pass, size, INPUT.pixels([&picture(size)]));
        net.forward(&mut pass, &x).unwrap();
        calibration.add(pass).unwrap();
        calibration.finish(&mut params).unwrap();
        Self { net, params }
    }
}

pub fn input(pass: &mut Pass<'_>, size: ImageSize, pixels: Vec<f32>) -> Value {
    let dims = Dims { n: 1, h: size.height, w: size.width, c: 3 };
    pass.input(dims, Buffer::from(pixels), InputGradient::Skipped)
}

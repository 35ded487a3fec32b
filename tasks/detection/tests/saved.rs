//! A saved network: back from its file with every number, and behind candle's face.

#![allow(clippy::unwrap_used)] // tests

use candle_core::{Device, Tensor};
use candle_nn::ModuleT;
use wrs_datasets::detection::Category;
use wrs_detection::anchors::Anchors;
use wrs_detection::net::DetectionNet;
use wrs_detection::recipe::{RECIPES, Recipe};
use wrs_detection::saved::{Description, SavedNet};
use wrs_nn::{Dims, InputGradient, Pass};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;
use wrs_train::recipe;
use wrs_weights::safetensors;

const DIMS: Dims = Dims { n: 2, h: 64, w: 96, c: 3 };

/// The demo's network with two classes, as its training would save it.
fn saved() -> SavedNet {
    let (name, text) = RECIPES[0];
    let recipe = recipe::load::<Recipe>(name, text, &[("model.width".into(), "0.125".into())]).unwrap().recipe;
    let categories = [(4, "circle"), (7, "square")].map(|(id, name)| Category { id, name: name.to_owned() });
    let description = Description::of(&recipe, &categories);
    let anchors = Anchors::from_sizes(&description.anchors).unwrap();
    let (net, params) = DetectionNet::new(&recipe.model, 2, 11).unwrap();
    SavedNet { description, net, params, anchors }
}

fn pixels() -> Vec<f32> {
    let mut rng = Rng::new(1, "pixels", 0, 0);
    (0..DIMS.len()).map(|_| rng.uniform() as f32).collect()
}

#[test]
fn a_file_gives_back_the_network_and_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let before = saved();
    safetensors::save(&before.params, &before.description.metadata().unwrap(), &path).unwrap();
    let after = SavedNet::load(&path).unwrap();
    assert_eq!(before.description, after.description);
    assert_eq!(before.params.trainable().host(), after.params.trainable().host());
    assert_eq!(before.params.statistics().host(), after.params.statistics().host());
}

#[test]
fn a_file_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    safetensors::save(&saved().params, &wrs_weights::Metadata::new(), &path).unwrap();
    let error = SavedNet::load(&path).unwrap_err().to_string();
    assert!(error.contains("net.safetensors") && error.contains("task") && error.contains("help:"), "{error}");
}

#[test]
fn classes_without_ids_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let mut net = saved();
    net.description.category_ids.pop();
    safetensors::save(&net.params, &net.description.metadata().unwrap(), &path).unwrap();
    let error = SavedNet::load(&path).unwrap_err().to_string();
    assert!(error.contains("2 class names and 1 category ids"), "{error}");
}

#[test]
fn candle_sees_every_predictors_logits() {
    let net = saved();
    let xs = Tensor::from_vec(pixels(), &DIMS.to_shape(), &Device::Cpu).unwrap();
    let ys = net.forward_t(&xs, false).unwrap();
    let predictors = 3 * (2 * 3 + 4 * 6 + 8 * 12);
    assert_eq!(ys.dims3().unwrap(), (2, predictors, 7));
    let mut pass = Pass::eval(&net.params, Algorithms::Fast);
    let x = pass.input(DIMS, pixels().into(), InputGradient::Skipped);
    let outputs = net.net.forward(&mut pass, &x).unwrap();
    let second: Vec<f32> = outputs.iter().flat_map(|v| v.buffer().host()[v.dims().len() / 2..].to_vec()).collect();
    assert_eq!(ys.get(1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap(), second);
    let error = net.forward_t(&xs, true).unwrap_err().to_string();
    assert!(error.contains("wrs_detection::train"), "{error}");
}

//! Real `.cfg` and `.weights` files, against the outputs of an independent PyTorch interpreter.

#![allow(clippy::unwrap_used)] // tests

use std::path::{Path, PathBuf};

use wrs_detection::anchors::{Anchors, LevelMap};
use wrs_detection::darknet::{DarknetNet, DarknetOptions};
use wrs_detection::decode::decode;
use wrs_detection::nms::{Detected, Labels, NmsSettings, suppress};
use wrs_nn::{Dims, InputGradient, Params, Pass, Value};
use wrs_ops::conv::Algorithms;
use wrs_weights::Strictness;
use wrs_weights::darknet::{Cfg, DarknetReport, Extent, load_into, save};

const MODELS: [&str; 3] = ["yolo-fastest-1.1", "yolo-fastest-1.1-xl", "MobileNetV2-YOLOv3-Nano-voc"];

/// Of a map's largest magnitude.
const TOLERANCE: f32 = 1e-4;

const SIDE: usize = 320;

fn folder() -> PathBuf {
    Path::new(&std::env::var("WRS_TEST_DATA").unwrap()).join("weights_darknet")
}

fn load(model: &str) -> (DarknetNet, Params, DarknetReport) {
    let cfg = Cfg::load(&folder().join(format!("{model}.cfg"))).unwrap();
    let (net, mut params) = DarknetNet::new(&cfg, &DarknetOptions::default(), 0).unwrap();
    let path = folder().join(format!("{model}.weights"));
    let report = load_into(&mut params, net.darknet_order(), &path, Extent::ByName, Strictness::Exact).unwrap();
    (net, params, report)
}

fn golden() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder().join("golden/golden.json")).unwrap()).unwrap()
}

/// The numbers of a little-endian f32 array in C order, and its shape.
fn read_npy(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let (_, shape) = header.split_once("'shape': (").unwrap();
    let sides = shape.split_once(')').unwrap().0.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape: Vec<usize> = sides.map(|side| side.parse().unwrap()).collect();
    let values: Vec<f32> = bytes[end..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert_eq!(values.len(), shape.iter().product::<usize>());
    (shape, values)
}

fn maps_of_the_dog(net: &DarknetNet, params: &Params, algorithms: Algorithms) -> Vec<Value> {
    let picture = image::open(folder().join("golden/dog_320.png")).unwrap().into_rgb8();
    let pixels: Vec<f32> = picture.as_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
    let mut pass = Pass::eval(params, algorithms);
    let dims = Dims { n: 1, h: SIDE, w: SIDE, c: 3 };
    let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
    net.forward(&mut pass, &x).unwrap()
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn each_cfg_takes_every_float_of_its_file_and_gives_it_back() {
    for model in MODELS {
        let (net, params, report) = load(model);
        let path = folder().join(format!("{model}.weights"));
        let expected = &golden()[model];
        assert_eq!(report.header.version, [0, 2, 5], "{model}");
        assert_eq!(report.header.seen, expected["seen"].as_u64().unwrap(), "{model}");
        assert_eq!((report.loaded, report.not_read.len()), (net.darknet_order().len(), 0), "{model}");
        let floats = (std::fs::metadata(&path).unwrap().len() - 20) / 4;
        assert_eq!(floats, expected["floats"].as_u64().unwrap(), "{model}");
        let folder = tempfile::tempdir().unwrap();
        let again = folder.path().join("again.weights");
        save(&params, net.darknet_order(), report.header, &again).unwrap();
        assert!(std::fs::read(&again).unwrap() == std::fs::read(&path).unwrap(), "{model}: other bytes");
    }
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn heads_on_the_dog_are_pytorchs() {
    for model in MODELS {
        let (net, params, _) = load(model);
        for algorithms in [Algorithms::Exact, Algorithms::Fast] {
            let maps = maps_of_the_dog(&net, &params, algorithms);
            assert_eq!(maps.len(), 2);
            for (level, map) in maps.iter().enumerate() {
                let (shape, expected) = read_npy(&folder().join(format!("golden/{model}.head{level}.npy")));
                let Dims { h, w, c, .. } = map.dims();
                assert_eq!(shape[shape.len() - 3..], [c, h, w], "{model}");
                let (absolute, relative) = compare(map.buffer().host(), &expected, h * w, c);
                let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                println!(
                    "{model} head {level} {algorithms:?}: largest difference {absolute:.2e} of {largest:.2} = {:.2e}; \
                     of the element itself at most {relative:.2e}",
                    absolute / largest
                );
                assert!(absolute <= TOLERANCE * largest, "{model} head {level}");
            }
        }
    }
}

/// The largest difference, and the largest in terms of the element, `|a - b| / max(|b|, 1)`.
fn compare(got_hwc: &[f32], expected_chw: &[f32], pixels: usize, channels: usize) -> (f32, f32) {
    let (mut absolute, mut relative) = (0.0f32, 0.0f32);
    for pixel in 0..pixels {
        for channel in 0..channels {
            let (a, b) = (got_hwc[pixel * channels + channel], expected_chw[channel * pixels + pixel]);
            let difference = (a - b).abs();
            assert!(difference.is_finite());
            (absolute, relative) = (absolute.max(difference), relative.max(difference / b.abs().max(1.0)));
        }
    }
    (absolute, relative)
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn detections_on_the_dog_are_the_stored_ones() {
    for model in MODELS {
        let (net, params, _) = load(model);
        let maps = maps_of_the_dog(&net, &params, Algorithms::Fast);
        let view = |map| {
            let (Dims { n, h, w, .. }, logits) = (Value::dims(map), Value::buffer(map).host());
            LevelMap { n, h, w, logits }
        };
        let views: Vec<LevelMap<'_>> = maps.iter().map(view).collect();
        let anchors = Anchors::deal(net.sizes(), net.levels()).unwrap();
        let candidates = decode(&views, &anchors, net.classes(), 0, 0.25).unwrap();
        let settings = NmsSettings {
            confidence: 0.25,
            iou: 0.45,
            labels: Labels::Multi,
            pre_nms_top_k: 30_000,
            max_detections: 300,
        };
        let mut found = suppress(&candidates, &settings).detections;
        found.sort_by(|a, b| a.class.cmp(&b.class).then(b.score.total_cmp(&a.score)));
        let golden = golden();
        let expected = golden[model]["detections_conf025_nms045"].as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{model}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            check(model, found, expected);
        }
    }
}

fn check(model: &str, found: &Detected, expected: &serde_json::Value) {
    let side = SIDE as f32;
    let [x0, y0, x1, y1] = found.bbox_xyxy.map(|edge| edge / side);
    let got = [0.5 * (x0 + x1), 0.5 * (y0 + y1), x1 - x0, y1 - y0, found.score];
    let wanted = expected["cxcywh"].as_array().unwrap().iter().chain([&expected["score"]]);
    assert_eq!(found.class as u64, expected["cls"].as_u64().unwrap(), "{model}: {found:?}");
    for (got, wanted) in got.into_iter().zip(wanted) {
        assert!((f64::from(got) - wanted.as_f64().unwrap()).abs() < 1e-4, "{model}: {found:?} {expected}");
    }
}

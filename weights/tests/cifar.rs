//! Real files of PyTorch before 1.6: akamaster's ResNets for CIFAR-10, against what `torch.load` gives.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use std::path::{Path, PathBuf};

use wrs_weights::{Format, TensorFile};

/// A file: tensors, numbers, their sum and the sum of their absolute values in f64.
const FILES: [(&str, usize, usize, f64, f64); 2] = [
    ("resnet20-12fca82f.th", 97, 271_098, 139.782_649_559_820_8, 21_349.562_590_950_623),
    ("resnet56-4bfd9763.th", 277, 857_082, 1_427.879_011_697_099, 41_377.086_271_385_946),
];

fn folder() -> PathBuf {
    Path::new(&std::env::var("WRS_TEST_DATA").unwrap()).join("weights_resnet_cifar10")
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn published_legacy_files_are_read_whole() {
    for (name, tensors, numbers, sum, absolute) in FILES {
        let file = TensorFile::open(&folder().join(name)).unwrap();
        assert_eq!(
            (file.format(), file.under(), file.wrapper()),
            (Format::PytorchLegacy, Some("state_dict"), "module.")
        );
        assert_eq!(file.entries().len(), tensors);
        let values: Vec<f32> = file.entries().iter().flat_map(|entry| file.values(entry).unwrap()).collect();
        assert_eq!(values.len(), numbers);
        let sums = values.iter().fold((0.0, 0.0), |(a, b), &v| (a + f64::from(v), b + f64::from(v).abs()));
        assert!((sums.0 - sum).abs() < 1e-6 && (sums.1 - absolute).abs() < 1e-6, "{sums:?}");
    }
    let file = TensorFile::open(&folder().join(FILES[0].0)).unwrap();
    let first = |name: &str| file.values(file.get(name).unwrap()).unwrap();
    assert_eq!(first("conv1.weight")[..3], [-0.138_181_46, -0.162_417_68, 0.820_738_3]);
    assert_eq!(first("layer2.1.bn2.running_var")[31], 0.390_681_77);
    assert_eq!(first("linear.bias").len(), 10);
    let best = file.contents().iter().find(|content| content.key == "best_prec1").unwrap();
    assert_eq!(best.what, "91.78000183105469");
}

/// The same file cut anywhere is refused, and so is one whose bytes are turned over in its pickles.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn damaged_ones_are_refused_or_read() {
    let whole = std::fs::read(folder().join(FILES[0].0)).unwrap();
    for len in (0..whole.len()).step_by(997).chain(0..4096) {
        assert!(TensorFile::of_bytes(&whole[..len], "cut").is_err(), "cut at {len}");
    }
    for at in 0..20_000 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        if let Ok(file) = TensorFile::of_bytes(&damaged, "damaged") {
            file.entries().iter().for_each(|entry| drop(file.values(entry)));
        }
    }
}

//! Files that PyTorch wrote: by `torch.save` of PyTorch 2.15, zipped and as before 1.6.

use std::path::PathBuf;

use super::*;
use crate::dtype::Dtype;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn golden(name: &str) -> TensorFile<'static> {
    TensorFile::open(&path(name)).unwrap()
}

fn values(file: &TensorFile<'_>, name: &str) -> Vec<f32> {
    file.values(file.get(name).unwrap_or_else(|| panic!("no tensor {name}"))).unwrap()
}

fn shapes<'f>(file: &'f TensorFile<'_>) -> Vec<(&'f str, &'f [usize])> {
    file.entries().iter().map(|entry| (entry.name.as_str(), entry.shape.as_slice())).collect()
}

const WEIGHTS: [(&str, &[usize]); 4] =
    [("conv.weight", &[2, 3, 3, 2]), ("bn.weight", &[2]), ("bn.running_var", &[2]), ("bn.num_batches_tracked", &[])];

#[test]
fn all_forms_of_torch_save_say_the_same() {
    for (name, format) in [
        ("zip.pth", Format::PytorchZip),
        ("protocol4.pth", Format::PytorchZip),
        ("f64.pth", Format::PytorchZip),
        ("legacy.pth", Format::PytorchLegacy),
        ("protocol5_legacy.pth", Format::PytorchLegacy),
    ] {
        let file = golden(name);
        assert_eq!((file.format(), Format::of(&path(name)).unwrap()), (format, Some(format)), "{name}");
        assert_eq!(shapes(&file), WEIGHTS, "{name}");
        let conv: Vec<f32> = (0..36).map(|i| i as f32 / 2.0 - 4.0).collect();
        assert_eq!(values(&file, "conv.weight"), conv, "{name}");
        assert_eq!(values(&file, "bn.weight"), [1.5, -2.0], "{name}");
        assert_eq!(values(&file, "bn.running_var"), [0.25, 3.0], "{name}");
        let count = file.get("bn.num_batches_tracked").unwrap();
        assert_eq!(count.dtype.to_string(), "I64");
        assert!(matches!(file.values(count), Err(WeightsError::Dtype { .. })));
        assert!(file.contents().is_empty() && file.under().is_none() && file.metadata().is_empty());
    }
}

#[test]
fn views_give_the_numbers_that_they_show() {
    for name in ["views.pth", "views_legacy.pth"] {
        let file = golden(name);
        let whole = |list: &[usize]| list.iter().map(|&v| v as f32).collect::<Vec<_>>();
        assert_eq!(values(&file, "whole"), whole(&(0..24).collect::<Vec<_>>()));
        assert_eq!(values(&file, "slice"), whole(&[4, 5, 6, 7, 8, 9]));
        assert_eq!(values(&file, "every_second"), whole(&[1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]));
        let transposed: Vec<usize> = (0..6).flat_map(|c| (0..4).map(move |r| 6 * r + c)).collect();
        assert_eq!(values(&file, "transposed"), whole(&transposed));
        assert_eq!(values(&file, "columns"), whole(&[1, 2, 7, 8, 13, 14, 19, 20]));
        assert_eq!(values(&file, "channels_last"), values(&file, "whole"));
        assert_eq!(values(&file, "expanded"), whole(&[0, 0, 1, 1, 2, 2]));
        let at = |c: usize, a: usize, b: usize| a * 12 + b * 4 + c;
        let permuted: Vec<usize> =
            (0..4).flat_map(|c| (0..2).flat_map(move |a| (0..3).map(move |b| at(c, a, b)))).collect();
        assert_eq!(values(&file, "permuted"), whole(&permuted));
        assert_eq!(values(&file, "scalar"), [2.5]);
        assert_eq!((values(&file, "empty").len(), &*file.get("empty").unwrap().shape), (0, &[0, 3][..]));
        let strides = |name: &str| file.get(name).unwrap().strides.clone();
        assert_eq!((strides("transposed"), strides("channels_last")), (vec![1, 6], vec![24, 1, 8, 2]));
    }
}

#[test]
fn every_kind_of_number_is_known() {
    let file = golden("kinds.pth");
    let kinds: Vec<String> = file.entries().iter().map(|entry| entry.dtype.to_string()).collect();
    assert_eq!(kinds, ["F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "C64", "F8_E4M3", "U16"]);
    for entry in file.entries() {
        match file.values(entry) {
            Ok(values) => assert_eq!((values, entry.dtype.is_float()), (vec![1.5, 2.0, 0.5], true)),
            Err(WeightsError::Dtype { tensor, .. }) => assert!(tensor == entry.name && !entry.dtype.is_float()),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn the_state_dict_is_found_among_a_trainings_things() {
    for name in ["checkpoint.pth", "checkpoint_legacy.pth"] {
        let file = golden(name);
        assert_eq!((file.under(), file.wrapper()), (Some("state_dict"), "module."));
        let names: Vec<&str> = file.names().collect();
        let expected =
            ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"];
        assert_eq!(names, expected);
        assert_eq!(values(&file, "0.bias"), [1.0, 1.0]);
        let contents: Vec<String> = file.contents().iter().map(|c| format!("{} {}", c.key, c.what)).collect();
        let expected = [
            "epoch 12",
            "arch \"tiny\"",
            "best a tensor []",
            "args a Namespace",
            "optimizer a dict of 2",
            "state_dict a dict of 7 tensors",
        ];
        assert_eq!(contents, expected);
    }
    let file = golden("parameter.pth");
    assert_eq!((file.under(), values(&file, "a")), (Some("model"), vec![1.0, 1.0]));
    let refusal = TensorFile::open(&path("list.pth")).unwrap_err().to_string();
    assert!(refusal.contains("got a list of 1\nhelp: save the weights with torch.save"), "{refusal}");
}

/// What a conversion writes is read as what it was made of, byte for byte where numbers lie side by side.
#[test]
fn a_conversion_keeps_names_shapes_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["zip.pth", "legacy.pth", "views.pth", "checkpoint.pth", "f64.pth"] {
        let (file, out) = (golden(name), folder.path().join(name));
        file.write_safetensors(&out).unwrap();
        let again = TensorFile::open(&out).unwrap();
        assert_eq!(again.format(), Format::Safetensors);
        assert_eq!((shapes(&again), again.wrapper()), (shapes(&file), file.wrapper()));
        for (a, b) in file.entries().iter().zip(again.entries()) {
            assert_eq!(a.dtype, b.dtype);
            if a.dtype.is_float() {
                assert_eq!(file.values(a).unwrap(), again.values(b).unwrap(), "{name} {}", a.name);
            }
        }
        let bytes = std::fs::read(&out).unwrap();
        ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    }
    let refusal = golden("kinds.pth").write_safetensors(&folder.path().join("kinds")).map(drop);
    assert!(refusal.is_ok(), "safetensors know all of these: {refusal:?}");
}

#[test]
fn what_is_no_file_of_weights_is_told_apart() {
    let told = |bytes: &[u8]| TensorFile::of_bytes(bytes, "x").unwrap_err().to_string();
    assert!(told(b"").contains("got 0 bytes"));
    assert!(told(b"\0\0\0\0\x02\0\0\0").contains("begin with 00 00 00 00 02 00 00 00\nhelp: "));
    assert!(told(b"<!DOCTYPE html><html>").contains("a page of the web"));
    assert!(told(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(told(&tar).contains("before 0.2"));
    // A pickle of something else: protocol 2, the number 5.
    assert!(told(b"\x80\x02K\x05.").contains("a pickle of 5, not a file of PyTorch's\nhelp: "));
}

/// Rows that lie far apart, and numbers few among many, are read as the rest: against a plain walk through the bytes.
#[test]
fn views_of_large_storages_are_gathered() {
    let numbers: Vec<f32> = (0..40_000).map(|v| v as f32).collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut file = TensorFile::of_bytes(HEADER, "x").unwrap();
    file.source = Source::Bytes(&bytes);
    for (shape, strides, first) in [
        (vec![4, 5000], vec![10_000, 1], 3),
        (vec![10, 20], vec![4000, 190], 7),
        (vec![20, 10], vec![190, 4000], 7),
        (vec![19_999], vec![2], 1),
        (vec![300], vec![130], 0),
        (vec![3, 2, 100], vec![1, 0, 300], 11),
        (vec![1, 2000, 1, 3], vec![0, 3, 0, 1], 5),
    ] {
        let end = bytes.len() as u64;
        let entry = Entry::view("t", Dtype::F32, shape.clone(), strides.clone(), (4 * first as u64, end)).unwrap();
        let mut expected = vec![first];
        for (side, stride) in shape.iter().zip(&strides) {
            expected = expected.iter().flat_map(|at| (0..*side).map(move |i| at + i * stride)).collect();
        }
        let expected: Vec<f32> = expected.into_iter().map(|at| numbers[at]).collect();
        assert_eq!(file.values(&entry).unwrap(), expected, "{shape:?} {strides:?}");
    }
    let beyond = |shape, strides, end| Entry::view("t", Dtype::F32, shape, strides, (0, end)).is_none();
    assert!(beyond(vec![3, 4], vec![4, 1], 47) && !beyond(vec![3, 4], vec![4, 1], 48));
    assert!(beyond(vec![usize::MAX, 2], vec![0, 0], 48) && beyond(vec![2], vec![usize::MAX], 48));
}

/// A file of no tensors.
const HEADER: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use wrs_nn::{Init, ParamsBuilder, Role};

use super::*;
use crate::Metadata;
use crate::safetensors::{save, write};

fn network(classes: usize, seed: u64) -> Params {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    let draw = Init::Normal { std: 1.0 };
    root.sub("conv").add("weight", Role::ConvWeight, &[4, 3, 2, 5], draw);
    root.sub("bn").add("weight", Role::NormScale, &[4], draw);
    root.sub("bn").add("running_var", Role::RunningVar, &[4], Init::Constant(0.5));
    root.sub("head").add("weight", Role::LinearWeight, &[classes, 4], draw);
    builder.build(seed)
}

fn bytes_of(params: &Params) -> Vec<u8> {
    let mut bytes = Vec::new();
    let metadata = Metadata::from([("task".into(), "detection".into()), ("classes".into(), "[\"a\"]".into())]);
    write(params, &metadata, &mut bytes).unwrap();
    bytes
}

fn bits(params: &Params) -> Vec<u32> {
    params.trainable().host().iter().chain(params.statistics().host()).map(|v| v.to_bits()).collect()
}

fn le_bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

#[test]
fn a_network_comes_back_bit_for_bit_and_with_its_metadata() {
    let saved = network(7, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let metadata = Metadata::from([("task".to_owned(), "detection".to_owned())]);
    save(&saved, &metadata, &path).unwrap();
    assert_eq!(TensorFile::open(&path).unwrap().metadata(), &metadata);
    let mut loaded = network(7, 2);
    assert_ne!(bits(&loaded), bits(&saved));
    let report = load_into(&mut loaded, &path, Strictness::Exact).unwrap();
    assert_eq!(report, LoadReport { tensors: 4, loaded: 4, ..LoadReport::default() });
    assert_eq!(bits(&loaded), bits(&saved));
}

#[test]
fn equal_networks_give_equal_bytes_that_others_can_read() {
    let params = network(7, 1);
    let bytes = bytes_of(&params);
    assert_eq!(bytes, bytes_of(&params));
    let tensors = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let conv = tensors.tensor("conv.weight").unwrap();
    assert_eq!((conv.dtype(), conv.shape()), (Dtype::F32, &[4, 5, 3, 2][..]));
    let memory = params.values(params.find("conv.weight").unwrap());
    let (o, i, y, x) = (2, 3, 1, 0);
    let at = 4 * (((o * 5 + i) * 3 + y) * 2 + x);
    assert_eq!(conv.data()[at..at + 4], memory[((o * 3 + y) * 2 + x) * 5 + i].to_le_bytes());
    assert_eq!(bytes.len() % 8, 0, "the header is padded");
}

#[test]
fn halves_are_converted_and_batch_counts_passed_over() {
    let mut params = network(1, 1);
    let conv = vec![0; 4 * 120];
    let scale: Vec<u8> = [1.5f32, -2.0, 0.25, 3.0].iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
    let var: Vec<u8> = [1.0f32, 2.0, 4.0, 0.5].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
    let (head, count) = (le_bytes([1.0, 2.0, 3.0, 4.0]), 9i64.to_le_bytes());
    let tensors = [
        ("conv.weight", TensorView::new(Dtype::F32, vec![4, 5, 3, 2], &conv).unwrap()),
        ("bn.weight", TensorView::new(Dtype::F16, vec![4], &scale).unwrap()),
        ("bn.running_var", TensorView::new(Dtype::BF16, vec![4], &var).unwrap()),
        ("bn.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &count).unwrap()),
        ("head.weight", TensorView::new(Dtype::F32, vec![1, 4], &head).unwrap()),
    ];
    load_bytes(&mut params, &serialize(tensors, None).unwrap(), "torch", Strictness::Exact).unwrap();
    assert_eq!(params.values(params.find("bn.weight").unwrap()), [1.5, -2.0, 0.25, 3.0]);
    assert_eq!(params.values(params.find("bn.running_var").unwrap()), [1.0, 2.0, 4.0, 0.5]);
    assert_eq!(params.values(params.find("head.weight").unwrap()), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn another_number_of_classes_is_refused_exactly_and_reported_partially() {
    let file = network(80, 1);
    let mut model = network(7, 2);
    let before = bits(&model);
    let error = load_bytes(&mut model, &bytes_of(&file), "coco", Strictness::Exact).unwrap_err();
    assert!(error.to_string().contains("head.weight: expected [7, 4], got [80, 4]"), "{error}");
    assert_eq!(bits(&model), before);
    let report = load_bytes(&mut model, &bytes_of(&file), "coco", Strictness::Partial).unwrap();
    assert_eq!((report.loaded, report.mismatched.len()), (3, 1));
    let id = model.find("conv.weight").unwrap();
    assert_eq!(model.values(id), file.values(id));
    assert_eq!(model.statistics().host(), file.statistics().host());
}

#[test]
fn the_file_of_a_part_is_loaded_under_its_prefix() {
    let part = network(7, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.safetensors");
    save(&part, &Metadata::new(), &path).unwrap();
    let file = TensorFile::open(&path).unwrap();
    let names: Vec<&str> = file.names().collect();
    assert_eq!(names, ["conv.weight", "bn.weight", "bn.running_var", "head.weight"]);
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    root.sub("body").sub("conv").add("weight", Role::ConvWeight, &[4, 3, 2, 5], Init::Constant(0.0));
    root.sub("body").sub("bn").add("weight", Role::NormScale, &[3], Init::Constant(0.0));
    // Not below the prefix, though the file has a tensor of this very name.
    root.sub("head").add("weight", Role::LinearWeight, &[7, 4], Init::Constant(0.0));
    let mut whole = builder.build(0);
    let report =
        load_renamed(&mut whole, &file, |name| name.strip_prefix("body.").map(str::to_owned), Strictness::Partial)
            .unwrap();
    let shapes = Mismatch { name: "body.bn.weight".into(), expected: vec![3], got: vec![4] };
    assert_eq!((report.loaded, report.missing.as_slice()), (1, &["head.weight".to_owned()][..]));
    assert_eq!((report.mismatched.as_slice(), report.unexpected.len()), (&[shapes][..], 2));
    assert!(report.lines("part")[3].ends_with("of another shape: 1: body.bn.weight: expected [3], got [4]"));
    let values = |params: &Params, name| params.values(params.find(name).unwrap()).to_vec();
    assert_eq!(values(&whole, "body.conv.weight"), values(&part, "conv.weight"));
    assert_eq!(values(&whole, "head.weight"), [0.0; 28]);
    let strict =
        load_renamed(&mut whole, &file, |name| name.strip_prefix("body.").map(str::to_owned), Strictness::Exact);
    assert!(matches!(strict, Err(WeightsError::DoesNotFit { .. })));
    let nowhere =
        load_renamed(&mut whole, &file, |name| name.strip_prefix("elsewhere.").map(str::to_owned), Strictness::Partial);
    assert!(matches!(nowhere, Err(WeightsError::NothingFits { .. })));
}

#[test]
fn a_file_of_something_else_is_refused() {
    let mut params = network(7, 1);
    let before = bits(&params);
    let data = [0; 8];
    let stranger = |dtype, name, shape| {
        let view = TensorView::new(dtype, shape, &data).unwrap();
        serialize([(name, view)], None).unwrap()
    };
    let none = load_bytes(&mut params, &stranger(Dtype::F32, "fc", vec![2]), "x", Strictness::Partial);
    assert!(matches!(none, Err(WeightsError::NothingFits { .. })));
    let integers = load_bytes(&mut params, &stranger(Dtype::I16, "bn.weight", vec![4]), "x", Strictness::Partial);
    assert!(matches!(integers, Err(WeightsError::Dtype { .. })));
    let missing = load_into(&mut params, Path::new("no/such.safetensors"), Strictness::Exact).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read no/such.safetensors: "));
    assert_eq!(bits(&params), before);
}

#[test]
fn numbers_that_no_network_has_are_named() {
    let mut file = network(7, 1);
    let (var, conv) = (file.find("bn.running_var").unwrap(), file.find("conv.weight").unwrap());
    file.values_mut(var).copy_from_slice(&[1.0, 0.0, 2.0, 3.0]);
    let refusal =
        |file: &Params| load_bytes(&mut network(7, 2), &bytes_of(file), "a.pth", Strictness::Exact).unwrap_err();
    assert!(load_bytes(&mut network(7, 2), &bytes_of(&file), "a.pth", Strictness::Exact).is_ok());
    file.values_mut(var)[2] = -0.5;
    let text = refusal(&file).to_string();
    let expected = "a.pth: tensor `bn.running_var`, value 2: expected a finite number, not negative, got -0.5\nhelp: ";
    assert!(text.starts_with(expected), "{text}");
    // The places are the file's: the last of 120.
    file.values_mut(conv)[119] = f32::NAN;
    let text = refusal(&file).to_string();
    assert!(text.contains("`conv.weight`, value 119: expected a finite number, got NaN"), "{text}");
}

fn read_all_ways(bytes: &[u8]) {
    let mut params = network(2, 1);
    let before = bits(&params);
    if let Err(error) = load_bytes(&mut params, bytes, "fuzz", Strictness::Exact) {
        let is_told_late = matches!(error, WeightsError::Value { .. });
        assert!(is_told_late || bits(&params) == before, "a refused file must leave the network alone");
    }
    let _ = load_bytes(&mut params, bytes, "fuzz", Strictness::Partial);
    let _ = crate::NamedBuffers::read(bytes, "fuzz");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all_ways(&bytes);
    }

    #[test]
    fn random_headers_never_panic(header in "[\\{\\}\\[\\]:,\"a-f0-9_]{0,80}", tail in 0usize..40) {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + tail, 0);
        read_all_ways(&bytes);
    }

    #[test]
    fn mutated_files_never_panic(
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
        kept in 0.5..1.2f64,
    ) {
        let mut bytes = bytes_of(&network(2, 1));
        for (at, byte) in changes {
            let at = (at * at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((kept * bytes.len() as f64) as usize);
        read_all_ways(&bytes);
    }
}

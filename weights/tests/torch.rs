//! Files of `torch.save`: read as PyTorch reads them, and nothing of them run.
//!
//! The goldens were made by PyTorch 2.15: `torch.save(state_dict, "zip.pth")`, and of a checkpoint with the same tensors behind
//! `module.` under `state_dict`, beside an epoch, an `argparse.Namespace`, a numpy scalar and an optimizer's state, the `-nested`
//! ones; `pickle_protocol=4` and `_use_new_zipfile_serialization=False` as the names say.  All tensors but the small ones are
//! windows of `torch.arange(24) / 4 - 2`.

#![allow(clippy::unwrap_used, clippy::float_cmp)] // tests

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wrs_nn::{Init, Params, ParamsBuilder, Role};
use wrs_weights::load::{load_bytes, load_into};
use wrs_weights::tensors::{Dtype, Format, TensorFile};
use wrs_weights::{Strictness, WeightsError};

const GOLDENS: [(&str, Format); 5] = [
    ("zip.pth", Format::TorchZip),
    ("zip-nested.pth", Format::TorchZip),
    ("zip-protocol4.pth", Format::TorchZip),
    ("legacy.pth", Format::TorchLegacy),
    ("legacy-nested.pth", Format::TorchLegacy),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn base(i: usize) -> f32 {
    i as f32 / 4.0 - 2.0
}

#[test]
fn tensors_are_those_that_pytorch_saved() {
    for (name, format) in GOLDENS {
        let mut file = TensorFile::open(&golden(name)).unwrap();
        assert_eq!(file.format(), format, "{name}");
        let names: Vec<&str> = file.entries().keys().map(String::as_str).collect();
        let expected = [
            "bfloat",
            "bn.num_batches_tracked",
            "conv.weight",
            "double",
            "empty",
            "half",
            "parameter",
            "scalar",
            "turned",
            "view",
        ];
        assert_eq!(names, expected, "{name}");
        let shape = |tensor: &str| file.entries()[tensor].shape.clone();
        assert_eq!((shape("conv.weight"), shape("turned")), (vec![2, 3, 2, 2], vec![6, 4]), "{name}");
        assert_eq!((shape("scalar"), shape("empty")), (vec![], vec![0, 3]), "{name}");
        let mut values = |tensor: &str| file.values(tensor).unwrap().unwrap();
        assert_eq!(values("conv.weight"), (0..24).map(base).collect::<Vec<_>>());
        assert_eq!(values("view"), [8, 9, 10, 14, 15, 16].map(base));
        assert_eq!(values("turned"), (0..24).map(|i| base(i % 4 * 6 + i / 4)).collect::<Vec<_>>());
        assert_eq!(values("half"), [1.5, -2.0, 0.25]);
        assert_eq!(values("bfloat"), [1.0, -4.0, 0.5]);
        assert_eq!(values("double"), [0.1, 1e-3]);
        assert_eq!((values("scalar"), values("parameter")), (vec![7.0], vec![3.0, 4.0]));
        assert!(values("empty").is_empty());
        assert!(file.values("no such").unwrap().is_none());
        let integers = file.values("bn.num_batches_tracked").unwrap_err().to_string();
        assert!(
            integers.contains("`bn.num_batches_tracked`: expected float32") && integers.contains("int64"),
            "{integers}"
        );
    }
}

#[test]
fn what_stands_beside_the_tensors_is_told() {
    let facts = |name| TensorFile::open(&golden(name)).unwrap().facts().to_vec();
    assert!(facts("zip.pth").is_empty());
    let expected = [("epoch", "31"), ("best", "0.5"), ("arch", "tiny"), ("flag", "true")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    for name in ["zip-nested.pth", "zip-protocol4.pth", "legacy-nested.pth"] {
        assert_eq!(facts(name), expected, "{name}");
    }
}

fn network() -> Params {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    let zero = Init::Constant(0.0);
    root.sub("conv").add("weight", Role::ConvWeight, &[2, 2, 2, 3], zero);
    root.add("turned", Role::LinearWeight, &[6, 4], zero);
    root.add("half", Role::Bias, &[3], zero);
    root.add("absent", Role::Bias, &[3], zero);
    builder.build(0)
}

#[test]
fn a_network_is_loaded_in_its_own_order_of_axes() {
    for (name, _) in GOLDENS {
        let mut params = network();
        let report = load_into(&mut params, &golden(name), Strictness::Partial).unwrap();
        assert_eq!((report.loaded, report.missing.as_slice()), (3, &["absent".to_owned()][..]), "{name}");
        // The count of batches is passed over, all else is named.
        assert_eq!(report.unexpected, ["bfloat", "double", "empty", "parameter", "scalar", "view"], "{name}");
        let values = params.values(params.find("conv.weight").unwrap());
        // [o, y, x, i] in memory is [o, i, y, x] in the file.
        assert_eq!(values[((1 * 2 + 1) * 2) * 3 + 2], base(((1 * 3 + 2) * 2 + 1) * 2), "{name}");
        assert_eq!(params.values(params.find("turned").unwrap())[1], base(6), "{name}");
    }
}

/// A pickle of protocol 2 in the old format's place of the object, behind its true beginning.
fn legacy(object: &[u8]) -> Vec<u8> {
    let begin = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [&begin[..], object, b"\x80\x02]."].concat()
}

fn refusal(bytes: &[u8]) -> String {
    TensorFile::of_bytes(bytes, "evil.pth").err().expect("refused").to_string()
}

#[test]
fn a_pickle_that_calls_anything_is_refused_by_name() {
    for (pickle, name) in [
        (&b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R."[..], "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.", "posix.system"),
        (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"),
        (b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93)R.", "subprocess.Popen"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"(cos\nsystem\nX\x02\x00\x00\x00ido.", "os.system"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x00\x85R.", "torch.storage._load_from_bytes"),
        (b"\x80\x02ctorch.jit\nload\n)R.", "torch.jit.load"),
        (b"\x80\x02ctorch\nload\n)R.", "torch.load"),
        (b"\x80\x02cnumpy\nload\n)R.", "numpy.load"),
    ] {
        let text = refusal(&legacy(pickle));
        assert!(text.contains(&format!("asks for `{name}`, which is refused; nothing of it was run")), "{text}");
        assert!(text.contains("evil.pth: ") && text.contains("help: save the weights alone"), "{text}");
    }
}

#[test]
fn hostile_pickles_end_in_a_message_and_take_no_memory() {
    // A dictionary in itself, ten thousand times over; lists of lists, each of two of the one before: 2^1000 leaves.
    let cyclic = [&b"\x80\x02}q\x00X\x01\x00\x00\x00a"[..], &b"h\x00s"[..], b"."].concat();
    assert!(refusal(&legacy(&cyclic)).contains("expected a state dict"));
    let mut doubled = b"\x80\x02]q\x00".to_vec();
    for i in 0..250u8 {
        doubled.extend([b'h', i, b'h', i, 0x86, b'q', i + 1]);
    }
    doubled.push(b'.');
    assert!(refusal(&legacy(&doubled)).contains("something else than a dictionary"));
    let deep = [&b"\x80\x02"[..], &vec![b']'; 100_000], &vec![b'a'; 99_999], b"."].concat();
    assert!(refusal(&legacy(&deep)).contains("something else than a dictionary"));
    let wrapped: Vec<u8> = (0..20).flat_map(|_| *b"}X\x05\x00\x00\x00model").collect();
    let wrapped = [&b"\x80\x02"[..], &wrapped, b"}", &[b's'; 20], b"."].concat();
    assert!(refusal(&legacy(&wrapped)).contains("wrappers within wrappers"));
    // Lengths that the file does not have.
    for huge in [
        &b"\x80\x02X\xff\xff\xff\xff"[..],
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x02T\xff\xff\xff\x7f",
    ] {
        assert!(refusal(&legacy(huge)).contains("more than are left"), "{}", refusal(&legacy(huge)));
    }
    for (broken, told) in [
        (&b"\x80\x02."[..], "takes more from the stack"),
        (b"\x80\x02h\x07.", "recalls what it never kept"),
        (b"\x80\x02\xff.", "opcode 0xff"),
        (b"\x80\x09N.", "protocol 5 or less, got 9"),
        (b"\x80\x02X\x01\x00\x00\x00a(X\x01\x00\x00\x00aNu.", "sets items of what is no dictionary"),
        (b"\x80\x02}(X\x01\x00\x00\x00au.", "a key without a value"),
        (b"\x80\x02K\x01)R.", "calls what has no name"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "builds a tensor from too little"),
        (b"\x80\x02K\x01Q.", "where a tuple belongs"),
    ] {
        assert!(refusal(&legacy(broken)).contains(told), "{told}: {}", refusal(&legacy(broken)));
    }
}

/// One tensor of the given sizes over a storage of four values.
fn window(offset: i32, size: &[i32], stride: &[i32]) -> Vec<u8> {
    let tuple = |numbers: &[i32]| {
        let items: Vec<u8> = numbers.iter().flat_map(|n| [&b"J"[..], &n.to_le_bytes()].concat()).collect();
        [&b"("[..], &items, b"t"].concat()
    };
    let id = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04Nt";
    let object = [
        &b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("[..],
        id,
        b"QJ",
        &offset.to_le_bytes(),
        &tuple(size),
        &tuple(stride),
        b"\x89}tRs.",
    ]
    .concat();
    let mut bytes = legacy(&object);
    bytes.pop();
    bytes.extend(b"X\x01\x00\x00\x000a.");
    bytes.extend(4u64.to_le_bytes());
    bytes.extend([1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[test]
fn a_tensor_lies_within_its_storage() {
    let read = |bytes: &[u8]| TensorFile::of_bytes(bytes, "x").unwrap().values("a").unwrap().unwrap();
    assert_eq!(read(&window(1, &[3], &[1])), [2.0, 3.0, 4.0]);
    assert_eq!(read(&window(0, &[2, 2], &[1, 2])), [1.0, 3.0, 2.0, 4.0]);
    for (offset, size, stride) in [
        (2, &[3][..], &[1][..]),
        (0, &[2], &[4]),
        (0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
        (0, &[i32::MAX, i32::MAX, i32::MAX], &[1, 1, 1]),
        (0, &[1000], &[0]),
        (i32::MAX, &[1], &[1]),
    ] {
        let text = refusal(&window(offset, size, stride));
        assert!(text.contains("does not lie in its storage of 16 bytes"), "{text}");
    }
    assert!(refusal(&window(-1, &[1], &[1])).contains("begins before its storage"));
    assert!(refusal(&window(0, &[-1], &[1])).contains("not whole numbers"));
    assert!(refusal(&window(0, &[1, 1], &[1])).contains("other strides than sizes"));
    let mut short = window(0, &[4], &[1]);
    short.pop();
    assert!(refusal(&short).contains("ends within storage `0` of 4 values"));
}

/// Whatever is done with a file, it ends.
fn read_all(bytes: &[u8]) -> Result<(), WeightsError> {
    let _ = load_bytes(&mut network(), bytes, "fuzz", Strictness::Partial);
    let mut file = TensorFile::of_bytes(bytes, "fuzz")?;
    let names: Vec<String> = file.entries().keys().cloned().collect();
    names.iter().try_for_each(|name| match file.values(name) {
        Err(WeightsError::Dtype { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    })
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (name, _) in GOLDENS {
        let bytes = std::fs::read(golden(name)).unwrap();
        read_all(&bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(read_all(&bytes[..end]).is_err(), "{name} cut at {end} of {}", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_pickles_never_panic(object in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_all(&legacy(&object));
        let _ = read_all(&[&b"PK\x03\x04"[..], &object].concat());
    }

    #[test]
    fn random_opcodes_never_panic(ops in proptest::collection::vec(
        proptest::sample::select(&b"(.012NIJKMLFGSTUXVBCc]})letdasuRbQqhgpr\x80\x81\x85\x86\x87\x88\x89\x8c\x93\x94"[..]), 0..200,
    )) {
        let _ = read_all(&legacy(&ops));
    }

    #[test]
    fn mutated_files_never_panic(
        which in 0..GOLDENS.len(),
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..8),
        kept in 0.7..1.1f64,
    ) {
        let mut bytes = std::fs::read(golden(GOLDENS[which].0)).unwrap();
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((kept * bytes.len() as f64) as usize);
        let _ = read_all(&bytes);
    }
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_files_are_read_whole() {
    let folder = PathBuf::from(std::env::var_os("WRS_TEST_DATA").unwrap()).join("weights_resnet_cifar10");
    // What torch.load finds in them: tensors, values, their sum, the first value, the last.
    for (name, tensors, values, sum, first, last) in [
        ("resnet20-12fca82f.th", 97, 271_098, 139.782_649_559_820_8, -0.138_181_46, 0.193_559_07),
        ("resnet56-4bfd9763.th", 277, 857_082, 1_427.879_011_697_099, -0.216_048_76, 0.134_655_37),
    ] {
        let mut file = TensorFile::open(&folder.join(name)).unwrap();
        assert_eq!((file.format(), file.entries().len()), (Format::TorchLegacy, tensors));
        let names: Vec<String> = file.entries().keys().cloned().collect();
        let all: Vec<f32> = names.iter().flat_map(|name| file.values(name).unwrap().unwrap()).collect();
        let total: f64 = all.iter().map(|&v| f64::from(v)).sum();
        assert!(all.len() == values && (total - sum).abs() < 1e-6, "{name}: {} values, sum {total}", all.len());
        assert_eq!(file.values("conv1.weight").unwrap().unwrap()[0], first);
        assert_eq!(file.values("linear.bias").unwrap().unwrap()[0], last);
        assert!(file.entries().values().all(|entry| entry.dtype == Dtype::F32));
        assert_eq!(file.facts()[0].0, "best_prec1");
    }
}

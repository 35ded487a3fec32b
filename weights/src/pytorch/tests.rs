use std::io::{Cursor, Write};
use std::path::PathBuf;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};
use proptest::prelude::*;

use crate::{TensorFile, WeightsError};

const GOLDENS: [&str; 11] = [
    "zip.pth",
    "legacy.pth",
    "protocol4.pth",
    "protocol5_legacy.pth",
    "f64.pth",
    "views.pth",
    "views_legacy.pth",
    "kinds.pth",
    "checkpoint.pth",
    "checkpoint_legacy.pth",
    "parameter.pth",
];

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    std::fs::read(path).unwrap()
}

/// Reads all that can be read, tensors one by one.
fn read_whole(bytes: &[u8]) -> Result<usize, WeightsError> {
    let file = TensorFile::of_bytes(bytes, "x")?;
    for entry in file.entries() {
        let _ = file.values(entry);
    }
    Ok(file.entries().len())
}

/// `torch.save` of a pickle and its storages, by hand.
fn zipped(pickle: &[u8], members: &[(&str, &[u8])]) -> Vec<u8> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("archive/data.pkl", pickle)].iter().chain(members) {
        zip.start_file(*name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `{"a": view of storage "0"}`.
fn pickle_of(len: u32, offset: u8, shape: &[u32], strides: &[u32]) -> Vec<u8> {
    let number = |n: u32| [&b"J"[..], &n.to_le_bytes()].concat();
    let tuple =
        |items: &[u32]| [b"(".to_vec(), items.iter().flat_map(|&n| number(n)).collect(), b"t".to_vec()].concat();
    [
        b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n".to_vec(),
        b"X\x01\0\0\x000X\x03\0\0\0cpu".to_vec(),
        number(len),
        b"tQ".to_vec(),
        vec![b'K', offset],
        tuple(shape),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtRs.".to_vec(),
    ]
    .concat()
}

fn told(bytes: &[u8]) -> String {
    read_whole(bytes).unwrap_err().to_string()
}

#[test]
fn every_truncation_is_an_error() {
    for name in GOLDENS {
        let whole = golden(name);
        assert!(read_whole(&whole).is_ok(), "{name}");
        for len in 0..whole.len() {
            assert!(read_whole(&whole[..len]).is_err(), "{name} cut at {len} of {}", whole.len());
        }
    }
}

#[test]
fn a_hostile_pickle_is_refused_in_both_forms() {
    let pickle = b"\x80\x02cos\nsystem\nX\x0c\0\0\0touch hacked\x85R.";
    let text = told(&zipped(pickle, &[]));
    let expected = "x: its pickle asks for `os.system` (byte ";
    assert!(text.starts_with(expected) && text.contains("nothing of it was run\nhelp: "), "{text}");
    let legacy = golden("legacy.pth");
    // Behind the magic number, the version and the system stands the value.
    let mut start = legacy.clone();
    let at = legacy.windows(14).position(|w| w == b"\x80\x02ccollections").unwrap();
    start.truncate(at);
    start.extend(pickle);
    assert!(told(&start).starts_with(expected), "{}", told(&start));
    assert!(!std::path::Path::new("hacked").exists());
}

#[test]
fn views_lie_in_their_storages() {
    let storage = [0; 24];
    let with = |pickle: &[u8]| zipped(pickle, &[("archive/data/0", &storage)]);
    assert_eq!(read_whole(&with(&pickle_of(6, 0, &[2, 3], &[3, 1]))).unwrap(), 1);
    assert_eq!(read_whole(&with(&pickle_of(6, 2, &[2, 2], &[2, 1]))).unwrap(), 1);
    for (len, offset, shape, strides) in [
        (6, 1, [2, 3], [3, 1]),
        (6, 0, [2, 3], [4, 1]),
        (6, 0, [3, 3], [3, 1]),
        (6, 0, [0x7fff_ffff, 0x7fff_ffff], [3, 1]),
        (6, 0, [2, 2], [0x7fff_ffff, 1]),
    ] {
        let text = told(&with(&pickle_of(len, offset, &shape, &strides)));
        assert!(
            text.contains("tensor `a`: a view") && text.contains("does not lie in its storage of 24 bytes"),
            "{text}"
        );
    }
    // More repeats than any file has.
    let text = told(&with(&pickle_of(6, 0, &[30_000, 3], &[0, 1])));
    assert!(text.contains("tensor `a`: 90000 numbers of F32 in "), "{text}");
    let text = told(&with(&pickle_of(7, 0, &[1, 1], &[1, 1])));
    assert!(text.contains("storage `0`: expected 7 numbers of F32 behind 0, got 24 bytes"), "{text}");
    let text = told(&zipped(&pickle_of(6, 0, &[2, 3], &[3, 1]), &[]));
    assert!(text.contains("storage `0`: it is not in the file"), "{text}");
}

#[test]
fn other_zips_are_told_apart() {
    let pickle = pickle_of(1, 0, &[1], &[1]);
    let text = told(&zipped(&pickle, &[("archive/constants.pkl", b"")]));
    assert!(text.contains("a program saved by torch.jit"), "{text}");
    let text = told(&zipped(&pickle, &[("archive/byteorder", b"big")]));
    assert!(text.contains("expected the byte order `little`, got `big`"), "{text}");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("word/document.xml", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
        .unwrap();
    let text = told(&zip.finish().unwrap().into_inner());
    assert!(text.contains("a zip without a member `data.pkl`"), "{text}");
    // A member's method in the directory says deflate.
    let mut deflated = zipped(&pickle, &[]);
    let directory = deflated.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    deflated[directory + 10] = 8;
    assert!(told(&deflated).contains("is compressed or encrypted"), "{}", told(&deflated));
}

/// Sizes and places in the directory, each with its bytes replaced by large ones.
#[test]
fn a_lying_directory_is_an_error_or_harmless() {
    let whole = golden("zip.pth");
    let directory = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for at in directory..whole.len() {
        for lie in [0xff, 0x7f, 0x00] {
            let mut lying = whole.clone();
            lying[at] = lie;
            let _ = read_whole(&lying);
            if at + 4 <= lying.len() {
                lying[at..at + 4].fill(lie);
                let _ = read_whole(&lying);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_goldens_never_panic(
        which in 0..GOLDENS.len(),
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..8),
        kept in 0.5..1.2f64,
    ) {
        let mut bytes = golden(GOLDENS[which]);
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        if kept < 1.0 {
            bytes.truncate((kept * bytes.len() as f64) as usize);
        }
        let _ = read_whole(&bytes);
    }

    #[test]
    fn random_pickles_never_panic(code in proptest::collection::vec(
        prop_oneof![
            3 => proptest::sample::select(b"(.012GJKMNQRTUXBCabcdehjlqrstu}])\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8f\x90\x91\x93\x94".to_vec())
                .prop_map(|byte| vec![byte]),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
            2 => proptest::sample::select(vec![
                b"ccollections\nOrderedDict\n".to_vec(),
                b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
                b"ctorch._utils\n_rebuild_parameter\n".to_vec(),
                b"ctorch._tensor\n_rebuild_from_type_v2\n".to_vec(),
                b"ctorch\nFloatStorage\n".to_vec(),
                b"ctorch\nSize\n".to_vec(),
                b"X\x07\0\0\0storage".to_vec(),
                b"X\x01\0\0\x000".to_vec(),
            ]),
        ],
        0..60,
    )) {
        let pickle = code.concat();
        let _ = read_whole(&zipped(&pickle, &[("archive/data/0", &[0; 16])]));
        let mut legacy = golden("legacy.pth");
        legacy.truncate(16);
        legacy.extend(pickle);
        let _ = read_whole(&legacy);
    }
}

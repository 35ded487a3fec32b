//! Index PNGs: every depth and layout read as indices, everything else refused, no bytes that break the reader.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod masks;

use masks::{Header, palette, png, png_of_data};
use proptest::prelude::*;
use wrs_datasets::label_map::{
    LabelMap, LabelMapError, decode_label_map, encode_label_map, probe_label_map, read_label_map, voc_palette,
    write_label_map,
};

fn refusal(bytes: &[u8]) -> String {
    decode_label_map(bytes).unwrap_err().to_string()
}

#[test]
fn a_palette_mask_is_its_indices_not_its_colours() {
    let map = decode_label_map(&png(palette(3, 2), &[0, 20, 255, 1, 2, 3])).unwrap();
    assert_eq!((map.width, map.height), (3, 2));
    assert_eq!(map.labels, [0, 20, 255, 1, 2, 3]);
}

#[test]
fn masks_of_several_channels_are_refused_with_the_mend() {
    for (color, channels, name) in [(2, 3, "RGB"), (6, 4, "RGB with alpha"), (4, 2, "grey with alpha")] {
        let bytes = png(Header { width: 2, height: 1, color, bits: 8, interlace: 0 }, &vec![7; 2 * channels]);
        let text = refusal(&bytes);
        assert!(text.contains(&format!("got {name}\nhelp: map each colour of the mask to its class index")), "{text}");
    }
}

#[test]
fn sixteen_bits_are_labels_up_to_255() {
    let header = Header { width: 2, height: 2, color: 0, bits: 16, interlace: 0 };
    assert_eq!(decode_label_map(&png(header, &[0, 255, 20, 1])).unwrap().labels, [0, 255, 20, 1]);
    let text = refusal(&png(header, &[0, 255, 20, 256]));
    assert!(text.starts_with("expected labels 0 to 255, got 256 at x 1, y 1"), "{text}");
}

#[test]
fn other_formats_are_named() {
    assert!(refusal(b"\xff\xd8\xff\xe0 JFIF").contains("got a JPEG, whose compression changes labels"));
    assert!(refusal(b"").contains("got an empty file"));
    assert!(refusal(b"II*\0").contains("got a TIFF"));
    assert!(refusal(b"hello").contains("got other bytes"));
}

#[test]
fn a_header_of_too_many_pixels_allocates_nothing() {
    for (width, height) in [(0x7fff_ffff, 0x7fff_ffff), (10_001, 10_000), (1, 100_000_001)] {
        let bytes = png_of_data(palette(width, height), &[0x78, 1, 3, 0, 0, 0, 0, 1]);
        let error = decode_label_map(&bytes).unwrap_err();
        assert!(matches!(error, LabelMapError::TooLarge { .. }), "{width}x{height}: {error}");
    }
    let empty = decode_label_map(&png_of_data(palette(0, 4), &[0x78, 1, 3, 0, 0, 0, 0, 1])).unwrap_err();
    assert!(matches!(empty, LabelMapError::Damaged(_)), "{empty}");
}

#[test]
fn a_mask_cut_off_anywhere_in_its_data_is_damaged() {
    let bytes = png(palette(30, 20), &[5; 600]);
    let after_data = bytes.len() - 12; // IEND
    for end in 8..after_data {
        let error = decode_label_map(&bytes[..end]).expect_err("a part is missing");
        assert!(matches!(error, LabelMapError::Damaged(_)), "{end} bytes: {error}");
    }
}

/// The data of the first chunk of a kind.
fn chunk(png: &[u8], kind: [u8; 4]) -> &[u8] {
    let mut rest = &png[8..];
    loop {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        if rest[4..8] == kind {
            return &rest[8..8 + length];
        }
        rest = &rest[12 + length..];
    }
}

#[test]
fn what_is_written_is_a_palette_png_of_256_colours() {
    let bytes = encode_label_map(&LabelMap { width: 2, height: 1, labels: vec![0, 15] }, &voc_palette()).unwrap();
    assert_eq!(
        chunk(&bytes, *b"IHDR"),
        [0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0],
        "8 bits, colour type 3, not interlaced"
    );
    let colours = chunk(&bytes, *b"PLTE");
    assert_eq!(colours.len(), 256 * 3);
    assert_eq!((&colours[..6], &colours[45..48]), (&[0, 0, 0, 128, 0, 0][..], &[192, 128, 128][..]));
}

#[test]
fn a_written_file_is_read_again_and_replaced_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2007_000032.png");
    for map in [
        LabelMap { width: 40, height: 30, labels: vec![255; 1200] },
        LabelMap { width: 3, height: 1, labels: vec![0, 20, 255] },
    ] {
        write_label_map(&path, &map, &voc_palette()).unwrap();
        assert_eq!(read_label_map(&path).unwrap(), map);
    }
    let nowhere = folder.path().join("missing").join("a.png");
    let map = LabelMap { width: 1, height: 1, labels: vec![0] };
    assert!(matches!(write_label_map(&nowhere, &map, &voc_palette()), Err(LabelMapError::Write(_))));
}

#[test]
fn a_map_that_is_no_rectangle_is_not_written() {
    for (width, height, labels) in [(3, 2, 5), (3, 2, 7), (0, 4, 0), (usize::MAX, 2, 1)] {
        let error = encode_label_map(&LabelMap { width, height, labels: vec![0; labels] }, &voc_palette()).unwrap_err();
        assert!(matches!(error, LabelMapError::Shape { .. }), "{width}x{height}: {error}");
    }
}

fn header() -> impl Strategy<Value = Header> {
    let depths =
        prop_oneof![(prop_oneof![Just(0), Just(3)], prop_oneof![Just(1), Just(2), Just(4), Just(8)]), Just((0, 16_u8))];
    (1..20_u32, 1..20_u32, depths, 0..2_u8).prop_map(|(width, height, (color, bits), interlace)| Header {
        width,
        height,
        color,
        bits,
        interlace,
    })
}

fn mask() -> impl Strategy<Value = (Header, Vec<u16>)> {
    header().prop_flat_map(|header| {
        let largest = (1_u16 << header.bits.min(8)) - 1;
        (Just(header), prop::collection::vec(0..=largest, (header.width * header.height) as usize))
    })
}

proptest! {
    #[test]
    fn every_depth_and_interlacing_reads_its_samples((header, samples) in mask()) {
        let map = decode_label_map(&png(header, &samples)).unwrap();
        prop_assert_eq!((map.width, map.height), (header.width as usize, header.height as usize));
        prop_assert!(map.labels.iter().map(|&label| u16::from(label)).eq(samples));
    }

    #[test]
    fn labels_come_back_as_they_were_written(
        map in (1..70_usize, 1..50_usize).prop_flat_map(|(width, height)| {
            let labels = prop::collection::vec(any::<u8>(), width * height);
            labels.prop_map(move |labels| LabelMap { width, height, labels })
        }),
    ) {
        prop_assert_eq!(decode_label_map(&encode_label_map(&map, &voc_palette()).unwrap()).unwrap(), map);
    }

    #[test]
    fn random_bytes_do_not_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode_label_map(&bytes).is_err());
    }

    #[test]
    fn mutated_masks_do_not_break_the_reader(
        (header, samples) in mask(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = png(header, &samples);
        for (at, value) in &changes {
            *at.get_mut(&mut bytes) = *value;
        }
        check_shape(&bytes)?;
        check_shape(&bytes[..end.index(bytes.len())])?;
    }

    #[test]
    fn fitting_checksums_over_any_header_and_data_do_not_break_the_reader(
        width in prop_oneof![0..40_u32, any::<u32>()],
        height in prop_oneof![0..40_u32, any::<u32>()],
        (color, bits, interlace) in (0..8_u8, prop_oneof![Just(1_u8), Just(2), Just(4), Just(8), Just(16), any::<u8>()], 0..3_u8),
        mut data in prop::collection::vec(any::<u8>(), 0..200),
        zlib in any::<bool>(),
    ) {
        if zlib && data.len() > 2 {
            data[..2].copy_from_slice(&[0x78, 0x01]);
        }
        check_shape(&png_of_data(Header { width, height, color, bits, interlace }, &data))?;
    }
}

/// What is read has the size that it says, by its header alone too, and fits the limit.
fn check_shape(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(map) = decode_label_map(bytes) {
        prop_assert_eq!(map.labels.len(), map.width * map.height);
        prop_assert!(map.labels.len() <= 100_000_000);
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), bytes)?;
    match (probe_label_map(file.path()), decode_label_map(bytes)) {
        (Ok(size), Ok(map)) => prop_assert_eq!(size, (map.width, map.height)),
        (Err(error), Ok(_)) => prop_assert!(false, "only the header is refused: {}", error),
        (_, Err(_)) => {}
    }
    Ok(())
}

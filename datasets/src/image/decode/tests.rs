use std::path::PathBuf;

use ::image::ExtendedColorType;
use ::image::ImageEncoder;
use ::image::codecs::png::PngEncoder;
use proptest::prelude::*;

use super::*;
use crate::testing::{jpeg, smooth, with_orientation};

const NAME: &str = "x.jpg";

fn png(bytes: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(bytes, width, height, colour).unwrap();
    out
}

fn decode(bytes: &[u8]) -> Decoded {
    decode_image(bytes, Path::new(NAME), None).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode_image(bytes, Path::new(NAME), None).unwrap_err().to_string()
}

#[test]
fn every_png_colour_type_becomes_rgb() {
    use ExtendedColorType::{L8, L16, La8, Rgb8, Rgb16, Rgba8, Rgba16};
    let wide = |values: &[u16]| values.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<u8>>();
    let cases: [(_, _, _, &[ImageNote]); 8] = [
        (vec![7], L8, [7; 3], &[]),
        (vec![200, 255], La8, [200; 3], &[ImageNote::Transparency]),
        (vec![1, 2, 3], Rgb8, [1, 2, 3], &[]),
        (vec![1, 2, 3, 255], Rgba8, [1, 2, 3], &[]),
        (vec![1, 2, 3, 0], Rgba8, [FILL; 3], &[ImageNote::Transparency]),
        (wide(&[257 * 9]), L16, [9; 3], &[ImageNote::SixteenBits]),
        (wide(&[257 * 9 + 128, 257 * 9 + 129, 65535]), Rgb16, [9, 10, 255], &[ImageNote::SixteenBits]),
        (wide(&[0, 65535, 0, 65535]), Rgba16, [0, 255, 0], &[ImageNote::SixteenBits]),
    ];
    for (bytes, colour, expected, notes) in cases {
        let decoded = decode(&png(&bytes, 1, 1, colour));
        assert_eq!(decoded.image.pixels, expected, "{colour:?}");
        assert_eq!(decoded.notes, notes, "{colour:?}");
    }
    assert_eq!(over_fill(14, 51), ((14 * 51 + 114 * 204) as f64 / 255.0).round() as u8);
}

#[test]
fn jpeg_pixels_are_close_to_what_was_encoded() {
    let decoded = decode(&jpeg(24, 17));
    assert_eq!(decoded.image.size, ImageSize { width: 24, height: 17 });
    for (got, expected) in decoded.image.pixels.iter().zip(smooth(24, 17)) {
        assert!(got.abs_diff(expected) < 16, "{got} {expected}");
    }
}

#[test]
fn exif_turns_the_picture_unless_the_annotations_mean_the_stored_one() {
    let file = with_orientation(&jpeg(24, 16), 6);
    let stored = ImageSize { width: 24, height: 16 };
    let decode = |annotated| decode_image(&file, Path::new(NAME), annotated);
    let turned = decode(None).unwrap();
    assert_eq!(turned.image.size, stored.transposed());
    assert_eq!(decode(Some(stored.transposed())).unwrap(), turned);
    let kept = decode(Some(stored)).unwrap();
    assert_eq!((kept.image.size, kept.notes.as_slice()), (stored, &[ImageNote::KeptAsStored][..]));
    // Orientation 6: the stored left column is the upright top row, read from below.
    assert_eq!(turned.image.at(0, 0), kept.image.at(0, 15));
    let other = decode(Some(ImageSize { width: 25, height: 16 }));
    assert!(matches!(other, Err(DataError::ImageSize { .. })));
}

#[test]
fn what_is_no_picture_is_named() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\n<!DOCTYPE html>").contains("web page"));
    assert!(refusal(b"RIFF\0\0\0\0WEBPVP8 ").contains("WebP"));
    assert!(refusal(b"GIF89a").contains("GIF"));
    for text in [
        refusal(b"hello"),
        refusal(&[0xFF, 0xD8, 0xFF, 0xE0]),
        refusal(&png(&[1, 2, 3], 1, 1, ExtendedColorType::Rgb8)[..40]),
    ] {
        assert!(text.starts_with("cannot decode x.jpg: ") && text.contains("\nhelp: "), "{text}");
    }
}

#[test]
fn a_giant_is_refused_before_memory_is_taken() {
    let mut file = jpeg(8, 8);
    let sof = file.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    file[sof + 5..sof + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(refusal(&file).contains("65535x65535"), "{}", refusal(&file));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_pictures_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut: proptest::sample::Index,
        orientation in 0u8..10,
    ) {
        let files = [
            with_orientation(&jpeg(24, 17), orientation),
            png(&smooth(9, 8), 9, 8, ExtendedColorType::Rgb8),
        ];
        for mut file in files {
            for (at, byte) in &changes {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            for bytes in [&file[..], &file[..cut.index(file.len())]] {
                if let Ok(decoded) = decode_image(bytes, Path::new(NAME), None) {
                    prop_assert_eq!(decoded.image.pixels.len(), decoded.image.size.area() * 3);
                }
            }
        }
    }
}

fn odd_images() -> PathBuf {
    PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA")).join("odd_images")
}

/// The manifest says what another decoder made of each file: what it reads in full, we read, at the same size.
#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn odd_pictures_are_read_or_refused_with_a_mend() {
    let root = odd_images();
    let manifest = fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let (mut read, mut refused) = (0, Vec::new());
    for line in manifest.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let reference_ok = columns[7].starts_with("ok");
        match read_image(&root.join(columns[0]), None) {
            Ok(decoded) => {
                read += 1;
                assert_eq!(decoded.image.pixels.len(), decoded.image.size.area() * 3, "{}", columns[0]);
                let sides = [decoded.image.size, decoded.image.size.transposed()]
                    .map(|size| format!("({}, {})", size.width, size.height));
                assert!(!reference_ok || sides.contains(&columns[4].to_owned()), "{line}: {sides:?}");
            }
            Err(error) => {
                assert!(error.to_string().contains("help: "), "{error}");
                if reference_ok {
                    refused.push(format!("{}: {error}", columns[0]));
                }
            }
        }
    }
    assert!(read >= 120, "{read}");
    assert!(refused.len() <= 10, "{refused:#?}");
    eprintln!("read {read}; refused though readable elsewhere: {refused:#?}");
}

/// Mean absolute difference in levels.
fn difference(a: &ImageRgb8, b: &ImageRgb8) -> f64 {
    assert_eq!(a.size, b.size);
    let sum: u64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.pixels.len() as f64
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn jpegs_look_like_their_reference_pictures() {
    let read = |name: &str| read_image(&odd_images().join(name), None).unwrap().image;
    // Under 4 pixels a side decoders differ in how they spread the colours.
    let sizes = ["1x1", "8x8", "9x9", "15x15", "16x16", "17x17", "31x31", "32x32", "33x33"];
    let names = sizes.map(|size| format!("size-{size}")).into_iter().chain(["gray".into(), "progressive".into()]);
    for name in names {
        let stem = format!("jpeg-decoder/reftest__images__mozilla__jpg-{name}");
        let off = difference(&read(&format!("{stem}.jpg")), &read(&format!("{stem}.png")));
        assert!(off < 1.0, "{name}: {off}");
    }
    for name in ["cmyk-1", "cmyk-2"] {
        let stem = format!("jpeg-decoder/reftest__images__mozilla__jpg-{name}");
        let off = difference(&read(&format!("{stem}.jpg")), &read(&format!("{stem}.png")));
        assert!(off < 1.0, "{name}: {off}");
    }
    let upright = read("pillow/hopper_orientation_2.jpg");
    for orientation in 3..=8 {
        let off = difference(&read(&format!("pillow/hopper_orientation_{orientation}.jpg")), &upright);
        // Those that exchange the sides were subsampled the other way round.
        assert!(off < 5.0, "orientation {orientation}: {off}");
    }
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn damaged_odd_pictures_never_panic() {
    let mut rng = wrs_ops::rng::Rng::new(1, "test", 0, 0);
    for folder in ["pillow", "jpeg-decoder", "image-rs"] {
        for entry in fs::read_dir(odd_images().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = fs::read(&path).unwrap();
            if file.is_empty() || file.len() > 20_000 {
                continue;
            }
            for _ in 0..6 {
                let mut damaged = file.clone();
                for _ in 0..=rng.below(6) {
                    let at = rng.below(damaged.len());
                    damaged[at] = rng.below(256) as u8;
                }
                let _ = decode_image(&damaged, &path, None);
            }
        }
    }
}

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
        (vec![7], L8, [7; 3], &[ImageNote::Grey]),
        (vec![200, 255], La8, [200; 3], &[ImageNote::Grey]),
        (vec![1, 2, 3], Rgb8, [1, 2, 3], &[]),
        (vec![1, 2, 3, 255], Rgba8, [1, 2, 3], &[]),
        (vec![1, 2, 3, 0], Rgba8, [FILL; 3], &[ImageNote::Transparency]),
        (wide(&[257 * 9]), L16, [9; 3], &[ImageNote::Grey, ImageNote::SixteenBits]),
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

/// Row 15 of segmentation's edge cases: where a mask gives every pixel a class, the colour below is seen.
#[test]
fn transparency_is_laid_over_grey_or_dropped() {
    use ExtendedColorType::{La8, Rgba8, Rgba16};
    let wide: Vec<u8> = [257u16 * 7, 0, 65535, 300].iter().flat_map(|v| v.to_ne_bytes()).collect();
    for (bytes, colour, expected) in
        [(vec![9, 8, 7, 0], Rgba8, [9, 8, 7]), (vec![200, 3], La8, [200; 3]), (wide, Rgba16, [7, 0, 255])]
    {
        let file = png(&bytes, 1, 1, colour);
        let dropped = decode_as_stored(&file, Path::new(NAME), Alpha::Dropped).unwrap();
        assert_eq!(dropped.image.pixels, expected, "{colour:?}");
        assert!(dropped.notes.contains(&ImageNote::AlphaDropped), "{colour:?} {:?}", dropped.notes);
        assert_eq!(decode_upright(&file, Path::new(NAME)).unwrap(), dropped);
        assert_eq!(decode_as_stored(&file, Path::new(NAME), Alpha::OverGrey).unwrap(), decode(&file));
        assert_ne!(decode(&file).image, dropped.image);
    }
    let whole = decode_as_stored(&png(&[9, 8, 7, 255], 1, 1, Rgba8), Path::new(NAME), Alpha::Dropped).unwrap();
    assert_eq!((&whole.image.pixels[..], whole.notes.len()), (&[9, 8, 7][..], 0), "nothing was dropped");
}

/// A JPEG of 8 x 8 pixels of one colour in four components, each 0, 128 or 255, with Adobe's marker: 255 is no ink.
fn cmyk_jpeg(inks: [u8; 4]) -> Vec<u8> {
    let mut file = b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0".to_vec();
    file.extend(b"\xFF\xDB\0\x43\0".iter().chain(&[1; 64])); // every step of quantization is 1
    file.extend(b"\xFF\xC0\0\x14\x08\0\x08\0\x08\x04\x01\x11\0\x02\x11\0\x03\x11\0\x04\x11\0");
    // Means: codes 00, 01, 10 for 0, 10 and 11 bits. Details: 0 ends the block.
    file.extend(b"\xFF\xC4\0\x16\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0A\x0B");
    file.extend(b"\xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    file.extend(b"\xFF\xDA\0\x0E\x04\x01\0\x02\0\x03\0\x04\0\0\x3F\0");
    let bits: String = inks
        .iter()
        .map(|ink| match ink {
            0 => "10011111111110",  // -1024
            255 => "0111111110000", // 1016
            _ => "000",
        })
        .collect();
    let padded = format!("{bits}{}", "1".repeat((8 - bits.len() % 8) % 8));
    for byte in padded.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0'));
        file.push(byte);
        if byte == 0xFF {
            file.push(0);
        }
    }
    file.extend(b"\xFF\xD9");
    file
}

/// Row 15: printing colours and grey become RGB, and are remarked.
#[test]
fn jpegs_of_one_and_four_components_become_rgb() {
    for (inks, expected) in [
        ([255, 255, 255, 255], [255; 3]),
        ([255, 0, 0, 255], [255, 0, 0]),
        ([0, 255, 0, 255], [0, 255, 0]),
        ([255, 255, 255, 0], [0; 3]),
    ] {
        let decoded = decode(&cmyk_jpeg(inks));
        assert_eq!(decoded.notes, [ImageNote::Cmyk]);
        for (got, expected) in decoded.image.pixels.iter().zip(expected.iter().cycle()) {
            assert!(got.abs_diff(*expected) <= 2, "{inks:?}: {got} {expected}");
        }
    }
    let mut grey = Vec::new();
    ::image::codecs::jpeg::JpegEncoder::new_with_quality(&mut grey, 95)
        .write_image(&[77; 64], 8, 8, ExtendedColorType::L8)
        .unwrap();
    let decoded = decode(&grey);
    assert_eq!(decoded.notes, [ImageNote::Grey]);
    assert!(decoded.image.pixels.iter().all(|level| level.abs_diff(77) <= 1));
    assert_eq!(decode(&jpeg(8, 8)).notes, []);
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
fn only_what_the_pixels_need_decides_about_a_jpeg() {
    let whole = jpeg(24, 17);
    let clean = decode(&whole);
    let with = |extra: &[u8]| [&whole[..2], extra, &whole[2..]].concat();
    let segment = |marker: u8, payload: &[u8]| [&[0xFF, marker, 0, payload.len() as u8 + 2], payload].concat();
    let harmless = [
        [&segment(0xFE, b"stray bytes follow")[..], b"stray \xFF\0"].concat(),
        segment(0xE2, b"ICC_PROFILE\0\x09\x02broken"),
        segment(0xEE, b"Adobe short"),
        segment(0xFE, b"a comment"),
        vec![0xFF, 0xFF, 0xFF, 0xFE, 0, 2],
    ];
    for extra in harmless {
        assert_eq!(decode(&with(&extra)), clean, "{extra:?}");
    }
    assert_eq!(decode(&[&whole[..], b"more"].concat()), clean, "bytes behind the end");
    assert!(refusal(&with(&[0xFF, 0xE2, 0, 1])).contains("segment FFE2 has a length of 1"));
    assert!(refusal(&whole[..whole.len() - 2]).contains("it ends before its end marker"));
    assert!(refusal(&[&whole[..2], &[0xFF, 0xD9]].concat()).contains("no frame header"));
}

#[test]
fn a_jpeg_with_damaged_pixels_is_refused() {
    let mut file = jpeg(64, 64);
    let end = file.len();
    // Ones throughout are no code of the standard's tables.
    for pair in file[end - 40..end - 2].chunks_exact_mut(2) {
        pair.copy_from_slice(&[0xFF, 0]);
    }
    assert!(refusal(&file).starts_with("cannot decode x.jpg: "), "{}", refusal(&file));
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

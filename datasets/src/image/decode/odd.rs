//! Odd and hostile pictures, against what Pillow makes of them.
//!
//! `manifest.tsv` says of each file whether Pillow reads it, and the SHA-256 of its RGB bytes. Where comparing needs the
//! pixels themselves, they come from `WRS_ODD_PIXELS`, a folder that holds for each file `NAME.rgb` (Pillow's RGB bytes),
//! and for PNGs `NAME.ours` (Pillow's own values, laid over grey 114 and divided by 257); without it less is compared, and
//! the tests say so.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::*;
use crate::image::probe;

/// A line of the manifest.
struct Odd {
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
    /// The first 16 digits of the digest, where Pillow reads the file.
    digest: Option<String>,
}

impl Odd {
    fn is_jpeg(&self) -> bool {
        self.bytes.starts_with(&[0xFF, 0xD8])
    }

    /// Decoded as stored, as the manifest's pixels are.
    fn decode(&self) -> Result<Decoded, DataError> {
        let stored = probe(&self.path)?.stored;
        decode_image(&self.bytes, &self.path, Some(stored))
    }

    /// Pillow's pixels, where they were made.
    fn reference(&self, ending: &str) -> Option<Vec<u8>> {
        let folder = PathBuf::from(std::env::var_os("WRS_ODD_PIXELS")?);
        Some(fs::read(folder.join(format!("{}.{ending}", self.name))).unwrap())
    }
}

fn odd_images() -> PathBuf {
    PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA")).join("odd_images")
}

fn manifest() -> Vec<Odd> {
    let root = odd_images();
    let text = fs::read_to_string(root.join("manifest.tsv")).unwrap();
    let odd = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        let path = root.join(columns[0]);
        let digest = columns[7].strip_prefix("ok ").map(str::to_owned);
        Odd { name: columns[0].to_owned(), bytes: fs::read(&path).unwrap(), path, digest }
    };
    text.lines().skip(1).map(odd).collect()
}

/// Mean and largest difference in levels.
fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    (sum as f64 / a.len() as f64, a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
}

/// PNGs that differ from Pillow's RGB by design, with the largest difference from the documented conversion.
const PNGS_BY_DESIGN: [(&str, u8, &str); 16] = [
    ("image-rs/images__png__16bpc__basi0g16.png", 0, "16 bits: divided by 257, where Pillow cuts at 255"),
    ("image-rs/images__png__16bpc__basn2c16.png", 1, "16 bits: rounded, where Pillow keeps the upper byte"),
    ("image-rs/images__png__16bpc__basn6a16.png", 1, "16 bits rounded, and transparency over grey"),
    ("image-rs/images__png__transparency__acid2.png", 0, "transparency over grey, where Pillow drops it"),
    ("image-rs/images__png__transparency__tbbn0g04.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tbbn3p08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tbgn3p08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tbrn2c08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tbwn3p08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tbyn3p08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tm3n3p02.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tp1n3p08.png", 0, "transparency over grey"),
    ("image-rs/images__png__transparency__tp1n3p08_xmp.png", 0, "transparency over grey"),
    ("pillow/apng_mode_16bit.png", 1, "16 bits: rounded"),
    ("pillow/i_trns.png", 0, "16 bits divided by 257, and transparency over grey"),
    ("pillow/tiff_16bit_RGBa_target.png", 0, "transparency over grey"),
];

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn pngs_are_what_pillow_reads_or_what_is_documented() {
    let (mut equal, mut designed, mut compared) = (0, 0, 0);
    for odd in manifest().iter().filter(|odd| !odd.is_jpeg()) {
        let Some(expected) = &odd.digest else { continue };
        let pixels = odd.decode().unwrap().image.pixels;
        let digest = Sha256::digest(&pixels).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        if let Some((name, most, why)) = PNGS_BY_DESIGN.iter().find(|(name, ..)| *name == odd.name) {
            designed += 1;
            assert!(!digest.starts_with(expected), "{name} need not be on the list");
            let Some(ours) = odd.reference("ours") else { continue };
            let (_, worst) = difference(&pixels, &ours);
            assert!(worst <= *most, "{name} ({why}): {worst}");
            compared += 1;
        } else {
            equal += 1;
            assert!(digest.starts_with(expected), "{}: {digest}, not {expected}", odd.name);
        }
    }
    assert_eq!(designed, PNGS_BY_DESIGN.len());
    eprintln!("{equal} PNGs have Pillow's bytes, {designed} differ by design, {compared} of them compared");
}

/// JPEGs that Pillow reads and we refuse: their coded pixels are damaged, and what stands behind the damage is a guess.
const JPEGS_REFUSED: [(&str, &str); 4] = [
    ("jpeg-decoder/crashtest__images__imagetestsuite__8e5e74dbf9b68a322fbb9512db837329.jpg", "a segment of length 0"),
    ("jpeg-decoder/crashtest__images__imagetestsuite__b55977028a3a574336966b6536640fc9.jpg", "no such Huffman code"),
    ("jpeg-decoder/crashtest__images__subtract-with-overflow.jpg", "no such Huffman code"),
    ("pillow/hopper_bad_exif.jpg", "no such Huffman code; Pillow's picture is stripes"),
];

/// JPEGs that differ from Pillow's pixels.
const JPEGS_BY_DESIGN: [(&str, &str); 4] = [
    ("jpeg-decoder/crashtest__images__dc-predictor-overflow.jpg", "coefficients beyond 16 bits, made to overflow"),
    (
        "jpeg-decoder/reftest__images__mozilla__jpg-size-2x2.jpg",
        "at most 4 pixels wide: colour is interpolated, not repeated",
    ),
    (
        "jpeg-decoder/reftest__images__mozilla__jpg-size-3x3.jpg",
        "at most 4 pixels wide: colour is interpolated, not repeated",
    ),
    (
        "jpeg-decoder/reftest__images__mozilla__jpg-size-4x4.jpg",
        "at most 4 pixels wide: colour is interpolated, not repeated",
    ),
];

/// Another inverse DCT and another rounding of colours: a level on average, a few where they add up.
const JPEG_MEAN: f64 = 1.0;
const JPEG_MOST: u8 = 8;

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn jpegs_are_close_to_pillows_pixels_or_refused() {
    let (mut close, mut uncompared, mut worst) = (0, 0, (0.0f64, 0));
    for odd in manifest().iter().filter(|odd| odd.is_jpeg() && odd.digest.is_some()) {
        let decoded = odd.decode();
        if let Some((name, why)) = JPEGS_REFUSED.iter().find(|(name, _)| *name == odd.name) {
            let text = decoded.unwrap_err().to_string();
            assert!(text.contains("help: "), "{name} ({why}): {text}");
            continue;
        }
        let pixels = decoded.unwrap().image.pixels;
        let Some(rgb) = odd.reference("rgb") else {
            uncompared += 1;
            continue;
        };
        let (mean, most) = difference(&pixels, &rgb);
        let is_close = mean <= JPEG_MEAN && most <= JPEG_MOST;
        if let Some((name, why)) = JPEGS_BY_DESIGN.iter().find(|(name, _)| *name == odd.name) {
            assert!(!is_close, "{name} ({why}) need not be on the list");
            continue;
        }
        assert!(is_close, "{}: {mean} on average, {most} at most", odd.name);
        (close, worst) = (close + 1, (worst.0.max(mean), worst.1.max(most)));
    }
    eprintln!("{close} JPEGs within {} on average and {} at most of Pillow's", worst.0, worst.1);
    eprintln!("{uncompared} were not compared: they need WRS_ODD_PIXELS");
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn what_pillow_refuses_is_refused_with_a_mend() {
    let mut refused = 0;
    for odd in manifest().iter().filter(|odd| odd.digest.is_none()) {
        let text = odd.decode().expect_err(&odd.name).to_string();
        assert!(text.starts_with("cannot decode ") && text.contains("\nhelp: "), "{text}");
        refused += 1;
    }
    eprintln!("{refused} files are refused, as by Pillow");
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn headers_say_what_decoding_finds() {
    for odd in manifest() {
        if let Ok(decoded) = decode_image(&odd.bytes, &odd.path, None) {
            assert_eq!(probe(&odd.path).unwrap().upright, decoded.image.size, "{}", odd.name);
        }
    }
}

/// What the process may take while it decodes a picture.
const MOST_BYTES: u64 = 512 << 20;

/// The most memory in use since the mark was set back, in bytes.
#[cfg(target_os = "linux")]
fn high_water_mark() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs WRS_TEST_DATA"]
fn no_odd_picture_takes_much_memory() {
    let mut most = (0, String::new());
    for odd in manifest() {
        // Sets the mark back to what is in use.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let _ = decode_image(&odd.bytes, &odd.path, None);
        let taken = high_water_mark();
        assert!(taken < MOST_BYTES, "{}: {taken} bytes", odd.name);
        most = most.max((taken, odd.name));
    }
    eprintln!("the most: {} MiB for {}", most.0 >> 20, most.1);
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn photographs_in_use_are_all_read() {
    let data = odd_images().join("..");
    let folders =
        ["coco_tiny/train2017", "coco_tiny/val2017", "coco_mini/train2017", "bccd/BCCD/JPEGImages", "ucf_cc_50"];
    let mut read = 0;
    for folder in folders {
        for entry in fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "jpg") {
                read_image(&path, None).unwrap();
                read += 1;
            }
        }
    }
    assert!(read > 600, "{read}");
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn turned_pictures_agree_once_upright() {
    let read =
        |n: u8| read_image(&odd_images().join(format!("pillow/hopper_orientation_{n}.jpg")), None).unwrap().image;
    let upright = read(2);
    for orientation in 3..=8 {
        let (mean, _) = difference(&read(orientation).pixels, &upright.pixels);
        // Those that exchange the sides were subsampled the other way round.
        assert!(mean < 5.0, "orientation {orientation}: {mean}");
    }
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn damaged_odd_pictures_never_panic() {
    let mut rng = wrs_ops::rng::Rng::new(1, "test", 0, 0);
    for odd in manifest().iter().filter(|odd| (1..20_000).contains(&odd.bytes.len())) {
        for _ in 0..6 {
            let mut damaged = odd.bytes.clone();
            for _ in 0..=rng.below(6) {
                let at = rng.below(damaged.len());
                damaged[at] = rng.below(256) as u8;
            }
            let _ = decode_image(&damaged, &odd.path, None);
        }
    }
}

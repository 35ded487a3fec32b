use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;

use super::*;
use crate::testing::{folder, jpeg, png};

/// A picture of dots: what is not a dot or a space is marked.
fn drawn(rows: &[&str]) -> Vec<u8> {
    let grey: Vec<u8> = rows.concat().bytes().map(|byte| if byte == b'.' { 0 } else { 255 }).collect();
    encoded(&grey, rows[0].len(), ExtendedColorType::L8)
}

fn encoded(bytes: &[u8], width: usize, kind: ExtendedColorType) -> Vec<u8> {
    let mut out = Vec::new();
    let height = bytes.len() * 8 / (width * usize::from(kind.bits_per_pixel()));
    PngEncoder::new(&mut out).write_image(bytes, width as u32, height as u32, kind).unwrap();
    out
}

/// Points as pairs, and what there was to remark.
type Found = (Vec<(f64, f64)>, Vec<Kind>);

fn read(bytes: &[u8], asked: Option<Dots>) -> Result<Found, String> {
    let annotated = read_dots(bytes, Path::new("1dots.png"), asked).map_err(|error| error.to_string())?;
    let kinds = annotated.remarks.iter().map(|remark| remark.kind).collect();
    Ok((annotated.points.iter().map(|point| (point.x, point.y)).collect(), kinds))
}

#[test]
fn single_pixels_are_dots_even_where_two_touch() {
    let dots = drawn(&["#.......", "........", "...##...", ".......#", "......#."]);
    // Three patches, of which one is a single pixel.
    assert_eq!(read(&dots, None).unwrap().0, [(0.5, 0.5), (4.0, 2.5), (7.0, 4.0)]);
    let dots = drawn(&["#....#..", "........", "...##...", "........", "......#."]);
    let pixels = vec![(0.5, 0.5), (5.5, 0.5), (3.5, 2.5), (4.5, 2.5), (6.5, 4.5)];
    assert_eq!(read(&dots, None).unwrap(), (pixels, vec![Kind::TouchingDots]));
    assert_eq!(read(&dots, Some(Dots::Patches)).unwrap().0[2], (4.0, 2.5));
    assert_eq!(read(&drawn(&["....", "...."]), None).unwrap(), (vec![], vec![]));
}

#[test]
fn patches_are_dots_at_their_centres() {
    let dots = drawn(&["##......", "##....#.", "...#.###", "..###.#.", "...#...."]);
    // The two crosses touch at a corner.
    let (points, kinds) = read(&dots, None).unwrap();
    assert_eq!((points.len(), points[0]), (2, (1.0, 1.0)));
    assert_eq!(kinds, [] as [Kind; 0], "of two patches none is usual");
    let apart = drawn(&["##....##", "##....##", "........", "..##....", "..####..", "....##.."]);
    let (points, kinds) = read(&apart, None).unwrap();
    assert_eq!((points, kinds), (vec![(1.0, 1.0), (7.0, 1.0), (4.0, 4.5)], vec![Kind::LargePatch]));
    assert_eq!(read(&apart, Some(Dots::Pixels)).unwrap().0.len(), 16);
}

#[test]
fn colours_are_dots_and_what_is_no_black_picture_is_refused() {
    let mut rgb = vec![0; 6 * 2 * 3];
    rgb[3 * 4] = 255;
    assert_eq!(read(&encoded(&rgb, 6, ExtendedColorType::Rgb8), None).unwrap().0, [(4.5, 0.5)]);
    let white = read(&drawn(&["####", "#.##"]), None).unwrap_err();
    assert!(white.contains("expected dots on black, got 7 pixels of 8 that are not black\nhelp: draw"), "{white}");
    let clear = read(&encoded(&[0; 32], 4, ExtendedColorType::Rgba8), None).unwrap_err();
    assert!(clear.contains("got transparent pixels"), "{clear}");
    assert!(read(&jpeg(6, 4), None).unwrap_err().contains("expected dots in a PNG, got a JPEG"));
    assert!(read(b"", None).unwrap_err().contains("it is empty"));
}

#[test]
fn pictures_and_dots_are_paired_by_their_names() {
    let picture = png(4, 4, 9);
    let names = ["10cell", "10dots", "2cell", "2dots", "A_01", "A_dots_01", "b", "b_dots", "3cell", "9dots"];
    let files: Vec<_> = names.map(|name| (format!("{name}.png"), &picture[..])).into();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let root = folder(&files);
    let mut faults = Faults::all(root.path());
    let entries = pair(&FilesById::list(root.path()).unwrap(), root.path(), &mut faults);
    let paired: Vec<_> = entries
        .iter()
        .map(|entry| (entry.id.as_str(), name_of(&entry.image), name_of(entry.annotation.path())))
        .collect();
    let expected = [
        ("2", "2cell.png", "2dots.png"),
        ("3", "3cell.png", "3dots.png"),
        ("10", "10cell.png", "10dots.png"),
        ("A_01", "A_01.png", "A_dots_01.png"),
        ("b", "b.png", "b_dots.png"),
    ];
    assert_eq!(paired, expected.map(|(id, image, dots)| (id, image.to_owned(), dots.to_owned())));
    let faults = faults.into_list();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].problem.starts_with("dots without a picture, such as 9cell.png"), "{faults:?}");
}

proptest! {
    #[test]
    fn every_marked_pixel_is_in_one_patch(bits in prop::collection::vec(prop::bool::weighted(0.3), 0..120), width in 1..12_usize) {
        let marked: Vec<bool> = bits[..bits.len() / width * width].to_vec();
        let count = marked.iter().filter(|is| **is).count();
        let patches = Patches::find(marked, width);
        prop_assert_eq!(patches.pixels().len(), count);
        prop_assert!(patches.len() <= count && (patches.len() > 0) == (count > 0));
        prop_assert!(patches.centres().iter().all(|point| point.x <= width as f64 - 0.5 && point.y >= 0.5));
        let sizes = patches.large();
        prop_assert!(sizes.0 <= patches.len());
    }

    #[test]
    fn damaged_pictures_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5), end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = drawn(&["#....#..", "...##...", "......#."]);
        for (at, value) in &changes {
            *at.get_mut(&mut bytes) = *value;
        }
        let _ = (read(&bytes, None), read(&bytes[..end.index(bytes.len())], None));
    }
}

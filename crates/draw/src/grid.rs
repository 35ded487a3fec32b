//! Contact sheets.

use image::{Rgb, RgbImage, imageops};

/// Pixels between pictures and around the sheet.
const GAP: u32 = 4;
/// A grey that belongs to no class colour.
const GROUND: Rgb<u8> = Rgb([48, 48, 48]);

/// Lays pictures out in rows of `columns` (0 counts as 1), each centred in a cell as large as the widest and the
/// highest of them, with a narrow dark gap around; no pictures give an empty, 0 x 0 picture.
pub fn grid(pictures: &[RgbImage], columns: usize) -> RgbImage {
    if pictures.is_empty() {
        return RgbImage::default();
    }
    let columns = columns.clamp(1, pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let cell_width = pictures.iter().map(RgbImage::width).max().unwrap_or(0);
    let cell_height = pictures.iter().map(RgbImage::height).max().unwrap_or(0);
    let extent = |cells: usize, cell: u32| cells as u32 * (cell + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(extent(columns, cell_width), extent(rows, cell_height), GROUND);
    for (index, picture) in pictures.iter().enumerate() {
        let left = extent(index % columns, cell_width) + (cell_width - picture.width()) / 2;
        let top = extent(index / columns, cell_height) + (cell_height - picture.height()) / 2;
        imageops::replace(&mut sheet, picture, i64::from(left), i64::from(top));
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: u32, height: u32, value: u8) -> RgbImage {
        RgbImage::from_pixel(width, height, Rgb([value; 3]))
    }

    #[test]
    fn pictures_stand_in_rows_centred_in_their_cells() {
        let sheet = grid(&[plain(10, 6, 1), plain(4, 6, 2), plain(10, 2, 3)], 2);
        assert_eq!(sheet.dimensions(), (4 + 10 + 4 + 10 + 4, 4 + 6 + 4 + 6 + 4));
        let value = |x, y| sheet.get_pixel(x, y).0[0];
        assert_eq!((value(3, 4), value(4, 4), value(13, 9), value(14, 9)), (48, 1, 1, 48));
        assert_eq!((value(20, 4), value(21, 4), value(24, 4), value(25, 4)), (48, 2, 2, 48));
        assert_eq!((value(4, 15), value(4, 16), value(4, 17), value(4, 18)), (48, 3, 3, 48));
        assert_eq!(value(20, 16), 48, "the last cell stays empty");
    }

    #[test]
    fn every_count_and_column_number_works() {
        assert_eq!(grid(&[], 3).dimensions(), (0, 0));
        assert_eq!(grid(&[plain(1, 1, 9)], 0).dimensions(), (9, 9));
        assert_eq!(grid(&[plain(1, 1, 9)], usize::MAX).dimensions(), (9, 9));
        assert_eq!(grid(&[RgbImage::default(), plain(2, 3, 9)], 1).dimensions(), (10, 18));
    }
}

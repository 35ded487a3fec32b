#![allow(clippy::float_cmp)] // sums of whole numbers

use proptest::prelude::*;
use wrs_ops::rng::Rng;

use super::*;

/// A network of CSRNet's kind over whole numbers, so that its sums are exact: what a tile lacks shows.
///
/// Three times a 3x3 sum and a 2x2 maximum, then two 3x3 sums with taps `dilation` apart; everything modulo a prime.
struct WholeNumbers {
    dilation: usize,
}

#[derive(Clone)]
struct Map {
    height: usize,
    width: usize,
    values: Vec<u32>,
}

impl Map {
    fn at(&self, y: isize, x: isize) -> u32 {
        let inside = (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x);
        if inside { self.values[y as usize * self.width + x as usize] } else { 0 }
    }

    fn of(height: usize, width: usize, value: impl Fn(isize, isize) -> u32) -> Self {
        let cells = (0..height).flat_map(|y| (0..width).map(move |x| (y as isize, x as isize)));
        Self { height, width, values: cells.map(|(y, x)| value(y, x)).collect() }
    }

    fn convolved(&self, dilation: isize) -> Self {
        Self::of(self.height, self.width, |y, x| {
            let taps = (0..9)
                .map(|k| (k + 1) * self.at(y + (k as isize / 3 - 1) * dilation, x + (k as isize % 3 - 1) * dilation));
            (taps.sum::<u32>() + 1) % 251
        })
    }

    fn pooled(&self) -> Self {
        Self::of(self.height / 2, self.width / 2, |y, x| {
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| self.at(2 * y + i, 2 * x + j)).into_iter().max().unwrap()
        })
    }
}

impl WholeNumbers {
    /// 3x3 at each of three levels, the windows of the pools, and the dilated taps.
    fn receptive_field(&self) -> usize {
        let convs: usize = [1, 2, 4].iter().map(|stride| 2 * stride).sum();
        STRIDE + convs + 2 * 2 * self.dilation * STRIDE
    }

    fn halo_px(&self) -> usize {
        (self.receptive_field() - STRIDE).div_ceil(2).next_multiple_of(STRIDE)
    }

    fn run(&self, pixels: &[f32], size: ImageSize) -> Vec<f32> {
        let values = pixels.chunks(3).map(|p| p[0] as u32 + 3 * p[1] as u32 + 7 * p[2] as u32).collect();
        let mut map = Map { height: size.height, width: size.width, values };
        for _ in 0..3 {
            map = map.convolved(1).pooled();
        }
        for _ in 0..2 {
            map = map.convolved(self.dilation as isize);
        }
        map.values.iter().map(|v| *v as f32).collect()
    }

    fn density(&self, image: &ImageRgb8, padding: Padding, tiling: &Tiling) -> (usize, DensityMap) {
        let plan = TilePlan::new(image.size, padding, tiling).unwrap();
        let normalise = |image: &ImageRgb8| image.pixels.iter().map(|v| f32::from(*v)).collect();
        let run = |tile: &Tile| Ok(self.run(&plan.input(tile, image, normalise), tile.size()));
        (plan.count(), density_map(&plan, run).unwrap())
    }
}

fn picture(size: ImageSize) -> ImageRgb8 {
    let mut rng = Rng::new(2, "picture", size.width as u64, size.height as u64);
    ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
}

fn tiling(halo_px: usize, memory: Option<u64>) -> Tiling {
    Tiling { halo_px, bytes_per_pixel: 1.0, memory }
}

#[test]
fn tiles_are_exact_and_a_cell_less_of_halo_is_not() {
    let image = picture(ImageSize { width: 203, height: 150 });
    for dilation in [1, 2] {
        let net = WholeNumbers { dilation };
        let halo = net.halo_px();
        for padding in [Padding::None, Padding::Zero, Padding::Reflect] {
            let (tiles, whole) = net.density(&image, padding, &tiling(halo, None));
            assert_eq!(tiles, 1);
            let memory = Some(((2 * halo + 24) * (2 * halo + 16)) as u64);
            let (tiles, tiled) = net.density(&image, padding, &tiling(halo, memory));
            assert!(tiles > 3, "{tiles}");
            assert_eq!(whole, tiled);
            let (_, short) = net.density(&image, padding, &tiling(halo - STRIDE, memory));
            assert_ne!(whole, short);
        }
    }
}

#[test]
fn a_picture_that_fits_is_not_cut_and_a_picture_that_does_not_costs_what_it_must() {
    let size = ImageSize { width: 800, height: 600 };
    let count = |memory| TilePlan::new(size, Padding::None, &tiling(144, memory)).unwrap().count();
    assert_eq!((count(None), count(Some(480_000)), count(Some(479_999))), (1, 1, 2));
    // Two tiles side by side overlap in 600 x 288 pixels, one above the other in 800 x 288.
    let plan = TilePlan::new(size, Padding::None, &tiling(144, Some(400_000))).unwrap();
    assert_eq!((plan.rows.len(), plan.columns.len()), (1, 2));
}

#[test]
fn memory_under_the_smallest_tiles_is_refused_with_what_they_need() {
    let size = ImageSize { width: 4000, height: 6000 };
    let tiling = |memory| Tiling { halo_px: 144, bytes_per_pixel: 524.0, memory: Some(memory) };
    let needed = 296 * 296 * 524;
    assert!(TilePlan::new(size, Padding::None, &tiling(needed)).is_ok());
    let error = TilePlan::new(size, Padding::None, &tiling(needed - 1)).unwrap_err();
    assert!(
        matches!(error, CountingError::TileMemory { needed: n, memory, .. } if n == needed && memory == needed - 1)
    );
    let text = "a picture of 4000x6000: expected 46 MB at least, for its smallest tiles, got 45 MB\nhelp: ";
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn a_picture_without_a_cell_is_refused_or_padded() {
    let size = ImageSize { width: 100, height: 7 };
    let error = TilePlan::new(size, Padding::None, &tiling(8, None)).unwrap_err().to_string();
    assert!(error.starts_with("expected a picture of at least 8 x 8 pixels, got 100x7\nhelp: "), "{error}");
    for padding in [Padding::Zero, Padding::Reflect] {
        assert_eq!(TilePlan::new(size, padding, &tiling(8, None)).unwrap().cells(), [1, 13]);
        let none = ImageSize { width: 0, ..size };
        assert!(matches!(TilePlan::new(none, padding, &tiling(8, None)), Err(CountingError::NoCell { .. })));
    }
}

#[test]
fn densities_of_another_size_are_refused_and_errors_pass() {
    let plan = TilePlan::new(ImageSize::square(64), Padding::None, &tiling(8, Some(1000))).unwrap();
    assert!(matches!(density_map(&plan, |_| Ok(vec![0.0; 3])), Err(CountingError::Shape(_))));
    let broken = |_: &Tile| Err(CountingError::Usage("broken".to_owned()));
    assert_eq!(density_map(&plan, broken).unwrap_err().to_string(), "broken");
}

/// A picture whose sides, a halo and a memory that suffices or not.
fn cases() -> impl Strategy<Value = (ImageSize, Tiling)> {
    let size = (8usize..400, 8usize..400).prop_map(|(width, height)| ImageSize { width, height });
    (size, 0usize..40, 64u64..40_000).prop_map(|(size, halo, memory)| (size, tiling(halo, Some(memory))))
}

fn paddings() -> impl Strategy<Value = Padding> {
    prop_oneof![Just(Padding::None), Just(Padding::Zero), Just(Padding::Reflect)]
}

proptest! {
    #[test]
    fn cells_are_covered_once_by_tiles_that_fit((size, tiling) in cases(), padding in paddings()) {
        let (padded, halo) = (padding.padded(size), tiling.halo_px.next_multiple_of(STRIDE));
        let smallest = [padded.width, padded.height].map(|side| side.min(STRIDE + 2 * halo) as u64);
        let plan = match TilePlan::new(size, padding, &tiling) {
            Ok(plan) => plan,
            Err(CountingError::TileMemory { needed, memory, .. }) => {
                // The smallest tiles may be cut by the picture's borders, never larger than a cell with its halo.
                prop_assert!(needed > memory && needed <= smallest[0] * smallest[1]);
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let [h, w] = plan.cells();
        let up = |side: usize| if padding == Padding::None { side / 8 } else { side.div_ceil(8) };
        prop_assert_eq!([h, w], [up(size.height), up(size.width)]);
        let mut covered = vec![0; h * w];
        for tile in plan.tiles() {
            prop_assert!(tile.size().area() as u64 <= tiling.memory.unwrap());
            for (span, pixels) in [(&tile.rows, padded.height), (&tile.columns, padded.width)] {
                let Span { core, crop } = span;
                prop_assert!(!core.is_empty() && crop.start.is_multiple_of(STRIDE));
                prop_assert!(crop.start == 0 || crop.start + halo == core.start * STRIDE);
                prop_assert!(crop.end == pixels || crop.end == core.end * STRIDE + halo);
            }
            let [rows, columns] = tile.core();
            for y in rows {
                columns.clone().for_each(|x| covered[y * w + x] += 1);
            }
        }
        prop_assert!(covered.iter().all(|n| *n == 1));
        // Every cell says where it is.
        let place = |tile: &Tile| {
            let [height, width] = tile.cells();
            let [y0, x0] = [tile.rows.crop.start, tile.columns.crop.start].map(|start| start / STRIDE);
            Ok((0..height * width).map(|i| ((y0 + i / width) * w + x0 + i % width) as f32).collect())
        };
        let map = density_map(&plan, place).unwrap();
        prop_assert!(map.cells.iter().enumerate().all(|(i, cell)| *cell == i as f32));
    }

    #[test]
    fn the_whole_pictures_densities_for_any_size(
        width in 8usize..150, height in 8usize..150, dilation in 1usize..3, extra in 0usize..3000, padding in paddings(),
    ) {
        let net = WholeNumbers { dilation };
        let halo = net.halo_px();
        let image = picture(ImageSize { width, height });
        let memory = (STRIDE + 2 * halo).pow(2) + extra;
        let (_, whole) = net.density(&image, padding, &tiling(halo, None));
        let (_, tiled) = net.density(&image, padding, &tiling(halo, Some(memory as u64)));
        prop_assert_eq!(whole, tiled);
    }
}

use wrs_backbones::{OutputStride, ResNetDepth};
use wrs_ops::conv::Algorithms;
use wrs_ops::rng::Rng;

use super::*;
use crate::model::DeepLabV3;
use crate::net::{Head, ModelConfig};
use crate::recipe::{EvaluationSettings, InputSettings};

const INPUT: InputSettings = InputSettings { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

fn size(width: usize, height: usize) -> ImageSize {
    ImageSize { width, height }
}

#[test]
fn tiles_by_hand() {
    assert_eq!(TilePlan::new(size(500, 375), 187_500, 16), None, "what fits is whole");
    let plan = TilePlan::new(size(6000, 4000), 4_000_000, 16).unwrap();
    assert_eq!((plan.tile, plan.tiles()), (size(2000, 2000), 12));
    // 4000 columns in steps of at most 1333 are three gaps, 2000 rows two.
    assert_eq!((&plan.left[..], &plan.top[..]), (&[0, 1328, 2656, 4000][..], &[0, 992, 2000][..]));
    // A strip is cut across alone.
    let strip = TilePlan::new(size(1000, 20), 64 * 64, 8).unwrap();
    assert_eq!((strip.tile, &strip.top[..]), (size(200, 20), &[0][..]));
    assert_eq!(strip.left, [0, 128, 264, 400, 528, 664, 800]);
    // Of 71 columns the last tile has those from 32 on, one fewer than a tile has.
    let odd = TilePlan::new(size(71, 500), 48 * 48, 16).unwrap();
    assert_eq!((odd.tile, &odd.left[..]), (size(48, 48), &[0, 32][..]));
    assert!(odd.windows().any(|window| window == (32, 0, size(39, 48))));
    let told = plan.to_string();
    assert!(told.starts_with("6000x4000 in 12 tiles of 2000x2000 ") && told.contains("4000000"), "{told}");
}

/// Every pixel is in a tile, no tile is larger than allowed, and each begins on a whole stride.
#[test]
fn tiles_cover_every_pixel_and_keep_to_their_budget() {
    for (width, height) in [(33, 33), (64, 40), (100, 7), (7, 100), (257, 131), (300, 299)] {
        for stride in [8, 16, 32] {
            for most in [1024, 1500, 4096] {
                let Some(plan) = TilePlan::new(size(width, height), most, stride) else { continue };
                let mut seen = vec![false; width * height];
                for (left, top, tile) in plan.windows() {
                    assert!(tile.area() <= most && left % stride == 0 && top % stride == 0, "{plan:?}");
                    for y in top..top + tile.height {
                        seen[y * width + left..][..tile.width].fill(true);
                    }
                }
                assert!(seen.into_iter().all(|seen| seen), "{plan:?}");
            }
        }
    }
}

fn network(output_stride: OutputStride) -> (DeepLabV3, wrs_nn::Params) {
    let config = ModelConfig {
        depth: ResNetDepth::R18,
        output_stride,
        multi_grid: None,
        rates: None,
        width: 0.125,
        head: Head::Torchvision,
        dropout: 0.0,
        auxiliary: None,
        align_corners: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    };
    DeepLabV3::new(&config, 5, 3)
}

fn picture(size: ImageSize) -> ImageRgb8 {
    let mut rng = Rng::new(7, "picture", 0, 0);
    ImageRgb8 { size, pixels: (0..size.area() * 3).map(|_| rng.below(256) as u8).collect() }
}

/// Acceptance test 18.
#[test]
fn one_tile_is_the_picture_whole() {
    for (stride, pixels) in [(OutputStride::Eight, 8), (OutputStride::Sixteen, 16)] {
        let (net, params) = network(stride);
        let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Fast };
        for (width, height) in [(48, 40), (71, 33), (1, 1)] {
            let image = picture(size(width, height));
            let plan = TilePlan::cut(image.size, 100 * 100, pixels);
            assert_eq!(plan.tiles(), 1);
            let (tiled, whole) = (logits(&segmenter, &image, &plan).unwrap(), segmenter.whole_logits(&image).unwrap());
            assert_eq!((tiled.dims(), tiled.buffer().host()), (whole.dims(), whole.buffer().host()));
        }
    }
}

/// Each tile by itself, averaged by hand, is what the tiles give.
#[test]
fn tiles_that_overlap_are_averaged_cell_by_cell() {
    let (net, params) = network(OutputStride::Eight);
    let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Exact };
    let image = picture(size(61, 32));
    let plan = TilePlan::new(image.size, 1300, 8).unwrap();
    assert_eq!((plan.tile, &plan.left[..], &plan.top[..]), (size(40, 32), &[0, 24][..], &[0][..]));
    let got = logits(&segmenter, &image, &plan).unwrap();
    assert_eq!(got.dims(), Dims { n: 1, h: 4, w: 8, c: 5 });
    let [a, b] = [(0, 40), (24, 37)]
        .map(|(left, width)| segmenter.whole_logits(&cut_out(&image, left, 0, size(width, 32))).unwrap());
    let at = |map: &Value, row: usize, column: usize, class: usize| {
        map.buffer().host()[(row * map.dims().w + column) * 5 + class]
    };
    for (row, column, class) in (0..4).flat_map(|r| (0..8).flat_map(move |x| (0..5).map(move |k| (r, x, k)))) {
        let expected = match column {
            0..3 => at(&a, row, column, class),
            3..5 => f32::midpoint(at(&a, row, column, class), at(&b, row, column - 3, class)),
            _ => at(&b, row, column - 3, class),
        };
        assert!((at(&got, row, column, class) - expected).abs() < 1e-6, "{row} {column} {class}");
    }
}

#[test]
fn only_pictures_of_too_many_pixels_are_cut() {
    let (net, params) = network(OutputStride::Eight);
    let segmenter = Segmenter { net: &net, params: &params, input: &INPUT, algorithms: Algorithms::Fast };
    let image = picture(size(80, 48));
    let with = |max_pixels| EvaluationSettings { max_pixels, ..EvaluationSettings::plain() };
    let whole = segmenter.segment(&image, &with(None)).unwrap();
    let fits = segmenter.segment(&image, &with(Some(80 * 48))).unwrap();
    assert_eq!((&whole.labels, whole.is_tiled, fits.is_tiled), (&fits.labels, false, false));
    let tiled = segmenter.segment(&image, &with(Some(1024))).unwrap();
    assert!(tiled.is_tiled);
    assert_eq!((tiled.labels.width, tiled.labels.height), (80, 48));
    // Views larger than the picture are cut where the picture itself would not be.
    let views = EvaluationSettings { scales: vec![1.0, 2.0], flip: true, max_pixels: Some(80 * 48) };
    assert!(segmenter.segment(&image, &views).unwrap().is_tiled);
    let plan = segmenter.plan(image.size, &views).unwrap();
    assert_eq!(plan.picture, size(159, 95), "the plan told is that of the largest view");
    assert_eq!(segmenter.plan(image.size, &with(None)), None);
}

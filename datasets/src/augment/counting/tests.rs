use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::testing::folder;

const AUGMENT: CountingAugment = CountingAugment { crop: 24, flip_left_right: 0.5, visible_area: VisibleArea::QNRF };

/// Levels between neighbours of a coded picture that is resized.
const STEP: u8 = 8;

fn draw(index: usize) -> Draw {
    Draw { seed: 3, epoch: 1, index }
}

fn at(x: f64, y: f64) -> PointXy {
    PointXy { x, y }
}

fn record(size: ImageSize, points: &[PointXy]) -> CountingRecord {
    CountingRecord {
        id: "img_0007".into(),
        image: "img_0007.jpg".into(),
        size,
        points: Some(points.into()),
        attributes: BTreeMap::new(),
    }
}

/// Every pixel says where it lies by its red and green.
fn coded(size: ImageSize, step: u8) -> ImageRgb8 {
    let pixel = |i: usize| [(i % size.width) as u8 * step, (i / size.width) as u8 * step, 7];
    ImageRgb8 { size, pixels: (0..size.area()).flat_map(pixel).collect() }
}

/// Points in the middle of some pixels.
fn on_pixels(size: ImageSize, some: &[usize]) -> Vec<PointXy> {
    let pixel = |i: &usize| at((i % size.width) as f64 + 0.5, (i / size.width % size.height) as f64 + 0.5);
    some.iter().map(pixel).collect()
}

/// Small squares: what is kept lies in the crop, at its edge at most.
fn small_squares(augment: CountingAugment) -> CountingAugment {
    CountingAugment { visible_area: VisibleArea { clip_px: [1.0, 1.0], keep: 0.9, ..VisibleArea::QNRF }, ..augment }
}

proptest! {
    #[test]
    fn points_stay_on_their_pixels(
        width in 24usize..200, height in 24usize..200, some in prop::collection::vec(0usize..40_000, 0..30), index in 0usize..10_000,
    ) {
        let size = ImageSize { width, height };
        let points = on_pixels(size, &some);
        let augment = small_squares(AUGMENT);
        let sample = augment.prepare(&record(size, &points), None).unwrap().apply(coded(size, 1), draw(index)).unwrap();
        prop_assert_eq!(sample.image.size, ImageSize::square(24));
        prop_assert_eq!((sample.shorter_side_px, &*sample.id), (width.min(height) as f64, "img_0007"));
        let mut found: Vec<[u8; 2]> = Vec::new();
        for point in &sample.points {
            let [red, green, _] = sample.image.at(point.x as usize, point.y as usize);
            found.push([red, green]);
        }
        // No other point lies on a pixel of the crop: it holds those it holds, each once.
        let shown: BTreeSet<[u8; 2]> = (0..24 * 24).map(|i| sample.image.at(i % 24, i / 24)).map(|p| [p[0], p[1]]).collect();
        let expected = points.iter().map(|point| [point.x as u8, point.y as u8]).filter(|code| shown.contains(code));
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
        prop_assert!(sample.targets.iter().all(|target| (*target - 1.0).abs() < 1e-9));
    }

    #[test]
    fn points_stay_in_their_places_when_the_picture_is_resized(
        width in 12usize..32, height in 12usize..32, some in prop::collection::vec(0usize..1000, 1..9), index in 0usize..10_000,
        bound in 8usize..60,
    ) {
        let size = ImageSize { width, height };
        // A pixel from the border: beyond it the resized picture is flat.
        let inner = |i: &usize| at((i % (width - 2)) as f64 + 1.5, (i % (height - 2)) as f64 + 1.5);
        let points: Vec<_> = some.iter().map(inner).collect();
        let resize = ShorterSide { bounds_px: [bound, bound], filter: Filter::OpencvBilinear };
        let prepared = small_squares(AUGMENT).prepare(&record(size, &points), Some(&resize)).unwrap();
        let sample = prepared.apply(coded(size, STEP), draw(index)).unwrap();
        prop_assert_eq!(sample.shorter_side_px, bound.max(24) as f64);
        let ratio = sample.shorter_side_px / width.min(height) as f64;
        for point in &sample.points {
            let [red, green, _] = sample.image.at((point.x as usize).min(23), (point.y as usize).min(23));
            // The centre of the pixel is within half a pixel of the point; so is the point within half a rounded side.
            let near = |level: u8| {
                let place = f64::from(level) / f64::from(STEP) + 0.5;
                move |of: f64| (place - of).abs() <= 1.0 / ratio + 0.3
            };
            prop_assert!(points.iter().any(|p| near(red)(p.x) && near(green)(p.y)), "{point:?} {red} {green} {points:?}");
        }
    }

    #[test]
    fn a_draw_is_a_function_of_seed_epoch_and_index(index in 0usize..1000) {
        let size = ImageSize { width: 70, height: 50 };
        let prepared = AUGMENT.prepare(&record(size, &on_pixels(size, &[3, 900, 2000])), None).unwrap();
        let sample = |draw| prepared.apply(coded(size, 3), draw).unwrap();
        prop_assert_eq!(sample(draw(index)), sample(draw(index)));
        let others = [Draw { seed: 4, ..draw(index) }, Draw { epoch: 2, ..draw(index) }, draw(index + 1)];
        prop_assert!(others.into_iter().any(|other| sample(other) != sample(draw(index))));
    }

    #[test]
    fn mirrored_twice_is_as_it_was(points in prop::collection::vec((-90.0f64..602.0, -90.0f64..602.0), 0..20)) {
        let points: Vec<_> = points.into_iter().map(|(x, y)| at(x, y)).collect();
        let mut mirrored = points.clone();
        mirror_points(&mut mirrored, 512);
        mirror_points(&mut mirrored, 512);
        prop_assert!(points.iter().zip(&mirrored).all(|(a, b)| (a.x - b.x).abs() < 1e-12 && a.y.to_bits() == b.y.to_bits()));
    }

    /// Crops that tile a picture count every point once altogether, if each counts by its share, however small.
    #[test]
    fn tiles_count_every_point_once(
        points in prop::collection::vec((10.0f64..86.0, 10.0f64..62.0), 0..20),
    ) {
        let points: Vec<_> = points.into_iter().map(|(x, y)| at(x, y)).collect();
        let visible_area = VisibleArea { clip_px: [4.0, 20.0], keep: f64::MIN_POSITIVE, ..VisibleArea::QNRF };
        let augment = CountingAugment { visible_area, ..AUGMENT };
        let size = ImageSize { width: 96, height: 72 };
        let prepared = augment.prepare(&record(size, &points), None).unwrap();
        let tiles = (0..4).flat_map(|i| (0..3).map(move |j| (f64::from(i) * 24.0, f64::from(j) * 24.0)));
        let sum: f64 = tiles.flat_map(|(left, top)| prepared.visible(left, top).1).sum();
        prop_assert!((sum - points.len() as f64).abs() < 1e-9, "{}", sum);
    }
}

#[test]
fn the_crop_of_the_reference_counts_as_it_does_there() {
    // The distances of the lone pairs are 20, so are their squares.
    let points =
        [at(100.0, 100.0), at(100.0, 120.0), at(64.0, 300.0), at(64.0, 320.0), at(58.0, 400.0), at(58.0, 420.0)];
    let size = ImageSize { width: 640, height: 600 };
    let only_nearest = |_: &PointXy| 20.0;
    let mut prepared = CountingAugment { crop: 512, ..AUGMENT }.prepare(&record(size, &points), None).unwrap();
    prepared.neighbour_px = points.iter().map(only_nearest).collect();
    let (kept, targets) = prepared.visible(64.0, 32.0);
    assert_eq!(kept, [at(36.0, 68.0), at(36.0, 88.0), at(0.0, 268.0), at(0.0, 288.0)]);
    assert_eq!(targets, [1.0, 1.0, 0.5, 0.5]);
}

#[test]
fn points_just_outside_are_kept_with_their_places_beyond_the_crop() {
    // 6 of 20 columns, and the same on the right.
    let points = [at(60.0, 60.0), at(580.0, 60.0)];
    let size = ImageSize { width: 700, height: 700 };
    let mut prepared = CountingAugment { crop: 512, ..AUGMENT }.prepare(&record(size, &points), None).unwrap();
    prepared.neighbour_px = [20.0, 20.0].into();
    assert_eq!(prepared.visible(64.0, 32.0), (vec![at(-4.0, 28.0), at(516.0, 28.0)], vec![0.3, 0.3]));
}

#[test]
fn distances_are_those_of_the_resized_picture() {
    let size = ImageSize { width: 100, height: 80 };
    let resize = ShorterSide { bounds_px: [40, 40], filter: Filter::CatmullRom };
    let points = [at(10.0, 10.0), at(40.0, 50.0), at(10.0, 50.0)];
    let prepared = AUGMENT.prepare(&record(size, &points), Some(&resize)).unwrap();
    assert_eq!(&*prepared.points, [at(5.0, 5.0), at(20.0, 25.0), at(5.0, 25.0)]);
    assert_eq!(&*prepared.neighbour_px, [22.5, 20.0, 17.5]);
    // One alone has the largest square, at any size.
    let alone = AUGMENT.prepare(&record(size, &points[..1]), Some(&resize)).unwrap();
    assert_eq!(&*alone.neighbour_px, [128.0]);
}

#[test]
fn a_picture_of_nobody_and_points_on_the_far_edges_give_samples() {
    let size = ImageSize { width: 30, height: 26 };
    let sample = |points: &[PointXy], index| {
        AUGMENT.prepare(&record(size, points), None).unwrap().apply(coded(size, 1), draw(index)).unwrap()
    };
    for index in 0..40 {
        assert_eq!((sample(&[], index).points, sample(&[], index).targets), (vec![], vec![]));
        let corner = [at(30.0, 10.0), at(30.0, 10.0), at(15.0, 26.0), at(15.0, 26.0), at(30.0, 26.0), at(30.0, 26.0)];
        for point in sample(&corner, index).points {
            assert!((-24.0..=48.0).contains(&point.x) && (0.0..=48.0).contains(&point.y), "{point:?}");
        }
    }
    // Of a crop that is the whole picture the far edge is the far edge, and a duplicate is a point of its own.
    let whole = ImageSize::square(24);
    let points = [at(24.0, 12.0), at(24.0, 12.0)];
    let plain = CountingAugment { flip_left_right: 0.0, ..AUGMENT };
    let sample = plain.prepare(&record(whole, &points), None).unwrap().apply(coded(whole, 1), draw(0)).unwrap();
    assert_eq!((sample.points, sample.targets), (points.to_vec(), vec![0.5, 0.5]));
    let mirrored = CountingAugment { flip_left_right: 1.0, ..AUGMENT };
    let sample = mirrored.prepare(&record(whole, &points), None).unwrap().apply(coded(whole, 1), draw(0)).unwrap();
    assert_eq!(sample.points, [at(0.0, 12.0), at(0.0, 12.0)]);
    assert_eq!((sample.image.at(0, 5), sample.image.at(23, 5)), ([23, 5, 7], [0, 5, 7]));
}

#[test]
fn smaller_pictures_are_enlarged_with_their_points_in_one_go() {
    let size = ImageSize { width: 20, height: 12 };
    let points = [at(10.0, 6.0)];
    for resize in [None, Some(&ShorterSide { bounds_px: [6, 6], filter: Filter::OpencvBilinear })] {
        let prepared = AUGMENT.prepare(&record(size, &points), resize).unwrap();
        assert_eq!(prepared.rescale, Rescale::to_shorter(size, 24, Filter::CatmullRom));
        assert_eq!(prepared.rescale.to, ImageSize { width: 40, height: 24 });
        assert_eq!(&*prepared.points, [at(20.0, 12.0)]);
        assert_eq!(prepared.apply(coded(size, STEP), draw(0)).unwrap().shorter_side_px, 24.0);
    }
}

#[test]
fn every_offset_and_both_facings_are_drawn() {
    let size = ImageSize { width: 27, height: 24 };
    let prepared = AUGMENT.prepare(&record(size, &[]), None).unwrap();
    let drawn: BTreeSet<_> = (0..600)
        .map(|index| {
            let [left, top] = prepared.offset(draw(index));
            let first = prepared.apply(coded(size, 1), draw(index)).unwrap().image.at(0, 0);
            assert!(top == 0 && first[1] == 0);
            (left, first[0] as usize - left)
        })
        .collect();
    let expected: BTreeSet<_> = (0..=3).flat_map(|left| [(left, 0), (left, 23)]).collect();
    assert_eq!(drawn, expected);
}

#[test]
fn a_sample_is_read_of_its_file() {
    let size = ImageSize { width: 40, height: 30 };
    let dir = folder(&[("img_0007.png", &crate::testing::png(40, 30, 90))]);
    let mut of_file = record(size, &[at(3.0, 3.0)]);
    of_file.image = dir.path().join("img_0007.png");
    let sample = AUGMENT.prepare(&of_file, None).unwrap().sample(draw(0)).unwrap();
    assert_eq!(sample.image, ImageRgb8::filled(ImageSize::square(24), [90; 3]));
    of_file.size = ImageSize { width: 40, height: 31 };
    let error = AUGMENT.prepare(&of_file, None).unwrap().sample(draw(0)).unwrap_err();
    assert!(matches!(error, DataError::ImageSize { .. }), "{error}");
    let memory = AUGMENT.prepare(&of_file, None).unwrap().apply(coded(size, 1), draw(0)).unwrap_err();
    assert!(matches!(memory, DataError::ImageSize { .. }), "{memory}");
}

#[test]
fn records_and_settings_that_allow_no_sample_are_refused() {
    let size = ImageSize { width: 40, height: 30 };
    let refused = |augment: CountingAugment| match augment.prepare(&record(size, &[]), None) {
        Err(DataError::Option { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(CountingAugment { crop: 0, ..AUGMENT }), "crop");
    assert_eq!(refused(CountingAugment { flip_left_right: 1.5, ..AUGMENT }), "flip-left-right");
    let visible_area = VisibleArea { keep: 0.0, ..VisibleArea::QNRF };
    assert_eq!(refused(CountingAugment { visible_area, ..AUGMENT }), "visible-area.keep");
    let resize = ShorterSide { bounds_px: [9, 8], filter: Filter::CatmullRom };
    assert!(AUGMENT.prepare(&record(size, &[]), Some(&resize)).is_err());
    let bare = CountingRecord { points: None, ..record(size, &[]) };
    let error = AUGMENT.prepare(&bare, None).unwrap_err().to_string();
    assert!(error.contains("img_0007: expected points, got none"), "{error}");
    let sliver = record(ImageSize { width: 1, height: 900_000 }, &[]);
    assert!(matches!(AUGMENT.prepare(&sliver, None), Err(DataError::Resize { .. })));
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn crops_of_real_crowds_count_about_the_heads_in_them() {
    let data = std::path::PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"));
    let options = crate::counting::CountingOptions::default();
    let root = data.join("ucf_cc_50_as_qnrf");
    let set = crate::counting::CountingDataset::open(&root, &options, &crate::split::Split::Train).unwrap();
    let resize = ShorterSide { bounds_px: [512, 2048], filter: Filter::CatmullRom };
    let augment = CountingAugment { crop: 512, ..AUGMENT };
    let (mut inside, mut counted, begun) = (0, 0.0, std::time::Instant::now());
    for (index, record) in set.images.iter().enumerate() {
        let sample = augment.prepare(record, Some(&resize)).unwrap().sample(draw(index)).unwrap();
        let is_inside = |point: &&PointXy| [point.x, point.y].iter().all(|at| (0.0..=512.0).contains(at));
        inside += sample.points.iter().filter(is_inside).count();
        counted += sample.targets.iter().sum::<f64>();
    }
    eprintln!("{inside} heads inside, {counted:.1} counted, {} samples in {:.1?}", set.images.len(), begun.elapsed());
    // What is cut off inside is about what reaches in from outside.
    assert!((counted / inside as f64 - 1.0).abs() < 0.05);
}

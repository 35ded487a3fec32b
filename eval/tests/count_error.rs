//! MAE and its relatives: worked by hand, the same for any order, from files to numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "what is the same sum is the same to the bit")]

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use wrs_eval::{
    Buckets, CountError, CountErrors, CountMetrics, DensityGrid, ImageCount, evaluate_count_files, evaluate_counts,
    write_counts,
};

/// The cells and the points of one image.
type Map = (Vec<f32>, Vec<(f64, f64)>);

fn counted(image: &str, predicted: f64, truth: f64) -> ImageCount {
    ImageCount { image: image.to_owned(), predicted, truth, game: None, groups: BTreeMap::new() }
}

fn in_groups(of: ImageCount, groups: &[(&str, &str)]) -> ImageCount {
    let groups = groups.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ImageCount { groups, ..of }
}

#[track_caller]
fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "got {got}, expected {expected}");
}

#[test]
fn four_images_worked_by_hand() {
    // Errors +10, -20, +3 (of an empty image) and 0.
    let images =
        [counted("b", 110.0, 100.0), counted("a", 180.0, 200.0), counted("d", 3.0, 0.0), counted("c", 50.0, 50.0)];
    let metrics = CountMetrics::of(&images, &Buckets::Nwpu).unwrap();
    assert_eq!((metrics.images, metrics.nae_images), (4, 3));
    assert_close(metrics.mae, 33.0 / 4.0);
    assert_close(metrics.rmse, (509.0_f64 / 4.0).sqrt());
    assert_close(metrics.nae.unwrap(), (0.1 + 0.1) / 3.0);
    assert_close(metrics.bias, -7.0 / 4.0);
    // The truth's mean is 87.5: squares 156.25, 12656.25, 7656.25, 1406.25.
    assert_close(metrics.r2.unwrap(), 1.0 - 509.0 / 21_875.0);
    assert_eq!((metrics.game, metrics.groups.len()), (None, 0));
    let interval = metrics.mae_interval.unwrap();
    assert!(interval.low >= 0.0 && interval.low < metrics.mae && interval.high > metrics.mae && interval.high <= 20.0);

    let rows: Vec<(&str, usize)> = metrics.buckets.iter().map(|b| (b.label.as_str(), b.errors.images)).collect();
    assert_eq!(rows, [("0", 1), ("(0, 100]", 2), ("(100, 500]", 1), ("(500, 5000]", 0), ("> 5000", 0)]);
    let errors = |images, mae, rmse, nae| CountErrors { images, mae, rmse, nae };
    assert_eq!(metrics.buckets[0].errors, errors(1, Some(3.0), Some(3.0), None), "NAE leaves empty images out");
    assert_eq!(metrics.buckets[1].errors, errors(2, Some(5.0), Some(50.0_f64.sqrt()), Some(0.05)));
    assert_eq!(metrics.buckets[3].errors, errors(0, None, None, None));
}

#[test]
fn every_image_is_in_one_group_of_each_attribute() {
    let images = [
        in_groups(counted("a", 12.0, 10.0), &[("weather", "rain"), ("luminance", "2")]),
        in_groups(counted("b", 10.0, 10.0), &[("weather", "none")]),
        in_groups(counted("c", 6.0, 10.0), &[("weather", "rain")]),
    ];
    let metrics = CountMetrics::of(&images, &Buckets::None).unwrap();
    let of = |name: &str| -> Vec<(&str, usize, f64)> {
        metrics.groups[name].iter().map(|g| (g.value.as_str(), g.errors.images, g.errors.mae.unwrap())).collect()
    };
    assert_eq!(metrics.groups.len(), 2);
    assert_eq!(of("weather"), [("none", 1, 0.0), ("rain", 2, 3.0)]);
    assert_eq!(of("luminance"), [("", 2, 2.0), ("2", 1, 2.0)]);
}

#[test]
fn the_document_has_the_keys_of_the_metrics() {
    let images = [
        ImageCount { game: Some([2.0, 4.0, 5.0]), ..counted("a", 12.0, 10.0) },
        in_groups(ImageCount { game: Some([0.0, 1.0, 2.0]), ..counted("b", 10.0, 10.0) }, &[("weather", "rain")]),
    ];
    let metrics = CountMetrics::of(&images, &Buckets::Cuts(vec![50.0])).unwrap();
    assert_eq!(metrics.game, Some([1.0, 1.0, 2.5, 3.5]));
    let value = serde_json::to_value(&metrics).unwrap();
    assert_eq!(value["mae"], 1.0);
    assert_eq!(value["rmse"], 2.0_f64.sqrt());
    assert_eq!(value["nae"], 0.1);
    assert_eq!(value["game"], serde_json::json!([1.0, 1.0, 2.5, 3.5]));
    assert_eq!(value["r2"], serde_json::Value::Null, "the truth does not vary");
    assert_eq!(
        value["buckets"][1],
        serde_json::json!({"label": "> 50", "images": 0, "mae": null, "rmse": null, "nae": null})
    );
    assert_eq!(value["groups"]["weather"][0]["value"], "");
    let back: CountMetrics = serde_json::from_value(value).unwrap();
    assert_eq!(back, metrics);
    let partly = [images[0].clone(), counted("b", 1.0, 1.0)];
    assert_eq!(CountMetrics::of(&partly, &Buckets::None).unwrap().game, None, "of some images it is no mean");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let refused = |images: &[ImageCount]| CountMetrics::of(images, &Buckets::None).unwrap_err();
    let text = refused(&[]).to_string();
    assert!(text.starts_with("expected counts of at least one image, got none\nhelp: "), "{text}");
    for predicted in [f64::NAN, f64::INFINITY, -1e300] {
        let text = refused(&[counted("good", 1.0, 1.0), counted("bad.jpg", predicted, 1.0)]).to_string();
        assert!(text.starts_with("image bad.jpg: expected a finite predicted count, got "), "{text}");
    }
    let text = refused(&[counted("a", 1.0, 1.0), counted("a", 2.0, 1.0)]).to_string();
    assert_eq!(text, "expected each image once, got `a` again");
    let one = [counted("a", 1.0, 1.0)];
    assert!(matches!(CountMetrics::of(&one, &Buckets::Cuts(vec![5.0, 5.0])), Err(CountError::Cuts(_))));
    assert_eq!(CountMetrics::of(&one, &Buckets::None).unwrap().mae_interval, None);
}

#[test]
fn files_to_numbers_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let points = write("points.csv", "image,x,y\nimg_2.jpg,4,4\nimg_2.jpg,5,4.5\nempty.jpg,,\nimg_1.jpg,0,0\n");
    let counts = write("counts.csv", "count,image\n1.5,test/img_1.png\n2,test/img_2.png\n0.25,test/empty.png\n");
    let found = evaluate_count_files(&points, &counts, &Buckets::Jhu).unwrap();
    assert_close(found.metrics.mae, 0.25);
    assert_close(found.metrics.nae.unwrap(), 0.25);
    let names: Vec<&str> = found.images.iter().map(|image| image.image.as_str()).collect();
    assert_eq!(names, ["img_2.jpg", "empty.jpg", "img_1.jpg"], "the truth's names and order");
    let mut both = Vec::new();
    write_counts(&mut both, &found.images).unwrap();
    let both = write("both.csv", &String::from_utf8(both).unwrap());
    assert_eq!(evaluate_count_files(&both, &both, &Buckets::Jhu).unwrap(), found);

    let few = write("few.csv", "image,predicted\nimg_1.jpg,1\n");
    let text = evaluate_count_files(&points, &few, &Buckets::None).unwrap_err().to_string();
    assert!(text.contains("\n2 of the truth have no prediction: empty.jpg, img_2.jpg\nhelp: "), "{text}");
    let nothing = evaluate_counts(&[], &[], &Buckets::None).unwrap_err();
    assert!(matches!(nothing, CountError::NoImages), "{nothing}");
}

proptest! {
    #[test]
    fn the_order_of_images_changes_no_bit(
        set in prop::collection::vec((-100.0_f64..5e3, 0_u32..5000, 0_u8..3), 1..12), shift in 0_usize..12,
    ) {
        let image = |(index, &(predicted, truth, group)): (usize, &(f64, u32, u8))| {
            let game = Some([predicted.abs(), 1e4, 2e4]);
            let of = ImageCount { game, ..counted(&format!("{:x}", index * 7919 % 4096), predicted, f64::from(truth)) };
            in_groups(of, &[("g", &group.to_string())])
        };
        let images: Vec<ImageCount> = set.iter().enumerate().map(image).collect();
        let text = |images: &[ImageCount]| {
            serde_json::to_string(&CountMetrics::of(images, &Buckets::Quantiles(3)).unwrap()).unwrap()
        };
        let expected = text(&images);
        let mut turned = images.clone();
        turned.rotate_left(shift.min(images.len()));
        prop_assert_eq!(text(&turned), expected.clone());
        turned.reverse();
        prop_assert_eq!(text(&turned), expected.clone());
        let metrics: CountMetrics = serde_json::from_str(&expected).unwrap();
        prop_assert!(metrics.rmse >= metrics.mae * (1.0 - 1e-12), "{} and {}", metrics.rmse, metrics.mae);
        prop_assert!(metrics.bias.abs() <= metrics.mae * (1.0 + 1e-12));
        prop_assert_eq!(metrics.buckets.iter().map(|bucket| bucket.errors.images).sum::<usize>(), images.len());
        prop_assert_eq!(metrics.groups["g"].iter().map(|group| group.errors.images).sum::<usize>(), images.len());
    }

    #[test]
    fn game_of_a_set_begins_with_the_mae_and_never_falls(
        maps in prop::collection::vec(
            (prop::collection::vec(0.0_f32..2.0, 30), prop::collection::vec((0.0_f64..48.0, 0.0_f64..40.0), 0..40)), 1..5,
        ),
    ) {
        let of = |(index, (cells, points)): (usize, &Map)| {
            ImageCount::of(&index.to_string(), &DensityGrid::new(5, 6, cells).unwrap(), points, 8)
        };
        let images: Vec<ImageCount> = maps.iter().enumerate().map(of).collect();
        let metrics = CountMetrics::of(&images, &Buckets::None).unwrap();
        let game = metrics.game.unwrap();
        prop_assert_eq!(game[0], metrics.mae);
        prop_assert!(game.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", game);
    }
}

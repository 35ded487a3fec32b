use super::super::{CountingDataset, CountingLayout, recognise};
use super::*;
use crate::testing::{folder, png};

fn told(root: &Path, split: &str) -> String {
    let set = CountingDataset::open(root, &CountingOptions::default(), &Split::from(split)).unwrap();
    let count = |points: &Option<std::sync::Arc<[_]>>| {
        points.as_ref().map_or("-".to_owned(), |p: &std::sync::Arc<[super::super::PointXy]>| p.len().to_string())
    };
    set.images.iter().map(|image| format!("{} {}", image.id, count(&image.points))).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_folder_with_its_table() {
    let root = folder(&[
        ("train/a.png", &png(8, 8, 1)),
        ("train/b.png", &png(8, 8, 2)),
        ("train/points.csv", b"image,x,y\na.png,1,2\na.png,3.5,4\n"),
    ]);
    assert_eq!(recognise(root.path()).unwrap(), CountingLayout::PointsCsv);
    assert_eq!(told(root.path(), "train"), "a 2, b 0", "a picture without a row has no points");
}

#[test]
fn one_table_of_one_folder_is_the_split_all() {
    let root = folder(&[("a.png", &png(8, 8, 1)), ("points.csv", b"image,x,y\na.png,1,2\n")]);
    assert_eq!(told(root.path(), "all"), "a 1");
}

#[test]
fn lists_of_pictures_and_files_of_points() {
    let root = folder(&[
        ("scene/a.png", &png(8, 8, 1)),
        ("scene/a.txt", b"1 2\n3 4\n"),
        ("train.list", b"scene/a.png scene/a.txt\n"),
    ]);
    assert_eq!(told(root.path(), "train"), "a 2");
}

#[test]
fn a_table_that_cannot_be_read_names_its_line() {
    let root = folder(&[("train/a.png", &png(8, 8, 1)), ("train/points.csv", b"image,x,y\na.png,one,2\n")]);
    let error = CountingDataset::open(root.path(), &CountingOptions::default(), &Split::Train).unwrap_err().to_string();
    assert!(error.contains("points.csv") && error.contains('2'), "{error}");
}

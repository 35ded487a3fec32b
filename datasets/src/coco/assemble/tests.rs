use std::fs;
use std::path::PathBuf;

use super::*;
use crate::detection::{EmptyImages, ReadOptions, Split};

/// A root with one split `train2017` whose pictures are empty files.
fn root_with(images: &str, annotations: &str, categories: &str, files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_json(&dir.path().join("annotations/instances_train2017.json"), images, annotations, categories);
    fs::create_dir_all(dir.path().join("train2017")).unwrap();
    for file in files {
        fs::write(dir.path().join("train2017").join(file), "").unwrap();
    }
    dir
}

fn write_json(path: &Path, images: &str, annotations: &str, categories: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let json = format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"#);
    fs::write(path, json).unwrap();
}

fn image(id: u64) -> String {
    format!(r#"{{"id": {id}, "file_name": "{id}.jpg", "width": 64, "height": 48}}"#)
}

fn object(id: u64, image: u64, category: u64) -> String {
    format!(
        r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": [1, 2, 30, 40], "area": 700.5, "iscrowd": 0}}"#
    )
}

const TWO: &str = r#"{"id": 90, "name": "toothbrush"}, {"id": 7, "name": "train"}"#;

fn refusal(images: &str, annotations: &str, categories: &str) -> String {
    let root = root_with(images, annotations, categories, &["1.jpg", "2.jpg"]);
    DetectionDataset::open(root.path(), None, &Split::Train).unwrap_err().to_string()
}

#[test]
fn classes_are_contiguous_by_sorted_id_and_images_sorted() {
    let images = [image(2), image(1)].join(",");
    let annotations =
        [object(0, 2, 90), object(0, 2, 7), r#"{"image_id": 1, "category_id": 7, "bbox": [0, 0, 5, 6]}"#.into()];
    let root = root_with(&images, &annotations.join(","), TWO, &["1.jpg", "2.jpg"]);
    let data = DetectionDataset::open(root.path(), None, &Split::Train).unwrap();
    assert_eq!(data.name, "train2017");
    assert_eq!(data.class_names(), ["train", "toothbrush"]);
    assert_eq!(data.images.iter().map(|i| i.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(data.images[1].annotations.iter().map(|a| a.class).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(data.images[1].annotations[0].area, 700.5);
    assert_eq!(data.images[0].annotations[0].area, 30.0);
    assert_eq!((data.report.without_area, data.report.annotation_ids_ignored), (1, 2));
}

#[test]
fn records_that_contradict_are_refused_by_name() {
    let one = image(1);
    let text = refusal(&[image(1), image(1)].join(","), "", TWO);
    assert!(text.contains("image 1: expected an id of its own"), "{text}");
    let text = refusal(&[image(1), image(2).replace("2.jpg", "1.jpg")].join(","), "", TWO);
    assert!(text.contains("image 2") && text.contains("1.jpg, seen before"), "{text}");
    let text = refusal(&one, &object(5, 1, 8), TWO);
    assert!(text.contains("annotations[0] (id 5)") && text.contains("category_id 8"), "{text}");
    let text = refusal(&one, &object(5, 3, 7), TWO);
    assert!(text.contains("image_id 3"), "{text}");
    let text = refusal(&one, "", r#"{"id": 1, "name": "a"}, {"id": 1, "name": "b"}"#);
    assert!(text.contains("category 1") && text.contains("\"a\" and \"b\""), "{text}");
    let text = refusal(&one.replace("64", "0"), "", TWO);
    assert!(text.contains("a width and height of 1 or more"), "{text}");
    let text = refusal(&one, &object(5, 1, 7).replace("[1, 2, 30, 40]", "[0.1, 0.2, 0.5, 0.5]"), TWO);
    assert!(text.contains("boxes in pixels") && text.contains("help:"), "{text}");
}

#[test]
fn repeated_category_names_are_told_apart() {
    let root = root_with(&image(1), "", r#"{"id": 1, "name": "mouse"}, {"id": 2, "name": "mouse"}"#, &["1.jpg"]);
    let data = DetectionDataset::open(root.path(), None, &Split::Train).unwrap();
    assert_eq!(data.class_names(), ["mouse (1)", "mouse (2)"]);
    assert_eq!(data.report.notes.len(), 2);
}

#[test]
fn missing_pictures_are_listed_or_kept() {
    let images: Vec<_> = (1..=15).map(image).collect();
    let root = root_with(&images.join(","), &object(1, 3, 7), TWO, &["2.jpg"]);
    let error = DetectionDataset::open(root.path(), None, &Split::Train).unwrap_err();
    let DataError::MissingImages { total, missing, .. } = &error else { panic!("{error}") };
    assert_eq!((*total, missing.len()), (15, 14));
    let text = error.to_string();
    assert!(text.starts_with("14 of 15 pictures") && text.contains("first 10: ") && !text.contains("12.jpg"), "{text}");
    let options = ReadOptions { missing: MissingImages::Keep, ..ReadOptions::default() };
    let kept = DetectionDataset::open_with(root.path(), options, &Split::Train).unwrap();
    assert_eq!(kept.images.len(), 15);
    assert_eq!(kept.report.missing.len(), 14);
    assert_eq!(kept.images[2].annotations.len(), 1);
    let trained = kept.training_set(EmptyImages::Keep);
    assert_eq!(trained.images.iter().map(|i| i.image_id).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_5k_list_cuts_coco_2014() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (name, ids) in [("train2014", vec![1, 2]), ("val2014", vec![11, 12, 13])] {
        let images: Vec<_> = ids.iter().map(|id| image(*id)).collect();
        write_json(&root.join(format!("annotations/instances_{name}.json")), &images.join(","), "", TWO);
        fs::create_dir_all(root.join(name)).unwrap();
        for id in ids {
            fs::write(root.join(name).join(format!("{id}.jpg")), "").unwrap();
        }
    }
    fs::write(root.join("5k.txt"), "/elsewhere/val2014/12.jpg\r\n").unwrap();
    let ids = |split: &Split| -> Vec<u64> {
        DetectionDataset::open(root, None, split).unwrap().images.iter().map(|image| image.id).collect()
    };
    assert_eq!(ids(&Split::Val), [12]);
    assert_eq!(ids(&Split::Train), [1, 2, 11, 13]);
    fs::write(root.join("trainvalno5k.txt"), "images/train2014/2.jpg\nimages/val2014/13.jpg\n").unwrap();
    assert_eq!(ids(&Split::Train), [2, 13]);
    assert_eq!(ids(&Split::Named("val2014".into())), [11, 12, 13]);
    fs::write(root.join("5k.txt"), "12.jpg\n99.jpg\n").unwrap();
    let text = DetectionDataset::open(root, None, &Split::Val).unwrap_err().to_string();
    assert!(text.contains("line 2") && text.contains("99.jpg"), "{text}");
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_coco_opens_and_counts_agree_with_its_readme() {
    let data = PathBuf::from(std::env::var_os("WRS_TEST_DATA").expect("WRS_TEST_DATA"));
    let train = DetectionDataset::open(&data.join("coco_tiny"), None, &Split::Train).unwrap();
    let val = DetectionDataset::open(&data.join("coco_tiny"), None, &Split::Val).unwrap();
    assert_eq!((train.images.len(), train.report.annotations), (80, 705));
    assert_eq!((val.images.len(), val.report.annotations), (80, 815));
    assert_eq!(train.categories, val.categories);
    assert_eq!(
        (train.categories[0].id, train.categories[79].id, train.categories[79].name.as_str()),
        (1, 90, "toothbrush")
    );
    assert_eq!(DetectionDataset::open(&data.join("coco_mini"), None, &Split::Train).unwrap().report.annotations, 739);
    let images = data.join("bccd/BCCD/JPEGImages");
    let cells = crate::coco::open_files(&data.join("bccd/coco/instances_train.json"), &images).unwrap();
    assert_eq!((cells.images.len(), cells.categories.len()), (205, 3));
}

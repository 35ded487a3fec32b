//! The same photographs in three layouts are the same data.

#![allow(clippy::unwrap_used)] // tests

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wrs_datasets::DetectionDataset;
use wrs_datasets::detection::ImageRecord;
use wrs_datasets::scenes::{ScenesOptions, write_scenes};
use wrs_detection::recipe::{RECIPES, Recipe};
use wrs_detection::sample::{self, Data};
use wrs_train::recipe;

fn coco(folder: &Path) -> PathBuf {
    let root = folder.join("coco");
    write_scenes(&root, &ScenesOptions { train: 6, val: 3, size: 64, classes: 3, seed: 4 }).unwrap();
    root
}

fn split(root: &Path, name: &str) -> DetectionDataset {
    DetectionDataset::open(root, None, &wrs_datasets::Split::from(name)).unwrap()
}

/// Copies the pictures of a split, `prefix` before their names.
fn copy_pictures(set: &DetectionDataset, to: &Path, prefix: &str) {
    fs::create_dir_all(to).unwrap();
    for image in &set.images {
        fs::copy(&image.path, to.join(format!("{prefix}{}.jpg", stem(&image.path)))).unwrap();
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn yolo(coco: &Path, folder: &Path) -> PathBuf {
    let root = folder.join("yolo");
    let mut names = Vec::new();
    for name in ["train", "val"] {
        let set = split(coco, name);
        copy_pictures(&set, &root.join("images").join(name), "");
        let labels = root.join("labels").join(name);
        fs::create_dir_all(&labels).unwrap();
        for image in &set.images {
            let (width, height) = (image.size.width as f64, image.size.height as f64);
            let mut text = String::new();
            for a in &image.annotations {
                let [x, y, w, h] = a.bbox;
                let (cx, cy, w, h) = ((x + w / 2.0) / width, (y + h / 2.0) / height, w / width, h / height);
                writeln!(text, "{} {cx:?} {cy:?} {w:?} {h:?}", a.class).unwrap();
            }
            fs::write(labels.join(format!("{}.txt", stem(&image.path))), text).unwrap();
        }
        names = set.class_names();
    }
    let yaml = format!("train: images/train\nval: images/val\nnames: [{}]\n", names.join(", "));
    fs::write(root.join("data.yaml"), yaml).unwrap();
    root.join("data.yaml")
}

fn voc(coco: &Path, folder: &Path) -> PathBuf {
    let root = folder.join("voc");
    for part in ["Annotations", "ImageSets/Main"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    for name in ["train", "val"] {
        let set = split(coco, name);
        // One folder holds both splits, and their pictures have the same names.
        copy_pictures(&set, &root.join("JPEGImages"), name);
        let stems: Vec<String> = set.images.iter().map(|image| format!("{name}{}", stem(&image.path))).collect();
        fs::write(root.join(format!("ImageSets/Main/{name}.txt")), stems.join("\n")).unwrap();
        for image in &set.images {
            let mut xml = format!(
                "<annotation><size><width>{}</width><height>{}</height></size>",
                image.size.width, image.size.height
            );
            for a in &image.annotations {
                let [x, y, w, h] = a.bbox;
                let class = &set.categories[a.class as usize].name;
                write!(
                    xml,
                    "<object><name>{class}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{}</xmax><ymax>{}</ymax>\
                     </bndbox></object>",
                    x + w,
                    y + h
                )
                .unwrap();
            }
            fs::write(root.join(format!("Annotations/{name}{}.xml", stem(&image.path))), xml + "</annotation>")
                .unwrap();
        }
    }
    root
}

fn open(root: &Path, more: &[(&str, &str)]) -> Data {
    let text = RECIPES.iter().find(|(name, _)| *name == "bccd/yolov3-wrs").unwrap().1;
    let mut overrides = vec![("data.source.folder.root".to_owned(), root.display().to_string())];
    overrides.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let recipe = recipe::load::<Recipe>("test", text, &overrides).unwrap().recipe;
    sample::open(&recipe, Path::new("unused")).unwrap()
}

fn assert_same_boxes(one: &Data, two: &Data) {
    assert_eq!((one.train.images.len(), one.val.images.len()), (two.train.images.len(), two.val.images.len()));
    for (one, two) in one.train.images.iter().zip(&two.train.images) {
        assert_eq!((one.size, &one.boxes), (two.size, &two.boxes), "{}", one.path.display());
    }
    for (one, two) in one.val.images.iter().zip(&two.val.images) {
        let boxes = |image: &ImageRecord| image.annotations.iter().map(|a| (a.class, a.bbox)).collect::<Vec<_>>();
        assert_eq!(boxes(one), boxes(two), "{}", one.path.display());
    }
}

#[test]
fn coco_yolo_and_voc_layouts_give_the_same_training_and_validation() {
    let folder = TempDir::new().unwrap();
    let coco = coco(folder.path());
    let (yolo, voc) = (yolo(&coco, folder.path()), voc(&coco, folder.path()));
    let (from_coco, from_yolo) = (open(&coco, &[]), open(&yolo, &[]));
    assert_eq!((from_coco.train.images.len(), from_coco.val.images.len()), (6, 3));
    assert_eq!(from_coco.class_names, from_yolo.class_names);
    assert_same_boxes(&from_coco, &from_yolo);
    assert_eq!(from_coco.digest, from_yolo.digest);

    // VOC numbers its classes by name; as one class, nothing is left to tell the layouts apart.
    let single = [("data.single-class", "true")];
    let (from_coco, from_voc) = (open(&coco, &single), open(&voc, &single));
    assert_eq!(from_voc.class_names, ["object"]);
    assert_same_boxes(&from_coco, &from_voc);
    assert_ne!(from_coco.digest, from_yolo.digest);
}

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::detection::{DetectionDataset, EmptyImages, Split};
use crate::error::DataError;
use crate::image::read_image;

const SMALL: ScenesOptions = ScenesOptions { train: 12, val: 5, size: 96, classes: MAX_CLASSES, seed: 4 };

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_folder_is_coco_and_every_picture_fits_its_annotations() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("scenes");
    assert_eq!(write_scenes(&root, &SMALL).unwrap(), ScenesState::Written);
    for (split, pictures) in [(Split::Train, 12), (Split::Val, 5)] {
        let data = DetectionDataset::open(&root, None, &split).unwrap();
        assert_eq!(data.images.len(), pictures);
        assert_eq!(data.class_names(), SHAPES.map(|(_, name)| name.to_owned()));
        assert!(data.report.annotations > pictures);
        for image in &data.images {
            assert_eq!(read_image(&image.path, Some(image.size)).unwrap().image.size, image.size);
        }
        let training = data.training_set(EmptyImages::Keep).counts;
        assert_eq!((training.boxes, training.degenerate, training.clipped), (data.report.annotations, 0, 0));
    }
}

#[test]
fn the_same_options_give_the_same_bytes_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let draw = |name: &str, options: &ScenesOptions| {
        write_scenes(&dir.path().join(name), options).unwrap();
        files(&dir.path().join(name))
    };
    let first = draw("a", &SMALL);
    assert_eq!(first, draw("b", &SMALL));
    let other = draw("c", &ScenesOptions { seed: 5, ..SMALL });
    let picture = Path::new("train2017/000000000001.jpg");
    assert_ne!(first[picture], other[picture]);
    assert_ne!(first[picture], first[Path::new("val2017/000000000001.jpg")]);
    // More pictures leave the first ones as they were.
    assert_eq!(first[picture], draw("d", &ScenesOptions { train: 13, ..SMALL })[picture]);
}

#[test]
fn nothing_else_is_overwritten_and_a_broken_attempt_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("scenes");
    fs::create_dir_all(dir.path().join(".scenes.partial/train2017")).unwrap();
    fs::write(dir.path().join(".scenes.partial/train2017/old.jpg"), "half").unwrap();
    write_scenes(&root, &SMALL).unwrap();
    assert!(!root.join("train2017/old.jpg").exists());
    assert_eq!(write_scenes(&root, &SMALL).unwrap(), ScenesState::Present);
    let other = write_scenes(&root, &ScenesOptions { seed: 5, ..SMALL }).unwrap_err().to_string();
    assert!(other.contains("other options") && other.contains("help:"), "{other}");
    fs::create_dir(dir.path().join("mine")).unwrap();
    assert!(matches!(write_scenes(&dir.path().join("mine"), &SMALL), Err(DataError::Occupied { .. })));
    let none = write_scenes(&dir.path().join("x"), &ScenesOptions { classes: 9, ..SMALL });
    assert!(matches!(none, Err(DataError::Option { option: "scenes.classes", .. })));
}

//! Scenes as a COCO folder of the 2017 layout.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::draw::{draw_all, write_jpeg};
use super::folder::{write_json, write_once};
use super::paint::{Visible, paint_one};
use super::shape::SHAPES;
use super::{ScenesOptions, ScenesState};
use crate::error::DataError;

/// The file that says what a folder was drawn with.
const MARKER: &str = "scenes.json";

/// Draws a COCO folder: `train2017/`, `val2017/`, `annotations/instances_{train,val}2017.json`, and `scenes.json` with the
/// options. It is drawn under `.NAME.partial` beside it and renamed when complete, so it is there whole or not at all.
///
/// # Errors
/// [`DataError::Occupied`] if something else is there, [`DataError::Option`], [`DataError::Io`].
pub fn write_scenes(root: &Path, options: &ScenesOptions) -> Result<ScenesState, DataError> {
    options.check()?;
    write_once(root, MARKER, options, |folder| {
        write_split(folder, "train2017", options.train, options)?;
        write_split(folder, "val2017", options.val, options)
    })
}

fn write_split(root: &Path, split: &str, pictures: usize, options: &ScenesOptions) -> Result<(), DataError> {
    let folder = root.join(split);
    fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
    let annotations = root.join("annotations");
    fs::create_dir_all(&annotations).map_err(DataError::io("create", &annotations))?;
    let scenes = draw_all(&folder, pictures, |index| {
        let scene = paint_one(options, split, index);
        write_jpeg(&folder.join(file_name(index)), &scene.image)?;
        Ok(scene.objects)
    })?;
    write_json(&annotations.join(format!("instances_{split}.json")), &instances(&scenes, options))
}

fn file_name(index: usize) -> String {
    format!("{:012}.jpg", index + 1)
}

#[derive(Serialize)]
struct Instances {
    info: Info,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
}

#[derive(Serialize)]
struct Image {
    id: usize,
    file_name: String,
    width: usize,
    height: usize,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [usize; 4],
    area: usize,
    iscrowd: u8,
}

#[derive(Serialize)]
struct Category {
    id: usize,
    name: &'static str,
    supercategory: &'static str,
}

fn instances(scenes: &[Vec<Visible>], options: &ScenesOptions) -> Instances {
    let side = options.size;
    let objects = scenes.iter().enumerate().flat_map(|(i, objects)| objects.iter().map(move |object| (i + 1, object)));
    Instances {
        info: Info { description: "made-up scenes of overlapping shapes" },
        images: (0..scenes.len())
            .map(|i| Image { id: i + 1, file_name: file_name(i), width: side, height: side })
            .collect(),
        annotations: objects
            .enumerate()
            .map(|(i, (image_id, object))| Annotation {
                id: i + 1,
                image_id,
                category_id: object.class + 1,
                bbox: object.bbox,
                area: object.area,
                iscrowd: 0,
            })
            .collect(),
        categories: SHAPES[..options.classes]
            .iter()
            .enumerate()
            .map(|(i, (_, name))| Category { id: i + 1, name, supercategory: "shape" })
            .collect(),
    }
}

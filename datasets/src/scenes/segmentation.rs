//! Scenes as a VOC 2012 folder: pictures, masks with void outlines, lists.

use std::fs;
use std::path::Path;

use super::draw::{draw_all, write_jpeg};
use super::folder::write_once;
use super::paint::{BACKGROUND, Scene, paint_one};
use super::shape::SHAPES;
use super::{ScenesOptions, ScenesState};
use crate::error::DataError;
use crate::label_map::{LabelMap, VOID, voc_palette, write_label_map};

/// The file that says what a folder was drawn with.
const MARKER: &str = "segmentation-scenes.json";

/// Draws a VOC folder: `VOCdevkit/VOC2012/` with `JPEGImages/`, `SegmentationClass/`, `ImageSets/Segmentation/{train, val,
/// trainval}.txt` and `classes.txt`, which names the background and the shapes instead of VOC's classes; and
/// `segmentation-scenes.json` with the options. It is drawn under `.NAME.partial` beside it and renamed when complete, so it is
/// there whole or not at all.
///
/// A pixel has the label of the shape in front, and is void within a pixel of the outline of what shows of a shape, where
/// colours blend.
///
/// # Errors
/// [`DataError::Occupied`] if something else is there, [`DataError::Option`], [`DataError::Io`].
pub fn write_segmentation_scenes(root: &Path, options: &ScenesOptions) -> Result<ScenesState, DataError> {
    options.check()?;
    write_once(root, MARKER, options, |folder| write_voc(&folder.join("VOCdevkit").join("VOC2012"), options))
}

fn write_voc(home: &Path, options: &ScenesOptions) -> Result<(), DataError> {
    let [pictures, masks, lists] =
        ["JPEGImages", "SegmentationClass", "ImageSets/Segmentation"].map(|folder| home.join(folder));
    for folder in [&pictures, &masks, &lists] {
        fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
    }
    let mut all_ids = Vec::new();
    for (split, count) in [("train", options.train), ("val", options.val)] {
        let ids = draw_all(&pictures, count, |index| {
            let scene = paint_one(options, &format!("segmentation {split}"), index);
            let id = format!("{split}_{:06}", index + 1);
            write_jpeg(&pictures.join(format!("{id}.jpg")), &scene.image)?;
            write_mask(&masks.join(format!("{id}.png")), &scene)?;
            Ok(id)
        })?;
        write_lines(&lists.join(format!("{split}.txt")), &ids)?;
        all_ids.extend(ids);
    }
    write_lines(&lists.join("trainval.txt"), &all_ids)?;
    let shapes = SHAPES[..options.classes].iter().map(|(_, name)| *name);
    write_lines(&home.join("classes.txt"), &std::iter::once("background").chain(shapes).collect::<Vec<_>>())
}

fn write_lines<S: AsRef<str>>(path: &Path, lines: &[S]) -> Result<(), DataError> {
    let text: String = lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect();
    fs::write(path, text).map_err(DataError::io("write", path))
}

fn write_mask(path: &Path, scene: &Scene) -> Result<(), DataError> {
    let mask = |source| DataError::Mask { path: path.to_path_buf(), source };
    write_label_map(path, &labels(scene), &voc_palette()).map_err(mask)
}

/// The class of each pixel's owner, 0 for the background, void where a neighbour has another owner.
fn labels(scene: &Scene) -> LabelMap {
    let (width, height) = (scene.image.size.width, scene.image.size.height);
    let owner = |x: usize, y: usize| scene.owner[y * width + x];
    let label = |i: usize| {
        let (x, y) = (i % width, i / width);
        let own = owner(x, y);
        let is_outline = (x > 0 && owner(x - 1, y) != own)
            || (x + 1 < width && owner(x + 1, y) != own)
            || (y > 0 && owner(x, y - 1) != own)
            || (y + 1 < height && owner(x, y + 1) != own);
        match own {
            _ if is_outline => VOID,
            BACKGROUND => 0,
            own => scene.objects[usize::from(own)].class as u8 + 1,
        }
    };
    LabelMap { width, height, labels: (0..width * height).map(label).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageRgb8, ImageSize};
    use crate::scenes::paint::Visible;
    use crate::segmentation::{LabelledImage, SegmentationDataset, SegmentationOptions, Split};

    const SMALL: ScenesOptions = ScenesOptions { train: 8, val: 3, size: 96, classes: 3, seed: 4 };

    #[test]
    fn the_shape_in_front_has_the_label_and_outlines_are_void() {
        let size = ImageSize { width: 8, height: 3 };
        let object = |class| Visible { class, bbox: [0; 4], area: 0 };
        let row = [BACKGROUND, BACKGROUND, BACKGROUND, 1, 1, 1, 0, 0];
        let scene =
            Scene { image: ImageRgb8::filled(size, [0; 3]), objects: vec![object(4), object(1)], owner: row.repeat(3) };
        assert_eq!(labels(&scene).labels, [0, 0, VOID, VOID, 2, VOID, VOID, 5].repeat(3));
    }

    #[test]
    fn the_folder_is_voc_with_its_own_classes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("scenes");
        assert_eq!(write_segmentation_scenes(&root, &SMALL).unwrap(), ScenesState::Written);
        assert_eq!(write_segmentation_scenes(&root, &SMALL).unwrap(), ScenesState::Present);
        let open = |split| SegmentationDataset::open(&root, &SegmentationOptions::default(), &split).unwrap();
        let (train, val, both) = (open(Split::Train), open(Split::Val), open(Split::Named("trainval".into())));
        assert_eq!((train.images.len(), val.images.len(), both.images.len()), (8, 3, 11));
        assert_eq!(train.class_names, ["background", "circle", "square", "triangle"]);
        let mut histogram = [0; 256];
        for record in &both.images {
            let LabelledImage { image, labels, .. } = record.read().unwrap();
            assert_eq!(image.size, ImageSize::square(96));
            labels.histogram().iter().zip(&mut histogram).for_each(|(pixels, sum)| *sum += pixels);
        }
        assert!(histogram[..4].iter().all(|pixels| *pixels > 0) && histogram[255] > 0, "{:?}", &histogram[..4]);
        assert_eq!(histogram[4..255], [0; 251]);
        assert!(histogram[255] * 2 < histogram[1..4].iter().sum::<u64>(), "outlines are thin: {}", histogram[255]);
    }

    #[test]
    fn the_same_options_give_the_same_bytes_and_detection_is_another_kind() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = |name: &str, options: &ScenesOptions| {
            let root = dir.path().join(name);
            write_segmentation_scenes(&root, options).unwrap();
            let home = root.join("VOCdevkit/VOC2012");
            ["JPEGImages/train_000002.jpg", "SegmentationClass/train_000002.png", "ImageSets/Segmentation/val.txt"]
                .map(|file| fs::read(home.join(file)).unwrap())
        };
        let first = bytes("a", &SMALL);
        assert_eq!(first, bytes("b", &SMALL));
        // More pictures leave the first ones as they were; another seed changes them.
        assert_eq!(first, bytes("c", &ScenesOptions { train: 9, ..SMALL }));
        assert_ne!(first[..2], bytes("d", &ScenesOptions { seed: 5, ..SMALL })[..2]);
        let error = crate::scenes::write_scenes(&dir.path().join("a"), &SMALL).unwrap_err().to_string();
        assert!(error.contains("holds no made-up scenes of this kind"), "{error}");
    }
}

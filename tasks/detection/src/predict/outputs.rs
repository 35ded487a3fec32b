//! What a prediction leaves on disk.
//!
//! | output | file, under the folder |
//! |---|---|
//! | pictures | `STEM.png`, boxes drawn |
//! | json | `predictions.json`, every picture with its boxes |
//! | coco | `coco.json`, COCO's results form |
//! | txt | `labels/STEM.txt`, a line `class cx cy w h score` a box, fractions of the picture's sides |
//! | crops | `crops/CLASS/STEM-N.png`, N from 1, best first |

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::{Deserialize, Serialize};
use wrs_draw::{FolderError, LabelledBox, PlannedFiles, crop, draw_boxes, stem, write_file, write_png};
use wrs_eval::{Detection, write_detections};

use super::{PredictedBox, PredictedPicture};
use crate::error::DetectionError;

/// One kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Pictures with boxes.
    Pictures,
    /// Every picture with its boxes, one document.
    Json,
    /// COCO's results form.
    Coco,
    /// YOLO's label lines, with scores.
    Txt,
    /// Every box cut out.
    Crops,
}

/// What is written, and where.
#[derive(Clone, Debug)]
pub struct Outputs(PlannedFiles<Output>);

impl Outputs {
    /// Plans the files of these pictures.
    ///
    /// # Errors
    /// [`DetectionError::Folder`] when two pictures would be written into one file, or one over a picture that was given.
    pub fn new(
        folder: &Path,
        wanted: impl IntoIterator<Item = Output>,
        pictures: &[PathBuf],
    ) -> Result<Self, DetectionError> {
        let outputs = Self(PlannedFiles::new(folder, wanted, pictures)?);
        for path in pictures {
            outputs.picture(path)?;
        }
        Ok(outputs)
    }

    fn picture(&self, of: &Path) -> Result<Option<PathBuf>, FolderError> {
        self.0.file(&Output::Pictures, None, of, "png")
    }

    /// Writes what belongs to one picture.
    ///
    /// # Errors
    /// [`DetectionError::Folder`].
    pub(super) fn write_picture(
        &self,
        predicted: &mut PredictedPicture,
        picture: &RgbImage,
    ) -> Result<(), DetectionError> {
        if let Some(path) = self.0.file(&Output::Txt, Some("labels"), &predicted.path, "txt")? {
            write_file(&path, label_lines(predicted).as_bytes())?;
        }
        if let Some(folder) = self.0.path(&Output::Crops, "crops") {
            write_crops(predicted, picture, &folder)?;
        }
        if let Some(target) = self.picture(&predicted.path)? {
            let boxes: Vec<LabelledBox> = predicted.detections.iter().map(labelled).collect();
            let mut drawn = picture.clone();
            draw(&mut drawn, &boxes)?;
            write_png(&drawn, &target)?;
            predicted.drawn = Some(target);
        }
        Ok(())
    }

    /// Writes what belongs to all pictures together; `category_ids` are COCO's, by class index.  Gives the files.
    ///
    /// An image id is the number behind the last `_` of the file's name, as COCO names its pictures.
    ///
    /// # Errors
    /// [`DetectionError::Folder`]; [`DetectionError::Usage`] for COCO's form of pictures without such a number.
    pub fn write_all(
        &self,
        predicted: &[PredictedPicture],
        category_ids: &[u64],
    ) -> Result<Vec<PathBuf>, DetectionError> {
        let mut written = Vec::new();
        if let Some(path) = self.0.path(&Output::Json, "predictions.json") {
            let json = serde_json::to_vec_pretty(predicted).map_err(|e| FolderError::failed(&path, &e))?;
            write_file(&path, &json)?;
            written.push(path);
        }
        if let Some(path) = self.0.path(&Output::Coco, "coco.json") {
            let mut json = Vec::new();
            write_detections(&mut json, &coco_results(predicted, category_ids)?)?;
            write_file(&path, &json)?;
            written.push(path);
        }
        Ok(written)
    }
}

fn write_crops(predicted: &PredictedPicture, picture: &RgbImage, folder: &Path) -> Result<(), FolderError> {
    for (i, found) in predicted.detections.iter().enumerate() {
        // A box clipped to nothing has nothing to show; it stands in the other outputs.
        if let Some(cut) = crop(picture, found.xyxy.map(|edge| edge as f32)) {
            let name = format!("{}-{}.png", stem(&predicted.path), i + 1);
            write_png(&cut, &folder.join(file_name(&found.class)).join(name))?;
        }
    }
    Ok(())
}

fn coco_results(predicted: &[PredictedPicture], category_ids: &[u64]) -> Result<Vec<Detection>, DetectionError> {
    let mut results = Vec::new();
    for picture in predicted {
        let name = stem(&picture.path);
        let number = name.rsplit('_').next().unwrap_or(&name);
        let image_id: u64 = number.parse().map_err(|_| {
            let path = picture.path.display();
            let text = format!("{path}: expected a name that ends with the image's id, such as 000000000139.jpg");
            DetectionError::Usage(format!("{text}\nhelp: leave `coco` away from --save, or rename the pictures"))
        })?;
        for found in &picture.detections {
            let [x0, y0, x1, y1] = found.xyxy;
            let (bbox, score) = ([x0, y0, x1 - x0, y1 - y0], f64::from(found.score));
            results.push(Detection { image_id, category_id: category_ids[found.class_index], bbox, score });
        }
    }
    Ok(results)
}

fn label_lines(predicted: &PredictedPicture) -> String {
    let (width, height) = (predicted.width as f64, predicted.height as f64);
    let mut lines = String::new();
    for found in &predicted.detections {
        let [x0, y0, x1, y1] = found.xyxy;
        let (cx, cy, w, h) = (x0.midpoint(x1) / width, y0.midpoint(y1) / height, (x1 - x0) / width, (y1 - y0) / height);
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{} {cx:.6} {cy:.6} {w:.6} {h:.6} {:.6}", found.class_index, found.score);
    }
    lines
}

fn labelled(found: &PredictedBox) -> LabelledBox {
    LabelledBox {
        bbox_xyxy: found.xyxy.map(|edge| edge as f32),
        label: label(&found.class, found.score),
        class: found.class_index,
    }
}

/// What stands at a box.
pub(super) fn label(class: &str, score: f32) -> String {
    format!("{class} {score:.2}")
}

pub(super) fn draw(picture: &mut RgbImage, boxes: &[LabelledBox]) -> Result<(), DetectionError> {
    Ok(draw_boxes(picture, boxes)?)
}

/// A class's name as a folder's: no separators, no dots in front.
fn file_name(class: &str) -> String {
    let name: String = class.chars().map(|c| if c.is_alphanumeric() || "-_ .".contains(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "class".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(path: &str) -> PredictedPicture {
        let detections =
            vec![PredictedBox { class: "a/b".into(), class_index: 1, score: 0.5, xyxy: [10.0, 20.0, 30.0, 60.0] }];
        PredictedPicture { path: path.into(), width: 100, height: 80, detections, drawn: None }
    }

    #[test]
    fn every_output_by_hand() {
        let dir = tempfile::tempdir().unwrap();
        let all = [Output::Pictures, Output::Json, Output::Coco, Output::Txt, Output::Crops];
        let outputs = Outputs::new(dir.path(), all, &["x/COCO_val2014_000000000139.jpg".into()]).unwrap();
        let mut picture = predicted("x/COCO_val2014_000000000139.jpg");
        outputs.write_picture(&mut picture, &RgbImage::new(100, 80)).unwrap();
        let written = outputs.write_all(&[picture.clone()], &[1, 18]).unwrap();
        let name = "COCO_val2014_000000000139";
        assert_eq!(written, [dir.path().join("predictions.json"), dir.path().join("coco.json")]);
        assert_eq!(picture.drawn, Some(dir.path().join(format!("{name}.png"))));
        let line = std::fs::read_to_string(dir.path().join(format!("labels/{name}.txt"))).unwrap();
        assert_eq!(line, "1 0.200000 0.500000 0.200000 0.500000 0.500000\n");
        let results = wrs_eval::read_detections(&dir.path().join("coco.json")).unwrap();
        let expected = Detection { image_id: 139, category_id: 18, bbox: [10.0, 20.0, 20.0, 40.0], score: 0.5 };
        assert_eq!(results, [expected]);
        let cut = image::open(dir.path().join(format!("crops/a-b/{name}-1.png"))).unwrap();
        assert_eq!((cut.width(), cut.height()), (20, 40));
    }

    #[test]
    fn names_without_an_id_and_pictures_drawn_over_are_refused() {
        let error = coco_results(&[predicted("dog.jpg")], &[1, 2]).unwrap_err().to_string();
        assert!(error.contains("dog.jpg") && error.contains("help:"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("x.png");
        RgbImage::new(1, 1).save(&given).unwrap();
        assert!(Outputs::new(dir.path(), [Output::Pictures], std::slice::from_ref(&given)).is_err());
        assert!(Outputs::new(dir.path(), [Output::Txt], &[given]).is_ok());
    }
}

//! From annotations to training boxes.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Annotation, DetectionDataset, Faults, ImageRecord, warning};
use crate::boxes::PixelBox;
use crate::error::DataError;
use crate::image::{Decoded, Frame, ImageSize, read_framed};

/// A box with a side of this many pixels or fewer is dropped (torchvision's reference has the same rule).
const MIN_SIDE_PX: f64 = 1.0;

/// What to do with images that have no usable box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyImages {
    /// Train on them as background.
    Keep,
    /// Leave them out; this gives the 117,263 images of the paper's training split.
    Drop,
}

/// One image to train on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingImage {
    /// The record's id.
    pub image_id: u64,
    /// Where the picture lies.
    pub path: PathBuf,
    /// Size by the annotations; the boxes are in its pixels.
    pub size: ImageSize,
    /// Which way up the annotations take the picture.
    pub frame: Frame,
    /// Clipped to the image, none degenerate, none twice.
    pub boxes: Vec<PixelBox>,
}

impl TrainingImage {
    /// Reads the picture the way up its annotations take it.
    ///
    /// # Errors
    /// As [`crate::image::read_image`].
    pub fn read(&self) -> Result<Decoded, DataError> {
        read_framed(&self.path, self.size, self.frame)
    }
}

/// The images and boxes of a split as training takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSet {
    /// Sorted by id.
    pub images: Vec<TrainingImage>,
    /// What was left out, to be printed by the caller.
    pub counts: TrainingCounts,
}

/// What cleaning did, in boxes unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainingCounts {
    /// Images kept.
    pub images: usize,
    /// Boxes kept.
    pub boxes: usize,
    /// Left out as crowd regions.
    pub crowds: usize,
    /// Left out because they are marked difficult.
    pub difficult: usize,
    /// Kept after being cut at the image's edge by more than a pixel.
    pub clipped: usize,
    /// Left out because a side within the image is a pixel or less, or nothing of them is within.
    pub degenerate: usize,
    /// Left out because the image has the same box of the same class already.
    pub duplicates: usize,
    /// Images without a usable box, kept as background or dropped.
    pub empty_images: usize,
    /// Images left out because their picture is missing.
    pub missing_images: usize,
}

impl DetectionDataset {
    /// The boxes to train on: crowds and difficult ones dropped, the rest clipped to the image, then those with a side of a pixel or less and
    /// repeated ones dropped.
    pub fn training_set(&self, empty: EmptyImages) -> TrainingSet {
        let mut counts = TrainingCounts::default();
        let mut images = Vec::with_capacity(self.images.len());
        for image in &self.images {
            if !image.on_disk {
                counts.missing_images += 1;
                continue;
            }
            let boxes = training_boxes(image, &mut counts);
            if boxes.is_empty() {
                counts.empty_images += 1;
                if empty == EmptyImages::Drop {
                    continue;
                }
            }
            counts.boxes += boxes.len();
            let (path, size, frame) = (image.path.clone(), image.size, image.frame);
            images.push(TrainingImage { image_id: image.id, path, size, frame, boxes });
        }
        counts.images = images.len();
        TrainingSet { images, counts }
    }
}

/// What training makes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept(PixelBox),
    /// Cut at the image's edge by more than a pixel.
    Clipped(PixelBox),
    Crowd,
    Difficult,
    /// Nothing of it lies within the image.
    Outside,
    /// A side within the image is a pixel or less.
    Degenerate,
    Duplicate,
}

/// The fate of each annotation, in their order.
fn fates(image: &ImageRecord) -> Vec<Fate> {
    let mut seen = HashSet::new();
    image.annotations.iter().map(|annotation| fate(annotation, image.size, &mut seen)).collect()
}

fn fate(annotation: &Annotation, size: ImageSize, seen: &mut HashSet<(u32, [u64; 4])>) -> Fate {
    if annotation.is_crowd {
        return Fate::Crowd;
    }
    if annotation.difficult {
        return Fate::Difficult;
    }
    let whole = annotation.xyxy();
    let xyxy = whole.clip(size.width as f64, size.height as f64);
    if whole.width() > 0.0 && whole.height() > 0.0 && xyxy.area() <= 0.0 {
        return Fate::Outside;
    }
    if xyxy.width() <= MIN_SIDE_PX || xyxy.height() <= MIN_SIDE_PX {
        return Fate::Degenerate;
    }
    if !seen.insert((annotation.class, [xyxy.x0, xyxy.y0, xyxy.x1, xyxy.y1].map(f64::to_bits))) {
        return Fate::Duplicate;
    }
    let labelled = PixelBox { class: annotation.class, xyxy };
    // Rounding in the files puts many edges a fraction of a pixel outside; that is no news.
    let is_cut = whole.width() - xyxy.width() > 1.0 || whole.height() - xyxy.height() > 1.0;
    if is_cut { Fate::Clipped(labelled) } else { Fate::Kept(labelled) }
}

fn training_boxes(image: &ImageRecord, counts: &mut TrainingCounts) -> Vec<PixelBox> {
    let mut boxes = Vec::with_capacity(image.annotations.len());
    for fate in fates(image) {
        match fate {
            Fate::Kept(labelled) => boxes.push(labelled),
            Fate::Clipped(labelled) => {
                counts.clipped += 1;
                boxes.push(labelled);
            }
            Fate::Crowd => counts.crowds += 1,
            Fate::Difficult => counts.difficult += 1,
            Fate::Outside | Fate::Degenerate => counts.degenerate += 1,
            Fate::Duplicate => counts.duplicates += 1,
        }
    }
    boxes
}

/// Warns of every box of an image that training cuts or leaves out, crowds and difficult ones excepted. `record` names an
/// annotation of `file` by its position in the image.
pub(crate) fn warn_of_boxes(image: &ImageRecord, file: &Path, record: &dyn Fn(usize) -> String, faults: &mut Faults) {
    if !faults.keeps_all() {
        return;
    }
    for (i, fate) in fates(image).into_iter().enumerate() {
        let (what, help) = match fate {
            Fate::Kept(_) | Fate::Crowd | Fate::Difficult => continue,
            Fate::Clipped(_) => ("reaches over the edge and is cut there", "correct it if it is not meant to"),
            Fate::Outside => ("lies off the picture and is not trained on", "correct or remove it"),
            Fate::Degenerate => ("has a side of a pixel or less and is not trained on", "correct or remove it"),
            Fate::Duplicate => ("stands there twice and is trained on once", "remove one of the two"),
        };
        let [x, y, width, height] = image.annotations[i].bbox;
        let problem = format!("the box of {width:.2} x {height:.2} at ({x:.2}, {y:.2}) in {} {what}", image.size);
        faults.warn(|| warning(file, Some(record(i)), problem, help));
    }
}

impl fmt::Display for TrainingCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} images ({} found without a usable box), {} boxes; left out: {} crowds, {} degenerate, {} duplicates",
            self.images, self.empty_images, self.boxes, self.crowds, self.degenerate, self.duplicates
        )?;
        if self.difficult > 0 {
            write!(f, ", {} difficult", self.difficult)?;
        }
        if self.clipped > 0 {
            write!(f, "; {} clipped to their image", self.clipped)?;
        }
        if self.missing_images > 0 {
            write!(f, "; {} images without their picture", self.missing_images)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Annotation, ReadReport};

    fn object(class: u32, bbox: [f64; 4], is_crowd: bool) -> Annotation {
        Annotation { class, bbox, area: bbox[2] * bbox[3], is_crowd, difficult: false }
    }

    fn image(id: u64, on_disk: bool, annotations: Vec<Annotation>) -> ImageRecord {
        let size = ImageSize { width: 100, height: 50 };
        ImageRecord { id, path: "a.jpg".into(), size, frame: Frame::BySize, on_disk, annotations }
    }

    fn dataset(images: Vec<ImageRecord>) -> DetectionDataset {
        DetectionDataset { name: "x".into(), categories: Vec::new(), images, report: ReadReport::default() }
    }

    #[test]
    fn each_rule_is_applied_and_counted() {
        let annotations = vec![
            Annotation { difficult: true, ..object(0, [30.0, 30.0, 9.0, 9.0], false) },
            object(0, [10.0, 10.0, 20.0, 20.0], false),
            object(0, [10.0, 10.0, 20.0, 20.0], false), // repeated
            object(1, [10.0, 10.0, 20.0, 20.0], false), // another class: kept
            object(0, [0.0, 0.0, 50.0, 50.0], true),    // crowd
            object(0, [90.0, 40.0, 30.0, 30.0], false), // clipped to 10 x 10
            object(0, [-20.0, 0.0, 20.5, 20.0], false), // half a pixel left
            object(0, [5.0, 5.0, 1.0, 20.0], false),    // one pixel wide
            object(0, [5.0, 5.0, -4.0, 20.0], false),   // inside out
            object(0, [200.0, 5.0, 10.0, 20.0], false), // outside
        ];
        let set = dataset(vec![image(1, true, annotations)]).training_set(EmptyImages::Drop);
        let boxes: Vec<_> = set.images[0].boxes.iter().map(|b| (b.class, b.xyxy.to_xywh())).collect();
        let expected = [(0, [10.0, 10.0, 20.0, 20.0]), (1, [10.0, 10.0, 20.0, 20.0]), (0, [90.0, 40.0, 10.0, 10.0])];
        assert_eq!(boxes, expected);
        let counts =
            TrainingCounts { images: 1, boxes: 3, crowds: 1, clipped: 1, degenerate: 4, duplicates: 1, ..set.counts };
        assert_eq!(set.counts, TrainingCounts { difficult: 1, ..counts });
    }

    #[test]
    fn images_without_boxes_are_background_or_dropped() {
        let data = dataset(vec![
            image(1, true, vec![]),
            image(2, true, vec![object(0, [0.0, 0.0, 9.0, 9.0], true)]),
            image(3, false, vec![object(0, [0.0, 0.0, 9.0, 9.0], false)]),
            image(4, true, vec![object(0, [0.0, 0.0, 9.0, 9.0], false)]),
        ]);
        let ids = |empty| data.training_set(empty).images.iter().map(|i| i.image_id).collect::<Vec<_>>();
        assert_eq!(ids(EmptyImages::Keep), [1, 2, 4]);
        assert_eq!(ids(EmptyImages::Drop), [4]);
        let counts = data.training_set(EmptyImages::Drop).counts;
        assert_eq!((counts.empty_images, counts.missing_images), (2, 1));
    }
}

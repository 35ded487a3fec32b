//! Darknet's files as a network that finds things: which `.cfg`, which names, which input.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;

use wrs_weights::darknet::{Cfg, CfgNoteKind};

use crate::darknet::{builtin, published_masks_note};
use crate::error::DetectionError;
use crate::net::{ModelConfig, Network};
use crate::nms::{Labels, NmsSettings};
use crate::recipe::{EvaluationSettings, InputShape};
use crate::saved::{Description, SavedNet};

/// Epsilon, inside the root as in Darknet's GPU code, and share of the newest batch.
const NORM: (f64, f64) = (1e-5, 0.01);

/// The names of COCO's classes, in the order of every COCO network's outputs.
const COCO_NAMES: &str = include_str!("../models/coco.names");

/// Ids up to 90 that COCO's json does not use for its 80 classes.
const UNUSED_COCO_IDS: [u64; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// Classes of COCO.
const COCO_CLASSES: usize = 80;

/// Published files, by their size, and the network they belong to.
const PUBLISHED: [(u64, &str); 3] =
    [(248_007_048, "yolov3"), (252_209_544, "yolov3-spp"), (35_434_956, "yolov3-tiny-published")];

/// How pictures are fitted into a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Filled, whatever the ratio: AlexeyAB's darknet.
    Stretch,
    /// Ratio kept, the rest grey: pjreddie's darknet.
    Letterbox,
}

impl FromStr for Resize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stretch" => Ok(Self::Stretch),
            "letterbox" => Ok(Self::Letterbox),
            _ => Err("expected `stretch` or `letterbox`".to_owned()),
        }
    }
}

/// A `.weights` file and what is known of it.
#[derive(Clone, Debug)]
pub struct DarknetSource<'a> {
    /// The file.
    pub weights: &'a Path,
    /// Its network: name and text of the `.cfg`.  Without it the file must be one of the published ones.
    pub cfg: Option<(&'a Path, &'a str)>,
    /// Text of a file of class names.
    pub names: Option<String>,
    /// How pictures are fitted in; without it, letterboxed.
    pub resize: Option<Resize>,
    /// Side of the input in pixels, in place of the `.cfg`'s.
    pub size: Option<usize>,
}

impl DarknetSource<'_> {
    /// The network with its numbers, and what there is to say about it.
    ///
    /// Boxes are found as Darknet's `valid` does: objectness and score above 0.005, suppression at IoU 0.45, the 100 best.
    ///
    /// # Errors
    /// [`DetectionError::Darknet`] for a `.cfg` that is none, [`DetectionError::Train`] for a file that does not fit it,
    /// [`DetectionError::Usage`] for names or sizes that do not.
    pub fn load(&self) -> Result<(SavedNet, Vec<String>), DetectionError> {
        let (name, text) = self.cfg_text()?;
        let cfg = Cfg::parse(&name, &text)?;
        // Faults of its sizes are told by the file's own name, which the network's description does not keep.
        cfg.walk([cfg.net.height, cfg.net.width])?;
        let mut notes = cfg_notes(&name, &cfg);
        let bytes = std::fs::metadata(self.weights).map_or(0, |metadata| metadata.len());
        notes.extend(published_masks_note(&cfg, bytes));
        let description = self.description(&name, text, &cfg)?;
        let (saved, report) = SavedNet::load_darknet(description, self.weights)?;
        let (size, shape) = (saved.description.evaluation.size, saved.description.evaluation.shape);
        notes.push(format!("{}: {report}, input {size} pixels, {shape:?}", self.weights.display()));
        Ok((saved, notes))
    }

    fn cfg_text(&self) -> Result<(String, String), DetectionError> {
        if let Some((path, text)) = self.cfg {
            return Ok((path.display().to_string(), text.to_owned()));
        }
        let bytes = std::fs::metadata(self.weights).map_or(0, |metadata| metadata.len());
        let published = PUBLISHED.iter().find(|(size, _)| *size == bytes).map(|(_, name)| *name);
        let network =
            published.ok_or_else(|| DetectionError::UnknownWeights { path: self.weights.to_owned(), bytes })?;
        Ok((network.to_owned(), builtin(network).unwrap_or_default().to_owned()))
    }

    fn description(&self, name: &str, text: String, cfg: &Cfg) -> Result<Description, DetectionError> {
        let (norm_eps, norm_momentum) = NORM;
        let model = ModelConfig { network: Network::Darknet { cfg: text }, width: 1.0, norm_eps, norm_momentum };
        let classes = cfg.classes();
        let class_names = self.class_names(classes)?;
        let size = match (self.size, cfg.net.width, cfg.net.height) {
            (Some(size), ..) => size,
            (None, width, height) if width == height => width,
            (None, width, height) => {
                let text = format!("{name}: an input of {width}x{height}, expected a square one");
                return Err(DetectionError::Usage(format!("{text}\nhelp: choose a side with --size")));
            }
        };
        let size =
            NonZeroUsize::new(size).ok_or_else(|| DetectionError::Usage("--size: expected at least 1".into()))?;
        let shape = match self.resize {
            Some(Resize::Stretch) => InputShape::Stretch,
            Some(Resize::Letterbox) | None => InputShape::Square,
        };
        let nms = NmsSettings {
            confidence: 0.005,
            iou: 0.45,
            labels: Labels::Multi,
            pre_nms_top_k: 30_000,
            max_detections: 100,
        };
        let category_ids = category_ids(classes);
        let evaluation = EvaluationSettings { size, shape, nms };
        Ok(Description { anchors: cfg.anchors(), model, class_names, category_ids, evaluation })
    }

    fn class_names(&self, classes: usize) -> Result<Vec<String>, DetectionError> {
        let lines = |text: &str| {
            let text = text.trim_start_matches('\u{feff}').trim_end();
            text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        let Some(names) = &self.names else {
            return Ok(if classes == COCO_CLASSES {
                lines(COCO_NAMES)
            } else {
                (0..classes).map(|class| format!("class {class}")).collect()
            });
        };
        let names = lines(names);
        if names.len() == classes {
            return Ok(names);
        }
        let text = format!("--names: expected {classes} lines, one for each class of the network, got {}", names.len());
        Err(DetectionError::Usage(text))
    }
}

/// What was read over in a `.cfg`: keys of training in one line, all others each with its own.
fn cfg_notes(name: &str, cfg: &Cfg) -> Vec<String> {
    let (training, others): (Vec<_>, Vec<_>) =
        cfg.notes.iter().partition(|note| note.kind == CfgNoteKind::TrainingOnly);
    let mut notes: Vec<String> = others.into_iter().map(|note| format!("{name}: {note}")).collect();
    let keys: BTreeSet<&str> = training.into_iter().map(|note| note.key.as_str()).collect();
    if !keys.is_empty() {
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!("{name}: keys of training and suppression are not used: {keys}"));
    }
    notes
}

/// COCO's ids for a network of its 80 classes; 1 and up for any other.
fn category_ids(classes: usize) -> Vec<u64> {
    let ids = 1..;
    if classes == COCO_CLASSES {
        ids.filter(|id| !UNUSED_COCO_IDS.contains(id)).take(classes).collect()
    } else {
        ids.take(classes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coco_has_eighty_names_and_ids_up_to_ninety() {
        assert_eq!(COCO_NAMES.lines().count(), COCO_CLASSES);
        let ids = category_ids(COCO_CLASSES);
        assert_eq!((ids.len(), ids[0], ids[11], ids[79]), (80, 1, 13, 90));
        assert_eq!(category_ids(3), [1, 2, 3]);
    }
}

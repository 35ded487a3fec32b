//! Where a network's numbers come from: files whose tensors have names, or Darknet's, told apart by their first bytes.

mod names;
#[cfg(test)]
mod tests;

use std::path::Path;

use wrs_nn::Params;
use wrs_weights::darknet::{self, Extent};
use wrs_weights::{Format, Strictness, TensorFile, fit, load_renamed};

use crate::anchors::ANCHORS_PER_LEVEL;
use crate::error::DetectionError;
use crate::model::{BOX_VALUES, YoloV3};
use crate::net::DetectionNet;

use names::Spelling;

/// What the names of the network's Darknet53 begin with.
const BACKBONE: &str = "backbone.";

/// The layer whose rows say how many classes there are.
const PREDICT: &str = "heads.0.predict.weight";

/// Classes that are looked for where a file has no heads.
const COCO_CLASSES: usize = 80;

/// Starts a network from a file, as far as it fits; says in a few lines what was loaded and what starts afresh.
///
/// The file is safetensors or PyTorch's: a network of ours or its Darknet53 alone, mmdetection's YOLOv3 or its, timm's
/// `darknet53`; or Darknet's.  One called `X.conv.N` holds the first N layers; one for another number of classes gives all but
/// its heads.
///
/// # Errors
/// [`DetectionError::Train`] for a file of which nothing fits; the network is then to be thrown away.
pub fn load_init(path: &Path, net: &DetectionNet, params: &mut Params) -> Result<Vec<String>, DetectionError> {
    if Format::of(path)?.is_none() {
        let report = darknet::load_into(params, &net.darknet_order(params), path, Extent::ByName, Strictness::Partial)?;
        return Ok(vec![format!("init    {}: {report}", path.display())]);
    }
    let file = TensorFile::open(path)?;
    let spelling = Spelling::of(&file);
    let mut report = load_renamed(params, &file, |name| spelling.in_file(name), Strictness::Partial)?;
    report.pass_over(spelling.classifier());
    let mut lines = report.lines(file.file());
    lines.splice(1..1, spelling.notes().iter().map(|note| format!("        {note}")));
    Ok(lines)
}

/// Which of this task's networks a file starts, a line each.
pub fn fits(file: &TensorFile<'_>) -> Vec<String> {
    let spelling = Spelling::of(file);
    let predict = spelling.in_file(PREDICT).and_then(|name| file.get(&name));
    let rows = predict.and_then(|entry| entry.shape.first()).map(|rows| rows / ANCHORS_PER_LEVEL);
    let classes = rows.and_then(|values| values.checked_sub(BOX_VALUES)).filter(|classes| *classes > 0);
    let tensors = YoloV3::tensors(classes.unwrap_or(COCO_CLASSES), ANCHORS_PER_LEVEL);
    let report = fit(&tensors, file, |name| spelling.in_file(name));
    let is_of_backbone = |name: &str| name.starts_with(BACKBONE);
    if report.loaded == report.tensors {
        let classes = classes.unwrap_or_default();
        return vec![format!("yolov3 of {classes} classes under {spelling}: detection, with --init")];
    }
    let misfits = report.missing.iter().chain(report.mismatched.iter().map(|m| &m.name));
    if misfits.into_iter().any(|name| is_of_backbone(name)) {
        return Vec::new();
    }
    vec![format!("darknet53, YOLOv3's backbone, under {spelling}: detection, with --init")]
}

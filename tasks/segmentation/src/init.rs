//! Where a network's numbers come from.

#[cfg(test)]
mod tests;

use std::path::Path;

use wrs_backbones::{OutputStride, ResNetDepth};
use wrs_nn::Params;
use wrs_weights::{LoadReport, Strictness, TensorFile, WeightsError, fit, load_renamed};

use crate::error::SegmentationError;
use crate::model::DeepLabV3;
use crate::net::{AuxiliaryConfig, Head, ModelConfig};
use crate::variant;

/// What the names of the network's ResNet begin with.
const BACKBONE: &str = "backbone.";

/// The first layer of a ResNet in a file of its own, under torchvision's and timm's bare names.
const BARE_STEM: &str = "conv1.weight";

/// The classifier of such a file, for classes that are not ours.
const BARE_CLASSIFIER: &str = "fc.";

/// What the names of the network's head begin with, and in VainF's files.
const HEAD: &str = "classifier.";
const VAINF_HEAD: &str = "classifier.classifier.";

/// The pyramid of VainF's DeepLabv3+, beside which `classifier.classifier` is something else.
const VAINF_PLUS: &str = "classifier.aspp.";

/// The second classifier, for training.
const AUXILIARY: &str = "aux_classifier.";

/// The layer with a row for each class.
const LAST_LAYER: &str = "classifier.4.weight";

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// torchvision's DeepLabv3, and ours.
    Torchvision,
    /// torchvision's ResNet by itself; timm's is called the same.
    Backbone,
    /// VainF's DeepLabv3, whose head lies deeper.
    Vainf,
}

impl Spelling {
    fn of(file: &TensorFile<'_>) -> Self {
        let begins = |beginning: &str| file.names().any(|name| name.starts_with(beginning));
        if file.get(BARE_STEM).is_some() && !begins(BACKBONE) {
            Self::Backbone
        } else if begins(VAINF_HEAD) && !begins(VAINF_PLUS) {
            Self::Vainf
        } else {
            Self::Torchvision
        }
    }

    /// What the file calls a tensor of ours.
    fn in_file(self, name: &str) -> Option<String> {
        match self {
            Self::Torchvision => Some(name.to_owned()),
            Self::Backbone => name.strip_prefix(BACKBONE).map(str::to_owned),
            Self::Vainf => Some(name.strip_prefix(HEAD).map_or(name.to_owned(), |rest| format!("{VAINF_HEAD}{rest}"))),
        }
    }

    /// What we call a tensor of the file.
    fn here(self, name: &str) -> String {
        match self {
            Self::Torchvision => name.to_owned(),
            Self::Backbone => format!("{BACKBONE}{name}"),
            Self::Vainf => name.strip_prefix(VAINF_HEAD).map_or(name.to_owned(), |rest| format!("{HEAD}{rest}")),
        }
    }

    fn note(self) -> Option<String> {
        match self {
            Self::Torchvision => None,
            Self::Backbone => Some(format!("        a backbone alone: its names stand for ours below `{BACKBONE}`")),
            Self::Vainf => Some(format!("        under VainF's names: `{VAINF_HEAD}` for `{HEAD}`")),
        }
    }
}

/// Starts a network from a file of safetensors or PyTorch's, as far as it fits; says in a few lines what was loaded and what
/// starts afresh.
///
/// The file holds a whole DeepLabv3 under torchvision's names or VainF's, or a ResNet alone (`conv1`, `layer1`, …, as
/// torchvision's and timm's for ImageNet), which starts the backbone.
///
/// What a file of another network is likely of is said, too.
///
/// # Errors
/// [`SegmentationError::Train`] or [`SegmentationError::OtherNetwork`] for a file of which nothing fits; the network is then
/// to be thrown away.
pub fn load_init(path: &Path, params: &mut Params) -> Result<Vec<String>, SegmentationError> {
    let file = TensorFile::open(path)?;
    let spelling = Spelling::of(&file);
    let ours: Vec<String> = params.iter().map(|(_, p)| p.name.clone()).collect();
    let theirs: Vec<String> = file.names().map(|name| spelling.here(name)).collect();
    let guess = variant::guess(&theirs, &ours);
    let loaded = load_renamed(params, &file, |name| spelling.in_file(name), Strictness::Partial);
    let mut report = loaded.map_err(|source| match (source, &guess) {
        (source @ WeightsError::NothingFits { .. }, Some(guess)) => {
            SegmentationError::OtherNetwork { source, guess: guess.clone() }
        }
        (source, _) => source.into(),
    })?;
    let mut notes: Vec<_> = guess.map(|guess| format!("        it looks like {guess}")).into_iter().collect();
    notes.extend(other_classes(&report));
    notes.extend(spelling.note());
    if spelling == Spelling::Backbone {
        report.pass_over(&[BARE_CLASSIFIER]);
    }
    if !ours.iter().any(|name| name.starts_with(AUXILIARY)) {
        report.pass_over(&[AUXILIARY]);
    }
    let mut lines = report.lines(file.file());
    lines.splice(1..1, notes);
    Ok(lines)
}

/// Which of this task's networks a file starts, a line each.
pub fn fits(file: &TensorFile<'_>) -> Vec<String> {
    let spelling = Spelling::of(file);
    let classes = spelling.in_file(LAST_LAYER).and_then(|name| file.get(&name)).and_then(|entry| entry.shape.first());
    let has_auxiliary = file.names().any(|name| name.starts_with(AUXILIARY));
    let mut found = Vec::new();
    for depth in [ResNetDepth::R18, ResNetDepth::R34, ResNetDepth::R50, ResNetDepth::R101, ResNetDepth::R152] {
        let config = published(depth, has_auxiliary);
        let report = fit(&DeepLabV3::tensors(&config, *classes.unwrap_or(&1)), file, |name| spelling.in_file(name));
        // A deeper network has all that a shallower one of the same blocks has.
        let is_deeper = report.unexpected.iter().any(|name| spelling.here(name).starts_with("backbone.layer"));
        let misfits = report.missing.iter().chain(report.mismatched.iter().map(|m| &m.name));
        let lacks_backbone = misfits.into_iter().any(|name| name.starts_with(BACKBONE));
        if is_deeper || lacks_backbone {
            continue;
        }
        let depth = u64::from(depth);
        found.push(match (report.loaded == report.tensors, classes) {
            (true, Some(classes)) => {
                format!(
                    "deeplabv3 on resnet{depth} of {classes} classes: segmentation, with --init and model.depth={depth}"
                )
            }
            _ => format!("resnet{depth}, DeepLabv3's backbone: segmentation, with --init and model.depth={depth}"),
        });
    }
    found
}

/// torchvision's network of a depth.
fn published(depth: ResNetDepth, has_auxiliary: bool) -> ModelConfig {
    ModelConfig {
        depth,
        output_stride: OutputStride::Sixteen,
        multi_grid: None,
        rates: None,
        width: 1.0,
        head: Head::Torchvision,
        dropout: 0.0,
        auxiliary: has_auxiliary.then_some(AuxiliaryConfig { dropout: 0.1, loss_weight: 0.5 }),
        align_corners: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
    }
}

/// A line about a file whose last layer is for another number of classes.
fn other_classes(report: &LoadReport) -> Option<String> {
    let last = report.mismatched.iter().find(|mismatch| mismatch.name == LAST_LAYER)?;
    let (ours, theirs) = (last.expected.first()?, last.got.first()?);
    let text = format!("        it is for {theirs} classes, the data has {ours}: the last layer starts afresh");
    (ours != theirs).then(|| format!("{text}; to keep it, train on data of its classes in their order"))
}

//! The networks that come with the program.

use std::sync::LazyLock;

use wrs_weights::darknet::Cfg;

const YOLOV3: &str = include_str!("../../models/yolov3.cfg");
const YOLOV3_SPP: &str = include_str!("../../models/yolov3-spp.cfg");
const YOLOV3_TINY: &str = include_str!("../../models/yolov3-tiny.cfg");

/// The finer level's anchors in `yolov3-tiny.cfg` since 2018, and those that its authors' weights were trained with.
const TINY_MASKS: [[usize; 3]; 2] = [[0, 1, 2], [1, 2, 3]];

/// Size of those weights.
const TINY_BYTES: u64 = 35_434_956;

/// [`YOLOV3_TINY`] with the masks of the published weights.
static PUBLISHED_TINY: LazyLock<String> = LazyLock::new(|| YOLOV3_TINY.replace("mask=0,1,2", "mask=1,2,3"));

/// What [`builtin`] knows.
pub const BUILTIN_NAMES: [&str; 4] = ["yolov3", "yolov3-spp", "yolov3-tiny", "yolov3-tiny-published"];

/// The text of a network's `.cfg` by its name; `None` for others than [`BUILTIN_NAMES`].
///
/// `yolov3-tiny` is the one to train anew; `yolov3-tiny-published` fits the weights of its authors, who gave the finer level
/// the anchors 1 to 3 and left the smallest to nobody.
pub fn builtin(name: &str) -> Option<&'static str> {
    match name {
        "yolov3" => Some(YOLOV3),
        "yolov3-spp" => Some(YOLOV3_SPP),
        "yolov3-tiny" => Some(YOLOV3_TINY),
        "yolov3-tiny-published" => Some(&PUBLISHED_TINY),
        _ => None,
    }
}

/// A warning for the published weights of YOLOv3-tiny in a network with the masks of the later `.cfg`: the boxes of its finer
/// level would have wrong sizes (pjreddie/darknet issue 851, AlexeyAB/darknet issue 1341).
pub fn published_masks_note(cfg: &Cfg, file_bytes: u64) -> Option<String> {
    let [later, trained] = TINY_MASKS;
    let (layer, yolo) = cfg.yolo_layers().last()?;
    if file_bytes != TINY_BYTES || yolo.anchors.len() != 6 || yolo.mask != later {
        return None;
    }
    let (file, line) = (&cfg.file, cfg.layers[layer].line_of("mask"));
    Some(format!(
        "{file}:{line}: a file of {TINY_BYTES} bytes is the published yolov3-tiny.weights, whose finer level was trained \
         with mask={}, not {}\nhelp: use the network yolov3-tiny-published, or correct the mask",
        trained.map(|n| n.to_string()).join(","),
        later.map(|n| n.to_string()).join(","),
    ))
}

//! mIOU and its relatives.

use std::fmt::Write;

use wrs_eval::SegmentationMetrics;

use super::{CLASSES_SHOWN, percent};

/// The numbers over all classes, and IoU and accuracy by class; `how` the images were looked at.
pub fn table(metrics: &SegmentationMetrics, images: usize, how: &str) -> String {
    let m = metrics;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "mIOU             {:>6}   mean over {} classes", percent(m.miou), m.classes_used);
    let _ = writeln!(text, "pixel accuracy   {:>6}", percent(m.pixel_accuracy));
    let _ = writeln!(text, "mean accuracy    {:>6}", percent(m.mean_accuracy));
    let _ = writeln!(text, "fw IoU           {:>6}   weighted by frequency", percent(m.fw_iou));
    let _ = writeln!(text, "\n{images} images {how}: {} pixels, {} void", m.pixels, m.void_pixels);
    let _ = writeln!(text, "\n{:<20} {:>12} {:>6} {:>8} {:>6}", "class", "pixels", "IoU", "accuracy", "Dice");
    let seen: Vec<_> = m.per_class.iter().filter(|class| class.iou.is_some()).collect();
    for class in seen.iter().take(CLASSES_SHOWN) {
        let _ = writeln!(
            text,
            "{:<20} {:>12} {:>6} {:>8} {:>6}",
            class.name,
            class.truth_pixels,
            percent(class.iou),
            percent(class.accuracy),
            percent(class.dice)
        );
    }
    if seen.len() > CLASSES_SHOWN {
        let _ = writeln!(text, "… and {} classes more (--json has them all)", seen.len() - CLASSES_SHOWN);
    }
    if seen.len() < m.per_class.len() {
        let absent = m.per_class.len() - seen.len();
        let _ = writeln!(text, "{absent} classes are in neither masks nor predictions; the mean leaves them out");
    }
    text
}

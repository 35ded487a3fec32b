//! COCO's numbers.

use std::fmt::Write;

use wrs_eval::DetectionMetrics;

use super::{CLASSES_SHOWN, percent};

/// COCO's twelve numbers, the paper's four, and AP by class.
pub fn table(metrics: &DetectionMetrics) -> String {
    let m = metrics;
    let mut text = String::new();
    let rows = [
        ("AP", "IoU .50:.95", m.ap),
        ("AP50", "IoU .50", m.ap50),
        ("AP75", "IoU .75", m.ap75),
        ("APs", "area < 32²", m.ap_small),
        ("APm", "32² to 96²", m.ap_medium),
        ("APl", "area > 96²", m.ap_large),
        ("AR1", "1 box", m.ar1),
        ("AR10", "10 boxes", m.ar10),
        ("AR100", "100 boxes", m.ar100),
        ("ARs", "small", m.ar_small),
        ("ARm", "medium", m.ar_medium),
        ("ARl", "large", m.ar_large),
    ];
    // Writing to a string cannot fail.
    for (name, what, value) in rows {
        let _ = writeln!(text, "{name:<6} {what:<12} {:>6}", percent(value));
    }
    let p = &m.paper;
    let _ = writeln!(
        text,
        "\npaper  mAP@0.5 {}  precision {}  recall {}  F1 {}   (at confidence 0.1)",
        percent(p.map50),
        percent(p.precision),
        percent(p.recall),
        percent(p.f1)
    );
    let _ =
        writeln!(text, "VOC    2007 (11 points) {}  2012 (all points) {}", percent(m.voc.map07), percent(m.voc.map12));
    let seen: Vec<_> = m.per_class.iter().filter(|class| class.ground_truths > 0).collect();
    let _ = writeln!(text, "\n{:<20} {:>7} {:>6} {:>6} {:>6}", "class", "objects", "AP", "AP50", "AR100");
    for class in seen.iter().take(CLASSES_SHOWN) {
        let _ = writeln!(
            text,
            "{:<20} {:>7} {:>6} {:>6} {:>6}",
            class.name,
            class.ground_truths,
            percent(class.ap),
            percent(class.ap50),
            percent(class.ar100)
        );
    }
    if seen.len() > CLASSES_SHOWN {
        let _ = writeln!(text, "… and {} classes more (--json has them all)", seen.len() - CLASSES_SHOWN);
    }
    text
}

//! Parity with stored numbers of pycocotools and of the paper's rules written in numpy.

use std::path::PathBuf;

use serde::Deserialize;
use wrs_eval::{
    DetectionMetrics, evaluate_detections, parse_detections, parse_ground_truth, read_detections, read_ground_truth,
};

/// Both sides add the same f64 numbers; only the order of the additions may differ.
const TOLERANCE: f64 = 1e-9;

fn twelve(m: &DetectionMetrics) -> [Option<f64>; 12] {
    [
        m.ap,
        m.ap50,
        m.ap75,
        m.ap_small,
        m.ap_medium,
        m.ap_large,
        m.ar1,
        m.ar10,
        m.ar100,
        m.ar_small,
        m.ar_medium,
        m.ar_large,
    ]
}

/// pycocotools' -1 and JSON's null both say "undefined".
fn defined(value: Option<f64>) -> Option<f64> {
    value.filter(|&v| v >= 0.0)
}

/// Compares and returns the difference.
fn close(what: &str, got: Option<f64>, expected: Option<f64>) -> f64 {
    let difference = match (got, defined(expected)) {
        (None, None) => 0.0,
        (Some(got), Some(expected)) => (got - expected).abs(),
        (got, expected) => panic!("{what}: got {got:?}, expected {expected:?}"),
    };
    assert!(difference <= TOLERANCE, "{what}: got {got:?}, expected {expected:?}");
    difference
}

#[derive(Deserialize)]
struct Golden {
    coco: CocoGolden,
    paper: PaperGolden,
    ground_truth: serde_json::Value,
    detections: serde_json::Value,
}

#[derive(Deserialize)]
struct CocoGolden {
    stats: [Option<f64>; 12],
    per_class: Vec<(u64, [Option<f64>; 7])>,
}

#[derive(Deserialize)]
struct PaperGolden {
    mean: [f64; 4],
    per_class: Vec<(u64, [f64; 4])>,
}

#[test]
fn small_scenes_score_as_in_pycocotools_and_in_the_written_rules() {
    let golden: Golden = serde_json::from_str(include_str!("data/evaluator_golden.json")).unwrap();
    let gt = parse_ground_truth(golden.ground_truth.to_string().as_bytes()).unwrap();
    assert_eq!(gt.warnings, Vec::<String>::new());
    let detections = parse_detections(golden.detections.to_string().as_bytes()).unwrap();
    let metrics = evaluate_detections(&gt.ground_truth, &detections).unwrap();

    let mut largest = 0.0_f64;
    for (index, (got, expected)) in twelve(&metrics).into_iter().zip(golden.coco.stats).enumerate() {
        largest = largest.max(close(&format!("stats[{index}]"), got, expected));
    }
    assert_eq!(metrics.per_class.len(), golden.coco.per_class.len());
    for (class, (id, expected)) in metrics.per_class.iter().zip(golden.coco.per_class) {
        assert_eq!(class.category_id, id);
        let got = [class.ap, class.ap50, class.ap75, class.ap_small, class.ap_medium, class.ap_large, class.ar100];
        for (got, expected) in got.into_iter().zip(expected) {
            largest = largest.max(close(&format!("class {id}"), got, expected));
        }
    }
    let paper = &metrics.paper;
    let means = [paper.map50, paper.precision, paper.recall, paper.f1];
    for (got, expected) in means.into_iter().zip(golden.paper.mean) {
        largest = largest.max(close("paper", got, Some(expected)));
    }
    assert_eq!(paper.per_class.len(), golden.paper.per_class.len());
    for (class, (id, expected)) in paper.per_class.iter().zip(golden.paper.per_class) {
        assert_eq!(class.category_id, id);
        for (got, expected) in [class.ap50, class.precision, class.recall, class.f1].into_iter().zip(expected) {
            largest = largest.max(close(&format!("paper, class {id}"), Some(got), Some(expected)));
        }
    }
    println!("largest difference {largest:e}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let golden: Golden = serde_json::from_str(include_str!("data/evaluator_golden.json")).unwrap();
    let gt = parse_ground_truth(golden.ground_truth.to_string().as_bytes()).unwrap().ground_truth;
    let one = parse_detections(golden.detections.to_string().as_bytes()).unwrap();
    // Enough of them that the evaluator leaves its single-threaded path.
    let detections = one.repeat(60);
    let score = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| evaluate_detections(&gt, &detections).unwrap())
    };
    let single = score(1);
    assert_eq!(single, score(2));
    assert_eq!(single, score(7));
}

#[derive(Deserialize)]
struct Stored {
    stats: [Option<f64>; 12],
    cat_ids: Vec<u64>,
    ap_per_cat: Vec<Option<f64>>,
    ap50_per_cat: Vec<Option<f64>>,
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn stored_coco_results_score_as_in_pycocotools() {
    let data = PathBuf::from(std::env::var("WRS_TEST_DATA").expect("WRS_TEST_DATA names the folder of test data"));
    let golden = data.join("coco_eval_golden");
    let stored = std::fs::read_to_string(golden.join("golden_stats.json")).unwrap();
    let stored: std::collections::BTreeMap<String, Stored> = serde_json::from_str(&stored).unwrap();
    let entries = [
        (
            "val2014_100_fakebbox",
            golden.join("instances_val2014_100.json"),
            golden.join("cocoapi_results/instances_val2014_fakebbox100_results.json"),
        ),
        (
            "fce_dataset",
            golden.join("faster_coco_eval/gt_dataset.json"),
            golden.join("faster_coco_eval/dt_dataset.json"),
        ),
        (
            "dets_yolo-fastest-1.1-xl_coco_tiny_val",
            data.join("coco_tiny/annotations/instances_val2017.json"),
            golden.join("dets_yolo-fastest-1.1-xl_coco_tiny_val.json"),
        ),
    ];
    for (name, gt, dt) in entries {
        let expected = &stored[name];
        let gt = read_ground_truth(&gt).unwrap().ground_truth;
        let metrics = evaluate_detections(&gt, &read_detections(&dt).unwrap()).unwrap();
        let mut largest = 0.0_f64;
        for (index, (got, expected)) in twelve(&metrics).into_iter().zip(expected.stats).enumerate() {
            largest = largest.max(close(&format!("{name}: stats[{index}]"), got, expected));
        }
        let ids: Vec<u64> = metrics.per_class.iter().map(|class| class.category_id).collect();
        assert_eq!(ids, expected.cat_ids, "{name}");
        for (class, (&ap, &ap50)) in
            metrics.per_class.iter().zip(expected.ap_per_cat.iter().zip(&expected.ap50_per_cat))
        {
            largest = largest.max(close(&format!("{name}: {}", class.name), class.ap, ap));
            largest = largest.max(close(&format!("{name}: {} at 0.5", class.name), class.ap50, ap50));
        }
        let paper = metrics.paper;
        println!("{name}: largest difference {largest:e}; AP50 {:?}, paper's {:?}", metrics.ap50, paper.map50);
    }
}

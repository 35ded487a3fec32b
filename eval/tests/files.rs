//! Reading and writing: what is accepted, what is refused and how, and that no bytes panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use wrs_eval::{
    Detection, EvalError, evaluate_detections, parse_detections, parse_ground_truth, read_detections,
    read_ground_truth, write_detections,
};

const INSTANCES: &str = r#"{"info": {"x": [1, {"y": null}]}, "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2}],
 "categories": [{"id": 1, "name": "dog", "supercategory": "animal"}],
 "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2.5, 30, 40], "area": 1000.5, "iscrowd": 0}]}"#;
const RESULTS: &str = r#"[{"image_id": 1, "category_id": 1, "bbox": [1, 2.5, 30, 40], "score": 0.75}]"#;

fn detections_error(text: &str) -> String {
    parse_detections(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn ids_and_flags_in_other_spellings_are_read() {
    let text = INSTANCES.replace("\"id\": 2", "\"id\": \"2\"").replace("\"iscrowd\": 0", "\"iscrowd\": true");
    let read = parse_ground_truth(text.as_bytes()).unwrap().ground_truth;
    assert_eq!(read.image_ids, [1, 2]);
    assert!(read.boxes[0].is_crowd);
    let read = parse_detections(RESULTS.replace("\"image_id\": 1", "\"image_id\": 1.0").as_bytes()).unwrap();
    assert_eq!(read[0].image_id, 1);
    let marked = ["\u{feff}", RESULTS].concat();
    assert_eq!(parse_detections(marked.as_bytes()).unwrap(), parse_detections(RESULTS.as_bytes()).unwrap());
}

#[test]
fn numbers_that_are_not_finite_name_the_image() {
    for word in ["NaN", "Infinity", "-Infinity", "null"] {
        let text = detections_error(&RESULTS.replace("0.75", word));
        assert!(text.contains("detection 0 (image 1)") && text.contains("score"), "{text}");
        let text = detections_error(&RESULTS.replace("2.5", word));
        assert!(text.contains("detection 0 (image 1)") && text.contains("box"), "{text}");
    }
    let text = parse_ground_truth(INSTANCES.replace("2.5", "NaN").as_bytes()).unwrap_err().to_string();
    assert!(text.contains("annotation 0 (image 1)"), "{text}");
}

#[test]
fn broken_documents_say_what_was_expected() {
    let text = detections_error(INSTANCES);
    assert!(text.contains("expected a COCO results file") && text.contains("help: "), "{text}");
    let text = detections_error(&RESULTS.replace("2.5, ", ""));
    assert!(text.contains("line 1"), "{text}");
    let text = detections_error(&RESULTS.replace("\"image_id\": 1", "\"image_id\": \"cat.jpg\""));
    assert!(text.contains("cat.jpg"), "{text}");
    let text = detections_error(&RESULTS.replace("score", "confidence"));
    assert!(text.contains("expected `score`"), "{text}");
    assert!(parse_ground_truth(RESULTS.as_bytes()).is_err());
    assert!(parse_ground_truth(b"").is_err());
}

#[test]
fn errors_carry_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let missing = read_detections(&path).unwrap_err();
    assert!(matches!(missing, EvalError::Read { .. }) && missing.to_string().contains("results.json"), "{missing}");
    std::fs::write(&path, "[{}]").unwrap();
    let broken = read_detections(&path).unwrap_err().to_string();
    assert!(broken.contains("results.json") && broken.contains("image_id"), "{broken}");
    assert!(read_ground_truth(&path).unwrap_err().to_string().contains("results.json"));
}

#[test]
fn files_score_as_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    let (gt_path, dt_path) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
    std::fs::write(&gt_path, INSTANCES).unwrap();
    std::fs::write(&dt_path, RESULTS).unwrap();
    let gt = read_ground_truth(&gt_path).unwrap();
    assert!(gt.warnings.is_empty());
    let metrics = evaluate_detections(&gt.ground_truth, &read_detections(&dt_path).unwrap()).unwrap();
    assert!((metrics.ap.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let mut out = Vec::new();
    let bad = Detection { image_id: 4, category_id: 1, bbox: [0.0; 4], score: f64::NAN };
    assert!(write_detections(&mut out, &[bad]).unwrap_err().to_string().contains("image 4"));
    assert!(out.is_empty());
    write_detections(&mut out, &[]).unwrap();
    assert_eq!(parse_detections(&out).unwrap(), []);
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let side = 0.0_f64..1e6;
    let bbox = [-1e6_f64..1e6, -1e6_f64..1e6, side.clone(), side];
    (any::<u64>(), any::<u64>(), bbox, prop::num::f64::NORMAL)
        .prop_map(|(image_id, category_id, bbox, score)| Detection { image_id, category_id, bbox, score })
}

proptest! {
    #[test]
    fn writing_and_reading_keeps_every_bit(detections in prop::collection::vec(any_detection(), 0..20)) {
        let mut out = Vec::new();
        write_detections(&mut out, &detections).unwrap();
        prop_assert_eq!(parse_detections(&out).unwrap(), detections);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_detections(&bytes);
        let _ = parse_ground_truth(&bytes);
    }

    #[test]
    fn mutated_files_never_panic(
        position in any::<prop::sample::Index>(), length in 0_usize..6,
        put in prop::sample::select(vec!["", "NaN", "-Infinity", "null", "1e308", "-1", "\"", "\\", "[", "]", "{", "}", ",", "é"]),
    ) {
        let mutate = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let start = position.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, put.bytes());
            bytes
        };
        let gt = parse_ground_truth(&mutate(INSTANCES));
        let detections = parse_detections(&mutate(RESULTS));
        if let (Ok(gt), Ok(detections)) = (gt, detections) {
            let _ = evaluate_detections(&gt.ground_truth, &detections);
        }
    }
}

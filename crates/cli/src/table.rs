//! Numbers as people read them: percent or people, aligned.

#[cfg_attr(not(test), expect(dead_code, reason = "the verbs learn of counting in another change"))]
pub mod counting;
pub mod detection;
pub mod segmentation;

/// Classes of a table; the rest is counted.
const CLASSES_SHOWN: usize = 100;

/// A fraction in percent.
fn percent(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| format!("{:.1}", 100.0 * v))
}

//! Numbers as people read them: percent or people, aligned.

pub mod counting;
pub mod detection;
pub mod segmentation;

/// Classes of a table; the rest is counted.
const CLASSES_SHOWN: usize = 100;

/// A fraction in percent.
fn percent(value: Option<f64>) -> String {
    value.map_or("n/a".to_owned(), |v| format!("{:.1}", 100.0 * v))
}

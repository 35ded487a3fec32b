//! From a record to a training sample: pure functions of their inputs and of the draw's seed, epoch and index.

mod letterbox;

pub use letterbox::{Enlarge, Letterbox, rectangular_input};

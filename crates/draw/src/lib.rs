//! Detections on pictures: boxes with class names and scores in colours one can read, and contact sheets.

mod boxes;
mod colour;
mod error;
mod grid;
mod rect;
mod text;

pub use boxes::{LabelledBox, draw_boxes};
pub use colour::{class_colour, ink_on};
pub use error::DrawError;
pub use grid::grid;

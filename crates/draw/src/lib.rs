//! What networks see, on pictures: boxes with class names and scores, classes of pixels with a legend, densities with a
//! count, in colours one can read; contact sheets, crops, and small line plots.

mod boxes;
mod colour;
mod crop;
mod density;
mod error;
mod folder;
mod grid;
mod legend;
mod masks;
mod plot;
mod rect;
mod text;

pub use boxes::{LabelledBox, draw_boxes};
pub use colour::{class_colour, ink_on};
pub use crop::crop;
pub use density::{DensityOverlay, overlay_density};
pub use error::DrawError;
pub use folder::{FolderError, OutputFolder, PlannedFiles, stem, write_file, write_png};
pub use grid::grid;
pub use legend::{LegendEntry, legend};
pub use masks::{MaskStyle, blend_labels, overlay};
pub use plot::{Panel, Scale, Series, plot_svg};

//! Darknet's files: the network's description (`.cfg`) and its numbers (`.weights`), in and out.
//!
//! Facts from pjreddie/darknet and AlexeyAB/darknet (`src/parser.c`, `src/option_list.c`).  A `.weights` file says nothing of
//! its contents but a version and a count: which float is which follows from the network alone, so the size of the file is
//! compared with the network's before a single float is believed.

mod cfg;
mod error;
mod fit;
mod header;
mod order;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use cfg::{
    Activation, Cfg, CfgError, CfgNote, CfgNoteKind, Convolutional, Layer, LayerKind, LayerShape, Maxpool, NetSection,
    Shortcut, Walk, Yolo,
};
pub use error::DarknetError;
pub use header::Header;
pub use order::{DarknetConv, DarknetNorm, file_floats, first_layers};
pub use read::{DarknetReport, Extent, load_into, read};
pub use write::{save, write};

//! Boxes and text on pictures.

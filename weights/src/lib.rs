//! Checkpoint formats, in and out.

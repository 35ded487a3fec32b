//! Buffers, parameters, the tape and the layers.

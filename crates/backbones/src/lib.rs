//! BatchNorm backbones.

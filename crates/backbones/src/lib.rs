//! Backbones: what a task puts its head on.

mod darknet53;
mod module;
mod resnet;
mod vgg;
mod width;

pub use darknet53::{Darknet53, Darknet53Config};
pub use module::Features;
pub use resnet::{OutputStride, ResNet, ResNetConfig, ResNetDepth, UnknownDepth, UnknownOutputStride};
pub use vgg::{UnknownVggDepth, Vgg, VggBlock, VggConfig, VggDepth, VggNorm};

use wrs_nn::{NnError, Pass, Value};

/// A network that turns a picture into feature maps.
pub trait Backbone {
    /// Stride and channels of each map that [`Self::forward`] gives, in the order they are computed: no stride is
    /// below the one before.
    fn stages(&self) -> Vec<Stage>;

    /// # Shapes
    /// `x` `[N, H, W, 3]` to one `[N, ceil(H / stride), ceil(W / stride), channels]` per stage; a VGG's sizes are rounded down.
    ///
    /// # Errors
    /// [`NnError`] when a layer refuses the sizes.
    fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Vec<Value>, NnError>;
}

/// One feature map of a backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Input pixels between neighbouring cells.
    pub stride: usize,
    /// Channels of the map.
    pub channels: usize,
}

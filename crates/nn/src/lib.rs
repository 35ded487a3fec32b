//! Buffers, parameters, an explicit tape, and the layers that write on it.
//!
//! A network is a struct of layers; its numbers live in [`Params`].  A [`Pass`] runs layers forward; a training pass leaves
//! on its [`Tape`] what each layer's backward needs, and [`Tape::backward`] runs it in reverse, freeing every activation
//! as it goes by.  An evaluation pass records nothing and folds every norm into its convolution.
//!
//! Legend: `N` batch, `H W` input pixels, `h w` output pixels, `C`/`I` input channels, `O` output channels.  Activations
//! are `[N, H, W, C]`; conv weights are `[O, kh, kw, I]`, a filter a contiguous row.

mod activate;
mod add;
mod buffer;
mod calibration;
mod conv;
mod conv_bn;
mod dropout;
mod error;
mod gradients;
mod kept;
mod params;
mod pass;
mod pool;
mod shaping;
mod tape;
mod tensor;

pub use activate::activate;
pub use add::add;
pub use buffer::Buffer;
pub use calibration::Calibration;
pub use conv::{Conv, ConvConfig, ConvInit};
pub use conv_bn::{ConvBn, ConvBnConfig, ConvBnNames, NormConfig, SingleValue};
pub use dropout::dropout;
pub use error::NnError;
pub use gradients::Gradients;
pub use params::{Filter, Init, ParamId, Parameter, Params, ParamsBuilder, Role, Scope};
pub use pass::{Dims, InputGradient, Pass, Value};
pub use pool::{PoolConfig, global_average_pool, max_pool};
pub use shaping::{concat, resize_bilinear, upsample_nearest};
pub use tape::Tape;
pub use tensor::evaluate_tensor;
pub use wrs_ops::norm_act::ResidualAt;
pub use wrs_ops::resize::Corners;
pub use wrs_ops::smooth::Smooth;

//! A convolution with a bias and without a norm: the last layer of a head, and what Darknet makes of `batch_normalize=0`.

use wrs_ops::Activation;
use wrs_ops::conv::{ConvShape, Epilogue, conv2d, conv2d_backward_bias, conv2d_backward_input, conv2d_backward_weight};
use wrs_ops::norm_act::activation_backward;

use crate::kept::Kept;
use crate::pass::{Dims, Pass, Value};
use crate::tape::{Backward, Node};
use crate::{Buffer, Init, NnError, ParamId, Role, Scope};

/// How the weights of a convolution, and its bias where it has one, begin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ConvInit {
    /// Both uniform within `1 / sqrt(fan_in)`, PyTorch's default.
    #[default]
    PyTorch,
    /// Weights normal with variance `2 / fan_in`, which keeps the activations' variance (He et al. 2015, section 2.2), biases
    /// 0, as Darknet makes them.
    FanIn,
    /// Weights normal with variance `2 / fan_out`, which keeps the gradients' variance (the same, for the backward pass),
    /// biases 0, as torchvision's ResNet makes them.
    FanOut,
    /// Weights normal with a standard deviation of its own, biases 0, as CSRNet's authors make them.
    Normal {
        /// Standard deviation of the weights.
        std: f64,
    },
}

/// The geometry of a convolution, and its first values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvConfig {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step between outputs, per axis.
    pub stride: [usize; 2],
    /// Zeros around the input, per axis.
    pub padding: [usize; 2],
    /// Step between taps, per axis.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// First values.
    pub init: ConvInit,
}

impl ConvConfig {
    /// A square kernel with stride 1 and the padding that keeps the size (odd kernels).
    pub fn same(c_in: usize, c_out: usize, kernel: usize) -> Self {
        let (one, half) = ([1, 1], [kernel / 2; 2]);
        let init = ConvInit::default();
        Self { c_in, c_out, kernel: [kernel; 2], stride: one, padding: half, dilation: one, groups: 1, init }
    }

    /// The same with another stride.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same with taps further apart and the padding that keeps the size at stride 1 (odd kernels).
    #[must_use]
    pub fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], padding: self.kernel.map(|k| k / 2 * dilation), ..self }
    }

    /// The same with other first values.
    #[must_use]
    pub fn with_init(self, init: ConvInit) -> Self {
        Self { init, ..self }
    }

    /// Values a filter reads: `I / groups * kh * kw`.
    pub fn fan_in(&self) -> usize {
        self.c_in / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// Sums a value goes into, as PyTorch counts them: `O * kh * kw`.
    pub fn fan_out(&self) -> usize {
        self.c_out * self.kernel[0] * self.kernel[1]
    }

    /// The weight's axes in memory, `[O, kh, kw, I / groups]`.
    pub(crate) fn weight_shape(&self) -> [usize; 4] {
        [self.c_out, self.kernel[0], self.kernel[1], self.c_in / self.groups]
    }

    pub(crate) fn weight_init(&self) -> Init {
        match self.init {
            ConvInit::PyTorch => Init::Uniform { bound: 1.0 / (self.fan_in() as f64).sqrt() },
            ConvInit::FanIn => Init::Normal { std: (2.0 / self.fan_in() as f64).sqrt() },
            ConvInit::FanOut => Init::Normal { std: (2.0 / self.fan_out() as f64).sqrt() },
            ConvInit::Normal { std } => Init::Normal { std },
        }
    }

    pub(crate) fn bias_init(&self) -> Init {
        match self.init {
            ConvInit::PyTorch => self.weight_init(),
            ConvInit::FanIn | ConvInit::FanOut | ConvInit::Normal { .. } => Init::Constant(0.0),
        }
    }

    /// The kernels' description over an input, checked.
    pub(crate) fn shape_over(&self, layer: &str, x: Dims) -> Result<ConvShape, NnError> {
        wrs_ops::check_len("conv2d", "input channels", x.c, self.c_in).map_err(NnError::shape(layer))?;
        let Self { c_in, c_out, kernel, stride, padding, dilation, groups, init: _ } = *self;
        let shape = ConvShape { n: x.n, h: x.h, w: x.w, c_in, c_out, kernel, stride, padding, dilation, groups };
        shape.check().map_err(NnError::shape(layer))?;
        Ok(shape)
    }
}

/// The axes of a convolution's output.
pub(crate) fn out_dims(shape: &ConvShape) -> Dims {
    Dims { n: shape.n, h: shape.out_h(), w: shape.out_w(), c: shape.c_out }
}

/// A convolution with a bias, and nothing or a piecewise linear activation behind it.
#[derive(Clone, Debug)]
pub struct Conv {
    config: ConvConfig,
    activation: Activation,
    weight: ParamId,
    bias: ParamId,
    name: String,
}

impl Conv {
    /// Adds `weight` and `bias` to a scope.
    pub fn new(scope: &mut Scope<'_>, config: ConvConfig) -> Self {
        let weight = scope.add("weight", Role::ConvWeight, &config.weight_shape(), config.weight_init());
        let bias = scope.add("bias", Role::Bias, &[config.c_out], config.bias_init());
        Self { config, activation: Activation::Identity, weight, bias, name: scope.name().to_owned() }
    }

    /// The same with an activation behind it, whose negative slope is at least 0.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// The bias, `[O]`.
    pub fn bias(&self) -> ParamId {
        self.bias
    }

    /// # Shapes
    /// `x` `[N, H, W, I]` to `[N, h, w, O]`.
    ///
    /// # Errors
    /// [`NnError::Shape`] when `x` has other channels or is smaller than the kernel.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let shape = self.config.shape_over(&self.name, x.dims())?;
        pass.count_flops(shape.flops());
        let (params, algorithms) = (pass.params(), pass.algorithms());
        let (shift, activation) = (Some(params.values(self.bias)), self.activation);
        let epilogue = Epilogue { shift, activation, ..Epilogue::default() };
        let wanted = x.wanted || pass.trains(&[self.weight, self.bias]);
        let y = pass
            .compute(out_dims(&shape), wanted, |y| {
                conv2d(&shape, x.data.host(), params.values(self.weight), &epilogue, y, algorithms)
            })
            .map_err(NnError::shape(&self.name))?;
        pass.record(&y, || {
            let activated = (self.activation != Activation::Identity).then(|| y.clone());
            Box::new(ConvNode { layer: self.clone(), shape, x: Kept::new(x), activated })
        });
        Ok(y)
    }
}

struct ConvNode {
    layer: Conv,
    shape: ConvShape,
    x: Kept,
    /// The output, whose sign tells the slope of an activation.
    activated: Option<Value>,
}

impl Node for ConvNode {
    fn backward(self: Box<Self>, mut gy: Buffer, way: &mut Backward<'_>) -> Result<(), NnError> {
        let Self { layer, shape, x, activated } = *self;
        let named = || NnError::shape(&layer.name);
        if let Some(y) = activated {
            activation_backward(layer.activation, y.data.host(), gy.host_mut()).map_err(named())?;
        }
        let (gy, algorithms, params, slot) = (gy.host(), way.algorithms, way.params, x.slot());
        if let Some((gb, store)) = way.parameter(layer.bias) {
            conv2d_backward_bias(&shape, gy, gb, store).map_err(named())?;
        }
        if let Some((gw, store)) = way.parameter(layer.weight) {
            let x = x.numbers().map_err(named())?;
            conv2d_backward_weight(&shape, x.host(), gy, gw, store, algorithms).map_err(named())?;
        }
        drop(x);
        way.give(slot, |gx, store| {
            conv2d_backward_input(&shape, gy, params.values(layer.weight), gx, store, algorithms)
        })
        .map_err(named())
    }
}

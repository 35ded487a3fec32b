//! Smaller output strides without new weights: a stride is taken away, and what lies behind it is dilated instead.
//!
//! The dilated network computes at every cell what the strided one computes at some (Chen et al., "Rethinking Atrous
//! Convolution for Semantic Image Segmentation", 2017, section 3.1).  For that the convolution that carried the stride must
//! keep the dilation from before it, since its own input is as fine as ever.

use serde::{Deserialize, Serialize};

/// Strides of the four stages of the plain network.
const STRIDES: [usize; 4] = [1, 2, 2, 2];

/// Input pixels between neighbouring cells of the last map; a recipe writes their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum OutputStride {
    /// Two strides less.
    Eight,
    /// One stride less.
    Sixteen,
    /// The plain network's.
    ThirtyTwo,
}

impl OutputStride {
    /// As a number.
    pub fn pixels(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
            Self::ThirtyTwo => 32,
        }
    }
}

impl From<OutputStride> for u64 {
    fn from(stride: OutputStride) -> Self {
        stride.pixels() as Self
    }
}

/// A number of pixels that is no output stride here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an output stride of 8, 16 or 32, got {0}")]
pub struct UnknownOutputStride(pub u64);

impl TryFrom<u64> for OutputStride {
    type Error = UnknownOutputStride;

    fn try_from(pixels: u64) -> Result<Self, UnknownOutputStride> {
        let all = [Self::Eight, Self::Sixteen, Self::ThirtyTwo];
        all.into_iter().find(|&stride| u64::from(stride) == pixels).ok_or(UnknownOutputStride(pixels))
    }
}

/// Stride and dilations of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StagePlan {
    /// Of the plain network.
    nominal_stride: usize,
    stride: usize,
    /// Of the convolution that carries the stride in the plain network.
    first_dilation: usize,
    /// Of every 3x3 convolution behind it.
    dilation: usize,
    /// From the network's input to the stage's output.
    pub output_stride: usize,
}

/// Stride and dilations of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockPlan {
    /// Of the plain network, on which the block's tensors depend.
    pub nominal_stride: usize,
    /// Of the block's first 3x3 convolution and its projection.
    pub stride: usize,
    /// Of the block's first 3x3 convolution.
    pub first_dilation: usize,
    /// Of a second 3x3 convolution.
    pub dilation: usize,
}

impl StagePlan {
    /// Those of the four stages behind a stem.
    pub(super) fn all(wanted: OutputStride, stem_stride: usize) -> [Self; 4] {
        let (mut output_stride, mut dilation) = (stem_stride, 1);
        STRIDES.map(|nominal_stride| {
            let first_dilation = dilation;
            let keeps = output_stride * nominal_stride <= wanted.pixels();
            let stride = if keeps { nominal_stride } else { 1 };
            dilation *= nominal_stride / stride;
            output_stride *= stride;
            Self { nominal_stride, stride, first_dilation, dilation, output_stride }
        })
    }

    /// That of the stage's block `i`; a grid multiplies the stage's dilation, the first block's too.
    pub(super) fn block(self, i: usize, grid: Option<[usize; 3]>) -> BlockPlan {
        let (stride, nominal_stride) = if i == 0 { (self.stride, self.nominal_stride) } else { (1, 1) };
        let factor = grid.and_then(|grid| grid.get(i).copied());
        let dilation = self.dilation * factor.unwrap_or(1);
        let first_dilation = if i == 0 && factor.is_none() { self.first_dilation } else { dilation };
        BlockPlan { nominal_stride, stride, first_dilation, dilation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputStride::{Eight, Sixteen, ThirtyTwo};

    /// Stride and first dilation of the first three blocks of a stage.
    fn bottlenecks(wanted: OutputStride, stage: usize, grid: Option<[usize; 3]>) -> (usize, [usize; 3]) {
        let plan = StagePlan::all(wanted, 4)[stage];
        (plan.block(0, grid).stride, [0, 1, 2].map(|i| plan.block(i, grid).first_dilation))
    }

    #[test]
    fn dilations_are_torchvisions() {
        for (wanted, layer3, layer4) in [
            (ThirtyTwo, (2, [1, 1, 1]), (2, [1, 1, 1])),
            (Sixteen, (2, [1, 1, 1]), (1, [1, 2, 2])),
            (Eight, (1, [1, 2, 2]), (1, [2, 4, 4])),
        ] {
            assert_eq!(bottlenecks(wanted, 0, None), (1, [1, 1, 1]));
            assert_eq!(bottlenecks(wanted, 1, None), (2, [1, 1, 1]));
            assert_eq!(bottlenecks(wanted, 2, None), layer3);
            assert_eq!(bottlenecks(wanted, 3, None), layer4);
        }
    }

    #[test]
    fn a_grid_multiplies_the_full_dilation_of_the_last_stage() {
        let grid = Some([1, 2, 4]);
        assert_eq!(bottlenecks(ThirtyTwo, 3, grid), (2, [1, 2, 4]));
        assert_eq!(bottlenecks(Sixteen, 3, grid), (1, [2, 4, 8]));
        assert_eq!(bottlenecks(Eight, 3, grid), (1, [4, 8, 16]));
    }

    #[test]
    fn only_the_conv_that_carried_the_stride_keeps_the_dilation_before_it() {
        let dilations = |stage: usize| {
            let plan = StagePlan::all(Eight, 4)[stage];
            [0, 1].map(|i| plan.block(i, None)).map(|b| [b.first_dilation, b.dilation])
        };
        assert_eq!(dilations(2), [[1, 2], [2, 2]]);
        assert_eq!(dilations(3), [[2, 4], [4, 4]]);
    }
}

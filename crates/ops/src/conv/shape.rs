//! The sizes of a convolution.

use crate::ShapeError;

/// No size is larger: their sums and the products of two stay whole numbers, and addresses are made of those.
const MOST: usize = 1 << 31;

/// The sizes of a 2-D convolution over channels-last activations; pairs are `[vertical, horizontal]`.
///
/// # Shapes
/// `x [n, h, w, c_in]`, `weight [c_out, kernel[0], kernel[1], c_in / groups]`, `y [n, out_h, out_w, c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images.
    pub n: usize,
    /// Rows of the input.
    pub h: usize,
    /// Columns of the input.
    pub w: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Taps per axis.
    pub kernel: [usize; 2],
    /// Input pixels from one output pixel to the next.
    pub stride: [usize; 2],
    /// Zeros around the input, on either side.
    pub padding: [usize; 2],
    /// Input pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see one another.
    pub groups: usize,
}

impl ConvShape {
    /// Whether such a convolution exists.
    ///
    /// # Errors
    /// [`ShapeError`] when a size is zero or above 2^31, the groups do not divide the channels, or the dilated kernel is larger than
    /// the padded input.
    pub fn check(&self) -> Result<(), ShapeError> {
        let refuse = |what, expected: String, got: String| Err(ShapeError { op: "conv2d", what, expected, got });
        for (what, size) in [
            ("images", self.n),
            ("input rows", self.h),
            ("input columns", self.w),
            ("input channels", self.c_in),
            ("output channels", self.c_out),
            ("kernel rows", self.kernel[0]),
            ("kernel columns", self.kernel[1]),
            ("vertical stride", self.stride[0]),
            ("horizontal stride", self.stride[1]),
            ("vertical dilation", self.dilation[0]),
            ("horizontal dilation", self.dilation[1]),
            ("groups", self.groups),
        ] {
            if !(1..=MOST).contains(&size) {
                return refuse(what, format!("1 to {MOST}"), size.to_string());
            }
        }
        for (what, size) in [("vertical padding", self.padding[0]), ("horizontal padding", self.padding[1])] {
            if size > MOST {
                return refuse(what, format!("0 to {MOST}"), size.to_string());
            }
        }
        for (what, channels) in [("input channels", self.c_in), ("output channels", self.c_out)] {
            if !channels.is_multiple_of(self.groups) {
                return refuse(what, format!("a multiple of the {} groups", self.groups), channels.to_string());
            }
        }
        for (what, axis, size) in [("kernel rows", 0, self.h), ("kernel columns", 1, self.w)] {
            let (extent, padded) = (self.extent(axis), size + 2 * self.padding[axis]);
            if extent > padded {
                return refuse(
                    what,
                    format!("at most the {padded} of the padded input"),
                    format!("{extent}, dilation included"),
                );
            }
        }
        Ok(())
    }

    /// Rows of the output; 0 where the kernel does not fit.
    pub fn out_h(&self) -> usize {
        self.out_size(0, self.h)
    }

    /// Columns of the output; 0 where the kernel does not fit.
    pub fn out_w(&self) -> usize {
        self.out_size(1, self.w)
    }

    /// Values of the input; where that is no number, more than any slice has, as of the output and the weight.
    pub fn x_len(&self) -> usize {
        product([self.n, self.h, self.w, self.c_in])
    }

    /// Values of the output.
    pub fn y_len(&self) -> usize {
        product([self.n, self.out_h(), self.out_w(), self.c_out])
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        product([self.c_out, self.kernel[0], self.kernel[1], self.group_in()])
    }

    /// Operations of one pass, two per multiplication and addition, taps on padding included.
    pub fn flops(&self) -> u64 {
        2 * self.out_pixels() as u64 * self.weight_len() as u64
    }

    /// Output pixels of all images.
    pub(crate) fn out_pixels(&self) -> usize {
        self.n * self.out_h() * self.out_w()
    }

    /// Taps of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input channels of a group.
    pub(crate) fn group_in(&self) -> usize {
        self.c_in / self.groups
    }

    /// Output channels of a group.
    pub(crate) fn group_out(&self) -> usize {
        self.c_out / self.groups
    }

    /// Whether every channel is convolved with a single filter of its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group_in() == 1 && self.group_out() == 1
    }

    /// Input pixels a dilated kernel spans.
    fn extent(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    fn out_size(&self, axis: usize, size: usize) -> usize {
        (size + 2 * self.padding[axis]).checked_sub(self.extent(axis)).map_or(0, |room| room / self.stride[axis] + 1)
    }
}

/// The product, or the largest number where it is none.
fn product(sizes: [usize; 4]) -> usize {
    sizes.into_iter().fold(1, usize::saturating_mul)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ConvShape = ConvShape {
        n: 2,
        h: 7,
        w: 9,
        c_in: 4,
        c_out: 6,
        kernel: [3, 1],
        stride: [2, 3],
        padding: [1, 0],
        dilation: [2, 1],
        groups: 2,
    };

    #[test]
    fn sizes_by_hand() {
        assert_eq!(SHAPE.check(), Ok(()));
        // (7 + 2 - 5) / 2 + 1 and (9 - 1) / 3 + 1
        assert_eq!((SHAPE.out_h(), SHAPE.out_w()), (3, 3));
        assert_eq!((SHAPE.x_len(), SHAPE.weight_len(), SHAPE.y_len()), (504, 36, 108));
        assert_eq!(SHAPE.flops(), 2 * 18 * 36);
    }

    #[test]
    fn impossible_shapes_are_refused() {
        for (shape, what) in [
            (ConvShape { n: 0, ..SHAPE }, "images"),
            (ConvShape { stride: [1, 0], ..SHAPE }, "horizontal stride"),
            (ConvShape { groups: 3, ..SHAPE }, "input channels"),
            (ConvShape { c_out: 5, ..SHAPE }, "output channels"),
            (ConvShape { dilation: [5, 1], ..SHAPE }, "kernel rows"),
            (ConvShape { padding: [1, usize::MAX / 2 + 1], ..SHAPE }, "horizontal padding"),
            (ConvShape { dilation: [usize::MAX, 1], ..SHAPE }, "vertical dilation"),
            (ConvShape { w: usize::MAX - 1, ..SHAPE }, "input columns"),
        ] {
            assert_eq!(shape.check().map_err(|e| e.what), Err(what));
        }
    }

    /// Of 2^31 times 2^31 times 4 times 6 nothing is left in 64 bits: such a shape must fit no slice, least of all an empty one.
    #[test]
    fn lengths_that_are_no_numbers_fit_no_slice() {
        let side = 1 << 31;
        let shape = ConvShape { n: 4, h: side, w: side, kernel: [1; 2], stride: [1; 2], ..SHAPE };
        assert_eq!(shape.check(), Ok(()));
        assert_eq!((shape.x_len(), shape.y_len()), (usize::MAX, usize::MAX));
    }
}

//! What happens to a sum on its way to memory.

use crate::norm_act::ResidualAt;
use crate::simd::{LANES, Lanes};
use crate::{Activation, ShapeError, check_len};

use super::ConvShape;

/// `y = act(conv * scale + shift)`, with the residual where [`ResidualAt`] says, applied while the output tile is in registers.
///
/// With `scale` and `shift` a batch norm in evaluation is folded in; `shift` alone is a bias.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One factor per output channel; none is 1.
    pub scale: Option<&'a [f32]>,
    /// One addend per output channel; none is 0.
    pub shift: Option<&'a [f32]>,
    /// Applied to the scaled and shifted sum.
    pub activation: Activation,
    /// `[N, h, w, O]`, added before or behind the activation.
    pub residual: Option<(&'a [f32], ResidualAt)>,
}

impl Epilogue<'_> {
    pub(crate) fn check(&self, op: &'static str, shape: &ConvShape) -> Result<(), ShapeError> {
        for (what, values, expected) in [
            ("scale", self.scale, shape.c_out),
            ("shift", self.shift, shape.c_out),
            ("residual", self.residual.map(|(values, _)| values), shape.y_len()),
        ] {
            if let Some(values) = values {
                check_len(op, what, values.len(), expected)?;
            }
        }
        Ok(())
    }

    /// The form the kernels take; `None` when there is nothing to do.
    pub(crate) fn finish(&self) -> Option<Finish> {
        let address = |values: Option<&[f32]>| values.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let residual = |at| address(self.residual.filter(|(_, wanted)| *wanted == at).map(|(values, _)| values));
        let slope = self.activation.negative_slope();
        let idle = self.scale.is_none()
            && self.shift.is_none()
            && self.residual.is_none()
            && self.activation == Activation::Identity;
        (!idle).then(|| Finish {
            scale: address(self.scale),
            shift: address(self.shift),
            residual_before: residual(ResidualAt::BeforeActivation),
            residual_after: residual(ResidualAt::AfterActivation),
            slope,
        })
    }
}

/// An [`Epilogue`] as plain addresses: null where there is none.
///
/// # Safety
/// The methods read `scale` and `shift` at the channels, the residuals at the places they are asked about: the slices the
/// addresses came from must still be there and long enough.
#[derive(Clone, Copy)]
pub(crate) struct Finish {
    scale: *const f32,
    shift: *const f32,
    residual_before: *const f32,
    residual_after: *const f32,
    slope: f32,
}

// SAFETY: the addresses are only read, and come from shared slices.
unsafe impl Send for Finish {}
// SAFETY: as above.
unsafe impl Sync for Finish {}

impl Finish {
    /// The same for columns that start at channel `channel`.
    pub(crate) fn at_channel(self, channel: usize) -> Self {
        let shifted = |address: *const f32, by| if address.is_null() { address } else { address.wrapping_add(by) };
        Self {
            scale: shifted(self.scale, channel),
            shift: shifted(self.shift, channel),
            residual_before: shifted(self.residual_before, channel),
            residual_after: shifted(self.residual_after, channel),
            slope: self.slope,
        }
    }

    /// Finishes the sums of channels `channel..channel + 16` of the pixel whose first channel is at `place`.
    #[inline(always)]
    pub(crate) unsafe fn apply<V: Lanes>(&self, sum: V, place: usize, channel: usize) -> V {
        // SAFETY: sixteen values are readable at each address that is not null.
        unsafe {
            let mut y = sum;
            if !self.scale.is_null() {
                y = y.mul(V::load(self.scale.add(channel)));
            }
            if !self.shift.is_null() {
                y = y.add(V::load(self.shift.add(channel)));
            }
            if !self.residual_before.is_null() {
                y = y.add(V::load(self.residual_before.add(place + channel)));
            }
            y = y.select_positive(y, y.mul(V::splat(self.slope)));
            if !self.residual_after.is_null() {
                y = y.add(V::load(self.residual_after.add(place + channel)));
            }
            y
        }
    }

    /// [`Finish::apply`] for the first `lanes` channels only; the lanes behind them are meaningless.
    #[inline(always)]
    pub(crate) unsafe fn apply_partial<V: Lanes>(&self, sum: V, place: usize, channel: usize, lanes: usize) -> V {
        debug_assert!(lanes <= LANES);
        // SAFETY: `lanes` values are readable at each address that is not null.
        unsafe {
            let mut y = sum;
            if !self.scale.is_null() {
                y = y.mul(V::load_partial(self.scale.add(channel), lanes));
            }
            if !self.shift.is_null() {
                y = y.add(V::load_partial(self.shift.add(channel), lanes));
            }
            if !self.residual_before.is_null() {
                y = y.add(V::load_partial(self.residual_before.add(place + channel), lanes));
            }
            y = y.select_positive(y, y.mul(V::splat(self.slope)));
            if !self.residual_after.is_null() {
                y = y.add(V::load_partial(self.residual_after.add(place + channel), lanes));
            }
            y
        }
    }
}

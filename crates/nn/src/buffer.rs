//! Owned numbers on a device.

use candle_core::{Device, Tensor};
use wrs_ops::scratch::{self, Scratch};

/// A flat run of `f32` on the device of its network: activations, parameters, optimizer state.
///
/// On the CPU it is storage from the kernels' pool, recycled when dropped.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    values: Scratch,
}

impl Buffer {
    /// `len` values that the caller overwrites: they hold what somebody left there.
    pub fn scratch(len: usize) -> Self {
        Self { values: scratch::take(len) }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { values: scratch::zeros(len) }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, in host memory.
    pub fn host(&self) -> &[f32] {
        &self.values
    }

    /// The values, to be written.
    pub fn host_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The values as a candle tensor on the CPU, without a copy.
    ///
    /// # Errors
    /// candle's, when `shape` does not hold [`Self::len`] values.
    pub fn into_tensor(self, shape: &[usize]) -> candle_core::Result<Tensor> {
        Tensor::from_vec(self.values.into_vec(), shape, &Device::Cpu)
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self { values: Scratch::from(values) }
    }
}

//! One tensor of a file: a view of bytes.

use crate::dtype::Dtype;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without what is before all names of the file.
    pub name: String,
    /// What its numbers are.
    pub dtype: Dtype,
    /// Its sides, in PyTorch's order.
    pub shape: Vec<usize>,
    /// Numbers from one to the next, along each side.
    pub(super) strides: Vec<usize>,
    /// The first number's place in the file.
    pub(super) start: u64,
}

impl Entry {
    /// A view of the bytes from `start` to `end`, if it lies in them.
    pub(crate) fn view(
        name: &str,
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        (start, end): (u64, u64),
    ) -> Option<Self> {
        let numbers = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))?;
        numbers.checked_mul(size_of::<f64>())?;
        let span = span(&shape, &strides)?.checked_mul(dtype.bytes())?;
        let fits = numbers == 0 || start.checked_add(span as u64)? <= end;
        fits.then(|| Self { name: name.to_owned(), dtype, shape, strides, start })
    }

    /// A tensor whose numbers lie side by side from `start` on.
    pub(crate) fn contiguous(name: &str, dtype: Dtype, shape: Vec<usize>, start: u64) -> Option<Self> {
        let numbers = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side.max(1)))?;
        let end = start.checked_add(numbers.checked_mul(dtype.bytes())? as u64)?;
        let strides = contiguous(&shape);
        Self::view(name, dtype, shape, strides, (start, end))
    }

    /// Its numbers.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len() as u64 * self.dtype.bytes() as u64
    }
}

/// Numbers from the first to the last one of a view, both included.
pub(super) fn span(shape: &[usize], strides: &[usize]) -> Option<usize> {
    let steps = shape.iter().zip(strides).map(|(side, stride)| side.saturating_sub(1).checked_mul(*stride));
    steps.into_iter().try_fold(1usize, |sum, step| sum.checked_add(step?))
}

/// Strides of tensors whose numbers lie side by side.
pub(super) fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

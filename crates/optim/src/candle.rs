//! WRS for any candle program: rows of a [`Tensor`], and a wrapper around a [`candle_nn::Optimizer`].
//!
//! A row is what feeds one output unit: dimension 0 counts the units, as in candle's conv (`[O, I, kh, kw]`) and linear
//! (`[O, I]`) weights.
//!
//! ```
//! use std::num::NonZeroU64;
//!
//! use candle_core::{DType, Device, Var};
//! use candle_nn::{Optimizer, SGD};
//! use wrs_optim::CandleWrs;
//!
//! # fn main() -> candle_core::Result<()> {
//! let weight = Var::ones((16, 3, 3, 3), DType::F32, &Device::Cpu)?;
//! let sgd = SGD::new(vec![weight.clone()], 0.01)?;
//! let mut optimizer = CandleWrs::wrap(sgd, vec![weight.clone().into()], NonZeroU64::MIN)?;
//! optimizer.backward_step(&weight.sqr()?.sum_all()?)?;
//! let norms = weight.flatten_from(1)?.sqr()?.sum(1)?.sqrt()?.to_vec1::<f32>()?;
//! assert!(norms.iter().all(|norm| (norm - 1.0).abs() < 1e-6));
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;
use std::num::NonZeroU64;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, Error, InplaceOp1, Layout, Result, Tensor, Var, bail};
use candle_nn::BatchNorm;
use wrs_ops::rows::{self, UnitRows};

use crate::wrs::MIN_NORM;

pub use wrs_ops::rows::Rescaled;

/// Divides every row of a tensor by its L2 norm, in place; rows under norm 1e-12 are left and counted.
///
/// # Shapes
/// `tensor` `[O, …]`, of rank 2 at least, contiguous; a row is everything behind dimension 0.
///
/// # Errors
/// Another rank or layout, or an integer tensor.
pub fn rescale_rows(tensor: &Tensor) -> Result<Rescaled> {
    check(tensor)?;
    let tensor = tensor.detach();
    if !matches!((tensor.device(), tensor.dtype()), (Device::Cpu, DType::F32)) {
        return rescale_on_device(&tensor);
    }
    let op = RescaleInPlace { row_len: row_len(&tensor)?, rescaled: RefCell::default() };
    tensor.inplace_op1(&op)?;
    op.rescaled.into_inner().ok_or_else(|| Error::msg("wrs-rescale-rows: candle did not run it").bt())
}

fn check(tensor: &Tensor) -> Result<()> {
    if tensor.rank() < 2 || !tensor.dtype().is_float() {
        bail!("rescale_rows: expected floats of rank 2 or more, got {:?} {:?}", tensor.dtype(), tensor.dims());
    }
    if tensor.is_contiguous() {
        return Ok(());
    }
    bail!("rescale_rows: expected a contiguous tensor, got strides {:?}", tensor.stride())
}

fn row_len(tensor: &Tensor) -> Result<usize> {
    Ok(tensor.elem_count() / tensor.dim(0)?.max(1))
}

/// The kernel of the house, on candle's storage.
struct RescaleInPlace {
    row_len: usize,
    /// candle's in-place operations return nothing.
    rescaled: RefCell<Option<Rescaled>>,
}

impl InplaceOp1 for RescaleInPlace {
    fn name(&self) -> &'static str {
        "wrs-rescale-rows"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("{}: expected contiguous f32 values", self.name());
        };
        let unit = UnitRows { row_len: self.row_len, min_norm: MIN_NORM };
        let rescaled = rows::rescale_rows(&mut values[start..end], unit).map_err(Error::wrap)?;
        self.rescaled.replace(Some(rescaled));
        Ok(())
    }
}

/// The same by candle's own operations, for other devices and dtypes; half precision is summed in `f32`.
fn rescale_on_device(tensor: &Tensor) -> Result<Rescaled> {
    let dtype = if tensor.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let wide = tensor.flatten_from(1)?.to_dtype(dtype)?; // [O, row]
    let norms = wide.sqr()?.sum(1)?.sqrt()?; // [O]
    let norms: Vec<f64> = norms.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()?;
    let has_direction = |norm: f64| norm >= MIN_NORM && norm.is_finite();
    let factors: Vec<f64> = norms.iter().map(|&norm| if has_direction(norm) { 1.0 / norm } else { 1.0 }).collect();
    let skipped = norms.iter().filter(|&&norm| !has_direction(norm)).count();
    multiply(tensor, &factors)?;
    Ok(Rescaled { norms, factors, skipped })
}

/// Multiplies every row, or every value of a vector, by its factor, in place.
fn multiply(tensor: &Tensor, factors: &[f64]) -> Result<()> {
    let dtype = if tensor.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let values = tensor.detach();
    let mut dims = vec![1; values.rank()];
    dims[0] = factors.len();
    let factors = Tensor::from_slice(factors, dims, &Device::Cpu)?.to_dtype(dtype)?.to_device(values.device())?;
    let product = values.to_dtype(dtype)?.broadcast_mul(&factors)?.to_dtype(values.dtype())?;
    values.slice_set(&product, 0, 0)
}

/// A weight to rescale, and what is scaled along so that evaluation mode stays the same.
#[derive(Clone, Debug)]
pub struct CandleFilter {
    /// The weight of a convolution or linear layer.
    pub weight: Var,
    /// Its bias.
    pub bias: Option<Var>,
    /// The batch norms that it feeds; without them the running statistics stay at the old scale, as in the paper.
    pub norms: Vec<BatchNorm>,
}

impl From<Var> for CandleFilter {
    fn from(weight: Var) -> Self {
        Self { weight, bias: None, norms: Vec::new() }
    }
}

impl CandleFilter {
    fn rescale(&self) -> Result<Rescaled> {
        let rescaled = rescale_rows(&self.weight)?;
        if let Some(bias) = &self.bias {
            multiply(bias, &rescaled.factors)?;
        }
        let squares: Vec<f64> = rescaled.factors.iter().map(|factor| factor * factor).collect();
        for norm in &self.norms {
            multiply(norm.running_mean(), &rescaled.factors)?;
            multiply(norm.running_var(), &squares)?;
        }
        Ok(rescaled)
    }
}

/// A [`candle_nn::Optimizer`] whose weights are rescaled every `tau` steps.
#[derive(Debug)]
pub struct CandleWrs<O> {
    inner: O,
    filters: Vec<CandleFilter>,
    tau: NonZeroU64,
    steps: u64,
    last: Vec<Rescaled>,
}

/// What [`candle_nn::Optimizer::new`] makes a [`CandleWrs`] of.
#[derive(Clone, Debug)]
pub struct CandleWrsConfig<C> {
    /// Of the optimizer inside.
    pub inner: C,
    /// What is rescaled.
    pub filters: Vec<CandleFilter>,
    /// Optimizer steps from one rescale to the next.
    pub tau: NonZeroU64,
}

impl<O: candle_nn::Optimizer> CandleWrs<O> {
    /// Wraps an optimizer.
    ///
    /// # Errors
    /// A weight whose rows cannot be rescaled, or that is listed twice.
    pub fn wrap(inner: O, filters: Vec<CandleFilter>, tau: NonZeroU64) -> Result<Self> {
        for (i, filter) in filters.iter().enumerate() {
            check(&filter.weight)?;
            if filters[..i].iter().any(|other| other.weight.id() == filter.weight.id()) {
                bail!(
                    "wrs: expected every weight once, got {:?} again; list all its norms together",
                    filter.weight.dims()
                );
            }
        }
        Ok(Self { inner, filters, tau, steps: 0, last: Vec::new() })
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on from a saved number of steps.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// What the last rescale did to each filter; empty before the first.
    pub fn last_rescale(&self) -> &[Rescaled] {
        &self.last
    }
}

impl<O: candle_nn::Optimizer> candle_nn::Optimizer for CandleWrs<O> {
    type Config = CandleWrsConfig<O::Config>;

    fn new(vars: Vec<Var>, config: Self::Config) -> Result<Self> {
        Self::wrap(O::new(vars, config.inner)?, config.filters, config.tau)
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        self.inner.step(grads)?;
        self.steps += 1;
        if self.steps.is_multiple_of(self.tau.get()) {
            self.last = self.filters.iter().map(CandleFilter::rescale).collect::<Result<_>>()?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.inner.set_learning_rate(lr);
    }
}

#[cfg(test)]
mod tests;

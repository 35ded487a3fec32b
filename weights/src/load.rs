//! From a file's tensors into a network, whatever the file's format.

mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use wrs_nn::{ParamId, Parameter, Params, Role};

pub use report::{LoadReport, Mismatch, listed};

use crate::tensors::{Entry, TensorFile};
use crate::{WeightsError, layout};

/// PyTorch's count of batches behind each batch norm: it takes part in nothing unless `momentum=None`.
const IGNORED_SUFFIX: &str = "num_batches_tracked";

/// What a load does about tensors that have no counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Every tensor of the model and every tensor of the file must have its place.
    Exact,
    /// What fits in name and shape is loaded, the rest reported; a file of which nothing fits is refused.
    Partial,
}

/// Loads a file under the network's own names into it; see [`load_renamed`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_into(params: &mut Params, path: &Path, strictness: Strictness) -> Result<LoadReport, WeightsError> {
    load_renamed(params, &TensorFile::open(path)?, same, strictness)
}

/// Loads the bytes of a file under the network's own names into it; `file` is their name in messages.  See [`load_renamed`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_bytes(
    params: &mut Params,
    bytes: &[u8],
    file: &str,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load_renamed(params, &TensorFile::of_bytes(bytes, file)?, same, strictness)
}

/// The names of a file that holds the whole network are the network's.
#[allow(clippy::unnecessary_wraps)] // as the names of other files are asked for
pub fn same(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Loads a file into a network, tensor by tensor: `in_file` says what a tensor of the network is called there, and gives none
/// for what the file does not hold; such tensors count as missing.
///
/// Names, shapes, kinds of numbers and the places of all of them in the file are checked before the first value is written:
/// the network is as it was after an error of these.  The values are read straight into the network, and seen only then: after
/// [`WeightsError::Io`] and [`WeightsError::Value`] it is to be thrown away.  F16 and BF16 are converted, F64 rounded, which
/// the report tells; `num_batches_tracked` is passed over.
///
/// # Errors
/// [`WeightsError`].
pub fn load_renamed(
    params: &mut Params,
    file: &TensorFile<'_>,
    in_file: impl Fn(&str) -> Option<String>,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    let (fitting, report) = compare(params.iter(), file, &in_file);
    let name = || file.file().to_owned();
    if strictness == Strictness::Exact && !report.is_exact() {
        return Err(WeightsError::DoesNotFit { file: name(), report: Box::new(report) });
    }
    if fitting.is_empty() && !report.is_exact() {
        return Err(WeightsError::NothingFits { file: name(), report: Box::new(report) });
    }
    for (_, entry) in &fitting {
        file.check_float(entry)?;
    }
    for (id, entry) in fitting {
        read(params, id, file, entry)?;
    }
    Ok(report)
}

/// What [`load_renamed`] would report for a network of these tensors, without a network and without values.
pub fn fit(parameters: &[Parameter], file: &TensorFile<'_>, in_file: impl Fn(&str) -> Option<String>) -> LoadReport {
    compare(parameters.iter().map(|parameter| ((), parameter)), file, &in_file).1
}

/// The tensors that have their place, and all others by what keeps them out.
fn compare<'f, 'p, K>(
    parameters: impl Iterator<Item = (K, &'p Parameter)>,
    file: &'f TensorFile<'_>,
    in_file: &dyn Fn(&str) -> Option<String>,
) -> (Vec<(K, &'f Entry)>, LoadReport) {
    let mut report = LoadReport::default();
    let mut fitting = Vec::new();
    let mut known = HashSet::new();
    let mut converted = BTreeMap::new();
    for (key, parameter) in parameters {
        report.tensors += 1;
        let name = in_file(&parameter.name);
        let Some(entry) = name.and_then(|name| file.get(&name)) else {
            report.missing.push(parameter.name.clone());
            continue;
        };
        known.insert(entry.name.as_str());
        let (expected, got) = (layout::file_shape(parameter), entry.shape.clone());
        if expected != got {
            report.mismatched.push(Mismatch { name: parameter.name.clone(), expected, got });
            continue;
        }
        if entry.name != parameter.name {
            report.renamed.push((entry.name.clone(), parameter.name.clone()));
        }
        *converted.entry(entry.dtype).or_insert(0) += 1;
        fitting.push((key, entry));
    }
    let strange = |name: &&str| !known.contains(*name) && name.rsplit('.').next() != Some(IGNORED_SUFFIX);
    report.unexpected = file.names().filter(strange).map(str::to_owned).collect();
    report.unexpected.sort();
    report.loaded = fitting.len();
    converted.remove(&crate::Dtype::F32);
    report.converted = converted.into_iter().collect();
    (fitting, report)
}

/// Reads a tensor's values into their place, some filters at a time, each turned to memory's order.
fn read(params: &mut Params, id: ParamId, file: &TensorFile<'_>, entry: &Entry) -> Result<(), WeightsError> {
    let parameter = params.get(id).clone();
    let is_conv = parameter.role == Role::ConvWeight;
    let filter = if is_conv { parameter.shape.iter().skip(1).product() } else { 1 };
    let is_variance = parameter.role == Role::RunningVar;
    let target = params.values_mut(id);
    let (mut done, mut values) = (0, Vec::new());
    file.pieces(entry, filter, &mut |bytes| {
        values.clear();
        entry.dtype.decode(bytes, &mut values);
        if let Some(at) = values.iter().position(|v| !v.is_finite() || (is_variance && *v < 0.0)) {
            let expected = if is_variance { "a finite number, not negative" } else { "a finite number" };
            let (file, tensor) = (file.file().to_owned(), entry.name.clone());
            return Err(WeightsError::Value { file, tensor, index: done + at, expected, got: values[at] });
        }
        target[done..done + values.len()].copy_from_slice(&layout::from_file(&parameter, &values));
        done += values.len();
        Ok(())
    })
}

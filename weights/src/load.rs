//! From a file of any format into a network: canonical names, PyTorch's axis order.

use std::collections::BTreeSet;
use std::path::Path;

use wrs_nn::{ParamId, Params};

use crate::error::{LoadReport, Mismatch};
use crate::tensors::{Entry, TensorFile};
use crate::{Metadata, WeightsError, layout};

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

/// What a file says about its tensors, without reading them.
///
/// # Errors
/// As [`TensorFile::open`].
pub fn read_metadata(path: &Path) -> Result<Metadata, WeightsError> {
    Ok(TensorFile::open(path)?.metadata().clone())
}

/// The names of a file's tensors, sorted, without reading the tensors.
///
/// # Errors
/// As [`TensorFile::open`].
pub fn read_names(path: &Path) -> Result<Vec<String>, WeightsError> {
    Ok(TensorFile::open(path)?.entries().keys().cloned().collect())
}

/// Loads a file into a network; see [`load_into_renamed`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_into(params: &mut Params, path: &Path, strictness: Strictness) -> Result<LoadReport, WeightsError> {
    load_into_renamed(params, path, whole, strictness)
}

/// Loads the file of a part into a network: every name in it stands for the network's with `prefix` in front, as `conv1.weight`
/// for `backbone.conv1.weight` under `backbone.`; tensors of the network elsewhere count as missing.  See [`load_into_renamed`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_into_prefixed(
    params: &mut Params,
    path: &Path,
    prefix: &str,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load_into_renamed(params, path, |name| name.strip_prefix(prefix).map(str::to_owned), strictness)
}

/// Loads a file under other names into a network: `in_file` says what a tensor of the network is called there, and gives none
/// for what the file does not hold; such tensors count as missing.
///
/// Names, shapes and kinds of numbers are checked before the first value is written: half and double precision are converted, and
/// `num_batches_tracked` is passed over.  The numbers are then read straight to where they belong.
///
/// # Errors
/// [`WeightsError`]; the network is then as it was, unless reading stopped half-way or met a value that is not finite: one that
/// [`WeightsError::NotFinite`] or [`WeightsError::Io`] was given for is to be thrown away.
pub fn load_into_renamed(
    params: &mut Params,
    path: &Path,
    in_file: impl Fn(&str) -> Option<String>,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load(params, TensorFile::open(path)?, &in_file, strictness)
}

/// The names of a file that holds the whole network are the network's.
#[allow(clippy::unnecessary_wraps)] // as the names of other files are asked for
fn whole(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Loads the bytes of a file into a network, by name; `file` is their name in messages.  See [`load_into_renamed`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_bytes(
    params: &mut Params,
    bytes: &[u8],
    file: &str,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load(params, TensorFile::of_bytes(bytes, file)?, &whole, strictness)
}

fn load(
    params: &mut Params,
    mut file: TensorFile<'_>,
    in_file: &dyn Fn(&str) -> Option<String>,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    let (fitting, report) = compare(params, &file, in_file);
    let name = || file.name().to_owned();
    if strictness == Strictness::Exact && !report.is_exact() {
        return Err(WeightsError::DoesNotFit { file: name(), report });
    }
    if fitting.is_empty() && !report.is_exact() {
        return Err(WeightsError::NothingFits { file: name(), report });
    }
    for Fitting { tensor, entry, .. } in &fitting {
        file.check_dtype(tensor, entry)?;
    }
    for fitting in fitting {
        fitting.read(&mut file, params)?;
    }
    Ok(report)
}

/// A tensor of the file and its place in the network.
struct Fitting {
    id: ParamId,
    tensor: String,
    entry: Entry,
}

impl Fitting {
    fn read(&self, file: &mut TensorFile<'_>, params: &mut Params) -> Result<(), WeightsError> {
        let parameter = params.get(self.id).clone();
        // Whole filters, so that each piece can be turned into memory's order by itself.
        let filter = parameter.shape.iter().skip(1).product();
        let name = file.name().to_owned();
        let values = params.values_mut(self.id);
        file.read_pieces(&self.tensor, &self.entry, filter, |at, piece| {
            if let Some(i) = piece.iter().position(|v| !v.is_finite()) {
                let (file, tensor, got) = (name.clone(), self.tensor.clone(), piece[i]);
                return Err(WeightsError::NotFinite { file, tensor, index: at + i, got });
            }
            values[at..at + piece.len()].copy_from_slice(&layout::from_file(&parameter, piece));
            Ok(())
        })
    }
}

/// The tensors that have their place, and all others by what keeps them out.
fn compare(
    params: &Params,
    file: &TensorFile<'_>,
    in_file: &dyn Fn(&str) -> Option<String>,
) -> (Vec<Fitting>, LoadReport) {
    let mut report = LoadReport::default();
    let mut fitting = Vec::new();
    let mut known = BTreeSet::new();
    for (id, parameter) in params.iter() {
        let found = in_file(&parameter.name).and_then(|name| Some((file.entries().get(&name)?, name)));
        let Some((entry, tensor)) = found else {
            report.missing.push(parameter.name.clone());
            continue;
        };
        let (expected, got) = (layout::file_shape(parameter), entry.shape.clone());
        if expected == got {
            if tensor != parameter.name {
                report.renamed.push((tensor.clone(), parameter.name.clone()));
            }
            fitting.push(Fitting { id, tensor: tensor.clone(), entry: entry.clone() });
        } else {
            report.mismatched.push(Mismatch { name: parameter.name.clone(), expected, got });
        }
        known.insert(tensor);
    }
    let strange = |name: &&String| !known.contains(*name) && name.rsplit('.').next() != Some(IGNORED_SUFFIX);
    report.unexpected = file.entries().keys().filter(strange).cloned().collect();
    report.loaded = fitting.len();
    (fitting, report)
}

#[cfg(test)]
mod tests;

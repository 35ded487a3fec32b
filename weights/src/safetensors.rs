//! A network's parameters as safetensors that PyTorch reads: canonical names, PyTorch's axis order.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wrs_nn::{ParamId, Params};

use crate::error::{LoadReport, Mismatch};
use crate::{Metadata, WeightsError, container, layout};

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

/// Writes every tensor of a network, in creation order; equal values give equal bytes.
///
/// # Errors
/// The writer's; `InvalidInput` when two tensors bear one name.
pub fn write(params: &Params, metadata: &Metadata, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let tensors = params.iter().map(|(_, p)| (p.name.as_str(), layout::file_shape(p)));
    container::write_header(writer, metadata, tensors)?;
    for (id, parameter) in params.iter() {
        container::write_values(writer, &layout::to_file(parameter, params.values(id)))?;
    }
    Ok(())
}

/// Writes every tensor of a network into a file, which is created or overwritten.
///
/// # Errors
/// [`WeightsError::Io`].
pub fn save(params: &Params, metadata: &Metadata, path: &Path) -> Result<(), WeightsError> {
    let written = File::create(path).and_then(|file| {
        let mut writer = BufWriter::new(file);
        write(params, metadata, &mut writer)?;
        writer.flush()
    });
    written.map_err(|source| WeightsError::Io { action: "write", path: path.to_owned(), source })
}

/// What a file says about its tensors, without reading them.
///
/// # Errors
/// [`WeightsError::Io`], [`WeightsError::Format`].
pub fn read_metadata(path: &Path) -> Result<Metadata, WeightsError> {
    container::read_metadata(path)
}

/// The names of a file's tensors, sorted, without reading the tensors.
///
/// # Errors
/// [`WeightsError::Io`], [`WeightsError::Format`].
pub fn read_names(path: &Path) -> Result<Vec<String>, WeightsError> {
    container::read_names(path)
}

/// Loads a file into a network; see [`load_bytes`].
///
/// # Errors
/// [`WeightsError`]; the network is then as it was.
pub fn load_into(params: &mut Params, path: &Path, strictness: Strictness) -> Result<LoadReport, WeightsError> {
    load_into_renamed(params, path, whole, strictness)
}

/// Loads the file of a part into a network: every name in it stands for the network's with `prefix` in front, as `conv1.weight`
/// for `backbone.conv1.weight` under `backbone.`; tensors of the network elsewhere count as missing.  See [`load_bytes`].
///
/// # Errors
/// [`WeightsError`]; the network is then as it was.
pub fn load_into_prefixed(
    params: &mut Params,
    path: &Path,
    prefix: &str,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load_into_renamed(params, path, |name| name.strip_prefix(prefix).map(str::to_owned), strictness)
}

/// Loads a file under other names into a network: `in_file` says what a tensor of the network is called there, and gives none
/// for what the file does not hold; such tensors count as missing.  See [`load_bytes`].
///
/// # Errors
/// [`WeightsError`]; the network is then as it was.
pub fn load_into_renamed(
    params: &mut Params,
    path: &Path,
    in_file: impl Fn(&str) -> Option<String>,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    let bytes = fs::read(path).map_err(|source| WeightsError::Io { action: "read", path: path.to_owned(), source })?;
    load(params, &bytes, &container::name_of(path), &in_file, strictness)
}

/// The names of a file that holds the whole network are the network's.
#[allow(clippy::unnecessary_wraps)] // as the names of other files are asked for
fn whole(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Loads the bytes of a safetensors file into a network, by name; `file` is their name in messages.
///
/// Everything is checked before the first value is written.  F16 and BF16 are converted; `num_batches_tracked` is passed
/// over.
///
/// # Errors
/// [`WeightsError`]; the network is then as it was.
pub fn load_bytes(
    params: &mut Params,
    bytes: &[u8],
    file: &str,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    load(params, bytes, file, &whole, strictness)
}

fn load(
    params: &mut Params,
    bytes: &[u8],
    file: &str,
    in_file: &dyn Fn(&str) -> Option<String>,
    strictness: Strictness,
) -> Result<LoadReport, WeightsError> {
    let tensors = container::parse(bytes, file)?;
    let (fitting, report) = compare(params, &tensors, in_file);
    if strictness == Strictness::Exact && !report.is_exact() {
        return Err(WeightsError::DoesNotFit { file: file.to_owned(), report });
    }
    if fitting.is_empty() && !report.is_exact() {
        return Err(WeightsError::NothingFits { file: file.to_owned(), report });
    }
    for (id, view) in &fitting {
        container::check_dtype(view, &params.get(*id).name, file)?;
    }
    for (id, view) in fitting {
        let parameter = params.get(id);
        let values = container::values(&view, &parameter.name, file)?;
        let values = layout::from_file(parameter, &values).into_owned();
        params.values_mut(id).copy_from_slice(&values);
    }
    Ok(report)
}

/// The tensors that have their place, and all others by what keeps them out.
fn compare<'a>(
    params: &Params,
    tensors: &::safetensors::SafeTensors<'a>,
    in_file: &dyn Fn(&str) -> Option<String>,
) -> (Vec<(ParamId, ::safetensors::tensor::TensorView<'a>)>, LoadReport) {
    let mut report = LoadReport::default();
    let mut fitting = Vec::new();
    for (id, parameter) in params.iter() {
        let Some(view) = in_file(&parameter.name).and_then(|name| tensors.tensor(&name).ok()) else {
            report.missing.push(parameter.name.clone());
            continue;
        };
        let (expected, got) = (layout::file_shape(parameter), view.shape().to_vec());
        if expected == got {
            fitting.push((id, view));
        } else {
            report.mismatched.push(Mismatch { name: parameter.name.clone(), expected, got });
        }
    }
    let known: BTreeSet<String> = params.iter().filter_map(|(_, p)| in_file(&p.name)).collect();
    let strange = |name: &&str| !known.contains(*name) && name.rsplit('.').next() != Some(IGNORED_SUFFIX);
    report.unexpected = tensors.names().into_iter().filter(strange).map(str::to_owned).collect();
    report.unexpected.sort();
    report.loaded = fitting.len();
    (fitting, report)
}

#[cfg(test)]
mod tests;

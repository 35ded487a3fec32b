//! Reading `.weights` into a network.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use wrs_nn::{ParamId, Params, Role};

use super::fit::{Asked, Fit, fit};
use super::header::LONGEST_HEADER;
use super::{DarknetConv, DarknetError, Header};
use crate::{Mismatch, Strictness, WeightsError, container, layout};

/// Floats read at a time, but at least a filter.
const CHUNK: usize = 1 << 16;

/// How many of a network's layers a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Layers `0..n` if the file is called `X.conv.n`, as Darknet's cut files are; else all.
    ByName,
    /// All.
    Whole,
    /// The first so many layers of the `.cfg`; what a whole file holds behind them is not read.
    Layers(usize),
}

impl Extent {
    fn layers(self, path: &Path) -> Option<usize> {
        match self {
            Self::Whole => None,
            Self::Layers(layers) => Some(layers),
            Self::ByName => {
                let (_, number) = path.file_name()?.to_str()?.rsplit_once(".conv.")?;
                number.parse().ok()
            }
        }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct DarknetReport {
    /// Of the file.
    pub header: Header,
    /// Convolutions that have their numbers from the file.
    pub loaded: usize,
    /// The file's number of classes, where it is another than the network's.
    pub file_classes: Option<usize>,
    /// Heads for another number of classes; they keep their values.
    pub mismatched: Vec<Mismatch>,
    /// Tensors behind the layers asked for; they keep their values.
    pub not_read: Vec<String>,
}

impl fmt::Display for DarknetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} convolutions read", self.loaded)?;
        if let Some(classes) = self.file_classes {
            write!(f, " from a file of {classes} classes; as they were:")?;
            self.mismatched.iter().try_for_each(|m| write!(f, " {}", m.name))?;
        }
        if !self.not_read.is_empty() {
            write!(f, "; {} tensors behind them as they were", self.not_read.len())?;
        }
        Ok(())
    }
}

/// Loads a file into a network; see [`read`].
///
/// # Errors
/// [`WeightsError`].
pub fn load_into(
    params: &mut Params,
    convs: &[DarknetConv],
    path: &Path,
    extent: Extent,
    strictness: Strictness,
) -> Result<DarknetReport, WeightsError> {
    let io = |source| WeightsError::Io { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let name = container::name_of(path);
    let asked = Asked { file: &name, convs, layers: extent.layers(path), strictness };
    read_asked(params, &asked, BufReader::with_capacity(4 * CHUNK, file), bytes, io)
}

/// Loads the convolutions of a network, in the order of the `.cfg`, from `bytes` bytes; `file` is their name in messages.
///
/// The version says how long the header is, and the size must then be that of the network's numbers (or of the layers asked
/// for): nothing is guessed.  With [`Strictness::Partial`] a file of the same network for other classes gives all but its
/// heads.  The numbers are read straight into the network, so one that a read has failed for is to be thrown away.
///
/// # Errors
/// [`WeightsError::Darknet`] when the size does not fit, or a number is not finite or a variance negative;
/// [`WeightsError::Io`].
pub fn read(
    params: &mut Params,
    convs: &[DarknetConv],
    reader: impl Read,
    bytes: u64,
    file: &str,
    strictness: Strictness,
) -> Result<DarknetReport, WeightsError> {
    let io = |source| WeightsError::Io { action: "read", path: file.into(), source };
    read_asked(params, &Asked { file, convs, layers: None, strictness }, reader, bytes, io)
}

fn read_asked(
    params: &mut Params,
    asked: &Asked<'_>,
    mut reader: impl Read,
    bytes: u64,
    io: impl Fn(io::Error) -> WeightsError,
) -> Result<DarknetReport, WeightsError> {
    if bytes < LONGEST_HEADER {
        return Err(DarknetError::NoHeader { file: asked.file.to_owned(), bytes }.into());
    }
    let header = Header::read(&mut reader).map_err(&io)?;
    let Fit { read, not_read, other_classes } = fit(asked, params, header, bytes)?;
    let mut report = DarknetReport {
        header,
        loaded: 0,
        file_classes: other_classes.map(|classes| classes as usize),
        mismatched: Vec::new(),
        not_read: names(params, not_read),
    };
    for conv in read {
        if let (Some(anchors), Some(classes)) = (conv.head_anchors, other_classes) {
            skip_head(params, conv, anchors as u64 * (5 + classes), &mut reader, &mut report).map_err(&io)?;
            continue;
        }
        for id in conv.tensors() {
            read_tensor(params, id, conv.layer, asked.file, &mut reader, &io)?;
        }
        report.loaded += 1;
    }
    Ok(report)
}

fn names(params: &Params, convs: &[DarknetConv]) -> Vec<String> {
    convs.iter().flat_map(DarknetConv::tensors).map(|id| params.get(id).name.clone()).collect()
}

fn read_tensor(
    params: &mut Params,
    id: ParamId,
    layer: usize,
    file: &str,
    reader: &mut impl Read,
    io: &impl Fn(io::Error) -> WeightsError,
) -> Result<(), WeightsError> {
    let parameter = params.get(id).clone();
    let is_variance = parameter.role == Role::RunningVar;
    // Whole filters, so that each chunk can be turned into memory's order by itself.
    let filter = parameter.shape[1..].iter().product::<usize>().max(1);
    let chunk = (CHUNK / filter).max(1) * filter;
    let mut bytes = vec![0; 4 * chunk.min(parameter.range.len())];
    let mut done = 0;
    for target in params.values_mut(id).chunks_mut(chunk) {
        let bytes = &mut bytes[..4 * target.len()];
        reader.read_exact(bytes).map_err(io)?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if let Some(at) = values.iter().position(|v| !v.is_finite() || (is_variance && *v < 0.0)) {
            let expected = if is_variance { "a finite number, not negative" } else { "a finite number" };
            let (file, tensor, index, got) = (file.to_owned(), parameter.name.clone(), done + at, values[at]);
            return Err(DarknetError::Value { file, layer, tensor, index, expected, got }.into());
        }
        target.copy_from_slice(&layout::from_file(&parameter, &values));
        done += target.len();
    }
    Ok(())
}

/// Passes over a head with another number of filters, and reports it.
fn skip_head(
    params: &Params,
    conv: &DarknetConv,
    filters: u64,
    reader: &mut impl Read,
    report: &mut DarknetReport,
) -> io::Result<()> {
    let mut floats = 0;
    for id in conv.tensors() {
        let parameter = params.get(id);
        let expected = layout::file_shape(parameter);
        let mut got = expected.clone();
        got[0] = filters as usize;
        floats += got.iter().map(|&side| side as u64).product::<u64>();
        report.mismatched.push(Mismatch { name: parameter.name.clone(), expected, got });
    }
    let skipped = io::copy(&mut reader.take(4 * floats), &mut io::sink())?;
    if skipped < 4 * floats { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

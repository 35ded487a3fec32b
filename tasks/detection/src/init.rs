//! Where a network's numbers come from: weights of ours or Darknet's, told apart by their first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use wrs_nn::Params;
use wrs_weights::Strictness;
use wrs_weights::darknet::{self, Extent};
use wrs_weights::load;

use crate::error::DetectionError;
use crate::net::DetectionNet;

/// Where a safetensors file's header, a JSON object, begins: behind its length.
const JSON_AT: usize = 8;

/// Whether a file is a safetensors file; Darknet's begin with three small integers.
///
/// # Errors
/// [`DetectionError::Weights`] for a file that cannot be read.
pub fn is_safetensors(path: &Path) -> Result<bool, DetectionError> {
    let io = |source| wrs_weights::WeightsError::Io { action: "read", path: path.to_owned(), source };
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(JSON_AT as u64 + 1).read_to_end(&mut start)).map_err(io)?;
    Ok(start.get(JSON_AT) == Some(&b'{'))
}

/// Starts a network from a file, as far as it fits; says in a few lines what was loaded and what starts afresh.
///
/// A Darknet file called `X.conv.N` holds the first N layers; one for another number of classes gives all but its heads.
///
/// # Errors
/// [`DetectionError::Weights`] for a file of which nothing fits; the network is then to be thrown away.
pub fn load_init(path: &Path, net: &DetectionNet, params: &mut Params) -> Result<Vec<String>, DetectionError> {
    let file = path.display();
    if !is_safetensors(path)? {
        let report = darknet::load_into(params, &net.darknet_order(params), path, Extent::ByName, Strictness::Partial)?;
        return Ok(vec![format!("init    {file}: {report}")]);
    }
    let report = load::load_into(params, path, Strictness::Partial)?;
    Ok(report.lines(path, params))
}

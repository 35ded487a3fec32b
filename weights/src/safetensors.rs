//! A network's parameters as safetensors that PyTorch reads: canonical names, PyTorch's axis order.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wrs_nn::Params;

use crate::dtype::Dtype;
use crate::{Metadata, WeightsError, container, layout};

/// Writes every tensor of a network, in creation order; equal values give equal bytes.
///
/// # Errors
/// The writer's; `InvalidInput` when two tensors bear one name.
pub fn write(params: &Params, metadata: &Metadata, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let tensors = params.iter().map(|(_, p)| (p.name.as_str(), Dtype::F32, layout::file_shape(p)));
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

//! Writing a network as `.weights`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wrs_nn::Params;

use super::{DarknetConv, Header};
use crate::{WeightsError, container, layout};

/// Writes the numbers of these convolutions: all of a network's, or the [`super::first_layers`] of a cut file.
///
/// Darknet's norms have an epsilon of 1e-5: a network trained with another is slightly another there.
///
/// # Errors
/// The writer's; `InvalidInput` when the header cannot hold its count.
pub fn write(
    params: &Params,
    convs: &[DarknetConv],
    header: Header,
    writer: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    header.write(writer)?;
    for id in convs.iter().flat_map(DarknetConv::tensors) {
        container::write_values(writer, &layout::to_file(params.get(id), params.values(id)))?;
    }
    Ok(())
}

/// Writes them into a file, which is created or overwritten.
///
/// # Errors
/// [`WeightsError::Io`].
pub fn save(params: &Params, convs: &[DarknetConv], header: Header, path: &Path) -> Result<(), WeightsError> {
    let written = File::create(path).and_then(|file| {
        let mut writer = BufWriter::new(file);
        write(params, convs, header, &mut writer)?;
        writer.flush()
    });
    written.map_err(|source| WeightsError::Io { action: "write", path: path.to_owned(), source })
}

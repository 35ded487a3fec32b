//! Files of weights that another program wrote: what is in them, and what they fit.

use std::collections::BTreeMap;
use std::path::Path;

use wrs_weights::{Entry, Format, TensorFile, WeightsError, description};

/// Longer values of metadata are told by their length.
const SHOWN: usize = 60;

/// The file, if its tensors have names and it does not say which task it is for.
pub fn open(path: &Path) -> Result<Option<TensorFile<'static>>, WeightsError> {
    if !path.is_file() || Format::of(path)?.is_none() {
        return Ok(None);
    }
    let file = TensorFile::open(path)?;
    Ok(Some(file).filter(|file| !description::names_task(file)))
}

/// What is in a file, a line each, and which networks it starts.
pub fn facts(file: &TensorFile<'_>) -> Vec<String> {
    let mut lines = vec![format!("weights {}: {}, {}", file.file(), file.format(), counts(file.entries()))];
    let mut row = |what: &str, text: &str| lines.push(format!("        {what:<9} {text}"));
    if let Some(key) = file.under() {
        row("under", &format!("the key `{key}`"));
    }
    if !file.wrapper().is_empty() {
        row("names", &format!("all begin with `{}`, which is left away", file.wrapper()));
    }
    let shape = |entry: &Entry| format!("{} {:?}", entry.name, entry.shape);
    if let [first, .., last] = file.entries() {
        row("first", &shape(first));
        row("last", &shape(last));
    } else {
        file.entries().iter().for_each(|entry| row("tensor", &shape(entry)));
    }
    for (key, value) in file.metadata() {
        let is_short = value.len() <= SHOWN;
        row("metadata", &if is_short { format!("{key}: {value}") } else { format!("{key}: {} bytes", value.len()) });
    }
    for content in file.contents() {
        row("beside", &format!("{}: {}", content.key, content.what));
    }
    lines.extend(fits(file));
    lines
}

/// Tensors, parameters and kinds of numbers.
fn counts(entries: &[Entry]) -> String {
    let parameters: usize = entries.iter().filter(|entry| entry.dtype.is_float()).map(Entry::len).sum();
    let mut kinds = BTreeMap::new();
    for entry in entries {
        *kinds.entry(entry.dtype).or_insert(0) += 1;
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(dtype, count)| format!("{count} {dtype}")).collect();
    format!("{} tensors ({}), {parameters} parameters and statistics", entries.len(), kinds.join(", "))
}

fn fits(file: &TensorFile<'_>) -> Vec<String> {
    let mut fits = wrs_detection::init::fits(file);
    fits.extend(wrs_segmentation::init::fits(file));
    fits.extend(wrs_counting::init::fits(file));
    if fits.is_empty() {
        return vec!["fits    nothing here, by names and shapes at full width".to_owned()];
    }
    fits.into_iter().map(|fit| format!("fits    {fit}")).collect()
}

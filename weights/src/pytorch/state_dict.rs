//! The state dict in what a file holds.

use std::collections::HashMap;

use super::{Fault, Parts, Places, place};
use crate::pickle::{Id, StoredTensor, Values};
use crate::tensors::{Content, Entry};

/// Keys under which programs keep the network's state dict, in the order they are looked for.  Averages come last: who keeps
/// both trained the first.
const KEYS: [&str; 13] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "model_ema",
    "state_dict_ema",
    "ema_state_dict",
    "ema",
    "teacher",
];

/// Dictionaries in each other: `{"model": {"state_dict": …}}` has two.
const DEEPEST: usize = 3;

/// Keys named in a message.
const LISTED: usize = 10;

pub(super) fn parts(values: &Values, root: Id, places: &Places) -> Result<Parts, Fault> {
    let (found, under) = find(values, root)?;
    let mut entries = Vec::new();
    let mut known = HashMap::new();
    let mut others = 0;
    for &(key, value) in values.dict(found).unwrap_or_default() {
        let (Some(name), Some(tensor)) = (values.text(key), values.tensor(value)) else {
            others += 1;
            continue;
        };
        let entry = entry(name, tensor, places)?;
        // As in Python, the later value of a key stands.
        let index = *known.entry(name).or_insert(entries.len());
        if index == entries.len() { entries.push(entry) } else { entries[index] = entry }
    }
    let mut contents = Vec::new();
    if found != root {
        let pairs = values.dict(root).unwrap_or_default();
        let content = |&(key, value): &(Id, Id)| Content { key: name_of(values, key), what: values.summary(value) };
        contents.extend(pairs.iter().map(content));
    }
    if others > 0 {
        contents
            .push(Content { key: "beside the tensors".to_owned(), what: format!("{others} values of other kinds") });
    }
    Ok(Parts { entries, contents, under: (!under.is_empty()).then(|| under.join(".")) })
}

fn name_of(values: &Values, key: Id) -> String {
    values.text(key).map_or_else(|| values.summary(key), str::to_owned)
}

/// The dictionary of the network's tensors: one of the known keys', or the whole.
fn find(values: &Values, root: Id) -> Result<(Id, Vec<&'static str>), Fault> {
    let (mut at, mut under) = (root, Vec::new());
    while under.len() < DEEPEST {
        let pairs = values.dict(at).unwrap_or_default();
        let inner = |key: &str| pairs.iter().rev().find(|pair| values.text(pair.0) == Some(key)).map(|pair| pair.1);
        let inner = KEYS.into_iter().filter_map(|key| Some((key, inner(key)?)));
        let mut inner = inner;
        match inner.find(|(_, value)| values.dict(*value).is_some_and(|inner| !inner.is_empty())) {
            Some((key, value)) => {
                under.push(key);
                at = value;
            }
            None => break,
        }
    }
    let has_tensors = values.dict(at).is_some_and(|pairs| {
        pairs.iter().any(|&(key, value)| values.text(key).is_some() && values.tensor(value).is_some())
    });
    if has_tensors { Ok((at, under)) } else { Err(none_found(values, at)) }
}

fn none_found(values: &Values, at: Id) -> Fault {
    let got = match values.dict(at) {
        None => values.summary(at),
        Some(pairs) => {
            let keys: Vec<String> = pairs.iter().take(LISTED).map(|pair| name_of(values, pair.0)).collect();
            let more = pairs.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            if keys.is_empty() { "an empty dict".to_owned() } else { format!("a dict of {}{more}", keys.join(", ")) }
        }
    };
    let reason = format!("expected names with tensors, at the top or under one of {}; got {got}", KEYS.join(", "));
    Fault::Other { reason, help: "save the weights with torch.save(model.state_dict(), OUT)" }
}

/// A view, if it lies in its storage.
fn entry(name: &str, tensor: &StoredTensor, places: &Places) -> Result<Entry, Fault> {
    let (start, bytes) = place(places, &tensor.storage)?;
    let shape = sides(&tensor.shape);
    let strides = sides(&tensor.strides);
    let first = tensor.offset.checked_mul(tensor.dtype.bytes() as u64);
    let entry = first.zip(shape.zip(strides)).and_then(|(first, (shape, strides))| {
        Entry::view(name, tensor.dtype, shape, strides, (start.checked_add(first)?, start + bytes))
    });
    entry.ok_or_else(|| {
        let StoredTensor { shape, strides, offset, dtype, .. } = tensor;
        let view = format!("a view {shape:?} of strides {strides:?} behind {offset} numbers of {dtype}");
        Fault::Broken(format!("tensor `{name}`: {view} does not lie in its storage of {bytes} bytes"))
    })
}

fn sides(counts: &[u64]) -> Option<Vec<usize>> {
    counts.iter().map(|&count| usize::try_from(count).ok()).collect()
}

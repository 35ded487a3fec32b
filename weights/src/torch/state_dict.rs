//! The tensors of a checkpoint, in whatever it is wrapped in.

use super::TorchError;
use super::machine::{Machine, Node, Tensor, Value};

/// Under which names trainers keep the weights, the likelier first.
const WRAPPERS: [&str; 8] =
    ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "ema", "ema_state_dict"];

/// Wrappers within wrappers that are looked into.
const DEEPEST: usize = 4;

/// What PyTorch's `DataParallel` puts before every name.
const PARALLEL: &str = "module.";

/// What was found.
pub(super) struct Found {
    /// By name, in the file's order.
    pub tensors: Vec<(String, Tensor)>,
    /// What stands beside the tensors, such as the epoch, in words.
    pub facts: Vec<(String, String)>,
}

/// # Errors
/// [`TorchError::Other`] where there is no state dict.
pub(super) fn find(value: Value, machine: &Machine) -> Result<Found, TorchError> {
    let mut facts = Vec::new();
    let mut dict = dict_of(value, machine).ok_or_else(|| none("something else than a dictionary"))?;
    for _ in 0..DEEPEST {
        let tensors: Vec<(String, Tensor)> = dict.iter().filter_map(|pair| named_tensor(*pair, machine)).collect();
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            let wrapped = dict.iter().find(|(key, _)| machine.text(*key) == Some(wrapper))?;
            dict_of(wrapped.1, machine)
        });
        facts.extend(dict.iter().filter_map(|pair| fact(*pair, machine)));
        match inner {
            None if tensors.is_empty() => return Err(none(&keys(dict, machine))),
            None => return Ok(Found { tensors: without_parallel(tensors), facts }),
            Some(inner) => dict = inner,
        }
    }
    Err(none("wrappers within wrappers"))
}

fn none(got: &str) -> TorchError {
    let text = format!("expected a state dict, by itself or as one of {}, got {got}", WRAPPERS.join(", "));
    TorchError::Other(text, "save the weights alone: torch.save(model.state_dict(), \"weights.pth\")")
}

fn dict_of(value: Value, machine: &Machine) -> Option<&[(Value, Value)]> {
    match machine.node(value) {
        Some(Node::Dict(pairs)) => Some(pairs),
        _ => None,
    }
}

fn named_tensor((key, value): (Value, Value), machine: &Machine) -> Option<(String, Tensor)> {
    match machine.node(value) {
        Some(Node::Tensor(tensor)) => Some((machine.text(key)?.to_owned(), tensor.clone())),
        _ => None,
    }
}

/// A plain value beside the tensors.
fn fact((key, value): (Value, Value), machine: &Machine) -> Option<(String, String)> {
    let value = match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::None | Value::Inert | Value::Global(_) => return None,
        Value::Node(_) => machine.text(value)?.to_owned(),
    };
    Some((machine.text(key)?.to_owned(), value))
}

fn keys(dict: &[(Value, Value)], machine: &Machine) -> String {
    const LISTED: usize = 10;
    let names: Vec<&str> = dict.iter().filter_map(|(key, _)| machine.text(*key)).take(LISTED).collect();
    let more = dict.len().saturating_sub(names.len());
    match (names.is_empty(), more) {
        (true, _) => "an empty dictionary, or one without names".to_owned(),
        (false, 0) => format!("a dictionary of {}", names.join(", ")),
        (false, more) => format!("a dictionary of {} and {more} more", names.join(", ")),
    }
}

/// The names without what wraps all of them.
fn without_parallel(mut tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    while tensors.iter().all(|(name, _)| name.starts_with(PARALLEL)) {
        tensors.iter_mut().for_each(|(name, _)| drop(name.drain(..PARALLEL.len())));
    }
    tensors
}

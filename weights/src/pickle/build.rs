//! What the names in a pickle make of their arguments: dictionaries, lists, tensors and storages, and nothing else.

use super::PickleError;
use super::machine::Machine;
use super::value::{Global, Id, Storage, StoredTensor, Value};

/// Most items that are copied from one value into another, over all: the one way in which few bytes could make many.
const MOST_COPIES: usize = 1 << 22;

/// Longest key of a storage.
const LONGEST_KEY: usize = 256;

/// Most axes of a tensor.
const MOST_AXES: usize = 16;

impl Machine<'_, '_> {
    /// Replaces the name on the stack by what it makes of its arguments.
    pub(super) fn reduce(&mut self, arguments: Id) -> Result<(), PickleError> {
        let callee = self.pop()?;
        let Value::Global(global) = *self.values.get(callee) else {
            return Err(self.input.broken("a call of something that is no class"));
        };
        let given = self.values.sequence(arguments).unwrap_or_default();
        let held = |&id: &Id| match self.values.get(id) {
            Value::Tuple(items) | Value::List(items) => items.len(),
            Value::Dict(pairs) => pairs.len(),
            _ => 0,
        };
        self.copied += given.len() + given.iter().map(held).sum::<usize>();
        if self.copied > MOST_COPIES {
            return Err(self.input.broken(format!("expected at most {MOST_COPIES} items in calls, got more")));
        }
        let given = given.to_vec();
        let made = self.made(global, &given)?;
        self.push(made)
    }

    fn made(&mut self, global: Global, given: &[Id]) -> Result<Value, PickleError> {
        let values = &*self.values;
        let broken = |what: &str| self.input.broken(format!("{what} without what belongs to it"));
        match (global, given) {
            (Global::Dict, _) => {
                // A class of values stands before them in a `defaultdict`.
                let pairs = given.iter().filter_map(|&id| values.sequence(id)).flatten();
                let pair = |&id: &Id| match values.sequence(id) {
                    Some(&[key, value]) => Ok((key, value)),
                    _ => Err(broken("a dictionary")),
                };
                let copied = given.iter().filter_map(|&id| values.dict(id)).flatten().copied().map(Ok);
                Ok(Value::Dict(pairs.map(pair).chain(copied).collect::<Result<_, _>>()?))
            }
            (Global::Sequence, []) => Ok(Value::List(Vec::new())),
            (Global::Sequence, [items]) => {
                let items = values.sequence(*items).ok_or_else(|| broken("a list"))?;
                Ok(Value::Tuple(items.to_vec()))
            }
            (Global::Tensor | Global::TypedTensor, &[storage, offset, shape, strides, ref rest @ ..]) => {
                let tensor = self.tensor(global, [storage, offset, shape, strides], rest);
                tensor.map(|tensor| Value::Tensor(Box::new(tensor))).ok_or_else(|| broken("a tensor"))
            }
            (Global::Parameter, [tensor, ..]) => match values.get(*tensor) {
                Value::Tensor(tensor) => Ok(Value::Tensor(tensor.clone())),
                _ => Err(broken("a parameter")),
            },
            (Global::OfType, [inner, _class, arguments, ..]) => match (values.get(*inner), values.sequence(*arguments))
            {
                // One level: a tensor of a subclass.
                (&Value::Global(inner @ (Global::Tensor | Global::TypedTensor | Global::Parameter)), Some(given)) => {
                    let given = given.to_vec();
                    self.made(inner, &given)
                }
                _ => Err(broken("a tensor of another class")),
            },
            (Global::Opaque(name), _) => Ok(Value::Opaque(name)),
            _ => Err(broken("a thing of a class")),
        }
    }

    /// `rest`: whether gradients are wanted, hooks, and of a typed tensor the kind of number.
    fn tensor(&self, global: Global, [storage, offset, shape, strides]: [Id; 4], rest: &[Id]) -> Option<StoredTensor> {
        let values = &*self.values;
        let Value::Storage(storage) = values.get(storage) else { return None };
        let counts = |id: Id| values.sequence(id)?.iter().map(|&count| values.count(count)).collect::<Option<Vec<_>>>();
        let (shape, strides) = (counts(shape)?, counts(strides)?);
        let dtype = match (global, rest) {
            (Global::TypedTensor, [_, _, dtype, ..]) => match values.get(*dtype) {
                Value::Global(Global::Dtype(dtype)) => *dtype,
                _ => return None,
            },
            (Global::TypedTensor, _) => return None,
            _ => storage.dtype,
        };
        if shape.len() != strides.len() || shape.len() > MOST_AXES {
            return None;
        }
        Some(StoredTensor { dtype, offset: values.count(offset)?, storage: (**storage).clone(), shape, strides })
    }

    /// A storage: `('storage', class, key, device, length)`, in older files with the part that is meant, or none, behind.
    pub(super) fn persistent(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let storage = self.storage(id).ok_or_else(|| self.input.broken("expected a storage, got something else"))?;
        self.push(Value::Storage(Box::new(storage)))
    }

    fn storage(&self, id: Id) -> Option<Storage> {
        let values = &*self.values;
        let &[tag, class, key, _device, len, ref rest @ ..] = values.sequence(id)? else { return None };
        let (Some("storage"), &Value::Global(Global::Storage(dtype))) = (values.text(tag), values.get(class)) else {
            return None;
        };
        let key = values.text(key).filter(|key| key.len() <= LONGEST_KEY)?.into();
        let whole = Storage { dtype, key, len: values.count(len)?, offset: 0 };
        match rest.first().map(|&part| values.get(part)) {
            None | Some(Value::None) => Some(whole),
            Some(Value::Tuple(part)) => {
                let &[_key, offset, len] = part.as_slice() else { return None };
                Some(Storage { offset: values.count(offset)?, len: values.count(len)?, ..whole })
            }
            Some(_) => None,
        }
    }
}

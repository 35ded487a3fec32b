//! What a pickle builds.

use super::PickleError;
use crate::dtype::Dtype;

/// Most values of one file's pickles: a training's checkpoint has some ten thousand.
const MOST_VALUES: usize = 1 << 21;

/// The place of a value in [`Values`].
pub(crate) type Id = u32;

/// One value; parts are held by place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, little-endian.
    Long(Box<[u8]>),
    Float(f64),
    Text(Box<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage>),
    Tensor(Box<StoredTensor>),
    /// Something of a plain class that nobody here asks for: its name alone.
    Opaque(&'static str),
}

/// What a name in a pickle stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Global {
    /// `dict`, `OrderedDict`: a dictionary of the pairs given.
    Dict,
    /// `list`, `tuple`, `torch.Size`: what it is given.
    Sequence,
    /// `torch._utils._rebuild_tensor`, `_v2`: storage, offset, shape, strides.
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: the same of bytes, and the kind of number.
    TypedTensor,
    /// `torch._utils._rebuild_parameter`: the tensor given.
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2`: another of these and what it is given.
    OfType,
    /// A class of storages, by what is in them.
    Storage(Dtype),
    /// A kind of number.
    Dtype(Dtype),
    /// A plain class; things of it are left alone.
    Opaque(&'static str),
}

/// A run of numbers in the file, by its key there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storage {
    pub dtype: Dtype,
    pub key: Box<str>,
    /// Numbers in it, as the pickle says.
    pub len: u64,
    /// The first of them, where this is a part of the storage of that key; its length is then the part's.
    pub offset: u64,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredTensor {
    pub storage: Storage,
    pub dtype: Dtype,
    /// Numbers of the storage before the first.
    pub offset: u64,
    pub shape: Vec<u64>,
    /// In numbers.
    pub strides: Vec<u64>,
}

/// Every value of a file's pickles.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<Value>);

impl Values {
    pub fn add(&mut self, value: Value, at: u64) -> Result<Id, PickleError> {
        if self.0.len() >= MOST_VALUES {
            return Err(PickleError::Broken { at, reason: format!("expected at most {MOST_VALUES} values, got more") });
        }
        self.0.push(value);
        Ok((self.0.len() - 1) as Id)
    }

    /// `Opaque` for a place that there is not: places come from [`Self::add`] alone.
    pub fn get(&self, id: Id) -> &Value {
        self.0.get(id as usize).unwrap_or(&Value::Opaque("nothing"))
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.0.get_mut(id as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn count(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Value::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub fn tensor(&self, id: Id) -> Option<&StoredTensor> {
        match self.get(id) {
            Value::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// What is said of a value that is no tensor's: itself where it is short.
    pub fn summary(&self, id: Id) -> String {
        match self.get(id) {
            Value::None => "None".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Long(_) => "a long integer".to_owned(),
            Value::Float(value) => value.to_string(),
            Value::Text(text) if text.len() <= 40 => format!("{text:?}"),
            Value::Text(text) => format!("a text of {} bytes", text.len()),
            Value::Tuple(items) | Value::List(items) => format!("a list of {}", items.len()),
            Value::Dict(pairs) => {
                let tensors = pairs.iter().filter(|(_, value)| self.tensor(*value).is_some()).count();
                if tensors > 0 { format!("a dict of {tensors} tensors") } else { format!("a dict of {}", pairs.len()) }
            }
            Value::Tensor(tensor) => format!("a tensor {:?}", tensor.shape),
            Value::Storage(_) => "a storage".to_owned(),
            Value::Global(_) => "a class".to_owned(),
            Value::Opaque(name) => format!("a {name}"),
        }
    }
}

//! The values of a pickle, and what is done with them in place of the calls that it asks for.

use std::collections::HashMap;

use super::TorchError;
use super::globals::Global;
use crate::tensors::Dtype;

/// A value; whatever has parts lies in [`Machine::nodes`], so that values that hold each other, or one another many times over,
/// cost nothing and are never walked into.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// What nobody looks at.
    Inert,
    Global(Global),
    Node(usize),
}

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(Tensor),
}

/// Numbers that lie elsewhere in the file.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub key: String,
    /// None for bytes of any kind.
    pub dtype: Option<Dtype>,
    /// Values to skip in front, for a view of a storage.
    pub skip: u64,
}

/// A window of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub key: String,
    pub dtype: Dtype,
    /// The first value, counted in values from the start of the storage.
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Machine {
    pub nodes: Vec<Node>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
}

fn underflow() -> TorchError {
    TorchError::broken("its pickle takes more from the stack than there is")
}

impl Machine {
    pub fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub fn add(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(Value::Node(self.nodes.len() - 1));
    }

    pub fn pop(&mut self) -> Result<Value, TorchError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(underflow());
        }
        self.stack.pop().ok_or_else(underflow)
    }

    pub fn last(&self) -> Result<Value, TorchError> {
        self.stack.last().copied().ok_or_else(underflow)
    }

    pub fn mark(&mut self) {
        self.marks.push(self.stack.len());
    }

    /// Everything behind the last mark, which goes.
    pub fn behind_mark(&mut self) -> Result<Vec<Value>, TorchError> {
        let mark = self.marks.pop().ok_or_else(underflow)?;
        Ok(self.stack.split_off(mark))
    }

    pub fn last_few(&mut self, count: usize) -> Result<Vec<Value>, TorchError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let at = self.stack.len().checked_sub(count).filter(|&at| at >= floor).ok_or_else(underflow)?;
        Ok(self.stack.split_off(at))
    }

    pub fn remember(&mut self, at: u64) -> Result<(), TorchError> {
        let value = self.last()?;
        self.memo.insert(at, value);
        Ok(())
    }

    pub fn remember_next(&mut self) -> Result<(), TorchError> {
        self.remember(self.memo.len() as u64)
    }

    pub fn recall(&mut self, at: u64) -> Result<(), TorchError> {
        let value = *self.memo.get(&at).ok_or_else(|| TorchError::broken("its pickle recalls what it never kept"))?;
        self.push(value);
        Ok(())
    }

    pub fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn append(&mut self, to: Value, items: Vec<Value>) -> Result<(), TorchError> {
        match to {
            Value::Inert => Ok(()),
            Value::Node(at) => match self.nodes.get_mut(at) {
                Some(Node::List(list)) => {
                    list.extend(items);
                    Ok(())
                }
                _ => Err(TorchError::broken("its pickle appends to what is no list")),
            },
            _ => Err(TorchError::broken("its pickle appends to what is no list")),
        }
    }

    pub fn set_items(&mut self, to: Value, items: &[Value]) -> Result<(), TorchError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(TorchError::broken("its pickle sets a key without a value"));
        }
        match to {
            Value::Inert => Ok(()),
            Value::Node(at) => match self.nodes.get_mut(at) {
                Some(Node::Dict(dict)) => {
                    dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                    Ok(())
                }
                _ => Err(TorchError::broken("its pickle sets items of what is no dictionary")),
            },
            _ => Err(TorchError::broken("its pickle sets items of what is no dictionary")),
        }
    }

    /// What a call of a known name gives, which is no call.
    pub fn reduce(&mut self) -> Result<(), TorchError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let arguments = self.tuple(arguments)?;
        self.build(callee, &arguments)
    }

    /// [`Self::reduce`] with the arguments at hand.
    pub fn build(&mut self, callee: Value, arguments: &[Value]) -> Result<(), TorchError> {
        let Value::Global(global) = callee else {
            return Err(TorchError::broken("its pickle calls what has no name"));
        };
        match (global, arguments) {
            (Global::Dict, _) => self.add(Node::Dict(Vec::new())),
            (Global::Inert | Global::Storage(_) | Global::Dtype(_), _) => self.push(Value::Inert),
            (Global::Size | Global::Parameter, [first, ..]) => self.push(*first),
            (Global::FromType, [function @ Value::Global(Global::Tensor | Global::TypedTensor), _, arguments, ..]) => {
                let arguments = self.tuple(*arguments)?;
                return self.build(*function, &arguments);
            }
            (Global::Tensor, [storage, offset, size, stride, ..]) => {
                self.tensor(*storage, [*offset, *size, *stride], None)?
            }
            (Global::TypedTensor, [storage, offset, size, stride, _, _, Value::Global(Global::Dtype(dtype)), ..]) => {
                self.tensor(*storage, [*offset, *size, *stride], Some(*dtype))?;
            }
            _ => return Err(TorchError::broken("its pickle builds a tensor from too little")),
        }
        Ok(())
    }

    fn tuple(&self, value: Value) -> Result<Vec<Value>, TorchError> {
        match self.node(value) {
            Some(Node::Tuple(items) | Node::List(items)) => Ok(items.clone()),
            _ => Err(TorchError::broken("its pickle has something else where a tuple belongs")),
        }
    }

    fn sizes(&self, value: Value) -> Result<Vec<usize>, TorchError> {
        let number = |value: &Value| match value {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        let numbers: Option<Vec<usize>> = self.tuple(value)?.iter().map(number).collect();
        numbers.ok_or_else(|| TorchError::broken("a tensor's sizes or strides are not whole numbers of at least 0"))
    }

    fn tensor(
        &mut self,
        storage: Value,
        [offset, size, stride]: [Value; 3],
        dtype: Option<Dtype>,
    ) -> Result<(), TorchError> {
        let Some(Node::Storage(storage)) = self.node(storage) else {
            return Err(TorchError::broken("a tensor has no storage"));
        };
        let Storage { key, dtype: own, skip } = storage.clone();
        let Some(dtype) = dtype.or(own) else { return Err(TorchError::broken("a tensor has no kind of number")) };
        let offset = match offset {
            Value::Int(offset) => u64::try_from(offset).ok().and_then(|offset| offset.checked_add(skip)),
            _ => None,
        };
        let offset = offset.ok_or_else(|| TorchError::broken("a tensor begins before its storage"))?;
        let (shape, strides) = (self.sizes(size)?, self.sizes(stride)?);
        if shape.len() != strides.len() {
            return Err(TorchError::broken("a tensor has other strides than sizes"));
        }
        self.add(Node::Tensor(Tensor { key, dtype, offset, shape, strides }));
        Ok(())
    }

    /// A storage by its persistent id: `('storage', kind, key, place, length[, view])`.
    pub fn storage(&mut self) -> Result<(), TorchError> {
        let id = self.pop()?;
        let id = self.tuple(id)?;
        let [tag, Value::Global(Global::Storage(dtype)), key, _, _, rest @ ..] = id.as_slice() else {
            return Err(TorchError::broken("its pickle has a persistent id that is no storage"));
        };
        let (Some("storage"), Some(key)) = (self.text(*tag), self.text(*key)) else {
            return Err(TorchError::broken("its pickle has a persistent id that is no storage"));
        };
        let skip = match rest {
            [] | [Value::None] => 0,
            [view] => match self.tuple(*view)?.as_slice() {
                [_, Value::Int(offset), _] => u64::try_from(*offset).ok(),
                _ => None,
            }
            .ok_or_else(|| TorchError::broken("a view of a storage has no place"))?,
            _ => return Err(TorchError::broken("its pickle has a persistent id that is no storage")),
        };
        self.add(Node::Storage(Storage { key: key.to_owned(), dtype: *dtype, skip }));
        Ok(())
    }
}

//! The machine that a pickle is a program for: its opcodes, without those that call.

use std::collections::HashMap;

use super::input::Input;
use super::value::{Id, Value, Values};
use super::{PickleError, globals, op};

/// Most entries of the stack and of the memo.
const MOST_ENTRIES: usize = 1 << 21;

/// Longest integer in bytes.
const LONGEST_INTEGER: u64 = 256;

/// Runs one pickle.
pub(crate) struct Machine<'m, 's> {
    pub(super) input: &'m mut Input<'s>,
    pub(super) values: &'m mut Values,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Items copied from one value into another.
    pub(super) copied: usize,
}

impl<'m, 's> Machine<'m, 's> {
    /// The value of the pickle that begins at the input's place; the input then stands behind it.
    ///
    /// # Errors
    /// [`PickleError`].
    pub fn load(input: &'m mut Input<'s>, values: &'m mut Values) -> Result<Id, PickleError> {
        let mut machine = Self { input, values, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), copied: 0 };
        loop {
            let code = machine.input.byte()?;
            if code == op::STOP {
                return machine.pop();
            }
            machine.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Result<(), PickleError> {
        match code {
            op::PROTO => self.input.skip(1),
            op::FRAME => self.input.skip(8),
            op::MARK => self.mark(),
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.above_mark().map(drop),
            op::DUP => self.top().and_then(|top| self.push_id(top)),
            op::GLOBAL | op::STACK_GLOBAL => self.global(code),
            op::REDUCE | op::NEWOBJ => {
                let arguments = self.pop()?;
                self.reduce(arguments)
            }
            op::NEWOBJ_EX => {
                let _keywords = self.pop()?;
                let arguments = self.pop()?;
                self.reduce(arguments)
            }
            op::BINPERSID => self.persistent(),
            // The state of an object: an `OrderedDict` of weights has the versions of its modules there.
            op::BUILD => self.pop().and_then(|_| self.top()).map(drop),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE | op::BINGET | op::LONG_BINGET => self.remember(code),
            op::APPEND | op::APPENDS | op::ADDITEMS | op::SETITEM | op::SETITEMS => self.fill(code),
            op::EMPTY_TUPLE | op::TUPLE | op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => self.tuple(code),
            op::EMPTY_LIST => self.push(Value::List(Vec::new())),
            op::LIST => self.above_mark().and_then(|items| self.push(Value::List(items))),
            op::EMPTY_DICT => self.push(Value::Dict(Vec::new())),
            op::DICT => {
                let items = self.above_mark()?;
                let pairs = self.pairs(&items)?;
                self.push(Value::Dict(pairs))
            }
            op::EMPTY_SET => self.push(Value::Opaque("set")),
            op::FROZENSET => self.above_mark().and_then(|_| self.push(Value::Opaque("frozenset"))),
            _ => self.scalar(code),
        }
    }

    /// Opcodes that push a number, a text or bytes.
    fn scalar(&mut self, code: u8) -> Result<(), PickleError> {
        let value = match code {
            op::NONE => Value::None,
            op::NEWTRUE => Value::Bool(true),
            op::NEWFALSE => Value::Bool(false),
            op::BININT => Value::Int(i32::from_le_bytes(self.input.array()?).into()),
            op::BININT1 => Value::Int(self.input.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.input.array()?).into()),
            op::LONG1 => {
                let len = self.input.byte()?.into();
                long(self.input.bytes(len)?)
            }
            op::LONG4 => {
                let len = self.length4()?;
                if len > LONGEST_INTEGER {
                    return Err(self.input.broken(format!("an integer of {len} bytes")));
                }
                long(self.input.bytes(len)?)
            }
            op::BINFLOAT => Value::Float(f64::from_be_bytes(self.input.array()?)),
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                let len = self.input.byte()?.into();
                self.text(len, code)?
            }
            op::BINUNICODE | op::BINSTRING => {
                let len = self.length4()?;
                self.text(len, code)?
            }
            op::BINUNICODE8 => {
                let len = self.length8()?;
                self.text(len, code)?
            }
            op::SHORT_BINBYTES => {
                let len = self.input.byte()?.into();
                self.bytes(len)?
            }
            op::BINBYTES => {
                let len = self.length4()?;
                self.bytes(len)?
            }
            op::BINBYTES8 | op::BYTEARRAY8 => {
                let len = self.length8()?;
                self.bytes(len)?
            }
            _ => return Err(self.input.broken(format!("opcode {code:#04x}, which no file of weights has"))),
        };
        self.push(value)
    }

    fn length4(&mut self) -> Result<u64, PickleError> {
        Ok(u32::from_le_bytes(self.input.array()?).into())
    }

    fn length8(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.input.array()?))
    }

    /// Python 2 has one type for texts and bytes: what is no UTF-8 is bytes.
    fn text(&mut self, len: u64, code: u8) -> Result<Value, PickleError> {
        let is_python_2 = matches!(code, op::SHORT_BINSTRING | op::BINSTRING);
        match String::from_utf8(self.input.bytes(len)?) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(_) if is_python_2 => Ok(Value::Opaque("bytes")),
            Err(_) => Err(self.input.broken("expected a text, got bytes that are no UTF-8")),
        }
    }

    fn bytes(&mut self, len: u64) -> Result<Value, PickleError> {
        self.input.skip(len)?;
        Ok(Value::Opaque("bytes"))
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), PickleError> {
        let id = self.values.add(value, self.input.at())?;
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Result<(), PickleError> {
        if self.stack.len() >= MOST_ENTRIES {
            return Err(self.input.broken(format!("expected a stack of at most {MOST_ENTRIES}, got more")));
        }
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        if self.marks.len() >= MOST_ENTRIES {
            return Err(self.input.broken(format!("expected at most {MOST_ENTRIES} marks, got more")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// What stands above the last mark belongs to its opcode alone.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top(&self) -> Result<Id, PickleError> {
        let above = self.stack.get(self.floor()..).and_then(<[Id]>::last);
        above.copied().ok_or_else(|| self.input.broken("expected a value on the stack, got none"))
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let height = self.marks.pop().ok_or_else(|| self.input.broken("expected a mark on the stack, got none"))?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    fn tuple(&mut self, code: u8) -> Result<(), PickleError> {
        let items = match code {
            op::TUPLE => self.above_mark()?,
            op::EMPTY_TUPLE => Vec::new(),
            _ => {
                let mut items = Vec::new();
                for _ in op::TUPLE1..=code {
                    items.push(self.pop()?);
                }
                items.reverse();
                items
            }
        };
        self.push(Value::Tuple(items))
    }

    fn remember(&mut self, code: u8) -> Result<(), PickleError> {
        let key = match code {
            op::BINPUT | op::BINGET => self.input.byte()?.into(),
            op::MEMOIZE => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.input.array()?),
        };
        if matches!(code, op::BINGET | op::LONG_BINGET) {
            let found = self.memo.get(&key).copied();
            let id = found.ok_or_else(|| self.input.broken(format!("number {key} of the memo, which is not there")))?;
            return self.push_id(id);
        }
        if self.memo.len() >= MOST_ENTRIES {
            return Err(self.input.broken(format!("expected a memo of at most {MOST_ENTRIES}, got more")));
        }
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
        } else {
            Err(self.input.broken("expected keys with values, got a key without"))
        }
    }

    /// Puts items into the list or the dictionary below them.
    fn fill(&mut self, code: u8) -> Result<(), PickleError> {
        let items = match code {
            op::APPEND => vec![self.pop()?],
            op::SETITEM => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.above_mark()?,
        };
        let pairs = if matches!(code, op::SETITEM | op::SETITEMS) { self.pairs(&items)? } else { Vec::new() };
        let target = self.top()?;
        match (self.values.get_mut(target), code) {
            (Some(Value::List(list)), op::APPEND | op::APPENDS) => list.extend(items),
            (Some(Value::Dict(dict)), op::SETITEM | op::SETITEMS) => dict.extend(pairs),
            (Some(Value::Opaque(_)), _) => {}
            _ => return Err(self.input.broken("items for something that holds none")),
        }
        Ok(())
    }

    fn global(&mut self, code: u8) -> Result<(), PickleError> {
        let at = self.input.at();
        let (module, name) = if code == op::GLOBAL {
            (self.input.line()?, self.input.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            let text = |id| self.values.text(id).map(str::to_owned);
            text(module).zip(text(name)).ok_or_else(|| self.input.broken("expected a name, got something else"))?
        };
        match globals::find(&module, &name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Refused { at, global: printable(&format!("{module}.{name}")) }),
        }
    }
}

/// An integer, little-endian, of two's complement.
fn long(bytes: Vec<u8>) -> Value {
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    if bytes.len() > size_of::<i64>() {
        return Value::Long(bytes.into());
    }
    let mut whole = [fill; size_of::<i64>()];
    whole[..bytes.len()].copy_from_slice(&bytes);
    Value::Int(i64::from_le_bytes(whole))
}

/// A name as it can stand in a message.
fn printable(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}

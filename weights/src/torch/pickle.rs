//! The opcodes of pickles, protocols 0 to 5 (`pickletools` of Python documents them).

use super::TorchError;
use super::globals::global;
use super::machine::{Machine, Node, Value};
use super::stream::Stream;

/// Highest protocol there is.
const NEWEST: u8 = 5;

/// Runs one pickle; its value, and the parts of it.
///
/// # Errors
/// [`TorchError`] for a name that is refused, or bytes that are no pickle.
pub(super) fn run(stream: &mut Stream<'_>) -> Result<(Value, Machine), TorchError> {
    let mut machine = Machine::default();
    loop {
        let opcode = stream.byte()?;
        if opcode == b'.' {
            return Ok((machine.pop()?, machine));
        }
        step(opcode, stream, &mut machine)?;
    }
}

fn step(opcode: u8, stream: &mut Stream<'_>, machine: &mut Machine) -> Result<(), TorchError> {
    match opcode {
        0x80 => match stream.byte()? {
            0..=NEWEST => {}
            other => {
                return Err(TorchError::broken(format!("expected a pickle of protocol {NEWEST} or less, got {other}")));
            }
        },
        0x95 => drop(stream.array::<8>()?), // FRAME: only a hint
        b'(' => machine.mark(),
        b'0' => drop(machine.pop()?),
        b'1' => drop(machine.behind_mark()?),
        b'2' => machine.push(machine.last()?),
        b'N' => machine.push(Value::None),
        0x88 => machine.push(Value::Bool(true)),
        0x89 => machine.push(Value::Bool(false)),
        b'p' => machine.remember(number(&stream.line()?)?)?,
        b'q' => machine.remember(stream.byte()?.into())?,
        b'r' => machine.remember(stream.u32()?.into())?,
        0x94 => machine.remember_next()?,
        b'g' => machine.recall(number(&stream.line()?)?)?,
        b'h' => machine.recall(stream.byte()?.into())?,
        b'j' => machine.recall(stream.u32()?.into())?,
        b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => machine.push(scalar(opcode, stream)?),
        b'S' | b'V' | b'T' | b'U' | b'X' | 0x8c | 0x8d => machine.add(Node::Text(text(opcode, stream)?)),
        b'B' | b'C' | 0x8e | 0x96 => {
            let length = length(opcode, stream)?;
            stream.bytes(length)?;
            machine.push(Value::Inert);
        }
        b'c' => {
            let (module, name) = (stream.line()?, stream.line()?);
            machine.push(Value::Global(global(&module, &name)?));
        }
        0x93 => {
            let (name, module) = (machine.pop()?, machine.pop()?);
            let (Some(module), Some(name)) = (machine.text(module), machine.text(name)) else {
                return Err(TorchError::broken("its pickle asks for a name that is no text"));
            };
            let global = global(module, name)?;
            machine.push(Value::Global(global));
        }
        b'Q' => machine.storage()?,
        _ => containers(opcode, stream, machine)?,
    }
    Ok(())
}

/// Lists, tuples, dictionaries, and what calls are asked for.
fn containers(opcode: u8, stream: &mut Stream<'_>, machine: &mut Machine) -> Result<(), TorchError> {
    match opcode {
        b']' => machine.add(Node::List(Vec::new())),
        b')' => machine.add(Node::Tuple(Vec::new())),
        b'}' => machine.add(Node::Dict(Vec::new())),
        0x8f => machine.push(Value::Inert), // a set: nobody looks at one
        b'l' => {
            let items = machine.behind_mark()?;
            machine.add(Node::List(items));
        }
        b't' => {
            let items = machine.behind_mark()?;
            machine.add(Node::Tuple(items));
        }
        0x85..=0x87 => {
            let items = machine.last_few((opcode - 0x84).into())?;
            machine.add(Node::Tuple(items));
        }
        b'd' => {
            let items = machine.behind_mark()?;
            machine.add(Node::Dict(Vec::new()));
            machine.set_items(machine.last()?, &items)?;
        }
        b'a' => {
            let item = machine.pop()?;
            machine.append(machine.last()?, vec![item])?;
        }
        b'e' => {
            let items = machine.behind_mark()?;
            machine.append(machine.last()?, items)?;
        }
        b's' => {
            let items = machine.last_few(2)?;
            machine.set_items(machine.last()?, &items)?;
        }
        b'u' => {
            let items = machine.behind_mark()?;
            machine.set_items(machine.last()?, &items)?;
        }
        0x90 => drop(machine.behind_mark()?), // items of a set
        0x91 => {
            machine.behind_mark()?;
            machine.push(Value::Inert);
        }
        b'R' | 0x81 => machine.reduce()?,
        0x92 => {
            machine.pop()?; // keywords
            machine.reduce()?;
        }
        b'o' => {
            let items = machine.behind_mark()?;
            let (callee, arguments) =
                items.split_first().ok_or_else(|| TorchError::broken("its pickle builds nothing"))?;
            machine.build(*callee, arguments)?;
        }
        b'i' => {
            let (module, name) = (stream.line()?, stream.line()?);
            let arguments = machine.behind_mark()?;
            machine.build(Value::Global(global(&module, &name)?), &arguments)?;
        }
        b'b' => drop(machine.pop()?), // attributes, such as a state dict's versions
        other => {
            return Err(TorchError::broken(format!("its pickle has an opcode {other:#04x} that no checkpoint needs")));
        }
    }
    Ok(())
}

fn number<T: std::str::FromStr>(line: &str) -> Result<T, TorchError> {
    line.trim_end_matches('L').parse().map_err(|_| TorchError::broken(format!("its pickle has `{line}` for a number")))
}

fn scalar(opcode: u8, stream: &mut Stream<'_>) -> Result<Value, TorchError> {
    Ok(match opcode {
        b'I' => match stream.line()?.as_str() {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            line => Value::Int(number(line)?),
        },
        b'J' => Value::Int(i32::from_le_bytes(stream.array()?).into()),
        b'K' => Value::Int(stream.byte()?.into()),
        b'M' => Value::Int(u16::from_le_bytes(stream.array()?).into()),
        // A long number is a hash or a seed, unless it fits.
        b'L' => number(&stream.line()?).map_or(Value::Inert, Value::Int),
        0x8a => long(&{
            let length = stream.byte()?;
            stream.bytes(length.into())?
        }),
        0x8b => long(&{
            let length = stream.u32()?;
            stream.bytes(length.into())?
        }),
        b'F' => Value::Float(number(&stream.line()?)?),
        _ => Value::Float(f64::from_be_bytes(stream.array()?)),
    })
}

/// A number of any length in two's complement.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > size_of::<i64>() {
        return Value::Inert;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; size_of::<i64>()];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}

fn length(opcode: u8, stream: &mut Stream<'_>) -> Result<u64, TorchError> {
    Ok(match opcode {
        b'U' | b'C' | 0x8c => stream.byte()?.into(),
        0x8d | 0x8e | 0x96 => u64::from_le_bytes(stream.array()?),
        _ => stream.u32()?.into(),
    })
}

fn text(opcode: u8, stream: &mut Stream<'_>) -> Result<String, TorchError> {
    match opcode {
        b'S' => Ok(stream.line()?.trim_matches(['\'', '"']).to_owned()),
        b'V' => stream.line(),
        _ => {
            let length = length(opcode, stream)?;
            stream.text(length)
        }
    }
}

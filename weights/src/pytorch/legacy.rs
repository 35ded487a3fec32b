//! What `torch.save` wrote before 1.6: five pickles (a magic number, a version, the system, the value, the storages' keys),
//! and behind them each storage's length and numbers, in the order of the keys.

use std::collections::HashMap;

use super::state_dict;
use super::{Fault, Parts, Places};
use crate::pickle::{Id, Input, Machine, Value, Values};
use crate::source::Source;

/// 0x1950a86a20f9469cfc6c, the first pickle's value.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The second's.
const VERSION: i64 = 1001;

/// Bytes of a storage's length.
const LENGTH: u64 = 8;

pub(super) fn read(source: &Source<'_>) -> Result<Parts, Fault> {
    let mut values = Values::default();
    let mut input = Input::new(source, 0, source.len());
    let mut next = |values: &mut Values| Machine::load(&mut input, values);
    let magic = next(&mut values)?;
    if !matches!(values.get(magic), Value::Long(bytes) if **bytes == MAGIC) {
        return Err(Fault::Other {
            reason: format!("a pickle of {}, not a file of PyTorch's", values.summary(magic)),
            help: "save the weights with torch.save(model.state_dict(), OUT)",
        });
    }
    let version = next(&mut values)?;
    if *values.get(version) != Value::Int(VERSION) {
        return Err(Fault::Broken(format!("expected version {VERSION}, got {}", values.summary(version))));
    }
    let system = next(&mut values)?;
    check_system(&values, system)?;
    let root = next(&mut values)?;
    let keys = next(&mut values)?;
    let places = places(source, input.at(), &values, keys)?;
    state_dict::parts(&values, root, &places)
}

fn check_system(values: &Values, system: Id) -> Result<(), Fault> {
    let pairs = values.dict(system).unwrap_or_default();
    let order = pairs.iter().find(|(key, _)| values.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| values.get(*value)) {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err(Fault::Broken("expected a file of little-endian numbers".to_owned())),
    }
}

/// Where the storages lie behind the pickles.
fn places(source: &Source<'_>, mut at: u64, values: &Values, keys: Id) -> Result<Places, Fault> {
    let mut sizes = HashMap::new();
    for value in values.iter() {
        if let Value::Storage(storage) = value {
            sizes.insert(&*storage.key, storage.dtype.bytes() as u64);
        }
    }
    let keys = values.sequence(keys).ok_or_else(|| Fault::Broken("expected the storages' keys".to_owned()))?;
    let mut places = Places::with_capacity(keys.len());
    for &key in keys {
        let key = values.text(key).ok_or_else(|| Fault::Broken("expected a storage's key".to_owned()))?;
        let size = *sizes.get(key).ok_or_else(|| Fault::Broken(format!("storage `{key}`: no tensor says its kind")))?;
        let mut len = [0; LENGTH as usize];
        let left = source.len().saturating_sub(at);
        if left < LENGTH {
            return Err(Fault::Broken(format!(
                "storage `{key}`: expected its length at {at}, got the end of the file"
            )));
        }
        source.read_at(at, &mut len)?;
        let len = u64::from_le_bytes(len);
        let bytes = len.checked_mul(size).filter(|bytes| *bytes <= left - LENGTH).ok_or_else(|| {
            Fault::Broken(format!("storage `{key}`: expected {len} numbers of {size} bytes at {at}, got {left} bytes"))
        })?;
        places.insert(key.to_owned(), (at + LENGTH, bytes));
        at += LENGTH + bytes;
    }
    Ok(places)
}

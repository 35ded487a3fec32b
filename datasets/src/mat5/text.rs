//! Arrays of characters.

use super::array::{Array, Value, element_count};
use super::element::{Element, Elements};
use super::error::Fault;
use super::numbers::{Endian, Numbers};

/// How MATLAB stores text: UTF-16 in unsigned integers of 16 bits.
pub(super) const UINT16: u32 = 4;
/// How others do: in bytes, …
const BYTES: [u32; 2] = [1, 2];
/// … or in types of their own.
pub(super) const UTF8: u32 = 16;
const UTF16: u32 = 17;
const UTF32: u32 = 18;

/// Reads the text of a char array: a string a row. Text without characters is `0x0`, whatever its dimensions.
pub(super) fn read(dims: &[usize], parts: &mut Elements) -> Result<Array, Fault> {
    let count = element_count(dims)?;
    let [height, width] = *dims else {
        return Array::checked(dims.to_vec(), Value::Unread("char array of more than two dimensions"));
    };
    let endian = parts.endian;
    let codes = codes(&parts.next("text")?, count, endian)?;
    if codes.is_empty() {
        return Array::checked(vec![0, 0], Value::Char(Vec::new()));
    }
    let rows = if height == 1 {
        // Some writers count bytes or characters, not UTF-16 units: the text itself says how long it is.
        vec![string(codes.iter().copied())?]
    } else {
        if codes.len() != count {
            return Err(Fault::new(format!("{count} characters"), codes.len()));
        }
        let row = |r: usize| string((0..width).map(|c| codes[c * height + r]));
        (0..height).map(row).collect::<Result<_, _>>()?
    };
    let width = rows.first().map_or(0, |row| row.encode_utf16().count());
    Array::checked(vec![height, width], Value::Char(rows))
}

/// What each element of the array holds: a unit of UTF-16, or a character beyond its first 65,536.
fn codes(element: &Element, count: usize, endian: Endian) -> Result<Vec<u32>, Fault> {
    let Element { kind, data } = *element;
    match kind {
        UTF8 => {
            let text = str::from_utf8(data).map_err(|error| Fault::new("text in UTF-8", error))?;
            Ok(of_chars(text.chars(), count))
        }
        UTF32 => {
            let Some(Numbers::U32(codes)) = Numbers::read(6, data, endian) else {
                return Err(Fault::new("text in UTF-32", format!("{} bytes", data.len())));
            };
            let chars: Option<Vec<char>> = codes.into_iter().map(char::from_u32).collect();
            let chars = chars.ok_or_else(|| Fault::new("text in UTF-32", "numbers that are no characters"))?;
            Ok(of_chars(chars.into_iter(), count))
        }
        UTF16 | UINT16 => match Numbers::read(UINT16, data, endian) {
            Some(Numbers::U16(units)) => Ok(units.into_iter().map(u32::from).collect()),
            _ => Err(Fault::new("text in UTF-16", format!("{} bytes", data.len()))),
        },
        // ASCII, and Latin-1 beyond.
        kind if BYTES.contains(&kind) => Ok(data.iter().map(|&byte| u32::from(byte)).collect()),
        other => Err(Fault::new("text", format!("an element of type {other}"))),
    }
}

/// The characters, where the array has as many elements, else their units of UTF-16.
fn of_chars(chars: impl Iterator<Item = char> + Clone, count: usize) -> Vec<u32> {
    let codes = chars.map(u32::from);
    if codes.clone().count() == count { codes.collect() } else { units(codes).map(u32::from).collect() }
}

/// Codes as UTF-16, where surrogates stand for themselves.
fn units(codes: impl Iterator<Item = u32>) -> impl Iterator<Item = u16> {
    codes.flat_map(|code| {
        let beyond = code.checked_sub(0x1_0000);
        let pair = |offset: u32| [0xd800 + (offset >> 10) as u16, 0xdc00 + (offset & 0x3ff) as u16];
        beyond.map(pair).map_or([Some(code as u16), None], |[high, low]| [Some(high), Some(low)]).into_iter().flatten()
    })
}

fn string(codes: impl Iterator<Item = u32>) -> Result<String, Fault> {
    let text: Result<String, _> = char::decode_utf16(units(codes)).collect();
    text.map_err(|error| Fault::new("text in UTF-16", error))
}

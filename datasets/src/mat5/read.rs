//! Bytes to arrays.

use super::MatFile;
use super::array::{Array, Numeric, Sparse, Struct, Value, element_count};
use super::element::{COMPRESSED, Element, Elements, INT8, MATRIX, inflate};
use super::error::{Fault, Mat5Error};
use super::numbers::{Class, Endian, Numbers};
use super::text::{self, UTF8};

/// The bytes in front of the first element.
pub(super) const HEADER: usize = 128;
/// The version that follows the text, and the mark that tells the order of its bytes.
pub(super) const VERSION: u16 = 0x0100;
/// How HDF5 files begin, behind the header that version 7.3 puts there.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const HDF5_OFFSET: usize = 512;
/// A flag of a matrix: it has imaginary parts.
pub(super) const COMPLEX: u32 = 0x0800;
/// A flag of a matrix: its numbers are truth values.
pub(super) const LOGICAL: u32 = 0x0200;
/// The classes that are no numbers.
pub(super) const CELL: u8 = 1;
pub(super) const STRUCT: u8 = 2;
pub(super) const CHAR: u8 = 4;
pub(super) const SPARSE: u8 = 5;
const OBJECT: u8 = 3;
const FUNCTION: u8 = 16;
const OPAQUE: u8 = 17;

/// Cells in cells nest up to here.
const MAX_DEPTH: usize = 32;
/// Arrays and names of fields take more in memory than the few bytes of an empty one in a file: so many are read.
const MAX_ARRAYS: usize = 1_000_000;

/// Reads all variables of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<MatFile, Mat5Error> {
    let endian = endian_of(bytes)?;
    let mut elements = Elements::new(&bytes[HEADER..], endian);
    let mut budget = Budget { inflated: super::MAX_INFLATED, arrays: MAX_ARRAYS };
    let mut variables = Vec::new();
    while !elements.is_empty() {
        let place = format!("element {} at byte {}", variables.len() + 1, bytes.len() - elements.left());
        let element = elements.next("data").map_err(|fault| fault.at(&place))?;
        variables.push(variable(&element, endian, &mut budget, &place)?);
    }
    Ok(MatFile { variables })
}

/// What may still be read from a file.
struct Budget {
    inflated: usize,
    arrays: usize,
}

fn endian_of(bytes: &[u8]) -> Result<Endian, Mat5Error> {
    let other = |got, help| Err(Mat5Error::Format { got, help });
    if bytes.starts_with(b"MATLAB 7.3 MAT-file")
        || [0, HDF5_OFFSET].iter().any(|&at| bytes[at.min(bytes.len())..].starts_with(HDF5))
    {
        return other(
            "version 7.3, which is HDF5",
            "in MATLAB: load it, then save(file, '-v7'); in Python: read it with mat73, then scipy.io.savemat",
        );
    }
    if bytes.is_empty() {
        return other("an empty file", "fetch the file again");
    }
    if bytes.iter().take(4).any(|&byte| byte == 0) {
        return other("version 4 or other bytes", "in MATLAB: load it, then save(file, '-v7')");
    }
    match bytes.get(HEADER - 4..HEADER) {
        None => other("a file shorter than its header", "fetch the file again"),
        Some([0, 1, b'I', b'M']) => Ok(Endian::Little),
        Some([1, 0, b'M', b'I']) => Ok(Endian::Big),
        Some(_) => other("other bytes", "name a file that MATLAB's save wrote"),
    }
}

/// A top-level element, inflated where it is deflated.
fn variable(element: &Element, endian: Endian, budget: &mut Budget, place: &str) -> Result<(String, Array), Mat5Error> {
    if element.kind != COMPRESSED {
        return matrix_variable(element, endian, budget, place);
    }
    let inflated = inflate(element.data, &mut budget.inflated).map_err(|fault| fault.at(place))?;
    let mut inner = Elements::new(&inflated, endian);
    let element = inner.next("inflated data").map_err(|fault| fault.at(place))?;
    if !inner.is_empty() {
        let got = format!("{} bytes behind it", inner.left());
        return Err(Fault::new("one inflated element", got).at(place));
    }
    matrix_variable(&element, endian, budget, place)
}

fn matrix_variable(
    element: &Element,
    endian: Endian,
    budget: &mut Budget,
    place: &str,
) -> Result<(String, Array), Mat5Error> {
    if element.kind != MATRIX {
        return Err(Fault::new("a variable", format!("an element of type {}", element.kind)).at(place));
    }
    let mut parts = Elements::new(element.data, endian);
    let head = Head::read(&mut parts).map_err(|fault| fault.at(place))?;
    let at = |fault: Fault| fault.at(format!("{place}, {}", head.name));
    let array = body(&head, &mut parts, budget, 0).map_err(at)?;
    Ok((head.name, array))
}

/// What all matrices begin with.
struct Head {
    class: u8,
    flags: u32,
    dims: Vec<usize>,
    name: String,
}

impl Head {
    fn read(parts: &mut Elements) -> Result<Self, Fault> {
        let flags = match parts.numbers("array flags")? {
            Numbers::U32(words) if words.len() == 2 => words[0],
            other => return Err(Fault::new("array flags of two words", format!("{} numbers", other.len()))),
        };
        let class = (flags & 0xff) as u8;
        if class == OPAQUE {
            // The only ones without dimensions.
            return Ok(Self { class, flags, dims: vec![0, 0], name: name(parts)? });
        }
        let dim = |dim: &i32| usize::try_from(*dim).map_err(|_| Fault::new("dimensions of 0 or more", dim));
        let dims: Vec<usize> = parts.integers("dimensions")?.iter().map(dim).collect::<Result<_, _>>()?;
        Ok(Self { class, flags, dims, name: name(parts)? })
    }
}

fn name(parts: &mut Elements) -> Result<String, Fault> {
    // Some writers take the type of text.
    let Element { kind: INT8 | UTF8, data } = parts.next("a name")? else {
        return Err(Fault::new("a name in bytes", "an element of another type"));
    };
    String::from_utf8(data.to_vec()).map_err(|_| Fault::new("a name in ASCII or UTF-8", "other bytes"))
}

/// A matrix inside another.
fn nested(parts: &mut Elements, budget: &mut Budget, depth: usize) -> Result<Array, Fault> {
    let data = parts.next_of(MATRIX, "an array")?;
    if data.is_empty() {
        // MATLAB's shortest way to write [].
        budget.count(1)?;
        return Array::checked(vec![0, 0], Value::Numeric(Vec::<f64>::new().into()));
    }
    if depth > MAX_DEPTH {
        return Err(Fault::too_large(format!("cells and structs nested {MAX_DEPTH} deep at most")));
    }
    let mut parts = Elements::new(data, parts.endian);
    let head = Head::read(&mut parts)?;
    body(&head, &mut parts, budget, depth)
}

impl Budget {
    fn count(&mut self, arrays: usize) -> Result<(), Fault> {
        let left = self.arrays.checked_sub(arrays);
        self.arrays = left.ok_or_else(|| Fault::too_large(format!("at most {MAX_ARRAYS} arrays in one file")))?;
        Ok(())
    }
}

/// What comes behind the head.
fn body(head: &Head, parts: &mut Elements, budget: &mut Budget, depth: usize) -> Result<Array, Fault> {
    budget.count(1)?;
    let value = match head.class {
        CELL => Value::Cell(cells(head, parts, budget, depth + 1)?),
        STRUCT => Value::Struct(structs(head, parts, budget, depth + 1)?),
        CHAR => return text::read(&head.dims, parts),
        SPARSE => Value::Sparse(sparse(head, parts)?),
        OBJECT => Value::Unread("object of a class"),
        FUNCTION => Value::Unread("function handle"),
        OPAQUE => Value::Unread("opaque object"),
        code => Value::Numeric(numeric(head, Class::of(code), parts)?),
    };
    Array::checked(head.dims.clone(), value)
}

fn numeric(head: &Head, class: Option<Class>, parts: &mut Elements) -> Result<Numeric, Fault> {
    let class = class.ok_or_else(|| Fault::new("an array of a class from 1 to 17", head.class))?;
    let class = if head.flags & LOGICAL == 0 { class } else { Class::Logical };
    let real = parts.numbers("numbers")?;
    Ok(Numeric { class, real, imaginary: imaginary(head, parts)? })
}

fn imaginary(head: &Head, parts: &mut Elements) -> Result<Option<Numbers>, Fault> {
    (head.flags & COMPLEX != 0).then(|| parts.numbers("imaginary parts")).transpose()
}

fn cells(head: &Head, parts: &mut Elements, budget: &mut Budget, depth: usize) -> Result<Vec<Array>, Fault> {
    let cell = |i| nested(parts, budget, depth).map_err(|fault| fault.within(format_args!("{{{}}}", i + 1)));
    (0..element_count(&head.dims)?).map(cell).collect()
}

fn structs(head: &Head, parts: &mut Elements, budget: &mut Budget, depth: usize) -> Result<Struct, Fault> {
    let fields = field_names(parts, budget)?;
    let mut values = Vec::new();
    // Without fields, elements take no bytes, so their number is not bounded by the file.
    let count = if fields.is_empty() { 0 } else { element_count(&head.dims)? };
    for element in 0..count {
        for field in &fields {
            let step = || if count == 1 { format!(".{field}") } else { format!("({}).{field}", element + 1) };
            values.push(nested(parts, budget, depth).map_err(|fault| fault.within(step()))?);
        }
    }
    Ok(Struct { fields, values })
}

fn field_names(parts: &mut Elements, budget: &mut Budget) -> Result<Vec<String>, Fault> {
    let length = match parts.integers("the length of field names")?.as_slice() {
        [length] if *length > 0 => *length as usize,
        other => return Err(Fault::new("one length of field names, over 0", format!("{other:?}"))),
    };
    let bytes = parts.next_of(INT8, "field names")?;
    if bytes.len() % length != 0 {
        return Err(Fault::new(format!("field names of {length} bytes each"), format!("{} bytes", bytes.len())));
    }
    budget.count(bytes.len() / length)?;
    let name = |padded: &[u8]| {
        let end = padded.iter().position(|&byte| byte == 0).unwrap_or(length);
        let name = String::from_utf8(padded[..end].to_vec());
        name.map_err(|_| Fault::new("field names in ASCII or UTF-8", "other bytes"))
    };
    bytes.chunks_exact(length).map(name).collect()
}

fn sparse(head: &Head, parts: &mut Elements) -> Result<Sparse, Fault> {
    let mut rows = parts.integers("rows of a sparse matrix")?;
    let column_starts = parts.integers("columns of a sparse matrix")?;
    let class = if head.flags & LOGICAL == 0 { Class::F64 } else { Class::Logical };
    let mut real = match (class, parts.clone().next("numbers of a sparse matrix")?) {
        // MATLAB stores logicals in a byte each, and says that they are doubles.
        (Class::Logical, Element { data, .. }) if data.len() == rows.len() => {
            parts.next("numbers of a sparse matrix")?;
            Numbers::U8(data.to_vec())
        }
        _ => parts.numbers("numbers of a sparse matrix")?,
    };
    let mut imaginary = imaginary(head, parts)?;
    // There may be room for more than is stored.
    let stored = column_starts.last().and_then(|&end| usize::try_from(end).ok()).unwrap_or(0);
    rows.truncate(stored);
    real.truncate(stored);
    if let Some(part) = &mut imaginary {
        part.truncate(stored);
    }
    Ok(Sparse { class, rows, column_starts, real, imaginary })
}

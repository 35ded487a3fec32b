//! One annotation xml.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use crate::detection::Faults;
use crate::error::DataError;

/// What an xml holds, as far as detection needs it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Annotated {
    /// The picture's name as the xml has it.
    pub filename: Option<String>,
    /// Width and height; `None` where they are absent or 0.
    pub size: Option<[usize; 2]>,
    /// The usable objects.
    pub objects: Vec<Object>,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// Which of the file's objects, from 1, and where it begins.
    pub record: String,
    pub name: String,
    pub difficult: bool,
    /// `xmin ymin xmax ymax` as they stand.
    pub edges: [f64; 4],
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

/// Parses an xml. What cannot be used is pushed and left out; after a fault of the xml itself nothing is kept.
pub(super) fn parse(file: &Path, bytes: &[u8], faults: &mut Faults) -> Annotated {
    // Offsets count from behind it.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let raw = match read_events(bytes) {
        Ok(raw) => raw,
        Err(Broken { offset, problem }) => {
            faults.error(DataError::Parse {
                path: file.to_path_buf(),
                place: format!("line {}", line_of(bytes, offset)),
                problem,
                help: "repair the xml, or remove the picture from the list",
            });
            return Annotated::default();
        }
    };
    let mut annotated = Annotated { filename: raw.filename, ..Annotated::default() };
    annotated.size = faults.take(size(file, &raw.sides)).flatten();
    for (i, object) in raw.objects.into_iter().enumerate() {
        let record = format!("object {} (line {})", i + 1, line_of(bytes, object.offset));
        annotated.objects.extend(faults.take(usable(file, record, object)));
    }
    annotated
}

/// The xml's texts, untyped.
#[derive(Default)]
struct Raw {
    filename: Option<String>,
    /// Width and height.
    sides: [Option<String>; 2],
    objects: Vec<RawObject>,
}

#[derive(Default)]
struct RawObject {
    offset: usize,
    name: Option<String>,
    difficult: Option<String>,
    edges: [Option<String>; 4],
}

struct Broken {
    offset: usize,
    problem: String,
}

fn read_events(bytes: &[u8]) -> Result<Raw, Broken> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Broken { offset: error.valid_up_to(), problem: "expected UTF-8, got other bytes".into() })?;
    let mut reader = Reader::from_str(text);
    let (mut raw, mut path, mut content) = (Raw::default(), Vec::<String>::new(), String::new());
    let mut has_root = false;
    loop {
        let offset = reader.buffer_position() as usize;
        let event = reader
            .read_event()
            .map_err(|error| Broken { offset: reader.error_position() as usize, problem: error.to_string() })?;
        let fault = |problem: String| Broken { offset, problem };
        match event {
            Event::Start(tag) => {
                let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
                if path.is_empty() {
                    if name != "annotation" {
                        return Err(fault(format!("expected <annotation>, got <{name}>")));
                    }
                    has_root = true;
                }
                path.push(name);
                content.clear();
                if is(&path, &["object"]) {
                    raw.objects.push(RawObject { offset, ..RawObject::default() });
                }
            }
            Event::End(_) => {
                put(&mut raw, &path, content.trim()).map_err(fault)?;
                path.pop();
                content.clear();
            }
            Event::Text(text) => content.push_str(&text.decode().map_err(|error| fault(error.to_string()))?),
            Event::CData(text) => content.push_str(&text.decode().map_err(|error| fault(error.to_string()))?),
            Event::GeneralRef(entity) => content.push_str(&resolve(&entity).map_err(fault)?),
            Event::Eof if !path.is_empty() => return Err(fault(format!("the file ends within <{}>", path.join("><")))),
            Event::Eof if !has_root => return Err(fault("expected <annotation>, got nothing".into())),
            Event::Eof => return Ok(raw),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// Whether the path is that of these elements under the root.
fn is(path: &[String], names: &[&str]) -> bool {
    path.len() == names.len() + 1 && path[1..].iter().zip(names).all(|(a, b)| a == b)
}

/// Stores the text of the element that ends; parts of persons have names and boxes of their own and are passed over.
fn put(raw: &mut Raw, path: &[String], text: &str) -> Result<(), String> {
    let inner: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
    let slot = match (inner.as_slice(), raw.objects.last_mut()) {
        (["filename"], _) => &mut raw.filename,
        (["size", "width"], _) => &mut raw.sides[0],
        (["size", "height"], _) => &mut raw.sides[1],
        (["object", "name"], Some(object)) => &mut object.name,
        (["object", "difficult"], Some(object)) => &mut object.difficult,
        (["object", "bndbox", edge], Some(object)) => match EDGES.iter().position(|name| name == edge) {
            Some(i) => &mut object.edges[i],
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    match slot.replace(text.to_owned()) {
        None => Ok(()),
        Some(first) => Err(format!("<{}> stands there twice: \"{first}\" and \"{text}\"", inner.join("><"))),
    }
}

/// Characters by number and the five entities of xml.
fn resolve(entity: &BytesRef) -> Result<String, String> {
    if let Some(char) = entity.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(char.to_string());
    }
    let name = entity.decode().map_err(|error| error.to_string())?;
    quick_xml::escape::resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| format!("unknown entity &{name};"))
}

fn size(file: &Path, sides: &[Option<String>; 2]) -> Result<Option<[usize; 2]>, DataError> {
    let mut size = [0; 2];
    for ((side, text), name) in size.iter_mut().zip(sides).zip(["width", "height"]) {
        let Some(text) = text else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (0.0..=MAX_SIDE).contains(n));
        *side = number.ok_or_else(|| DataError::Record {
            path: file.to_path_buf(),
            record: format!("size, {name}"),
            expected: "a whole number of pixels".into(),
            got: format!("\"{}\"", text.escape_debug()),
            help: "write the picture's size, or remove <size>: it is then read from the picture",
        })? as usize;
    }
    Ok(size.iter().all(|side| *side > 0).then_some(size))
}

/// No picture has a longer side.
const MAX_SIDE: f64 = 1e9;

fn usable(file: &Path, record: String, object: RawObject) -> Result<Object, DataError> {
    let fault = |expected: String, got: String, help| DataError::Record {
        path: file.to_path_buf(),
        record: record.clone(),
        expected,
        got,
        help,
    };
    let quoted = |text: &str| format!("\"{}\"", text.escape_debug());
    let name = object.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| fault("a <name>".into(), "none".into(), "name the object's class"))?;
    let difficult = match object.difficult.as_deref() {
        None | Some("" | "0" | "false") => false,
        Some("1" | "true") => true,
        Some(other) => return Err(fault("<difficult> 0 or 1".into(), quoted(other), "write 0 or 1")),
    };
    let mut edges = [0.0; 4];
    for ((edge, text), name) in edges.iter_mut().zip(&object.edges).zip(EDGES) {
        let help = "complete or remove the object";
        let text = text.as_deref().ok_or_else(|| fault(format!("<bndbox> with <{name}>"), "none".into(), help))?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        *edge = number.ok_or_else(|| fault(format!("a number in <{name}>"), quoted(text), help))?;
    }
    Ok(Object { record, name, difficult, edges })
}

/// The line of an offset, from 1.
fn line_of(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset.min(bytes.len())].split(|byte| *byte == b'\n').count()
}

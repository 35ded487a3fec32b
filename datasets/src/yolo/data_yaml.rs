//! The yaml: where the pictures of each split are, and the names of the classes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::detection::{Faults, Split};
use crate::error::DataError;

/// What a yaml says, checked.
#[derive(Debug)]
pub(super) struct DataYaml {
    /// The yaml itself.
    pub file: PathBuf,
    /// What its paths are relative to: its own folder, or `path` relative to that.
    pub root: PathBuf,
    /// Names by class index.
    pub names: Vec<String>,
    /// Every other key.
    others: BTreeMap<String, Paths>,
}

/// The keys of a split, in the order they are looked for.
fn keys(split: &Split) -> Vec<&str> {
    match split {
        Split::Train => vec!["train"],
        Split::Val => vec!["val", "valid"],
        Split::Test => vec!["test"],
        Split::Named(name) => vec![name],
    }
}

impl DataYaml {
    /// Reads a yaml.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Parse`] with the line; [`DataError::Record`] for names that are none and a `path` that
    /// leads nowhere. A wrong `nc` is pushed.
    pub fn read(file: &Path, faults: &mut Faults) -> Result<Self, DataError> {
        let bytes = fs::read(file).map_err(DataError::io("read", file))?;
        let raw = parse(file, &bytes)?;
        let fault = |record: &str, expected: String, got: String, help| DataError::Record {
            path: file.to_path_buf(),
            record: record.into(),
            expected,
            got,
            help,
        };
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let root = raw.path.as_deref().map_or_else(|| folder.clone(), |path| folder.join(slashes(path)));
        if !root.as_os_str().is_empty() && !root.is_dir() {
            let help = "it is taken from the yaml's own folder: correct it, or remove it if the pictures lie there";
            return Err(fault("path", "a folder".into(), root.display().to_string(), help));
        }
        let names = raw
            .names
            .ok_or_else(|| fault("names", "the names of the classes".into(), "none".into(), "add names: [cat, dog]"))?;
        let names = names.in_order().map_err(|got| {
            let help = "number the classes 0, 1, 2, … without a gap";
            fault("names", "one name for each class".into(), got, help)
        })?;
        if let Some(nc) = raw.nc.filter(|nc| nc.trim().parse() != Ok(names.len())) {
            let help = "correct nc or names; nc may be left out";
            faults.error(fault("nc", format!("{}, the number of names", names.len()), nc, help));
        }
        Ok(Self { file: file.to_path_buf(), root, names, others: raw.others })
    }

    /// The paths of a split and the key they stand at.
    ///
    /// # Errors
    /// [`DataError::Record`] where the split has none.
    pub fn paths<'a>(&'a self, split: &'a Split) -> Result<(&'a str, &'a [String]), DataError> {
        let found = keys(split).into_iter().find_map(|key| match self.others.get(key) {
            Some(Paths::Some(paths)) if !paths.is_empty() => Some((key, paths.as_slice())),
            _ => None,
        });
        found.ok_or_else(|| {
            let is_split = |(key, paths): (&String, &Paths)| {
                matches!(paths, Paths::Some(paths) if !paths.is_empty()).then(|| key.clone())
            };
            let present: Vec<_> = self.others.iter().filter_map(is_split).collect();
            let others =
                if present.is_empty() { String::new() } else { format!("; keys with paths: {}", present.join(", ")) };
            DataError::Record {
                path: self.file.clone(),
                record: split.to_string(),
                expected: "a folder of pictures, a list of pictures (.txt), or several of them".into(),
                got: format!("nothing{others}"),
                help: "add the split's line, or name another split",
            }
        })
    }

    /// A line that names the keys without a use.
    pub fn unused(&self, split: &Split) -> Option<String> {
        const SPLITS: [&str; 4] = ["train", "val", "valid", "test"];
        let has_use = |key: &str| SPLITS.contains(&key) || keys(split).contains(&key);
        let unused: Vec<_> = self.others.keys().filter(|key| !has_use(key)).map(String::as_str).collect();
        (!unused.is_empty()).then(|| format!("{}: keys without a use here: {}", self.file.display(), unused.join(", ")))
    }
}

/// With slashes of one kind, and without blanks around it.
pub(super) fn slashes(path: &str) -> String {
    path.trim().replace('\\', "/")
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Raw, DataError> {
    serde_saphyr::from_slice(bytes).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map_or_else(|| "the file".to_owned(), |at| format!("line {}", at.line()));
        let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let problem = text.lines().next().unwrap_or_default();
        // The place is said already.
        let problem = problem.rsplit_once(" at line ").map_or(problem, |(what, _)| what).to_owned();
        DataError::Parse {
            path: file.to_path_buf(),
            place,
            problem,
            help: "expected train, val and names, as in: names: {0: cat, 1: dog}",
        }
    })
}

/// The yaml as it stands in the file.
#[derive(Debug, Default)]
struct Raw {
    path: Option<String>,
    names: Option<Names>,
    nc: Option<String>,
    others: BTreeMap<String, Paths>,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("keys and values, such as `names: [cat, dog]`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut raw = Raw::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "path" => raw.path = map.next_value()?,
                "names" => raw.names = map.next_value()?,
                "nc" => raw.nc = map.next_value()?,
                _ => {
                    raw.others.insert(key, map.next_value()?);
                }
            }
        }
        Ok(raw)
    }
}

/// Names as a list, or by number.
#[derive(Debug)]
enum Names {
    List(Vec<String>),
    Numbered(BTreeMap<u64, String>),
}

impl Names {
    /// By class index, trimmed; or what is wrong with them.
    fn in_order(self) -> Result<Vec<String>, String> {
        let names: Vec<String> = match self {
            Self::List(names) => names,
            Self::Numbered(names) => {
                if let Some((i, id)) = names.keys().enumerate().find(|(i, id)| *i as u64 != **id) {
                    return Err(format!("number {id} where {i} is due"));
                }
                names.into_values().collect()
            }
        };
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        match names.iter().position(String::is_empty) {
            _ if names.is_empty() => Err("an empty list".into()),
            Some(i) => Err(format!("an empty name for class {i}")),
            None => Ok(names),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of names, or names by number")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(Names::List(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = BTreeMap::new();
        while let Some((id, name)) = map.next_entry()? {
            names.insert(id, name);
        }
        Ok(Names::Numbered(names))
    }
}

/// What a key without a fixed meaning holds: paths, or something else.
#[derive(Debug, PartialEq)]
enum Paths {
    Some(Vec<String>),
    Else,
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathsVisitor)
    }
}

struct PathsVisitor;

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Paths;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<Paths, E> {
        Ok(Paths::Some(vec![path.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Paths, A::Error> {
        let (mut all, mut is_paths) = (Vec::new(), true);
        while let Some(element) = list.next_element::<Self::Value>()? {
            match element {
                Paths::Some(paths) => all.extend(paths),
                Paths::Else => is_paths = false,
            }
        }
        Ok(if is_paths { Paths::Some(all) } else { Paths::Else })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Paths, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Paths::Else)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_none<E: de::Error>(self) -> Result<Paths, E> {
        Ok(Paths::Else)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Paths, D::Error> {
        deserializer.deserialize_any(self)
    }
}

//! The classes of a VOC folder: the names in all its xml.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::home::annotations;
use super::xml::{self, Annotated};
use crate::detection::{Category, Faults, warning};
use crate::error::DataError;

/// VOC's own classes, in the order of the challenge.
pub(crate) const VOCS: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// The classes of a folder.
pub(super) struct Classes {
    /// By class index.
    pub categories: Vec<Category>,
    /// Whether they are VOC's own.
    pub are_vocs: bool,
    index_of: HashMap<String, u32>,
}

impl Classes {
    fn of(names: &BTreeSet<String>) -> Self {
        let are_vocs = !names.is_empty() && names.iter().all(|name| VOCS.contains(&name.as_str()));
        let ordered: Vec<String> =
            if are_vocs { VOCS.map(str::to_owned).to_vec() } else { names.iter().cloned().collect() };
        let index_of = ordered.iter().enumerate().map(|(i, name)| (name.clone(), i as u32)).collect();
        let categories = ordered.into_iter().zip(1..).map(|(name, id)| Category { id, name }).collect();
        Self { categories, are_vocs, index_of }
    }

    /// The class index of a name, which is one of the folder's.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.index_of.get(name).copied()
    }
}

/// An xml of the split and what it holds.
pub(super) struct Parsed {
    pub file: PathBuf,
    pub annotated: Annotated,
}

/// Reads every xml of a folder for its names, and keeps those of the given stems. A broken one of another split is warned of.
///
/// # Errors
/// [`DataError::Io`] for an xml of the split.
pub(super) fn read_all(
    home: &Path,
    stems: &BTreeMap<String, usize>,
    faults: &mut Faults,
) -> Result<(Classes, HashMap<String, Parsed>), DataError> {
    let mut files: Vec<_> = annotations(home).collect();
    files.sort();
    let (mut names, mut parsed) = (BTreeSet::new(), HashMap::new());
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(&file).map_err(DataError::io("read", &file))?;
        if stems.contains_key(&stem) {
            let annotated = xml::parse(&file, &bytes, faults);
            names.extend(annotated.objects.iter().map(|object| object.name.clone()));
            parsed.insert(stem, Parsed { file, annotated });
        } else {
            let mut elsewhere = Faults::first();
            let annotated = xml::parse(&file, &bytes, &mut elsewhere);
            names.extend(annotated.objects.into_iter().map(|object| object.name));
            if let Err(error) = elsewhere.refuse() {
                let problem = format!("of another split, and broken: {error}");
                let (problem, help) = problem.split_once("\nhelp: ").unwrap_or((&problem, ""));
                faults.warn(|| warning(&file, None, problem.to_owned(), help));
            }
        }
    }
    Ok((Classes::of(&names), parsed))
}

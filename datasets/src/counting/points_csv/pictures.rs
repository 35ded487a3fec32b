//! Which pictures a table of points is about.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::list::under;
use super::{POINTS, read_entry, table};
use crate::counting::PointXy;
use crate::counting::layout::Entry;
use crate::counting::places::{ALL, folder_named, name_of};
use crate::error::DataError;
use crate::fault::Faults;
use crate::id_list::{entries as lines_of, read_text};
use crate::split::Split;

/// The pictures of a table: those of the split's own folder, where it has one, and those that the table names; and notes.
pub(super) fn of_table(
    path: &Path,
    home: &Path,
    own: Option<&Path>,
    split: &Split,
    faults: &mut Faults,
) -> Result<(Vec<Entry>, Vec<String>), DataError> {
    let mut names = Names::new(path, home, own)?;
    let is_of_all = path == home.join(POINTS) && split.to_string() != ALL;
    let mut points = Points::default();
    for row in table::parse(&read_text(path)?, path)? {
        if let Some(image) = faults.take(names.find(&row.image, path, row.line)) {
            points.of(image).push(row.point);
        }
    }
    let further = images_list(path);
    if further.is_file() {
        for (line, name) in lines_of(&read_text(&further)?) {
            if let Some(image) = faults.take(names.find(name, &further, line)) {
                points.of(image);
            }
        }
    }
    let mut entries = Vec::new();
    if let Some(folder) = own {
        let pictures = Entry::all_in(folder, |_| folder.join(POINTS), faults)?.0;
        if is_of_all && !pictures.iter().any(|entry| points.has(&entry.image)) {
            return names_none(pictures, path, split).map(|pictures| (pictures, Vec::new()));
        }
        for entry in pictures {
            let points = points.take(&entry.image);
            entries.push(read_entry(entry.image, path, points));
        }
    }
    let (mut others, mut notes) = (0, Vec::new());
    for (image, points) in points.rest() {
        // A table of all splits has rows of the others too.
        if is_of_all && image.is_file() {
            others += 1;
        } else {
            entries.push(read_entry(image, path, points));
        }
    }
    if others > 0 {
        notes.push(format!("{} has points of {others} pictures outside split {split}", path.display()));
    }
    Ok((entries, notes))
}

/// A table of all splits that says nothing of this one: a test split then has no points, another is at fault.
fn names_none(pictures: Vec<Entry>, table: &Path, split: &Split) -> Result<Vec<Entry>, DataError> {
    if pictures.is_empty() || *split == Split::Test {
        return Ok(pictures);
    }
    Err(DataError::Record {
        path: table.to_path_buf(),
        record: format!("split {split}"),
        expected: format!("points of its {} pictures, as {split}/{}", pictures.len(), name_of(&pictures[0].image)),
        got: "none".into(),
        help: "name pictures with the folder of their split; where none has a point, give the split a table of its own",
    })
}

/// The list of further pictures beside a table: `images.txt` beside `points.csv`, `val.images.txt` beside `val.csv`.
fn images_list(table: &Path) -> PathBuf {
    match table.file_stem() {
        Some(stem) if name_of(table) != POINTS => {
            table.with_file_name(format!("{}.images.txt", stem.to_string_lossy()))
        }
        _ => table.with_file_name("images.txt"),
    }
}

/// Where the names of a table lead.
struct Names {
    folders: Vec<PathBuf>,
    /// What was found: names stand in a row a point.
    found: HashMap<String, PathBuf>,
}

impl Names {
    fn new(table: &Path, home: &Path, own: Option<&Path>) -> Result<Self, DataError> {
        let beside = table.parent().unwrap_or(home);
        let mut folders = vec![beside.to_path_buf()];
        folders.extend(folder_named(beside, &["images"])?);
        // Names in a table of all splits say which split they mean.
        if name_of(table) != POINTS {
            folders.extend(own.map(Path::to_path_buf));
        }
        folders.dedup();
        Ok(Self { folders, found: HashMap::new() })
    }

    /// The picture of a name; where there is none, the path it should have.
    fn find(&mut self, name: &str, file: &Path, line: usize) -> Result<PathBuf, DataError> {
        if let Some(path) = self.found.get(name) {
            return Ok(path.clone());
        }
        let paths: Option<Vec<_>> = self.folders.iter().map(|folder| under(folder, name)).collect();
        let paths = paths.ok_or_else(|| DataError::Record {
            path: file.to_path_buf(),
            record: format!("line {line}"),
            expected: "a picture, from the folder of this file".into(),
            got: format!("\"{name}\""),
            help: "name pictures without .. and without the folders above",
        })?;
        let there = paths.iter().find(|path| path.is_file()).or(paths.last()).cloned().unwrap_or_default();
        self.found.insert(name.to_owned(), there.clone());
        Ok(there)
    }
}

/// The points of each picture, pictures in the order they were first met.
#[derive(Default)]
struct Points {
    order: Vec<PathBuf>,
    of_image: HashMap<PathBuf, Vec<PointXy>>,
}

impl Points {
    fn of(&mut self, image: PathBuf) -> &mut Vec<PointXy> {
        if !self.of_image.contains_key(&image) {
            self.order.push(image.clone());
        }
        self.of_image.entry(image).or_default()
    }

    fn has(&self, image: &Path) -> bool {
        self.of_image.contains_key(image)
    }

    fn take(&mut self, image: &Path) -> Vec<PointXy> {
        self.of_image.remove(image).unwrap_or_default()
    }

    /// Those that were not taken.
    fn rest(mut self) -> impl Iterator<Item = (PathBuf, Vec<PointXy>)> {
        self.order.into_iter().filter_map(move |image| self.of_image.remove_entry(&image))
    }
}

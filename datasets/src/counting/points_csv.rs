//! Points in plain text, for data sets of one's own:
//!
//! | file | of which pictures |
//! |---|---|
//! | `SPLIT/points.csv`, `SPLIT.csv` or `points.csv` | those of the folder `SPLIT/` or `images/SPLIT/`; without a row they have no points |
//! | `SPLIT.csv` where no such folder is | those with a row, and those of `SPLIT.images.txt`, which have no points |
//! | `points.csv` | split `all`: those of the folder, or of its `images/` |
//! | `SPLIT.list`, `SPLIT.txt` | those of its lines `picture points.txt`, as P2PNet has |
//!
//! A CSV begins with `image,x,y`; its pictures are named from its own folder, from `images/` there, or from the split's folder.
//! Beside `points.csv`, `images.txt` may name further pictures without points.

mod list;
mod pictures;
mod table;

use std::path::{Path, PathBuf};

use super::CountingOptions;
use super::layout::{Annotated, Annotation, Entry, Listed, Reader};
use super::places::{ALL, folder_named, folders, home_of, inside, name_of, no_split};
use super::qnrf::SPLITS;
use super::text_points::read_lines;
use crate::error::DataError;
use crate::fault::Faults;
use crate::split::Split;

/// The table of a folder.
const POINTS: &str = "points.csv";

/// Reads [`super::CountingLayout::PointsCsv`].
pub(super) struct PointsCsvReader;

impl Reader for PointsCsvReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &[
            "points.csv or SPLIT.csv of lines `image,x,y`",
            "{train,val,test,images,images/*}/points.csv",
            "SPLIT.list or SPLIT.txt of lines `picture points.txt`",
        ]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let own = own_folder(&home, split)?;
        let source = source_of(&home, split, own.as_deref())?;
        let (mut entries, mut notes) = match &source {
            Source::List(list) => (list::read(list, &home, faults)?, Vec::new()),
            Source::Table(table) => pictures::of_table(table, &home, own.as_deref(), split, faults)?,
            Source::None(folder) => (Entry::all_in(folder, |_| folder.join(POINTS), faults)?.0, Vec::new()),
        };
        notes.extend(tell_apart(&mut entries, &home));
        let (Source::List(source) | Source::Table(source) | Source::None(source)) = source;
        Ok(Listed { name: format!("{split} of {}", home.display()), source, entries, notes })
    }

    fn read(&self, path: &Path, _: &CountingOptions) -> Result<Annotated, DataError> {
        let points = read_lines(path, &["x", "y"])?;
        Ok(Annotated { points, ..Annotated::default() })
    }
}

/// What tells the points of a split.
enum Source {
    /// A list of pictures and files of points.
    List(PathBuf),
    /// A table of pictures and points.
    Table(PathBuf),
    /// Nothing: the folder of a test split that serves prediction alone.
    None(PathBuf),
}

fn is_home(folder: &Path) -> bool {
    let has_table = |folder: &Path| table::is_one(&folder.join(POINTS));
    let is_split = |folder: &Path| SPLITS.contains(&&*name_of(folder).to_lowercase());
    let is_of_images = |folder: &Path| has_table(folder) || folders(folder).iter().any(|split| has_table(split));
    let tells = |path: &PathBuf| match path.is_dir() {
        true if name_of(path).eq_ignore_ascii_case("images") => is_of_images(path),
        true => is_split(path) && has_table(path),
        false => table::is_one(path) || list::is_one(path),
    };
    inside(folder).iter().any(tells)
}

/// The folder that holds the pictures of a split and no others.
fn own_folder(home: &Path, split: &Split) -> Result<Option<PathBuf>, DataError> {
    let name = split.to_string().to_lowercase();
    let images = folder_named(home, &["images"])?;
    if name == ALL {
        return Ok(Some(images.unwrap_or_else(|| home.to_path_buf())));
    }
    let inner = images.map_or(Ok(None), |images| folder_named(&images, &[&name]))?;
    match (folder_named(home, &[&name])?, inner) {
        (Some(outer), Some(inner)) => Err(several(home, split, &[outer, inner])),
        (outer, inner) => Ok(outer.or(inner)),
    }
}

/// The one file that tells the points of a split.
fn source_of(home: &Path, split: &Split, own: Option<&Path>) -> Result<Source, DataError> {
    let tables = [home.join(format!("{split}.csv")), home.join(POINTS)];
    let tables = own.map(|folder| folder.join(POINTS)).into_iter().chain(tables);
    // A table of all pictures tells nothing of a split that has no folder.
    let mut tables: Vec<_> = tables.filter(|path| own.is_some() || *path != home.join(POINTS)).collect();
    tables.sort();
    tables.dedup();
    let lists = [home.join(format!("{split}.list")), home.join(format!("{split}.txt"))];
    let found_lists: Vec<_> = lists.iter().filter(|path| list::is_one(path)).cloned().collect();
    let found_tables: Vec<_> = tables.iter().filter(|path| path.is_file()).cloned().collect();
    match (found_lists.as_slice(), found_tables.as_slice(), own) {
        ([list], [], _) => Ok(Source::List(list.clone())),
        ([], [table], _) => Ok(Source::Table(table.clone())),
        ([], [], Some(folder)) if *split == Split::Test => Ok(Source::None(folder.to_path_buf())),
        ([], [], _) => Err(no_split(home, split, [tables, lists.into()].concat(), &inside(home))),
        _ => Err(several(home, split, &[found_lists, found_tables].concat())),
    }
}

fn several(home: &Path, split: &Split, found: &[PathBuf]) -> DataError {
    let found: Vec<_> =
        found.iter().map(|path| path.strip_prefix(home).unwrap_or(path).display().to_string()).collect();
    DataError::Record {
        path: home.to_path_buf(),
        record: format!("split {split}"),
        expected: "one place that tells it".into(),
        got: found.join(", "),
        help: "rename or remove all but one",
    }
}

/// Where pictures of one name lie in several folders, as P2PNet's own example has them, the folders become part of the ids.
fn tell_apart(entries: &mut [Entry], home: &Path) -> Option<String> {
    let mut ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    ids.sort_unstable();
    let repeated = ids.windows(2).find(|pair| pair[0] == pair[1])?[0].to_owned();
    for entry in entries.iter_mut() {
        let folder = entry.image.parent().and_then(|folder| folder.strip_prefix(home).ok());
        let parts = folder.into_iter().flat_map(Path::components).map(|part| part.as_os_str().to_string_lossy());
        entry.id = parts.chain([entry.id.as_str().into()]).collect::<Vec<_>>().join("_");
    }
    Some(format!("several folders have a picture {repeated}: ids begin with the names of the folders"))
}

/// A picture whose points were read with those of others.
fn read_entry(image: PathBuf, table: &Path, points: Vec<super::PointXy>) -> Entry {
    let id = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let annotation = Annotation::Read(table.to_path_buf(), points);
    Entry { id, image, annotation, stated: None, attributes: std::collections::BTreeMap::new() }
}

#[cfg(test)]
mod tests;

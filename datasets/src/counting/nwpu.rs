//! NWPU-Crowd (Wang et al. 2020): `images/0001.jpg`, `jsons/0001.json` or `mats/0001.mat`, and lists `train.txt`,
//! `val.txt`, `test.txt` of lines `id luminance level`. Of the test split there are no points.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::layout::{Annotated, Annotation, Entry, Listed, Reader};
use super::mat_points::{self, ANN_POINTS};
use super::places::{folder_named, has_folder, home_of, inside, no_split};
use super::remark::{Kind, Remark};
use super::{CountingOptions, PointXy};
use crate::error::DataError;
use crate::fault::Faults;
use crate::files_by_id::FilesById;
use crate::id_list::{entries as lines_of, read_text, stem_of};
use crate::split::Split;

/// What a line gives beside the id.
const ATTRIBUTES: [&str; 2] = ["luminance", "level"];

/// Reads [`super::CountingLayout::Nwpu`].
pub(super) struct NwpuReader;

impl Reader for NwpuReader {
    fn lies_under(&self, root: &Path) -> bool {
        home_of(root, is_home).is_some()
    }

    fn looks_for(&self) -> &'static [&'static str] {
        &["images/*.jpg, jsons/*.json or mats/*.mat, and {train,val,test}.txt of lines `id luminance level`"]
    }

    fn list(&self, root: &Path, split: &Split, _: &CountingOptions, faults: &mut Faults) -> Result<Listed, DataError> {
        let home = home_of(root, is_home).unwrap_or_else(|| root.to_path_buf());
        let source = home.join(format!("{split}.txt"));
        if !source.is_file() {
            let is_list = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "txt");
            let present: Vec<_> = inside(&home).into_iter().filter(is_list).collect();
            return Err(no_split(&home, split, vec![source], &present));
        }
        let images = folder_named(&home, &["images"])?.unwrap_or_else(|| home.join("images"));
        let (pictures, truths) = (FilesById::list(&images)?, Truths::under(&home)?);
        let (mut entries, mut seen, mut repeated) = (Vec::new(), HashSet::new(), 0);
        for (line, text) in lines_of(&read_text(&source)?) {
            let Some((id, attributes)) = faults.take(line_of(text, line, &source)) else { continue };
            if !seen.insert(id.clone()) {
                repeated += 1;
                continue;
            }
            if let Some(image) = faults.take(pictures.find(&id, "jpg")) {
                let annotation = Annotation::File(truths.of(&id));
                entries.push(Entry { id, image, annotation, stated: None, attributes });
            }
        }
        let again = || format!("{}: {repeated} ids stand there again and are left out", source.display());
        let notes = (repeated > 0).then(again).into_iter().collect();
        Ok(Listed { name: format!("{split} of {}", home.display()), source, entries, notes })
    }

    fn read(&self, path: &Path, options: &CountingOptions) -> Result<Annotated, DataError> {
        if path.extension().is_some_and(|ending| ending == "mat") {
            mat_points::read(path, ANN_POINTS, options)
        } else {
            let bytes = fs::read(path).map_err(DataError::io("read", path))?;
            parse(&bytes, path)
        }
    }
}

fn is_home(folder: &Path) -> bool {
    let has_list = ["train", "val", "test"].iter().any(|split| folder.join(format!("{split}.txt")).is_file());
    has_list && has_folder(folder, &["images"]) && has_folder(folder, &["jsons", "mats"])
}

/// The folders of points.
struct Truths {
    jsons: Option<PathBuf>,
    mats: Option<PathBuf>,
}

impl Truths {
    fn under(home: &Path) -> Result<Self, DataError> {
        Ok(Self { jsons: folder_named(home, &["jsons"])?, mats: folder_named(home, &["mats"])? })
    }

    /// The file of an id: the json, whose numbers people can read, where there is one.
    fn of(&self, id: &str) -> PathBuf {
        let file = |folder: &Option<PathBuf>, ending: &str| folder.as_ref().map(|at| at.join(format!("{id}.{ending}")));
        let (json, mat) = (file(&self.jsons, "json"), file(&self.mats, "mat"));
        let there = [&json, &mat].into_iter().flatten().find(|path| path.is_file()).cloned();
        there.or(json).or(mat).unwrap_or_default()
    }
}

/// The id of a line and what it says of it.
fn line_of(text: &str, line: usize, list: &Path) -> Result<(String, BTreeMap<String, String>), DataError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let ([id] | [id, _, _]) = words.as_slice() else {
        return Err(DataError::Record {
            path: list.to_path_buf(),
            record: format!("line {line}"),
            expected: "an id, its luminance and its level".into(),
            got: format!("\"{text}\""),
            help: "write: 0001 2 3",
        });
    };
    let attributes = ATTRIBUTES.iter().zip(&words[1..]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Ok((stem_of(id).to_owned(), attributes.collect()))
}

/// What a json file says.
#[derive(Deserialize)]
struct Json {
    img_id: Option<String>,
    human_num: Option<f64>,
    points: Vec<(f64, f64)>,
}

fn parse(bytes: &[u8], path: &Path) -> Result<Annotated, DataError> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| DataError::Parse {
        path: path.to_path_buf(),
        place: format!("line {}, column {}", error.line(), error.column()),
        problem: format!("expected img_id, human_num and points of [x, y], got: {error}"),
        help: "fetch or write the file again",
    })?;
    let mut annotated = Annotated { stated: json.human_num, ..Annotated::default() };
    annotated.points = json.points.into_iter().map(|(x, y)| PointXy { x, y }).collect();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(other) = json.img_id.filter(|named| stem_of(named) != stem) {
        let problem = format!("img_id: expected {stem}, as the file is named, got {other}");
        annotated.remarks.push(Remark::new(Kind::OtherPicture, path, 1, problem));
    }
    Ok(annotated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Annotated, String> {
        parse(text.as_bytes(), Path::new("jsons/0001.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn points_are_read_to_the_last_digit() {
        let text =
            r#"{"img_id": "0001.jpg", "human_num": 2, "points": [[0.1, 2], [1000.1234567890123, 3e2]], "boxes": []}"#;
        let annotated = read(text).unwrap();
        assert_eq!(annotated.points, [PointXy { x: 0.1, y: 2.0 }, PointXy { x: 1_000.123_456_789_012_3, y: 300.0 }]);
        assert_eq!((annotated.stated, annotated.remarks.len()), (Some(2.0), 0));
        assert_eq!(read(r#"{"points": []}"#).unwrap().points, []);
        let other = read(r#"{"img_id": "0002.jpg", "points": []}"#).unwrap();
        assert_eq!(other.remarks[0].problem, "img_id: expected 0001, as the file is named, got 0002.jpg");
    }

    #[test]
    fn what_is_no_such_json_is_refused_with_its_place() {
        for (text, place) in [
            (
                "{\"human_num\": 1}",
                "line 1, column 16: expected img_id, human_num and points of [x, y], got: missing field",
            ),
            ("{\"points\":\n[[1]]}", "line 2, column 4"),
            ("{\"points\": [[1, 2, 3]]}", "line 1, column 20"),
            ("{\"points\": [[1, null]]}", "line 1"),
            ("", "line 1, column 0"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("jsons/0001.json: ") && error.contains(place), "{error}");
        }
    }

    #[test]
    fn a_line_is_an_id_alone_or_with_its_two_attributes() {
        let list = Path::new("train.txt");
        let (id, attributes) = line_of("0001.jpg 2  3", 1, list).unwrap();
        assert_eq!((id.as_str(), attributes.len()), ("0001", 2));
        assert_eq!((attributes["luminance"].as_str(), attributes["level"].as_str()), ("2", "3"));
        assert!(line_of("0001", 1, list).unwrap().1.is_empty());
        let error = line_of("0001 2", 7, list).unwrap_err().to_string();
        assert!(error.starts_with("train.txt: line 7: expected an id, its luminance and its level, got \"0001 2\""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let mut damaged = br#"{"img_id": "0001.jpg", "human_num": 2, "points": [[0.5, 2], [1e2, 3]]}"#.to_vec();
            for (at, value) in &changes {
                *at.get_mut(&mut damaged) = *value;
            }
            let _ = (parse(&bytes, Path::new("a")), parse(&damaged, Path::new("a")));
        }
    }
}

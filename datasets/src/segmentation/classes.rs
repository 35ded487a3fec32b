//! The names of the classes.

use std::path::Path;

use super::SegmentationOptions;
use crate::error::DataError;
use crate::id_list::{entries, read_text};
use crate::voc::VOCS;

/// The file that names the classes of a folder.
const CLASSES_FILE: &str = "classes.txt";

/// VOC's 21 classes of segmentation: the background, then the twenty in the order of the challenge.
pub fn voc_class_names() -> Vec<String> {
    std::iter::once("background").chain(VOCS).map(str::to_owned).collect()
}

/// The names that the options give, else those of `classes.txt` in `home`, else `usual`.
///
/// # Errors
/// [`DataError::Option`] where nobody names them, [`DataError::Record`] for a name that is given twice, and a file that
/// cannot be read.
pub(super) fn class_names(
    options: &SegmentationOptions,
    home: &Path,
    usual: Option<Vec<String>>,
) -> Result<Vec<String>, DataError> {
    let file = home.join(CLASSES_FILE);
    let (names, source) = match &options.class_names {
        Some(names) => (names.clone(), "class-names".into()),
        None if file.is_file() => (read_names(&file)?, file.display().to_string()),
        None => {
            let names = usual.ok_or_else(|| DataError::Option {
                option: "class-names",
                expected: format!(
                    "the names by label, the background's first, here or a line each in {}",
                    file.display()
                ),
                got: "neither".into(),
            })?;
            return Ok(names);
        }
    };
    let repeated = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if let Some((class, name)) = repeated {
        return Err(DataError::Record {
            path: home.to_path_buf(),
            record: format!("class {class} of {source}"),
            expected: "a name of its own".into(),
            got: format!("\"{name}\", the name of an earlier one"),
            help: "give each class a name of its own",
        });
    }
    Ok(names)
}

fn read_names(file: &Path) -> Result<Vec<String>, DataError> {
    Ok(entries(&read_text(file)?).map(|(_, name)| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder;

    #[test]
    fn options_come_before_the_file_and_the_file_before_the_usual() {
        let root = folder(&[("classes.txt", "\u{feff}sky\r\n\r\n road \n".as_bytes())]);
        let bare = folder(&[]);
        let named = SegmentationOptions { class_names: Some(vec!["a".into()]), ..Default::default() };
        let usual = || Some(voc_class_names());
        assert_eq!(class_names(&named, root.path(), usual()).unwrap(), ["a"]);
        assert_eq!(class_names(&SegmentationOptions::default(), root.path(), usual()).unwrap(), ["sky", "road"]);
        let names = class_names(&SegmentationOptions::default(), bare.path(), usual()).unwrap();
        assert_eq!((names.len(), &*names[0], &*names[15], &*names[20]), (21, "background", "person", "tvmonitor"));
        let error = class_names(&SegmentationOptions::default(), bare.path(), None).unwrap_err().to_string();
        assert!(
            error.starts_with("class-names: expected the names by label") && error.contains("classes.txt"),
            "{error}"
        );
        let twice = SegmentationOptions { class_names: Some(vec!["a".into(), "a".into()]), ..Default::default() };
        let error = class_names(&twice, bare.path(), None).unwrap_err().to_string();
        assert!(error.contains("class 1 of class-names: expected a name of its own, got \"a\""), "{error}");
    }
}

//! What a weights file says of itself: the task it is for, and under the task's name a description as JSON.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Metadata, TensorFile, WeightsError, container};

/// The key of the task.
const TASK: &str = "task";

/// The metadata of a weights file of that task.
///
/// # Errors
/// [`WeightsError::Description`] for a description that JSON cannot hold.
pub fn metadata<T: Serialize>(task: &str, description: &T) -> Result<Metadata, WeightsError> {
    let refused = |e: serde_json::Error| WeightsError::Description { task: task.to_owned(), reason: e.to_string() };
    let json = serde_json::to_string(description).map_err(refused)?;
    Ok(Metadata::from([(TASK.to_owned(), task.to_owned()), (task.to_owned(), json)]))
}

/// The task of a weights file, without reading its tensors.
///
/// # Errors
/// [`WeightsError::NotOurs`] for a file that names none; [`WeightsError::Io`], [`WeightsError::Format`].
pub fn task_of(path: &Path) -> Result<String, WeightsError> {
    let file = TensorFile::open(path)?;
    file.metadata()
        .get(TASK)
        .cloned()
        .ok_or_else(|| not_ours(path, format!("expected the metadata `{TASK}`, got none")))
}

/// Whether a file says which task it is for, as those of a training here do.
pub fn names_task(file: &TensorFile<'_>) -> bool {
    file.metadata().contains_key(TASK)
}

/// The description in a weights file of that task.
///
/// # Errors
/// [`WeightsError::NotOurs`] for a file of another task, or without a description that can be read; [`WeightsError::Io`],
/// [`WeightsError::Format`].
pub fn read<T: DeserializeOwned>(path: &Path, task: &str) -> Result<T, WeightsError> {
    let file = TensorFile::open(path)?;
    let metadata = file.metadata();
    let got = metadata.get(TASK);
    if got.is_none_or(|got| got != task) {
        let got = got.map_or_else(|| "none".to_owned(), |got| format!("`{got}`"));
        return Err(not_ours(path, format!("expected the metadata `{TASK}` to be `{task}`, got {got}")));
    }
    let json = metadata.get(task).ok_or_else(|| not_ours(path, format!("expected the metadata `{task}`, got none")))?;
    serde_json::from_str(json).map_err(|e| not_ours(path, format!("metadata `{task}`: {e}")))
}

/// A file whose metadata does not say what the network is.
pub fn not_ours(path: &Path, reason: String) -> WeightsError {
    WeightsError::NotOurs { file: container::name_of(path), reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use wrs_nn::{Params, ParamsBuilder};

    use super::*;
    use crate::safetensors::save;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Words {
        class_names: Vec<String>,
    }

    fn no_params() -> Params {
        ParamsBuilder::new().build(0)
    }

    fn written(metadata: &Metadata) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        save(&no_params(), metadata, &path).unwrap();
        (folder, path)
    }

    #[test]
    fn a_description_comes_back() {
        let words = Words { class_names: vec!["cat".into(), "\"dog\"".into()] };
        let (_folder, path) = written(&metadata("segmentation", &words).unwrap());
        assert_eq!(task_of(&path).unwrap(), "segmentation");
        assert_eq!(read::<Words>(&path, "segmentation").unwrap(), words);
    }

    #[test]
    fn what_is_missing_or_of_another_task_is_named() {
        let words = Words { class_names: Vec::new() };
        let refused = |metadata: &Metadata| {
            let (_folder, path) = written(metadata);
            read::<Words>(&path, "detection").unwrap_err().to_string()
        };
        let text = refused(&metadata("segmentation", &words).unwrap());
        let expected = "net.safetensors: expected the metadata `task` to be `detection`, got `segmentation`\nhelp: ";
        assert!(text.contains(expected), "{text}");
        assert!(refused(&Metadata::new()).contains("`task` to be `detection`, got none"));
        let mut bare = metadata("detection", &words).unwrap();
        bare.remove("detection");
        assert!(refused(&bare).contains("expected the metadata `detection`, got none"));
        bare.insert("detection".into(), "{\"class_names\":[],\"more\":1}".into());
        assert!(refused(&bare).contains("metadata `detection`: unknown field `more`"));
        let (_folder, path) = written(&Metadata::new());
        assert!(task_of(&path).unwrap_err().to_string().contains("expected the metadata `task`, got none\nhelp: "));
    }

    proptest! {
        #[test]
        fn foreign_metadata_never_panics(task in ".{0,12}", json in ".{0,40}") {
            let metadata = Metadata::from([(TASK.to_owned(), task.clone()), ("detection".to_owned(), json)]);
            let (_folder, path) = written(&metadata);
            prop_assert_eq!(task_of(&path).unwrap(), task);
            let refused = matches!(read::<Words>(&path, "detection"), Err(WeightsError::NotOurs { .. }));
            prop_assert!(refused);
        }
    }
}

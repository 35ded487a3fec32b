//! What a file calls the tensors of a CSRNet.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use wrs_nn::Params;
use wrs_weights::TensorFile;

use super::{InitError, part_of};
use crate::model::{BACK_END, FRONT, HEAD};

/// What wrappers put before every name: C-3-Framework's network, PyTorch's `DataParallel`.
const WRAPPERS: [&str; 2] = ["CCN.", "module."];

/// The first part of a name, in files and here: torchvision's and Wan's beside the authors' own, which are ours.
const PARTS: [(&str, &str); 5] =
    [("features", FRONT), (FRONT, FRONT), ("reg_layer", BACK_END), (BACK_END, BACK_END), (HEAD, HEAD)];

/// torchvision's and timm's classes of ImageNet: every file of their networks holds them, and nobody here wants them.
const CLASSIFIER: [&str; 3] = ["classifier", "pre_logits", "head"];

/// PyTorch's count of batches, which takes part in nothing.
const COUNT: &str = "num_batches_tracked";

/// The names of a file's tensors, beside ours.
#[derive(Debug)]
pub(super) struct FileNames {
    /// By our name.
    tensors: BTreeMap<String, String>,
    /// Our first parts, as the file spells them, wrappers included.
    spelled: BTreeMap<&'static str, String>,
    /// What is no part of a CSRNet.
    strange: Vec<String>,
    /// What is another task's head.
    classes: Vec<String>,
    /// What the file itself has before every name.
    wrapper: String,
}

impl FileNames {
    /// # Errors
    /// [`InitError::NoFrontEnd`], [`InitError::Twice`].
    pub fn of(file: &TensorFile<'_>) -> Result<Self, InitError> {
        let names = Self::new(file.file(), file.names().map(str::to_owned).collect())?;
        Ok(Self { wrapper: file.wrapper().to_owned(), ..names })
    }

    fn new(file: &str, names: Vec<String>) -> Result<Self, InitError> {
        let (tensors, spelled) = (BTreeMap::new(), BTreeMap::new());
        let (strange, classes, wrapper) = (Vec::new(), Vec::new(), String::new());
        let mut own = Self { tensors, spelled, strange, classes, wrapper };
        for name in &names {
            let bare = unwrapped(name);
            let (part, rest) = bare.split_once('.').unwrap_or((bare, ""));
            if CLASSIFIER.contains(&part) {
                own.classes.push(name.clone());
                continue;
            }
            let Some((_, ours)) = PARTS.into_iter().find(|(theirs, _)| *theirs == part) else {
                own.strange.push(name.clone());
                continue;
            };
            let spelled = &name[..name.len() - bare.len() + part.len()];
            own.spelled.entry(ours).or_insert_with(|| spelled.to_owned());
            match own.tensors.entry(format!("{ours}.{rest}")) {
                Entry::Vacant(place) => {
                    place.insert(name.clone());
                }
                Entry::Occupied(taken) => {
                    let (first, second) = (taken.get().clone(), name.clone());
                    return Err(InitError::Twice { file: file.to_owned(), first, second });
                }
            }
        }
        if own.spelled.contains_key(FRONT) {
            return Ok(own);
        }
        Err(InitError::NoFrontEnd { file: file.to_owned(), found: names })
    }

    /// What the file calls a tensor of ours.
    pub fn in_file(&self, name: &str) -> Option<String> {
        self.tensors.get(name).cloned()
    }

    /// What the file would call a tensor of ours that it lacks.
    pub fn spelled(&self, name: &str) -> String {
        let part = part_of(name);
        let known = self.spelled.get(part);
        let name = known.map_or_else(|| name.to_owned(), |spelled| format!("{spelled}{}", &name[part.len()..]));
        format!("{}{name}", self.wrapper)
    }

    /// The tensors of another task's head.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether the file holds more than a front end.
    pub fn is_whole(&self) -> bool {
        [BACK_END, HEAD].iter().any(|part| self.spelled.contains_key(part))
    }

    /// Whether norms stand in the front end.
    pub fn has_norms(&self) -> bool {
        self.front("running_mean").next().is_some() || self.front("running_var").next().is_some()
    }

    /// Whether biases stand in the front end's convolutions; without norms they do.
    pub fn has_biases(&self) -> bool {
        let is_norm = |index: &str| self.tensors.contains_key(&format!("{FRONT}.{index}.running_mean"));
        !self.has_norms() || self.front("bias").any(|index| !is_norm(index))
    }

    /// The indices of the front end's layers that have such a tensor.
    fn front<'a>(&'a self, tensor: &'a str) -> impl Iterator<Item = &'a str> {
        let parts =
            self.tensors.keys().filter_map(|name| name.strip_prefix(FRONT)?.strip_prefix('.')?.rsplit_once('.'));
        parts.filter(move |(_, last)| *last == tensor).map(|(index, _)| index)
    }

    /// The tensors that have no place in the network, by the name they would have here and as the file calls them.
    pub fn left_over<'a>(&'a self, network: &Params) -> Vec<(&'a str, &'a str)> {
        let unknown = self.tensors.iter().filter(|(ours, _)| network.find(ours).is_none());
        let unknown = unknown.map(|(ours, name)| (ours.as_str(), name.as_str()));
        let strange = self.strange.iter().map(|name| (name.as_str(), name.as_str()));
        let mut left: Vec<_> =
            unknown.chain(strange).filter(|(_, name)| name.rsplit('.').next() != Some(COUNT)).collect();
        left.sort_by_key(|(ours, name)| (index_of(ours), *name));
        left
    }
}

/// A name without what wrappers put before it.
fn unwrapped(mut name: &str) -> &str {
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = rest;
    }
    name
}

/// The number behind the first part of a name.
pub(super) fn index_of(name: &str) -> Option<usize> {
    name.split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(list: &[&str]) -> Result<FileNames, InitError> {
        FileNames::new("a.safetensors", list.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn the_spellings_that_are_about_are_one() {
        for (front, back, head) in [
            ("frontend", "backend", "output_layer"),
            ("features", "reg_layer", "output_layer"),
            ("CCN.frontend", "CCN.backend", "CCN.output_layer"),
            ("CCN.module.frontend", "CCN.module.backend", "CCN.module.output_layer"),
            ("module.features", "module.reg_layer", "module.output_layer"),
        ] {
            let list = [format!("{front}.0.weight"), format!("{back}.3.bias"), format!("{head}.weight")];
            let found = names(&list.each_ref().map(String::as_str)).unwrap();
            let ours = ["frontend.0.weight", "backend.3.bias", "output_layer.weight"];
            assert_eq!(ours.map(|name| found.in_file(name)), list.map(Some));
            assert_eq!(found.spelled("frontend.17.bias"), format!("{front}.17.bias"));
            assert_eq!(found.spelled("output_layer.bias"), format!("{head}.bias"));
            assert!(found.is_whole() && found.in_file("backend.0.bias").is_none());
        }
        let alone = names(&["features.0.weight", "classifier.0.weight"]).unwrap();
        assert!(!alone.is_whole() && alone.strange.is_empty());
    }

    #[test]
    fn norms_and_biases_are_seen() {
        let of = |list: &[&str]| {
            let found = names(list).unwrap();
            (found.has_norms(), found.has_biases())
        };
        assert_eq!(of(&["features.0.weight", "features.0.bias", "features.1.running_mean"]), (true, true));
        let norm = ["features.1.weight", "features.1.bias", "features.1.running_mean", "features.1.running_var"];
        assert_eq!(of(&norm), (true, false));
        assert_eq!(of(&["features.0.weight", "backend.1.running_mean"]), (false, true));
    }

    #[test]
    fn two_for_one_place_and_none_at_all_are_refused() {
        let refusal = names(&["features.0.weight", "frontend.0.weight"]).unwrap_err();
        assert!(matches!(refusal, InitError::Twice { .. }), "{refusal}");
        let refusal = names(&["backbone.conv1.weight"]).unwrap_err().to_string();
        assert!(refusal.contains("got backbone.conv1.weight\nhelp: "), "{refusal}");
        assert!(names(&[]).unwrap_err().to_string().contains("got no tensor"));
    }

    proptest! {
        #[test]
        fn every_name_has_its_place_or_is_strange(list in prop::collection::btree_set("(CCN\\.|module\\.)?(features|frontend|reg_layer|classifier|x|.{0,4})(\\.[0-9a-c.]{0,4})?", 0..12)) {
            let list: Vec<String> = list.into_iter().collect();
            match FileNames::new("a", list.clone()) {
                Ok(found) => {
                    let placed = found.tensors.len() + found.strange.len();
                    prop_assert_eq!(placed + found.classes.len(), list.len());
                    for (ours, name) in &found.tensors {
                        prop_assert!(list.contains(name) && found.in_file(ours).as_ref() == Some(name));
                    }
                    found.has_biases();
                }
                Err(InitError::Twice { first, second, .. }) => prop_assert_ne!(first, second),
                Err(refusal) => {
                    let is_none_there = matches!(refusal, InitError::NoFrontEnd { .. });
                    prop_assert!(is_none_there);
                }
            }
        }
    }
}

//! Category lists: names made unique, one list for two splits.

use std::collections::HashMap;

use super::{Category, DetectionDataset};
use crate::error::DataError;

/// Adds the id to names that occur more than once; a note for each.
pub(crate) fn distinct_names(categories: &mut [Category], notes: &mut Vec<String>) {
    let mut times: HashMap<String, usize> = HashMap::new();
    for category in categories.iter() {
        *times.entry(category.name.clone()).or_default() += 1;
    }
    for category in categories {
        if times[&category.name] > 1 {
            let distinct = format!("{} ({})", category.name, category.id);
            notes.push(format!("category name \"{}\" is used more than once; {distinct} here", category.name));
            category.name = distinct;
        }
    }
}

/// Gives both splits the union of their categories, sorted by id, so that class indices agree; returns a line for each
/// category that only one of them has.
///
/// # Errors
/// [`DataError::Categories`] where one id has two names.
pub fn unite_categories(train: &mut DetectionDataset, val: &mut DetectionDataset) -> Result<Vec<String>, DataError> {
    let (union, notes) = union(train, val)?;
    adopt(train, &union);
    adopt(val, &union);
    Ok(notes)
}

/// The categories of both, sorted by id, and a line for each that only one of them has.
///
/// # Errors
/// [`DataError::Categories`].
pub(super) fn union(
    train: &DetectionDataset,
    val: &DetectionDataset,
) -> Result<(Vec<Category>, Vec<String>), DataError> {
    let mut union = train.categories.clone();
    let mut notes = Vec::new();
    for category in &val.categories {
        match union.binary_search_by_key(&category.id, |c| c.id) {
            Ok(at) if union[at].name != category.name => {
                return Err(DataError::Categories {
                    id: category.id,
                    first: train.name.clone(),
                    first_name: union[at].name.clone(),
                    second: val.name.clone(),
                    second_name: category.name.clone(),
                });
            }
            Ok(_) => {}
            Err(at) => {
                notes.push(only_in(category, &val.name, &train.name));
                union.insert(at, category.clone());
            }
        }
    }
    for category in &train.categories {
        if val.categories.binary_search_by_key(&category.id, |c| c.id).is_err() {
            notes.push(only_in(category, &train.name, &val.name));
        }
    }
    Ok((union, notes))
}

fn only_in(category: &Category, present: &str, absent: &str) -> String {
    format!("category {} \"{}\" is listed in {present} and not in {absent}", category.id, category.name)
}

/// Replaces a list by one that contains it.
fn adopt(dataset: &mut DetectionDataset, union: &[Category]) {
    let class_of: Vec<u32> = dataset
        .categories
        .iter()
        .map(|category| union.partition_point(|other| other.id < category.id) as u32)
        .collect();
    for annotation in dataset.images.iter_mut().flat_map(|image| &mut image.annotations) {
        annotation.class = class_of[annotation.class as usize];
    }
    dataset.categories = union.to_vec();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Annotation, ImageRecord, ReadReport};
    use crate::image::{Frame, ImageSize};

    fn dataset(name: &str, categories: &[(u64, &str)]) -> DetectionDataset {
        let annotations = (0..categories.len() as u32)
            .map(|class| Annotation {
                class,
                bbox: [0.0, 0.0, 9.0, 9.0],
                area: 81.0,
                is_crowd: false,
                difficult: false,
            })
            .collect();
        let size = ImageSize { width: 10, height: 10 };
        DetectionDataset {
            name: name.into(),
            categories: categories.iter().map(|(id, name)| Category { id: *id, name: (*name).into() }).collect(),
            images: vec![ImageRecord {
                id: 1,
                path: "a.jpg".into(),
                size,
                frame: Frame::BySize,
                on_disk: true,
                annotations,
            }],
            report: ReadReport::default(),
        }
    }

    #[test]
    fn both_get_the_union_and_keep_their_objects_names() {
        let (mut train, mut val) = (dataset("t", &[(2, "cat"), (9, "dog")]), dataset("v", &[(1, "ant"), (9, "dog")]));
        let notes = unite_categories(&mut train, &mut val).unwrap();
        assert_eq!(notes.len(), 2);
        assert_eq!(train.categories, val.categories);
        let names = |d: &DetectionDataset| -> Vec<String> {
            d.images[0].annotations.iter().map(|a| d.categories[a.class as usize].name.clone()).collect()
        };
        assert_eq!(names(&train), ["cat", "dog"]);
        assert_eq!(names(&val), ["ant", "dog"]);
    }

    #[test]
    fn one_id_with_two_names_is_refused() {
        let result = unite_categories(&mut dataset("t", &[(1, "cat")]), &mut dataset("v", &[(1, "dog")]));
        assert!(matches!(result, Err(DataError::Categories { id: 1, .. })));
    }
}

//! SBD's files: found, read in reading order, and refused by name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use proptest::prelude::*;
use wrs_datasets::label_map::LabelMap;
use wrs_datasets::mat5::{Array, Compression, Endian, MatFile};
use wrs_datasets::sbd::{SbdHome, read_sbd_labels};

fn truth(height: usize, width: usize, labels: &[u8]) -> MatFile {
    let segmentation = Array::matrix(height, width, labels).unwrap();
    MatFile::new([("GTcls", Array::structure([("Boundaries", Array::cells([])), ("Segmentation", segmentation)]))])
}

fn read(bytes: &[u8]) -> Result<LabelMap, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("2008_000002.mat");
    fs::write(&path, bytes).unwrap();
    read_sbd_labels(&path).map_err(|error| error.to_string())
}

fn refusal(file: &MatFile) -> String {
    let error = read(&file.encode(Endian::Little, Compression::Deflated).unwrap()).unwrap_err();
    assert!(error.contains("2008_000002.mat: "), "{error}");
    error
}

#[test]
fn what_is_no_label_map_of_sbd_is_refused_with_its_file() {
    assert!(
        refusal(&truth(2, 2, &[0, 20, 21, 3]))
            .contains("GTcls.Segmentation: expected classes 0 to 20, got 21 at x 0, y 1")
    );
    assert!(refusal(&truth(0, 3, &[])).contains("expected a class for each pixel, got 0x3 uint8"));
    let instances = MatFile::new([("GTinst", Array::text(""))]);
    assert!(refusal(&instances).contains("expected a variable GTcls, got GTinst"));
    let without = MatFile::new([("GTcls", Array::structure([("Boundaries", Array::text(""))]))]);
    assert!(refusal(&without).contains("expected a struct with a field Segmentation"));
}

#[test]
fn the_folder_is_found_as_the_archive_unpacks_it() {
    let root = tempfile::tempdir().unwrap();
    let dataset = root.path().join("benchmark_RELEASE/dataset");
    fs::create_dir_all(dataset.join("cls")).unwrap();
    let error = SbdHome::find(root.path()).unwrap_err().to_string();
    assert!(error.contains("no SBD under") && error.contains("cls/, train.txt and val.txt"), "{error}");
    fs::write(dataset.join("train.txt"), "2008_000002\n").unwrap();
    for named in [root.path().to_path_buf(), root.path().join("benchmark_RELEASE"), dataset.clone()] {
        let home = SbdHome::find(&named).unwrap();
        assert_eq!(home.folder(), dataset);
        assert_eq!(home.labels_path("2008_000002"), dataset.join("cls/2008_000002.mat"));
        assert_eq!(home.list_path("val"), dataset.join("val.txt"));
    }
}

proptest! {
    #[test]
    fn columns_become_rows_and_every_class_stays(
        (width, height, labels) in (1..40_usize, 1..40_usize).prop_flat_map(|(width, height)| {
            (Just(width), Just(height), prop::collection::vec(0..=20_u8, width * height))
        }),
        big in any::<bool>(),
        deflated in any::<bool>(),
    ) {
        let endian = if big { Endian::Big } else { Endian::Little };
        let compression = if deflated { Compression::Deflated } else { Compression::Stored };
        let map = read(&truth(height, width, &labels).encode(endian, compression).unwrap()).unwrap();
        prop_assert_eq!(map, LabelMap { width, height, labels });
    }

    #[test]
    fn damaged_files_give_whole_maps_of_classes_or_errors(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = truth(3, 4, &[5; 12]).encode(Endian::Little, Compression::Stored).unwrap();
        for (at, value) in &changes {
            *at.get_mut(&mut bytes) = *value;
        }
        if let Ok(map) = read(&bytes) {
            prop_assert_eq!(map.labels.len(), map.width * map.height);
            prop_assert!(map.labels.iter().all(|&label| label <= 20));
        }
    }
}

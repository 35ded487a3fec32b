//! Every layout from its files to records.

use std::path::Path;

use super::*;
use crate::mat5::{Array, Compression, Endian, MatFile};
use crate::testing::{add, folder, jpeg_with_orientation, png};

fn encoded(variable: &str, array: Array) -> Vec<u8> {
    MatFile::new([(variable, array)]).encode(Endian::Little, Compression::Deflated).unwrap()
}

/// A MAT file whose `annPoints` are these.
pub(super) fn ann_points(points: &[[f64; 2]]) -> Vec<u8> {
    encoded("annPoints", Array::matrix(points.len(), 2, points.as_flattened()).unwrap())
}

/// ShanghaiTech's nested structs, the number stored in one byte.
fn image_info(points: &[[f64; 2]], number: u8) -> Vec<u8> {
    let location = Array::matrix(points.len(), 2, points.as_flattened()).unwrap();
    let number = Array::matrix(1, 1, &[number]).unwrap();
    encoded("image_info", Array::cells([Array::structure([("location", location), ("number", number)])]))
}

fn open(root: &Path, split: &str) -> Result<CountingDataset, DataError> {
    CountingDataset::open(root, &CountingOptions::default(), &Split::from(split))
}

/// Ids with the number of their points; `-` where there is no annotation.
fn told(set: &CountingDataset) -> String {
    let count = |image: &CountingRecord| image.points.as_ref().map_or("-".to_owned(), |p| p.len().to_string());
    set.images.iter().map(|image| format!("{} {}", image.id, count(image))).collect::<Vec<_>>().join(", ")
}

#[test]
fn qnrf_reads_any_case_in_natural_order_and_keeps_points_as_they_are() {
    let points = [[0.0, 0.0], [3.25, 7.5], [8.0, 9.0]];
    let root = folder(&[
        ("UCF-QNRF_ECCV18/Train/img_10.jpg", &png(8, 9, 1)),
        ("UCF-QNRF_ECCV18/Train/img_10_ann.mat", &ann_points(&points)),
        ("UCF-QNRF_ECCV18/Train/img_2.JPG", &png(8, 9, 2)),
        ("UCF-QNRF_ECCV18/Train/img_2_ann.mat", &ann_points(&[])),
        ("UCF-QNRF_ECCV18/Test/img_1.jpg", &png(8, 9, 3)),
        ("UCF-QNRF_ECCV18/Test/img_1_ann.mat", &ann_points(&points[..1])),
    ]);
    assert_eq!(recognise(root.path()).unwrap(), CountingLayout::Qnrf);
    let train = open(root.path(), "train").unwrap();
    assert_eq!(told(&train), "img_2 0, img_10 3");
    assert_eq!(train.images[1].size, ImageSize { width: 8, height: 9 });
    // The points on the right and lower edge are in the picture.
    let kept: Vec<[f64; 2]> = train.images[1].points.iter().flat_map(|p| p.iter()).map(|p| [p.x, p.y]).collect();
    assert_eq!(kept, points);
    assert_eq!(told(&open(root.path(), "test").unwrap()), "img_1 1");
    assert!(open(root.path(), "val").is_err());
}

#[test]
fn points_outside_are_left_out_and_told_of() {
    let root = folder(&[
        ("Train/img_1.jpg", &png(8, 8, 1)),
        (
            "Train/img_1_ann.mat",
            &ann_points(&[[1.0, 1.0], [8.1, 2.0], [-0.5, 3.0], [8.0, 8.0], [2.0, 2.0], [5.0, 5.0]]),
        ),
    ]);
    let set = open(root.path(), "train").unwrap();
    assert_eq!(told(&set), "img_1 4");
    assert!(set.notes.iter().any(|note| note.contains("2 points lie outside")), "{:?}", set.notes);
}

#[test]
fn swapped_coordinates_are_an_error_with_the_mend() {
    let tall: Vec<[f64; 2]> = (0..10).map(|i| [20.0 + f64::from(i), 3.0]).collect();
    let root = folder(&[("Train/img_1.jpg", &png(8, 40, 1)), ("Train/img_1_ann.mat", &ann_points(&tall))]);
    let error = open(root.path(), "train").unwrap_err().to_string();
    assert!(error.contains("swap-xy"), "{error}");
    let options = CountingOptions { swap_xy: SwapXy::Yes, ..CountingOptions::default() };
    let set = CountingDataset::open(root.path(), &options, &Split::Train).unwrap();
    assert_eq!(told(&set), "img_1 10");
}

#[test]
fn shanghaitech_reads_nested_structs_under_both_spellings() {
    for (part, truths) in [("part_A_final", "ground_truth"), ("part_A", "ground-truth")] {
        let [image, truth] =
            [format!("{part}/train_data/images/IMG_1.jpg"), format!("{part}/train_data/{truths}/GT_IMG_1.mat")];
        let root = folder(&[(&image, &png(16, 8, 1)), (&truth, &image_info(&[[1.0, 2.0], [3.0, 4.0]], 2))]);
        assert_eq!(recognise(root.path()).unwrap(), CountingLayout::Shanghaitech);
        assert_eq!(told(&open(root.path(), "train").unwrap()), "IMG_1 2", "{part}");
    }
}

#[test]
fn ucf_cc_50_is_one_split() {
    let root = folder(&[
        ("1.jpg", &png(8, 8, 1)),
        ("1_ann.mat", &ann_points(&[[1.0, 1.0]])),
        ("2.jpg", &png(8, 8, 2)),
        ("2_ann.mat", &ann_points(&[[1.0, 1.0], [1.0, 1.0]])),
    ]);
    assert_eq!(told(&open(root.path(), "all").unwrap()), "1 1, 2 2", "duplicates stay");
}

#[test]
fn a_wrong_variable_names_those_there_are_and_other_versions_are_refused() {
    let root = folder(&[
        ("1.jpg", &png(8, 8, 1)),
        ("1_ann.mat", &encoded("points", Array::matrix(1, 2, &[1.0, 2.0]).unwrap())),
    ]);
    let error = open(root.path(), "all").unwrap_err().to_string();
    assert!(error.contains("annPoints") && error.contains("points"), "{error}");
    let mut hdf = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    hdf.resize(512, b' ');
    hdf.extend(b"\x89HDF\r\n\x1a\n");
    add(root.path(), &[("1_ann.mat", &hdf)]);
    assert!(open(root.path(), "all").unwrap_err().to_string().contains("7.3"));
}

#[test]
fn jhu_reads_attributes_and_empty_files() {
    let root = folder(&[
        ("train/images/0001.jpg", &png(20, 20, 1)),
        ("train/gt/0001.txt", b"5 6 3 4 1 0\n10 11 2 2 2 1\n"),
        ("train/images/0002.jpg", &png(20, 20, 2)),
        ("train/gt/0002.txt", b""),
        ("train/image_labels.txt", b"0001,2,street,2,0\n0002,0,water,0,1\n"),
    ]);
    let set = open(root.path(), "train").unwrap();
    assert_eq!(told(&set), "0001 2, 0002 0");
    assert_eq!(set.images[0].attributes.get("weather").map(String::as_str), Some("rain"));
}

#[test]
fn nwpu_reads_lists_and_leaves_the_test_to_prediction() {
    let json = br#"{"img_id":"0001.jpg","human_num":2,"points":[[1.5,2.5],[3.0,4.0]],"boxes":[]}"#;
    let root = folder(&[
        ("images/0001.jpg", &png(20, 20, 1)),
        ("images/0002.jpg", &png(20, 20, 2)),
        ("jsons/0001.json", json),
        ("train.txt", b"0001 1 2\n"),
        ("val.txt", b"0001 1 2\n"),
        ("test.txt", b"0002\n"),
    ]);
    let set = open(root.path(), "train").unwrap();
    assert_eq!(told(&set), "0001 2");
    assert_eq!(set.images[0].attributes.get("luminance").map(String::as_str), Some("1"));
    assert_eq!(told(&open(root.path(), "test").unwrap()), "0002 -");
}

#[test]
fn pictures_are_read_as_stored_and_in_the_size_they_had() {
    let root = folder(&[("1.jpg", &jpeg_with_orientation(8, 4, 6)), ("1_ann.mat", &ann_points(&[[7.0, 1.0]]))]);
    let set = open(root.path(), "all").unwrap();
    assert_eq!(set.images[0].read_image().unwrap().size, ImageSize { width: 8, height: 4 });
    add(root.path(), &[("1.jpg", &png(9, 4, 1))]);
    assert!(matches!(set.images[0].read_image(), Err(DataError::ImageSize { .. })));
}

#[test]
fn an_empty_folder_says_what_would_lie_there() {
    let root = folder(&[("readme.txt", b"nothing")]);
    let error = open(root.path(), "train").unwrap_err().to_string();
    assert!(error.contains("part_{A,B}") && error.contains("dots"), "{error}");
}

fn real(name: &str) -> std::path::PathBuf {
    Path::new(&std::env::var("WRS_TEST_DATA").unwrap()).join(name)
}

#[test]
#[ignore = "needs WRS_TEST_DATA"]
fn real_annotations_are_read_whole() {
    let points = |set: &CountingDataset| set.images.iter().flat_map(|i| &i.points).map(|p| p.len()).sum::<usize>();
    let train = open(&real("ucf_cc_50_as_qnrf"), "train").unwrap();
    assert_eq!((train.images.len(), points(&train)), (32, 43_734));
    let all = open(&real("ucf_cc_50"), "all").unwrap();
    assert_eq!(all.images.len(), 40);
    let cells = open(&real("vgg_cells/cells"), "all").unwrap();
    assert_eq!((cells.images.len(), points(&cells)), (120, 21_641));
}

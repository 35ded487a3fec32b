use super::*;
use crate::counting::tests::ann_points;
use crate::testing::{folder, png, spell_faults};

fn checked(root: &Path, pictures: Pictures) -> Checked {
    check(root, &CountingOptions::default(), &[Split::Train, Split::Test], pictures, 2)
}

#[test]
fn a_clean_set_has_counts_and_no_faults() {
    let root = folder(&[
        ("Train/img_1.jpg", &png(8, 9, 1)),
        ("Train/img_1_ann.mat", &ann_points(&[[1.0, 1.0], [4.0, 5.0]])),
        ("Train/img_2.jpg", &png(8, 9, 2)),
        ("Train/img_2_ann.mat", &ann_points(&[])),
        ("Test/img_1.jpg", &png(8, 9, 3)),
        ("Test/img_1_ann.mat", &ann_points(&[[2.0, 2.0]])),
    ]);
    let found = checked(root.path(), Pictures::All);
    assert!(found.faults.is_empty(), "{}", spell_faults(root.path(), &found.faults));
    let counts: Vec<(usize, usize)> = found.counts.iter().map(|counts| (counts.images, counts.points)).collect();
    assert_eq!(counts, [(2, 2), (1, 1)]);
    assert!(found.counts[0].to_string().contains("1 pictures without an object"), "{}", found.counts[0]);
}

#[test]
fn every_fault_is_told_with_its_file() {
    let root = folder(&[
        ("Train/img_1.jpg", &png(8, 9, 1)),
        ("Train/img_1_ann.mat", b"not a mat file"),
        ("Train/img_2.jpg", &png(8, 9, 2)[..40]),
        ("Train/img_2_ann.mat", &ann_points(&[])),
        ("Train/img_3.jpg", &png(8, 9, 3)),
        ("Train/img_4.jpg", &png(8, 9, 4)),
        ("Train/img_4_ann.mat", &ann_points(&[[1.0, 1.0], [1.0, 1.0], [9.5, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])),
        ("Test/img_1.jpg", &png(8, 9, 4)),
        ("Test/img_1_ann.mat", &ann_points(&[[2.0, 2.0]])),
    ]);
    let text = spell_faults(root.path(), &checked(root.path(), Pictures::All).faults);
    for told in
        ["Train/img_1_ann.mat", "Train/img_2.jpg", "Train/img_3", "1 points of img_4 stand at the place", "same bytes"]
    {
        assert!(text.contains(told), "{told} is missing in:\n{text}");
    }
    // Headers alone do not compare bytes.
    let text = spell_faults(root.path(), &checked(root.path(), Pictures::Headers).faults);
    assert!(!text.contains("same bytes"), "{text}");
}

#[test]
fn without_a_choice_the_splits_that_are_there_are_checked() {
    let names = |root: &Path| -> Vec<usize> {
        let found = check(root, &CountingOptions::default(), &[], Pictures::Headers, 0);
        assert!(found.faults.is_empty(), "{}", spell_faults(root, &found.faults));
        found.sets.iter().map(|set| set.images.len()).collect()
    };
    let annotated = ann_points(&[[1.0, 1.0]]);
    let file = |split: &str, n: usize| {
        [(format!("{split}img_{n}.jpg"), png(8, 9, n as u8)), (format!("{split}img_{n}_ann.mat"), annotated.clone())]
    };
    let files = [file("Train/", 1), file("Train/", 2), file("Test/", 3)].concat();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    assert_eq!(names(folder(&files).path()), [2, 1]);
    let only = folder(&[("1.jpg", &png(8, 9, 1)), ("1_ann.mat", &annotated)]);
    assert_eq!(names(only.path()), [1]);

    let none = folder(&[("Other/img_1.jpg", &png(8, 9, 1)), ("Other/img_1_ann.mat", &annotated)]);
    let options = CountingOptions { layout: Some(CountingLayout::Qnrf), ..CountingOptions::default() };
    let found = check(none.path(), &options, &[], Pictures::Headers, 0);
    assert!(spell_faults(none.path(), &found.faults).contains("split train"), "{:?}", found.faults);
}

use std::collections::BTreeSet;

use super::*;
use crate::counting::PointXy;
use crate::image::read_image;
use crate::mat5::MatFile;

const SMALL: CrowdOptions =
    CrowdOptions { train: 6, test: 3, width: [96, 128], height: [80, 80], people: [5, 40], seed: 4 };

fn points(path: &Path) -> Vec<PointXy> {
    let rows = MatFile::read(path).unwrap().variable("annPoints").unwrap().matrix::<f64>().unwrap();
    assert_eq!(rows.columns, 2);
    rows.values.chunks(2).map(|row| PointXy { x: row[0], y: row[1] }).collect()
}

#[test]
fn the_folder_is_that_of_ucf_qnrf() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("crowds");
    assert_eq!(write_crowds(&root, &SMALL).unwrap(), ScenesState::Written);
    assert_eq!(write_crowds(&root, &SMALL).unwrap(), ScenesState::Present);
    for (split, index, pictures) in [("Train", "train", 6), ("Test", "test", 3)] {
        let folder = root.join(split);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2 * pictures);
        for i in 0..pictures {
            let id = format!("img_{:04}", i + 1);
            let image = read_image(&folder.join(format!("{id}.jpg")), None).unwrap().image;
            let drawn = SMALL.crowd(index, i);
            assert_eq!((image.size, points(&folder.join(format!("{id}_ann.mat")))), (drawn.image.size, drawn.heads));
        }
    }
    let other = write_crowds(&root, &CrowdOptions { seed: 5, ..SMALL }).unwrap_err().to_string();
    assert!(other.contains("holds scenes drawn with other options"), "{other}");
}

#[test]
fn a_crowd_is_a_function_of_seed_split_and_index() {
    let crowd = |options: &CrowdOptions, split, index| options.crowd(split, index).image;
    let first = crowd(&SMALL, "train", 0);
    assert_eq!(first, crowd(&CrowdOptions { train: 99, ..SMALL }, "train", 0));
    assert_ne!(first, crowd(&SMALL, "test", 0));
    assert_ne!(first, crowd(&SMALL, "train", 1));
    assert_ne!(first, crowd(&CrowdOptions { seed: 5, ..SMALL }, "train", 0));
}

#[test]
fn heads_lie_in_the_picture_apart_and_in_the_numbers_asked_for() {
    let options = CrowdOptions { width: [192, 256], height: [192, 256], people: [5, 120], ..SMALL };
    let (mut counts, mut sizes) = (Vec::new(), BTreeSet::new());
    for index in 0..200 {
        let mut rng = Rng::new(options.seed, "test", 0, index);
        let side = |rng: &mut Rng| 192 + rng.below(65);
        let size = ImageSize { width: side(&mut rng), height: side(&mut rng) };
        let heads = ground::places(size, options.people, &mut rng);
        for (i, a) in heads.iter().enumerate() {
            assert!((0.0..=size.width as f64).contains(&a.x) && (0.0..=size.height as f64).contains(&a.y));
            assert!((5.0..=14.0).contains(&a.head_px), "{a:?}");
            assert!(heads[..i].iter().all(|b| (a.x - b.x).hypot(a.y - b.y) > 4.0 - 1e-9));
        }
        counts.push(heads.len());
        sizes.insert(size.width);
    }
    let nobody = counts.iter().filter(|count| **count == 0).count();
    let most = counts.iter().max().unwrap();
    assert!((3..30).contains(&nobody) && (90..=120).contains(most), "{nobody} {most}");
    assert!(counts.iter().all(|count| *count == 0 || *count >= 5), "{counts:?}");
    assert!(sizes.len() > 40);
}

#[test]
fn a_lone_head_is_where_its_point_says() {
    // What a head changes of the same picture without it has its middle there, but for the shoulders below.
    for index in 0..30 {
        let size = ImageSize { width: 96, height: 80 };
        let clutter = || clutter::clutter(size, &mut Rng::new(1, "test", 0, index));
        let mut rng = Rng::new(2, "test", 0, index);
        let figure = figure::Figure { x: rng.range(30.0, 66.0), y: rng.range(20.0, 40.0), head_px: 12.0 };
        let (mut with, mut without) = (clutter(), clutter());
        figure.draw(&mut with, 0.5, &mut rng);
        let (mut changed, mut across, mut top) = (0, 0.0, usize::MAX);
        for row in 0..size.height {
            for column in 0..size.width {
                if with.at_mut(column, row) != without.at_mut(column, row) {
                    changed += 1;
                    across += column as f64 + 0.5;
                    top = top.min(row);
                }
            }
        }
        assert!((across / f64::from(changed) - figure.x).abs() < 0.5);
        // Half the head is 6.9 pixels high; its rim, of 0.6, ends in a pixel that it covers in part.
        assert!((6.9..=6.9 + 0.6 + 1.2).contains(&(figure.y - top as f64)), "{top} {}", figure.y);
    }
}

#[test]
fn options_that_allow_no_picture_are_refused() {
    let refused = |options: CrowdOptions| match write_crowds(Path::new("/nowhere/at/all"), &options) {
        Err(DataError::Option { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(CrowdOptions { width: [32, 64], ..SMALL }), "crowds.width");
    assert_eq!(refused(CrowdOptions { height: [96, 95], ..SMALL }), "crowds.height");
    assert_eq!(refused(CrowdOptions { people: [5, 4], ..SMALL }), "crowds.people");
}

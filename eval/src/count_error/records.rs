//! What was counted in each image, and the file of a run that keeps it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{CountError, CountFault, MOST};
use super::game::game;
use crate::density_grid::DensityGrid;

/// What was counted in one image, and what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageCount {
    /// The image's name.
    pub image: String,
    /// How many objects the network counts; below 0 where it may.
    pub predicted: f64,
    /// How many points the image is annotated with.
    pub truth: f64,
    /// GAME(1) to GAME(3) of this image, where its density and its points were at hand; GAME(0) is the size of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<[f64; 3]>,
    /// What its data set says of it beside the points, such as `weather = rain`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

impl ImageCount {
    /// The count of a density map, beside an image's points.
    ///
    /// # Shapes
    /// As in [`game`].
    pub fn of(image: &str, density: &DensityGrid<'_>, points: &[(f64, f64)], stride: usize) -> Self {
        let [_, game1, game2, game3] = game(density, points.iter().copied(), stride);
        Self {
            image: image.to_owned(),
            predicted: density.count(),
            truth: points.len() as f64,
            game: Some([game1, game2, game3]),
            groups: BTreeMap::new(),
        }
    }

    /// The signed error: positive where too many are counted.
    pub fn error(&self) -> f64 {
        self.predicted - self.truth
    }

    /// Refuses numbers that count nothing.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), CountFault> {
        let Self { predicted, truth, game, .. } = *self;
        let image = || self.image.clone();
        if !(-MOST..=MOST).contains(&predicted) {
            return Err(CountFault::Prediction { image: image(), predicted });
        }
        if !(0.0..=MOST).contains(&truth) {
            return Err(CountFault::Truth { image: image(), truth });
        }
        match game {
            Some(game) if !game.iter().all(|error| (0.0..=2.0 * MOST).contains(error)) => {
                Err(CountFault::Game { image: image(), game })
            }
            _ => Ok(()),
        }
    }
}

/// The images in ascending order of name.
///
/// # Errors
/// Faulty counts, and images that come twice.
pub(crate) fn by_name(images: &[ImageCount]) -> Result<BTreeMap<&str, &ImageCount>, CountFault> {
    let mut named = BTreeMap::new();
    for of in images {
        of.check()?;
        if named.insert(of.image.as_str(), of).is_some() {
            return Err(CountFault::Repeated { image: of.image.clone() });
        }
    }
    Ok(named)
}

/// Writes the counts of images as JSON, an image a line, every number so that it reads back as the same bits.
///
/// # Errors
/// Faulty counts, before a byte is written; the writer's.
pub fn write_image_counts(out: impl Write, images: &[ImageCount]) -> Result<(), CountError> {
    by_name(images)?;
    let mut out = BufWriter::new(out);
    let mut write = || -> io::Result<()> {
        out.write_all(b"[")?;
        for (index, of) in images.iter().enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut out, of)?;
        }
        out.write_all(b"\n]\n")?;
        out.flush()
    };
    write().map_err(CountError::Write)
}

/// Reads what [`write_image_counts`] wrote.
///
/// # Errors
/// A file that cannot be read, bytes that are no such JSON, faulty counts; each with the path.
pub fn read_image_counts(path: &Path) -> Result<Vec<ImageCount>, CountError> {
    let text = fs::read(path).map_err(|source| CountError::Read { path: path.to_owned(), source })?;
    let in_file = |source| CountError::InFile { path: path.to_owned(), source: Box::new(source) };
    let images: Vec<ImageCount> = serde_json::from_slice(&text).map_err(|source| in_file(CountError::Json(source)))?;
    by_name(&images).map_err(|fault| in_file(fault.into()))?;
    Ok(images)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(images: &[ImageCount]) -> String {
        let mut bytes = Vec::new();
        write_image_counts(&mut bytes, images).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn read(text: &[u8]) -> Result<Vec<ImageCount>, CountError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.json");
        fs::write(&path, text).unwrap();
        read_image_counts(&path)
    }

    fn plain(image: &str, predicted: f64, truth: f64) -> ImageCount {
        ImageCount { image: image.to_owned(), predicted, truth, game: None, groups: BTreeMap::new() }
    }

    #[test]
    fn an_image_a_line() {
        let full = ImageCount {
            game: Some([2.5, 3.0, 4.25]),
            groups: BTreeMap::from([("weather".to_owned(), "rain".to_owned())]),
            ..plain("b", 0.1, 2.0)
        };
        let images = [plain("a", 412.25, 398.0), full];
        let text = written(&images);
        assert_eq!(
            text,
            "[\n{\"image\":\"a\",\"predicted\":412.25,\"truth\":398.0},\n{\"image\":\"b\",\"predicted\":0.1,\"truth\":2.0,\
             \"game\":[2.5,3.0,4.25],\"groups\":{\"weather\":\"rain\"}}\n]\n"
        );
        assert_eq!(read(text.as_bytes()).unwrap(), images);
        assert_eq!(written(&[]), "[\n]\n");
    }

    #[test]
    fn a_density_and_its_points_give_all_numbers() {
        let cells = [1.0, 0.5, 0.0, 0.25];
        let of = ImageCount::of("a", &DensityGrid::new(2, 2, &cells).unwrap(), &[(9.0, 9.0), (1.0, 12.0)], 8);
        assert_eq!((of.predicted, of.truth, of.error()), (1.75, 2.0, -0.25));
        // 1 + 0.5 + |0 - 1| + |0.25 - 1|.
        assert_eq!(of.game, Some([3.25; 3]));
        assert_eq!(of.check(), Ok(()));
    }

    #[test]
    fn faults_name_the_file_and_the_image() {
        for (record, expected) in [
            ("{\"image\":\"a\",\"predicted\":1e300,\"truth\":2}", "image a: expected a finite predicted count, got 1"),
            (
                "{\"image\":\"a\",\"predicted\":1,\"truth\":-2}",
                "image a: expected a finite true count, 0 or more, got -2",
            ),
            (
                "{\"image\":\"a\",\"predicted\":1,\"truth\":2,\"game\":[1,-1,2]}",
                "image a: expected finite errors of its regions, 0 or more, got [1.0, -1.0, 2.0]",
            ),
            ("{\"image\":\"a\",\"predicted\":null,\"truth\":2}", "invalid JSON"),
            ("{\"image\":\"a\",\"predicted\":1,\"truth\":2,\"more\":1}", "unknown field `more`"),
        ] {
            let text = read(format!("[{record}]").as_bytes()).unwrap_err().to_string();
            assert!(text.contains("counts.json: ") && text.contains(expected), "{text}");
        }
        let twice = "[{\"image\":\"a\",\"predicted\":1,\"truth\":2},{\"image\":\"a\",\"predicted\":1,\"truth\":2}]";
        let text = read(twice.as_bytes()).unwrap_err().to_string();
        assert!(text.contains("expected each image once, got `a` again"), "{text}");
        assert!(matches!(read_image_counts(Path::new("no/such.json")), Err(CountError::Read { .. })));
    }

    #[test]
    fn what_is_not_finite_is_not_written() {
        for predicted in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut out = Vec::new();
            let error = write_image_counts(&mut out, &[plain("good", 1.0, 1.0), plain("bad", predicted, 1.0)]);
            assert!(error.unwrap_err().to_string().starts_with("image bad: "));
            assert!(out.is_empty());
        }
        assert!(plain("a", 1.0, f64::NAN).check().is_err());
        assert!(ImageCount { game: Some([0.0, f64::NAN, 0.0]), ..plain("a", 1.0, 1.0) }.check().is_err());
    }

    fn any_image() -> impl Strategy<Value = ImageCount> {
        let groups = prop::collection::btree_map(".{0,6}", ".{0,6}", 0..3);
        (-1e6_f64..1e6, 0_u32..100_000, prop::option::of(prop::array::uniform3(0.0_f64..1e6)), groups).prop_map(
            |(predicted, truth, game, groups)| ImageCount {
                image: String::new(),
                predicted,
                truth: f64::from(truth),
                game,
                groups,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_to_the_bit(named in prop::collection::btree_map(".{0,9}", any_image(), 0..6)) {
            let images: Vec<ImageCount> = named.into_iter().map(|(image, of)| ImageCount { image, ..of }).collect();
            prop_assert_eq!(read(written(&images).as_bytes()).unwrap(), images);
        }

        #[test]
        fn foreign_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), new in any::<u8>(),
        ) {
            let _ = read(&bytes);
            let mut mutated = b"[{\"image\":\"a\",\"predicted\":1e9,\"truth\":7,\"game\":[1,2,3]}]".to_vec();
            let place = at.index(mutated.len());
            mutated[place] = new;
            if let Ok(read) = read(&mutated) {
                prop_assert!(by_name(&read).is_ok());
            }
        }
    }
}

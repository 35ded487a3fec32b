//! Crowds as a folder of UCF-QNRF's layout: people before clutter, small far off and larger near by, some half hidden.

mod clutter;
mod figure;
mod ground;
mod shade;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wrs_ops::rng::Rng;

use self::ground::{Crowd, paint_crowd};
use super::draw::{draw_all, write_jpeg};
use super::folder::write_once;
use super::{MAX_SIZE, MIN_SIZE, ScenesState};
use crate::counting::write_ann_points;
use crate::error::DataError;
use crate::image::ImageSize;

/// The file that says what a folder was drawn with.
const MARKER: &str = "crowds.json";

/// More people than this have no room in the largest picture.
const MOST_PEOPLE: usize = 20_000;

/// What crowds to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CrowdOptions {
    /// Pictures to train on.
    pub train: usize,
    /// Pictures to test on.
    pub test: usize,
    /// Least and most columns of a picture.
    pub width: [usize; 2],
    /// Least and most rows of a picture.
    pub height: [usize; 2],
    /// Least and most people in a picture that is not empty; fewer where there is no room for them.
    pub people: [usize; 2],
    /// Seed of everything drawn.
    pub seed: u64,
}

impl CrowdOptions {
    fn check(&self) -> Result<(), DataError> {
        let within = |option, [least, most]: [usize; 2], [low, high]: [usize; 2]| {
            if low <= least && least <= most && most <= high {
                return Ok(());
            }
            let expected = format!("a least and a most, {low} to {high}");
            Err(DataError::Option { option, expected, got: format!("{least}, {most}") })
        };
        within("crowds.width", self.width, [MIN_SIZE, MAX_SIZE])?;
        within("crowds.height", self.height, [MIN_SIZE, MAX_SIZE])?;
        within("crowds.people", self.people, [0, MOST_PEOPLE])
    }

    /// The crowd at this place of a split.
    fn crowd(&self, split: &str, index: usize) -> Crowd {
        let mut rng = Rng::new(self.seed, &format!("crowds {split}"), 0, index as u64);
        let [width, height] = [self.width, self.height].map(|[least, most]| least + rng.below(most - least + 1));
        paint_crowd(ImageSize { width, height }, self.people, &mut rng)
    }
}

/// Draws a folder of UCF-QNRF's layout: `Train/` and `Test/` with `img_0001.jpg`, `img_0001_ann.mat`, …; and `crowds.json`
/// with the options. It is drawn under `.NAME.partial` beside it and renamed when complete, so it is there whole or not at
/// all.
///
/// The points are the middles of the heads, which all lie in the picture. Heads are 5 to 14 pixels wide whatever the size of
/// the picture.
///
/// # Errors
/// [`DataError::Occupied`] if something else is there, [`DataError::Option`], [`DataError::Io`].
pub fn write_crowds(root: &Path, options: &CrowdOptions) -> Result<ScenesState, DataError> {
    options.check()?;
    write_once(root, MARKER, options, |folder| {
        write_split(&folder.join("Train"), options.train, |index| options.crowd("train", index))?;
        write_split(&folder.join("Test"), options.test, |index| options.crowd("test", index))
    })
}

fn write_split(folder: &Path, pictures: usize, crowd: impl Fn(usize) -> Crowd + Sync) -> Result<(), DataError> {
    fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
    draw_all(folder, pictures, |index| {
        let Crowd { image, heads } = crowd(index);
        let id = format!("img_{:04}", index + 1);
        write_jpeg(&folder.join(format!("{id}.jpg")), &image)?;
        write_ann_points(&folder.join(format!("{id}_ann.mat")), &heads)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;

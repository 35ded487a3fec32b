//! What the counts of a set's images say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::buckets::Buckets;
use super::error::CountError;
use super::records::{ImageCount, by_name};
use crate::compare::{Interval, mae_interval};

/// The numbers of a counting evaluation, in objects, but for the NAE and R².
///
/// `None`, JSON `null`, is "undefined".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountMetrics {
    /// Images scored.
    pub images: usize,
    /// Mean of the absolute errors.
    pub mae: f64,
    /// Root of the mean of the squared errors, which the crowd literature calls "MSE".
    pub rmse: f64,
    /// Mean of the absolute errors, each by its image's true count, over the images that are not empty.
    pub nae: Option<f64>,
    /// Images that the NAE is a mean over.
    pub nae_images: usize,
    /// Mean of the signed errors: positive where too many are counted.
    pub bias: f64,
    /// The share of the true counts' variance that the predictions explain; `None` where there is none.
    pub r2: Option<f64>,
    /// GAME(0) to GAME(3), means over the images; `None` unless every image has them.
    pub game: Option<[f64; 4]>,
    /// Where the MAE of other images of this kind would lie: the 95 % percentile interval of 10 000 draws of as many images;
    /// `None` for one image.
    pub mae_interval: Option<Interval>,
    /// The errors by true count, ascending.
    pub buckets: Vec<CountBucket>,
    /// The errors by each thing that the data set says of its images.
    pub groups: BTreeMap<String, Vec<GroupMetrics>>,
}

/// The errors of some of the images; the means are `None` where there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountErrors {
    /// How many there are.
    pub images: usize,
    /// As [`CountMetrics::mae`].
    pub mae: Option<f64>,
    /// As [`CountMetrics::rmse`].
    pub rmse: Option<f64>,
    /// As [`CountMetrics::nae`].
    pub nae: Option<f64>,
}

/// The errors of the images whose true count lies between two cut points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountBucket {
    /// The cut points, `(100, 500]`.
    pub label: String,
    /// Their errors.
    #[serde(flatten)]
    pub errors: CountErrors,
}

/// The errors of the images of which the data set says the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMetrics {
    /// What it says; empty for the images of which it says nothing.
    pub value: String,
    /// Their errors.
    #[serde(flatten)]
    pub errors: CountErrors,
}

impl CountMetrics {
    /// The numbers of some images, whose order changes no bit.
    ///
    /// # Errors
    /// No image; faulty counts, or an image that comes twice; cut points that split nothing.
    pub fn of(images: &[ImageCount], buckets: &Buckets) -> Result<Self, CountError> {
        let sorted: Vec<&ImageCount> = by_name(images)?.into_values().collect();
        let errors = CountErrors::of(&sorted);
        let (Some(mae), Some(rmse), Some(bias)) =
            (errors.mae, errors.rmse, mean(sorted.iter().map(|image| image.error())))
        else {
            return Err(CountError::NoImages);
        };
        let bucket =
            |(label, images): (String, Vec<&ImageCount>)| CountBucket { label, errors: CountErrors::of(&images) };
        Ok(Self {
            images: sorted.len(),
            mae,
            rmse,
            nae: errors.nae,
            nae_images: sorted.iter().filter(|image| image.truth > 0.0).count(),
            bias,
            r2: explained(&sorted),
            game: game_means(&sorted).map(|[game1, game2, game3]| [mae, game1, game2, game3]),
            mae_interval: mae_interval(&sorted),
            buckets: buckets.split(&sorted)?.into_iter().map(bucket).collect(),
            groups: groups(&sorted),
        })
    }
}

impl CountErrors {
    fn of(images: &[&ImageCount]) -> Self {
        let absolute = || images.iter().map(|image| image.error().abs());
        let counted = images.iter().filter(|image| image.truth > 0.0);
        Self {
            images: images.len(),
            mae: mean(absolute()),
            rmse: mean(absolute().map(|error| error * error)).map(f64::sqrt),
            nae: mean(counted.map(|image| image.error().abs() / image.truth)),
        }
    }
}

/// One less the squared errors by the squared distances of the truth from its mean.
fn explained(images: &[&ImageCount]) -> Option<f64> {
    let centre = mean(images.iter().map(|image| image.truth))?;
    let spread: f64 = images.iter().map(|image| (image.truth - centre).powi(2)).sum();
    let left: f64 = images.iter().map(|image| image.error().powi(2)).sum();
    (spread > 0.0).then(|| 1.0 - left / spread)
}

fn game_means(images: &[&ImageCount]) -> Option<[f64; 3]> {
    let levels: Vec<[f64; 3]> = images.iter().map(|image| image.game).collect::<Option<_>>()?;
    let level = |level: usize| mean(levels.iter().map(|game| game[level]));
    Some([level(0)?, level(1)?, level(2)?])
}

/// By attribute and value, ascending; every image is in one group of each attribute.
fn groups(images: &[&ImageCount]) -> BTreeMap<String, Vec<GroupMetrics>> {
    let attributes: BTreeSet<&String> = images.iter().flat_map(|image| image.groups.keys()).collect();
    let of = |attribute: &String| {
        let mut by_value: BTreeMap<&str, Vec<&ImageCount>> = BTreeMap::new();
        for image in images {
            let value = image.groups.get(attribute).map_or("", String::as_str);
            by_value.entry(value).or_default().push(image);
        }
        let group = |(value, images): (&str, Vec<&ImageCount>)| GroupMetrics {
            value: value.to_owned(),
            errors: CountErrors::of(&images),
        };
        (attribute.clone(), by_value.into_iter().map(group).collect())
    };
    attributes.into_iter().map(of).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

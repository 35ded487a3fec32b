//! The numbers that arms can be compared by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::compare::error::CompareError;
use crate::mean_iou::SegmentationMetrics;

/// A number that arms can be compared by.
pub trait CompareMetric: Copy {
    /// Which of two values is the better one.
    fn better(self) -> Better;

    /// What its differences are told in.
    fn unit(self) -> Unit;
}

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher one, as of an accuracy.
    Higher,
    /// The lower one, as of an error.
    Lower,
}

/// What differences of a metric are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Points, hundredths of a fraction.
    Points,
    /// The metric's own: of a count, objects.
    Own,
}

impl Unit {
    /// How many of them are a difference of 1.
    pub fn in_one(self) -> f64 {
        match self {
            Self::Points => 100.0,
            Self::Own => 1.0,
        }
    }
}

/// A number of detections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApMetric {
    /// COCO's average precision, mean over IoU 0.50 to 0.95.
    #[default]
    Ap,
    /// COCO's average precision at IoU 0.50.
    Ap50,
    /// COCO's average precision at IoU 0.75.
    Ap75,
}

impl ApMetric {
    /// Every metric.
    pub const ALL: [Self; 3] = [Self::Ap, Self::Ap50, Self::Ap75];

    /// Its key in the JSON document of an evaluation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ap => "ap",
            Self::Ap50 => "ap50",
            Self::Ap75 => "ap75",
        }
    }
}

impl CompareMetric for ApMetric {
    fn better(self) -> Better {
        Better::Higher
    }

    fn unit(self) -> Unit {
        Unit::Points
    }
}

impl fmt::Display for ApMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ApMetric {
    type Err = CompareError;

    fn from_str(name: &str) -> Result<Self, CompareError> {
        named(name, &Self::ALL, Self::name)
    }
}

/// A number of label maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelMetric {
    /// Mean IoU over the classes that the drawn images or their predictions have.
    #[default]
    Miou,
    /// Correct pixels by all pixels.
    PixelAccuracy,
    /// Mean over the classes of the ground truth of their correct pixels by their pixels.
    MeanAccuracy,
    /// Mean IoU weighted by the classes' pixels.
    FwIou,
}

impl LabelMetric {
    /// Every metric.
    pub const ALL: [Self; 4] = [Self::Miou, Self::PixelAccuracy, Self::MeanAccuracy, Self::FwIou];

    /// Its key in the JSON document of an evaluation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Miou => "miou",
            Self::PixelAccuracy => "pixel_accuracy",
            Self::MeanAccuracy => "mean_accuracy",
            Self::FwIou => "fw_iou",
        }
    }

    /// Its value among all numbers.
    pub(crate) fn of(self, metrics: &SegmentationMetrics) -> Option<f64> {
        match self {
            Self::Miou => metrics.miou,
            Self::PixelAccuracy => metrics.pixel_accuracy,
            Self::MeanAccuracy => metrics.mean_accuracy,
            Self::FwIou => metrics.fw_iou,
        }
    }
}

impl CompareMetric for LabelMetric {
    fn better(self) -> Better {
        Better::Higher
    }

    fn unit(self) -> Unit {
        Unit::Points
    }
}

impl fmt::Display for LabelMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabelMetric {
    type Err = CompareError;

    fn from_str(name: &str) -> Result<Self, CompareError> {
        named(name, &Self::ALL, Self::name)
    }
}

/// A number of counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountMetric {
    /// Mean of the absolute errors.
    #[default]
    Mae,
    /// Root of the mean of the squared errors, which the crowd literature calls "MSE".
    Rmse,
    /// Mean of the absolute errors, each by its image's true count, over the drawn images that are not empty.
    Nae,
}

impl CountMetric {
    /// Every metric.
    pub const ALL: [Self; 3] = [Self::Mae, Self::Rmse, Self::Nae];

    /// Its key in the JSON document of an evaluation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::Nae => "nae",
        }
    }
}

impl CompareMetric for CountMetric {
    fn better(self) -> Better {
        Better::Lower
    }

    fn unit(self) -> Unit {
        Unit::Own
    }
}

impl fmt::Display for CountMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CountMetric {
    type Err = CompareError;

    fn from_str(name: &str) -> Result<Self, CompareError> {
        named(name, &Self::ALL, Self::name)
    }
}

fn named<M: Copy>(name: &str, all: &[M], name_of: impl Fn(M) -> &'static str) -> Result<M, CompareError> {
    let found = all.iter().copied().find(|metric| name_of(*metric) == name);
    found.ok_or_else(|| {
        let known = all.iter().map(|metric| name_of(*metric)).collect();
        CompareError::UnknownMetric { name: name.to_owned(), known }
    })
}

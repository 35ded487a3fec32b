//! What a rescale found.

use serde::Serialize;
use wrs_nn::ParamId;

use super::MIN_NORM;

/// Rows as a rescale found them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RowStats {
    /// Number of rows.
    pub rows: usize,
    /// Rows left because their norm is under 1e-12.
    pub rows_skipped: usize,
    /// Smallest norm before.
    pub norm_min: f64,
    /// Mean norm before.
    pub norm_mean: f64,
    /// Largest norm before.
    pub norm_max: f64,
    /// Mean of `1 / norm^2` before, over the rows that have a direction; none without such rows.
    pub inverse_square: Option<f64>,
    /// Angle in radians between a row now and at the last rescale, over the steps since, mean over the rows that have a
    /// direction; none without such rows, steps or a kept copy.
    pub angle_per_step: Option<f64>,
}

/// One rescale.
#[derive(Clone, Debug, PartialEq)]
pub struct WrsReport {
    /// Optimizer steps made until then.
    pub step: u64,
    /// Of these, since the rescale before.
    pub steps_since: u64,
    /// Over every row.
    pub all: RowStats,
    /// By tensor, in the order of [`crate::Wrs::tensors`].
    pub tensors: Vec<(ParamId, RowStats)>,
}

/// Sums over rows on the way to [`RowStats`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    rows: usize,
    skipped: usize,
    least: f64,
    sum: f64,
    largest: f64,
    directed: usize,
    inverse_squares: f64,
    angles: f64,
    angled_rows: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            rows: 0,
            skipped: 0,
            least: f64::INFINITY,
            sum: 0.0,
            largest: 0.0,
            directed: 0,
            inverse_squares: 0.0,
            angles: 0.0,
            angled_rows: 0,
        }
    }
}

impl Tally {
    /// Counts a row of that norm.
    pub fn row(&mut self, norm: f64) {
        self.rows += 1;
        self.least = self.least.min(norm);
        self.sum += norm;
        self.largest = self.largest.max(norm);
        if norm >= MIN_NORM {
            self.directed += 1;
            self.inverse_squares += 1.0 / (norm * norm);
        }
    }

    /// Counts rows that were left.
    pub fn skip(&mut self, rows: usize) {
        self.skipped += rows;
    }

    /// Counts the angle of a row that has a direction.
    pub fn angle(&mut self, angle: f64) {
        self.angles += angle;
        self.angled_rows += 1;
    }

    /// Adds another tensor's rows.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.skipped += other.skipped;
        self.least = self.least.min(other.least);
        self.sum += other.sum;
        self.largest = self.largest.max(other.largest);
        self.directed += other.directed;
        self.inverse_squares += other.inverse_squares;
        self.angles += other.angles;
        self.angled_rows += other.angled_rows;
    }

    /// The means; a tensor has at least one row.
    pub fn stats(&self, steps_since: u64) -> RowStats {
        let has_angle = steps_since > 0 && self.angled_rows > 0;
        RowStats {
            rows: self.rows,
            rows_skipped: self.skipped,
            norm_min: self.least,
            norm_mean: self.sum / self.rows as f64,
            norm_max: self.largest,
            inverse_square: (self.directed > 0).then(|| self.inverse_squares / self.directed as f64),
            angle_per_step: has_angle.then(|| self.angles / self.angled_rows as f64 / steps_since as f64),
        }
    }
}

//! How far counts are from the truth: MAE, RMSE, NAE and GAME.
//!
//! The truth of an image is how many points it is annotated with, never the sum of a density map that was drawn from them:
//! drawing merges points and loses what leaks over the border.  What the crowd literature calls "MSE" is the root of the mean
//! squared error; here it is `rmse`.
//!
//! Sums run over the images in order of their names, in `f64`, so no order of images, batches or threads changes a bit.

mod buckets;
mod csv_files;
mod csv_table;
mod error;
mod game;
mod metrics;
mod pairs;
mod records;

pub use buckets::Buckets;
pub use csv_files::{
    parse_predicted_counts, parse_true_counts, read_predicted_counts, read_true_counts, write_counts,
    write_predicted_counts,
};
pub use error::{CountError, CountFault, UnpairedCounts};
pub use game::game;
pub use metrics::{CountBucket, CountErrors, CountMetrics, GroupMetrics};
pub use pairs::{CountFileEvaluation, evaluate_count_files, evaluate_counts, pair_counts};
pub(crate) use records::by_name;
pub use records::{ImageCount, read_image_counts, write_image_counts};

//! What can be wrong with counts that are to be scored.

use std::fmt;
use std::path::PathBuf;

use crate::mean_iou::NameList;

/// The largest count that is taken for one: beyond it whole numbers are no longer told apart.
pub(super) const MOST: f64 = 1e15;

/// What is wrong with the counts of one image.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CountFault {
    /// A prediction that is no number of objects.
    #[error(
        "image {image}: expected a finite predicted count, got {predicted}\nhelp: the network diverged, or its weights are damaged"
    )]
    Prediction {
        /// The image.
        image: String,
        /// Its predicted count.
        predicted: f64,
    },
    /// A truth that is no number of objects.
    #[error(
        "image {image}: expected a finite true count, 0 or more, got {truth}\nhelp: it is how many points the image is annotated with"
    )]
    Truth {
        /// The image.
        image: String,
        /// Its true count.
        truth: f64,
    },
    /// Errors by region that no image can have.
    #[error("image {image}: expected finite errors of its regions, 0 or more, got {game:?}")]
    Game {
        /// The image.
        image: String,
        /// Its errors at the levels 1 to 3.
        game: [f64; 3],
    },
    /// An image that comes twice.
    #[error("expected each image once, got `{image}` again")]
    Repeated {
        /// The image.
        image: String,
    },
    /// A truth that is not that of the other runs.
    #[error("image {image}: expected the true count of the first run, {expected}, got {got}")]
    OtherTruth {
        /// The image.
        image: String,
        /// The first run's.
        expected: f64,
        /// This run's.
        got: f64,
    },
}

/// Images that only one side counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpairedCounts {
    /// Images of the truth without a prediction.
    pub without_prediction: NameList,
    /// Predicted images that the truth does not list.
    pub without_truth: NameList,
}

impl fmt::Display for UnpairedCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the same images in truth and predictions")?;
        let parts = [
            (&self.without_prediction, "of the truth have no prediction"),
            (&self.without_truth, "of the predictions are not in the truth"),
        ];
        for (names, what) in parts {
            if !names.0.is_empty() {
                write!(f, "\n{} {what}: {names}", names.0.len())?;
            }
        }
        f.write_str(
            "\nhelp: images pair by name, folders and endings of pictures aside; one without objects is listed too, with count 0 or empty x and y",
        )
    }
}

/// Why counts cannot be read, written or scored.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The file cannot be opened or read.
    #[error("{path}: cannot read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The counts cannot be written.
    #[error("cannot write counts: {0}")]
    Write(#[source] std::io::Error),
    /// An error of what is in a file.
    #[error("{path}: {source}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<CountError>,
    },
    /// A place in a CSV file that does not say what it should.
    #[error("line {line}{}: {problem}\nhelp: {help}", .column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default())]
    Csv {
        /// From 1.
        line: usize,
        /// The column's number, from 1, and its name; `None` where the whole line is at fault.
        column: Option<String>,
        /// Expected and got.
        problem: String,
        /// The mend.
        help: &'static str,
    },
    /// The bytes are not the JSON of counts.
    #[error(
        "expected an array of {{image, predicted, truth}}, got invalid JSON: {0}\nhelp: a run's counts.json has them"
    )]
    Json(#[source] serde_json::Error),
    /// Counts of an image that cannot be.
    #[error(transparent)]
    Count(#[from] CountFault),
    /// There is nothing to score.
    #[error(
        "expected counts of at least one image, got none\nhelp: check that the list of images or the split is not empty"
    )]
    NoImages,
    /// Images that only one side counts.
    #[error("{0}")]
    Unpaired(UnpairedCounts),
    /// Cut points that split nothing.
    #[error(
        "expected cut points of counts, 0 or more, ascending, got {0:?}\nhelp: 50,500 splits into 0 to 50, 51 to 500 and above"
    )]
    Cuts(Vec<f64>),
    /// Quantiles that split nothing.
    #[error("expected 2 quantiles or more, got {0}\nhelp: 4 splits the images into quarters by their true count")]
    Quantiles(usize),
    /// A name of buckets that there are none of.
    #[error("expected none, nwpu, jhu, quantiles:N or cut points such as 50,500, got `{0}`")]
    UnknownBuckets(String),
}

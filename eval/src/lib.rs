//! Evaluators: plain records in, official numbers out.
//!
//! Nothing here knows a tensor or a model: ground truth and detections are lists of records, read from COCO's
//! JSON files or made in memory, and [`evaluate_detections`] gives COCO's twelve numbers, the same per class, the
//! numbers the weight-rescaling paper plots, and Pascal VOC's.  Label maps, in memory or as folders of index PNGs, go into one
//! [`ConfusionMatrix`] that gives mIOU and its relatives.  Counts of images, in memory or as CSV files, give the
//! [`CountMetrics`].  [`compare`] sets two arms of runs against each other.
//!
//! No order of images, batches or threads changes a number.  The one order that counts is the one pycocotools
//! counts too: detections of one image and class with exactly equal scores rank in the order they were given.

mod best_overlap;
mod coco_ap;
pub mod compare;
mod count_error;
mod density_grid;
pub mod density_quality;
mod detection;
mod error;
mod files;
mod json;
mod mean_iou;
mod paper_ap;
mod records;
mod voc_ap;

pub use count_error::{
    Buckets, CountBucket, CountError, CountErrors, CountFault, CountFileEvaluation, CountMetrics, GroupMetrics,
    ImageCount, UnpairedCounts, evaluate_count_files, evaluate_counts, game, pair_counts, parse_predicted_counts,
    parse_true_counts, read_image_counts, read_predicted_counts, read_true_counts, write_counts, write_image_counts,
    write_predicted_counts,
};
pub use density_grid::{DensityGrid, GridError};
pub use detection::{ClassMetrics, DetectionMetrics, evaluate_detections};
pub use error::{EvalError, IdField, IdList, RecordKind};
pub use files::{
    GroundTruthFile, parse_detections, parse_ground_truth, read_detections, read_ground_truth, write_detections,
};
pub use mean_iou::{
    AbsentClasses, ConfusionFault, ConfusionMatrix, FolderEvaluation, ImageConfusion, LabelFault, MAX_CLASSES, MapSide,
    MaskFault, MaskFaults, MaskNames, NameList, SegmentationClassMetrics, SegmentationError, SegmentationMetrics,
    Unpaired, evaluate_folders, read_confusions, write_confusions,
};
pub use paper_ap::{PAPER_CONFIDENCE, PAPER_IOU, PaperClassMetrics, PaperMetrics};
pub use records::{Category, Detection, GroundTruth, GtBox};
pub use voc_ap::{VocClassMetrics, VocMetrics, VocPixels, evaluate_voc};
pub use wrs_datasets::label_map::{LabelMap, LabelMapError, VOID, decode_label_map, read_label_map};

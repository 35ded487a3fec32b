//! Keys of AlexeyAB's fork (`src/parser.c`) that are not read here: which change nothing, and which must not be passed over.

/// Keys of `[net]` that only Darknet's training and its data read.
#[rustfmt::skip] // one key a line would fill a page
pub(super) const TRAINING_NET: [&str; 41] = [
    "learning_rate_min", "sgdr_cycle", "sgdr_mult", "time_steps", "augment_speed", "sequential_subdivisions",
    "try_fix_nan", "weights_reject_freq", "equidistant_point", "badlabels_rejection_percentage",
    "num_sigmas_reject_badlabels", "ema_alpha", "use_cuda_graph", "loss_scale", "dynamic_minibatch",
    "optimized_memory", "workspace_size_limit_MB", "adam", "B1", "B2", "eps", "max_crop", "min_crop", "flip",
    "blur", "gaussian_noise", "mixup", "cutmix", "mosaic", "letter_box", "mosaic_bound", "aspect", "power", "gamma",
    "step", "noadjust", "seq_scales", "track", "contrastive", "label_smooth_eps", "burnin_power",
];

/// The same of `[convolutional]`.
#[rustfmt::skip] // one key a line would fill a page
pub(super) const TRAINING_CONVOLUTIONAL: [&str; 9] = [
    "stopbackward", "train_only_bn", "grad_centr", "learning_scale", "assisted_excitation", "stream", "wait_stream",
    "onlyforward", "angle",
];

/// The same of `[yolo]`, with those of its suppression.
#[rustfmt::skip] // one key a line would fill a page
pub(super) const TRAINING_YOLO: [&str; 31] = [
    "iou_loss", "iou_normalizer", "iou_thresh", "iou_thresh_kind", "obj_normalizer", "cls_normalizer",
    "delta_normalizer", "uc_normalizer", "max_delta", "nms_kind", "beta_nms", "label_smooth_eps", "focal_loss",
    "counters_per_class", "map", "resize", "objectness_smooth", "show_details", "track_history_size", "sim_thresh",
    "dets_for_track", "dets_for_show", "track_ciou_norm", "embedding_layer", "bias_match", "rescore", "thresh",
    "object_scale", "noobject_scale", "class_scale", "coord_scale",
];

/// Keys that would make another network of a section, and the values that do not.
pub(super) const NEUTRAL_CONVOLUTIONAL: [(&str, &[&str]); 17] = [
    ("dilation", &["1"]),
    ("stride_x", &["-1"]),
    ("stride_y", &["-1"]),
    ("antialiasing", &["0"]),
    ("share_index", &["-1000000000"]),
    ("cbn", &["0"]),
    ("binary", &["0"]),
    ("xnor", &["0"]),
    ("bin_output", &["0"]),
    ("sway", &["0"]),
    ("rotate", &["0"]),
    ("stretch", &["0"]),
    ("stretch_sway", &["0"]),
    ("flipped", &["0"]),
    ("coordconv", &["0"]),
    ("reverse", &["0"]),
    ("dontload", &["0"]),
];

/// The same of `[maxpool]`.
pub(super) const NEUTRAL_MAXPOOL: [(&str, &[&str]); 4] =
    [("stride_x", &["-1"]), ("stride_y", &["-1"]), ("maxpool_depth", &["0"]), ("antialiasing", &["0"])];

/// The same of `[shortcut]`.
pub(super) const NEUTRAL_SHORTCUT: [(&str, &[&str]); 2] =
    [("weights_type", &["none"]), ("weights_normalization", &["none"])];

/// The same of `[route]`.
pub(super) const NEUTRAL_ROUTE: [(&str, &[&str]); 2] = [("groups", &["1"]), ("group_id", &["0"])];

/// The same of `[dropout]`.
pub(super) const NEUTRAL_DROPOUT: [(&str, &[&str]); 1] = [("dropblock", &["0"])];

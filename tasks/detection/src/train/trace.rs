//! Filter norms and effective learning rates over the steps: the quantities of the paper's Figures 2 and 3, for both arms.

use serde_json::{Value, json};
use wrs_draw::{Panel, Scale, Series, plot_svg};
use wrs_nn::Params;
use wrs_optim::{NormTrace, StepReport};
use wrs_train::metrics::{self, Kind, MetricsLog};
use wrs_train::run_dir::RunDir;

use crate::error::DetectionError;

/// The key of a trace among the values of a line about norms.
const TRACE: &str = "trace";

/// Layers drawn, spread evenly over the network's depth: more lines than this cannot be told apart.
const LAYERS_DRAWN: usize = 8;

/// Leaves the norms of every filter that feeds a batch norm in the metrics; of a step that rescaled, the norms it found.
pub(super) fn write_trace(
    metrics: &mut MetricsLog,
    step: u64,
    epoch: u64,
    params: &Params,
    report: &StepReport,
    lr: f64,
) -> Result<(), DetectionError> {
    let trace = match &report.rescale {
        Some(rescale) => Some(NormTrace::found_by(rescale, params, lr)),
        None => NormTrace::measure(params, lr)?,
    };
    if let Some(trace) = trace {
        metrics.write(Kind::Norms, step, epoch, &json!({ TRACE: trace }))?;
    }
    Ok(())
}

/// Draws the traces of a run into its `norms.svg`; a run without traces gets none.
pub(super) fn draw_traces(run: &RunDir) -> Result<(), DetectionError> {
    let metrics = metrics::read(&run.files().metrics())?;
    let traces: Vec<(u64, &Value)> = metrics
        .records
        .iter()
        .filter(|record| record.kind == Kind::Norms)
        .filter_map(|record| Some((record.step, record.values.get(TRACE)?)))
        .collect();
    let Some(layers) = traces.first().and_then(|(_, trace)| trace["tensors"].as_object()) else { return Ok(()) };
    let names: Vec<&str> = layers.keys().map(String::as_str).collect();
    let shown: Vec<&str> = match names.len() {
        0..=LAYERS_DRAWN => names,
        n => (0..LAYERS_DRAWN).map(|i| names[i * (n - 1) / (LAYERS_DRAWN - 1)]).collect(),
    };
    let panel = |title: &str, quantity: &str, label: &str| {
        let of = |name: &str, find: &dyn Fn(&Value) -> Option<f64>| Series {
            name: name.to_owned(),
            points: traces.iter().map(|(step, trace)| (*step as f64, find(trace).unwrap_or(f64::NAN))).collect(),
        };
        let mut series = vec![of("all filters", &|trace| trace["all"][quantity].as_f64())];
        series.extend(shown.iter().map(|name| of(name, &|trace| trace["tensors"][*name][quantity].as_f64())));
        let (title, x_label, y_label) = (title.to_owned(), "step".to_owned(), label.to_owned());
        Panel { title, x_label, y_label, y_scale: Scale::Log10, series }
    };
    let svg = plot_svg(&[
        panel("filter norms", "norm_mean", "mean of the L2 norms"),
        panel("effective learning rates", "effective_lr", "mean of lr / norm²"),
    ]);
    Ok(run.replace(&run.files().norms(), |writer| writer.write_all(svg.as_bytes()))?)
}

//! Filter norms and effective learning rates over the steps: the quantities of the paper's Figures 2 and 3, for both arms;
//! and what each rescale found.

use serde_json::{Map, Value, json};
use wrs_draw::{Panel, Scale, Series, plot_svg};
use wrs_nn::Params;
use wrs_optim::{NormTrace, StepReport};

use crate::error::TrainError;
use crate::metrics::{self, Kind, MetricsError, MetricsLog};
use crate::run_dir::RunDir;

/// The key of a trace among the values of a line about norms.
const TRACE: &str = "trace";

/// Layers drawn, spread evenly over the network's depth: more lines than this cannot be told apart.
const LAYERS_DRAWN: usize = 8;

/// Leaves what a rescale found in the metrics: over all rows, and by tensor; nothing of a step that did not rescale.
///
/// # Errors
/// [`MetricsError::File`].
pub fn write_rescale(
    metrics: &mut MetricsLog,
    step: u64,
    epoch: u64,
    params: &Params,
    report: &StepReport,
) -> Result<(), MetricsError> {
    let Some(rescale) = &report.rescale else { return Ok(()) };
    let tensors: Map<String, Value> =
        rescale.tensors.iter().map(|(id, stats)| (params.get(*id).name.clone(), json!(stats))).collect();
    let values = json!({ "steps-since": rescale.steps_since, "all": rescale.all, "tensors": tensors });
    metrics.write(Kind::Norms, step, epoch, &values)
}

/// Leaves the norms of every filter that feeds a batch norm in the metrics; of a step that rescaled, the norms it found.
///
/// # Errors
/// [`TrainError::Optim`] for a weight that is not finite, [`TrainError::Metrics`].
pub fn write_trace(
    metrics: &mut MetricsLog,
    step: u64,
    epoch: u64,
    params: &Params,
    report: &StepReport,
    lr: f64,
) -> Result<(), TrainError> {
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
///
/// # Errors
/// [`TrainError::Metrics`] when the metrics cannot be read, [`TrainError::RunDir`] when the plot cannot be written.
pub fn draw_traces(run: &RunDir) -> Result<(), TrainError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{Place, RunInfo};
    use crate::tiny_net::TinyNet;

    #[test]
    fn traces_are_kept_and_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let info = RunInfo::starting("detection", "demo", "d", 0);
        let run = RunDir::create(Place::Exactly(&folder.path().join("run")), &info, "seed = 0\n").unwrap();
        let mut log = MetricsLog::create(&run.files().metrics()).unwrap();
        draw_traces(&run).unwrap();
        assert!(!run.files().norms().exists(), "a run without traces gets no plot");

        let (_, mut params) = TinyNet::new(0);
        let weight = params.find("stem.conv.weight").unwrap();
        params.values_mut(weight).copy_from_slice(&[3.0, 4.0, 0.0, 1.0]);
        let report = StepReport::default();
        write_rescale(&mut log, 1, 0, &params, &report).unwrap();
        for step in [1, 2] {
            write_trace(&mut log, step, 0, &params, &report, 0.5).unwrap();
        }
        let records = metrics::read(&run.files().metrics()).unwrap().records;
        assert_eq!(records.len(), 2, "a step that did not rescale leaves no line");
        // Rows of norm 5 and 1.
        assert_eq!(records[0].values[TRACE]["all"]["norm_mean"], 3.0);
        draw_traces(&run).unwrap();
        let svg = std::fs::read_to_string(run.files().norms()).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("stem.conv.weight"), "{svg}");
    }
}

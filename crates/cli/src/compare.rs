//! `wrs compare`: two arms of runs, paired by seed, with intervals and a verdict.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use serde::Serialize;
use wrs_eval::compare::{
    Arm, ArmSummary, CompareError, CompareMetric, CompareOptions, Comparison, CountMetric, Interval, Outcome, Run,
    Unit, compare_counts, compare_detections, compare_label_maps,
};
use wrs_train::arms::{ArmOfRuns, Judged};

use crate::task::Task;
use crate::{Global, exit};

#[derive(clap::Args)]
pub struct Arguments {
    /// Runs of the first arm
    #[arg(required = true, value_name = "A")]
    a: Vec<PathBuf>,
    /// Runs of the second arm, behind --
    #[arg(required = true, last = true, value_name = "B")]
    b: Vec<PathBuf>,
    /// What the arms are compared by: ap (unless said), ap50 or ap75; miou (unless said), pixel_accuracy, mean_accuracy or
    /// fw_iou; mae (unless said), rmse or nae, of which lower is better
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Judges on another split than the recipe's validation split, by running the networks: test
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Share of repetitions whose interval would hold the truth
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    ci: f64,
    /// Draws of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    boot: usize,
    /// Points (hundredths of the metric; of counts, objects) that a difference must exceed to be called better; exits 7 where B is not shown to be
    #[arg(long, value_name = "POINTS")]
    min_effect: Option<f64>,
}

#[derive(Serialize)]
struct Document<'a, M> {
    judged_on: &'a str,
    runs: [&'a [PathBuf]; 2],
    #[serde(flatten)]
    comparison: &'a Comparison<M>,
}

/// The arguments with the flags behind the second arm's runs moved in front: what stands behind `--` is no flag to the
/// parser, and people type `compare A… -- B… --metric ap50`.
pub fn flags_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_flag = |argument: &OsString| argument.to_string_lossy().starts_with('-');
    let Some(dashes) = arguments.iter().position(|argument| argument == "--") else { return arguments };
    let Some(verb) = arguments[..dashes].iter().position(|argument| argument == "compare") else { return arguments };
    let flags = arguments[dashes + 1..].iter().position(is_flag).map_or(arguments.len(), |at| dashes + 1 + at);
    let moved = arguments.split_off(flags);
    let runs = arguments.split_off(verb + 1);
    arguments.extend(moved.into_iter().chain(runs));
    arguments
}

pub fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let Arguments { a, b, .. } = arguments;
    let judged = match &arguments.split {
        None => Judged::Validation,
        Some(name) => Judged::Split { name, workers: crate::workers(), algorithms: global.algorithms() },
    };
    // Runs of several tasks differ in more than the regulariser, which reading them says.
    match Task::of_run(&a[0])? {
        Task::Detection => {
            let read = wrs_detection::compare::arms(a, b, judged)?;
            let options = options(arguments)?;
            let comparison = compare_detections(&read.truth, &arm(&read.a), &arm(&read.b), &options)?;
            tell(&comparison, &read.judged_on, arguments, global)
        }
        Task::Segmentation => {
            let read = wrs_segmentation::compare::arms(a, b, judged)?;
            let options = options(arguments)?;
            let comparison = compare_label_maps(read.num_classes, &arm(&read.a), &arm(&read.b), &options)?;
            tell(&comparison, &read.judged_on, arguments, global)
        }
        Task::Counting => {
            let read = wrs_counting::compare::arms(a, b, judged)?;
            let options: CompareOptions<CountMetric> = options(arguments)?;
            let comparison = compare_counts(&arm(&read.a), &arm(&read.b), &options)?;
            tell(&comparison, &read.judged_on, arguments, global)
        }
    }
}

fn options<M: CompareMetric + Default + FromStr<Err = CompareError>>(
    arguments: &Arguments,
) -> anyhow::Result<CompareOptions<M>> {
    let metric = arguments.metric.as_deref().map_or_else(|| Ok(M::default()), str::parse)?;
    Ok(CompareOptions {
        metric,
        confidence: arguments.ci,
        draws: arguments.boot,
        min_effect: arguments.min_effect.unwrap_or(0.0) / metric.unit().in_one(),
        ..CompareOptions::default()
    })
}

fn arm<F>(of: &ArmOfRuns<Vec<F>>) -> Arm<'_, F> {
    let runs = of.runs.iter().map(|run| Run { seed: run.seed, found: &run.found }).collect();
    Arm { name: of.name.clone(), runs }
}

/// Prints a comparison, and refuses one that does not show what was asked for.
fn tell<M: CompareMetric + Display + Serialize>(
    comparison: &Comparison<M>,
    judged_on: &str,
    arguments: &Arguments,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    if global.json {
        let document = Document { judged_on, runs: [&arguments.a, &arguments.b], comparison };
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print!("{}", table(comparison, judged_on));
    }
    match arguments.min_effect {
        Some(least) if comparison.verdict.outcome != Outcome::BBetter => {
            let unit = comparison.options.metric.unit();
            let points = if unit == Unit::Points { " points" } else { "" };
            let got = format!("{:+.2}{points}: {}", unit.in_one() * comparison.difference, comparison.verdict.text);
            let metric = format!("{} of {}", comparison.options.metric, comparison.b.name);
            Err(exit::Gate { metric, got, side: "a difference for the better above", bound: least }.into())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn table<M: CompareMetric + Display>(comparison: &Comparison<M>, judged_on: &str) -> String {
    let Comparison { options, seeds, a, b, difference, .. } = comparison;
    let unit = options.metric.unit().in_one();
    let mut lines = vec![
        format!("{} on {judged_on}", options.metric),
        format!("{:<10} {:>3} {:>7} {:>6}   per seed ({})", "", "n", "mean", "sd", list(seeds)),
        summary(a, unit),
        summary(b, unit),
    ];
    let name = format!("difference {}-{}  {:+.2}", b.name, a.name, unit * difference);
    let share = 100.0 * options.confidence;
    let mut interval = |of: &Interval, what: String| {
        let lead = if lines.len() == 4 { name.clone() } else { String::new() };
        lines.push(format!("{lead:<26} {share:.0}% CI [{:+.2}, {:+.2}]  {what}", unit * of.low, unit * of.high));
    };
    if let Some(t) = &comparison.over_seeds {
        interval(&t.interval, format!("paired over seeds (t, {} df)", seeds.len() - 1));
    }
    interval(&comparison.over_images.interval, format!("images resampled ({} draws)", options.draws));
    if let Some(both) = &comparison.over_seeds_and_images {
        interval(both, format!("seeds and images resampled together ({} draws)", options.draws));
    }
    lines.push(format!("verdict  {}", comparison.verdict.text));
    lines.push("data, program and recipe are the same in every run but for the regulariser and the seed".to_owned());
    lines.join("\n") + "\n"
}

fn summary(arm: &ArmSummary, unit: f64) -> String {
    let values: Vec<String> = arm.values.iter().map(|value| format!("{:.2}", unit * value)).collect();
    let sd = arm.sd.map_or_else(|| "-".to_owned(), |sd| format!("{:.2}", unit * sd));
    format!("{:<10} {:>3} {:>7.2} {sd:>6}   {}", arm.name, arm.values.len(), unit * arm.mean, values.join(" "))
}

fn list(seeds: &[u64]) -> String {
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_behind_the_second_arm_come_first() {
        let moved = |text: &str| -> String {
            let arguments = flags_first(text.split(' ').map(OsString::from).collect());
            arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(moved("wrs compare a b -- c d --metric ap50 -q"), "wrs compare --metric ap50 -q a b -- c d");
        for unmoved in ["wrs compare --boot 9 a -- b", "wrs compare a b", "wrs predict x -- -odd.jpg"] {
            assert_eq!(moved(unmoved), unmoved);
        }
    }
}

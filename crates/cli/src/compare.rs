//! `wrs compare`: two arms of runs, paired by seed, with intervals and a verdict.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use wrs_detection::compare::arms;
use wrs_eval::Detection;
use wrs_eval::compare::{
    ApMetric, Arm, ArmSummary, CompareOptions, Comparison, Interval, Outcome, Run, compare_detections,
};
use wrs_train::arms::{ArmOfRuns, Judged};

use crate::{Global, exit};

#[derive(clap::Args)]
pub struct Arguments {
    /// Runs of the first arm
    #[arg(required = true, value_name = "A")]
    a: Vec<PathBuf>,
    /// Runs of the second arm, behind --
    #[arg(required = true, last = true, value_name = "B")]
    b: Vec<PathBuf>,
    /// What the arms are compared by: ap, ap50 or ap75
    #[arg(long, value_name = "METRIC", default_value = "ap")]
    metric: ApMetric,
    /// Judges on another split than the recipe's validation split, by running the networks: test
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Share of repetitions whose interval would hold the truth
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    ci: f64,
    /// Draws of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    boot: usize,
    /// Points (hundredths of the metric) that a difference must exceed to be called better; exits 7 where B is not shown to be
    #[arg(long, value_name = "POINTS")]
    min_effect: Option<f64>,
}

#[derive(Serialize)]
struct Document<'a> {
    judged_on: &'a str,
    runs: [Vec<&'a Path>; 2],
    #[serde(flatten)]
    comparison: &'a Comparison<ApMetric>,
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
    let judged = match &arguments.split {
        None => Judged::Validation,
        Some(name) => Judged::Split { name, workers: crate::workers(), algorithms: global.algorithms() },
    };
    let read = arms(&arguments.a, &arguments.b, judged)?;
    let options = CompareOptions {
        metric: arguments.metric,
        confidence: arguments.ci,
        draws: arguments.boot,
        min_effect: arguments.min_effect.unwrap_or(0.0) / 100.0,
        ..CompareOptions::default()
    };
    let comparison = compare_detections(&read.truth, &arm(&read.a), &arm(&read.b), &options)?;
    if global.json {
        let runs = [&read.a, &read.b].map(|arm| arm.runs.iter().map(|run| run.files.root()).collect());
        let document = Document { judged_on: &read.judged_on, runs, comparison: &comparison };
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print!("{}", table(&comparison, &read.judged_on));
    }
    match arguments.min_effect {
        Some(least) if comparison.verdict.outcome != Outcome::BBetter => {
            let got = format!("{:+.2} points: {}", 100.0 * comparison.difference, comparison.verdict.text);
            Err(exit::Gate { metric: format!("{} of {}", options.metric, read.b.name), got, least }.into())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn arm(of: &ArmOfRuns<Vec<Detection>>) -> Arm<'_, Detection> {
    let runs = of.runs.iter().map(|run| Run { seed: run.seed, found: &run.found }).collect();
    Arm { name: of.name.clone(), runs }
}

fn table(comparison: &Comparison<ApMetric>, judged_on: &str) -> String {
    let Comparison { options, seeds, a, b, difference, .. } = comparison;
    let mut lines = vec![
        format!("{} on {judged_on}", options.metric),
        format!("{:<10} {:>3} {:>7} {:>6}   per seed ({})", "", "n", "mean", "sd", list(seeds)),
        summary(a),
        summary(b),
    ];
    let name = format!("difference {}-{}  {:+.2}", b.name, a.name, 100.0 * difference);
    let share = 100.0 * options.confidence;
    let mut interval = |of: &Interval, what: String| {
        let lead = if lines.len() == 4 { name.clone() } else { String::new() };
        lines.push(format!("{lead:<26} {share:.0}% CI [{:+.2}, {:+.2}]  {what}", 100.0 * of.low, 100.0 * of.high));
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

fn summary(arm: &ArmSummary) -> String {
    let values: Vec<String> = arm.values.iter().map(|value| format!("{:.2}", 100.0 * value)).collect();
    let sd = arm.sd.map_or_else(|| "-".to_owned(), |sd| format!("{:.2}", 100.0 * sd));
    format!("{:<10} {:>3} {:>7.2} {sd:>6}   {}", arm.name, arm.values.len(), 100.0 * arm.mean, values.join(" "))
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

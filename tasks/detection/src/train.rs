//! The training of a detector, from the data to the best weights.

mod talk;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

use wrs_eval::write_detections;
use wrs_nn::{Buffer, Gradients, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_optim::{Ema, Optimizer, check_gradients, clip_grad_norm};
use wrs_train::TrainError;
use wrs_train::checkpoint::Mark;
use wrs_train::divergence::Divergence;
use wrs_train::freeze::freeze;
use wrs_train::interrupt::Signal;
use wrs_train::memory;
use wrs_train::metrics::{Kind, MetricsLog};
use wrs_train::plan::{Course, CourseSettings};
use wrs_train::progress::{Meter, Snapshot};
use wrs_train::recipe::Loaded;
use wrs_train::run_dir::Place;
use wrs_train::saving::{load, save};
use wrs_train::session::{Session, TrainOptions, TrainOutcome};
use wrs_train::state::Goal;
use wrs_train::talk::say_first_norms;
use wrs_train::trace::{draw_traces, write_rescale, write_trace};
use wrs_weights::safetensors;

use crate::anchors::{Anchors, LevelMap};
use crate::calibrate::recalibrated;
use crate::error::DetectionError;
use crate::evaluate::{Detector, evaluate};
use crate::init::load_init;
use crate::loss::{LossError, LossStep, YoloLoss};
use crate::net::DetectionNet;
use crate::recipe::Recipe;
use crate::sample::{self, Batch, Batcher};
use crate::saved::Description;

use talk::{Terms, introduce, tell};

/// The metric that decides which weights are the best.
const BEST_BY: &str = "ap50";

/// Checkpoints kept beside the last and the best.
const KEEP: usize = 1;

/// Begins a run: its directory and recipe are written before anything else happens.
///
/// # Errors
/// [`DetectionError`].
pub fn train(
    loaded: &Loaded<Recipe>,
    place: Place<'_>,
    source: &str,
    options: TrainOptions,
) -> Result<TrainOutcome, DetectionError> {
    sample::check_source(&loaded.recipe)?;
    // Data that is not there is told of first, when it is opened.
    if sample::folder(&loaded.recipe).map_or(true, |(root, _)| root.exists()) {
        options.fetch(loaded.recipe.training.init.as_ref())?;
    }
    let session = Session::create("detection", loaded, place, source)?;
    carry_out(&loaded.recipe, session, options)
}

/// Goes on with a run, from its last checkpoint or from the start.  A finished run is left as it is.
///
/// # Errors
/// [`DetectionError`].
pub fn resume(root: &Path, options: TrainOptions) -> Result<TrainOutcome, DetectionError> {
    match Session::resume::<Recipe>(root)? {
        Some((session, loaded)) => carry_out(&loaded.recipe, session, options),
        None => Ok(options.nothing_left(root)),
    }
}

fn carry_out(recipe: &Recipe, mut session: Session, options: TrainOptions) -> Result<TrainOutcome, DetectionError> {
    let ended = steps(recipe, &mut session, options);
    session.end(ended, |error| matches!(error, DetectionError::Train(TrainError::Diverged(_))))
}

/// Every step of a run that is still to do; gives the signal that ended it early.
#[allow(clippy::too_many_lines)] // the order of events, top to bottom in one place
fn steps(recipe: &Recipe, session: &mut Session, options: TrainOptions) -> Result<Option<Signal>, DetectionError> {
    let TrainOptions { workers, algorithms, progress, interrupt, finder } = options;
    let training = &recipe.training;
    let mut progress = progress(Some(session.run.open_log()?));
    let checkpoints = session.run.checkpoints(KEEP)?;

    // data
    let data = sample::open(recipe, session.run.files().root())?;
    session.note_data(data.summary())?;
    let Course { plan, total, length } = Course::of(
        training,
        CourseSettings {
            images: data.train.images.len() as u64,
            nominal_batch: recipe.nominal_batch,
            growing_accumulation: recipe.growing_accumulation,
        },
    );

    // network, loss, optimizer
    let anchors = Anchors::deal(&recipe.anchors, &recipe.model.levels()?)?;
    let classes = data.class_names.len();
    let (net, mut params) = DetectionNet::new(&recipe.model, classes, training.seed)?;
    let notes = freeze(&mut params, &training.freeze)?;
    let loss = YoloLoss::new(anchors.clone(), classes, recipe.loss.clone()).map_err(DetectionError::Loss)?;
    let mut optimizer = training.regularizer.build_optimizer(&training.optimizer, &params)?;
    introduce(recipe, &data, &params, optimizer.as_ref(), &session.run, total, &notes, &mut progress);

    // where it stands
    let metadata = Description::of(recipe, &data.val.categories).metadata()?;
    let resumed = load(&checkpoints, &mut session.state, &mut params, optimizer.as_mut(), recipe.ema, &mut progress)?;
    let (mut metrics, mut ema) = if let Some(resumed) = resumed {
        (session.resume_metrics(&mut progress)?, resumed.ema)
    } else {
        if let Some(path) = session.start_file(training.init.as_ref(), &finder, &mut progress)? {
            progress.say(&load_init(&path, &net, &mut params)?.join("\n"));
            say_first_norms(&training.regularizer, &params, &mut progress)?;
        }
        let mut metrics = MetricsLog::restart(&session.run.files().metrics())?;
        let started = optimizer.start(&mut params);
        let report = started.map_err(|e| Divergence::or_refusal::<u64>(e, 0, []))?;
        write_rescale(&mut metrics, 0, 0, &params, &report)?;
        (metrics, recipe.ema.map(|config| Ema::new(config, &params)).transpose()?)
    };
    let Session { run, state, .. } = session;
    let batcher = Batcher::new(recipe, data.train.clone(), plan.clone(), net.input())?;
    let mut batches = batcher.start(state.step, total, workers)?;
    let mut gradients = Gradients::new(&params);
    let mut meter = Meter::new();

    while state.step < total {
        let begun = Instant::now();
        let waited_before = batches.waited();
        let step = state.step;
        let range = plan.micro_batches(step);
        let factors = training.schedule.at(range.end - 1, length);
        let (mut terms, mut images) = (Terms::default(), Vec::new());
        gradients.reset();
        for micro_batch_index in range.clone() {
            let batch = batches.next().ok_or(TrainError::OutOfBatches { step: step + 1 })??;
            let scale = training.batch.get() as f64 / recipe.nominal_batch.get() as f64;
            let loss_step = LossStep { giou_ratio: factors.warmth, scale };
            let how = How { loss_step, seed: training.seed, step, index: micro_batch_index, algorithms };
            images.extend(batch.image_ids.iter().flatten().copied());
            terms.images += batch.dims.n;
            terms.size = batch.dims.h.max(batch.dims.w);
            micro_batch(&net, &mut params, &loss, batch, how, &mut gradients, &mut terms)?;
        }
        let diverged = |e| Divergence::or_refusal(e, step + 1, &images);
        check_gradients(&params, &mut gradients).map_err(diverged)?;
        let (epoch, _) = plan.place(range.end - 1);
        let settings = optimizer.groups().settings(training.lr, training.optimizer.momentum(), &factors, epoch);
        let norm = recipe.clip_grad_norm.map(|most| clip_grad_norm(&mut gradients, most));
        let report = optimizer.step(&mut params, &mut gradients, &settings).map_err(diverged)?;
        if let Some(ema) = &mut ema {
            ema.update(&params)?;
        }
        state.step += 1;
        (state.epoch, state.position) = plan.place(range.end);

        // what it was
        let waited = batches.waited().saturating_sub(waited_before);
        meter.record(terms.images, begun.elapsed(), waited);
        let lr = training.lr * factors.weights;
        terms.gradient_norm = norm;
        metrics.write(Kind::Train, state.step, epoch, &terms.record(lr, settings.momentum, begun.elapsed(), waited))?;
        write_rescale(&mut metrics, state.step, epoch, &params, &report)?;
        progress.update(&Snapshot {
            epoch,
            epochs: training.length.epochs(),
            step: state.step,
            steps: total,
            values: &terms.shown(),
            lr,
            pace: meter.pace(),
            peak_memory: memory::peak_resident(),
        });

        // what it is worth, and whether it stays
        let stop = interrupt.requested();
        let done = state.step;
        let due = |every: NonZeroU64| done.is_multiple_of(every.get()) || done == total;
        let mut mark = Mark::Last;
        if training.trace_every.is_some_and(due) {
            write_trace(&mut metrics, state.step, epoch, &params, &report, lr)?;
        }
        if due(training.evaluate_every) {
            let averaged = ema.as_ref().map_or(&params, Ema::params);
            let judged = &*recalibrated(recipe, &net, averaged, &data.train, workers, algorithms)?;
            let detector = Detector { net: &net, params: judged, anchors: &anchors, algorithms };
            let result = evaluate(detector, &data.val, &recipe.evaluation, workers)?;
            tell(&result, state.step, &mut progress);
            metrics.write(Kind::Val, state.step, epoch, &result.metrics)?;
            // A set without labels has no AP: the latest weights are then as good as any.
            if state.improve(BEST_BY, result.metrics.ap50.unwrap_or(0.0), Goal::Highest)
                || result.metrics.ap50.is_none()
            {
                let mut found = Vec::new();
                write_detections(&mut found, &result.detections)?;
                run.replace(&run.files().detections(), |writer| writer.write_all(&found))?;
                run.replace(&run.files().best(), |writer| safetensors::write(judged, &metadata, writer))?;
                mark = Mark::LastAndBest;
            }
        }
        if due(training.checkpoint_every) || stop.is_some() || matches!(mark, Mark::LastAndBest) {
            metrics.sync()?;
            save(&checkpoints, state, &params, &metadata, optimizer.as_ref(), ema.as_ref(), mark)?;
        }
        if stop.is_some() && state.step < total {
            progress.finish();
            progress.say(&format!("stopped after step {}, saved", state.step));
            draw_traces(run)?;
            return Ok(stop);
        }
    }
    progress.finish();
    draw_traces(run)?;
    Ok(None)
}

/// What a micro-batch is computed with.
#[derive(Clone, Copy)]
struct How {
    loss_step: LossStep,
    /// The run's, for dropout.
    seed: u64,
    /// Steps made before this one.
    step: u64,
    /// Of the micro-batch in the run.
    index: u64,
    algorithms: Algorithms,
}

/// Forward, loss, backward of one micro-batch; nothing has changed when its loss is not finite.
fn micro_batch(
    net: &DetectionNet,
    params: &mut Params,
    loss: &YoloLoss,
    batch: Batch,
    how: How,
    gradients: &mut Gradients,
    terms: &mut Terms,
) -> Result<(), DetectionError> {
    let mut pass = Pass::train(params, how.algorithms).with_draws(how.seed, how.index);
    let x = pass.input(batch.dims, batch.pixels.into(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x)?;
    drop(x);
    let maps: Vec<LevelMap<'_>> = outputs
        .iter()
        .map(|v| LevelMap { n: v.dims().n, h: v.dims().h, w: v.dims().w, logits: v.buffer().host() })
        .collect();
    let value = loss.compute(&maps, &batch.truths, how.loss_step).map_err(|source| match &source {
        LossError::NotFinite { images, .. } => {
            let images: Vec<u64> =
                images.iter().flat_map(|&i| batch.image_ids.get(i).into_iter().flatten().copied()).collect();
            Divergence::new(how.step + 1, images, source).into()
        }
        _ => DetectionError::Loss(source),
    })?;
    terms.add(&value);
    let mut tape = pass.into_tape()?;
    let seeds: Vec<(wrs_nn::Value, Buffer)> = outputs.into_iter().zip(value.gradients).collect();
    tape.update_statistics(params)?;
    tape.backward(params, seeds, gradients, None)?;
    Ok(())
}

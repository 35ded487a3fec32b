//! The training of a segmenter, from the data to the best weights.

mod talk;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

use wrs_eval::write_confusions;
use wrs_nn::{Gradients, InputGradient, Params, Pass};
use wrs_ops::conv::Algorithms;
use wrs_optim::check_gradients;
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

use crate::calibrate::recalibrated;
use crate::error::SegmentationError;
use crate::evaluate::{Segmenter, evaluate, tell_tiles};
use crate::first_batch::strange_input;
use crate::init::load_init;
use crate::loss::loss;
use crate::model::DeepLabV3;
use crate::net::AuxiliaryConfig;
use crate::recipe::Recipe;
use crate::sample::{self, Batch, Batcher};
use crate::saved::Description;

use talk::{AllVoid, Remarks, Terms, introduce, tell};

/// The metric that decides which weights are the best.
const BEST_BY: &str = "miou";

/// Checkpoints kept beside the last and the best.
const KEEP: usize = 1;

/// Begins a run: its directory and recipe are written before anything else happens.
///
/// # Errors
/// [`SegmentationError`].
pub fn train(
    loaded: &Loaded<Recipe>,
    place: Place<'_>,
    source: &str,
    options: TrainOptions,
) -> Result<TrainOutcome, SegmentationError> {
    sample::check_source(&loaded.recipe)?;
    // Data that is not there is told of first, when it is opened.
    if sample::folder(&loaded.recipe).map_or(true, |(root, _)| root.exists()) {
        options.fetch(loaded.recipe.training.init.as_ref())?;
    }
    let session = Session::create("segmentation", loaded, place, source)?;
    carry_out(&loaded.recipe, session, options)
}

/// Goes on with a run, from its last checkpoint or from the start.  A finished run is left as it is.
///
/// # Errors
/// [`SegmentationError`].
pub fn resume(root: &Path, options: TrainOptions) -> Result<TrainOutcome, SegmentationError> {
    match Session::resume::<Recipe>(root)? {
        Some((session, loaded)) => carry_out(&loaded.recipe, session, options),
        None => Ok(options.nothing_left(root)),
    }
}

fn carry_out(recipe: &Recipe, mut session: Session, options: TrainOptions) -> Result<TrainOutcome, SegmentationError> {
    let ended = steps(recipe, &mut session, options);
    session.end(ended, |error| matches!(error, SegmentationError::Train(TrainError::Diverged(_))))
}

/// Every step of a run that is still to do; gives the signal that ended it early.
#[allow(clippy::too_many_lines)] // the order of events, top to bottom in one place
fn steps(recipe: &Recipe, session: &mut Session, options: TrainOptions) -> Result<Option<Signal>, SegmentationError> {
    let TrainOptions { workers, algorithms, progress, interrupt, finder } = options;
    let training = &recipe.training;
    let mut progress = progress(Some(session.run.open_log()?));
    let checkpoints = session.run.checkpoints(KEEP)?;

    // data
    let data = sample::open(recipe, session.run.files().root())?;
    session.note_data(data.summary()?)?;
    let Course { plan, total, length } = Course::of(
        training,
        CourseSettings {
            images: sample::trained(recipe, &data.train),
            nominal_batch: training.batch,
            growing_accumulation: false,
        },
    );

    // network, optimizer
    let (net, mut params) = DeepLabV3::new(&recipe.model, data.train.class_names.len(), training.seed);
    let notes = freeze(&mut params, &training.freeze)?;
    let mut optimizer = training.regularizer.build_optimizer(&training.optimizer, &params)?;
    introduce(recipe, &data, &params, optimizer.as_ref(), &session.run, total, &notes, &mut progress);
    let segmenter = Segmenter { net: &net, params: &params, input: &recipe.input, algorithms };
    if let Some(line) = tell_tiles(&segmenter, &data.val, &recipe.evaluation) {
        progress.say(&line);
    }

    // where it stands
    let metadata = Description::of(recipe, &data.val.class_names).metadata()?;
    let resumed = load(&checkpoints, &mut session.state, &mut params, optimizer.as_mut(), None, &mut progress)?;
    let mut metrics = if resumed.is_some() {
        session.resume_metrics(&mut progress)?
    } else {
        if let Some(path) = session.start_file(training.init.as_ref(), &finder, &mut progress)? {
            progress.say(&load_init(&path, &mut params)?.join("\n"));
            say_first_norms(&training.regularizer, &params, &mut progress)?;
        }
        let mut metrics = MetricsLog::restart(&session.run.files().metrics())?;
        let started = optimizer.start(&mut params);
        let report = started.map_err(|e| Divergence::or_refusal::<&str>(e, 0, []))?;
        write_rescale(&mut metrics, 0, 0, &params, &report)?;
        metrics
    };
    let Session { run, state, .. } = session;
    let batcher = Batcher::new(recipe, &data.train, plan.clone());
    let mut batches = batcher.start(state.step, total, workers)?;
    let mut gradients = Gradients::new(&params);
    let mut meter = Meter::new();
    let (mut all_void, mut remarks) = (AllVoid::default(), Remarks::default());

    while state.step < total {
        let begun = Instant::now();
        let waited_before = batches.waited();
        let step = state.step;
        let factors = training.schedule.at(step, length);
        let batch = batches.next().ok_or(TrainError::OutOfBatches { step: step + 1 })??;
        let images = batch.ids.clone();
        remarks.count(&batch);
        if let Some(warning) = (step == 0).then(|| strange_input(&batch)).flatten() {
            progress.say(&format!("warning: {warning}"));
        }
        gradients.reset();
        let how = How { seed: training.seed, step, auxiliary: recipe.model.auxiliary, algorithms };
        let terms = micro_batch(&net, &mut params, batch, how, &mut gradients)?;
        all_void.count(&terms);
        let diverged = |e| Divergence::or_refusal(e, step + 1, &images);
        check_gradients(&params, &mut gradients).map_err(diverged)?;
        let (epoch, _) = plan.place(step);
        let settings = optimizer.groups().settings(training.lr, training.optimizer.momentum(), &factors, epoch);
        let report = optimizer.step(&mut params, &mut gradients, &settings).map_err(diverged)?;
        state.step += 1;
        (state.epoch, state.position) = plan.place(state.step);

        // what it was
        let waited = batches.waited().saturating_sub(waited_before);
        meter.record(images.len(), begun.elapsed(), waited);
        let lr = training.lr * factors.weights;
        metrics.write(Kind::Train, state.step, epoch, &terms.record(lr, images.len(), begun.elapsed(), waited))?;
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
            let judged = &*recalibrated(recipe, &net, &params, &data.train, workers, algorithms)?;
            let segmenter = Segmenter { net: &net, params: judged, input: &recipe.input, algorithms };
            let result = evaluate(segmenter, &data.val, &recipe.evaluation, workers, &mut |_, _| Ok(()))?;
            tell(&result, state.step, &mut progress);
            all_void.tell(&mut progress);
            remarks.tell(&result, &mut progress);
            metrics.write(Kind::Val, state.step, epoch, &result.metrics)?;
            // A split of nothing but void has no mIOU: the latest weights are then as good as any.
            let miou = result.metrics.miou;
            if state.improve(BEST_BY, miou.unwrap_or(0.0), Goal::Highest) || miou.is_none() {
                run.replace(&run.files().confusions(), |writer| write_confusions(writer, &result.by_image))?;
                run.replace(&run.files().best(), |writer| safetensors::write(judged, &metadata, writer))?;
                mark = Mark::LastAndBest;
            }
        }
        if due(training.checkpoint_every) || stop.is_some() || matches!(mark, Mark::LastAndBest) {
            metrics.sync()?;
            save(&checkpoints, state, &params, &metadata, optimizer.as_ref(), None, mark)?;
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

/// What a batch is computed with.
#[derive(Clone, Copy)]
struct How {
    /// The run's, for dropout.
    seed: u64,
    step: u64,
    auxiliary: Option<AuxiliaryConfig>,
    algorithms: Algorithms,
}

/// Forward, loss, backward of one batch; nothing has changed when its loss is not finite.
fn micro_batch(
    net: &DeepLabV3,
    params: &mut Params,
    batch: Batch,
    how: How,
    gradients: &mut Gradients,
) -> Result<Terms, SegmentationError> {
    let Batch { dims, pixels, labels, ids, notes: _ } = batch;
    let mut pass = Pass::train(params, how.algorithms).with_draws(how.seed, how.step);
    let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
    let outputs = net.forward(&mut pass, &x)?;
    drop(x);
    let value = loss(outputs, &labels, how.auxiliary)?;
    if !value.total.is_finite() {
        let images = value.not_finite.iter().filter_map(|&image| ids.get(image));
        let reason = "the loss is not finite\nhelp: a smaller lr, or look at these pictures";
        return Err(Divergence::new(how.step + 1, images, reason).into());
    }
    let terms = Terms::of(&value);
    let mut tape = pass.into_tape()?;
    tape.update_statistics(params)?;
    tape.backward(params, value.seeds, gradients, None)?;
    Ok(terms)
}

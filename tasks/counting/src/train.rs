//! The training of a counter, from the data to the best weights.

mod talk;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

use wrs_datasets::counting::CountingDataset;
use wrs_eval::{Buckets, write_image_counts};
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
use wrs_train::progress::{Meter, Progress, Snapshot};
use wrs_train::recipe::Loaded;
use wrs_train::run_dir::Place;
use wrs_train::saving::{load, save};
use wrs_train::session::{Session, TrainOptions, TrainOutcome};
use wrs_train::state::Goal;
use wrs_train::talk::say_first_norms;
use wrs_train::trace::{draw_traces, write_rescale, write_trace};
use wrs_weights::safetensors;

use crate::calibrate::{images_to_calibrate, plain_crops, recalibrated};
use crate::error::CountingError;
use crate::evaluate::{Counter, evaluate};
use crate::init::{Start, load_init};
use crate::loss::loss;
use crate::model::CsrNet;
use crate::recipe::{Recipe, TASK};
use crate::sample::{self, Batch, Batcher};
use crate::saved::Description;

use talk::{Terms, introduce, tell};

/// The metric that decides which weights are the best.
const BEST_BY: &str = "mae";

/// Checkpoints kept beside the last and the best.
const KEEP: usize = 1;

/// Begins a run: its directory and recipe are written before anything else happens.
///
/// # Errors
/// [`CountingError`].
pub fn train(
    loaded: &Loaded<Recipe>,
    place: Place<'_>,
    source: &str,
    options: TrainOptions,
) -> Result<TrainOutcome, CountingError> {
    sample::check_source(&loaded.recipe)?;
    // Data that is not there is told of first, when it is opened.
    if sample::folder(&loaded.recipe).map_or(true, |(root, _)| root.exists()) {
        options.fetch(loaded.recipe.training.init.as_ref())?;
    }
    let session = Session::create(TASK, loaded, place, source)?;
    carry_out(&loaded.recipe, session, options)
}

/// Goes on with a run, from its last checkpoint or from the start.  A finished run is left as it is.
///
/// # Errors
/// [`CountingError`].
pub fn resume(root: &Path, options: TrainOptions) -> Result<TrainOutcome, CountingError> {
    match Session::resume::<Recipe>(root)? {
        Some((session, loaded)) => carry_out(&loaded.recipe, session, options),
        None => Ok(options.nothing_left(root)),
    }
}

fn carry_out(recipe: &Recipe, mut session: Session, options: TrainOptions) -> Result<TrainOutcome, CountingError> {
    let ended = steps(recipe, &mut session, options);
    session.end(ended, |error| matches!(error, CountingError::Train(TrainError::Diverged(_)) | CountingError::Grid(_)))
}

/// Every step of a run that is still to do; gives the signal that ended it early.
#[allow(clippy::too_many_lines)] // the order of events, top to bottom in one place
fn steps(recipe: &Recipe, session: &mut Session, options: TrainOptions) -> Result<Option<Signal>, CountingError> {
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
            growing_accumulation: false,
        },
    );

    // network, optimizer
    let (net, mut params) = CsrNet::new(&recipe.model, training.seed);
    let notes = freeze(&mut params, &training.freeze)?;
    let mut optimizer = training.regularizer.build_optimizer(&training.optimizer, &params)?;
    introduce(recipe, &data, &params, optimizer.as_ref(), &session.run, total, &notes, &mut progress);

    // where it stands
    let metadata = Description::of(recipe).metadata()?;
    let resumed = load(&checkpoints, &mut session.state, &mut params, optimizer.as_mut(), None, &mut progress)?;
    let mut metrics = if resumed.is_some() {
        session.resume_metrics(&mut progress)?
    } else {
        if let Some(path) = session.start_file(training.init.as_ref(), &finder, &mut progress)? {
            start_from(&path, recipe, &net, &mut params, &data.train, workers, algorithms, &mut progress)?;
            say_first_norms(&training.regularizer, &params, &mut progress)?;
        }
        let mut metrics = MetricsLog::restart(&session.run.files().metrics())?;
        let started = optimizer.start(&mut params);
        let report = started.map_err(|e| Divergence::or_refusal::<&str>(e, 0, []))?;
        write_rescale(&mut metrics, 0, 0, &params, &report)?;
        metrics
    };
    let Session { run, state, .. } = session;
    let batcher = Batcher::new(recipe, &data.train, plan.clone())?;
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
        for _ in range.clone() {
            let batch = batches.next().ok_or(TrainError::OutOfBatches { step: step + 1 })??;
            images.extend_from_slice(&batch.ids);
            micro_batch(&net, &mut params, batch, step, algorithms, &mut gradients, &mut terms)?;
        }
        let diverged = |e| Divergence::or_refusal(e, step + 1, &images);
        check_gradients(&params, &mut gradients).map_err(diverged)?;
        let (epoch, _) = plan.place(range.end - 1);
        let settings = optimizer.groups().settings(training.lr, training.optimizer.momentum(), &factors, epoch);
        let report = optimizer.step(&mut params, &mut gradients, &settings).map_err(diverged)?;
        state.step += 1;
        (state.epoch, state.position) = plan.place(range.end);

        // what it was
        let waited = batches.waited().saturating_sub(waited_before);
        meter.record(images.len(), begun.elapsed(), waited);
        let lr = training.lr * factors.weights;
        metrics.write(Kind::Train, state.step, epoch, &terms.record(lr, begun.elapsed(), waited))?;
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
            let counter = Counter {
                model: &recipe.model,
                net: &net,
                params: judged,
                input: &recipe.input,
                resize: recipe.resize.as_ref(),
                algorithms,
            };
            let result = evaluate(counter, &data.val, &recipe.evaluation, &Buckets::None, workers)?;
            tell(&result, state.step, &mut progress);
            metrics.write(Kind::Val, state.step, epoch, &result.metrics)?;
            if state.improve(BEST_BY, result.metrics.mae, Goal::Lowest) {
                run.replace(&run.files().counts(), |writer| {
                    write_image_counts(writer, &result.by_image).map_err(std::io::Error::other)
                })?;
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

/// Starts the network from a file; norms that the file has none of are filled from training crops, so that the file's function
/// is kept.
#[allow(clippy::too_many_arguments)] // the crops' and the network's
fn start_from(
    path: &Path,
    recipe: &Recipe,
    net: &CsrNet,
    params: &mut Params,
    set: &CountingDataset,
    workers: usize,
    algorithms: Algorithms,
    progress: &mut Progress,
) -> Result<(), CountingError> {
    let Start { lines, uncalibrated } = load_init(path, &recipe.model, params)?;
    progress.say(&lines.join("\n"));
    if let Some(uncalibrated) = uncalibrated {
        let images = images_to_calibrate(recipe)?;
        progress.say(&format!("        {} norms calibrated on {images} training crops", uncalibrated.len()));
        uncalibrated.calibrate(net, params, algorithms, plain_crops(recipe, set, images, workers)?)?;
    }
    Ok(())
}

/// Forward, loss, backward of one micro-batch; nothing has changed when its loss is not finite.
fn micro_batch(
    net: &CsrNet,
    params: &mut Params,
    batch: Batch,
    step: u64,
    algorithms: Algorithms,
    gradients: &mut Gradients,
    terms: &mut Terms,
) -> Result<(), CountingError> {
    let Batch { dims, pixels, posteriors, of_step, ids } = batch;
    let people: Vec<usize> = posteriors.iter().map(|posterior| posterior.targets().len()).collect();
    let mut pass = Pass::train(params, algorithms);
    let x = pass.input(dims, pixels.into(), InputGradient::Skipped);
    let raw = net.forward(&mut pass, &x)?;
    drop(x);
    let value = loss(raw, net.activation(), &posteriors, of_step)?;
    if !value.total.is_finite() {
        let images = value.not_finite.iter().filter_map(|&image| ids.get(image));
        let reason = "the loss is not finite\nhelp: a smaller lr, or look at these pictures";
        return Err(Divergence::new(step + 1, images, reason).into());
    }
    terms.add(&value, &people);
    let mut tape = pass.into_tape()?;
    tape.update_statistics(params)?;
    tape.backward(params, value.seeds, gradients, None)?;
    Ok(())
}

//! Batches made ahead of time on worker threads: in order, with bounded memory, the same whatever the number of workers.
//!
//! The consumer hands out jobs, never more than the capacity ahead of what it has taken, and puts finished batches back into
//! order. A batch is a function of its description alone, so no worker's speed can change it.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use wrs_ops::rng::Rng;

/// Makes a batch of its description.
pub type Make<S, B, E> = Arc<dyn Fn(&S) -> Result<B, E> + Send + Sync>;

/// Why a batch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError<E> {
    /// The error of the function that makes batches.
    #[error("batch {position}: {source}")]
    Make {
        /// Which batch, from 0.
        position: usize,
        /// The error.
        source: E,
    },
    /// The function that makes batches panicked.
    #[error("batch {position}: the worker panicked: {message}\nhelp: this is a fault of the program, please report it")]
    Panic {
        /// Which batch, from 0.
        position: usize,
        /// What it said.
        message: String,
    },
    /// The operating system gave no thread.
    #[error("cannot start a loader thread: {0}\nhelp: ask for fewer workers, or 0 for none")]
    Thread(#[source] std::io::Error),
}

type Job<S> = (usize, S);
type Done<B, E> = (usize, Result<B, LoaderError<E>>);

/// An iterator over finished batches. Dropping it stops the workers after the batch each is at.
pub struct Loader<S, B, E> {
    specs: Box<dyn Iterator<Item = S> + Send>,
    make: Make<S, B, E>,
    /// Absent without workers and while shutting down.
    pool: Option<Pool<S, B, E>>,
    early: HashMap<usize, Result<B, LoaderError<E>>>,
    /// Position of the next job handed out.
    sent: usize,
    /// Position of the next batch to give.
    next: usize,
    waited: Duration,
}

struct Pool<S, B, E> {
    jobs: Sender<Job<S>>,
    done: Receiver<Done<B, E>>,
    workers: Vec<JoinHandle<()>>,
}

impl<S, B, E> Loader<S, B, E>
where
    S: Send + 'static,
    B: Send + 'static,
    E: Send + 'static,
{
    /// Starts making a batch of each description, at most `capacity` (and at least one) ahead of the consumer, those being
    /// made and those waiting together. With 0 workers each batch is made when it is asked for.
    ///
    /// # Errors
    /// [`LoaderError::Thread`].
    pub fn start<I>(workers: usize, capacity: usize, specs: I, make: Make<S, B, E>) -> Result<Self, LoaderError<E>>
    where
        I: IntoIterator<Item = S>,
        I::IntoIter: Send + 'static,
    {
        let mut loader = Self {
            specs: Box::new(specs.into_iter()),
            make,
            pool: None,
            early: HashMap::new(),
            sent: 0,
            next: 0,
            waited: Duration::ZERO,
        };
        if workers > 0 {
            let capacity = capacity.max(1);
            loader.pool = Some(Pool::start(workers, capacity, &loader.make)?);
            for _ in 0..capacity {
                loader.send_job();
            }
        }
        Ok(loader)
    }

    fn send_job(&mut self) {
        let Some(pool) = &self.pool else { return };
        if let Some(spec) = self.specs.next() {
            // The workers hold the other end for as long as the pool lives.
            if pool.jobs.send((self.sent, spec)).is_ok() {
                self.sent += 1;
            }
        }
    }

    fn take(&mut self) -> Option<Result<B, LoaderError<E>>> {
        let Some(pool) = &self.pool else {
            let spec = self.specs.next()?;
            return Some(guarded(&self.make, self.next, &spec));
        };
        if self.next == self.sent {
            return None;
        }
        let position = self.next;
        let batch = loop {
            if let Some(batch) = self.early.remove(&position) {
                break batch;
            }
            match pool.done.recv() {
                Ok((at, batch)) => self.early.insert(at, batch),
                Err(_) => break Err(LoaderError::Panic { position, message: "all workers are gone".into() }),
            };
        };
        self.send_job();
        Some(batch)
    }
}

impl<S, B, E> Loader<S, B, E> {
    /// How long the consumer has waited for batches so far; without workers, how long making them took.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl<S, B, E> Iterator for Loader<S, B, E>
where
    S: Send + 'static,
    B: Send + 'static,
    E: Send + 'static,
{
    type Item = Result<B, LoaderError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        let begun = Instant::now();
        let batch = self.take()?;
        self.next += 1;
        self.waited += begun.elapsed();
        Some(batch)
    }
}

impl<S, B, E> Drop for Loader<S, B, E> {
    fn drop(&mut self) {
        let Some(Pool { jobs, done, workers }) = self.pool.take() else { return };
        // Without a receiver a worker's result is refused, and without a sender there is no further job; jobs not yet
        // begun are seen to be pointless because the receiver is gone.
        drop(done);
        drop(jobs);
        for worker in workers {
            let _ = worker.join();
        }
    }
}

impl<S, B, E> Pool<S, B, E>
where
    S: Send + 'static,
    B: Send + 'static,
    E: Send + 'static,
{
    fn start(workers: usize, capacity: usize, make: &Make<S, B, E>) -> Result<Self, LoaderError<E>> {
        let (jobs, todo) = bounded::<Job<S>>(capacity);
        let (finished, done) = bounded(capacity);
        let mut pool = Self { jobs, done, workers: Vec::with_capacity(workers) };
        for i in 0..workers {
            let (todo, finished, make) = (todo.clone(), finished.clone(), Arc::clone(make));
            let worker = thread::Builder::new()
                .name(format!("loader-{i}"))
                .spawn(move || work(&todo, &finished, &make))
                .map_err(LoaderError::Thread)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }
}

fn work<S, B, E>(todo: &Receiver<Job<S>>, finished: &Sender<Done<B, E>>, make: &Make<S, B, E>) {
    while let Ok((position, spec)) = todo.recv() {
        if finished.send((position, guarded(make, position, &spec))).is_err() {
            return;
        }
    }
}

fn guarded<S, B, E>(make: &Make<S, B, E>, position: usize, spec: &S) -> Result<B, LoaderError<E>> {
    match catch_unwind(AssertUnwindSafe(|| make(spec))) {
        Ok(Ok(batch)) => Ok(batch),
        Ok(Err(source)) => Err(LoaderError::Make { position, source }),
        Err(payload) => Err(LoaderError::Panic { position, message: panic_message(payload.as_ref()) }),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}

/// The order of the samples in an epoch: a shuffle of `0..len` that depends on seed and epoch alone.
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    Rng::new(seed, "shuffle", epoch, 0).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests;

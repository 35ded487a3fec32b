use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use wrs_ops::rng::Rng;

fn make() -> Make<u64, Vec<u64>, String> {
    Arc::new(|spec: &u64| {
        // Uneven work, so that workers finish out of order.
        let mut rng = Rng::new(*spec, "test", 0, 0);
        thread::sleep(Duration::from_micros(rng.below(300) as u64));
        match spec % 13 {
            7 => Err(format!("no {spec}")),
            11 => panic!("bad {spec}"),
            _ => Ok((0..4).map(|_| rng.next_u64()).collect()),
        }
    })
}

fn run(workers: usize, capacity: usize, specs: Vec<u64>) -> Vec<String> {
    let loader = Loader::start(workers, capacity, specs, make()).unwrap();
    loader.map(|batch| batch.map_or_else(|error| error.to_string(), |batch| format!("{batch:?}"))).collect()
}

/// Keeps the panics that these tests ask for out of the output.
fn quietly<T>(f: impl FnOnce() -> T) -> T {
    std::panic::set_hook(Box::new(|_| {}));
    let value = f();
    let _ = std::panic::take_hook();
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn content_and_order_do_not_depend_on_workers(
        specs in proptest::collection::vec(0u64..40, 0..40), workers in 1usize..6, capacity in 0usize..8,
    ) {
        let (inline, threaded) = quietly(|| (run(0, 1, specs.clone()), run(workers, capacity, specs.clone())));
        prop_assert_eq!(inline, threaded);
    }

    #[test]
    fn an_epoch_visits_every_sample_once(len in 0usize..300, seed: u64, epoch in 0u64..1000) {
        let order = epoch_order(len, seed, epoch);
        prop_assert_eq!(&order, &epoch_order(len, seed, epoch));
        prop_assert!(len < 30 || order != epoch_order(len, seed, epoch + 1));
        let mut sorted = order;
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..len).collect::<Vec<_>>());
    }
}

#[test]
fn a_fault_arrives_at_its_position_and_the_rest_still_comes() {
    let results = quietly(|| run(3, 4, vec![1, 7, 2, 11, 3]));
    assert_eq!(results.len(), 5);
    assert_eq!(results[1], "batch 1: no 7");
    assert!(results[3].starts_with("batch 3: the worker panicked: bad 11\nhelp:"), "{}", results[3]);
    assert_eq!([&results[0], &results[2], &results[4]].iter().filter(|r| r.starts_with('[')).count(), 3);
}

#[test]
fn no_more_than_the_capacity_is_ahead_of_the_consumer() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let make: Make<usize, usize, String> = Arc::new(move |spec| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(*spec)
    });
    let mut loader = Loader::start(4, 3, 0.., make).unwrap();
    for taken in 0..20 {
        thread::sleep(Duration::from_millis(2));
        assert!(made.load(Ordering::SeqCst) <= taken + 3);
        assert_eq!(loader.next().unwrap().unwrap(), taken);
    }
}

#[test]
fn dropping_stops_the_workers() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let make: Make<usize, usize, String> = Arc::new(move |spec| {
        counter.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        Ok(*spec)
    });
    let begun = Instant::now();
    let loader = Loader::start(2, 50, 0.., make).unwrap();
    drop(loader);
    assert!(made.load(Ordering::SeqCst) <= 4, "{} of 50 queued jobs were begun", made.load(Ordering::SeqCst));
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[test]
fn waiting_is_measured() {
    let make: Make<usize, usize, String> = Arc::new(|spec| {
        thread::sleep(Duration::from_millis(5));
        Ok(*spec)
    });
    for workers in [0, 1] {
        let mut loader = Loader::start(workers, 1, 0..4, Arc::clone(&make)).unwrap();
        assert_eq!(loader.by_ref().count(), 4);
        assert!(loader.waited() >= Duration::from_millis(15), "{:?}", loader.waited());
    }
}

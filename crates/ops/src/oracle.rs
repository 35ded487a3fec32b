//! What the tests share: repeatable values, comparison with an `f64` oracle, and the check that threads change nothing.

use std::sync::OnceLock;

use proptest::prelude::ProptestConfig;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::rng::Rng;

/// Standard normal values, the same for the same `purpose`.
pub(crate) fn normals(n: usize, purpose: &str) -> Vec<f32> {
    let mut rng = Rng::new(11, purpose, 0, 0);
    (0..n).map(|_| rng.normal() as f32).collect()
}

pub(crate) fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Asserts that every value is within `tolerance` of the oracle's, in units of the oracle's largest magnitude (at least 1).
pub(crate) fn assert_close(got: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    let unit = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(g) - e).abs() / unit;
        assert!(error <= tolerance, "{what}: value {i}: expected {e}, got {g}, error {error:e}");
    }
}

/// So many cases of a property, or those that `PROPTEST_CASES` asks for where they are fewer.
pub(crate) fn cases(most: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.min(most), ..config }
}

/// Pools of one, two and three threads, started once for all tests.
fn pools() -> &'static [ThreadPool; 3] {
    static POOLS: OnceLock<[ThreadPool; 3]> = OnceLock::new();
    POOLS.get_or_init(|| {
        [1, 2, 3].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads"))
    })
}

/// Asserts that `f` returns the same bits in pools of one, two and three threads, and returns them.
pub(crate) fn same_in_any_pool(f: impl Fn() -> Vec<f32> + Sync) -> Vec<f32> {
    let [one, two, three] = pools().each_ref().map(|pool| pool.install(&f));
    for (threads, other) in [(2, two), (3, three)] {
        assert_eq!(one.len(), other.len());
        let differs = one.iter().zip(&other).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs, None, "the first value that {threads} threads make otherwise than one");
    }
    one
}

/// The gradient of `loss` at `x` by central differences.
pub(crate) fn finite_differences(x: &[f64], step: f64, mut loss: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut probe = x.to_vec();
    (0..x.len())
        .map(|i| {
            probe[i] = x[i] + step;
            let above = loss(&probe);
            probe[i] = x[i] - step;
            let below = loss(&probe);
            probe[i] = x[i];
            (above - below) / (2.0 * step)
        })
        .collect()
}

//! The pool as other crates meet it: in the kernels' own tests every buffer is a block of its own.

#![allow(clippy::float_cmp, clippy::unwrap_used)] // nothing is computed; tests

use wrs_ops::scratch::{Scratch, keep_little, take};

/// One for the system's allocator, one for the slabs, one that stays whole.
const LENGTHS: [usize; 3] = [1000, 100_001, 5_000_000];

fn filled(len: usize, value: f32) -> Scratch {
    let mut scratch = take(len);
    assert_eq!((scratch.len(), scratch.as_ptr().addr() % 64), (len, 0));
    scratch.fill(value);
    scratch
}

fn holds(values: &[f32], value: f32) -> bool {
    values.iter().all(|&v| v == value)
}

/// One test: the pool, and what it was told, are the process's.
#[test]
fn buffers_are_apart_come_back_and_leave_the_pool() {
    for len in &LENGTHS[1..] {
        let address = filled(*len, 1.0).as_ptr();
        assert_eq!(filled(len - 500, 2.0).as_ptr(), address, "what was given back serves the next");
    }

    for len in LENGTHS {
        let (first, second) = (filled(len, 1.0), filled(len, 2.0));
        let third = first.clone();
        drop(second);
        let fourth = filled(len - 500, 4.0);
        assert!(holds(&first, 1.0) && holds(&third, 1.0) && holds(&fourth, 4.0));
        let left = third.into_vec();
        drop(filled(len, 5.0));
        assert_eq!(left.len(), len);
        assert!(holds(&left, 1.0), "whoever takes the storage next does not own what left");
    }

    #[cfg(target_os = "linux")]
    {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
        };
        let before = resident();
        for len in [100_001, 1_000_001, 5_000_000].repeat(30) {
            drop(Scratch::from(vec![1.0; len]));
        }
        let more = resident().saturating_sub(before);
        assert!(more < 200 << 20, "{more} bytes more: what came from outside piles up");
    }

    let (piece, whole) = (filled(LENGTHS[1], 1.0), filled(LENGTHS[2], 2.0));
    keep_little();
    let later = LENGTHS.map(|len| filled(len, 3.0));
    assert!(holds(&piece, 1.0) && holds(&whole, 2.0), "what is in use stays");
    drop((piece, whole));
    assert!(later.iter().all(|scratch| holds(scratch, 3.0)));
}

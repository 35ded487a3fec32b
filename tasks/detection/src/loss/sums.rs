//! A loss as it grows, level by level.

use std::collections::BTreeSet;

use wrs_nn::Buffer;

use super::{Loss, LossError, Term};

/// What the levels have given so far; arrays are in the order of [`Term`].
#[derive(Default)]
pub(super) struct Sums {
    /// The terms before their gains.
    pub terms: [f64; 3],
    /// The pictures that spoil each.
    pub broken: [BTreeSet<usize>; 3],
    pub gradients: Vec<Buffer>,
    pub pairs: Vec<usize>,
    pub unmatched: usize,
    pub ignored: usize,
}

impl Sums {
    /// The whole loss, unless a term is not finite.
    pub fn finish(self, gains: [f64; 3]) -> Result<Loss, LossError> {
        for (term, images) in [Term::Box, Term::Objectness, Term::Class].into_iter().zip(self.broken) {
            if !images.is_empty() {
                return Err(LossError::NotFinite { term, images: images.into_iter().collect() });
            }
        }
        let [box_term, objectness, class] = [0, 1, 2].map(|term| gains[term] * self.terms[term]);
        let Self { gradients, pairs, unmatched, ignored, .. } = self;
        let total = box_term + objectness + class;
        Ok(Loss { total, box_term, objectness, class, gradients, pairs, unmatched, ignored })
    }
}

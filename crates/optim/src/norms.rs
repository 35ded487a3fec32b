//! How large the filters are, and what their size makes of the learning rate: the paper's figures 2 and 3, for either arm.

mod stages;

use std::collections::BTreeMap;

use serde::Serialize;
use wrs_nn::{ParamId, Params};
use wrs_ops::rows;

use crate::wrs::MIN_NORM;
use crate::wrs::report::Tally;
use crate::wrs::target::targets;
use crate::{OptimError, RowStats, Select, WrsReport};

pub use stages::StageNorms;

/// Rows of filters and their L2 norms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NormStats {
    /// Number of rows.
    pub rows: usize,
    /// Rows under norm 1e-12: they have no direction, and no effective learning rate.
    pub rows_without_direction: usize,
    /// Smallest norm.
    pub norm_min: f64,
    /// Mean norm.
    pub norm_mean: f64,
    /// Largest norm.
    pub norm_max: f64,
    /// Mean of `lr / norm^2` over the rows that have a direction, which is how far a step turns them (van Laarhoven 2017); none
    /// without such rows.
    pub effective_lr: Option<f64>,
}

/// The norms of a network's filters at one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NormTrace {
    /// Over every row.
    pub all: NormStats,
    /// By the name of the weight.
    pub tensors: BTreeMap<String, NormStats>,
}

impl NormTrace {
    /// Measures the convolutions that feed a batch norm, frozen ones left out, at a learning rate; none where there are none.
    ///
    /// # Errors
    /// A filter without values.
    pub fn measure(params: &Params, lr: f64) -> Result<Option<Self>, OptimError> {
        let (mut all, mut tensors) = (Tally::default(), BTreeMap::new());
        for target in targets(params, Select::Filters) {
            let mut norms = vec![0.0; target.rows];
            rows::row_norms(params.values(target.weight), target.row_len, &mut norms)?;
            let mut tally = Tally::default();
            for &norm in &norms {
                tally.row(norm);
            }
            tally.skip(norms.iter().filter(|&&norm| norm < MIN_NORM).count());
            all.add(&tally);
            tensors.insert(params.get(target.weight).name.clone(), NormStats::at(&tally.stats(0), lr));
        }
        let any = !tensors.is_empty();
        Ok(any.then(|| Self { all: NormStats::at(&all.stats(0), lr), tensors }))
    }

    /// What a rescale found: the norms as the steps since the last one left them, not the ones it made.
    pub fn found_by(report: &WrsReport, params: &Params, lr: f64) -> Self {
        let named = |(id, stats): &(ParamId, RowStats)| (params.get(*id).name.clone(), NormStats::at(stats, lr));
        Self { all: NormStats::at(&report.all, lr), tensors: report.tensors.iter().map(named).collect() }
    }
}

impl NormStats {
    fn at(stats: &RowStats, lr: f64) -> Self {
        let &RowStats { rows, rows_skipped, norm_min, norm_mean, norm_max, inverse_square, .. } = stats;
        let effective_lr = inverse_square.map(|mean| lr * mean);
        Self { rows, rows_without_direction: rows_skipped, norm_min, norm_mean, norm_max, effective_lr }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::tiny_net::{id, tiny_net};
    use crate::{DecayScope, Groups, Momentum, Optimizer, Sgd, Wrs, WrsConfig};

    #[test]
    fn norms_and_effective_rates_by_hand() {
        let mut params = tiny_net(0);
        params.values_mut(id(&params, "a.conv.weight")).copy_from_slice(&[3.0, 4.0, 0.0, 0.0, 0.0, 1.0]);
        params.values_mut(id(&params, "b.conv.weight")).fill(0.0);
        for row in 0..4 {
            params.values_mut(id(&params, "b.conv.weight"))[27 * row] = 2.0;
        }
        let trace = NormTrace::measure(&params, 0.1).unwrap().unwrap();
        assert_eq!(trace.tensors.keys().collect::<Vec<_>>(), ["a.conv.weight", "b.conv.weight"]);
        let a = NormStats {
            rows: 3,
            rows_without_direction: 1,
            norm_min: 0.0,
            norm_mean: 2.0,
            norm_max: 5.0,
            effective_lr: Some(0.1 * (1.0 / 25.0 + 1.0) / 2.0),
        };
        assert_eq!(trace.tensors["a.conv.weight"], a);
        assert_eq!(trace.tensors["b.conv.weight"].effective_lr, Some(0.1 * 0.25));
        assert_eq!((trace.all.rows, trace.all.norm_min, trace.all.norm_max), (7, 0.0, 5.0));
        assert_eq!(trace.all.norm_mean, 2.0);
        let mean = 0.1 * (1.0 / 25.0 + 1.0 + 4.0 * 0.25) / 6.0;
        assert!((trace.all.effective_lr.unwrap() - mean).abs() < 1e-15);
    }

    #[test]
    fn a_rescale_shows_the_norms_it_found() {
        let mut params = tiny_net(0);
        let config = WrsConfig {
            tau: NonZeroU64::MIN,
            select: Select::Filters,
            literal: false,
            rescale_at_start: true,
            angles: false,
            active: None,
        };
        let groups = Groups::by_role(&params, DecayScope::Conv, 0.0, &[]).unwrap();
        let before = NormTrace::measure(&params, 0.1).unwrap().unwrap();
        let mut wrs = Wrs::new(Sgd::new(groups, Momentum::Nesterov), &params, config).unwrap();
        let report = wrs.start(&mut params).unwrap().rescale.unwrap();
        assert_eq!(NormTrace::found_by(&report, &params, 0.1), before);
        let after = NormTrace::measure(&params, 0.1).unwrap().unwrap();
        assert!((after.all.norm_mean - 1.0).abs() < 1e-6);
    }

    #[test]
    fn rows_without_direction_have_no_rate_and_frozen_ones_are_left_out() {
        let mut params = tiny_net(0);
        params.values_mut(id(&params, "a.conv.weight")).fill(0.0);
        params.freeze("b");
        let trace = NormTrace::measure(&params, 0.1).unwrap().unwrap();
        assert_eq!((trace.tensors.len(), trace.all.rows, trace.all.effective_lr), (1, 3, None));
        params.freeze("a");
        assert_eq!(NormTrace::measure(&params, 0.1).unwrap(), None);
    }
}

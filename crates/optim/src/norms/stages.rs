//! The norms of what is about to be rescaled, stage by stage: what a network that begins with somebody else's weights brings.

use wrs_nn::Params;
use wrs_ops::rows;

use crate::wrs::MIN_NORM;
use crate::wrs::target::targets;
use crate::{OptimError, Select};

/// Stages that are told apart; of networks with more, the first part of the names tells.
const MOST_STAGES: usize = 20;

/// Rows of a stage and their L2 norms.
#[derive(Clone, Debug, PartialEq)]
pub struct StageNorms {
    /// What its tensors' names begin with; empty for the whole network.
    pub stage: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of rows.
    pub rows: usize,
    /// Rows under norm 1e-12, which are left alone.
    pub rows_without_direction: usize,
    /// Smallest norm.
    pub min: f64,
    /// The norm in the middle; of an even number of rows the upper one.
    pub median: f64,
    /// Largest norm.
    pub max: f64,
}

impl StageNorms {
    /// Measures the selected tensors: the whole network first, then its stages in order; nothing where none is selected.
    ///
    /// # Errors
    /// A filter without values.
    pub fn measure(params: &Params, select: Select) -> Result<Vec<Self>, OptimError> {
        let mut found = Vec::new();
        for target in targets(params, select) {
            let mut norms = vec![0.0; target.rows];
            rows::row_norms(params.values(target.weight), target.row_len, &mut norms)?;
            found.push((target.weight, norms));
        }
        found.sort_by_key(|(weight, _)| *weight);
        let names: Vec<&str> = found.iter().map(|(weight, _)| params.get(*weight).name.as_str()).collect();
        let stages: Vec<&str> = match names.iter().map(|name| stage(name)).collect::<Vec<_>>() {
            fine if distinct(&fine) <= MOST_STAGES => fine,
            _ => names.iter().map(|name| first_parts(name, 1)).collect(),
        };
        let mut order: Vec<&str> = Vec::new();
        for stage in &stages {
            if !order.contains(stage) {
                order.push(stage);
            }
        }
        let of = |stage: Option<&str>| {
            let mine = stages.iter().zip(&found).filter(|(of, _)| stage.is_none_or(|stage| **of == stage));
            let tensors: Vec<&[f64]> = mine.map(|(_, (_, norms))| norms.as_slice()).collect();
            Self::of(stage.unwrap_or_default(), &tensors)
        };
        let all = (!found.is_empty()).then(|| of(None));
        Ok(all.into_iter().chain(order.iter().map(|stage| of(Some(stage)))).collect())
    }

    fn of(stage: &str, tensors: &[&[f64]]) -> Self {
        let (count, mut norms) = (tensors.len(), tensors.concat());
        norms.sort_by(f64::total_cmp);
        let at = |place: usize| norms.get(place).copied().unwrap_or(f64::NAN);
        Self {
            stage: stage.to_owned(),
            tensors: count,
            rows: norms.len(),
            rows_without_direction: norms.iter().filter(|&&norm| norm < MIN_NORM).count(),
            min: at(0),
            median: at(norms.len() / 2),
            max: at(norms.len().saturating_sub(1)),
        }
    }
}

fn distinct(stages: &[&str]) -> usize {
    let mut sorted = stages.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}

/// `backbone.stages.0` of `backbone.stages.0.down.conv.weight`: up to the first part that ends in a digit, or two parts.
fn stage(name: &str) -> &str {
    let numbered = name.split('.').position(|part| part.ends_with(|c: char| c.is_ascii_digit()));
    first_parts(name, numbered.map_or(2, |at| at + 1))
}

fn first_parts(name: &str, parts: usize) -> &str {
    match name.match_indices('.').nth(parts - 1) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use wrs_nn::{Init, ParamsBuilder, Role};

    use super::*;
    use crate::tiny_net::{id, tiny_net};

    #[test]
    fn a_stage_is_named_up_to_its_number() {
        for (name, expected) in [
            ("backbone.stages.0.down.conv.weight", "backbone.stages.0"),
            ("backbone.stem.conv.weight", "backbone.stem"),
            ("backbone.layer1.0.conv1.weight", "backbone.layer1"),
            ("backbone.conv1.weight", "backbone.conv1"),
            ("classifier.0.convs.0.0.weight", "classifier.0"),
            ("frontend.0.weight", "frontend.0"),
            ("weight", "weight"),
        ] {
            assert_eq!(stage(name), expected);
        }
    }

    #[test]
    fn norms_by_hand() {
        let mut params = tiny_net(0);
        params.values_mut(id(&params, "a.conv.weight")).copy_from_slice(&[3.0, 4.0, 0.0, 0.0, 0.0, 1.0]);
        params.values_mut(id(&params, "b.conv.weight")).fill(0.0);
        for row in 0..4 {
            params.values_mut(id(&params, "b.conv.weight"))[27 * row] = 2.0;
        }
        let found = StageNorms::measure(&params, Select::Filters).unwrap();
        let names: Vec<&str> = found.iter().map(|stage| stage.stage.as_str()).collect();
        assert_eq!(names, ["", "a.conv", "b.conv"]);
        let a = &found[1];
        assert_eq!((a.tensors, a.rows, a.rows_without_direction), (1, 3, 1));
        assert_eq!((a.min, a.median, a.max), (0.0, 1.0, 5.0));
        assert_eq!((found[0].tensors, found[0].rows, found[0].median, found[0].max), (2, 7, 2.0, 5.0));
        params.freeze("a");
        params.freeze("b");
        assert_eq!(StageNorms::measure(&params, Select::Filters).unwrap(), []);
    }

    #[test]
    fn a_network_of_many_parts_is_told_by_the_first() {
        let mut builder = ParamsBuilder::new();
        let mut root = builder.root();
        for layer in 0..=MOST_STAGES {
            root.add(&format!("layers.{layer}.weight"), Role::ConvWeight, &[1, 1, 1, 1], Init::Constant(1.0));
        }
        let found = StageNorms::measure(&builder.build(0), Select::AllWeights).unwrap();
        let told: Vec<_> = found.iter().map(|stage| (stage.stage.as_str(), stage.tensors)).collect();
        assert_eq!(told, [("", MOST_STAGES + 1), ("layers", MOST_STAGES + 1)]);
    }
}

//! A training whose numbers are no longer finite.

use std::error::Error;

use wrs_optim::OptimError;

use crate::error::TrainError;

/// The training broke down at a step that could not be made; the last checkpoint is intact.
#[derive(Debug, thiserror::Error)]
#[error("step {step}: a number is not finite\n  pictures: [{}]\n{reason}", images.join(", "))]
pub struct Divergence {
    /// The optimizer step, from 1; 0 before the first.
    pub step: u64,
    /// The ids of the pictures: those that the reason can be laid to, else all of the step.
    pub images: Vec<String>,
    /// Which number, and what may help.
    #[source]
    pub reason: Box<dyn Error + Send + Sync>,
}

impl Divergence {
    /// A breakdown at that step, over those pictures.
    pub fn new<I: ToString>(
        step: u64,
        images: impl IntoIterator<Item = I>,
        reason: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { step, images: images.into_iter().map(|id| id.to_string()).collect(), reason: reason.into() }
    }

    /// An optimizer's refusal: a breakdown where the numbers are to blame, else as it is.
    pub fn or_refusal<I: ToString>(refusal: OptimError, step: u64, images: impl IntoIterator<Item = I>) -> TrainError {
        if refusal.is_divergence() { Self::new(step, images, refusal).into() } else { refusal.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breakdown_names_step_pictures_and_reason() {
        let tensor = "head.weight".to_owned();
        let text = Divergence::new(7, [17, 4], OptimError::Gradient { tensor, got: f32::INFINITY }).to_string();
        let expected = "step 7: a number is not finite\n  pictures: [17, 4]\n\
                        the gradient of tensor head.weight is not finite: got inf\nhelp: ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn only_numbers_that_are_not_finite_are_a_breakdown() {
        let tensor = || "stem.weight".to_owned();
        for refusal in [
            OptimError::Gradient { tensor: tensor(), got: f32::NAN },
            OptimError::NotFinite { tensor: tensor(), row: 3, norm: f64::NAN },
        ] {
            let error = Divergence::or_refusal(refusal, 2, ["2007_000032"]);
            assert!(matches!(&error, TrainError::Diverged(d) if d.step == 2 && d.images == ["2007_000032"]), "{error}");
            assert!(error.to_string().contains("stem.weight"), "{error}");
        }
        let refusal = OptimError::GroupSteps { expected: 2, got: 1 };
        assert!(matches!(Divergence::or_refusal(refusal, 2, [0]), TrainError::Optim(_)));
    }
}

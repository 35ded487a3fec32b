//! Gradients that no step can follow.

use wrs_nn::{Gradients, Params};
use wrs_ops::update;

use crate::OptimError;

/// Refuses a gradient with a value that is infinite or no number, which a finite loss may have: a step along it would spoil the
/// weights for good.
///
/// # Errors
/// [`OptimError::Gradient`] names the first tensor, in creation order.
pub fn check_gradients(params: &Params, gradients: &mut Gradients) -> Result<(), OptimError> {
    let gradient = gradients.finish().host();
    let Some(at) = update::first_not_finite(gradient) else { return Ok(()) };
    let owner = params.iter().find(|(_, p)| p.role.is_trainable() && p.range.contains(&at));
    let tensor = owner.map_or_else(String::new, |(_, p)| p.name.clone());
    Err(OptimError::Gradient { tensor, got: gradient[at] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::{gradient, id, tiny_net};

    #[test]
    fn the_first_tensor_whose_gradient_is_not_finite_is_named() {
        let params = tiny_net(0);
        check_gradients(&params, &mut gradient(&params, 1)).unwrap();
        for (name, value) in [("a.bn.bias", f32::NAN), ("head.weight", f32::INFINITY)] {
            let mut gradients = gradient(&params, 1);
            let range = params.get(id(&params, name)).range.clone();
            gradients.finish().host_mut()[range.end - 1] = value;
            *gradients.finish().host_mut().last_mut().unwrap() = f32::NAN;
            let refusal = check_gradients(&params, &mut gradients).unwrap_err();
            assert!(matches!(&refusal, OptimError::Gradient { tensor, .. } if tensor == name), "{refusal}");
            assert!(refusal.is_divergence());
        }
    }

    #[test]
    fn what_an_earlier_step_left_is_not_looked_at() {
        let params = tiny_net(0);
        let mut gradients = gradient(&params, 1);
        gradients.finish().host_mut()[3] = f32::NAN;
        gradients.reset();
        check_gradients(&params, &mut gradients).unwrap();
    }
}

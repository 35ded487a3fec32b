//! Clipping of the gradient.

use wrs_nn::Gradients;
use wrs_ops::update;

/// Multiplies the gradient by `min(1, max_norm / (norm + 1e-6))` and returns `norm`, its L2 norm over all tensors before
/// (`torch.nn.utils.clip_grad_norm_`; Pascanu et al. 2013).
///
/// The squares are added in `f64` in a fixed order.  Where the norm is not finite the gradient is of no use afterwards;
/// [`check_gradients`](crate::check_gradients) finds that out before.
pub fn clip_grad_norm(gradients: &mut Gradients, max_norm: f64) -> f64 {
    let gradient = gradients.finish().host_mut();
    let norm = update::sum_of_squares(gradient).sqrt();
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        update::scale(gradient, factor as f32);
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_net::{gradient, tiny_net};
    use wrs_nn::{Init, ParamsBuilder, Role};

    fn of(values: &[f32]) -> Gradients {
        let mut builder = ParamsBuilder::new();
        builder.root().add("w", Role::LinearWeight, &[values.len(), 1], Init::Constant(0.0));
        let mut gradients = Gradients::new(&builder.build(0));
        gradients.finish().host_mut().copy_from_slice(values);
        gradients
    }

    #[test]
    fn a_long_gradient_is_shortened_and_a_short_one_is_left() {
        // By PyTorch's formula, grad * max / (norm + 1e-6): [3, -4] at 1.
        let mut long = of(&[3.0, -4.0]);
        assert_eq!(clip_grad_norm(&mut long, 1.0), 5.0);
        for (got, expected) in long.finish().host().iter().zip([0.599_999_9, -0.799_999_8]) {
            assert!((got - expected).abs() <= 6e-8, "{got}");
        }
        let mut short = of(&[3.0, -4.0]);
        assert_eq!(clip_grad_norm(&mut short, 5.1), 5.0);
        assert_eq!(short.finish().host(), [3.0, -4.0]);
        let mut none = of(&[0.0, 0.0]);
        assert_eq!(clip_grad_norm(&mut none, 1.0), 0.0);
    }

    #[test]
    fn the_norm_is_over_all_tensors_and_large_values_do_not_overflow() {
        let params = tiny_net(0);
        let mut gradients = gradient(&params, 3);
        let before = gradients.finish().host().to_vec();
        let expected = before.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let norm = clip_grad_norm(&mut gradients, 0.25);
        assert!((norm - expected).abs() < 1e-12 * expected);
        let after = gradients.finish().host().to_vec();
        let clipped = after.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!((clipped - 0.25).abs() < 1e-6);
        assert!(after.iter().zip(&before).all(|(a, b)| (f64::from(*a) - f64::from(*b) * 0.25 / norm).abs() < 1e-7));
        let mut huge = of(&[3e38, 3e38]);
        assert!((clip_grad_norm(&mut huge, 1.0) / (18f64.sqrt() * 1e38) - 1.0).abs() < 1e-6);
        assert!((huge.finish().host()[0] - 0.5f32.sqrt()).abs() < 1e-6);
    }
}

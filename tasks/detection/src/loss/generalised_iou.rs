//! Generalised IoU of boxes, on candle tensors so that candle differentiates it.

use candle_core::{Result, Tensor};

use crate::anchors::Level;

/// Keeps the quotients finite where both boxes have no area.
const EPSILON: f64 = 1e-9;

/// The boxes that logits stand for, in cells, the centre from the upper left corner of the predictor's cell.
///
/// # Shapes
/// `logits` `[n, 4]` (`tx, ty, tw, th`), `priors` `[n, 2]` (the anchors' sides in cells) to `[n, 4]` (centre and sides).
pub(crate) fn boxes_cxcywh(logits: &Tensor, priors: &Tensor, level: &Level, max_side_logit: f64) -> Result<Tensor> {
    let centres = candle_nn::ops::sigmoid(&logits.narrow(1, 0, 2)?)?.affine(level.scale_xy, level.shift_xy())?;
    // Bounded before the exponential: an overflow behind a bound has the gradient 0 * inf.
    let sides = (logits.narrow(1, 2, 2)?.minimum(max_side_logit)?.exp()? * priors)?;
    Tensor::cat(&[centres, sides], 1)
}

/// Generalised IoU, pair by pair: IoU minus the share of the boxes' common hull that neither covers (Rezatofighi et al.
/// 2019, equation 1), between -1 and 1.
///
/// # Shapes
/// `a`, `b` `[n, 4]` (centre and sides) to `[n]`.
pub(crate) fn giou(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ((a_low, a_high), (b_low, b_high)) = (corners(a)?, corners(b)?);
    let overlap = area(&(a_high.minimum(&b_high)? - a_low.maximum(&b_low)?)?.relu()?)?;
    let hull = area(&(a_high.maximum(&b_high)? - a_low.minimum(&b_low)?)?)?;
    let union = ((area(&a.narrow(1, 2, 2)?)? + area(&b.narrow(1, 2, 2)?)?)? - &overlap)?;
    let uncovered = (&hull - &union)?;
    (overlap / (union + EPSILON)?)? - (uncovered / (hull + EPSILON)?)?
}

/// Upper left and lower right corners, `[n, 2]` each, of `[n, 4]` boxes.
fn corners(boxes: &Tensor) -> Result<(Tensor, Tensor)> {
    let (centres, halves) = (boxes.narrow(1, 0, 2)?, (boxes.narrow(1, 2, 2)? * 0.5)?);
    Ok(((&centres - &halves)?, (centres + halves)?))
}

/// `[n]` areas of `[n, 2]` sides.
fn area(sides: &Tensor) -> Result<Tensor> {
    (sides.narrow(1, 0, 1)? * sides.narrow(1, 1, 1)?)?.squeeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn giou_of(a: [f64; 4], b: [f64; 4]) -> f64 {
        let tensor = |v: [f64; 4]| Tensor::from_slice(&v, (1, 4), &Device::Cpu).unwrap();
        giou(&tensor(a), &tensor(b)).unwrap().to_vec1::<f64>().unwrap()[0]
    }

    #[test]
    fn by_hand() {
        let unit = [0.0, 0.0, 2.0, 2.0];
        let cases = [
            (unit, 1.0),
            // Half covered, nothing of the hull uncovered.
            ([0.5, 0.0, 1.0, 2.0], 0.5),
            // Side by side with a gap of 2: the hull is 6 x 2, a third of it empty.
            ([4.0, 0.0, 2.0, 2.0], -1.0 / 3.0),
            // Touching corners: the hull is 4 x 4, half of it empty.
            ([2.0, 2.0, 2.0, 2.0], -0.5),
            // Overlap 1, union 7, hull 9.
            ([1.0, 1.0, 2.0, 2.0], 1.0 / 7.0 - 2.0 / 9.0),
        ];
        for (other, expected) in cases {
            assert!((giou_of(unit, other) - expected).abs() < 1e-8, "{other:?}");
            assert!((giou_of(other, unit) - expected).abs() < 1e-8, "{other:?}");
        }
        let nothing = [0.0; 4];
        assert!(giou_of(nothing, nothing).is_finite());
    }

    #[test]
    fn boxes_and_their_gradients_stay_finite_at_any_logit() {
        let logits = [0.0, 3f64.ln(), 2f64.ln(), -1e4, 1e4, -1e4, 1e4, 0.0];
        let logits = Var::from_slice(&logits, (2, 4), &Device::Cpu).unwrap();
        let priors = Tensor::from_slice(&[1.5, 2.0, 0.5, 0.25], (2, 2), &Device::Cpu).unwrap();
        let level = |scale_xy| Level { stride: 32, mask: Vec::new(), scale_xy, sizes: Vec::new() };
        let wide = boxes_cxcywh(&logits, &priors, &level(1.2), 1000f64.ln()).unwrap().to_vec2::<f64>().unwrap();
        assert!((wide[0][0] - 0.5).abs() < 1e-9 && (wide[0][1] - 0.8).abs() < 1e-9 && (wide[1][0] - 1.1).abs() < 1e-9);
        let boxes = boxes_cxcywh(&logits, &priors, &level(1.0), 1000f64.ln()).unwrap();
        let expected = [[0.5, 0.75, 3.0, 0.0], [1.0, 0.0, 500.0, 0.25]];
        for (got, expected) in boxes.to_vec2::<f64>().unwrap().iter().flatten().zip(expected.iter().flatten()) {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
        let target = Tensor::from_slice(&[0.5, 0.5, 1.0, 1.0].repeat(2), (2, 4), &Device::Cpu).unwrap();
        let gradients = giou(&boxes, &target).unwrap().backward().unwrap();
        let gradient = gradients.get(&logits).unwrap().to_vec2::<f64>().unwrap();
        assert!(gradient.iter().flatten().all(|g| g.is_finite()), "{gradient:?}");
        assert!(gradient[1][2] == 0.0, "beyond the bound nothing pulls");
    }
}

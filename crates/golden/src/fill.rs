//! Parameters and inputs from a hash of their name, the same numbers in any language.
//!
//! Element `i` of the tensor called `name` comes from SplitMix64 of `fnv1a64(name) + i`; its top 24 bits give `u` in
//! [-1, 1), exact in f32.  Elements are numbered in PyTorch's order (OIHW, NCHW), row major.

use wrs_nn::{Params, Role};
use wrs_weights::from_file;

fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The first `count` elements of the tensor called `name`, in [-1, 1).
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let start = fnv1a64(name);
    (0..count as u64)
        .map(|i| {
            let mut z = start.wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((z >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
        })
        .collect()
}

/// Fills every tensor by its name.
///
/// Conv weights are `u * sqrt(3 / fan_in)` with row `o` times `1 + 0.75 v_o`, so that filter norms spread over 0.25 to
/// 1.75 and a rescale is not the identity; biases, betas and running means `0.1 u`; gammas `1 + 0.25 u`; running variances
/// `1 + 0.5 u`.
pub fn fill(params: &mut Params) {
    let entries: Vec<_> = params.iter().map(|(id, p)| (id, p.clone())).collect();
    for (id, p) in entries {
        let u = uniform(&p.name, p.shape.iter().product());
        let values: Vec<f32> = match p.role {
            Role::ConvWeight | Role::LinearWeight => {
                let fan_in: usize = p.shape[1..].iter().product();
                let scale = (3.0 / fan_in as f64).sqrt() as f32;
                let gains = uniform(&format!("gain.{}", p.name), p.shape[0]);
                let rows = u.chunks(fan_in).zip(&gains);
                rows.flat_map(|(row, v)| row.iter().map(move |u| u * scale * (1.0 + 0.75 * v))).collect()
            }
            Role::Bias | Role::NormShift | Role::RunningMean => u.iter().map(|u| 0.1 * u).collect(),
            Role::NormScale => u.iter().map(|u| 1.0 + 0.25 * u).collect(),
            Role::RunningVar => u.iter().map(|u| 1.0 + 0.5 * u).collect(),
        };
        params.values_mut(id).copy_from_slice(&from_file(&p, &values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_python_side() {
        // python -c "from fill import uniform; print(uniform('input', (3,)).tolist())"
        assert_eq!(uniform("input", 3), [-0.804_363_37, -0.705_042_84, 0.148_168_8]);
    }
}

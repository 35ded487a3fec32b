//! The exponential that the element-wise kernels share.

/// `e^-a` for `a >= 0`, within two units in the last place down to the smallest normal number, and 0 below it.
///
/// `-a = n ln 2 + r` with `|r| <= ln 2 / 2`, a Taylor polynomial for `e^r`, and `2^n` put together from its bits: no branch
/// and no call, so the loops around it become vectors.
#[inline(always)]
pub fn exp_of_negative(a: f32) -> f32 {
    /// `1.5 * 2^23`: adding it rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` in two parts, the first short enough for exact products with `n`.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    /// `-ln` of the smallest normal number.
    const DEEPEST: f32 = 87.336_54;
    // Not `min`, which would turn NaN into a number.
    let x = if a > DEEPEST { -DEEPEST } else { -a };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2.0) - n * LN_2.1;
    let p = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let p = 1.0 / 24.0 + r * (1.0 / 120.0 + r * p);
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * p)));
    // The low bits of `shifted` hold n; 127 is the exponent's bias.
    let power = f32::from_bits((shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23);
    if a > DEEPEST { 0.0 } else { p * power }
}

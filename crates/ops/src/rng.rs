//! Random numbers as a function of (seed, purpose, epoch, index), never of a stream's position: resuming needs no
//! generator state, and the number of workers changes nothing.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood 2014), keyed by mixing the four parts.

/// A short stream of random numbers that belongs to one draw.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

impl Rng {
    /// The stream of one draw: `purpose` names what it is for (`"shuffle"`, `"mosaic"`, `"init"`), `epoch` and `index` say which.
    pub fn new(seed: u64, purpose: &str, epoch: u64, index: u64) -> Self {
        let mut state = mix(seed.wrapping_add(GAMMA));
        for part in [fnv1a64(purpose), epoch, index] {
            state = mix(state.wrapping_add(GAMMA) ^ mix(part.wrapping_add(GAMMA)));
        }
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n; 0 when n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_each_of_its_parts() {
        let first = |s, p, e, i| Rng::new(s, p, e, i).next_u64();
        let base = first(1, "flip", 2, 3);
        assert_eq!(base, first(1, "flip", 2, 3));
        for other in [first(2, "flip", 2, 3), first(1, "hsv", 2, 3), first(1, "flip", 3, 3), first(1, "flip", 2, 4)] {
            assert_ne!(base, other);
        }
        assert_ne!(first(1, "flip", 2, 3), first(1, "flip", 3, 2));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::new(7, "test", 0, 0);
        let n = 200_000;
        let (mut u, mut z, mut zz) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            u += rng.uniform();
            let v = rng.normal();
            z += v;
            zz += v * v;
        }
        let n = f64::from(n);
        assert!((u / n - 0.5).abs() < 5e-3);
        assert!((z / n).abs() < 1e-2);
        assert!((zz / n - 1.0).abs() < 2e-2);
    }

    #[test]
    fn below_reaches_every_value_and_shuffle_keeps_them() {
        let mut rng = Rng::new(0, "test", 0, 0);
        let mut seen = [0usize; 7];
        for _ in 0..7000 {
            seen[rng.below(7)] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        let mut items: Vec<usize> = (0..100).collect();
        rng.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}

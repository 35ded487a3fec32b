//! How many pixels each class has.

use std::fmt;

use serde::Serialize;

/// The pixels of a split by their class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelCounts {
    /// The split's name.
    pub set: String,
    /// Names by class index.
    pub class_names: Vec<String>,
    /// Pixels by class index.
    pub pixels: Vec<u64>,
    /// Pixels that are void.
    pub void: u64,
    /// Pictures in which a class has any pixel, by class index.
    pub pictures: Vec<usize>,
}

impl LabelCounts {
    /// None yet.
    pub(super) fn new(set: &str, class_names: &[String]) -> Self {
        let classes = class_names.len();
        Self {
            set: set.to_owned(),
            class_names: class_names.to_vec(),
            pixels: vec![0; classes],
            void: 0,
            pictures: vec![0; classes],
        }
    }

    /// Adds a mask: its pixels by class and void.
    pub(super) fn add(&mut self, pixels: &[u64], void: u64) {
        for (class, &count) in pixels.iter().enumerate() {
            self.pixels[class] += count;
            self.pictures[class] += usize::from(count > 0);
        }
        self.void += void;
    }

    /// All pixels, void ones included.
    pub fn total(&self) -> u64 {
        self.pixels.iter().sum::<u64>() + self.void
    }

    /// The names of classes without a pixel.
    pub fn absent(&self) -> Vec<&str> {
        let names = self.class_names.iter().zip(&self.pixels);
        names.filter(|(_, pixels)| **pixels == 0).map(|(name, _)| name.as_str()).collect()
    }
}

/// A line: the share of each class, with the pictures it is in, then of void; classes without a pixel last.
impl fmt::Display for LabelCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total().max(1) as f64;
        let share = |pixels: u64| 100.0 * pixels as f64 / total;
        for (class, name) in self.class_names.iter().enumerate().filter(|(class, _)| self.pixels[*class] > 0) {
            write!(f, "{name} {:.2}% of {}, ", share(self.pixels[class]), self.pictures[class])?;
        }
        write!(f, "void {:.2}%", share(self.void))?;
        match self.absent().as_slice() {
            [] => Ok(()),
            absent => write!(f, "; without a pixel: {}", absent.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_and_pictures_are_counted_and_spelled() {
        let mut counts = LabelCounts::new("train", &["sky", "road", "sign"].map(str::to_owned));
        counts.add(&[3, 1, 0], 0);
        counts.add(&[2, 0, 0], 2);
        assert_eq!((counts.total(), &counts.pixels[..], &counts.pictures[..]), (8, &[5, 1, 0][..], &[2, 1, 0][..]));
        assert_eq!(counts.to_string(), "sky 62.50% of 2, road 12.50% of 1, void 25.00%; without a pixel: sign");
    }
}

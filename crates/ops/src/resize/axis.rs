//! One axis of a resize: which inputs an output reads, and with what weights.

use super::{Corners, Interpolation};

/// A sparse matrix, row by row: output `i` is the sum of `weight * input` over its taps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taps {
    /// Columns: positions along the axis that is read.
    pub inputs: usize,
    /// Where the taps of each row start, and behind the last where they end.
    starts: Vec<usize>,
    /// Position and weight.
    entries: Vec<(usize, f32)>,
}

impl Taps {
    /// The matrix of a resize from `input` to `output` pixels.
    pub fn of(interpolation: Interpolation, input: usize, output: usize) -> Self {
        let rows = (0..output).map(|i| match interpolation {
            Interpolation::Nearest => vec![(nearest(i, input, output), 1.0)],
            Interpolation::Bilinear(corners) => bilinear(i, input, output, corners),
        });
        Self::from_rows(input, rows)
    }

    fn from_rows(inputs: usize, rows: impl Iterator<Item = Vec<(usize, f32)>>) -> Self {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for row in rows {
            entries.extend(row);
            starts.push(entries.len());
        }
        Self { inputs, starts, entries }
    }

    /// Rows: positions along the axis that is written.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    /// What output `i` reads.
    pub fn of_output(&self, i: usize) -> &[(usize, f32)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }

    /// Who reads input `i`, and with what weight.
    pub fn transposed(&self) -> Self {
        let mut rows = vec![Vec::new(); self.inputs];
        for output in 0..self.outputs() {
            for &(input, weight) in self.of_output(output) {
                rows[input].push((output, weight));
            }
        }
        Self::from_rows(self.outputs(), rows.into_iter())
    }
}

/// PyTorch's rule, with its two exact cases and its `f32` ratio elsewhere.
fn nearest(i: usize, input: usize, output: usize) -> usize {
    if input == output {
        return i;
    }
    if output == 2 * input {
        return i / 2;
    }
    let ratio = input as f32 / output as f32;
    ((i as f32 * ratio).floor() as usize).min(input - 1)
}

/// PyTorch's two taps; one where the other has no weight.
fn bilinear(i: usize, input: usize, output: usize, corners: Corners) -> Vec<(usize, f32)> {
    if input == output {
        return vec![(i, 1.0)];
    }
    let position = match corners {
        Corners::Edges => ((i as f32 + 0.5) * (input as f32 / output as f32) - 0.5).max(0.0),
        Corners::Centres if output == 1 => 0.0,
        Corners::Centres => i as f32 * ((input - 1) as f32 / (output - 1) as f32),
    };
    let first = (position.floor() as usize).min(input - 1);
    let weight = (position - first as f32).clamp(0.0, 1.0);
    if weight == 0.0 || first + 1 == input {
        return vec![(first, 1.0)];
    }
    vec![(first, 1.0 - weight), (first + 1, weight)]
}

//! The counting loop.
//!
//! A label map is mostly runs: eight pixels that agree within each map are one addition. The rest is counted a pixel
//! at a time into several tables in turn, for an addition to a cell waits for the one before it to the same cell.
//! Bad labels have cells of their own, so the loop tests nothing; they are looked for when it has ended.

use super::ConfusionMatrix;
use super::error::{LabelFault, MapSide};
use crate::label_map::VOID;

const TABLES: usize = 4;

/// Pixels that a `u32` counts without overflow, whatever they are.
const BLOCK: usize = 1 << 30;

/// Counts a pair of maps of the same length; nothing of it where a label is bad.
pub(super) fn tally(confusion: &mut ConfusionMatrix, truth: &[u8], prediction: &[u8]) -> Result<(), LabelFault> {
    tally_blocks(confusion, truth, prediction, BLOCK)
}

fn tally_blocks(
    confusion: &mut ConfusionMatrix,
    truth: &[u8],
    prediction: &[u8],
    block: usize,
) -> Result<(), LabelFault> {
    let cells = Cells::new(confusion.num_classes);
    let mut tables = vec![0_u32; TABLES * cells.len()];
    let mut counts = vec![0_u64; cells.len()];
    for (truth, prediction) in truth.chunks(block).zip(prediction.chunks(block)) {
        tables.fill(0);
        cells.count(truth, prediction, &mut tables);
        for table in tables.chunks_exact(cells.len()) {
            counts.iter_mut().zip(table).for_each(|(count, more)| *count += u64::from(*more));
        }
    }
    if cells.any_bad(&counts) && let Some(fault) = first_fault(confusion.num_classes, truth, prediction) {
        return Err(fault);
    }
    cells.collect(&counts, confusion);
    Ok(())
}

/// Where a pair of labels is counted: rows for the classes, void and bad labels; columns for the classes and bad labels.
struct Cells {
    num_classes: usize,
    row_start: [u32; 256],
    column: [u32; 256],
}

impl Cells {
    fn new(num_classes: usize) -> Self {
        let bad_column = num_classes as u32;
        let columns = bad_column + 1;
        let (void_row, bad_row) = (bad_column, bad_column + 1);
        let class = |label: usize, otherwise: u32| if label < num_classes { label as u32 } else { otherwise };
        let row = |label| if label == usize::from(VOID) { void_row } else { class(label, bad_row) };
        Self {
            num_classes,
            row_start: std::array::from_fn(|label| row(label) * columns),
            column: std::array::from_fn(|label| class(label, bad_column)),
        }
    }

    fn len(&self) -> usize {
        (self.num_classes + 2) * (self.num_classes + 1)
    }

    fn of(&self, truth: u8, prediction: u8) -> usize {
        (self.row_start[usize::from(truth)] + self.column[usize::from(prediction)]) as usize
    }

    /// Adds a block of pixels to the tables; wrapping, for no cell can exceed [`BLOCK`].
    fn count(&self, truth: &[u8], prediction: &[u8], tables: &mut [u32]) {
        let size = self.len();
        let mut bump = |table: usize, cell: usize, by: u32| {
            let count = &mut tables[table * size + cell];
            *count = count.wrapping_add(by);
        };
        let (truth, truth_rest) = truth.as_chunks::<8>();
        let (prediction, prediction_rest) = prediction.as_chunks::<8>();
        for (turn, (t, p)) in truth.iter().zip(prediction).enumerate() {
            if is_run(*t) && is_run(*p) {
                bump(turn % TABLES, self.of(t[0], p[0]), 8);
            } else {
                for (i, (&t, &p)) in t.iter().zip(p).enumerate() {
                    bump(i % TABLES, self.of(t, p), 1);
                }
            }
        }
        for (&t, &p) in truth_rest.iter().zip(prediction_rest) {
            bump(0, self.of(t, p), 1);
        }
    }

    fn any_bad(&self, counts: &[u64]) -> bool {
        let (good_rows, bad_row) = counts.split_at((self.num_classes + 1) * (self.num_classes + 1));
        let bad_prediction = good_rows.chunks_exact(self.num_classes + 1).any(|row| row[self.num_classes] > 0);
        bad_prediction || bad_row.iter().any(|&count| count > 0)
    }

    /// Adds the counts of good labels to the matrix.
    fn collect(&self, counts: &[u64], confusion: &mut ConfusionMatrix) {
        let k = self.num_classes;
        let mut rows = counts.chunks_exact(k + 1);
        for (sums, counts) in confusion.counts.chunks_exact_mut(k).zip(rows.by_ref()) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        confusion.void_pixels += rows.next().map_or(0, |void| void.iter().sum());
    }
}

/// Whether all bytes are the same: then a turn by one changes nothing.
fn is_run(bytes: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(bytes);
    word == word.rotate_left(8)
}

/// The first label that names no class; the ground truth's where one pixel has two.
fn first_fault(num_classes: usize, truth: &[u8], prediction: &[u8]) -> Option<LabelFault> {
    let bad = |label: u8| usize::from(label) >= num_classes;
    let in_truth = truth.iter().position(|&label| label != VOID && bad(label));
    let in_prediction = prediction.iter().position(|&label| bad(label));
    let (side, map, pixel) = match (in_truth, in_prediction) {
        (Some(pixel), other) if other.is_none_or(|other| pixel <= other) => (MapSide::Truth, truth, pixel),
        (_, Some(pixel)) => (MapSide::Prediction, prediction, pixel),
        _ => return None,
    };
    Some(LabelFault::new(side, map, pixel, num_classes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_any_size_count_the_same() {
        let truth: Vec<u8> = (0..1000_u32).map(|i| [0, 0, 2, VOID, 1][(i / 23 % 5) as usize]).collect();
        let prediction: Vec<u8> = (0..1000_u32).map(|i| [0, 1, 2][(i / 31 % 3) as usize]).collect();
        let counted = |block| {
            let mut confusion = ConfusionMatrix::new(3).unwrap();
            tally_blocks(&mut confusion, &truth, &prediction, block).unwrap();
            confusion
        };
        let whole = counted(BLOCK);
        assert_eq!(whole.counts.iter().sum::<u64>() + whole.void_pixels, 1000);
        for block in [1, 7, 8, 333, 999, 1000] {
            assert_eq!(counted(block), whole, "blocks of {block}");
        }
    }

    #[test]
    fn a_bad_label_in_a_later_block_is_named_by_its_place_in_the_map() {
        let mut confusion = ConfusionMatrix::new(2).unwrap();
        let truth = [0, 1, 0, 1, 0, 0, 1, 9, 1];
        let fault = tally_blocks(&mut confusion, &truth, &[0; 9], 3).unwrap_err();
        assert_eq!((fault.side, fault.pixel, fault.value), (MapSide::Truth, 7, 9));
        assert_eq!(confusion, ConfusionMatrix::new(2).unwrap());
    }
}

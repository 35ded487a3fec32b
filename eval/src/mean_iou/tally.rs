//! The counting loop.
//!
//! Label maps are mostly runs: a run of pixels that agree in both maps is one addition, and where runs end is found for
//! [`STRIDE`] pixels at once. Additions go to several tables in turn, for one to a cell waits for the last to the same cell.
//! Bad labels have cells of their own, so the loop tests none; they are looked for when it has ended.

use wide::u8x16;

use super::ConfusionMatrix;
use super::error::{LabelFault, MapSide};
use wrs_datasets::label_map::VOID;

const TABLES: usize = 4;

/// Pixels that are compared with the ones before them at once.
const STRIDE: usize = 64;

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
    if cells.any_bad(&counts)
        && let Some(fault) = first_fault(confusion.num_classes, truth, prediction)
    {
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
        self.row_start[usize::from(truth)].wrapping_add(self.column[usize::from(prediction)]) as usize
    }

    /// Adds a block of pixels to the tables. Sums wrap without a check: no cell exceeds [`BLOCK`].
    fn count(&self, truth: &[u8], prediction: &[u8], tables: &mut [u32]) {
        let size = self.len();
        let (mut start, mut table) = (0, 0);
        let mut count_to = |end: usize| {
            let count = &mut tables[table + self.of(truth[start], prediction[start])];
            *count = count.wrapping_add(end.wrapping_sub(start) as u32);
            start = end;
            table = if table == 0 { (TABLES - 1) * size } else { table.wrapping_sub(size) };
        };
        let mut at = 1_usize;
        for maps in strides(truth, prediction) {
            let mut ends = run_ends(maps);
            while ends != 0 {
                count_to(at.wrapping_add(ends.trailing_zeros() as usize));
                ends &= ends.wrapping_sub(1);
            }
            at += STRIDE;
        }
        (at..=truth.len()).for_each(count_to);
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

/// Pixels from the second on in strides: the ground truth's, moved back by one and as they are, then the prediction's.
fn strides<'a>(truth: &'a [u8], prediction: &'a [u8]) -> impl Iterator<Item = [&'a [u8; STRIDE]; 4]> {
    let chunks = |map: &'a [u8], from: usize| map.get(from..).unwrap_or_default().as_chunks::<STRIDE>().0.iter();
    let truth = chunks(truth, 0).zip(chunks(truth, 1));
    let prediction = chunks(prediction, 0).zip(chunks(prediction, 1));
    truth.zip(prediction).map(|((t_before, t), (p_before, p))| [t_before, t, p_before, p])
}

/// Bit `i` is set where pixel `i` differs from the one before it, in either map.
fn run_ends(maps: [&[u8; STRIDE]; 4]) -> u64 {
    let [t_before, t, p_before, p] = maps.map(|map| map.as_chunks::<16>().0);
    let same = |before: &[u8; 16], now: &[u8; 16]| u8x16::new(*before).simd_eq(u8x16::new(*now));
    let lanes = t_before.iter().zip(t).zip(p_before.iter().zip(p)).enumerate();
    !lanes.fold(0, |unchanged, (i, ((t_before, t), (p_before, p)))| {
        unchanged | u64::from((same(t_before, t) & same(p_before, p)).to_bitmask()) << (16 * i)
    })
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

//! The numbers of a tensor, in the order of its axes, a piece at a time.

use super::entry::{contiguous, span};
use super::{Entry, TensorFile};
use crate::WeightsError;

/// Bytes read at a time.
const CHUNK: usize = 1 << 18;

/// Bytes read for numbers that lie far apart.
const WINDOW: usize = 1 << 12;

/// What a piece does with its bytes.
type Sink<'f> = dyn FnMut(&[u8]) -> Result<(), WeightsError> + 'f;

impl TensorFile<'_> {
    /// Gives a tensor's bytes to `sink`, in pieces of whole multiples of `granule` numbers, which divides their count.
    ///
    /// Views whose rows lie apart, or whose axes are turned within a row, as `channels_last` has them, are gathered by rows; a
    /// view that is turned as a whole is read as a whole; one that takes few numbers of many is read by windows.
    ///
    /// # Errors
    /// [`WeightsError::Io`], and the sink's.
    pub(crate) fn pieces(&self, entry: &Entry, granule: usize, sink: &mut Sink<'_>) -> Result<(), WeightsError> {
        if entry.is_empty() {
            return Ok(());
        }
        let size = entry.dtype.bytes();
        if is_contiguous(entry) {
            return self.straight(entry.start, entry.len(), granule.max(1) * size, size, sink);
        }
        let (Some((&rows, row)), Some((&stride, inner))) = (entry.shape.split_first(), entry.strides.split_first())
        else {
            return Ok(());
        };
        let numbers: usize = row.iter().product();
        let row_span = span(row, inner).unwrap_or(usize::MAX);
        let stride = if rows == 1 { row_span } else { stride };
        let are_near = stride <= row_span.saturating_mul(2);
        if stride >= row_span && is_dense(row_span, numbers) && (are_near || row_span.saturating_mul(size) >= WINDOW) {
            let most = if are_near { (CHUNK / size / stride).max(1) } else { 1 };
            return self.rows(entry, (stride, row_span), most, sink);
        }
        let whole = span(&entry.shape, &entry.strides).unwrap_or(usize::MAX);
        if is_dense(whole, entry.len()) {
            let mut bytes = vec![0; whole * size];
            self.fill(entry.start, &mut bytes)?;
            return gather_rows(entry, (0..rows).map(|index| &bytes[index * stride * size..]), sink);
        }
        self.windows(entry, sink)
    }

    /// Rows that do not reach into each other, at most `most` of them at a time.
    fn rows(
        &self,
        entry: &Entry,
        (stride, row_span): (usize, usize),
        most: usize,
        sink: &mut Sink<'_>,
    ) -> Result<(), WeightsError> {
        let (rows, size) = (entry.shape[0], entry.dtype.bytes());
        let mut bytes = Vec::new();
        for first in (0..rows).step_by(most) {
            let count = most.min(rows - first);
            bytes.resize(((count - 1) * stride + row_span) * size, 0);
            self.fill(entry.start + (first * stride * size) as u64, &mut bytes)?;
            gather_rows(entry, (0..count).map(|index| &bytes[index * stride * size..]), sink)?;
        }
        Ok(())
    }

    fn straight(
        &self,
        mut at: u64,
        numbers: usize,
        granule: usize,
        size: usize,
        sink: &mut Sink<'_>,
    ) -> Result<(), WeightsError> {
        let mut left = numbers * size;
        let chunk = (CHUNK / granule).max(1) * granule;
        let mut bytes = vec![0; chunk.min(left)];
        while left > 0 {
            let piece = &mut bytes[..chunk.min(left)];
            self.fill(at, piece)?;
            sink(piece)?;
            at += piece.len() as u64;
            left -= piece.len();
        }
        Ok(())
    }

    /// Rows of numbers that lie far apart, or twice in a piece.
    fn windows(&self, entry: &Entry, sink: &mut Sink<'_>) -> Result<(), WeightsError> {
        let size = entry.dtype.bytes();
        let end = entry.start + (span(&entry.shape, &entry.strides).unwrap_or(0) * size) as u64;
        let (mut window, mut begin) = (Vec::new(), 0);
        let mut gathered = Vec::new();
        for index in 0..entry.shape[0] {
            gathered.clear();
            let mut fault = None;
            gather(&entry.shape[1..], &entry.strides[1..], |at| {
                let place = entry.start + ((index * entry.strides[0] + at) * size) as u64;
                let is_within = place >= begin && place + size as u64 <= begin + window.len() as u64;
                if !is_within && fault.is_none() {
                    window.resize((end - place).min(WINDOW as u64) as usize, 0);
                    begin = place;
                    fault = self.fill(place, &mut window).err();
                }
                if fault.is_none() {
                    gathered.extend_from_slice(&window[(place - begin) as usize..][..size]);
                }
            });
            if let Some(fault) = fault {
                return Err(fault);
            }
            sink(&gathered)?;
        }
        Ok(())
    }

    fn fill(&self, at: u64, bytes: &mut [u8]) -> Result<(), WeightsError> {
        let io = |source| WeightsError::Io { action: "read", path: self.file.clone().into(), source };
        self.source.read_at(at, bytes).map_err(io)
    }
}

/// Whether the numbers lie side by side; strides of sides of one number say nothing.
fn is_contiguous(entry: &Entry) -> bool {
    let expected = contiguous(&entry.shape);
    entry
        .shape
        .iter()
        .zip(entry.strides.iter().zip(&expected))
        .all(|(&side, (got, expected))| side == 1 || got == expected)
}

/// Whether reading all between the first and the last number reads little that is not wanted, and nothing twice.
fn is_dense(span: usize, numbers: usize) -> bool {
    span >= numbers && span <= numbers.saturating_mul(2)
}

/// Gives a piece for each row of a tensor, gathered from the bytes that begin with its first number.
fn gather_rows<'b>(
    entry: &Entry,
    rows: impl Iterator<Item = &'b [u8]>,
    sink: &mut Sink<'_>,
) -> Result<(), WeightsError> {
    let size = entry.dtype.bytes();
    let mut gathered = Vec::new();
    for bytes in rows {
        gathered.clear();
        gather(&entry.shape[1..], &entry.strides[1..], |at| {
            gathered.extend_from_slice(&bytes[at * size..][..size]);
        });
        sink(&gathered)?;
    }
    Ok(())
}

/// Tells the places of a view's numbers, in the order of its axes, the last running fastest.
fn gather(shape: &[usize], strides: &[usize], mut at: impl FnMut(usize)) {
    let Some(((&side, outer), (&stride, outer_strides))) = shape.split_last().zip(strides.split_last()) else {
        return at(0);
    };
    let mut index = vec![0; outer.len()];
    loop {
        let base: usize = index.iter().zip(outer_strides).map(|(index, stride)| index * stride).sum();
        (0..side).for_each(|i| at(base + i * stride));
        // The next row: the last axis that has one more.
        let Some(axis) = (0..outer.len()).rev().find(|&axis| index[axis] + 1 < outer[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}

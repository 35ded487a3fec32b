//! From the network's logits to boxes with scores (Redmon and Farhadi 2018, section 2.1).
//!
//! Legend: `B` batch, `h w` cells, `A` anchors of a level, `K` classes, `N` candidates of one picture.

use wrs_ops::{ShapeError, check_len};

use crate::anchors::{Anchors, Level, LevelMap};

/// Largest `tw` and `th` that count: a side of at most 1000 anchors.  Bounding the logit before the exponential, not its
/// value after, keeps infinities out of the gradient.
pub const MAX_SIDE_LOGIT: f64 = 6.907_755_278_982_137; // ln 1000

/// The boxes of one picture before suppression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// `K`; with a single class the objectness is the score.
    pub classes: usize,
    /// `[N]` edges in pixels of the network's input.
    pub boxes_xyxy: Vec<[f32; 4]>,
    /// `[N]` probability that there is an object.
    pub objectness: Vec<f32>,
    /// `[N, K]` probability of each class if there is one; empty with a single class.
    pub class_scores: Vec<f32>,
}

/// 1 / (1 + exp(-x)).
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The candidates of picture `image` whose objectness is above `objectness_above`, level by level, then by row, column and
/// anchor; those whose objectness is not a number stay, to be counted where boxes are rejected.
///
/// `bx = (a * sigmoid(tx) - (a - 1) / 2 + column) * stride` with the level's `a` (1 in YOLOv3), `bw = pw * exp(tw)`, and the
/// same down the picture; classes are independent sigmoids, never a softmax.
///
/// # Shapes
/// `maps`: one `[B, h, w, A * (5 + K)]` per level.
///
/// # Errors
/// [`ShapeError`] when the maps do not fit the levels, or there is no such picture.
pub fn decode(
    maps: &[LevelMap<'_>],
    anchors: &Anchors,
    classes: usize,
    image: usize,
    objectness_above: f32,
) -> Result<Candidates, ShapeError> {
    anchors.check_maps("decode", maps, classes)?;
    check_len("decode", "classes of a network without any", classes.min(1), 1)?;
    let mut found = Candidates { classes, ..Candidates::default() };
    for (map, level) in maps.iter().zip(&anchors.levels) {
        check_image(map, image)?;
        decode_level(map, level, image, objectness_above, &mut found);
    }
    Ok(found)
}

fn check_image(map: &LevelMap<'_>, image: usize) -> Result<(), ShapeError> {
    if image < map.n {
        return Ok(());
    }
    let expected = format!("below {}", map.n);
    Err(ShapeError { op: "decode", what: "image", expected, got: image.to_string() })
}

fn decode_level(map: &LevelMap<'_>, level: &Level, image: usize, objectness_above: f32, found: &mut Candidates) {
    let (a, width) = (level.sizes.len(), 5 + found.classes);
    let of_image = map.h * map.w * a * width;
    let logits = &map.logits[image * of_image..][..of_image];
    for (predictor, logits) in logits.chunks_exact(width).enumerate() {
        let objectness = sigmoid(logits[4]);
        if objectness <= objectness_above {
            continue;
        }
        let (cell, anchor) = (predictor / a, predictor % a);
        let cell = [(cell % map.w) as f32, (cell / map.w) as f32];
        found.boxes_xyxy.push(box_xyxy(logits, cell, level, anchor));
        found.objectness.push(objectness);
        if found.classes > 1 {
            found.class_scores.extend(logits[5..].iter().map(|&logit| sigmoid(logit)));
        }
    }
}

/// One predictor's box; a logit that is not a number gives edges that are none.
fn box_xyxy(logits: &[f32], [column, row]: [f32; 2], level: &Level, anchor: usize) -> [f32; 4] {
    let ([pw, ph], stride) = (level.sizes[anchor], level.stride as f32);
    let (scale, shift) = (level.scale_xy as f32, level.shift_xy() as f32);
    // clamp, not min: min would turn a NaN into the bound.
    let side = |logit: f32| logit.clamp(f32::NEG_INFINITY, MAX_SIDE_LOGIT as f32).exp();
    let centre = |logit: f32, cell: f32| (scale * sigmoid(logit) + shift + cell) * stride;
    let (x, y) = (centre(logits[0], column), centre(logits[1], row));
    let (half_w, half_h) = (0.5 * pw * side(logits[2]), 0.5 * ph * side(logits[3]));
    [x - half_w, y - half_h, x + half_w, y + half_h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchors::COCO_ANCHORS;

    /// Maps of a 32 x 64 px input with every objectness at -20, to be written into.
    struct Net {
        classes: usize,
        logits: [Vec<f32>; 3],
    }

    impl Net {
        fn quiet(n: usize, classes: usize) -> Self {
            let logits = [1, 2, 4].map(|h| {
                let mut predictor = vec![0.0; 5 + classes];
                predictor[4] = -20.0;
                predictor.repeat(n * h * 2 * h * 3)
            });
            Self { classes, logits }
        }

        fn predictor(&mut self, level: usize, index: usize) -> &mut [f32] {
            let width = 5 + self.classes;
            &mut self.logits[level][index * width..][..width]
        }

        fn decode(&self, n: usize, image: usize) -> Candidates {
            let map = |level: usize, h: usize| LevelMap { n, h, w: 2 * h, logits: &self.logits[level] };
            let maps = [map(0, 1), map(1, 2), map(2, 4)];
            decode(&maps, &Anchors::from_sizes(&COCO_ANCHORS).unwrap(), self.classes, image, 0.001).unwrap()
        }
    }

    fn assert_close(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() <= 1e-5 * e.abs().max(1.0), "{got:?} {expected:?}");
        }
    }

    #[test]
    fn a_box_by_hand() {
        let mut net = Net::quiet(2, 2);
        // Level of stride 16, picture 1, row 1, column 2, anchor 1 (62 x 45 px): of 2 x 4 cells of 3 anchors.
        let index = ((2 + 1) * 4 + 2) * 3 + 1;
        let three_quarters = 3f32.ln();
        net.predictor(1, index).copy_from_slice(&[0.0, three_quarters, 2f32.ln(), 0.0, 0.0, three_quarters, 0.0]);
        assert_eq!(net.decode(2, 0), Candidates { classes: 2, ..Candidates::default() });

        let found = net.decode(2, 1);
        // Centre (2.5 * 16, 1.75 * 16) = (40, 28), sides 124 x 45.
        assert_close(&found.boxes_xyxy[0], &[40.0 - 62.0, 28.0 - 22.5, 40.0 + 62.0, 28.0 + 22.5]);
        assert_close(&found.objectness, &[0.5]);
        assert_close(&found.class_scores, &[0.75, 0.5]);
    }

    #[test]
    fn a_scaled_centre_reaches_beyond_its_cell() {
        let mut anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
        anchors.levels[0].scale_xy = 1.1;
        // Column 1 of a 1 x 2 grid of stride 32; sigmoid 1 - 1e-9 and 1/2.
        let mut net = Net::quiet(1, 1);
        net.predictor(0, 3).copy_from_slice(&[20.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let map = |level: usize, h: usize| LevelMap { n: 1, h, w: 2 * h, logits: &net.logits[level] };
        let found = decode(&[map(0, 1), map(1, 2), map(2, 4)], &anchors, 1, 0, 0.001).unwrap();
        let [x0, y0, x1, y1] = found.boxes_xyxy[0];
        // (1.1 - 0.05 + 1) * 32 and (0.55 - 0.05) * 32
        assert_close(&[0.5 * (x0 + x1), 0.5 * (y0 + y1)], &[65.6, 16.0]);
    }

    #[test]
    fn candidates_come_by_level_row_column_and_anchor() {
        let mut net = Net::quiet(1, 1);
        for (level, index) in [(2, 5), (2, 4), (0, 3), (1, 0)] {
            net.predictor(level, index)[4] = 1.0;
        }
        let found = net.decode(1, 0);
        let widths: Vec<_> = found.boxes_xyxy.iter().map(|b| b[2] - b[0]).collect();
        assert_close(&widths, &[116.0, 30.0, 16.0, 33.0]);
        assert_close(&found.boxes_xyxy[0][..1], &[48.0 - 58.0]);
        assert!(found.class_scores.is_empty(), "a single class has no score of its own");
    }

    #[test]
    fn huge_side_logits_stop_at_a_thousand_anchors() {
        let mut net = Net::quiet(1, 1);
        net.predictor(0, 0).copy_from_slice(&[0.0, 0.0, 400.0, f32::NEG_INFINITY, 9.0, 0.0]);
        let [x0, y0, x1, y1] = net.decode(1, 0).boxes_xyxy[0];
        assert!(((x1 - x0) / 116_000.0 - 1.0).abs() < 1e-5);
        assert_eq!((y0, y1), (16.0, 16.0));
    }

    #[test]
    fn what_is_not_a_number_stays_visible() {
        for element in 0..5 {
            let mut net = Net::quiet(1, 1);
            net.predictor(0, 0)[4] = 1.0;
            net.predictor(0, 0)[element] = f32::NAN;
            let found = net.decode(1, 0);
            let seen = found.boxes_xyxy[0].iter().chain(&found.objectness).any(|v| v.is_nan());
            assert!(seen, "element {element}");
        }
    }

    #[test]
    fn pictures_and_maps_that_are_not_there_are_refused() {
        let anchors = Anchors::from_sizes(&COCO_ANCHORS).unwrap();
        let logits = vec![0.0; 16 * 3 * 6];
        let maps = [1, 2, 4].map(|side| LevelMap { n: 1, h: side, w: side, logits: &logits[..side * side * 18] });
        assert_eq!(decode(&maps, &anchors, 1, 0, 0.0).unwrap().objectness.len(), 63);
        assert!(decode(&maps, &anchors, 1, 1, 0.0).is_err());
        assert!(decode(&maps, &anchors, 2, 0, 0.0).is_err());
        assert!(decode(&maps[1..], &anchors, 1, 0, 0.0).is_err());
    }
}

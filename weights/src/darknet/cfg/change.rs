//! The same network for other classes, or narrower.

use super::sections::LARGEST;
use super::{Cfg, CfgError, LayerKind};

/// Widest factor of the filters.
const MOST_WIDTH: f64 = 4.0;

impl Cfg {
    /// The network for another number of classes: every `[yolo]` and the filters of the convolution before it.
    ///
    /// # Errors
    /// [`CfgError`] when the layer before a `[yolo]` is no convolution, or there are no classes or too many.
    pub fn with_classes(&self, classes: usize) -> Result<Self, CfgError> {
        let mut changed = self.clone();
        if !(1..=LARGEST).contains(&classes) {
            return Err(self.change("classes", format!("1 to {LARGEST}"), classes.to_string()));
        }
        for i in 0..self.layers.len() {
            let LayerKind::Yolo(yolo) = &mut changed.layers[i].kind else { continue };
            yolo.classes = classes;
            let filters = yolo.mask.len() * (5 + classes);
            match i.checked_sub(1).map(|head| &mut changed.layers[head].kind) {
                Some(LayerKind::Convolutional(conv)) => conv.filters = filters,
                other => {
                    let got = other.map_or("nothing".to_owned(), |kind| format!("[{}]", kind.name()));
                    let help = "only heads that are convolutions can be made anew";
                    return Err(self.error(i, "", "a [convolutional] before it".into(), got, help));
                }
            }
        }
        Ok(changed)
    }

    /// The network with `width` times the filters: multiples of 8, at least 8 and never more than it has if narrower.
    ///
    /// The convolutions before `[yolo]` keep theirs, and so do groups, but where every channel is one.
    ///
    /// # Errors
    /// [`CfgError`] for a factor that is not above 0 and at most 4.
    pub fn with_width(&self, width: f64) -> Result<Self, CfgError> {
        let mut changed = self.clone();
        if !(width > 0.0 && width <= MOST_WIDTH) {
            return Err(self.change("width", format!("a factor above 0, at most {MOST_WIDTH}"), width.to_string()));
        }
        if (width - 1.0).abs() < f64::EPSILON {
            return Ok(changed);
        }
        for i in 0..self.layers.len() {
            let is_head = self.layers.get(i + 1).is_some_and(|next| matches!(next.kind, LayerKind::Yolo(_)));
            if let (LayerKind::Convolutional(conv), false) = (&mut changed.layers[i].kind, is_head) {
                let depthwise = conv.groups == conv.filters;
                conv.filters = scaled(conv.filters, width);
                if depthwise {
                    conv.groups = conv.filters;
                }
            }
        }
        Ok(changed)
    }

    /// A change that cannot be made, at the first line.
    fn change(&self, what: &str, expected: String, got: String) -> CfgError {
        let (file, help) = (self.file.clone(), "correct the setting".to_owned());
        CfgError { file, line: self.net.line, what: format!("network with other {what}"), expected, got, help }
    }
}

fn scaled(filters: usize, width: f64) -> usize {
    let eights = ((filters as f64 * width / 8.0).round() as usize).max(1) * 8;
    if width < 1.0 { eights.min(filters) } else { eights }
}

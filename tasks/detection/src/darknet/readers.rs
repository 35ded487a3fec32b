//! Who reads a layer's output, and who last.

use wrs_weights::darknet::{Activation, Cfg, CfgError, LayerKind};

/// The readers of every layer's output.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    /// By layer: the layers before that it reads.
    reads: Vec<Vec<usize>>,
    /// By layer: those whose last reader it is.
    last_of: Vec<Vec<usize>>,
}

impl Readers {
    /// # Errors
    /// [`CfgError`] when a layer reads a `[yolo]`, whose output is boxes.
    pub fn new(cfg: &Cfg) -> Result<Self, CfgError> {
        let reads: Vec<Vec<usize>> = (0..cfg.layers.len()).map(|i| reads(&cfg.layers[i].kind, i)).collect();
        for (i, from) in reads.iter().enumerate() {
            if let Some(yolo) = from.iter().find(|&&j| matches!(cfg.layers[j].kind, LayerKind::Yolo(_))) {
                let (expected, got) = ("a layer of features to read".to_owned(), format!("layer {yolo} [yolo]"));
                return Err(cfg.error(
                    i,
                    "",
                    expected,
                    got,
                    "continue behind [yolo] with a [route] to an earlier layer",
                ));
            }
        }
        let mut last: Vec<usize> = (0..reads.len()).collect();
        for (i, from) in reads.iter().enumerate() {
            for &j in from {
                last[j] = i;
            }
        }
        let mut last_of = vec![Vec::new(); reads.len()];
        for (j, &i) in last.iter().enumerate() {
            last_of[i].push(j);
        }
        Ok(Self { reads, last_of })
    }

    /// The layers that nobody reads after this one; itself, if nobody does.
    pub fn last_of(&self, layer: usize) -> &[usize] {
        &self.last_of[layer]
    }

    /// The layer that a convolution's output is added to right behind it, by the next layer and for nobody else.
    pub fn shortcut_behind(&self, cfg: &Cfg, layer: usize) -> Option<usize> {
        let LayerKind::Shortcut(shortcut) = &cfg.layers.get(layer + 1)?.kind else { return None };
        let [from] = shortcut.from[..] else { return None };
        let alone = self.reads.iter().flatten().filter(|&&j| j == layer).count() == 1;
        (alone && from != layer && shortcut.activation == Activation::Linear).then_some(from)
    }
}

fn reads(kind: &LayerKind, layer: usize) -> Vec<usize> {
    let before: Vec<usize> = layer.checked_sub(1).into_iter().collect();
    match kind {
        LayerKind::Route(from) => from.clone(),
        LayerKind::Shortcut(shortcut) => [&before[..], &shortcut.from].concat(),
        _ => before,
    }
}

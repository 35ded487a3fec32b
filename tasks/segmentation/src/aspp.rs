//! Atrous spatial pyramid pooling (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017,
//! section 3.3): one map seen at several scales and as a whole.
//!
//! Legend: `B` batch, `h w` cells, `C` channels of the map, `P` channels of a branch.

use wrs_nn::{
    ConvBn, ConvBnNames, ConvConfig, Corners, NnError, Pass, Scope, SingleValue, Value, concat, dropout,
    global_average_pool, resize_bilinear,
};

use crate::model::HeadLayers;

/// What the pyramid is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsppShape {
    /// `C`
    pub c_in: usize,
    /// `P`
    pub c_out: usize,
    /// Dilations of the three 3x3 branches, in cells.
    pub rates: [usize; 3],
    /// Share of the projected values that training drops.
    pub dropout: f64,
}

/// Five branches side by side and their projection.
#[derive(Clone, Debug)]
pub(crate) struct Aspp {
    /// A 1x1 convolution, and three of 3x3.
    branches: Vec<ConvBn>,
    pooling: ConvBn,
    project: ConvBn,
    dropout: f64,
    dropout_name: String,
}

impl Aspp {
    /// Adds torchvision's `convs.{0-3}.{0, 1}`, `convs.4.{1, 2}` (0 is the pooling) and `project.{0, 1}` to a scope.
    pub(crate) fn new(scope: &mut Scope<'_>, layers: HeadLayers, shape: &AsppShape) -> Self {
        let &AsppShape { c_in, c_out, rates, dropout } = shape;
        let first = ConvConfig::same(c_in, c_out, 1);
        let dilated = rates.map(|rate| ConvConfig::same(c_in, c_out, 3).with_dilation(rate));
        let names = ConvBnNames { conv: "0", norm: "1" };
        let mut branches = Vec::with_capacity(1 + rates.len());
        for (i, conv) in [first].into_iter().chain(dilated).enumerate() {
            branches.push(layers.conv_bn(&mut scope.sub("convs").sub(i), conv, names));
        }
        let behind_pool = ConvBnNames { conv: "1", norm: "2" };
        let pooling = layers.conv_bn(&mut scope.sub("convs").sub(branches.len()), first, behind_pool);
        let joined = ConvConfig::same((branches.len() + 1) * c_out, c_out, 1);
        let project = layers.conv_bn(&mut scope.sub("project"), joined, names);
        let pooling = pooling.with_single_value(SingleValue::RunningStatistics);
        Self { branches, pooling, project, dropout, dropout_name: scope.path("project.3") }
    }

    /// # Shapes
    /// `[B, h, w, C]` to `[B, h, w, P]`.
    ///
    /// # Errors
    /// [`NnError`] when `x` does not fit.
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, x: &Value) -> Result<Value, NnError> {
        let mut parts = Vec::with_capacity(self.branches.len() + 1);
        for branch in &self.branches {
            parts.push(branch.forward(pass, x)?);
        }
        let pooled = global_average_pool(pass, x)?; // [B, 1, 1, C]
        let pooled = self.pooling.forward(pass, &pooled)?;
        let size = [x.dims().h, x.dims().w];
        parts.push(resize_bilinear(pass, &pooled, size, Corners::Edges)?); // [B, h, w, P]
        let joined = concat(pass, &parts.iter().collect::<Vec<_>>())?; // [B, h, w, 5 P]
        drop(parts);
        let projected = self.project.forward(pass, &joined)?; // [B, h, w, P]
        dropout(pass, &projected, self.dropout, &self.dropout_name)
    }
}

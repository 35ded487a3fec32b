//! Where the layers of our YOLOv3 stand in Darknet's `yolov3.cfg`.

use wrs_nn::Params;
use wrs_weights::darknet::DarknetConv;

use crate::anchors::ANCHORS_PER_LEVEL;

/// The convolutions of a [`crate::model::YoloV3`] of any width, as Darknet's files order them.
///
/// Params of another network give fewer than 75.
pub fn yolov3_order(params: &Params) -> Vec<DarknetConv> {
    let mut order = Order { params, layer: 0, convs: Vec::new() };
    order.conv("backbone.stem");
    for stage in 0..5 {
        let stage = format!("backbone.stages.{stage}");
        order.conv(&format!("{stage}.down"));
        for block in 0.. {
            let block = format!("{stage}.blocks.{block}");
            if !order.conv(&format!("{block}.reduce")) {
                break;
            }
            order.conv(&format!("{block}.expand"));
            order.pass_over(1); // shortcut
        }
    }
    for level in 0..3 {
        if level > 0 {
            order.pass_over(1); // route
            order.conv(&format!("routes.{}", level - 1));
            order.pass_over(2); // upsample, route
        }
        for conv in 0..5 {
            order.conv(&format!("necks.{level}.convs.{conv}"));
        }
        order.conv(&format!("heads.{level}.expand"));
        order.head(&format!("heads.{level}.predict"));
        order.pass_over(1); // yolo
    }
    order.convs
}

struct Order<'p> {
    params: &'p Params,
    /// The next layer's number.
    layer: usize,
    convs: Vec<DarknetConv>,
}

impl Order<'_> {
    /// Whether there is a convolution of that name.
    fn conv(&mut self, name: &str) -> bool {
        let found = DarknetConv::find(self.params, self.layer, name);
        self.convs.extend(found);
        self.layer += usize::from(found.is_some());
        found.is_some()
    }

    fn head(&mut self, name: &str) {
        let found = DarknetConv::find(self.params, self.layer, name);
        self.convs.extend(found.map(|conv| conv.predicting_for(ANCHORS_PER_LEVEL)));
        self.layer += 1;
    }

    fn pass_over(&mut self, layers: usize) {
        self.layer += layers;
    }
}

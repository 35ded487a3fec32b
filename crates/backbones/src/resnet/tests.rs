//! Blocks by central differences.

#![allow(clippy::unwrap_used)] // tests

#[path = "../../../nn/tests/common/mod.rs"]
mod common;

use common::{assert_gradients, random};
use wrs_nn::{Dims, ParamsBuilder, Pass, Role, Value};

use super::block::{Block, BlockKind, BlockShape};
use super::dilation::BlockPlan;
use super::{OutputStride, ResNetConfig, ResNetDepth, UnknownDepth, UnknownOutputStride};

/// With scales and inputs so small, shifts so large keep every value on its side of the activation's kink.
const SCALE: f32 = 0.6;
const SHIFT: f32 = 3.0;

/// Half of the channels are cut off by the activation, half pass.
fn assert_block(kind: BlockKind, shape: &BlockShape, projections: usize) {
    let config = ResNetConfig::new(ResNetDepth::R18);
    let mut builder = ParamsBuilder::new();
    let block = Block::new(&mut builder.root(), &config, kind, shape);
    let mut params = builder.build(3);
    let ids: Vec<_> = params.iter().map(|(id, p)| (id, p.role)).collect();
    for (id, role) in ids {
        let sides = [SHIFT, -SHIFT].into_iter().cycle();
        match role {
            Role::NormScale => params.values_mut(id).fill(SCALE),
            Role::NormShift => params.values_mut(id).iter_mut().zip(sides).for_each(|(v, side)| *v = side),
            _ => {}
        }
    }
    assert_eq!(params.iter().filter(|(_, p)| p.name == "downsample.0.weight").count(), projections);
    let dims = Dims { n: 2, h: 5, w: 7, c: shape.c_in };
    let x: Vec<f32> = random("x", dims.len()).into_iter().map(|v| 0.5 * v).collect();
    let forward = |pass: &mut Pass<'_>, x: &Value| Ok(vec![block.forward(pass, x.clone())?]);
    assert_gradients(&forward, &params, dims, &x);
}

fn plan(nominal_stride: usize, stride: usize, [first_dilation, dilation]: [usize; 2]) -> BlockPlan {
    BlockPlan { nominal_stride, stride, first_dilation, dilation }
}

#[test]
fn basic_blocks_have_the_loss_s_slopes() {
    assert_block(BlockKind::Basic, &BlockShape { c_in: 8, width: 8, plan: plan(1, 1, [1, 1]) }, 0);
    assert_block(BlockKind::Basic, &BlockShape { c_in: 8, width: 16, plan: plan(2, 2, [1, 1]) }, 1);
    assert_block(BlockKind::Basic, &BlockShape { c_in: 8, width: 8, plan: plan(2, 1, [1, 2]) }, 1);
}

#[test]
fn bottlenecks_have_the_loss_s_slopes() {
    assert_block(BlockKind::Bottleneck, &BlockShape { c_in: 8, width: 8, plan: plan(1, 1, [1, 1]) }, 1);
    assert_block(BlockKind::Bottleneck, &BlockShape { c_in: 8, width: 8, plan: plan(2, 2, [1, 1]) }, 1);
    assert_block(BlockKind::Bottleneck, &BlockShape { c_in: 32, width: 8, plan: plan(1, 1, [2, 2]) }, 0);
}

#[test]
fn recipes_write_depths_and_output_strides_as_numbers() {
    for layers in [18, 34, 50, 101, 152] {
        assert_eq!(ResNetDepth::try_from(layers).map(u64::from), Ok(layers));
    }
    assert_eq!(ResNetDepth::try_from(20), Err(UnknownDepth(20)));
    for pixels in [8, 16, 32] {
        assert_eq!(OutputStride::try_from(pixels).map(u64::from), Ok(pixels));
    }
    assert_eq!(OutputStride::try_from(4), Err(UnknownOutputStride(4)));
}

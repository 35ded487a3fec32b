//! The order of a tensor's axes, in memory and in files.
//!
//! Legend: `O` filters, `I` input channels of a group, `kh kw` kernel.

use std::borrow::Cow;

use wrs_nn::{Parameter, Role};

/// The tensor's shape in PyTorch's order: `[O, kh, kw, I]` becomes `[O, I, kh, kw]`, all others stay.
pub(crate) fn file_shape(parameter: &Parameter) -> Vec<usize> {
    match *conv_axes(parameter) {
        [o, h, w, i] => vec![o, i, h, w],
        _ => parameter.shape.clone(),
    }
}

/// Values in memory order to PyTorch's.
pub fn to_file<'a>(parameter: &Parameter, values: &'a [f32]) -> Cow<'a, [f32]> {
    match *conv_axes(parameter) {
        [_, h, w, i] if h * w > 1 && i > 1 => Cow::Owned(swap_inner(values, h * w, i)),
        _ => Cow::Borrowed(values),
    }
}

/// Values in PyTorch's order to memory order.
pub fn from_file<'a>(parameter: &Parameter, values: &'a [f32]) -> Cow<'a, [f32]> {
    match *conv_axes(parameter) {
        [_, h, w, i] if h * w > 1 && i > 1 => Cow::Owned(swap_inner(values, i, h * w)),
        _ => Cow::Borrowed(values),
    }
}

fn conv_axes(parameter: &Parameter) -> &[usize] {
    if parameter.role == Role::ConvWeight { &parameter.shape } else { &[] }
}

/// Matrices of `rows` x `columns`, one behind the other, each transposed.
fn swap_inner(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut swapped = Vec::with_capacity(values.len());
    for matrix in values.chunks_exact(rows * columns) {
        for column in 0..columns {
            swapped.extend(matrix[column..].iter().step_by(columns));
        }
    }
    swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(shape: [usize; 4]) -> Parameter {
        let len = shape.iter().product();
        Parameter { name: "conv.weight".into(), role: Role::ConvWeight, shape: shape.to_vec(), range: 0..len }
    }

    #[test]
    fn a_conv_weight_is_stored_filter_channel_row_column() {
        let (o, h, w, i) = (2, 3, 2, 5);
        let parameter = conv([o, h, w, i]);
        assert_eq!(file_shape(&parameter), [o, i, h, w]);
        let memory: Vec<f32> = (0..o * h * w * i).map(|v| v as f32).collect();
        let file = to_file(&parameter, &memory);
        for (fo, fi, y, x) in [(0, 0, 0, 0), (0, 4, 2, 1), (1, 3, 0, 1), (1, 0, 2, 0), (1, 4, 2, 1)] {
            let (in_file, in_memory) = (((fo * i + fi) * h + y) * w + x, ((fo * h + y) * w + x) * i + fi);
            assert_eq!(file[in_file].to_bits(), memory[in_memory].to_bits());
        }
        assert_eq!(from_file(&parameter, &file), memory);
    }

    #[test]
    fn only_conv_weights_are_turned() {
        let linear = Parameter { role: Role::LinearWeight, shape: vec![2, 3], ..conv([1, 1, 2, 3]) };
        assert_eq!(file_shape(&linear), [2, 3]);
        assert!(matches!(to_file(&linear, &[0.0; 6]), Cow::Borrowed(_)));
    }
}

//! Whether a file's size is that of a network's numbers, and if not, why not.

use wrs_nn::Params;

use super::order::{DarknetConv, file_floats, first_layers, len};
use super::{DarknetError, Header};
use crate::Strictness;

/// Classes looked for when a file is of another number of them.
const MOST_CLASSES: u64 = 100_000;

/// The two forms of header.
const HEADER_FORMS: [u64; 2] = [16, 20];

/// What is asked of a file.
pub(super) struct Asked<'a> {
    pub file: &'a str,
    /// All of the network's convolutions.
    pub convs: &'a [DarknetConv],
    /// Only the layers below this one, if not all.
    pub layers: Option<usize>,
    pub strictness: Strictness,
}

/// How a file is read.
pub(super) struct Fit<'a> {
    /// The convolutions that are read, the file's first.
    pub read: &'a [DarknetConv],
    /// Those the network has behind them.
    pub not_read: &'a [DarknetConv],
    /// The file's number of classes, where it is another than the network's.
    pub other_classes: Option<u64>,
}

/// Decides by the version what the header is and by the size whether the floats are this network's.
///
/// # Errors
/// [`DarknetError`] when they are not.
pub(super) fn fit<'a>(asked: &Asked<'a>, params: &Params, header: Header, bytes: u64) -> Result<Fit<'a>, DarknetError> {
    let Asked { file, convs, layers, strictness } = *asked;
    let file = || file.to_owned();
    let rest = bytes.checked_sub(header.bytes()).ok_or(DarknetError::NoHeader { file: file(), bytes })?;
    let read = layers.map_or(convs, |layers| first_layers(convs, layers));
    let Some(last) = read.last() else {
        return Err(DarknetError::NothingAsked { file: file(), layers: layers.unwrap_or(0) });
    };
    let (expected, got) = (file_floats(params, read), rest / 4);
    let whole = file_floats(params, convs);
    let fits = |classes| Fit { read, not_read: &convs[read.len()..], other_classes: classes };
    if rest % 4 == 0 && (got == expected || got == whole) {
        return Ok(fits(None));
    }
    let other = HEADER_FORMS.into_iter().find(|&form| form != header.bytes() && bytes == form + 4 * expected);
    if let Some(fits) = other {
        return Err(DarknetError::OtherHeader { file: file(), header, fits });
    }
    if rest % 4 != 0 {
        return Err(DarknetError::NotFloats { file: file(), bytes, header });
    }
    if let Some((own, others)) = classes_of(params, read, got) {
        return match strictness {
            Strictness::Partial => Ok(fits(Some(others))),
            Strictness::Exact => Err(DarknetError::OtherClasses { file: file(), expected: own, got: others as usize }),
        };
    }
    if got < expected {
        let (place, help) = end(params, read, got);
        return Err(DarknetError::Short { file: file(), expected, got, place, help });
    }
    let asked = layers.map_or(String::new(), |layers| format!(" in the first {layers} layers"));
    Err(DarknetError::LeftOver { file: file(), expected, got, layer: last.layer, asked })
}

/// The network's classes and those of a file of the same network with `floats` floats, if there is such a number: every
/// head has `anchors * (5 + K)` filters, so the size grows linearly with `K`.
fn classes_of(params: &Params, convs: &[DarknetConv], floats: u64) -> Option<(usize, u64)> {
    let (mut fixed, mut per_filter, mut classes) = (0, 0, None);
    for conv in convs {
        let Some(anchors) = conv.head_anchors else {
            fixed += conv.file_floats(params);
            continue;
        };
        let filters = len(params.get(conv.bias_or_beta));
        per_filter += anchors as u64 * (conv.file_floats(params) / filters);
        classes = Some((filters as usize / anchors).checked_sub(5)?);
    }
    let per_anchor = floats.checked_sub(fixed)?;
    let others = per_anchor.checked_div(per_filter)?.checked_sub(5)?;
    let exact = per_anchor % per_filter == 0 && (1..=MOST_CLASSES).contains(&others);
    classes.filter(|_| exact).map(|own| (own, others))
}

/// Where a file of fewer floats than these convolutions have ends, and what to do about it.
fn end(params: &Params, convs: &[DarknetConv], floats: u64) -> (String, String) {
    let (mut begun, mut behind) = (0, None);
    for conv in convs {
        let (layer, here) = (conv.layer, conv.file_floats(params));
        if let (Some(last), true) = (behind, begun == floats) {
            let help = format!("a cut file is read when it is called X.conv.{layer} or its cutoff {layer} is given");
            return (format!("behind layer {last}"), help);
        }
        if floats < begun + here {
            let help = "an incomplete download or copy? compare its size with the source's".to_owned();
            return (format!("within layer {layer}, at float {} of its {here}", floats - begun), help);
        }
        (begun, behind) = (begun + here, Some(layer));
    }
    (String::new(), String::new())
}

//! From sections of keys to typed ones.

use super::keys::Keys;
use super::known::{
    NEUTRAL_CONVOLUTIONAL, NEUTRAL_DROPOUT, NEUTRAL_MAXPOOL, NEUTRAL_ROUTE, NEUTRAL_SHORTCUT, TRAINING_CONVOLUTIONAL,
    TRAINING_NET, TRAINING_YOLO,
};
use super::lines::{RawSection, shortened};
use super::walk::LARGEST_SIDE;
use super::{Activation, Cfg, CfgError, Convolutional, Layer, LayerKind, Maxpool, NetSection, Shortcut, Yolo};

/// No layer has more filters, no network more classes.
pub(super) const LARGEST: usize = 1 << 16;

/// No kernel is wider.
const LARGEST_KERNEL: usize = 31;

/// Windows of at most 256 positions.
const LARGEST_WINDOW: usize = 16;

/// No step is longer.
const LARGEST_STRIDE: usize = 64;

/// Every section, typed.
pub(super) fn typed(file: &str, raw: Vec<RawSection>) -> Result<Cfg, CfgError> {
    let mut sections = raw.into_iter();
    let refuse = |line, got: String| CfgError {
        file: file.to_owned(),
        line,
        what: "first section".into(),
        expected: "`[net]`".into(),
        got,
        help: "is it a Darknet .cfg file?".into(),
    };
    let first = sections.next().ok_or_else(|| refuse(1, "no section at all".into()))?;
    if !matches!(first.name.as_str(), "net" | "network") {
        return Err(refuse(first.line, format!("`[{}]`", shortened(&first.name))));
    }
    let mut keys = Keys::new(file, first);
    let net = net(&mut keys)?;
    let mut notes = keys.finish(&TRAINING_NET);
    let mut layers: Vec<Layer> = Vec::new();
    for section in sections {
        let mut keys = Keys::new(file, section);
        let (kind, training_only) = layer(&mut keys, layers.len())?;
        layers.push(Layer { line: keys.line(), kind, keys: keys.lines() });
        notes.extend(keys.finish(training_only));
    }
    if layers.is_empty() {
        return Err(refuse(net.line, "no layer behind it".into()));
    }
    Ok(Cfg { file: file.to_owned(), net, layers, notes })
}

fn net(keys: &mut Keys<'_>) -> Result<NetSection, CfgError> {
    let positive = 0.0..=f64::MAX;
    let steps = keys.list("steps", "whole numbers", |_: &usize| true)?.unwrap_or_default();
    let scales = keys.list("scales", "numbers above 0", |n: &f64| n.is_finite() && *n > 0.0)?.unwrap_or_default();
    if steps.len() != scales.len() {
        let expected = format!("{} factors, one for each of `steps`", steps.len());
        return Err(keys.refuse("scales", expected, &scales.len().to_string(), "list as many"));
    }
    let channels = keys.required("channels", 1..=3)?;
    if channels == 2 {
        return Err(keys.refuse("channels", "1 (grey) or 3 (RGB)", "2", "pictures have no other number"));
    }
    Ok(NetSection {
        line: keys.line(),
        width: keys.required("width", 1..=LARGEST_SIDE)?,
        height: keys.required("height", 1..=LARGEST_SIDE)?,
        channels,
        batch: keys.count("batch", 1..=LARGEST, 1)?,
        subdivisions: keys.count("subdivisions", 1..=LARGEST, 1)?,
        momentum: keys.number("momentum", 0.0..=1.0, 0.9)?,
        decay: keys.number("decay", positive.clone(), 1e-4)?,
        learning_rate: keys.number("learning_rate", positive.clone(), 1e-3)?,
        burn_in: keys.count("burn_in", 0..=usize::MAX, 0)?,
        max_batches: keys.count("max_batches", 0..=usize::MAX, 0)?,
        policy: keys.text("policy").unwrap_or_else(|| "constant".to_owned()),
        steps,
        scales,
        angle: keys.number("angle", 0.0..=360.0, 0.0)?,
        saturation: keys.number("saturation", positive.clone(), 1.0)?,
        exposure: keys.number("exposure", positive, 1.0)?,
        hue: keys.number("hue", 0.0..=1.0, 0.0)?,
    })
}

fn layer(keys: &mut Keys<'_>, index: usize) -> Result<(LayerKind, &'static [&'static str]), CfgError> {
    let name = keys.name().to_owned();
    Ok(match name.as_str() {
        "convolutional" | "conv" => (convolutional(keys)?, &TRAINING_CONVOLUTIONAL),
        "shortcut" => (shortcut(keys, index)?, &[]),
        "route" => {
            refuse_others(keys, &NEUTRAL_ROUTE)?;
            (LayerKind::Route(references(keys, "layers", index)?), &["stream", "wait_stream"])
        }
        "maxpool" | "max" => (maxpool(keys)?, &[]),
        "upsample" => {
            keys.only_neutral("scale", &["1", "1.0", "1."])?;
            (LayerKind::Upsample(keys.count("stride", 1..=LARGEST_STRIDE, 2)?), &[])
        }
        "avgpool" | "avg" => (LayerKind::Avgpool, &[]),
        "softmax" | "soft" => {
            keys.only_neutral("groups", &["1"])?;
            (LayerKind::Softmax, &["noloss"])
        }
        "dropout" => {
            refuse_others(keys, &NEUTRAL_DROPOUT)?;
            let probability = keys.number("probability", 0.0..=1.0, 0.2)?;
            if probability >= 1.0 {
                return Err(keys.refuse("probability", "less than 1", "1", "something must remain"));
            }
            (LayerKind::Dropout(probability), &[])
        }
        "yolo" => (LayerKind::Yolo(yolo(keys)?), &TRAINING_YOLO),
        _ => return Err(unknown(keys)),
    })
}

fn unknown(keys: &Keys<'_>) -> CfgError {
    let expected = "convolutional, shortcut, route, maxpool, upsample, avgpool, softmax, dropout or yolo";
    keys.refuse_section(expected, "networks of other sections cannot be built")
}

fn refuse_others(keys: &mut Keys<'_>, neutral: &[(&str, &[&str])]) -> Result<(), CfgError> {
    neutral.iter().try_for_each(|(key, values)| keys.only_neutral(key, values))
}

fn activation(keys: &mut Keys<'_>, default: Activation) -> Result<Activation, CfgError> {
    let Some(text) = keys.text("activation") else { return Ok(default) };
    Ok(match text.as_str() {
        "linear" => Activation::Linear,
        "leaky" => Activation::Leaky,
        "relu" => Activation::Relu,
        "mish" => Activation::Mish,
        "swish" | "silu" => Activation::Swish,
        "logistic" => Activation::Logistic,
        _ => {
            let expected = "linear, leaky, relu, mish, swish, silu or logistic";
            return Err(keys.refuse("activation", expected, &text, "networks with another activation cannot be built"));
        }
    })
}

fn convolutional(keys: &mut Keys<'_>) -> Result<LayerKind, CfgError> {
    refuse_others(keys, &NEUTRAL_CONVOLUTIONAL)?;
    let size = keys.count("size", 1..=LARGEST_KERNEL, 1)?;
    let padding = keys.count("padding", 0..=LARGEST_KERNEL, 0)?;
    Ok(LayerKind::Convolutional(Convolutional {
        filters: keys.count("filters", 1..=LARGEST, 1)?,
        size,
        stride: keys.count("stride", 1..=LARGEST_STRIDE, 1)?,
        padding: if keys.flag("pad")? { size / 2 } else { padding },
        groups: keys.count("groups", 1..=LARGEST, 1)?,
        batch_normalize: keys.flag("batch_normalize")?,
        activation: activation(keys, Activation::Logistic)?,
    }))
}

fn shortcut(keys: &mut Keys<'_>, index: usize) -> Result<LayerKind, CfgError> {
    refuse_others(keys, &NEUTRAL_SHORTCUT)?;
    if index == 0 {
        return Err(keys.refuse("from", "a layer before it", "none", "a shortcut cannot come first"));
    }
    let from = references(keys, "from", index)?;
    Ok(LayerKind::Shortcut(Shortcut { from, activation: activation(keys, Activation::Linear)? }))
}

/// Layer numbers; negative ones count back from the layer itself.
fn references(keys: &mut Keys<'_>, key: &str, index: usize) -> Result<Vec<usize>, CfgError> {
    let help = "layers are numbered from 0, without [net]; negative numbers count back from the layer itself";
    let expected = format!("numbers of layers before this one, from 0 to {} or from -{index} to -1", index.max(1) - 1);
    let given = keys.list(key, "whole numbers", |_: &i64| true)?.unwrap_or_default();
    let absolute = |&n: &i64| {
        let n = if n < 0 { i64::try_from(index).ok()?.checked_add(n)? } else { n };
        usize::try_from(n).ok().filter(|&n| n < index)
    };
    let layers: Option<Vec<usize>> = given.iter().map(absolute).collect();
    match layers {
        Some(layers) if !layers.is_empty() => Ok(layers),
        _ => {
            let got = keys.text(key).unwrap_or_else(|| "nothing".to_owned());
            Err(keys.refuse(key, expected, &got, help))
        }
    }
}

fn maxpool(keys: &mut Keys<'_>) -> Result<LayerKind, CfgError> {
    refuse_others(keys, &NEUTRAL_MAXPOOL)?;
    let stride = keys.count("stride", 1..=LARGEST_STRIDE, 1)?;
    let size = keys.count("size", 1..=LARGEST_WINDOW, stride.min(LARGEST_WINDOW))?;
    // More on one side would leave windows without a pixel.
    let padding = keys.count("padding", 0..=2 * (size - 1), size - 1)?;
    Ok(LayerKind::Maxpool(Maxpool { size, stride, padding }))
}

fn yolo(keys: &mut Keys<'_>) -> Result<Yolo, CfgError> {
    keys.only_neutral("new_coords", &["0"])?;
    let num = keys.count("num", 1..=LARGEST, 1)?;
    let sides = keys.list("anchors", "numbers above 0", |n: &f32| n.is_finite() && *n > 0.0)?.unwrap_or_default();
    if sides.len() != 2 * num {
        let (expected, help) = (format!("{} numbers, two for each of `num`", 2 * num), "correct `num` or the list");
        return Err(keys.refuse("anchors", expected, &sides.len().to_string(), help));
    }
    let mask = keys.list("mask", "whole numbers", |_: &usize| true)?.unwrap_or_else(|| (0..num).collect());
    if let Some(beyond) = mask.iter().find(|&&anchor| anchor >= num) {
        let expected = format!("places below {num}, which `num` says");
        return Err(keys.refuse("mask", expected, &beyond.to_string(), "correct `num`, or the mask"));
    }
    let anything = f64::MIN..=f64::MAX;
    Ok(Yolo {
        mask,
        anchors: sides.chunks_exact(2).map(|side| [side[0], side[1]]).collect(),
        classes: keys.count("classes", 1..=LARGEST, 20)?,
        scale_x_y: keys.number("scale_x_y", 0.5..=4.0, 1.0)?,
        jitter: keys.number("jitter", anything.clone(), 0.2)?,
        ignore_thresh: keys.number("ignore_thresh", anything.clone(), 0.5)?,
        truth_thresh: keys.number("truth_thresh", anything.clone(), 1.0)?,
        random: keys.number("random", anything, 0.0)? != 0.0,
        max: keys.count("max", 0..=usize::MAX, 90)?,
    })
}

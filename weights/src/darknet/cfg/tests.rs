use proptest::prelude::*;

use super::*;

/// Every kind of section, with spaces, comments, a key given twice, one that nobody knows, one of training.
const SMALL: &str = "\u{feff}# a network\r
[net]\r
width = 64\r
height=32
channels=3
batch=8
steps = 10, 20
scales = .1,.1
policy=steps

[convolutional]            ; layer 0
batch_normalize=1
filters=16
filters=32
size=3
pad=1
activation=leaky
mystery=7
# layer 1
[maxpool]
size=2
stride=2
[convolutional]
batch_normalize=1
filters=16
groups=16
size=3
stride=1
pad=1
activation=relu
[dropout]
probability=.5
[shortcut]
from=-3
activation=linear
[maxpool]
size=2
stride=1
[upsample]
stride=2
[route]
layers=-1, 0
[convolutional]
filters=14
size=1
activation=linear
[yolo]
mask = 1,2
anchors = 10,13,  16,30,  33,23,
classes=2
num=3
scale_x_y = 1.05
iou_loss=ciou
";

fn small() -> Cfg {
    Cfg::parse("small.cfg", SMALL).unwrap()
}

/// The message for the network with one text in place of another.
fn refusal(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    let text = SMALL.replacen(from, to, 1);
    let walked = Cfg::parse("small.cfg", &text).and_then(|cfg| cfg.walk([cfg.net.height, cfg.net.width]));
    walked.unwrap_err().to_string()
}

#[test]
fn sections_become_layers_with_darknets_defaults() {
    let cfg = small();
    assert_eq!((cfg.net.width, cfg.net.height, cfg.net.channels, cfg.net.batch), (64, 32, 3, 8));
    assert_eq!((cfg.net.steps.as_slice(), cfg.net.scales.as_slice()), (&[10, 20][..], &[0.1, 0.1][..]));
    assert_eq!((cfg.net.subdivisions, cfg.net.burn_in), (1, 0));
    let names: Vec<_> = cfg.layers.iter().map(|layer| layer.kind.name()).collect();
    let expected = ["convolutional", "maxpool", "convolutional", "dropout", "shortcut", "maxpool", "upsample", "route"];
    assert_eq!(names[..8], expected);
    let LayerKind::Convolutional(conv) = &cfg.layers[0].kind else { panic!() };
    assert_eq!((conv.filters, conv.padding, conv.stride, conv.groups), (16, 1, 1, 1), "the first of two counts");
    assert!(conv.batch_normalize && conv.activation == Activation::Leaky);
    assert_eq!(cfg.layers[4].kind, LayerKind::Shortcut(Shortcut { from: vec![1], activation: Activation::Linear }));
    assert_eq!(cfg.layers[5].kind, LayerKind::Maxpool(Maxpool { size: 2, stride: 1, padding: 1 }));
    assert_eq!(cfg.layers[7].kind, LayerKind::Route(vec![6, 0]));
    let (at, yolo) = cfg.yolo_layers().next().unwrap();
    assert_eq!((at, yolo.mask.as_slice(), yolo.classes, yolo.scale_x_y), (9, &[1, 2][..], 2, 1.05));
    assert_eq!(yolo.anchors, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]);
    assert_eq!((yolo.ignore_thresh, yolo.truth_thresh, yolo.jitter, yolo.max), (0.5, 1.0, 0.2, 90));
    assert_eq!(cfg.layers[0].line_of("size"), 15);
    assert_eq!(cfg.layers[0].line_of("stride"), 11, "a default stands at its section");
}

#[test]
fn files_are_read_in_any_encoding_and_huge_ones_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.cfg");
    std::fs::write(&path, [b"# \xff\xfe caf\xe9\n", SMALL.trim_start_matches('\u{feff}').as_bytes()].concat()).unwrap();
    let cfg = Cfg::load(&path).unwrap();
    assert_eq!((cfg.net.width, cfg.layers.len(), cfg.classes()), (64, 10, 2));
    std::fs::write(&path, vec![b'\n'; (4 << 20) + 1]).unwrap();
    let error = Cfg::load(&path).unwrap_err().to_string();
    assert!(error.contains("expected a text of at most 4 MiB"), "{error}");
    let error = Cfg::load(&folder.path().join("none.cfg")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("none.cfg"), "{error}");
}

#[test]
fn anchors_end_with_the_last_that_is_used() {
    let text = SMALL.replace("mask = 1,2", "mask=0,1");
    assert_eq!(Cfg::parse("x", &text).unwrap().anchors(), [[10.0, 13.0], [16.0, 30.0]]);
    assert_eq!(small().anchors().len(), 3);
}

#[test]
fn what_is_read_over_is_noted() {
    let notes: Vec<String> = small().notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "line 14: [convolutional] `filters`: given before; line 13 counts",
            "line 18: [convolutional] `mystery`: not a known key, not used",
            "line 53: [yolo] `iou_loss`: not used: the recipe says how training and suppression go",
        ]
    );
}

#[test]
fn sizes_and_costs_by_hand() {
    let walk = small().walk([32, 64]).unwrap();
    let maps: Vec<_> = walk.layers.iter().map(|l| (l.channels, l.height, l.width, l.stride)).collect();
    let half = (16, 16, 32, Some(2));
    let full = (16, 32, 64, Some(1));
    let head = (14, 32, 64, Some(1));
    assert_eq!(maps, [full, half, half, half, half, half, full, (32, 32, 64, Some(1)), head, head]);
    let (first, depthwise, last) = (16 * 27, 16 * 9, 14 * 32);
    assert_eq!(walk.params(), first + 2 * 16 + depthwise + 2 * 16 + last + 14);
    assert_eq!(walk.file_floats(), walk.params() + 4 * 16);
    assert_eq!(walk.flops(), 2 * (first * 2048 + depthwise * 512 + last * 2048));
    assert_eq!(walk.max_stride, 2);
}

#[test]
fn faults_are_refused_with_their_line() {
    for (from, to, expected) in [
        ("[dropout]", "[reorg3d]", "small.cfg:31: section: expected convolutional, shortcut, route"),
        ("[net]\r", "[conv]\r", "small.cfg:2: first section: expected `[net]`, got `[conv]`"),
        ("width = 64", "width = 63", "small.cfg:2: input width: expected a multiple of 2"),
        (
            "width = 64",
            "wide = 64",
            "small.cfg:2: [net] `width`: expected a whole number from 1 to 32768, got `nothing`",
        ),
        ("channels=3", "channels=2", "small.cfg:5: [net] `channels`: expected 1 (grey) or 3 (RGB), got `2`"),
        ("scales = .1,.1", "scales=.1", "small.cfg:8: [net] `scales`: expected 2 factors"),
        ("filters=16\n", "filters=0\n", "small.cfg:13: [convolutional] `filters`: expected a whole number from 1 to"),
        ("filters=16\n", "filters=x\n", "small.cfg:13: [convolutional] `filters`"),
        ("activation=leaky", "activation=selu", "small.cfg:17: [convolutional] `activation`: expected linear, leaky"),
        ("mystery=7", "dilation=2", "small.cfg:18: [convolutional] `dilation`: expected 1 (nothing else is supported)"),
        (
            "groups=16",
            "groups=3",
            "small.cfg:26: layer 2 [convolutional] `groups`: expected a divisor of the 16 channels",
        ),
        (
            "from=-3",
            "from=0",
            "small.cfg:34: layer 4 [shortcut] `from`: expected 16 x 16 x 32, got 16 x 32 x 64 of layer 0",
        ),
        (
            "from=-3",
            "from=-9",
            "small.cfg:34: [shortcut] `from`: expected numbers of layers before this one, from 0 to 3",
        ),
        ("from=-3", "from=4", "small.cfg:34: [shortcut] `from`"),
        ("layers=-1, 0", "layers=-1,1", "small.cfg:42: layer 7 [route] `layers`: expected maps as large as"),
        ("layers=-1, 0", "layers=", "small.cfg:42: [route] `layers`"),
        ("layers=-1, 0", "layers=-1,0\ngroups=2", "small.cfg:43: [route] `groups`: expected 1 (nothing else"),
        (
            "size=2\nstride=1",
            "size=20\nstride=1",
            "small.cfg:37: [maxpool] `size`: expected a whole number from 1 to 16",
        ),
        ("stride=2\n[route]", "stride=4\n[route]", "small.cfg:40: layer 6 [upsample] `stride`: expected a map whose"),
        (
            "filters=14",
            "filters=18",
            "layer 9 [yolo] `classes`: expected 14 channels: 2 anchors * (5 + 2 classes), got 18",
        ),
        ("mask = 1,2", "mask = 1,3", "small.cfg:48: [yolo] `mask`: expected places below 3, which `num` says, got `3`"),
        ("num=3", "num=6", "small.cfg:49: [yolo] `anchors`: expected 12 numbers"),
        ("num=3", "num=3\nnew_coords=1", "small.cfg:52: [yolo] `new_coords`"),
        ("probability=.5", "probability=1", "small.cfg:32: [dropout] `probability`: expected less than 1"),
        ("mystery=7", "mystery", "small.cfg:18: line: expected `key=value`, got `mystery`"),
        ("[dropout]", "[dropout", "small.cfg:31: line: expected `[section]`"),
    ] {
        let text = refusal(from, to);
        assert!(text.contains(expected), "{to}: {text}");
        assert!(text.contains("\nhelp: "), "{text}");
    }
    assert!(refusal("filters=14", "filters=18").contains("help: the convolution before it needs filters=14"));
    let nothing = Cfg::parse("none", "").unwrap_err().to_string();
    assert!(nothing.starts_with("none:1: first section: expected `[net]`, got no section at all"), "{nothing}");
    assert!(Cfg::parse("none", "width=3").unwrap_err().to_string().contains("`[net]` first"));
}

#[test]
fn networks_too_large_for_any_machine_are_refused() {
    let layer = "[convolutional]\nfilters=65536\nsize=31\n";
    let text = format!("[net]\nwidth=32768\nheight=32768\nchannels=3\n{layer}{layer}");
    let error = Cfg::parse("huge", &text).unwrap().walk([32768; 2]).unwrap_err().to_string();
    assert!(error.contains("expected a network of at most 2147483648 numbers"), "{error}");
    let doubling = "[route]\nlayers=-1,-1\n".repeat(200);
    let text = format!("[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\n{doubling}");
    let error = Cfg::parse("wide", &text).unwrap().walk([32; 2]).unwrap_err().to_string();
    assert!(error.contains("channels, got"), "{error}");
}

#[test]
fn other_classes_change_the_heads_alone() {
    let (cfg, changed) = (small(), small().with_classes(7).unwrap());
    assert_eq!(changed.walk([32, 64]).unwrap().layers[9].channels, 2 * 12);
    let differ: Vec<usize> = (0..cfg.layers.len()).filter(|&i| cfg.layers[i] != changed.layers[i]).collect();
    assert_eq!(differ, [8, 9]);
    assert!(cfg.with_classes(0).is_err() && cfg.with_classes(usize::MAX).is_err());
    let headless = SMALL.replace("[yolo]", "[dropout]\n[yolo]");
    let error = Cfg::parse("x", &headless).unwrap().with_classes(3).unwrap_err().to_string();
    assert!(error.contains("expected a [convolutional] before it, got [dropout]"), "{error}");
}

#[test]
fn a_narrow_network_keeps_its_shortcuts_and_heads() {
    let cfg = small();
    let narrow = cfg.with_width(0.5).unwrap().walk([32, 64]).unwrap();
    let channels: Vec<_> = narrow.layers.iter().map(|layer| layer.channels).collect();
    assert_eq!(channels, [8, 8, 8, 8, 8, 8, 8, 16, 14, 14]);
    assert_eq!(cfg.with_width(1.0).unwrap(), cfg);
    for width in [0.0, -1.0, 5.0, f64::NAN] {
        assert!(cfg.with_width(width).is_err(), "{width}");
    }
}

/// Reading and walking end, whatever the bytes.
fn survives(bytes: &[u8]) {
    if let Ok(cfg) = Cfg::parse("fuzz", &String::from_utf8_lossy(bytes)) {
        if let Ok(walk) = cfg.walk([cfg.net.height, cfg.net.width]) {
            let _ = (walk.params(), walk.flops(), walk.file_floats());
        }
        let _ = (cfg.classes(), cfg.anchors());
        let _ = cfg.with_classes(3).and_then(|cfg| cfg.with_width(0.25)).and_then(|cfg| cfg.walk([64, 64]));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survives(&bytes);
    }

    #[test]
    fn broken_networks_are_read_or_refused(
        cuts in proptest::collection::vec((0..SMALL.len(), 0..12_usize, "[-0-9,=\\[\\]a-z\n.]{0,8}"), 1..6),
    ) {
        let mut bytes = SMALL.as_bytes().to_vec();
        for (at, length, text) in cuts {
            let at = at.min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, text.bytes());
        }
        survives(&bytes);
    }

    #[test]
    fn any_number_of_any_size_is_read_or_refused(
        lines in proptest::collection::vec((0..60_usize, any::<i64>()), 1..8),
    ) {
        let mut text: Vec<String> = SMALL.lines().map(str::to_owned).collect();
        for (at, number) in lines {
            let line = &mut text[at % SMALL.lines().count()];
            if let Some((key, _)) = line.split_once('=') {
                *line = format!("{key}={number}");
            }
        }
        survives(text.join("\n").as_bytes());
    }
}

use proptest::prelude::*;
use wrs_nn::{Init, Params, ParamsBuilder, Role};

use super::*;
use crate::Strictness;
use crate::WeightsError;

/// Filters, input channels and kernel of a convolution at a layer; heads have two anchors and no norm.
type Conv = (usize, [usize; 3], bool);

fn network(classes: usize, seed: u64) -> (Params, Vec<DarknetConv>) {
    let filters = 2 * (5 + classes);
    // Two heads with other layers between, as in the YOLO networks.
    let plan: [Conv; 5] = [
        (0, [8, 3, 3], false),
        (2, [4, 8, 1], false),
        (3, [filters, 4, 1], true),
        (7, [6, 4, 3], false),
        (8, [filters, 6, 1], true),
    ];
    let mut builder = ParamsBuilder::new();
    let draw = Init::Uniform { bound: 1.0 };
    for (layer, [o, i, k], head) in plan {
        let mut root = builder.root();
        let mut layers = root.sub("layers");
        let mut scope = layers.sub(layer);
        if head {
            scope.add("weight", Role::ConvWeight, &[o, k, k, i], draw);
            scope.add("bias", Role::Bias, &[o], draw);
        } else {
            scope.sub("conv").add("weight", Role::ConvWeight, &[o, k, k, i], draw);
            let mut bn = scope.sub("bn");
            bn.add("weight", Role::NormScale, &[o], draw);
            bn.add("bias", Role::NormShift, &[o], draw);
            bn.add("running_mean", Role::RunningMean, &[o], draw);
            bn.add("running_var", Role::RunningVar, &[o], Init::Constant(1.0 + seed as f32));
        }
    }
    let params = builder.build(seed);
    let conv = |(layer, _, head): Conv| {
        let conv = DarknetConv::find(&params, layer, &format!("layers.{layer}")).unwrap();
        if head { conv.predicting_for(2) } else { conv }
    };
    let convs = plan.map(conv).to_vec();
    (params, convs)
}

fn bytes_of(params: &Params, convs: &[DarknetConv], header: Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(params, convs, header, &mut bytes).unwrap();
    bytes
}

fn bits(params: &Params) -> Vec<u32> {
    params.trainable().host().iter().chain(params.statistics().host()).map(|v| v.to_bits()).collect()
}

fn read_bytes(
    into: &mut (Params, Vec<DarknetConv>),
    bytes: &[u8],
    strictness: Strictness,
) -> Result<DarknetReport, WeightsError> {
    let (params, convs) = into;
    super::read(params, convs, bytes, bytes.len() as u64, "net.weights", strictness)
}

fn refusal(bytes: &[u8], classes: usize) -> String {
    read_bytes(&mut network(classes, 2), bytes, Strictness::Exact).unwrap_err().to_string()
}

#[test]
fn a_file_is_header_beta_gamma_mean_variance_and_filters_by_channel() {
    let (params, convs) = network(3, 1);
    let bytes = bytes_of(&params, &convs, Header::new(77));
    assert_eq!(bytes[..20], [&[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0][..], &77u64.to_le_bytes()].concat());
    assert_eq!(bytes.len() as u64, 20 + 4 * file_floats(&params, &convs));
    let float = |i: usize| u32::from_le_bytes(bytes[20 + 4 * i..][..4].try_into().unwrap());
    let of = |name: &str, i: usize| params.values(params.find(name).unwrap())[i].to_bits();
    for (i, name) in ["bias", "weight", "running_mean", "running_var"].into_iter().enumerate() {
        assert_eq!(float(8 * i + 5), of(&format!("layers.0.bn.{name}"), 5), "{name}");
    }
    // Filter 1, channel 2, row 0, column 1 of [8, 3, 3, 3].
    let (o, c, x) = (1, 2, 1);
    assert_eq!(float(32 + (o * 3 + c) * 9 + x), of("layers.0.conv.weight", (o * 9 + x) * 3 + c));
    let second = 4 * 8 + 8 * 27;
    let head = second + 4 * 4 + 4 * 8;
    assert_eq!(float(head + 15), of("layers.3.bias", 15));
    assert_eq!(float(head + 16), of("layers.3.weight", 0), "a head has no norm");
}

#[test]
fn both_headers_come_back_byte_for_byte() {
    for (version, length) in
        [([0, 1, 0], 16), ([0, 2, 0], 20), ([0, 2, 5], 20), ([1, 0, 0], 20), ([2000, 0, 0], 16), ([0, 0, 9], 16)]
    {
        let (params, convs) = network(3, 1);
        let header = Header { version, seen: 32_013_312 };
        let bytes = bytes_of(&params, &convs, header);
        assert_eq!(bytes.len() as u64, length + 4 * file_floats(&params, &convs), "{version:?}");
        let mut other = network(3, 2);
        let report = read_bytes(&mut other, &bytes, Strictness::Exact).unwrap();
        assert_eq!((report.header, report.loaded, report.mismatched.len()), (header, 5, 0));
        assert_eq!(bits(&other.0), bits(&params), "{version:?}");
        assert_eq!(bytes_of(&other.0, &other.1, report.header), bytes);
    }
    let (params, convs) = network(3, 1);
    let many = Header { version: [0, 1, 0], seen: 1 << 40 };
    assert!(write(&params, &convs, many, &mut Vec::new()).is_err(), "the short form has 32 bits");
}

#[test]
fn the_version_and_the_size_must_agree() {
    let (params, convs) = network(3, 1);
    let mut bytes = bytes_of(&params, &convs, Header { version: [0, 1, 0], seen: 5 });
    bytes[4] = 2;
    let text = refusal(&bytes, 3);
    assert!(
        text.contains("version 0.2.0 asks for a header of 20 bytes, but the size fits this network with one of 16")
    );
    let mut bytes = bytes_of(&params, &convs, Header::new(5));
    bytes[4] = 1;
    assert!(refusal(&bytes, 3).contains("asks for a header of 16 bytes"), "{}", refusal(&bytes, 3));
}

#[test]
fn a_short_file_names_the_layer_where_it_ends() {
    let (params, convs) = network(3, 1);
    let bytes = bytes_of(&params, &convs, Header::new(0));
    let first = 20 + 4 * (4 * 8 + 8 * 27);
    let second = first + 4 * (4 * 4 + 4 * 8);
    for (length, place) in [
        (second, "it ends behind layer 2\nhelp: a cut file is read when it is called X.conv.3 or its cutoff 3"),
        (first + 40, "it ends within layer 2, at float 10 of its 48\nhelp: an incomplete download"),
        (24, "it ends within layer 0, at float 1 of its 248"),
    ] {
        let text = refusal(&bytes[..length], 3);
        assert!(text.contains(place), "{length}: {text}");
    }
    assert!(refusal(&bytes[..second + 3], 3).contains("and whole floats, got"), "{}", refusal(&bytes[..second + 3], 3));
    assert!(refusal(&bytes[..19], 3).contains("expected a Darknet header"));
    assert!(refusal(&[], 3).contains("got 0 bytes"));
}

#[test]
fn a_long_file_says_what_is_left_over() {
    let (params, convs) = network(3, 1);
    let mut bytes = bytes_of(&params, &convs, Header::new(0));
    bytes.extend([0; 12]);
    let text = refusal(&bytes, 3);
    assert!(text.contains("3 left over behind layer 8\nhelp: "), "{text}");
}

#[test]
fn a_cut_file_is_read_as_far_as_it_goes() {
    let (params, convs) = network(3, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.conv.3");
    let cut = first_layers(&convs, 3);
    assert_eq!(cut.len(), 2);
    save(&params, cut, Header::new(9), &path).unwrap();
    let (mut other, convs) = network(3, 2);
    let before = bits(&other);
    let report = load_into(&mut other, &convs, &path, Extent::ByName, Strictness::Exact).unwrap();
    assert_eq!((report.loaded, report.header.seen), (2, 9));
    assert_eq!(report.not_read[0], "layers.3.bias");
    assert_eq!(report.not_read.len(), 2 + 5 + 2);
    for (id, p) in params.iter() {
        let layer: usize = p.name.split('.').nth(1).unwrap().parse().unwrap();
        assert_eq!(other.values(id) == params.values(id), layer < 3, "{}", p.name);
    }
    assert_ne!(bits(&other), before);
    let error = load_into(&mut other, &convs, &path, Extent::Whole, Strictness::Exact).unwrap_err().to_string();
    assert!(error.contains("it ends behind layer 2"), "{error}");
    // The whole file gives its first layers too, when asked.
    let path = folder.path().join("small.weights");
    save(&params, &convs, Header::new(9), &path).unwrap();
    let report = load_into(&mut other, &convs, &path, Extent::Layers(8), Strictness::Exact).unwrap();
    assert_eq!((report.loaded, report.not_read.len()), (4, 2));
    let error = load_into(&mut other, &convs, &path, Extent::Layers(0), Strictness::Exact).unwrap_err().to_string();
    assert!(error.contains("no convolution among the first 0 layers"), "{error}");
    let missing = folder.path().join("none.weights");
    let error = load_into(&mut other, &convs, &missing, Extent::ByName, Strictness::Exact).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("none.weights"), "{error}");
}

#[test]
fn other_classes_are_told_and_all_but_the_heads_can_be_had() {
    let (params, convs) = network(20, 1);
    let bytes = bytes_of(&params, &convs, Header::new(3));
    let text = refusal(&bytes, 3);
    assert!(text.contains("expected 3 classes, got the weights of 20\nhelp: filters before [yolo] must be"), "{text}");
    let mut small = network(3, 2);
    let before = small.0.clone();
    let report = read_bytes(&mut small, &bytes, Strictness::Partial).unwrap();
    assert_eq!((report.loaded, report.file_classes), (3, Some(20)));
    let names: Vec<_> = report.mismatched.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["layers.3.bias", "layers.3.weight", "layers.8.bias", "layers.8.weight"]);
    assert_eq!((&report.mismatched[3].expected, &report.mismatched[3].got), (&vec![16, 6, 1, 1], &vec![50, 6, 1, 1]));
    for (id, p) in small.0.iter() {
        let head = p.name.starts_with("layers.3") || p.name.starts_with("layers.8");
        let from = if head { before.values(id) } else { params.values(params.find(&p.name).unwrap()) };
        assert_eq!(small.0.values(id), from, "{}", p.name);
    }
    let said = "3 convolutions read from a file of 20 classes; as they were: layers.3.bias layers.3.weight";
    assert!(report.to_string().starts_with(said), "{report}");
}

#[test]
fn numbers_that_no_network_has_are_refused_by_place() {
    let (params, convs) = network(3, 1);
    let good = bytes_of(&params, &convs, Header::new(0));
    for (float, value, expected) in [
        (3, f32::NAN, "layer 0: layers.0.bn.bias, value 3: expected a finite number, got NaN"),
        (26, -0.5, "layer 0: layers.0.bn.running_var, value 2: expected a finite number, not negative, got -0.5"),
        (40, f32::INFINITY, "layer 0: layers.0.conv.weight, value 8: expected a finite number, got inf"),
    ] {
        let mut bytes = good.clone();
        bytes[20 + 4 * float..][..4].copy_from_slice(&value.to_le_bytes());
        let text = refusal(&bytes, 3);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn tensors_longer_than_a_chunk_keep_their_order() {
    let mut builder = ParamsBuilder::new();
    let draw = Init::Uniform { bound: 1.0 };
    let mut root = builder.root();
    root.add("weight", Role::ConvWeight, &[300, 3, 3, 100], draw);
    root.add("bias", Role::Bias, &[300], draw);
    let mut params = builder.build(1);
    let name = |part: &str| params.find(part).unwrap();
    let conv =
        DarknetConv { layer: 0, weight: name("weight"), bias_or_beta: name("bias"), norm: None, head_anchors: None };
    let (bytes, before) = (bytes_of(&params, &[conv], Header::new(0)), bits(&params));
    params.trainable_mut().host_mut().fill(0.0);
    super::read(&mut params, &[conv], &bytes[..], bytes.len() as u64, "x", Strictness::Exact).unwrap();
    assert_eq!(bits(&params), before);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        head in proptest::collection::vec(any::<u8>(), 0..40),
        cut in 0..2000_usize,
        broken in proptest::collection::vec((0..2000_usize, any::<u8>()), 0..8),
    ) {
        let _ = read_bytes(&mut network(3, 2), &head, Strictness::Partial);
        let (params, convs) = network(3, 1);
        let mut bytes = bytes_of(&params, &convs, Header::new(1));
        for (at, value) in broken {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut % bytes.len());
        let mut other = network(3, 2);
        if read_bytes(&mut other, &bytes, Strictness::Partial).is_ok() {
            prop_assert!(other.0.trainable().host().iter().all(|v| v.is_finite()));
        }
        // A length that lies: the reader ends before it says.
        let (params, convs) = &mut other;
        let _ = super::read(params, convs, &bytes[..], u64::MAX - 3, "lie", Strictness::Partial);
    }

    #[test]
    fn every_class_count_is_recognised(classes in 1..200_usize, own in 1..200_usize) {
        let (params, convs) = network(classes, 1);
        let bytes = bytes_of(&params, &convs, Header::new(1));
        let report = read_bytes(&mut network(own, 2), &bytes, Strictness::Partial).unwrap();
        prop_assert_eq!(report.file_classes, (classes != own).then_some(classes));
    }
}

use wrs_nn::{Init, ParamsBuilder, Role};
use wrs_train::TrainError;
use wrs_weights::{Metadata, safetensors};

use super::*;

fn network(classes: usize, seed: u64) -> Params {
    DeepLabV3::new(&ModelConfig { width: 0.0625, ..published(ResNetDepth::R18, false) }, classes, seed).1
}

/// The backbone of a network as torchvision's classifier for ImageNet holds it.
fn resnet(of: &Params, prefix: &str) -> Params {
    let mut builder = ParamsBuilder::new();
    let mut root = builder.root();
    for (_, p) in of.iter() {
        if let Some(name) = p.name.strip_prefix(BACKBONE) {
            root.add(&format!("{prefix}{name}"), p.role, &p.shape, Init::Constant(0.25));
        }
    }
    root.add("fc.weight", Role::LinearWeight, &[10, 32], Init::Constant(0.25));
    root.add("fc.bias", Role::Bias, &[10], Init::Constant(0.25));
    builder.build(0)
}

fn load(file: &Params, into: &mut Params) -> Result<Vec<String>, SegmentationError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("init.safetensors");
    safetensors::save(file, &Metadata::new(), &path).unwrap();
    load_init(&path, into)
}

#[test]
fn a_resnet_under_its_bare_names_starts_the_backbone() {
    let (fresh, mut params) = (network(21, 1), network(21, 1));
    let lines = load(&resnet(&fresh, ""), &mut params).unwrap();
    let mut heads = 0;
    for (id, p) in params.iter() {
        if p.name.starts_with(BACKBONE) {
            assert!(params.values(id).iter().all(|&v| v.to_bits() == 0.25f32.to_bits()), "{}", p.name);
        } else {
            heads += 1;
            assert_eq!(params.values(id), fresh.values(id), "{}", p.name);
        }
    }
    let of = |n: usize| format!(": {} of {n} tensors loaded", n - heads);
    assert!(lines[0].ends_with(&of(params.iter().len())), "{}", lines[0]);
    assert!(lines[1].contains("a backbone alone"), "{lines:#?}");
    assert!(
        lines[2].contains(&format!(
            "renamed: {}, such as conv1.weight to backbone.conv1.weight",
            params.iter().len() - heads
        ))
    );
    assert!(
        lines[3].contains(&format!("fresh, not in the file: {heads}: classifier.0.convs.0.0.weight, ")),
        "{lines:#?}"
    );
    assert!(lines[3].ends_with(&format!(" and {} more", heads - 10)), "{lines:#?}");
    assert!(lines[4].ends_with("passed over, another task's: 2: fc.bias, fc.weight") && lines.len() == 5, "{lines:#?}");
}

#[test]
fn a_network_for_other_classes_starts_all_but_the_last_layer() {
    let (file, mut params) = (network(21, 1), network(7, 2));
    let lines = load(&file, &mut params).unwrap();
    let last = ["classifier.4.weight", "classifier.4.bias"];
    assert_eq!(lines.len(), 3, "{lines:#?}");
    // Row 20 of the edge cases: both numbers of classes and the mend.
    assert!(
        lines[1].contains("it is for 21 classes, the data has 7") && lines[1].contains("to keep it"),
        "{}",
        lines[1]
    );
    let fresh =
        "classifier.4.weight: expected [7, 16, 1, 1], got [21, 16, 1, 1], classifier.4.bias: expected [7], got [21]";
    assert!(lines[2].ends_with(&format!("fresh, of another shape: 2: {fresh}")), "{}", lines[2]);
    for ((id, p), (other, _)) in params.iter().zip(file.iter()) {
        let expected = if last.contains(&p.name.as_str()) { network(7, 2) } else { file.clone() };
        let other = if last.contains(&p.name.as_str()) { id } else { other };
        assert_eq!(params.values(id), expected.values(other), "{}", p.name);
    }
}

#[test]
fn a_file_of_which_nothing_fits_is_refused() {
    let mut params = network(21, 1);
    let strange = resnet(&params, "encoder.");
    let refusal = load(&strange, &mut params).unwrap_err();
    assert!(
        matches!(refusal, SegmentationError::Train(TrainError::Weights(WeightsError::NothingFits { .. }))),
        "{refusal}"
    );
}

fn renamed(of: &Params, from: &str, to: &str) -> Params {
    let mut builder = ParamsBuilder::new();
    let mut values = Vec::new();
    let mut root = builder.root();
    for (id, p) in of.iter() {
        let name = p.name.strip_prefix(from).map_or(p.name.clone(), |rest| format!("{to}{rest}"));
        values.push((root.add(&name, p.role, &p.shape, Init::Constant(0.25)), id));
    }
    let mut params = builder.build(0);
    for (to, from) in values {
        params.values_mut(to).copy_from_slice(of.values(from));
    }
    params
}

/// Row 21 of the edge cases: a decoder's tensors.
#[test]
fn files_of_other_variants_are_guessed() {
    let mut params = network(21, 1);
    let plus = renamed(&params, "classifier.", "decoder.");
    let lines = load(&plus, &mut params).unwrap();
    assert!(lines[1].contains("it looks like DeepLabv3+"), "{lines:#?}");
    let coded = renamed(&params, "", "decoder.");
    let refusal = load(&coded, &mut params).unwrap_err();
    assert!(matches!(refusal, SegmentationError::OtherNetwork { .. }), "{refusal}");
    assert!(refusal.to_string().contains("DeepLabv3+") && refusal.to_string().contains("help:"), "{refusal}");
}

#[test]
fn vainfs_names_and_wrapped_ones_are_ours() {
    let file = network(21, 3);
    for (from, to) in [("classifier.", "classifier.classifier."), ("", "module.")] {
        let mut params = network(21, 1);
        let lines = load(&renamed(&file, from, to), &mut params).unwrap();
        assert_eq!(params.trainable().host(), file.trainable().host());
        assert_eq!(params.statistics().host(), file.statistics().host());
        let n = params.iter().len();
        assert!(lines[0].ends_with(&format!(": {n} of {n} tensors loaded")), "{lines:#?}");
        assert_eq!(lines.len(), if from.is_empty() { 1 } else { 3 }, "{lines:#?}");
    }
}

#[test]
fn what_a_file_fits_is_told_by_names_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let told = |params: &Params| {
        safetensors::save(params, &Metadata::new(), &path).unwrap();
        fits(&TensorFile::open(&path).unwrap())
    };
    let (_, params) = DeepLabV3::new(&published(ResNetDepth::R18, true), 5, 0);
    let how = "segmentation, with --init and model.depth=18";
    assert_eq!(told(&params), [format!("deeplabv3 on resnet18 of 5 classes: {how}")]);
    assert_eq!(told(&resnet(&params, "")), [format!("resnet18, DeepLabv3's backbone: {how}")]);
    assert!(told(&resnet(&params, "encoder.")).is_empty());
    assert!(told(&network(21, 1)).is_empty(), "narrow layers are no published network's");
}

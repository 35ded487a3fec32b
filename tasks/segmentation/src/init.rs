//! Where a network's numbers come from.

use std::path::Path;

use wrs_nn::Params;
use wrs_weights::Strictness;
use wrs_weights::load::{load_into_prefixed, read_names};
use wrs_weights::{LoadReport, WeightsError};

use crate::error::SegmentationError;
use crate::variant;

/// What the names of the network's ResNet begin with.
const BACKBONE: &str = "backbone.";

/// The first layer of a ResNet in a file of its own, under torchvision's bare names.
const BARE_STEM: &str = "conv1.weight";

/// The classifier of such a file, for classes that are not ours.
const BARE_CLASSIFIER: &str = "fc.";

/// The layer with a row for each class.
const LAST_LAYER: &str = "classifier.4.weight";

/// Starts a network from a safetensors file under torchvision's names, as far as it fits; says in a few lines what was loaded
/// and what starts afresh.
///
/// The file holds a whole DeepLabv3, or a ResNet alone (`conv1`, `layer1`, …, as torchvision's for ImageNet), which starts the
/// backbone.
///
/// What a file of another network is likely of is said, too.
///
/// # Errors
/// [`SegmentationError::Weights`] or [`SegmentationError::OtherNetwork`] for a file of which nothing fits; the network is then
/// to be thrown away.
pub fn load_init(path: &Path, params: &mut Params) -> Result<Vec<String>, SegmentationError> {
    let names = read_names(path)?;
    let is_backbone =
        names.iter().any(|name| name == BARE_STEM) && !names.iter().any(|name| name.starts_with(BACKBONE));
    let prefix = if is_backbone { BACKBONE } else { "" };
    let ours: Vec<String> = params.iter().map(|(_, p)| p.name.clone()).collect();
    let theirs: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    let guess = variant::guess(&theirs, &ours);
    let loaded = load_into_prefixed(params, path, prefix, Strictness::Partial);
    let mut report = loaded.map_err(|source| match (source, &guess) {
        (source @ WeightsError::NothingFits { .. }, Some(guess)) => {
            SegmentationError::OtherNetwork { source, guess: guess.clone() }
        }
        (source, _) => source.into(),
    })?;
    let mut notes: Vec<_> = guess.map(|guess| format!("        it looks like {guess}")).into_iter().collect();
    notes.extend(other_classes(&report));
    if is_backbone {
        notes.push(format!("        a backbone alone: its names stand for ours below `{BACKBONE}`"));
        let passed_over = report.unexpected.extract_if(.., |name| name.starts_with(BARE_CLASSIFIER));
        notes.extend(passed_over.map(|name| format!("        passed over, another classifier's: {name}")));
    }
    let mut lines = report.lines(path, params);
    lines.splice(1..1, notes);
    Ok(lines)
}

/// A line about a file whose last layer is for another number of classes.
fn other_classes(report: &LoadReport) -> Option<String> {
    let last = report.mismatched.iter().find(|mismatch| mismatch.name == LAST_LAYER)?;
    let (ours, theirs) = (last.expected.first()?, last.got.first()?);
    let text = format!("        it is for {theirs} classes, the data has {ours}: the last layer starts afresh");
    (ours != theirs).then(|| format!("{text}; to keep it, train on data of its classes in their order"))
}

#[cfg(test)]
mod tests {
    use wrs_backbones::{OutputStride, ResNetDepth};
    use wrs_nn::{Init, ParamsBuilder, Role};
    use wrs_weights::{Metadata, safetensors};

    use super::*;
    use crate::model::DeepLabV3;
    use crate::net::{Head, ModelConfig};

    fn network(classes: usize, seed: u64) -> Params {
        let config = ModelConfig {
            depth: ResNetDepth::R18,
            output_stride: OutputStride::Sixteen,
            multi_grid: None,
            rates: None,
            width: 0.0625,
            head: Head::Torchvision,
            dropout: 0.0,
            auxiliary: None,
            align_corners: false,
            norm_eps: 1e-5,
            norm_momentum: 0.1,
        };
        DeepLabV3::new(&config, classes, seed).1
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
                assert!(lines.iter().any(|line| line.ends_with(&format!("fresh, not in the file: {}", p.name))));
            }
        }
        let of = |n: usize| format!(": {} of {n} tensors loaded", n - heads);
        assert!(lines[0].ends_with(&of(params.iter().len())), "{}", lines[0]);
        let passed_over = lines.iter().filter(|line| line.contains("passed over") && line.contains(": fc.")).count();
        assert_eq!((passed_over, lines.len()), (2, 1 + 1 + 2 + heads), "{lines:#?}");
    }

    #[test]
    fn a_network_for_other_classes_starts_all_but_the_last_layer() {
        let (file, mut params) = (network(21, 1), network(7, 2));
        let lines = load(&file, &mut params).unwrap();
        let last = ["classifier.4.weight", "classifier.4.bias"];
        assert_eq!(lines.len(), 4, "{lines:#?}");
        // Row 20 of the edge cases: both numbers of classes and the mend.
        assert!(
            lines[1].contains("it is for 21 classes, the data has 7") && lines[1].contains("to keep it"),
            "{}",
            lines[1]
        );
        assert!(lines[2].ends_with("classifier.4.weight: expected [7, 16, 1, 1], got [21, 16, 1, 1]"), "{}", lines[2]);
        assert!(lines[3].ends_with("classifier.4.bias: expected [7], got [21]"), "{}", lines[3]);
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
        assert!(matches!(refusal, SegmentationError::Weights(WeightsError::NothingFits { .. })), "{refusal}");
    }

    /// Row 21 of the edge cases: a decoder's tensors, and a whole network in a wrapper.
    #[test]
    fn files_of_other_variants_are_guessed() {
        let renamed = |of: &Params, from: &str, to: &str| {
            let mut builder = ParamsBuilder::new();
            let mut root = builder.root();
            for (_, p) in of.iter() {
                let name = p.name.strip_prefix(from).map_or(p.name.clone(), |rest| format!("{to}{rest}"));
                root.add(&name, p.role, &p.shape, Init::Constant(0.25));
            }
            builder.build(0)
        };
        let mut params = network(21, 1);
        let plus = renamed(&params, "classifier.", "decoder.");
        let lines = load(&plus, &mut params).unwrap();
        assert!(lines[1].contains("it looks like DeepLabv3+"), "{lines:#?}");
        let wrapped = renamed(&params, "", "module.");
        let refusal = load(&wrapped, &mut params).unwrap_err();
        assert!(matches!(refusal, SegmentationError::OtherNetwork { .. }), "{refusal}");
        assert!(refusal.to_string().contains("DataParallel") && refusal.to_string().contains("help:"), "{refusal}");
    }
}

//! What a file is of that does not fit the network, guessed from the names of its tensors.

/// The part of a name, behind its beginning, that tells a block of three convolutions from one of two.
const THIRD_CONVOLUTION: &str = ".0.conv3.weight";

/// Names that only files of another network have, and what that network is.
const MARKS: [(&str, &str); 6] = [
    ("classifier.aspp.", "DeepLabv3+ under VainF's names, which has a decoder; DeepLabv3 has none"),
    ("decoder.", "DeepLabv3+ under jfzhang's names, which has a decoder; DeepLabv3 has none"),
    ("decode_head.", "a network of mmsegmentation; torchvision's names are read"),
    ("backbone.stem.", "a ResNet with mmsegmentation's stem of three convolutions; ours has torchvision's one"),
    ("backbone.0.0.", "torchvision's DeepLabv3 on MobileNetV3; ours is on a ResNet"),
    ("classifier.0.weight", "torchvision's FCN, which has no pyramid"),
];

/// What network the file is likely of, where it is another than the model; both by their names, the file's as they would
/// stand in the model.
pub(crate) fn guess(file: &[String], model: &[String]) -> Option<String> {
    let mark = MARKS.iter().find(|(mark, _)| file.iter().any(|name| name.starts_with(mark)));
    if let Some((_, network)) = mark {
        return Some((*network).to_owned());
    }
    let (theirs, ours) = (depth(file)?, depth(model)?);
    (theirs != ours).then(|| format!("a ResNet-{theirs}, the recipe's is a ResNet-{ours}: --set model.depth={theirs}"))
}

/// The weighted layers of the ResNet below `backbone.`, by the blocks of its third stage and what is in them.
fn depth(names: &[String]) -> Option<u64> {
    let of_stage = |name: &String| name.strip_prefix("backbone.layer3.")?.split('.').next()?.parse::<usize>().ok();
    let blocks = names.iter().filter_map(of_stage).max()? + 1;
    let has_three = names.iter().any(|name| name.starts_with("backbone.layer3") && name.ends_with(THIRD_CONVOLUTION));
    match (blocks, has_three) {
        (2, false) => Some(18),
        (6, false) => Some(34),
        (6, true) => Some(50),
        (23, true) => Some(101),
        (36, true) => Some(152),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The third stage of a ResNet, and a pyramid.
    fn deeplab(blocks: usize, convolutions: usize) -> Vec<String> {
        let block = |b: usize| (1..=convolutions).map(move |c| format!("backbone.layer3.{b}.conv{c}.weight"));
        (0..blocks).flat_map(block).chain(["classifier.0.convs.0.0.weight".to_owned()]).collect()
    }

    /// Row 21 of the edge cases.
    #[test]
    fn other_networks_are_known_by_their_names() {
        let ours = deeplab(2, 2);
        for (file, told) in [
            (names(&["backbone.conv1.weight", "aspp.aspp1.atrous_conv.weight", "decoder.conv1.weight"]), "DeepLabv3+"),
            (
                names(&["classifier.aspp.convs.0.0.weight", "classifier.classifier.0.weight"]),
                "DeepLabv3+ under VainF's",
            ),
            (names(&["backbone.conv1.weight", "classifier.0.weight", "classifier.4.weight"]), "FCN"),
            (names(&["backbone.stem.0.weight", "decode_head.conv_seg.weight"]), "mmsegmentation"),
            (names(&["backbone.0.0.weight", "classifier.0.convs.0.0.weight"]), "MobileNet"),
            (deeplab(23, 3), "a ResNet-101, the recipe's is a ResNet-18: --set model.depth=101"),
            (deeplab(6, 2), "ResNet-34"),
            (deeplab(6, 3), "ResNet-50"),
        ] {
            let guess = guess(&file, &ours).unwrap_or_default();
            assert!(guess.contains(told), "{file:?}: {guess}");
        }
        assert_eq!([guess(&ours, &ours), guess(&names(&["encoder.weight"]), &ours)], [None, None]);
    }
}

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use wrs_backbones::Darknet53Config;
use wrs_golden::fill;
use wrs_nn::{Init, NormConfig, ParamsBuilder};
use wrs_weights::{Metadata, safetensors};

use super::*;

/// A YOLOv3 of narrow layers, filled.
fn network(classes: usize) -> (DetectionNet, Params) {
    let config = Darknet53Config { width: 0.03, norm: NormConfig::default() };
    let (net, mut params) = YoloV3::new(&config, classes, ANCHORS_PER_LEVEL, 1);
    fill(&mut params);
    (DetectionNet::YoloV3(net), params)
}

/// A file of a network's tensors under other names, those without one left out, and of some more.
fn saved(of: &Params, name: impl Fn(&str) -> Option<String>, extra: &[&str]) -> (TempDir, PathBuf) {
    let mut builder = ParamsBuilder::new();
    let mut values = Vec::new();
    for (id, p) in of.iter() {
        if let Some(name) = name(&p.name) {
            values.push((builder.root().add(&name, p.role, &p.shape, Init::Constant(0.0)), of.values(id).to_vec()));
        }
    }
    for name in extra {
        builder.root().add(name, wrs_nn::Role::Bias, &[1], Init::Constant(7.0));
    }
    let mut file = builder.build(0);
    for (id, values) in values {
        file.values_mut(id).copy_from_slice(&values);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("init");
    safetensors::save(&file, &Metadata::new(), &path).unwrap();
    (folder, path)
}

fn bits(params: &Params) -> Vec<u32> {
    params.trainable().host().iter().chain(params.statistics().host()).map(|v| v.to_bits()).collect()
}

/// mmdetection's names, written down from its modules' constructors.
#[test]
fn names_are_mmdetections_and_timms() {
    for (ours, mmdetection, timm) in [
        ("backbone.stem.conv.weight", "backbone.conv1.conv.weight", Some("stem.conv1.conv.weight")),
        (
            "backbone.stages.0.down.bn.running_var",
            "backbone.conv_res_block1.conv.bn.running_var",
            Some("stages.0.conv_down.bn.running_var"),
        ),
        (
            "backbone.stages.2.blocks.7.reduce.conv.weight",
            "backbone.conv_res_block3.res7.conv1.conv.weight",
            Some("stages.2.blocks.7.conv1.conv.weight"),
        ),
        (
            "backbone.stages.4.blocks.0.expand.bn.bias",
            "backbone.conv_res_block5.res0.conv2.bn.bias",
            Some("stages.4.blocks.0.conv2.bn.bias"),
        ),
        ("necks.0.convs.0.conv.weight", "neck.detect1.conv1.conv.weight", None),
        ("necks.2.convs.4.bn.weight", "neck.detect3.conv5.bn.weight", None),
        ("routes.0.conv.weight", "neck.conv1.conv.weight", None),
        ("routes.1.bn.bias", "neck.conv2.bn.bias", None),
        ("heads.1.expand.conv.weight", "bbox_head.convs_bridge.1.conv.weight", None),
        ("heads.2.predict.bias", "bbox_head.convs_pred.2.bias", None),
    ] {
        assert_eq!(Spelling::Mmdetection.in_file(ours).as_deref(), Some(mmdetection));
        assert_eq!(Spelling::Timm.in_file(ours).as_deref(), timm);
        let bare = ours.starts_with(BACKBONE).then(|| mmdetection[BACKBONE.len()..].to_owned());
        assert_eq!(Spelling::MmdetectionBackbone.in_file(ours), bare);
    }
}

#[test]
fn whole_networks_and_backbones_load_under_every_spelling() {
    let (net, file) = network(3);
    for spelling in
        [Spelling::Ours, Spelling::OursBackbone, Spelling::Mmdetection, Spelling::MmdetectionBackbone, Spelling::Timm]
    {
        let (_folder, path) = saved(&file, |name| spelling.in_file(name), &[]);
        let (_, fresh) = network(3);
        let mut params = fresh.clone();
        params.trainable_mut().host_mut().fill(0.5);
        params.statistics_mut().host_mut().fill(0.5);
        let lines = load_init(&path, &net, &mut params).unwrap();
        let is_whole = matches!(spelling, Spelling::Ours | Spelling::Mmdetection);
        for (id, p) in params.iter() {
            if is_whole || p.name.starts_with(BACKBONE) {
                assert_eq!(params.values(id), file.values(id), "{spelling:?} {}", p.name);
            } else {
                assert!(params.values(id).iter().all(|v| v.to_bits() == 0.5f32.to_bits()));
            }
        }
        let backbone = params.iter().filter(|(_, p)| p.name.starts_with(BACKBONE)).count();
        let loaded = if is_whole { params.iter().len() } else { backbone };
        assert!(lines[0].ends_with(&format!(": {loaded} of {} tensors loaded", params.iter().len())), "{lines:#?}");
        let renamed = lines.iter().any(|line| line.contains(&format!("renamed: {loaded}, such as ")));
        assert_eq!(renamed, spelling != Spelling::Ours, "{lines:#?}");
        assert_eq!(is_whole, !lines.iter().any(|line| line.contains("fresh")), "{lines:#?}");
    }
}

#[test]
fn heads_of_other_classes_start_afresh_and_classifiers_are_passed_over() {
    let ((net, mut params), (_, file)) = (network(3), network(5));
    let before = params.clone();
    let (_folder, path) = saved(&file, mmdetection_name, &[]);
    let lines = load_init(&path, &net, &mut params).unwrap();
    let fresh = lines.iter().find(|line| line.contains("fresh, of another shape: 6: ")).unwrap();
    assert!(fresh.contains("heads.0.predict.bias: expected [24], got [30]"), "{lines:#?}");
    let head = params.find("heads.1.predict.weight").unwrap();
    assert_eq!(params.values(head), before.values(head));

    let (_folder, path) = saved(&file, |name| Spelling::Timm.in_file(name), &["head.fc.bias", "odd"]);
    let lines = load_init(&path, &net, &mut params).unwrap();
    assert!(lines.iter().any(|line| line.ends_with("passed over, another task's: 1: head.fc.bias")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("left over in the file: 1: odd")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("slope of 0.1")), "{lines:#?}");
}

fn mmdetection_name(name: &str) -> Option<String> {
    Spelling::Mmdetection.in_file(name)
}

#[test]
fn a_file_of_another_network_changes_nothing() {
    let (net, mut params) = network(3);
    let before = bits(&params);
    let (_folder, path) = saved(&params.clone(), |name| Some(format!("x.{name}")), &[]);
    let refusal = load_init(&path, &net, &mut params).unwrap_err().to_string();
    assert!(refusal.contains("none of its tensors has a place in the model"), "{refusal}");
    assert_eq!(bits(&params), before);
}

/// At full width, without the numbers: the file is its header alone, which says more bytes than a disk need hold.
#[test]
fn what_a_file_fits_is_told_by_names_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &dyn Fn(&str) -> Option<String>, classes: usize, dropped: &str| {
        let mut header = Vec::new();
        let mut end = 0;
        for p in YoloV3::tensors(classes, ANCHORS_PER_LEVEL).iter().filter(|p| p.name != dropped) {
            let Some(name) = name(&p.name) else { continue };
            let shape = match *p.shape {
                [o, h, w, i] => vec![o, i, h, w],
                _ => p.shape.clone(),
            };
            let begin = end;
            end += 4 * p.range.len();
            header
                .push(format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}"));
        }
        let header = format!("{{{}}}", header.join(","));
        let path = folder.path().join("header");
        let file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, &(header.len() as u64).to_le_bytes()).unwrap();
        std::io::Write::write_all(&mut &file, header.as_bytes()).unwrap();
        // A hole where the numbers would be.
        file.set_len((8 + header.len() + end) as u64).unwrap();
        fits(&TensorFile::open(&path).unwrap())
    };
    let ours = |name: &str| Some(name.to_owned());
    assert_eq!(told(&ours, 80, ""), ["yolov3 of 80 classes under our names: detection, with --init"]);
    assert_eq!(
        told(&mmdetection_name, 7, ""),
        ["yolov3 of 7 classes under mmdetection's names: detection, with --init"]
    );
    let backbone = "darknet53, YOLOv3's backbone, under";
    assert!(told(&mmdetection_name, 7, "necks.0.convs.0.conv.weight")[0].starts_with(backbone));
    assert!(told(&|name| Spelling::Timm.in_file(name), 80, "")[0].starts_with(backbone));
    assert!(told(&ours, 80, "backbone.stem.conv.weight").is_empty());
    assert!(told(&|name| Some(format!("x.{name}")), 80, "").is_empty());
}

proptest! {
    #[test]
    fn any_name_is_renamed_or_not(name in "(backbone|necks|routes|heads|stages|stem)(\\.(stem|stages|down|blocks|reduce|expand|convs|predict|[0-9]{1,30}|.{0,3})){0,5}") {
        for spelling in [Spelling::Mmdetection, Spelling::MmdetectionBackbone, Spelling::Timm, Spelling::OursBackbone] {
            let _ = spelling.in_file(&name);
        }
    }
}

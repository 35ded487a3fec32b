use std::cell::RefCell;
use std::fs;

use super::*;

fn finder(folder: &Path, reach: Reach) -> Finder {
    let places = Places {
        hub: Some(folder.join("hub")),
        files: Some(folder.join("wrs")),
        endpoint: "http://127.0.0.1:9".to_owned(),
    };
    Finder { reach, bar: false, say: |_| {}, places }
}

fn entry(source: &str) -> Entry {
    Entry {
        name: "test/net".into(),
        source: Source::try_from(source.to_owned()).unwrap(),
        bytes: Some(3),
        sha256: Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
        licence: "none".into(),
        serves: "tests".into(),
        note: "abc".into(),
    }
}

/// Puts a file into the hub's cache, as a link to a content of that name where there can be links.
fn put(folder: &Path, content: &[u8], blob: &str) -> PathBuf {
    let repository = folder.join("hub/models--timm--net");
    for part in ["refs", "blobs", "snapshots/c0"] {
        fs::create_dir_all(repository.join(part)).unwrap();
    }
    fs::write(repository.join("refs/main"), "c0").unwrap();
    fs::write(repository.join("blobs").join(blob), content).unwrap();
    let path = repository.join("snapshots/c0/model.safetensors");
    #[cfg(unix)]
    std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), &path).unwrap();
    #[cfg(not(unix))]
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_start_from_scratch_has_no_file_and_a_file_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let finder = finder(folder.path(), Reach::Network);
    assert_eq!(finder.find(&Origin::Scratch).unwrap(), None);
    let path = folder.path().join("a.bin");
    fs::write(&path, b"abc").unwrap();
    let found = finder.find(&Origin::File(path.clone())).unwrap().unwrap();
    assert_eq!((found.path.as_path(), found.bytes), (path.as_path(), 3));
    assert!(
        found
            .line()
            .ends_with("a.bin, 3 bytes, sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    let refusal = finder.find(&Origin::File(folder.path().to_owned())).unwrap_err();
    assert!(matches!(refusal, OriginError::NoFile { .. }), "a folder is no file");
    assert!(refusal.to_string().contains("imagenet/resnet101"), "{refusal}");
}

#[test]
fn what_the_hubs_cache_holds_needs_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let path = put(folder.path(), b"abc", digest);
    for reach in [Reach::Network, Reach::Machine, Reach::Glance] {
        let origin: Origin = "hub://timm/net".parse().unwrap();
        let found = finder(folder.path(), reach).find(&origin).unwrap().unwrap();
        assert_eq!((&found.path, found.sha256.as_str()), (&path, digest));
        assert!(found.line().starts_with("init    hub://timm/net/model.safetensors is "), "{}", found.line());
    }
    finder(folder.path(), Reach::Machine).entry(&entry("hub://timm/net")).unwrap();
}

#[test]
fn a_file_of_other_contents_is_refused_by_both_digests() {
    let folder = tempfile::tempdir().unwrap();
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    put(folder.path(), b"abd", digest);
    let finder = finder(folder.path(), Reach::Machine);
    let got = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";
    let refusal = finder.entry(&entry("hub://timm/net")).unwrap_err().to_string();
    assert!(refusal.contains(&format!("expected the SHA-256 of `test/net`, {digest}, got {got}\nhelp: ")), "{refusal}");
    // Without a manifest the name of the content tells.
    #[cfg(unix)]
    assert!(matches!(finder.find(&"hub://timm/net".parse().unwrap()), Err(OriginError::Digest { .. })));
    put_plain(folder.path(), b"ab");
    let refusal = finder.entry(&entry("https://host/net.bin")).unwrap_err().to_string();
    assert!(refusal.contains("net.bin: expected the 3 bytes of `test/net`, got 2\nhelp: "), "{refusal}");
}

fn put_plain(folder: &Path, content: &[u8]) {
    fs::create_dir_all(folder.join("wrs")).unwrap();
    fs::write(folder.join("wrs/net.bin"), content).unwrap();
}

#[test]
fn a_file_put_where_downloads_go_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    put_plain(folder.path(), b"abc");
    let found = finder(folder.path(), Reach::Machine).entry(&entry("https://host/net.bin")).unwrap();
    assert_eq!(found.path, folder.path().join("wrs/net.bin"));
}

#[test]
fn what_is_not_here_says_where_it_is_and_the_mends() {
    let folder = tempfile::tempdir().unwrap();
    for (reach, why) in [(Reach::Machine, "not to be used (--offline"), (Reach::Glance, "a check fetches nothing")] {
        let origin: Origin = "imagenet/resnet101".parse().unwrap();
        let refusal = finder(folder.path(), reach).find(&origin).unwrap_err();
        assert!(refusal.is_absent());
        let text = refusal.to_string();
        for part in [
            "`imagenet/resnet101` are not on this machine",
            why,
            "models--timm--resnet101.tv_in1k",
            "--init FILE (http://127.0.0.1:9/timm/resnet101.tv_in1k/resolve/main/model.safetensors)",
            "--init none",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let text =
        finder(folder.path(), Reach::Machine).find(&"imagenet/darknet53".parse().unwrap()).unwrap_err().to_string();
    assert!(text.contains("/wrs/darknet53.conv.74\nhelp: ") && text.contains("https://pjreddie.com/"), "{text}");
}

#[cfg(not(feature = "hub"))]
#[test]
fn a_program_without_a_client_says_how_to_build_one_with() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["imagenet/vgg16_bn", "coco/yolov3"] {
        let text = finder(folder.path(), Reach::Network).find(&name.parse().unwrap()).unwrap_err().to_string();
        assert!(text.contains("built without a client"), "{text}");
        assert!(text.contains("cargo build --release --features hub"), "{text}");
    }
}

#[test]
fn a_machine_without_a_home_says_so() {
    let mut finder = finder(Path::new("/nowhere"), Reach::Network);
    finder.places = Places::of(|_| None);
    for name in ["hub://a/b", "imagenet/darknet53"] {
        let text = finder.find(&name.parse().unwrap()).unwrap_err().to_string();
        assert!(text.contains("no folder to keep them in\nhelp: set HOME"), "{text}");
    }
}

#[test]
fn folders_follow_the_environment() {
    let of = |set: &[(&str, &str)]| {
        let asked = RefCell::new(Vec::new());
        let places = Places::of(|name| {
            asked.borrow_mut().push(name.to_owned());
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        (places.hub.unwrap(), places.files)
    };
    assert_eq!(of(&[("HOME", "/h")]), ("/h/.cache/huggingface/hub".into(), Some("/h/.cache/wrs".into())));
    assert_eq!(of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), ("/x/huggingface/hub".into(), Some("/x/wrs".into())));
    assert_eq!(of(&[("HF_HOME", "/f")]), ("/f/hub".into(), None));
    assert_eq!(of(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]).0, PathBuf::from("/c"));
    assert!(is_yes("1") && is_yes("TRUE") && !is_yes("0") && !is_yes(""));
}

#[cfg(feature = "hub")]
mod network;

use std::fs;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> HubFile {
    text.parse().unwrap()
}

/// A cache that holds `file` with `content` of the commit that `reference` names.
fn cache(reference: &[u8], commit: &str, file: &str, content: &[u8]) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("models--timm--net.in1k");
    let path = folder.join("snapshots").join(commit).join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), reference).unwrap();
    cache
}

#[test]
fn names_have_an_owner_a_repository_a_file_and_a_revision() {
    let file = parse("hub://timm/resnet101.tv_in1k");
    assert_eq!(
        (file.repository().as_str(), file.file(), file.revision()),
        ("timm/resnet101.tv_in1k", "model.safetensors", "main")
    );
    assert_eq!(file.to_string(), "hub://timm/resnet101.tv_in1k/model.safetensors");
    let file = parse("hub://a/b/sub/c.bin@refs/pr/1");
    assert_eq!((file.file(), file.revision()), ("sub/c.bin", "refs/pr/1"));
    assert_eq!(file.url("http://host/"), "http://host/a/b/resolve/refs%2Fpr%2F1/sub/c.bin");
}

#[test]
fn what_is_no_name_is_refused_by_its_part() {
    for (text, part) in [
        ("timm/a", "no name of the hub"),
        ("hub://", "owner"),
        ("hub://timm", "name"),
        ("hub://timm/", "name"),
        ("hub://../a", "owner"),
        ("hub://a--b/c", "owner"),
        ("hub://timm/a..b", "name"),
        ("hub://timm/a/", "file"),
        ("hub://timm/a/../b", "file"),
        ("hub://timm/a//b", "file"),
        ("hub://timm/a/b c", "file"),
        ("hub://timm/a@", "revision"),
        ("hub://timm/a@../../x", "revision"),
        ("hub://timm/a@x@y", "revision"),
    ] {
        let refusal = text.parse::<HubFile>().unwrap_err();
        assert!(refusal.contains(&format!("`: {part}: expected hub://OWNER/NAME")), "{text}: {refusal}");
    }
}

#[test]
fn a_file_is_found_by_reference_and_by_commit() {
    let cache = cache(b"0a1b\n", "0a1b", "model.safetensors", b"x");
    let found = parse("hub://timm/net.in1k").in_cache(cache.path()).unwrap().unwrap();
    assert_eq!(fs::read(&found).unwrap(), b"x");
    assert_eq!(parse("hub://timm/net.in1k@0a1b").in_cache(cache.path()).unwrap(), Some(found));
    for other in
        ["hub://timm/net.in1k@dev", "hub://timm/net.in1k@refs/pr/1", "hub://timm/other", "hub://timm/net.in1k/b"]
    {
        assert_eq!(parse(other).in_cache(cache.path()).unwrap(), None, "{other}");
    }
    assert_eq!(parse("hub://timm/net.in1k").in_cache(Path::new("/nowhere")).unwrap(), None);
}

#[test]
fn a_hostile_reference_leads_nowhere() {
    for reference in [&b"../../.."[..], b"/etc", b"", b"a/b", b".", b"..", b"a\0b", b"\xff\xfe", &[b'a'; 1000]] {
        let cache = cache(reference, "0a1b", "model.safetensors", b"x");
        let refusal = parse("hub://timm/net.in1k").in_cache(cache.path()).unwrap_err().to_string();
        assert!(refusal.contains("refs/main: expected the name of a commit, got `"), "{refusal}");
        assert!(refusal.contains("help: delete it"), "{refusal}");
    }
}

#[cfg(unix)]
#[test]
fn contents_are_called_by_their_digest() {
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let cache = cache(b"c", "c", "other", b"");
    let folder = cache.path().join("models--timm--net.in1k");
    fs::create_dir_all(folder.join("blobs")).unwrap();
    fs::write(folder.join("blobs").join(digest), b"abc").unwrap();
    let link = folder.join("snapshots/c/model.safetensors");
    std::os::unix::fs::symlink(Path::new("../../blobs").join(digest), &link).unwrap();
    assert_eq!(named_digest(&link).as_deref(), Some(digest));
    assert_eq!(named_digest(&folder.join("snapshots/c/other")), None);
}

proptest! {
    #[test]
    fn no_text_leads_out_of_the_cache(text in "hub://[a-z./@\\-%\\\\ ]{0,24}|\\PC{0,32}") {
        if let Ok(file) = text.parse::<HubFile>() {
            let folder = file.folder(Path::new("/cache"));
            let whole = folder.join("snapshots").join(file.revision()).join(file.file());
            prop_assert!(whole.components().all(|part| part != std::path::Component::ParentDir));
            prop_assert!(whole.starts_with("/cache"));
            prop_assert_eq!(folder.parent(), Some(Path::new("/cache")));
            prop_assert_eq!(file.to_string().parse::<HubFile>(), Ok(file));
        }
    }

    #[test]
    fn any_reference_gives_a_file_of_the_cache_or_an_error(reference in prop::collection::vec(any::<u8>(), 0..40)) {
        let cache = cache(&reference, "0a1b", "model.safetensors", b"x");
        if let Ok(Some(found)) = parse("hub://timm/net.in1k").in_cache(cache.path()) {
            prop_assert!(found.starts_with(cache.path()));
            prop_assert!(found.canonicalize().unwrap().starts_with(cache.path().canonicalize().unwrap()));
        }
    }
}

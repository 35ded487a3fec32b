//! Downloads end to end, from a server of this process.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A server that gives `abc` as the hub does, and as a plain file; what was asked of it is kept.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(body: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.and_then(|stream| answer(stream, body, &kept));
            }
        });
        Self { address, asked }
    }

    fn finder(&self, folder: &Path) -> Finder {
        let mut finder = finder(folder, Reach::Network);
        finder.places.endpoint = format!("{}/", self.address);
        finder
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, body: &[u8], asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut range) = (String::new(), None);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            let mut ends = value.trim().split('-').map(str::parse::<usize>);
            let start = ends.next().and_then(Result::ok).unwrap_or(0);
            let end = ends.next().and_then(Result::ok).unwrap_or(body.len() - 1).min(body.len() - 1);
            range = Some(start..end + 1);
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path.clone());
    if path != "/timm/net/resolve/main/model.safetensors" && path != "/net.bin" {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let (status, part) = range.clone().map_or(("200 OK", body), |range| ("206 Partial Content", &body[range]));
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"{DIGEST}\"\r\n", part.len())?;
    write!(stream, "x-repo-commit: c0ffee\r\nConnection: close\r\n")?;
    if let Some(range) = range {
        write!(stream, "Content-Range: bytes {}-{}/{}\r\n", range.start, range.end - 1, body.len())?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(part)
}

#[test]
fn a_file_of_the_hub_is_fetched_once_and_found_offline() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(b"abc");
    let mut finder = server.finder(folder.path());
    let origin: Origin = "hub://timm/net".parse().unwrap();
    let found = finder.find(&origin).unwrap().unwrap();
    assert_eq!((fs::read(&found.path).unwrap().as_slice(), found.sha256.as_str()), (&b"abc"[..], DIGEST));
    assert!(found.path.ends_with("models--timm--net/snapshots/c0ffee/model.safetensors"), "{}", found.path.display());
    let asked = server.asked();
    assert!(asked > 0);
    assert_eq!(finder.find(&origin).unwrap().unwrap(), found);
    finder.reach = Reach::Machine;
    assert_eq!(finder.find(&origin).unwrap().unwrap(), found);
    assert_eq!(server.asked(), asked, "the cache answers");
}

#[test]
fn contents_that_are_not_what_the_hub_calls_them_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(b"abd");
    let refusal = server.finder(folder.path()).find(&"hub://timm/net".parse().unwrap()).unwrap_err();
    assert!(matches!(&refusal, OriginError::Digest { expected, .. } if expected == DIGEST), "{refusal}");
}

#[test]
fn a_file_of_an_address_is_fetched_checked_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(b"abc");
    let mut entry = entry("https://host/net.bin");
    entry.source = Source::Url(format!("{}/net.bin", server.address));
    let finder = server.finder(folder.path());
    let found = finder.entry(&entry).unwrap();
    assert_eq!((found.path.as_path(), server.asked()), (folder.path().join("wrs/net.bin").as_path(), 1));
    finder.entry(&entry).unwrap();
    assert_eq!(server.asked(), 1);
}

#[test]
fn a_file_of_an_address_that_does_not_hold_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    for body in [&b"abd"[..], b"ab"] {
        let server = Server::start(body);
        let mut entry = entry("https://host/net.bin");
        entry.source = Source::Url(format!("{}/net.bin", server.address));
        let refusal = server.finder(folder.path()).entry(&entry).unwrap_err();
        assert!(matches!(refusal, OriginError::Digest { .. } | OriginError::Size { .. }), "{refusal}");
        assert_eq!(fs::read_dir(folder.path().join("wrs")).unwrap().count(), 0, "nothing is left behind");
    }
}

#[test]
fn without_a_network_the_mends_are_said() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens at this port: the connection is refused at once.
    let text = finder(folder.path(), Reach::Network).find(&"imagenet/vgg16".parse().unwrap()).unwrap_err().to_string();
    assert!(text.contains("fetching them failed (no answer from the network"), "{text}");
    assert!(text.contains("--init FILE (http://127.0.0.1:9/timm/") && text.contains("--init none"), "{text}");
    let server = Server::start(b"abc");
    let text = server.finder(folder.path()).find(&"hub://timm/other".parse().unwrap()).unwrap_err().to_string();
    assert!(text.contains("404: no such repository, file or revision"), "{text}");
}

//! What `torch.save` writes since 1.6: a zip of `NAME/data.pkl`, `NAME/data/KEY` and a few words about itself.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use ::zip::{CompressionMethod, ZipArchive};

use super::state_dict;
use super::{Fault, Parts, Places};
use crate::pickle::{Input, Machine, Values};
use crate::source::{Positioned, Source};

/// The pickle's member, behind the archive's name.
const PICKLE: &str = "data.pkl";

/// Members that only a program saved by `torch.jit` has.
const SCRIPT: &str = "constants.pkl";

/// Bytes read ahead of the directory and the members' headers, which lie far apart.
const AHEAD: usize = 1 << 10;

/// Most bytes of directory and headers: those of ten thousand members.
const MOST_DIRECTORY: u64 = 1 << 24;

/// Most bytes of the member that names the byte order.
const LONGEST_ORDER: u64 = 16;

pub(super) fn read(source: &Source<'_>) -> Result<Parts, Fault> {
    let (members, prefix) = members(source)?;
    let member = |name: &str| members.get(&format!("{prefix}{name}")).copied();
    if member(SCRIPT).is_some() {
        return Err(Fault::Other {
            reason: "a program saved by torch.jit, not the weights of one".to_owned(),
            help: "save the state dict instead: torch.save(torch.jit.load(FILE).state_dict(), OUT)",
        });
    }
    if let Some((at, len)) = member("byteorder") {
        let mut order = vec![0; len.min(LONGEST_ORDER) as usize];
        source.read_at(at, &mut order)?;
        if order != b"little" {
            let got = String::from_utf8_lossy(&order).into_owned();
            return Err(Fault::Broken(format!("expected the byte order `little`, got `{got}`")));
        }
    }
    let (at, len) = member(PICKLE).ok_or_else(|| Fault::Broken(format!("no member `{PICKLE}`")))?;
    let mut values = Values::default();
    let root = Machine::load(&mut Input::new(source, at, at.saturating_add(len)), &mut values)?;
    let data = format!("{prefix}data/");
    let places = members.into_iter().filter_map(|(name, place)| Some((name.strip_prefix(&data)?.to_owned(), place)));
    state_dict::parts(&values, root, &places.collect())
}

/// Where the members lie, and what stands before their names.
fn members(source: &Source<'_>) -> Result<(Places, String), Fault> {
    let reader = Limited { inner: Positioned::new(source, 0, source.len()), left: MOST_DIRECTORY };
    let broken = |e: ::zip::result::ZipError| match e {
        ::zip::result::ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => Fault::from(error),
        other => Fault::Broken(other.to_string()),
    };
    let mut archive = ZipArchive::new(BufReader::with_capacity(AHEAD, reader)).map_err(broken)?;
    let mut places = Places::new();
    let mut prefix = None;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(broken)?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        if member.compression() != CompressionMethod::Stored || member.encrypted() {
            let reason = format!("member `{name}` is compressed or encrypted, which torch.save does to none");
            return Err(Fault::Other { reason, help: "unpack the archive, and save its weights with torch.save" });
        }
        let (start, len) = (member.data_start().unwrap_or(u64::MAX), member.size());
        if member.compressed_size() != len || start.checked_add(len).is_none_or(|end| end > source.len()) {
            let size = source.len();
            return Err(Fault::Broken(format!(
                "member `{name}`: expected {len} bytes at {start}, got a file of {size}"
            )));
        }
        if let Some(before) = name.strip_suffix(PICKLE).filter(|before| before.is_empty() || before.ends_with('/')) {
            prefix.get_or_insert_with(|| before.to_owned());
        }
        places.insert(name, (start, len));
    }
    let prefix = prefix.ok_or_else(|| Fault::Other {
        reason: format!("a zip without a member `{PICKLE}`"),
        help: "expected a file written by torch.save",
    })?;
    Ok((places, prefix))
}

/// Reads no more than so many bytes, whatever a directory asks for.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        let too_much = || io::Error::new(io::ErrorKind::UnexpectedEof, "a directory larger than that of any weights");
        self.left = self.left.checked_sub(got as u64).ok_or_else(too_much)?;
        Ok(got)
    }
}

impl<R: Seek> Seek for Limited<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

//! File operations that survive a crash: what is renamed into place was synced before.
//!
//! Every operation that changes the disk passes [`gate`], where the tests end the process's writing at each one in turn.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Ends the name that a file's next content is written under.
const TEMPORARY: &str = ".tmp";

/// The system refuses a file operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was being done.
    pub action: &'static str,
    /// To which file or directory.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names the operation and its file.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Digest and size of what went through a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
}

/// Counts and digests what it passes on.
struct Digesting<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a new file and syncs it.
pub(crate) fn write_synced(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Digest, FileError> {
    let written = || {
        gate()?;
        let mut writer = Digesting { inner: BufWriter::new(File::create(path)?), hasher: blake3::Hasher::new() };
        torn(&mut writer)?;
        content(&mut writer)?;
        let file = writer.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        gate()?;
        file.sync_all()?;
        Ok(Digest { bytes: writer.hasher.count(), blake3: writer.hasher.finalize().to_hex().to_string() })
    };
    written().map_err(FileError::at("write", path))
}

/// Replaces a file at once: readers see the old content or the new, whole.
pub(crate) fn replace(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Digest, FileError> {
    let temporary = sibling(path, TEMPORARY);
    let digest = write_synced(&temporary, content)?;
    rename(&temporary, path)?;
    Ok(digest)
}

/// Deletes what a crash in [`replace`] left beside a file.
pub(crate) fn remove_leftover(path: &Path) -> Result<(), FileError> {
    let temporary = sibling(path, TEMPORARY);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("delete", &temporary)(error)),
        _ => Ok(()),
    }
}

/// Digest of a file on disk.
pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(Digest { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}

/// Digest of bytes in memory.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> Digest {
    Digest { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
}

/// Renames and syncs the directory that holds the new name.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    gate().and_then(|()| fs::rename(from, to)).map_err(FileError::at("move into place", to))?;
    sync_dir(to.parent().unwrap_or(Path::new(".")))
}

/// Creates a directory whose parent exists.
pub(crate) fn create_dir(path: &Path) -> Result<(), FileError> {
    gate().and_then(|()| fs::create_dir(path)).map_err(FileError::at("create", path))
}

/// Deletes a directory and all in it.
pub(crate) fn remove_dir(path: &Path) -> Result<(), FileError> {
    let removed = || {
        for entry in fs::read_dir(path)? {
            gate()?;
            let entry = entry?.path();
            if entry.is_dir() { fs::remove_dir_all(&entry)? } else { fs::remove_file(&entry)? }
        }
        gate()?;
        fs::remove_dir(path)
    };
    removed().map_err(FileError::at("delete", path))
}

/// Makes the names in a directory durable, where the system can.
pub(crate) fn sync_dir(path: &Path) -> Result<(), FileError> {
    gate().map_err(FileError::at("sync", path))?;
    if cfg!(unix) {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path).and_then(|dir| dir.sync_all()).map_err(FileError::at("sync", path))?;
    }
    Ok(())
}

/// The hidden name beside a file that its next content is written under.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{suffix}"))
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it refuses")]
fn gate() -> io::Result<()> {
    Ok(())
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it refuses")]
fn torn(_writer: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use crash::{gate, torn};

/// A process that dies at the n-th change it makes to the disk, and a test thread that lives on.
#[cfg(test)]
pub(crate) mod crash {
    use std::cell::Cell;
    use std::io::{self, Write};

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Lets `operations` changes of this thread pass and refuses all that follow; returns what `work` returns.
    pub(crate) fn after<T>(operations: usize, work: impl FnOnce() -> T) -> T {
        LEFT.set(Some(operations));
        let result = work();
        LEFT.set(None);
        result
    }

    pub(super) fn gate() -> io::Result<()> {
        match LEFT.get() {
            Some(0) => Err(io::Error::other("crash")),
            left => {
                LEFT.set(left.map(|n| n - 1));
                Ok(())
            }
        }
    }

    /// A crash here leaves a torn file.
    pub(super) fn torn(writer: &mut dyn Write) -> io::Result<()> {
        gate().or_else(|error| {
            writer.write_all(b"{\"torn")?;
            writer.flush()?;
            Err(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_old_or_new_after_any_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pointer");
        replace(&path, |w| w.write_all(b"old")).unwrap();
        let mut crashes = 0;
        while crash::after(crashes, || replace(&path, |w| w.write_all(b"new"))).is_err() {
            assert!(matches!(fs::read(&path).unwrap().as_slice(), b"old" | b"new"));
            crashes += 1;
        }
        assert!(crashes >= 4, "create, write, sync, rename: {crashes}");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(digest_of(&path).unwrap(), digest_of_bytes(b"new"));
        assert_eq!(digest_of_bytes(b"new").bytes, 3);
    }

    #[test]
    fn a_refusal_names_operation_and_path() {
        let error = write_synced(Path::new("no/such/dir/file"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("cannot write no/such/dir/file: "), "{error}");
    }
}

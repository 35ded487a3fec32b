//! `metrics.jsonl`: what a run measured, one JSON object a line, only ever appended to.
//!
//! ```text
//! {"schema":1}
//! {"kind":"train","step":10,"epoch":0,"loss":4.21,"lr":0.001}
//! ```
//!
//! A line that a crash tore is passed over.  A resumed run first drops what the course it gives up wrote after the
//! checkpoint.  Numbers that JSON lacks (NaN, infinities) are `null`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::durable::{self, FileError};

/// Of the lines' format; stands in the first line.
const SCHEMA: u64 = 1;

/// The keys that every line has.
const RESERVED: [&str; 3] = ["kind", "step", "epoch"];

/// Metrics that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of something else, or of another version.
    #[error("{}: expected {{\"schema\":{SCHEMA}}} in line 1, got {got}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its first line.
        got: String,
    },
    /// Values that are no table of their own, or that take a line's own keys.
    #[error("metrics of step {step}: expected an object without {RESERVED:?}, got {got}")]
    Values {
        /// The step.
        step: u64,
        /// What was to be written.
        got: String,
    },
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A training step: loss terms, learning rate.
    Train,
    /// An evaluation.
    Val,
    /// Weight norms, statistics of WRS.
    Norms,
    /// Speed and memory.
    System,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is about.
    pub kind: Kind,
    /// Optimizer steps done.
    pub step: u64,
    /// Epoch of that step.
    pub epoch: u64,
    /// The numbers, by name, in the order they were written.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// The lines of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// In the order they were written.
    pub records: Vec<Record>,
    /// Lines that are no record: a crash tears at most the last.
    pub unreadable: usize,
}

/// The lines that a resumed run does without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Lines after the checkpoint, of the course that is given up.
    pub later: usize,
    /// Lines that are no record.
    pub unreadable: usize,
}

/// Appends lines; each is handed to the system before [`Self::write`] returns.
#[derive(Debug)]
pub struct MetricsLog {
    file: File,
    path: PathBuf,
}

impl MetricsLog {
    /// Begins a new file.
    ///
    /// # Errors
    /// [`MetricsError::File`], also when there is one.
    pub fn create(path: &Path) -> Result<Self, MetricsError> {
        let opened = OpenOptions::new().append(true).create_new(true).open(path);
        let mut log = Self { file: opened.map_err(FileError::at("create", path))?, path: path.to_owned() };
        log.append(&json!({"schema": SCHEMA}))?;
        Ok(log)
    }

    /// Begins anew, whatever was there: for a run that starts again at step 0.
    ///
    /// # Errors
    /// [`MetricsError::File`].
    pub fn restart(path: &Path) -> Result<Self, MetricsError> {
        if path.exists() {
            fs::remove_file(path).map_err(FileError::at("delete", path))?;
        }
        Self::create(path)
    }

    /// Goes on after `step`: drops later lines and unreadable ones, and says how many.  A file that is missing or lost its
    /// first line is begun anew.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn resume(path: &Path, step: u64) -> Result<(Self, Dropped), MetricsError> {
        if !fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            if path.exists() {
                fs::remove_file(path).map_err(FileError::at("delete", path))?;
            }
            return Ok((Self::create(path)?, Dropped::default()));
        }
        let bytes = fs::read(path).map_err(FileError::at("read", path))?;
        let (header, lines) = split(&bytes, path)?;
        let mut dropped = Dropped::default();
        let mut kept = header.to_vec();
        for line in lines {
            match parse(line) {
                Some(record) if record.step <= step => kept.extend(line),
                Some(_) => dropped.later += 1,
                None => dropped.unreadable += 1,
            }
        }
        durable::replace(path, |writer| writer.write_all(&kept))?;
        let file = OpenOptions::new().append(true).open(path).map_err(FileError::at("open", path))?;
        Ok((Self { file, path: path.to_owned() }, dropped))
    }

    /// Appends one line; `values` is anything that serializes to an object.
    ///
    /// # Errors
    /// [`MetricsError::Values`], [`MetricsError::File`].
    pub fn write(&mut self, kind: Kind, step: u64, epoch: u64, values: &impl Serialize) -> Result<(), MetricsError> {
        let refused = |got: String| MetricsError::Values { step, got };
        let values = match serde_json::to_value(values) {
            Ok(Value::Object(values)) if !RESERVED.iter().any(|key| values.contains_key(*key)) => values,
            Ok(other) => return Err(refused(other.to_string())),
            Err(error) => return Err(refused(error.to_string())),
        };
        self.append(&Record { kind, step, epoch, values })
    }

    /// Makes every line so far survive a power cut; to be called before a checkpoint is saved.
    ///
    /// # Errors
    /// [`MetricsError::File`].
    pub fn sync(&self) -> Result<(), MetricsError> {
        Ok(self.file.sync_data().map_err(FileError::at("sync", &self.path))?)
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), MetricsError> {
        let written = serde_json::to_vec(line).map_err(Into::into).and_then(|mut line| {
            line.push(b'\n');
            // One call a line: what a reader or a crash sees is whole lines, save perhaps the last.
            self.file.write_all(&line)
        });
        Ok(written.map_err(FileError::at("write", &self.path))?)
    }
}

/// Reads every whole line, and counts those that are none.
///
/// # Errors
/// [`MetricsError::File`], [`MetricsError::Schema`].
pub fn read(path: &Path) -> Result<Metrics, MetricsError> {
    let bytes = fs::read(path).map_err(FileError::at("read", path))?;
    let (_, lines) = split(&bytes, path)?;
    let mut metrics = Metrics::default();
    for line in lines {
        match parse(line) {
            Some(record) => metrics.records.push(record),
            None => metrics.unreadable += 1,
        }
    }
    Ok(metrics)
}

/// The checked first line and all others, each with its line feed.
fn split<'b>(bytes: &'b [u8], path: &Path) -> Result<(&'b [u8], impl Iterator<Item = &'b [u8]>), MetricsError> {
    #[derive(Deserialize)]
    struct Header {
        schema: u64,
    }
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    if !first.ends_with(b"\n") || !serde_json::from_slice(first).is_ok_and(|Header { schema }| schema == SCHEMA) {
        let got = String::from_utf8_lossy(first).trim_end().chars().take(80).collect();
        return Err(MetricsError::Schema { path: path.to_owned(), got });
    }
    Ok((first, lines))
}

/// A line without its line feed was torn, even where what is left of it parses.
fn parse(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log_of(steps: u64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricsLog::create(&path).unwrap();
        for step in 1..=steps {
            log.write(Kind::Train, step, 0, &json!({"loss": 0.1 * step as f64, "lr": 1e-3})).unwrap();
        }
        log.sync().unwrap();
        (folder, path)
    }

    #[test]
    fn lines_come_back_in_order() {
        let (_folder, path) = log_of(2);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\"schema\":1}\n{\"kind\":\"train\",\"step\":1,\"epoch\":0,\"loss\":0.1,\"lr\":0.001}\n\
             {\"kind\":\"train\",\"step\":2,\"epoch\":0,\"loss\":0.2,\"lr\":0.001}\n"
        );
        let records = read(&path).unwrap().records;
        assert_eq!((records[1].kind, records[1].step, &records[1].values["loss"]), (Kind::Train, 2, &json!(0.2)));
    }

    #[test]
    fn a_resumed_log_is_what_an_uninterrupted_one_would_be() {
        let (_folder, path) = log_of(9);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"kind\":\"train\",\"st").unwrap();
        let torn = read(&path).unwrap();
        assert_eq!((torn.records.len(), torn.unreadable), (9, 1));
        let (mut log, dropped) = MetricsLog::resume(&path, 6).unwrap();
        assert_eq!(dropped, Dropped { later: 3, unreadable: 1 });
        for step in 7..=9 {
            log.write(Kind::Train, step, 0, &json!({"loss": 0.1 * step as f64, "lr": 1e-3})).unwrap();
        }
        let (_kept, whole) = log_of(9);
        assert_eq!(fs::read(&path).unwrap(), fs::read(whole).unwrap());
    }

    #[test]
    fn a_lost_log_is_begun_anew() {
        let (_folder, path) = log_of(3);
        fs::write(&path, b"").unwrap();
        MetricsLog::resume(&path, 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"schema\":1}\n");
        fs::remove_file(&path).unwrap();
        MetricsLog::resume(&path, 3).unwrap();
        assert_eq!(read(&path).unwrap(), Metrics::default());
        assert!(MetricsLog::create(&path).is_err(), "a log is never overwritten");
    }

    #[test]
    fn what_is_not_a_line_is_refused() {
        let (_folder, path) = log_of(0);
        let (mut log, _) = MetricsLog::resume(&path, 0).unwrap();
        for values in [json!(3), json!({"step": 1}), json!([1])] {
            assert!(matches!(log.write(Kind::Val, 1, 0, &values), Err(MetricsError::Values { .. })));
        }
        log.write(Kind::Val, 1, 0, &json!({"ap": f64::NAN})).unwrap();
        assert_eq!(read(&path).unwrap().records[0].values["ap"], Value::Null);
        fs::write(&path, "{\"schema\":7}\n").unwrap();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.ends_with("expected {\"schema\":1} in line 1, got {\"schema\":7}"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("metrics.jsonl");
            fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
            let _ = MetricsLog::resume(&path, 3);
            fs::write(&path, [b"{\"schema\":1}\n".as_slice(), &bytes].concat()).unwrap();
            prop_assert!(read(&path).is_ok());
        }
    }
}

//! A process in a run, from the first line of its run.json to the last: the run is made or gone on with, carried out by its
//! task, and closed with how it ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use wrs_ops::conv::Algorithms;
use wrs_weights::Origin;
use wrs_weights::find::Finder;

use crate::error::TrainError;
use crate::interrupt::{Interrupt, Signal};
use crate::metrics::MetricsLog;
use crate::progress::Progress;
use crate::recipe::{self, Loaded, TaskRecipe};
use crate::run_dir::{DATA_DIGEST, Place, RunDir, RunInfo, Status};
use crate::state::TrainState;

/// Name of the digest among what run.json says of the weights that a run starts from.
const INIT_DIGEST: &str = "sha256";

/// How a run is carried out; nothing here changes a result.
pub struct TrainOptions {
    /// Threads that prepare pictures.
    pub workers: usize,
    /// Which kernels.
    pub algorithms: Algorithms,
    /// Where the talk goes.
    pub progress: Box<dyn FnOnce(Option<File>) -> Progress>,
    /// Signals to stop.
    pub interrupt: Interrupt,
    /// Where weights to start from are looked for.
    pub finder: Finder,
}

impl TrainOptions {
    /// Sees to it that the weights that a recipe names are on this machine: before a run's directory is made.
    ///
    /// # Errors
    /// [`TrainError::Origin`].
    pub fn fetch(&self, init: Option<&Origin>) -> Result<(), TrainError> {
        init.map_or(Ok(None), |init| self.finder.find(init))?;
        Ok(())
    }

    /// Says that a run has no step left, and leaves it as it is.
    pub fn nothing_left(self, root: &Path) -> TrainOutcome {
        (self.progress)(None).say(&format!("{}: every step is done", root.display()));
        TrainOutcome { run: root.to_owned(), stopped_by: None }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainOutcome {
    /// The run's directory.
    pub run: PathBuf,
    /// The signal that stopped it; `None` when it is finished.
    pub stopped_by: Option<Signal>,
}

/// A run that this process carries out.
#[derive(Debug)]
pub struct Session {
    /// Its directory, locked.
    pub run: RunDir,
    /// What run.json says of it.
    pub info: RunInfo,
    /// Where it stands: at the start, until a checkpoint is loaded.
    pub state: TrainState,
}

impl Session {
    /// Begins a run: its directory and recipe are written before anything else happens.  `source` is the recipe's name or
    /// file as it was typed.
    ///
    /// # Errors
    /// [`TrainError::RunDir`].
    pub fn create<R: TaskRecipe>(
        task: &str,
        loaded: &Loaded<R>,
        place: Place<'_>,
        source: &str,
    ) -> Result<Self, TrainError> {
        let digest = loaded.digest();
        let mut info = RunInfo::starting(task, source, &digest, loaded.recipe.training().seed);
        info.overrides.clone_from(&loaded.overrides);
        info.machine.insert("threads".into(), rayon::current_num_threads().to_string());
        let run = RunDir::create(place, &info, &loaded.resolved)?;
        Self::begin(run, info, &digest)
    }

    /// Goes on with a run under its own recipe; `None` where every step is done.
    ///
    /// # Errors
    /// [`TrainError::RunDir`], [`TrainError::Recipe`].
    pub fn resume<R: TaskRecipe>(root: &Path) -> Result<Option<(Self, Loaded<R>)>, TrainError> {
        let run = RunDir::open(root)?;
        let info = run.files().read_info()?;
        if info.status == Status::Finished {
            return Ok(None);
        }
        let loaded = recipe::of_run::<R>(run.files())?;
        let digest = loaded.digest();
        Ok(Some((Self::begin(run, info, &digest)?, loaded)))
    }

    fn begin(run: RunDir, mut info: RunInfo, digest: &str) -> Result<Self, TrainError> {
        info.status = Status::Running;
        run.write_info(&info)?;
        Ok(Self { run, info, state: TrainState::new(digest) })
    }

    /// Notes in run.json which data the run is on; a run that goes on does so with the data it began with.
    ///
    /// # Errors
    /// [`TrainError::OtherData`], which leaves the note as it was; [`TrainError::RunDir`].
    pub fn note_data(&mut self, summary: BTreeMap<String, String>) -> Result<(), TrainError> {
        let (expected, got) = (self.info.data.get(DATA_DIGEST), summary.get(DATA_DIGEST));
        if let Some(expected) = expected.filter(|_| expected != got) {
            let got = got.map_or("none", String::as_str).to_owned();
            let run = self.run.files().root().to_owned();
            return Err(TrainError::OtherData { run, expected: expected.clone(), got });
        }
        self.info.data = summary;
        Ok(self.run.write_info(&self.info)?)
    }

    /// The file that a fresh run starts from, if any; says which it is and notes it in run.json.  A run that begins again does
    /// so with the weights it began from.
    ///
    /// # Errors
    /// [`TrainError::Origin`], [`TrainError::OtherInit`], [`TrainError::RunDir`].
    pub fn start_file(
        &mut self,
        init: Option<&Origin>,
        finder: &Finder,
        progress: &mut Progress,
    ) -> Result<Option<PathBuf>, TrainError> {
        let Some(found) = init.map_or(Ok(None), |init| finder.find(init))? else { return Ok(None) };
        if let Some(expected) = self.info.init.get(INIT_DIGEST).filter(|expected| **expected != found.sha256) {
            let run = self.run.files().root().to_owned();
            return Err(TrainError::OtherInit { run, expected: expected.clone(), got: found.sha256 });
        }
        progress.say(&found.line());
        let note = [
            ("name", found.name),
            ("file", found.path.display().to_string()),
            ("bytes", found.bytes.to_string()),
            (INIT_DIGEST, found.sha256),
        ];
        self.info.init = note.map(|(key, value)| (key.to_owned(), value)).into();
        self.run.write_info(&self.info)?;
        Ok(Some(found.path))
    }

    /// The metrics of a run that goes on from [`Self::state`]: later lines are dropped, torn ones are told of.
    ///
    /// # Errors
    /// [`TrainError::Metrics`].
    pub fn resume_metrics(&self, progress: &mut Progress) -> Result<MetricsLog, TrainError> {
        let (metrics, dropped) = MetricsLog::resume(&self.run.files().metrics(), self.state.step)?;
        if dropped.unreadable > 0 {
            progress.say(&format!("metrics.jsonl: {} torn lines left out", dropped.unreadable));
        }
        Ok(metrics)
    }

    /// Notes in run.json how the steps ended: with an error, stopped by a signal, or with the last of them.
    ///
    /// # Errors
    /// The error that the steps ended with; [`TrainError::RunDir`].
    pub fn end<E: From<TrainError>>(
        mut self,
        ended: Result<Option<Signal>, E>,
        is_divergence: impl FnOnce(&E) -> bool,
    ) -> Result<TrainOutcome, E> {
        let status = match &ended {
            Ok(None) => Status::Finished,
            Ok(Some(_)) => Status::Interrupted,
            Err(error) if is_divergence(error) => Status::Diverged,
            Err(_) => Status::Failed,
        };
        // A process that ends before it has loaded its checkpoint knows of no best; what an earlier one noted stays.
        let best = self.state.best.clone().or_else(|| self.info.best.clone());
        self.info.end(status, best);
        self.run.write_info(&self.info).map_err(TrainError::from)?;
        Ok(TrainOutcome { run: self.run.files().root().to_owned(), stopped_by: ended? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{RunDirError, RunFiles};
    use crate::state::{Best, Goal};
    use crate::tiny_recipe::{self, TinyRecipe};

    fn loaded() -> Loaded<TinyRecipe> {
        recipe::load("demo", tiny_recipe::TEXT, &[("seed".into(), "7".into())]).unwrap()
    }

    fn create(root: &Path) -> Session {
        Session::create("detection", &loaded(), Place::Exactly(root), "demo").unwrap()
    }

    fn resume(root: &Path) -> Result<Option<(Session, Loaded<TinyRecipe>)>, TrainError> {
        Session::resume(root)
    }

    fn status(root: &Path) -> Status {
        RunFiles::at(root).unwrap().read_info().unwrap().status
    }

    #[test]
    fn a_run_is_made_stopped_gone_on_with_and_finished() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        let mut session = create(&root);
        assert_eq!(status(&root), Status::Running);
        session.note_data(BTreeMap::from([("folder".into(), "here".into())])).unwrap();
        let outcome = session.end::<TrainError>(Ok(Some(Signal::Terminate)), |_| false).unwrap();
        assert_eq!(outcome, TrainOutcome { run: root.clone(), stopped_by: Some(Signal::Terminate) });
        assert_eq!(status(&root), Status::Interrupted);

        let (mut session, again) = resume(&root).unwrap().unwrap();
        assert_eq!((again.recipe, session.state.recipe_digest.clone()), (loaded().recipe, loaded().digest()));
        assert_eq!((session.info.seed, loaded().recipe.training.seed), (7, 7));
        assert_eq!((session.info.status, session.info.data["folder"].as_str()), (Status::Running, "here"));
        assert_eq!(session.info.overrides, loaded().overrides);
        session.state.step = 3;
        session.state.improve("ap50", 0.5, Goal::Highest);
        assert_eq!(session.end::<TrainError>(Ok(None), |_| false).unwrap().stopped_by, None);
        let info = RunFiles::at(&root).unwrap().read_info().unwrap();
        assert_eq!(info.best, Some(Best { metric: "ap50".into(), value: 0.5, step: 3 }));
        assert!(info.status == Status::Finished && info.ended.is_some());
        assert!(resume(&root).unwrap().is_none(), "nothing is left to do");
    }

    #[test]
    fn a_run_does_not_go_on_with_other_data() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        let data = |folder: &str, digest: &str| {
            BTreeMap::from([("folder".to_owned(), folder.to_owned()), (DATA_DIGEST.to_owned(), digest.to_owned())])
        };
        let mut session = create(&root);
        session.note_data(data("here", "one")).unwrap();
        session.state.improve("ap50", 0.5, Goal::Highest);
        session.end::<TrainError>(Ok(Some(Signal::Terminate)), |_| false).unwrap();

        let (mut session, _) = resume(&root).unwrap().unwrap();
        let refusal = session.note_data(data("here", "two")).unwrap_err();
        assert!(matches!(&refusal, TrainError::OtherData { expected, got, .. } if expected == "one" && got == "two"));
        assert!(refusal.to_string().contains("help: put the data back"), "{refusal}");
        session.end(Err(refusal), |_| false).unwrap_err();
        let info = RunFiles::at(&root).unwrap().read_info().unwrap();
        assert_eq!((info.status, info.data), (Status::Failed, data("here", "one")));
        assert_eq!(info.best, Some(Best { metric: "ap50".into(), value: 0.5, step: 0 }));

        let (mut session, _) = resume(&root).unwrap().unwrap();
        session.note_data(data("moved", "one")).unwrap();
        assert_eq!(session.info.data, data("moved", "one"), "the same data in another place");
    }

    #[test]
    fn a_run_starts_from_the_same_file_whenever_it_begins() {
        use crate::progress::{Appearance, Wanted};
        use wrs_weights::find::{Places, Reach};

        let folder = tempfile::tempdir().unwrap();
        let (root, file) = (folder.path().join("run"), folder.path().join("a.safetensors"));
        std::fs::write(&file, b"abc").unwrap();
        let origin = Origin::File(file.clone());
        let places = Places { hub: None, files: None, endpoint: String::new() };
        let finder = Finder { reach: Reach::Machine, bar: false, say: |_| {}, places };
        let log = folder.path().join("log.txt");
        let mut progress = Progress::new(Appearance::on_stderr(Wanted::Nothing), Some(File::create(&log).unwrap()));
        let mut session = create(&root);
        for none in [None, Some(&Origin::Scratch)] {
            assert_eq!(session.start_file(none, &finder, &mut progress).unwrap(), None);
            assert!(session.info.init.is_empty());
        }
        assert_eq!(session.start_file(Some(&origin), &finder, &mut progress).unwrap(), Some(file.clone()));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let info = RunFiles::at(&root).unwrap().read_info().unwrap();
        assert_eq!((info.init["sha256"].as_str(), info.init["bytes"].as_str()), (digest, "3"));
        assert!(std::fs::read_to_string(&log).unwrap().contains(digest));
        session.start_file(Some(&origin), &finder, &mut progress).unwrap();
        std::fs::write(&file, b"abd").unwrap();
        let refusal = session.start_file(Some(&origin), &finder, &mut progress).unwrap_err();
        assert!(matches!(&refusal, TrainError::OtherInit { expected, .. } if expected == digest), "{refusal}");
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(session.start_file(Some(&origin), &finder, &mut progress), Err(TrainError::Origin(_))));
    }

    #[test]
    fn an_error_is_given_back_and_noted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, diverged, expected) in [("a", true, Status::Diverged), ("b", false, Status::Failed)] {
            let root = folder.path().join(name);
            let error = TrainError::from(RunDirError::Exists("x".into()));
            assert!(matches!(create(&root).end(Err(error), |_| diverged), Err(TrainError::RunDir(_))));
            assert_eq!(status(&root), expected);
        }
    }
}

//! One line that says how the training goes, and the talk around it.
//!
//! On a terminal the line stays in place; elsewhere a plain line appears every half minute, without control characters.
//! There are no colours, so `NO_COLOR` has nothing to switch off.  `log.txt` gets the same talk, plain.

mod line;
mod pace;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use line::{Snapshot, format_bytes, format_duration, format_line, format_value};
pub use pace::{Meter, Pace};

/// Time between plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// What the user asked to see on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Talk and progress.
    Everything,
    /// `--no-progress`: talk alone.
    Talk,
    /// `-q`: nothing.
    Nothing,
}

/// How progress appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appearance {
    /// One line, redrawn in place.
    Live,
    /// A plain line now and then.
    Lines,
    /// Talk without progress.
    Talk,
    /// Nothing on stderr.
    Silent,
}

impl Appearance {
    /// What suits the wish and this process's stderr.
    pub fn on_stderr(wanted: Wanted) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::choose(wanted, io::stderr().is_terminal() && !dumb)
    }

    fn choose(wanted: Wanted, can_redraw: bool) -> Self {
        match wanted {
            Wanted::Nothing => Self::Silent,
            Wanted::Talk => Self::Talk,
            Wanted::Everything if can_redraw => Self::Live,
            Wanted::Everything => Self::Lines,
        }
    }
}

/// Says how a training goes, on stderr and in the run's log.
///
/// Talk that cannot be written (a closed pipe, a full disk) never ends a training: what counts is in metrics.jsonl and in
/// the checkpoints, whose errors are not passed over.
pub struct Progress {
    appearance: Appearance,
    bar: Option<ProgressBar>,
    terminal: Box<dyn Write + Send>,
    log: Option<File>,
    between_lines: Duration,
    last_line: Option<Instant>,
}

impl Progress {
    /// Talks on stderr and into `log`.
    pub fn new(appearance: Appearance, log: Option<File>) -> Self {
        let bar = (appearance == Appearance::Live).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("[{bar:10}] {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("#>-"));
            bar
        });
        let mut progress = Self::to(appearance, Box::new(io::stderr()), log, BETWEEN_LINES);
        progress.bar = bar;
        progress
    }

    fn to(appearance: Appearance, terminal: Box<dyn Write + Send>, log: Option<File>, between_lines: Duration) -> Self {
        Self { appearance, bar: None, terminal, log, between_lines, last_line: None }
    }

    /// Says something once.
    pub fn say(&mut self, text: &str) {
        let text = plain(text);
        if self.appearance != Appearance::Silent {
            match &self.bar {
                Some(bar) => bar.suspend(|| say_to(&mut self.terminal, &text)),
                None => say_to(&mut self.terminal, &text),
            }
        }
        self.say_to_log(&text);
    }

    /// Shows where the training stands; to be called after every step.
    pub fn update(&mut self, snapshot: &Snapshot<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_message(format_line(snapshot));
            bar.set_length(snapshot.steps);
            bar.set_position(snapshot.step);
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= self.between_lines);
        if due || snapshot.step == snapshot.steps {
            self.last_line = Some(Instant::now());
            let line = format_line(snapshot);
            if self.appearance == Appearance::Lines {
                say_to(&mut self.terminal, &line);
            }
            self.say_to_log(&line);
        }
    }

    /// Takes the line away; talk goes on.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say_to_log(&mut self, text: &str) {
        if let Some(log) = &mut self.log {
            say_to(log, text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A failure is passed over: see [`Progress`].
fn say_to(writer: &mut dyn Write, text: &str) {
    let _ = writer.write_all(format!("{text}\n").as_bytes()).and_then(|()| writer.flush());
}

/// Without control characters, which a file's name may bring in.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn snapshot(step: u64) -> Snapshot<'static> {
        Snapshot {
            epoch: 0,
            epochs: None,
            step,
            steps: 5,
            values: &[("loss", 0.5)],
            lr: 0.1,
            pace: Pace { images_per_second: 2.0, data_share: 0.0, step_time: Duration::from_secs(1) },
            peak_memory: None,
        }
    }

    /// What a training of five steps shows on the screen and in the log.
    fn shown(appearance: Appearance, between_lines: Duration) -> (String, String) {
        let (screen, folder) = (Screen::default(), tempfile::tempdir().unwrap());
        let path = folder.path().join("log.txt");
        let log = File::create(&path).unwrap();
        let mut progress = Progress::to(appearance, Box::new(screen.clone()), Some(log), between_lines);
        progress.say("device cpu");
        (1..=5).for_each(|step| progress.update(&snapshot(step)));
        progress.say("saved \u{1b}[31mx");
        progress.finish();
        let screen = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        (screen, std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn away_from_a_terminal_a_plain_line_comes_now_and_then() {
        let (screen, log) = shown(Appearance::Lines, Duration::from_secs(3600));
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(lines.len(), 4, "talk, the first line, the last one, talk: {screen}");
        assert!(lines[1].contains("step 1/5") && lines[2].contains("step 5/5"));
        assert!(!screen.chars().any(|c| c.is_control() && c != '\n'));
        assert_eq!(log, screen, "the log gets the same talk");
        assert_eq!(shown(Appearance::Lines, Duration::ZERO).0.lines().count(), 7);
    }

    #[test]
    fn quiet_is_quiet_and_the_log_is_kept() {
        let (screen, log) = shown(Appearance::Silent, Duration::ZERO);
        assert_eq!((screen.as_str(), log.lines().count()), ("", 7));
        let (screen, _) = shown(Appearance::Talk, Duration::ZERO);
        assert_eq!(screen, "device cpu\nsaved ?[31mx\n");
    }

    #[test]
    fn the_line_is_redrawn_only_where_that_works() {
        assert_eq!(Appearance::choose(Wanted::Everything, true), Appearance::Live);
        assert_eq!(Appearance::choose(Wanted::Everything, false), Appearance::Lines);
        assert_eq!(Appearance::choose(Wanted::Talk, true), Appearance::Talk);
        assert_eq!(Appearance::choose(Wanted::Nothing, true), Appearance::Silent);
    }
}

//! Ctrl-C and SIGTERM: the step is finished and saved; a second signal stops at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What asked the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite kill, as batch systems send it.
    Terminate,
}

impl Signal {
    /// The exit status of a process stopped by it, as shells count: 128 + the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        }
    }
}

/// Remembers the first signal; the loop asks after each step.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// 0, or 1 + the place in [`SIGNALS`].
    first: Arc<AtomicUsize>,
}

const SIGNALS: [Signal; 2] = [Signal::Interrupt, Signal::Terminate];

impl Interrupt {
    /// Takes over SIGINT and SIGTERM of this process.
    ///
    /// # Errors
    /// The system's, when it does not let the handlers be set.
    pub fn install() -> io::Result<Self> {
        let first = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        for (place, signal) in SIGNALS.into_iter().enumerate() {
            // Handlers run in the order of their registration: the first signal finds the shutdown unarmed and arms it.
            flag::register_conditional_shutdown(signal.number(), i32::from(signal.exit_code()), Arc::clone(&armed))?;
            flag::register_usize(signal.number(), Arc::clone(&first), place + 1)?;
            flag::register(signal.number(), Arc::clone(&armed))?;
        }
        Ok(Self { first })
    }

    /// The signal that asked to stop, if one did.
    pub fn requested(&self) -> Option<Signal> {
        self.first.load(Ordering::SeqCst).checked_sub(1).and_then(|place| SIGNALS.get(place).copied())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use signal_hook::low_level::raise;

    use super::*;

    /// Runs in a process of its own, which the signals concern: see the tests below.  Alone, nobody sends it any.
    #[test]
    #[ignore = "the other tests start it"]
    fn child() {
        let Ok(signals) = std::env::var("WRS_TEST_SIGNALS") else { return };
        let interrupt = Interrupt::install().unwrap();
        assert_eq!(interrupt.requested(), None);
        let mut signals = signals.split(',').map(|s| if s == "int" { Signal::Interrupt } else { Signal::Terminate });
        let first = signals.next().unwrap();
        raise(first.number()).unwrap();
        assert_eq!(interrupt.requested(), Some(first));
        if let Some(second) = signals.next() {
            raise(second.number()).unwrap();
            unreachable!("the second signal ends the process");
        }
    }

    fn exit_code_after(signals: &str) -> Option<i32> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--ignored", "interrupt::tests::child"]).env("WRS_TEST_SIGNALS", signals);
        command.output().unwrap().status.code()
    }

    #[test]
    fn the_first_signal_is_remembered_and_the_process_lives() {
        assert_eq!(exit_code_after("int"), Some(0));
        assert_eq!(exit_code_after("term"), Some(0));
    }

    #[test]
    fn the_second_signal_stops_at_once() {
        assert_eq!(exit_code_after("int,int"), Some(130));
        assert_eq!(exit_code_after("int,term"), Some(143));
        assert_eq!(exit_code_after("term,int"), Some(130));
    }
}

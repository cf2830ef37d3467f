//! What every verb shares: the flag that a signal raises, and the two streams.
//!
//! Results go to stdout; progress, warnings and what was chosen go to stderr.

use saekit_core::{Interrupt, Observer as _};

use crate::progress::Reporter;
use crate::signals::Signals;
use crate::terminal;
pub(crate) use crate::terminal::print;

/// One invocation of the binary.
#[derive(Debug)]
pub(crate) struct Session {
    /// Raised by the first signal that asks to end.
    pub(crate) interrupt: Interrupt,
    signals: Signals,
    quiet: bool,
}

impl Session {
    /// Begins to listen for Ctrl-C (and for being asked to terminate).
    pub(crate) fn new(quiet: bool) -> Self {
        let interrupt = Interrupt::default();
        let listening = Signals::listen(&interrupt);
        let (signals, problem) = match listening {
            Ok(signals) => (signals, None),
            Err(error) => (Signals::default(), Some(error)),
        };
        let session = Self { interrupt, signals, quiet };
        if let Some(error) = problem {
            session.warn(&format!("Ctrl-C will abort at once: {error}"));
        }
        session
    }

    /// The exit code of a verb that a signal has stopped.
    pub(crate) fn interrupted_code(&self) -> u8 {
        self.signals.exit_code() as u8
    }

    /// Somebody to watch long work.
    pub(crate) fn observer(&self) -> Reporter {
        Reporter::new(self.quiet)
    }

    /// A warning, on stderr, also where the session is quiet.
    pub(crate) fn warn(&self, text: &str) {
        self.observer().warn(text);
    }

    /// A line for people, on stderr.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            terminal::say(line);
        }
    }
}

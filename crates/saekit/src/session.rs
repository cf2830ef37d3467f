//! What every verb shares: the flag that Ctrl-C raises, and the two streams.
//!
//! Results go to stdout; progress, warnings and what was chosen go to stderr.

use std::io::{self, Write as _};
use std::process;

use saekit_core::{Interrupt, Observer as _};

use crate::exit::INTERRUPTED;
use crate::progress::Reporter;

/// One invocation of the binary.
#[derive(Debug)]
pub(crate) struct Session {
    /// Raised by the first Ctrl-C; the second ends the process.
    pub(crate) interrupt: Interrupt,
    quiet: bool,
}

impl Session {
    /// Begins to listen for Ctrl-C (and for being asked to terminate).
    pub(crate) fn new(quiet: bool) -> Self {
        let interrupt = Interrupt::default();
        let raised = interrupt.clone();
        let handler = ctrlc::set_handler(move || {
            if raised.is_raised() {
                process::exit(i32::from(INTERRUPTED));
            }
            raised.raise();
            let message = "stopping at the next safe point; Ctrl-C again aborts at once";
            writeln!(io::stderr(), "\n{message}").ok();
        });
        let session = Self { interrupt, quiet };
        if let Err(error) = handler {
            session.observer().warn(&format!("Ctrl-C will abort at once: {error}"));
        }
        session
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
            writeln!(io::stderr(), "{line}").ok();
        }
    }
}

/// Writes a result, on lines of its own, to stdout.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

//! How a command ends badly: one message on one screen, and an exit code.

use std::fmt;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use saekit_core::Interrupt;

use crate::session::Session;
use crate::terminal;

/// The command failed.
const FAILED: u8 = 1;
/// The command was not a sensible one.
const USAGE: u8 = 2;

/// A command that asks for something impossible or leaves something necessary out.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The user asked to stop; says what is kept and how to go on.
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) String);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted; {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// What a verb adds to an interruption.
pub(crate) trait OnInterrupt<T> {
    /// Says, where the user stopped the work, what is kept and how to go on.
    fn on_interrupt(
        self,
        interrupt: &Interrupt,
        kept: impl FnOnce() -> String,
    ) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OnInterrupt<T> for Result<T, E> {
    fn on_interrupt(
        self,
        interrupt: &Interrupt,
        kept: impl FnOnce() -> String,
    ) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            if interrupt.is_raised() && saekit_core::Error::is_interrupted(error.as_ref()) {
                Interrupted(kept()).into()
            } else {
                error
            }
        })
    }
}

fn is_interruption(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>() || saekit_core::Error::is_interrupted(error.as_ref())
}

/// Prints what clap says of a command line that is none, or that asks for help.
pub(crate) fn answer(answer: &clap::Error) -> ExitCode {
    let text = answer.render().to_string();
    if answer.use_stderr() {
        terminal::say(text.trim_end_matches('\n'));
        return ExitCode::from(USAGE);
    }
    terminal::print(&text).ok();
    ExitCode::SUCCESS
}

/// Prints the error of `result`, if it is one.
pub(crate) fn exit_code(result: anyhow::Result<()>, session: &Session) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS; // whoever read our output has seen enough
    }
    terminal::say(&format!("error: {}", message(&error)));
    ExitCode::from(if session.interrupt.is_raised() && is_interruption(&error) {
        session.interrupted_code()
    } else if error.is::<Usage>() {
        USAGE
    } else {
        FAILED
    })
}

/// The error and its causes, but for those that an error before them quotes.
fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.is_empty() {
            cause
        } else if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Makes a panic, which is always a bug of ours or of a driver, say so in two lines.
pub(crate) fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        if saekit_core::border::is_caught() {
            return; // it becomes an error that names a file
        }
        let place = info.location().map_or_else(String::new, |at| format!(" at {at}"));
        terminal::say(&format!(
            "error: saekit {} stopped unexpectedly{place}: {}\nThis is a bug, or the device \
             failed: please report this line and the command; `--device cpu` may work.",
            env!("CARGO_PKG_VERSION"),
            payload(info)
        ));
    }));
}

fn payload(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str().unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let path = std::path::Path::new("a.json");
        let error = anyhow::Error::from(saekit_core::Error::io("write", path)(full()));
        let text = message(&error.context("cannot export"));
        assert!(text.starts_with("cannot export: cannot write a.json: "), "{text}");
        assert_eq!(text.matches(&full().to_string()).count(), 1, "{text}");
    }

    #[test]
    fn an_interruption_says_what_is_kept() {
        let interrupt = Interrupt::default();
        let stopped = || Err::<(), _>(saekit_store::Error::from(saekit_core::Error::Interrupted));
        let error = stopped().on_interrupt(&interrupt, || "kept".to_owned()).unwrap_err();
        assert!(!error.is::<Interrupted>(), "nobody asked");
        interrupt.raise();
        let error = stopped().on_interrupt(&interrupt, || "it is kept".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "interrupted; it is kept");
    }

    #[test]
    fn another_error_stays_itself_when_interrupted() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let failed = Err::<(), _>(saekit_core::Error::from_source("the disk is full"));
        let error = failed.on_interrupt(&interrupt, String::new).unwrap_err();
        assert_eq!(error.to_string(), "the disk is full");
    }
}

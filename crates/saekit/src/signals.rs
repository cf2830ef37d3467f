//! Signals that ask the process to end: work stops at its next safe point, or is cut short.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use saekit_core::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::terminal;

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Time between two looks whether a signal came.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time that work has to come to a safe point. A signal ends every verb within a second, and printing
/// and unwinding take some of that.
const GRACE: Duration = Duration::from_millis(600);
/// Shells add the number of the signal to this.
const EXIT_CODE: i32 = 128;

/// The signal that came, if one did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Raises `interrupt` when a signal comes. A process that is not at an end after a moment is ended,
    /// unless `interrupt` is held; a second signal ends it at once.
    ///
    /// Ending it anywhere is safe because every file is written beside its name and renamed.
    pub(crate) fn listen(interrupt: &Interrupt) -> io::Result<Self> {
        let signals = Self::default();
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            let status = EXIT_CODE + signal;
            flag::register_conditional_shutdown(signal, status, Arc::clone(&is_second))?;
            flag::register_usize(signal, Arc::clone(&signals.0), signal as usize)?;
        }
        let (watched, interrupt) = (signals.clone(), interrupt.clone());
        let watch = move || watched.watch(&interrupt, &is_second);
        thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
        Ok(signals)
    }

    /// What the process ends with where a signal has stopped it.
    pub(crate) fn exit_code(&self) -> i32 {
        EXIT_CODE + i32::try_from(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn watch(&self, interrupt: &Interrupt, is_second: &AtomicBool) {
        while self.0.load(Ordering::SeqCst) == 0 {
            thread::sleep(LOOK_EVERY);
        }
        let begun = Instant::now();
        is_second.store(true, Ordering::SeqCst);
        interrupt.raise();
        terminal::say("\nstopping at the next safe point; Ctrl-C again aborts at once");
        while begun.elapsed() < GRACE || interrupt.is_held() {
            thread::sleep(LOOK_EVERY);
        }
        terminal::say(
            "error: interrupted; no file is half-written, and the same command works again",
        );
        process::exit(self.exit_code());
    }
}

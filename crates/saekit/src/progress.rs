//! Progress on stderr: a bar in a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use saekit_core::{Observer, number};
use saekit_pages::terminal::harmless;

use crate::terminal::say;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Times a second the bar is drawn.
const BAR_HZ: u8 = 8;
/// Phases shorter than this leave no line behind.
const WORTH_A_LINE: Duration = Duration::from_millis(500);

/// Shows phases as they come.
pub(crate) struct Reporter {
    style: Style,
    phase: Option<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Bar,
    Lines,
    Quiet,
}

/// A phase under way.
struct Phase {
    name: String,
    total: Option<u64>,
    unit: String,
    begun: Instant,
    shown: Instant,
    done: u64,
    note: String,
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub(crate) fn new(quiet: bool) -> Self {
        let style = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self { style, phase: None }
    }

    fn above_the_bar(&self, text: &str) {
        match self.phase.as_ref().and_then(|phase| phase.bar.as_ref()) {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Observer for Reporter {
    fn begin(&mut self, phase: &str, total: Option<u64>, unit: &str) {
        let now = Instant::now();
        self.phase = Some(Phase {
            name: phase.to_owned(),
            total,
            unit: unit.to_owned(),
            begun: now,
            shown: now,
            done: 0,
            note: String::new(),
            bar: (self.style == Style::Bar).then(|| bar(phase, total, unit)),
        });
    }

    fn advance(&mut self, done: u64, note: &str) {
        let Some(phase) = &mut self.phase else { return };
        phase.done = done;
        note.clone_into(&mut phase.note);
        if let Some(bar) = &phase.bar {
            bar.set_message(harmless(&phase.note).into_owned());
            bar.set_position(done);
        } else if self.style == Style::Lines && phase.shown.elapsed() >= LINE_EVERY {
            phase.shown = Instant::now();
            say(&phase.standing());
        }
    }

    fn end(&mut self) {
        let Some(phase) = self.phase.take() else { return };
        if let Some(bar) = &phase.bar {
            bar.finish_and_clear();
        }
        if self.style != Style::Quiet && phase.begun.elapsed() >= WORTH_A_LINE {
            say(&phase.summary());
        }
    }

    fn say(&mut self, text: &str) {
        if self.style != Style::Quiet {
            self.above_the_bar(text);
        }
    }

    fn warn(&mut self, message: &str) {
        self.above_the_bar(&format!("warning: {message}"));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // Work that failed leaves no bar above its error.
        if let Some(bar) = self.phase.as_ref().and_then(|phase| phase.bar.as_ref()) {
            bar.finish_and_clear();
        }
    }
}

impl Phase {
    fn standing(&self) -> String {
        let Self { name, done, unit, note, .. } = self;
        let of = self.total.filter(|total| *total > 0).map_or_else(String::new, |total| {
            let percent = 100.0 * *done as f64 / total as f64;
            format!(" of {} ({percent:.0} %)", amount(total, unit))
        });
        format!("{name}: {}{of}{}{note}", amount(*done, unit), separator(note))
    }

    fn summary(&self) -> String {
        let Self { name, done, unit, note, begun, .. } = self;
        let time = number::seconds(begun.elapsed().as_secs_f64());
        format!("{name}: {} in {time}{}{note}", amount(*done, unit), separator(note))
    }
}

fn separator(note: &str) -> &'static str {
    if note.is_empty() { "" } else { "  " }
}

fn amount(n: u64, unit: &str) -> String {
    if unit == "bytes" { number::bytes(n) } else { format!("{} {unit}", number::count(n)) }
}

fn bar(phase: &str, total: Option<u64>, unit: &str) -> ProgressBar {
    let template = match (total, unit) {
        (Some(_), "bytes") => {
            "{prefix} [{bar:25}] {binary_bytes}/{binary_total_bytes} {eta}  {msg}"
        }
        (Some(_), _) => "{prefix} [{bar:25}] {human_pos}/{human_len} {eta}  {msg}",
        (None, _) => "{prefix} {human_pos}  {msg}",
    };
    let style = ProgressStyle::with_template(template).expect("a template of known keys");
    let target = ProgressDrawTarget::stderr_with_hz(BAR_HZ);
    ProgressBar::with_draw_target(total, target)
        .with_style(style.progress_chars("=> "))
        .with_prefix(harmless(phase).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let phase = |total, unit: &str| Phase {
            name: "training".to_owned(),
            total,
            unit: unit.to_owned(),
            begun: Instant::now(),
            shown: Instant::now(),
            done: 2048,
            note: "loss 0.5".to_owned(),
            bar: None,
        };
        let standing = phase(Some(8192), "rows").standing();
        assert_eq!(standing, "training: 2,048 rows of 8,192 rows (25 %)  loss 0.5");
        assert_eq!(phase(None, "bytes").standing(), "training: 2.0 KiB  loss 0.5");
    }
}

//! The border to the terminal: whatever is printed passes here, and none of it commands a terminal.
//!
//! Names of files, columns and hooks, tokens, and excerpts in errors come from outside, so control
//! characters and those that reorder or hide text are shown by their code points, as `⟨U+001B⟩`.

use std::io::{self, Write as _};

use saekit_pages::terminal::{harmless, harmless_json, harmless_painted};

/// Writes a result, on lines of its own, to stdout.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(&harmless(text))
}

/// [`print`] of text that has our own colours.
pub(crate) fn print_painted(text: &str) -> io::Result<()> {
    write(&harmless_painted(text))
}

/// [`print`] of JSON, which stays the same JSON.
pub(crate) fn print_json(json: &str) -> io::Result<()> {
    write(&harmless_json(json))
}

/// Writes a line for people to stderr. Nobody is left to be told where that fails.
pub(crate) fn say(line: &str) {
    writeln!(io::stderr(), "{}", harmless(line)).ok();
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

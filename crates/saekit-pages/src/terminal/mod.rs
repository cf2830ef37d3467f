//! Features in a terminal.
//!
//! Tokens are shown with their control characters as symbols: nothing a token holds reaches the
//! terminal as a command.

mod feature;
mod firing;
mod list;
mod paint;

pub use feature::{firings, render};
pub use list::list;

pub use crate::text::{harmless, harmless_json, harmless_painted};

/// Columns a view takes at most: longer lines are hard to read.
const WIDEST: usize = 100;
/// Columns a view takes at least.
const NARROWEST: usize = 40;

/// The columns to fill of a terminal that has `width`.
fn usable(width: usize) -> usize {
    width.clamp(NARROWEST, WIDEST)
}

#[cfg(test)]
mod tests;

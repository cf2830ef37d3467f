//! Sequence and position of every row against the tokens table: each token has one row, or none where
//! its rows were left out.

use std::path::PathBuf;

use saekit_core::{Interrupt, Observer};

use crate::catalog::Catalog;
use crate::error::{DamageError, Result};
use crate::format::spec::Positions;
use crate::tokens::Tokens;

/// Tokens looked at in one pass over the rows' numbers: two bits each, 64 MiB.
const TOKENS: usize = 1 << 28;
/// Sequences looked at in one pass: eight bytes each, 64 MiB.
const SEQUENCES: usize = 1 << 23;
/// Rows whose numbers are read together.
const ROWS: u32 = 1 << 16;

/// Checks every row; gives what could not be checked, a phrase each.
pub(super) fn check(
    store: &Catalog,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Vec<String>> {
    let Some(tokens) = &store.tokens else { return Ok(Vec::new()) };
    let (mut next, mut rows) = (0, 0);
    let mut gap = None;
    while next < tokens.len() {
        let mut window = Window::read(store, tokens, next, interrupt)?;
        rows += window.mark(store, tokens.len(), observer, interrupt)?;
        window.check_gaps(store, &mut gap)?;
        next = window.end();
    }
    let expected = store.manifest.rows;
    if rows != expected {
        // Each row was of one window, so the others name sequences that the table does not have.
        let (path, sequence) = (store.location(), tokens.len());
        let problem = "has a row, but the tokens table does not have the sequence".to_owned();
        return Err(DamageError::Position { path, sequence, position: 0, problem }.into());
    }
    Ok(unchecked(store))
}

/// What the manifest does not say enough about.
fn unchecked(store: &Catalog) -> Vec<String> {
    let why = match store.manifest.positions {
        Some(_) if store.skipped.is_empty() => return Vec::new(),
        Some(_) => "rows may be in the damaged files",
        None => "the manifest does not say that rows of all were stored",
    };
    vec![format!("whether every token has a row: {why}")]
}

/// Sequences that follow each other, and which of their tokens have a row.
struct Window {
    first: u32,
    /// Where each sequence's tokens begin, and the end.
    starts: Vec<u64>,
    /// Tokens whose rows are stored.
    kept: Bits,
    /// Tokens with a row.
    seen: Bits,
}

/// A bit per token.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn get(&self, index: u64) -> bool {
        self.0[(index / 64) as usize] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: u64) {
        let word = (index / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }
}

impl Window {
    /// The sequences from `first` on, as many as are looked at in one pass.
    fn read(store: &Catalog, tokens: &Tokens, first: u32, interrupt: &Interrupt) -> Result<Self> {
        let excluded = &store.manifest.excluded_tokens;
        let mut window =
            Self { first, starts: vec![0], kept: Bits::default(), seen: Bits::default() };
        let mut end = 0;
        for group in tokens.groups().into_iter().filter(|group| group.end > first) {
            interrupt.check()?;
            if end as usize >= TOKENS || window.starts.len() > SEQUENCES {
                break;
            }
            for sequence in tokens.read(group.start.max(first)..group.end)? {
                for id in sequence.ids {
                    if excluded.binary_search(&id).is_err() {
                        window.kept.set(end);
                    }
                    end += 1;
                }
                window.starts.push(end);
            }
        }
        let words = end.div_ceil(64) as usize;
        window.kept.0.resize(words, 0);
        window.seen.0.resize(words, 0);
        Ok(window)
    }

    /// The sequence after its last.
    fn end(&self) -> u32 {
        self.first + (self.starts.len() - 1) as u32
    }

    /// Marks the token of every row of these sequences; gives how many rows there are.
    fn mark(
        &mut self,
        store: &Catalog,
        sequences: u32,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<u64> {
        let mut marked = 0;
        observer.begin("checking positions", Some(store.manifest.rows), "rows");
        let mut numbers = [Vec::new(), Vec::new()];
        for group in store.groups() {
            let shard = &store.shards[group.shard as usize];
            let rows =
                shard.slice_rows().map_or(group.rows, |slice| slice.max(ROWS / slice * slice));
            for slice in group.slices(rows.max(1)) {
                interrupt.check()?;
                let [in_sequence, at] = &mut numbers;
                in_sequence.resize(slice.rows as usize, 0);
                at.resize(slice.rows as usize, 0);
                shard.read_tokens(group.index as usize, slice.range(), in_sequence, at)?;
                for (sequence, position) in in_sequence.iter().zip(at.iter()) {
                    let problem = self.mark_one(*sequence, *position, sequences, &mut marked);
                    if let Some(problem) = problem {
                        let (path, problem) = (shard.path().to_owned(), problem.to_owned());
                        let (sequence, position) = (*sequence, *position);
                        return Err(
                            DamageError::Position { path, sequence, position, problem }.into()
                        );
                    }
                }
                observer.advance(slice.places().end, "");
            }
        }
        observer.end();
        Ok(marked)
    }

    /// Marks a row's token, where it is in the window; says what is wrong with it.
    fn mark_one(
        &mut self,
        sequence: u32,
        position: u32,
        sequences: u32,
        marked: &mut u64,
    ) -> Option<&'static str> {
        if sequence >= sequences {
            return Some("has a row, but the tokens table does not have the sequence");
        }
        if sequence < self.first || sequence >= self.end() {
            return None;
        }
        let index = (sequence - self.first) as usize;
        let token = self.starts[index] + u64::from(position);
        if token >= self.starts[index + 1] {
            return Some("has a row, but the sequence ends before");
        }
        if self.seen.get(token) {
            return Some("has two rows");
        }
        if !self.kept.get(token) {
            return Some("has a row, though its token is one of `excluded_tokens`");
        }
        self.seen.set(token);
        *marked += 1;
        None
    }

    /// Fails where a token without a row should have one; `gap` is the first of those so far that may
    /// be missing since rows were stored up to there.
    fn check_gaps(&self, store: &Catalog, gap: &mut Option<(u32, u32)>) -> Result<()> {
        let Some(positions) = store.manifest.positions else { return Ok(()) };
        if !store.skipped.is_empty() {
            return Ok(());
        }
        for (index, bounds) in self.starts.windows(2).enumerate() {
            for token in bounds[0]..bounds[1] {
                if !self.kept.get(token) {
                    continue;
                }
                if !self.seen.get(token) {
                    let place = (self.first + index as u32, (token - bounds[0]) as u32);
                    gap.get_or_insert(place);
                }
                let is_missing = self.seen.get(token) || positions == Positions::All;
                if let Some((sequence, position)) = gap.filter(|_| is_missing) {
                    let path: PathBuf = store.location();
                    let problem = "has no row".to_owned();
                    return Err(DamageError::Position { path, sequence, position, problem }.into());
                }
            }
        }
        Ok(())
    }
}

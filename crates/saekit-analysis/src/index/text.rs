//! The tokens table as two flat files, so that any token can be asked for.

use std::io::{self, Write as _};
use std::path::Path;

use saekit_core::Interrupt;
use saekit_store::{TokenizedSequence, Tokens};

use super::checked::write_checked;
use super::mapped::ValueFile;
use super::window::Window;
use crate::Result;

const TOKENS: &str = "tokens.bin";
const SEQUENCES: &str = "sequences.bin";
/// Sequences read at a time.
const READ: u32 = 4096;

/// All sequences of a store: token ids end to end, and where each sequence begins.
#[derive(Debug)]
pub(crate) struct Text {
    tokens: ValueFile<u32>,
    starts: ValueFile<u64>,
}

/// Reads a [`Text`]; every thread has its own.
#[derive(Debug)]
pub(crate) struct TextReader<'a> {
    tokens: Window<'a, u32>,
    starts: Window<'a, u64>,
}

/// Sizes of a [`Text`], to open it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct TextSize {
    pub(crate) sequences: u64,
    pub(crate) tokens: u64,
    /// One more than the largest token id.
    pub(crate) vocabulary: u32,
}

impl Text {
    /// Copies the table into `dir`.
    pub(crate) fn write(dir: &Path, table: &Tokens, interrupt: &Interrupt) -> Result<TextSize> {
        let mut size = TextSize { sequences: u64::from(table.len()), tokens: 0, vocabulary: 0 };
        let mut starts = vec![0_u64];
        let written = write_checked(&dir.join(TOKENS), |out| {
            for first in (0..table.len()).step_by(READ as usize) {
                interrupt.check().map_err(io::Error::other)?;
                let range = first..first.saturating_add(READ).min(table.len());
                for TokenizedSequence { ids, .. } in table.read(range).map_err(io::Error::other)? {
                    out.write_all(bytemuck::cast_slice(&ids))?;
                    size.tokens += ids.len() as u64;
                    size.vocabulary =
                        ids.iter().fold(size.vocabulary, |top, id| top.max(id.saturating_add(1)));
                    starts.push(size.tokens);
                }
            }
            Ok(())
        });
        interrupt.check()?;
        written?;
        write_checked(&dir.join(SEQUENCES), |out| out.write_all(bytemuck::cast_slice(&starts)))?;
        Ok(size)
    }

    /// Opens what [`Text::write`] wrote.
    pub(crate) fn open(dir: &Path, size: &TextSize) -> Result<Self> {
        Ok(Self {
            tokens: ValueFile::open(&dir.join(TOKENS), 0, size.tokens)?,
            starts: ValueFile::open(&dir.join(SEQUENCES), 0, size.sequences + 1)?,
        })
    }

    pub(crate) fn reader(&self) -> TextReader<'_> {
        TextReader { tokens: Window::new(&self.tokens), starts: Window::new(&self.starts) }
    }
}

impl TextReader<'_> {
    /// The token at `position` of `sequence`, where there is one.
    pub(crate) fn token(&mut self, sequence: u32, position: u32) -> Result<Option<u32>> {
        let Some((start, end)) = self.bounds(sequence)? else { return Ok(None) };
        let at = start + u64::from(position);
        if at < end { self.tokens.get(at) } else { Ok(None) }
    }

    /// The tokens of `sequence` from position `start` up to `end`, or the sequence's end.
    pub(crate) fn tokens(&mut self, sequence: u32, start: u32, end: u32) -> Result<Vec<u32>> {
        let Some((first, last)) = self.bounds(sequence)? else { return Ok(Vec::new()) };
        let mut at = first + u64::from(start);
        let end = last.min(first + u64::from(end));
        let mut tokens = Vec::with_capacity(end.saturating_sub(at) as usize);
        while at < end {
            let mapped = self.tokens.from(at)?;
            let wanted = mapped.len().min((end - at) as usize);
            tokens.extend_from_slice(&mapped[..wanted]);
            at += wanted as u64;
        }
        Ok(tokens)
    }

    fn bounds(&mut self, sequence: u32) -> Result<Option<(u64, u64)>> {
        let start = self.starts.get(u64::from(sequence))?;
        let end = self.starts.get(u64::from(sequence) + 1)?;
        Ok(start.zip(end))
    }
}

//! A part of the rows in memory, and on disk by latent.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use saekit_core::Codes;
use saekit_store::RowBatch;

use super::Firing;
use super::checked::{CheckedWriter, write_checked};
use super::mapped::{ValueFile, data_bytes};
use super::text::{Text, TextReader};
use crate::{Error, Result};

/// Bytes a row takes in memory, with what it takes to sort it.
const ROW_BYTES: usize = 32;
/// Bytes a firing takes in memory, with its copy sorted by latent.
const FIRING_BYTES: usize = 24;

/// Rows and their codes, as they came.
#[derive(Debug)]
pub(crate) struct Segment {
    d_code: usize,
    sequences: Vec<u32>,
    positions: Vec<u32>,
    /// Where each row starts in `ids` and `values`, and the end.
    starts: Vec<usize>,
    ids: Vec<u32>,
    values: Vec<f32>,
}

/// The files of segment `number` in `dir`.
pub(crate) struct SegmentFiles {
    /// Offsets of the latents, then firings by latent and place.
    pub(crate) firings: PathBuf,
    /// Number of active latents and their ids, row after row.
    pub(crate) codes: PathBuf,
    /// Rows of each token id.
    pub(crate) occurrences: PathBuf,
}

impl SegmentFiles {
    pub(crate) fn new(dir: &Path, number: usize) -> Self {
        let path = |kind: &str| dir.join(format!("{kind}-{number:05}.bin"));
        Self { firings: path("firings"), codes: path("codes"), occurrences: path("occurrences") }
    }
}

impl Segment {
    pub(crate) fn new(d_code: usize) -> Self {
        Self {
            d_code,
            sequences: Vec::new(),
            positions: Vec::new(),
            starts: vec![0],
            ids: Vec::new(),
            values: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// Memory it takes, and takes to be written.
    pub(crate) fn bytes(&self) -> u64 {
        (self.sequences.len() * ROW_BYTES + self.ids.len() * FIRING_BYTES) as u64
    }

    /// Appends the rows of `batch`, of which the first is row `first` of the store.
    pub(crate) fn push(&mut self, first: u64, batch: &RowBatch, codes: &Codes) -> Result<()> {
        let rows = codes.rows();
        if batch.sequences.is_empty() {
            self.sequences.extend((0..rows as u64).map(|row| (first + row) as u32));
            self.positions.resize(self.positions.len() + rows, 0);
        } else {
            self.sequences.extend_from_slice(&batch.sequences);
            self.positions.extend_from_slice(&batch.positions);
        }
        let mut broken = None;
        let begun = self.starts.len() - 1;
        codes.for_each_active(|row, latent, value| {
            if !value.is_finite() && broken.is_none() {
                broken = Some((latent, row, value));
            }
            // rows come in order; those that nothing fires in are closed on the way
            self.starts.resize(begun + row + 1, self.ids.len());
            self.ids.push(latent as u32);
            self.values.push(value);
        });
        self.starts.resize(begun + rows + 1, self.ids.len());
        match broken {
            Some((latent, row, value)) => {
                Err(Error::NonFinite { latent, row: first + row as u64, value })
            }
            None => Ok(()),
        }
    }

    /// Writes the files of segment `number` into `dir`. `store` names the store in errors.
    pub(crate) fn write(
        &self,
        dir: &Path,
        number: usize,
        text: Option<(&Text, u32)>,
        store: &Path,
    ) -> Result<()> {
        let files = SegmentFiles::new(dir, number);
        let order = self.order();
        let tokens = match text {
            Some((text, _)) => self.tokens(&order, &mut text.reader(), store)?,
            None => vec![0; order.len()],
        };
        write_occurrences(&files.occurrences, &tokens, text.map_or(0, |(_, ids)| ids))?;
        self.write_codes(&files.codes, &order)?;
        let (offsets, firings) = self.by_latent(&order, &tokens);
        write_firings(&files.firings, &offsets, |out| out.write_all(bytemuck::cast_slice(&firings)))
    }

    /// The rows by place.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.sequences.len() as u32).collect();
        order.par_sort_unstable_by_key(|row| {
            (self.sequences[*row as usize], self.positions[*row as usize], *row)
        });
        order
    }

    /// The token of each row, in `order`.
    fn tokens(&self, order: &[u32], text: &mut TextReader<'_>, store: &Path) -> Result<Vec<u32>> {
        let token = |row: &u32| {
            let (sequence, position) =
                (self.sequences[*row as usize], self.positions[*row as usize]);
            let store = || store.to_owned();
            let missing = || Error::NoSuchToken { store: store(), sequence, position };
            text.token(sequence, position)?.ok_or_else(missing)
        };
        order.iter().map(token).collect()
    }

    fn row(&self, row: u32) -> std::ops::Range<usize> {
        self.starts[row as usize]..self.starts[row as usize + 1]
    }

    /// Where each latent's firings begin, and all firings by latent and place: a counting sort.
    fn by_latent(&self, order: &[u32], tokens: &[u32]) -> (Vec<u64>, Vec<Firing>) {
        let mut offsets = vec![0_u64; self.d_code + 1];
        for id in &self.ids {
            offsets[*id as usize + 1] += 1;
        }
        for latent in 0..self.d_code {
            offsets[latent + 1] += offsets[latent];
        }
        let mut next = offsets.clone();
        let mut firings = vec![bytemuck::Zeroable::zeroed(); self.ids.len()];
        for (row, token) in order.iter().zip(tokens) {
            let (sequence, position) =
                (self.sequences[*row as usize], self.positions[*row as usize]);
            for at in self.row(*row) {
                let slot = &mut next[self.ids[at] as usize];
                let value = self.values[at];
                firings[*slot as usize] = Firing { sequence, position, token: *token, value };
                *slot += 1;
            }
        }
        (offsets, firings)
    }

    fn write_codes(&self, path: &Path, order: &[u32]) -> Result<()> {
        write_checked(path, |out| {
            for row in order {
                let ids = &self.ids[self.row(*row)];
                out.write_all(&(ids.len() as u32).to_le_bytes())?;
                out.write_all(bytemuck::cast_slice(ids))?;
            }
            Ok(())
        })
    }
}

/// Writes how many of `tokens` are each of the ids below `vocabulary`.
fn write_occurrences(path: &Path, tokens: &[u32], vocabulary: u32) -> Result<()> {
    let mut occurrences = vec![0_u64; vocabulary as usize];
    if vocabulary > 0 {
        for token in tokens {
            occurrences[*token as usize] += 1;
        }
    }
    write_checked(path, |out| out.write_all(bytemuck::cast_slice(&occurrences)))
}

/// Bytes before the first firing of a file: the offsets, filled up so that firings are aligned.
fn header_bytes(d_code: usize) -> u64 {
    ((d_code as u64 + 1) * 8).next_multiple_of(16)
}

/// Writes a file of firings: `offsets`, `[d_code + 1]`, and what `fill` writes.
pub(crate) fn write_firings(
    path: &Path,
    offsets: &[u64],
    fill: impl FnOnce(&mut CheckedWriter<'_>) -> std::io::Result<()>,
) -> Result<()> {
    let padding = header_bytes(offsets.len() - 1) as usize - offsets.len() * 8;
    write_checked(path, |out| {
        out.write_all(bytemuck::cast_slice(offsets))?;
        out.write_all(&[0; 16][..padding])?;
        fill(out)
    })
}

/// Firings by latent on disk.
#[derive(Debug)]
pub(crate) struct FiringFile {
    offsets: Vec<u64>,
    firings: ValueFile<Firing>,
}

impl FiringFile {
    /// Opens a file over `d_code` latents.
    pub(crate) fn open(path: &Path, d_code: usize) -> Result<Self> {
        let found = data_bytes(path)?;
        let damaged = |expected| Error::Damaged { path: path.to_owned(), expected, found };
        let header = header_bytes(d_code);
        if found < header || !found.is_multiple_of(8) {
            return Err(damaged(header));
        }
        let head = ValueFile::<u64>::open(path, 0, found / 8)?;
        let offsets = head.stretch(0, d_code as u64 + 1)?.to_vec();
        let expected = header.saturating_add(offsets[d_code].saturating_mul(16));
        if expected != found || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(damaged(expected));
        }
        Ok(Self { firings: ValueFile::open(path, header, offsets[d_code])?, offsets })
    }

    /// Where each latent's firings begin, and the end: `[d_code + 1]`.
    pub(crate) fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    /// The firings of `latent`, by place.
    pub(crate) fn latent(&self, latent: usize) -> Result<super::mapped::Stretch<Firing>> {
        self.firings.stretch(self.offsets[latent], self.offsets[latent + 1])
    }
}

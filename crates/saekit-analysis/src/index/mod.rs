//! The latent index: every firing of a codec on the rows of a store, by latent, on disk.
//!
//! Rows are encoded in one pass. What fires is gathered in a segment until the memory that was
//! allowed is full, sorted by latent and written; at the end the segments are merged. After each
//! segment the position in the store is written beside it, so that a pass that was stopped goes on
//! there.

mod checked;
mod firing;
mod mapped;
mod merge;
mod segment;
mod text;
mod window;

use std::fs;
use std::path::{Path, PathBuf};

use saekit_core::files::{read_sealed, write_sealed};
use saekit_core::{Codec, Error as CoreError, HookPoint, Interrupt, Observer};
use saekit_store::{Cursor, RowFilter, RowSelection, RowSource as _, ScannedRows, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use checked::CheckedReader;
pub use firing::Firing;
pub(crate) use mapped::Stretch;
use mapped::ValueFile;
use segment::{FiringFile, Segment, SegmentFiles};
pub(crate) use text::TextReader;
use text::{Text, TextSize};

use crate::{Error, Result};

const PLAN: &str = "plan.json";
const PROGRESS: &str = "progress.json";
const INDEX: &str = "index.json";
const FIRINGS: &str = "firings.bin";
/// Rows encoded at a time.
const BATCH: usize = 2048;

/// What an index is made from, and in how much memory.
#[derive(Clone, Copy)]
pub struct IndexSource<'a> {
    /// The codec.
    pub codec: &'a dyn Codec,
    /// SHA-256 of the codec's weights, hex.
    pub codec_sha256: &'a str,
    /// The rows.
    pub store: &'a Store,
    /// Which of its rows, chosen from this store; all unless given.
    pub rows: Option<&'a RowSelection>,
    /// The column to encode.
    pub column: &'a HookPoint,
    /// Bytes that firings in memory may take.
    pub memory: u64,
}

/// What decides the content of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    version: u32,
    codec_sha256: String,
    store_sha256: String,
    column: HookPoint,
    /// Which rows, where not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<RowFilter>,
    d_code: usize,
    text: Option<TextSize>,
}

/// How far the pass came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    segments: usize,
    cursor: Cursor,
}

/// `index.json`: a whole index.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    plan: Plan,
    rows: u64,
    segments: usize,
}

/// Every firing of a codec on the rows of a store, by latent.
#[derive(Debug)]
pub struct LatentIndex {
    dir: PathBuf,
    header: Header,
    firings: FiringFile,
    text: Option<Text>,
}

impl LatentIndex {
    /// The version of the files this crate writes and reads.
    const VERSION: u32 = 2;

    /// Makes the index of `source` in `dir`, goes on with one that was begun, or opens a whole one.
    ///
    /// Memory is that of `source.memory`, a batch of rows and what the codec takes to encode it.
    /// Fails where the rows are of another width, or the index was begun with another codec or store.
    pub fn build(
        dir: &Path,
        source: &IndexSource<'_>,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        source.check()?;
        fs::create_dir_all(dir).map_err(CoreError::io("create", dir))?;
        let plan = source.plan(dir, interrupt)?;
        if !dir.join(INDEX).is_file() {
            let text = plan.text.as_ref().map(|size| Text::open(dir, size)).transpose()?;
            let pass = Pass { dir, source, plan: &plan, text: text.as_ref() };
            let segments = pass.encode(observer, interrupt)?;
            pass.merge(segments, observer, interrupt)?;
        }
        Self::open(dir)
    }

    /// Opens the whole index in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let header: Header = read_own(&dir.join(INDEX), "latent index")?;
        Ok(Self {
            firings: FiringFile::open(&dir.join(FIRINGS), header.plan.d_code)?,
            text: header.plan.text.as_ref().map(|size| Text::open(dir, size)).transpose()?,
            dir: dir.to_owned(),
            header,
        })
    }

    /// Number of latents.
    pub fn d_code(&self) -> usize {
        self.header.plan.d_code
    }

    /// Rows that were encoded.
    pub fn rows(&self) -> u64 {
        self.header.rows
    }

    /// Rows each latent fired in, `[d_code]`.
    pub fn fires(&self) -> Vec<u64> {
        self.firings.offsets().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Number of firings of all latents.
    pub fn len(&self) -> u64 {
        self.firings.offsets()[self.d_code()]
    }

    /// True where nothing fired in any row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The firings of `latent`, by place.
    pub fn firings(&self, latent: u32) -> Result<impl std::ops::Deref<Target = [Firing]>> {
        if latent as usize >= self.d_code() {
            return Err(Error::NoSuchLatent { latent, d_code: self.d_code() });
        }
        self.stretch(latent)
    }

    pub(crate) fn stretch(&self, latent: u32) -> Result<Stretch<Firing>> {
        self.firings.latent(latent as usize)
    }

    /// A reader of the sequences, where the store has them.
    pub(crate) fn text(&self) -> Option<TextReader<'_>> {
        self.text.as_ref().map(Text::reader)
    }

    /// Rows of each token id; empty where the store has no tokens.
    pub(crate) fn occurrences(&self) -> Result<Vec<u64>> {
        let ids = self.header.plan.text.map_or(0, |size| size.vocabulary);
        let mut sums = vec![0; ids as usize];
        for number in 0..self.header.segments {
            let path = SegmentFiles::new(&self.dir, number).occurrences;
            let counts = ValueFile::<u64>::open(&path, 0, u64::from(ids))?;
            let counts = counts.stretch(0, u64::from(ids))?;
            sums.iter_mut().zip(&*counts).for_each(|(sum, count)| *sum += count);
        }
        Ok(sums)
    }

    /// Calls `visit` with the active latents of every row, ascending.
    pub(crate) fn for_each_row(&self, mut visit: impl FnMut(&[u32])) -> Result<()> {
        let mut ids = Vec::new();
        for number in 0..self.header.segments {
            let path = SegmentFiles::new(&self.dir, number).codes;
            let mut reader = CheckedReader::open(&path)?;
            let mut count = [0; 4];
            while reader.fill(&mut count)? {
                let active = u32::from_le_bytes(count) as usize;
                if active > self.d_code() {
                    return Err(Error::Changed { path });
                }
                ids.resize(active, 0);
                reader.fill(bytemuck::cast_slice_mut(&mut ids))?;
                visit(&ids);
            }
        }
        Ok(())
    }
}

impl IndexSource<'_> {
    fn check(&self) -> Result<()> {
        let column = self.store.column(self.column).map_err(CoreError::from)?;
        let codec = self.codec.shape().d_in;
        if codec != column.width {
            return Err(Error::Width { codec, column: self.column.clone(), found: column.width });
        }
        let rows = self.chosen_rows();
        if rows > u64::from(u32::MAX) {
            return Err(Error::TooManyRows { rows });
        }
        Ok(())
    }

    /// Rows to encode.
    fn chosen_rows(&self) -> u64 {
        self.rows.map_or(self.store.manifest().rows, |rows| rows.counts().kept)
    }

    /// The rows, in the order on disk.
    fn scan(&self) -> Result<ScannedRows> {
        let columns = [(self.column.clone(), 1.0)];
        let rows = match self.rows {
            None => self.store.scan(&columns),
            Some(rows) => self.store.scan_selection(&columns, rows),
        };
        Ok(rows.map_err(CoreError::from)?)
    }

    /// The plan in `dir`, or a new one there.
    fn plan(&self, dir: &Path, interrupt: &Interrupt) -> Result<Plan> {
        let path = dir.join(PLAN);
        let mut plan = Plan {
            version: LatentIndex::VERSION,
            codec_sha256: self.codec_sha256.to_owned(),
            store_sha256: self.store.sha256().to_owned(),
            column: self.column.clone(),
            rows: self.rows.map(|rows| rows.filter().clone()),
            d_code: self.codec.shape().d_code,
            text: None,
        };
        if path.is_file() {
            let there: Plan = read_own(&path, "plan of a latent index")?;
            plan.text = there.text;
            return match difference(&there, &plan) {
                Some(what) => Err(Error::OtherPlan { dir: dir.to_owned(), what }),
                None => Ok(there),
            };
        }
        let write = |table| Text::write(dir, table, interrupt);
        plan.text = self.store.tokens().map(write).transpose()?;
        write_sealed(&path, &plan)?;
        Ok(plan)
    }
}

/// Reads a JSON file of the index; one that is not as it was written makes the whole index useless.
pub(crate) fn read_own<T: Serialize + DeserializeOwned>(
    path: &Path,
    what: &'static str,
) -> Result<T> {
    read_sealed(path, what).map_err(|error| match error {
        CoreError::Changed { path } | CoreError::Json { path, .. } => Error::Changed { path },
        other => other.into(),
    })
}

/// What differs, in words.
fn difference(there: &Plan, plan: &Plan) -> Option<&'static str> {
    let differs = [
        (there.version != plan.version, "version of saekit"),
        (there.codec_sha256 != plan.codec_sha256 || there.d_code != plan.d_code, "dictionary"),
        (there.store_sha256 != plan.store_sha256, "store"),
        (there.column != plan.column, "column of the store"),
        (there.rows != plan.rows, "choice of rows"),
    ];
    differs.into_iter().find_map(|(differs, what)| differs.then_some(what))
}

/// The pass over the rows.
struct Pass<'a> {
    dir: &'a Path,
    source: &'a IndexSource<'a>,
    plan: &'a Plan,
    text: Option<&'a Text>,
}

impl Pass<'_> {
    /// Encodes what is left of the rows; gives the number of segments.
    fn encode(&self, observer: &mut dyn Observer, interrupt: &Interrupt) -> Result<usize> {
        let IndexSource { codec, store, memory, .. } = *self.source;
        let mut rows = self.source.scan()?;
        let mut segments = 0;
        if self.dir.join(PROGRESS).is_file() {
            let progress: Progress = read_own(&self.dir.join(PROGRESS), "state of a pass")?;
            rows.seek(&progress.cursor)?;
            segments = progress.segments;
        }
        observer.begin("encode", Some(rows.rows_per_epoch()), "rows");
        let mut segment = Segment::new(self.plan.d_code);
        loop {
            interrupt.check()?;
            let first = rows.cursor().row;
            let batch = rows.next_batch(BATCH)?;
            if let Some(batch) = &batch {
                let codes = codec.encode(batch.columns[0].view())?;
                segment.push(first, batch, &codes)?;
                observer.advance(first + batch.rows() as u64, "");
            }
            let full = batch.is_none() || segment.bytes() > memory;
            if full && !segment.is_empty() {
                let text = self.text.zip(self.plan.text.map(|size| size.vocabulary));
                segment.write(self.dir, segments, text, store.dir())?;
                segments += 1;
                let progress = Progress { segments, cursor: rows.cursor() };
                write_sealed(&self.dir.join(PROGRESS), &progress)?;
                segment = Segment::new(self.plan.d_code);
            }
            if batch.is_none() {
                observer.end();
                return Ok(segments);
            }
        }
    }

    /// Makes the index of `segments` segments whole.
    fn merge(
        &self,
        segments: usize,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let paths: Vec<_> =
            (0..segments).map(|number| SegmentFiles::new(self.dir, number).firings).collect();
        let open = |path: &PathBuf| FiringFile::open(path, self.plan.d_code);
        let files = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
        merge::merge(&self.dir.join(FIRINGS), &files, observer, interrupt)?;
        let rows = self.source.chosen_rows();
        let header = Header { plan: self.plan.clone(), rows, segments };
        write_sealed(&self.dir.join(INDEX), &header)?;
        for path in paths.iter().chain([&self.dir.join(PROGRESS)]) {
            fs::remove_file(path).map_err(CoreError::io("remove", path))?;
        }
        Ok(())
    }
}

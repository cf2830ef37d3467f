//! Documents on disk, to be asked for in any order.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use saekit_core::{Error as CoreError, Interrupt, Observer};

use crate::error::{Error, Result};
use crate::place::Place;

/// How often reading reports, in documents.
const REPORT_EVERY: usize = 1024;

/// What records hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, to be tokenised and packed.
    Text,
    /// Token ids, to be taken as they are.
    Ids,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Ids => "token ids",
        }
    }
}

/// What a record has to satisfy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// Number of token ids the model has.
    pub(crate) d_vocab: usize,
    /// Longest sequence the model takes.
    pub(crate) n_ctx: usize,
    /// Whether there is a tokenizer, so that text can be used.
    pub(crate) text: bool,
    /// Ids whose rows are left out, ascending.
    pub(crate) special: &'a [u32],
}

/// Figures known without a tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdCounts {
    /// Records that hold at least one id.
    pub(crate) sequences: u64,
    /// Ids in all records.
    pub(crate) tokens: u64,
    /// Ids whose rows are left out.
    pub(crate) special: u64,
    /// The longest record.
    pub(crate) longest: usize,
}

/// All documents of the input, in one unnamed file that vanishes with this value (and with the
/// process, however it ends).
///
/// Memory is eight bytes a document. Documents are copied because no format can be read in random
/// order cheaply (parquet not at all), and because text is a hundredth of its activations.
#[derive(Debug)]
pub(crate) struct Corpus {
    file: File,
    dir: PathBuf,
    kind: Kind,
    /// Where each document starts; the end of the last follows.
    starts: Vec<u64>,
    nulls: u64,
    ids: IdCounts,
}

impl Corpus {
    /// What the records hold.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of records, empty ones included.
    pub(crate) fn documents(&self) -> u64 {
        self.starts.len() as u64 - 1
    }

    /// Number of records whose field is null, which are no documents.
    pub(crate) fn null_records(&self) -> u64 {
        self.nulls
    }

    /// Number of records without a byte.
    pub(crate) fn empty_documents(&self) -> u64 {
        self.starts.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
    }

    /// Size of all documents: bytes of UTF-8, or four for each token id.
    pub(crate) fn bytes(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    /// Figures of records of token ids; zeros for text.
    pub(crate) fn id_counts(&self) -> IdCounts {
        self.ids
    }

    /// Ids a record, where all records have as many.
    pub(crate) fn record_size(&self) -> Option<usize> {
        let IdCounts { sequences, tokens, longest, .. } = self.ids;
        (longest as u64 * sequences == tokens).then_some(longest)
    }

    /// Size of `document` in bytes.
    pub(crate) fn len(&self, document: u64) -> u64 {
        self.starts[document as usize + 1] - self.starts[document as usize]
    }

    /// Bytes of `document` from `from` on, at most `limit`, into `buffer`. One caller at a time:
    /// all share the file's position.
    pub(crate) fn bytes_of(
        &self,
        document: u64,
        from: u64,
        limit: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        buffer.resize((self.len(document) - from).min(limit as u64) as usize, 0);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.starts[document as usize] + from))
            .and_then(|_| file.read_exact(buffer))
            .map_err(CoreError::io("read the copy of the documents in", &self.dir))?;
        Ok(())
    }

    /// The token ids of `document`.
    pub(crate) fn ids_of(&self, document: u64) -> Result<Vec<u32>> {
        let mut bytes = Vec::new();
        self.bytes_of(document, 0, usize::MAX, &mut bytes)?;
        let (ids, _) = bytes.as_chunks::<4>();
        Ok(ids.iter().map(|id| u32::from_le_bytes(*id)).collect())
    }
}

/// A [`Corpus`] being filled: what the formats write into.
pub(crate) struct CorpusWriter<'a> {
    writer: BufWriter<File>,
    dir: &'a Path,
    limits: Limits<'a>,
    interrupt: &'a Interrupt,
    observer: &'a mut dyn Observer,
    kind: Option<Kind>,
    starts: Vec<u64>,
    end: u64,
    nulls: u64,
    ids: IdCounts,
}

impl<'a> CorpusWriter<'a> {
    /// An empty corpus, whose copy of the documents lies in `dir`.
    pub(crate) fn new(
        limits: Limits<'a>,
        dir: &'a Path,
        interrupt: &'a Interrupt,
        observer: &'a mut dyn Observer,
    ) -> Result<Self> {
        let file = tempfile::tempfile_in(dir).map_err(CoreError::io("write in", dir))?;
        observer.begin("reading documents", None, "documents");
        Ok(Self {
            writer: BufWriter::new(file),
            dir,
            limits,
            interrupt,
            observer,
            kind: None,
            starts: Vec::new(),
            end: 0,
            nulls: 0,
            ids: IdCounts::default(),
        })
    }

    /// Number of records so far, those that are null included.
    pub(crate) fn records(&self) -> u64 {
        self.starts.len() as u64 + self.nulls
    }

    /// A record whose field is null. It is counted, and is no document.
    pub(crate) fn null(&mut self) -> Result<()> {
        self.interrupt.check()?;
        self.nulls += 1;
        Ok(())
    }

    /// A document that is one string.
    pub(crate) fn text(&mut self, place: Place<'_>, text: &str) -> Result<()> {
        self.begin_text(place)?;
        self.append(place, text.as_bytes())
    }

    /// A document whose text comes in parts, by [`append`](Self::append).
    pub(crate) fn begin_text(&mut self, place: Place<'_>) -> Result<()> {
        if !self.limits.text {
            return Err(Error::NoTokenizer { path: place.path().to_owned() });
        }
        self.begin(place, Kind::Text)
    }

    /// More of the document begun last; the whole of it has to be UTF-8.
    pub(crate) fn append(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<()> {
        self.interrupt.check()?;
        self.writer.write_all(bytes).map_err(CoreError::io("copy the documents to", self.dir))?;
        self.end += bytes.len() as u64;
        if self.starts.last().is_some_and(|start| self.end - start > u64::from(u32::MAX)) {
            return Err(Error::HugeDocument { place: place.to_string() });
        }
        Ok(())
    }

    /// A document that is a list of token ids.
    pub(crate) fn ids(&mut self, place: Place<'_>, ids: &[i64]) -> Result<()> {
        let Limits { d_vocab, n_ctx, special, .. } = self.limits;
        if ids.len() > n_ctx {
            return Err(Error::TooLong { place: place.to_string(), tokens: ids.len(), n_ctx });
        }
        self.begin(place, Kind::Ids)?;
        self.ids.sequences += u64::from(!ids.is_empty());
        self.ids.tokens += ids.len() as u64;
        self.ids.longest = self.ids.longest.max(ids.len());
        for id in ids {
            let known = u32::try_from(*id).ok().filter(|known| (*known as usize) < d_vocab);
            let known = known.ok_or_else(|| Error::TokenId {
                place: place.to_string(),
                id: *id,
                last: d_vocab.saturating_sub(1),
            })?;
            self.ids.special += u64::from(special.binary_search(&known).is_ok());
            self.append(place, &known.to_le_bytes())?;
        }
        Ok(())
    }

    fn begin(&mut self, place: Place<'_>, kind: Kind) -> Result<()> {
        let expected = *self.kind.get_or_insert(kind);
        if kind != expected {
            let (found, expected) = (kind.name(), expected.name());
            return Err(Error::MixedKinds { place: place.to_string(), found, expected });
        }
        self.interrupt.check()?;
        if u32::try_from(self.starts.len()).is_err() {
            return Err(Error::TooManyDocuments { place: place.to_string() });
        }
        self.starts.push(self.end);
        if self.starts.len().is_multiple_of(REPORT_EVERY) {
            self.observer.advance(self.starts.len() as u64, "");
        }
        Ok(())
    }

    /// The whole corpus.
    pub(crate) fn finish(mut self) -> Result<Corpus> {
        self.observer.advance(self.starts.len() as u64, "");
        self.observer.end();
        let documents = self.starts.len() as u64;
        let Some(kind) = self.kind.filter(|_| self.end > 0) else {
            return Err(Error::NoTokens { documents });
        };
        let file = self.writer.into_inner().map_err(|error| {
            CoreError::io("copy the documents to", self.dir)(error.into_error())
        })?;
        self.starts.push(self.end);
        let Self { dir, starts, nulls, ids, .. } = self;
        Ok(Corpus { file, dir: dir.to_owned(), kind, starts, nulls, ids })
    }
}

//! A moving part of a file in memory, and the pages that lie in it.

use super::super::Input;
use super::codec::Codec;
use crate::error::{DamageError, Error, Result};
use crate::parquet::page_header::{Content, Header};
use crate::parquet::thrift::Fault;

/// Bytes that are read at a time.
pub(super) const STEP: u64 = 1 << 20;
/// Bytes that are looked at for the header of a page, which has more only with long statistics.
pub(super) const HEADER: u64 = 1 << 10;
const MAX_HEADER: u64 = 1 << 20;
/// Bytes of a decompressed page, at most.
const MAX_PAGE: u64 = 1 << 30;

/// Reads ranges of a file that follow one another.
#[derive(Debug)]
struct Window<'a> {
    input: &'a Input,
    /// Of which the first `filled` are those of the file from `start` on.
    bytes: Vec<u8>,
    filled: usize,
    start: u64,
    end: u64,
    step: u64,
}

impl Window<'_> {
    /// The bytes from `offset` on that are in memory, at least `len`.
    fn get(&mut self, offset: u64, len: u64) -> Result<&[u8]> {
        let ready = self.start + self.filled as u64;
        if offset < self.start || offset.saturating_add(len) > ready {
            self.fill(offset, len)?;
        }
        Ok(&self.bytes[(offset - self.start) as usize..self.filled])
    }

    fn fill(&mut self, offset: u64, len: u64) -> Result<()> {
        self.input.check(offset, len)?;
        let kept = match offset.checked_sub(self.start) {
            Some(skip) if skip < self.filled as u64 => {
                self.bytes.copy_within(skip as usize..self.filled, 0);
                self.filled - skip as usize
            }
            _ => 0,
        };
        let wanted = len.max(self.step.min(self.end.saturating_sub(offset))) as usize;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        (self.start, self.filled) = (offset, 0);
        self.input.read_into(offset + kept as u64, &mut self.bytes[kept..wanted])?;
        self.filled = wanted;
        Ok(())
    }
}

/// A page as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageAt {
    pub(super) offset: u64,
    pub(super) header: Header,
}

/// A data page, ready to be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataPage<'a> {
    pub(super) repetition: &'a [u8],
    pub(super) definition: &'a [u8],
    pub(super) values: &'a [u8],
}

/// Goes through the pages of a column chunk.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    input: &'a Input,
    column: &'a str,
    codec: Codec,
    window: Window<'a>,
    offset: u64,
    /// The last page, decompressed.
    plain: Vec<u8>,
}

impl<'a> Pages<'a> {
    /// The pages of `column` from `start` to `end`, which are read in steps of `step` bytes.
    pub(super) fn new(
        input: &'a Input,
        column: &'a str,
        codec: Codec,
        [start, end]: [u64; 2],
        step: u64,
    ) -> Self {
        let window = Window { input, bytes: Vec::new(), filled: 0, start, end, step };
        Self { input, column, codec, window, offset: start, plain: Vec::new() }
    }

    /// The next page; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<PageAt>> {
        let (offset, end) = (self.offset, self.window.end);
        if offset >= end {
            return Ok(None);
        }
        let mut len = HEADER;
        let header = loop {
            let bytes = self.window.get(offset, len.min(end - offset))?;
            let all = bytes.len() as u64 >= (end - offset).min(MAX_HEADER);
            match Header::parse(bytes) {
                Ok(header) => break header,
                Err(Fault::Short) if !all => len *= 8,
                Err(_) => return Err(self.fault(offset, "has no header")),
            }
        };
        let body = offset + header.bytes;
        if header.stored > end.saturating_sub(body) {
            return Err(self.fault(offset, "is longer than its column"));
        }
        self.offset = body + header.stored;
        Ok(Some(PageAt { offset, header }))
    }

    /// The decompressed bytes of a dictionary page.
    pub(super) fn dictionary(&mut self, page: &PageAt) -> Result<&[u8]> {
        self.load(page)?;
        self.decompress(page, 0)?;
        Ok(&self.plain)
    }

    /// A data page, whose levels are there where `lists` and `nullable` are not 0.
    pub(super) fn data(
        &mut self,
        page: &PageAt,
        lists: u32,
        nullable: u32,
    ) -> Result<DataPage<'_>> {
        match page.header.content {
            Content::Data { repetition, definition } => {
                let is_odd = |max: u32, encoding: i64| max > 0 && encoding != RLE;
                if is_odd(lists, repetition) || is_odd(nullable, definition) {
                    let found = format!("levels in column `{}` that are not RLE", self.column);
                    return Err(self.input.unsupported(found, "RLE for them"));
                }
                self.first(page, lists > 0, nullable > 0)
            }
            Content::DataV2 { repetition_bytes, definition_bytes, is_compressed } => {
                self.second(page, [repetition_bytes, definition_bytes], is_compressed)
            }
            Content::Dictionary | Content::Index => Err(self.fault(page.offset, "is no data page")),
        }
    }

    fn first(
        &mut self,
        page: &PageAt,
        has_repetition: bool,
        has_definition: bool,
    ) -> Result<DataPage<'_>> {
        self.load(page)?;
        let is_plain = self.codec == Codec::Plain;
        if !is_plain || page.header.plain != page.header.stored {
            self.decompress(page, 0)?;
        }
        let bytes = if is_plain { self.stored(page) } else { &self.plain };
        let split =
            |bytes, wanted| if wanted { split_levels(bytes) } else { Some((&[][..], bytes)) };
        split(bytes, has_repetition)
            .and_then(|(repetition, rest)| {
                let (definition, values) = split(rest, has_definition)?;
                Some(DataPage { repetition, definition, values })
            })
            .ok_or_else(|| self.fault(page.offset, "is shorter than its levels"))
    }

    fn second(
        &mut self,
        page: &PageAt,
        [repetition, definition]: [u64; 2],
        is_compressed: bool,
    ) -> Result<DataPage<'_>> {
        let levels = repetition.saturating_add(definition);
        if levels > page.header.stored.min(page.header.plain) {
            return Err(self.fault(page.offset, "is shorter than its levels"));
        }
        self.load(page)?;
        let is_plain = !is_compressed || self.codec == Codec::Plain;
        if !is_plain {
            self.decompress(page, levels)?;
        }
        let stored = self.stored(page);
        let (levels, values) = stored.split_at(levels as usize);
        let (repetition, definition) = levels.split_at(repetition as usize);
        let values = if is_plain { values } else { &self.plain };
        Ok(DataPage { repetition, definition, values })
    }

    /// Brings the bytes of `page` into memory and checks them.
    fn load(&mut self, page: &PageAt) -> Result<()> {
        let (body, len) = (page.offset + page.header.bytes, page.header.stored);
        let bytes = &self.window.get(body, len)?[..len as usize];
        let Some(expected) = page.header.checksum else { return Ok(()) };
        let found = crc32fast::hash(bytes);
        if found == expected {
            return Ok(());
        }
        Err(DamageError::Checksum {
            path: self.input.path().to_owned(),
            column: self.column.to_owned(),
            offset: page.offset,
            expected,
            found,
        }
        .into())
    }

    /// The bytes of `page`, which is in memory.
    fn stored(&self, page: &PageAt) -> &[u8] {
        let from = (page.offset + page.header.bytes - self.window.start) as usize;
        &self.window.bytes[from..][..page.header.stored as usize]
    }

    /// Decompresses `page`, which is in memory, from byte `skip` on.
    fn decompress(&mut self, page: &PageAt, skip: u64) -> Result<()> {
        if page.header.plain > MAX_PAGE {
            let problem =
                format!("has {} bytes, of which at most {MAX_PAGE} are read", page.header.plain);
            return Err(self.fault(page.offset, &problem));
        }
        let mut plain = std::mem::take(&mut self.plain);
        plain.resize((page.header.plain - skip) as usize, 0);
        let stored = &self.stored(page)[skip as usize..];
        let done = match self.codec {
            // Nothing at all is what some writers store of nothing.
            _ if plain.is_empty() && stored.is_empty() => Ok(()),
            codec => codec.decompress(stored, &mut plain),
        };
        self.plain = plain;
        done.map_err(|problem| {
            self.fault(page.offset, &format!("cannot be decompressed: {problem}"))
        })
    }

    /// The error for the page at `offset`.
    pub(super) fn fault(&self, offset: u64, problem: &str) -> Error {
        let column = self.column;
        self.input.damaged(format!("the page at byte {offset}, of column `{column}`, {problem}"))
    }
}

/// The number of the encoding of levels.
const RLE: i64 = 3;

/// Levels that begin with their size, and what follows them.
fn split_levels(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

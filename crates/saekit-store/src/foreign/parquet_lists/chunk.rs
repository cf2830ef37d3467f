//! The values of a column in one row group.

use std::ops::Range;

use super::super::Input;
use super::super::contexts::Contexts;
use super::codec::Codec;
use super::levels::{Measure, Odd, Shape};
use super::ragged::Counter;
use super::values::{Encoding, Item, Values};
use super::window::{DataPage, HEADER, PageAt, Pages, STEP};
use crate::error::{Error, Result};
use crate::parquet::page_header::{Content, Header, offset_index};

/// Offset indexes have some bytes per page.
const MAX_INDEX: u64 = 64 << 20;

/// A column of numbers.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) item: Item,
}

/// Where the pages of a column lie in one row group.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) codec: Codec,
    /// Where its pages begin and end.
    pub(super) bytes: [u64; 2],
    /// Values, also those that are null.
    pub(super) values: u64,
    /// Rows of the file before it.
    pub(super) first_row: u64,
    /// Where its offset index lies, and how long it is.
    pub(super) index: Option<[u64; 2]>,
    /// Places to begin to read at: each with the number of the value that comes next.
    pub(super) starts: Vec<Start>,
    /// Where the dictionary page lies, unless it comes after the first of `starts`.
    pub(super) dictionary: Option<u64>,
}

/// A data page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) offset: u64,
    pub(super) value: u64,
}

/// Reads a chunk of a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) input: &'a Input,
    pub(super) column: &'a Column,
    pub(super) chunk: &'a Chunk,
}

/// The dictionary as it is delivered, and where the reader is.
#[derive(Default)]
struct State {
    dictionary: Option<Vec<u8>>,
    /// The number of the next value.
    at: u64,
}

impl<'a> Reader<'a> {
    fn pages(&self, bytes: [u64; 2], step: u64) -> Pages<'a> {
        Pages::new(self.input, &self.column.name, self.chunk.codec, bytes, step)
    }

    /// How the first rows lie; the column's shape is not looked at but for its levels. Also whether
    /// the first data page has a checksum.
    pub(super) fn measure(&self) -> Result<([u64; 2], bool)> {
        let (lists, nullable) = (self.column.shape.lists, self.column.shape.nullable);
        let mut pages = self.pages(self.chunk.bytes, STEP);
        let (mut measure, mut has_checksum, mut left) =
            (Measure::default(), None, self.chunk.values);
        while let Some(page) = pages.next()? {
            if matches!(page.header.content, Content::Dictionary | Content::Index) {
                continue;
            }
            has_checksum.get_or_insert(page.header.checksum.is_some());
            if lists == 0 {
                break;
            }
            self.check_header(&pages, &page, left)?;
            left -= page.header.values;
            let data = pages.data(&page, lists, nullable)?;
            let pushed = measure.push(data.repetition, lists, page.header.values);
            pushed.map_err(|problem| self.fault(page.offset, problem))?;
            if measure.is_done() {
                break;
            }
        }
        Ok((measure.finish(), has_checksum.unwrap_or_default()))
    }

    /// Finds out where the data pages lie.
    pub(super) fn index(&self) -> Result<Chunk> {
        let mut chunk = self.chunk.clone();
        // An index has the rows of the file, which do not tell how many values there are.
        (chunk.starts, chunk.dictionary) = match self.chunk.index {
            Some(index) if !self.column.shape.is_ragged() => self.indexed(index)?,
            _ => self.walked()?,
        };
        Ok(chunk)
    }

    fn indexed(&self, [offset, len]: [u64; 2]) -> Result<(Vec<Start>, Option<u64>)> {
        let broken = |problem: &str| {
            let name = &self.column.name;
            self.input.damaged(format!("the offset index of column `{name}` {problem}"))
        };
        if len > MAX_INDEX {
            return Err(broken("is absurdly long"));
        }
        let bytes = self.input.read(offset, len)?;
        let Ok(pages) = offset_index(&bytes) else { return Err(broken("is broken")) };
        let [start, end] = self.chunk.bytes;
        let ascend = pages.is_sorted_by(|a, b| a[0] < b[0] && a[1] <= b[1]);
        let inside = pages.iter().all(|[offset, _]| (start..end).contains(offset));
        if !ascend || !inside || pages.first().is_none_or(|[_, row]| *row != 0) {
            return Err(broken("points outside of its pages"));
        }
        let period = self.column.shape.period();
        let start_of =
            |[offset, row]: &[u64; 2]| Start { offset: *offset, value: row.saturating_mul(period) };
        let starts: Vec<_> = pages.iter().map(start_of).collect();
        if starts.last().is_some_and(|start| start.value > self.chunk.values) {
            return Err(broken("has more rows than its row group"));
        }
        let has_dictionary = starts.first().is_some_and(|first| first.offset > start);
        Ok((starts, has_dictionary.then_some(start)))
    }

    fn walked(&self) -> Result<(Vec<Start>, Option<u64>)> {
        let mut pages = self.pages(self.chunk.bytes, HEADER);
        let (mut starts, mut dictionary, mut value) = (Vec::new(), None, 0);
        while value < self.chunk.values {
            let Some(page) = pages.next()? else { return Err(self.too_few()) };
            match page.header.content {
                Content::Dictionary => dictionary = Some(page.offset),
                Content::Index => {}
                Content::Data { .. } | Content::DataV2 { .. } => {
                    self.check_header(&pages, &page, self.chunk.values - value)?;
                    starts.push(Start { offset: page.offset, value });
                    value += page.header.values;
                }
            }
        }
        Ok((starts, dictionary))
    }

    /// Reads `values` to `out`, which is as long as they are delivered.
    pub(super) fn read(&self, values: Range<u64>, out: &mut [u8]) -> Result<()> {
        self.go_through(values, Some(out))
    }

    /// Reads only the levels of all values, to find out how many vectors each row of the file has. They
    /// are as wide as the column's shape says, or the first row that is not is an error.
    pub(super) fn contexts(&self) -> Result<Contexts> {
        let shape = Shape { context: 0, ..self.column.shape };
        let mut pages = self.pages(self.chunk.bytes, STEP);
        let (mut counter, mut at) = (Counter::default(), 0);
        while at < self.chunk.values {
            let Some(page) = pages.next()? else { return Err(self.too_few()) };
            if matches!(page.header.content, Content::Dictionary | Content::Index) {
                continue;
            }
            self.check_header(&pages, &page, self.chunk.values - at)?;
            let data = pages.data(&page, shape.lists, shape.nullable)?;
            self.check_levels(shape, &data, &page, (at, Some(&mut counter)))?;
            at += page.header.values;
        }
        counter.finish().map_err(|problem| self.fault(self.chunk.bytes[0], problem))?;
        Ok(counter.contexts)
    }

    /// Reads only the levels of all values, to find the first row that is not as its shape says.
    pub(super) fn find_odd_row(&self) -> Result<()> {
        self.go_through(0..self.chunk.values, None)
    }

    fn go_through(&self, values: Range<u64>, mut out: Option<&mut [u8]>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let (first, bytes) = self.span(&values);
        let mut state = State { dictionary: self.dictionary()?, at: first };
        let mut pages = self.pages(bytes, STEP);
        while state.at < values.end {
            let Some(page) = pages.next()? else { return Err(self.too_few()) };
            match page.header.content {
                Content::Index => {}
                Content::Dictionary => {
                    state.dictionary = Some(self.load_dictionary(&mut pages, &page)?);
                }
                Content::Data { .. } | Content::DataV2 { .. } => {
                    let out = out.as_deref_mut();
                    self.read_page(&mut pages, &page, &state, &values, out)?;
                    state.at += page.header.values;
                }
            }
        }
        Ok(())
    }

    /// The number of the value to begin with to get `values`, and the bytes that have them.
    fn span(&self, values: &Range<u64>) -> (u64, [u64; 2]) {
        let starts = &self.chunk.starts;
        let [begin, end] = self.chunk.bytes;
        let first = starts.partition_point(|start| start.value <= values.start).checked_sub(1);
        let after = starts.partition_point(|start| start.value < values.end);
        let end = starts.get(after).map_or(end, |start| start.offset);
        match first.and_then(|first| starts.get(first)) {
            Some(start) => (start.value, [start.offset, end]),
            None => (0, [begin, end]),
        }
    }

    fn dictionary(&self) -> Result<Option<Vec<u8>>> {
        let Some(offset) = self.chunk.dictionary else { return Ok(None) };
        let mut pages = self.pages([offset, self.chunk.bytes[1]], HEADER);
        match pages.next()? {
            Some(page) if page.header.content == Content::Dictionary => {
                self.load_dictionary(&mut pages, &page).map(Some)
            }
            _ => Err(self.fault(offset, "should be a dictionary")),
        }
    }

    fn load_dictionary(&self, pages: &mut Pages<'_>, page: &PageAt) -> Result<Vec<u8>> {
        let item = self.column.item;
        let entries = page.header.values.min(self.chunk.values);
        // A text has at least its length.
        let least = entries.checked_mul(item.stored.max(4) as u64);
        let fits = match item.stored {
            0 => least.is_some_and(|least| page.header.plain >= least),
            _ => Some(page.header.plain) == entries.checked_mul(item.stored as u64),
        };
        if !fits {
            return Err(self.fault(page.offset, "is a dictionary of another size"));
        }
        if !matches!(
            Encoding::new(page.header.encoding),
            Some(Encoding::Plain | Encoding::Dictionary)
        ) {
            return Err(self.other_encoding(&page.header));
        }
        let stored = pages.dictionary(page)?;
        let mut delivered = vec![0; entries as usize * item.delivered()];
        if item.stored == 0 {
            let texts = Item::deliver_texts(stored, 0..entries, &mut delivered);
            texts.map_err(|problem| self.fault(page.offset, problem))?;
        } else {
            item.deliver(stored, &mut delivered);
        }
        Ok(delivered)
    }

    /// Fails where a data page cannot be what its header says.
    fn check_header(&self, pages: &Pages<'_>, page: &PageAt, left: u64) -> Result<()> {
        let header = &page.header;
        if header.values > left {
            return Err(pages.fault(page.offset, "has more values than its column"));
        }
        // At most 5 bytes for an index and 2 for each of the levels; a text has any length.
        let value = self.column.item.stored.max(5) as u64 + 4;
        let is_text = self.column.item.stored == 0;
        if !is_text && header.plain > header.values.saturating_mul(value).saturating_add(STEP) {
            return Err(pages.fault(page.offset, "is absurdly long"));
        }
        Ok(())
    }

    fn read_page(
        &self,
        pages: &mut Pages<'_>,
        page: &PageAt,
        state: &State,
        wanted: &Range<u64>,
        out: Option<&mut [u8]>,
    ) -> Result<()> {
        let (header, shape) = (&page.header, &self.column.shape);
        self.check_header(pages, page, self.chunk.values - state.at)?;
        let data = pages.data(page, shape.lists, shape.nullable)?;
        self.check_levels(*shape, &data, page, (state.at, None))?;
        let Some(out) = out else { return Ok(()) };
        let fits =
            |encoding: &Encoding| *encoding != Encoding::Delta || self.column.item.is_integer;
        let Some(encoding) = Encoding::new(header.encoding).filter(fits) else {
            return Err(self.other_encoding(header));
        };
        let (first, last) = (state.at, state.at + header.values);
        let from = wanted.start.clamp(first, last);
        let to = wanted.end.clamp(first, last);
        if from == to {
            return Ok(());
        }
        let size = self.column.item.delivered() as u64;
        let place = (from - wanted.start.min(from)) * size..(to - wanted.start.min(to)) * size;
        let out = &mut out[place.start as usize..place.end as usize];
        let dictionary = state.dictionary.as_deref();
        let values = Values { encoding, bytes: data.values, count: header.values, dictionary };
        let decoded = self.column.item.decode(&values, from - first..to - first, out);
        decoded.map_err(|problem| self.fault(page.offset, problem))
    }

    fn check_levels(
        &self,
        shape: Shape,
        data: &DataPage<'_>,
        page: &PageAt,
        (first, counter): (u64, Option<&mut Counter>),
    ) -> Result<()> {
        let count = page.header.values;
        let fault = |problem| self.fault(page.offset, problem);
        let mut list = None;
        if shape.lists > 0 {
            let odd = match counter {
                Some(_) => shape.count_contexts(data.repetition, (first, count), counter),
                None => shape.check_repetition(data.repetition, first, count),
            };
            list = odd.map_err(fault)?;
        }
        let mut null = None;
        if shape.nullable > 0 {
            null = shape.check_definition(data.definition, count).map_err(fault)?;
        }
        if let Some(null) = null.filter(|null| list.is_none_or(|list| null.at <= list.at)) {
            let found = if shape.lists > 0 { "a null or an empty list" } else { "a null" };
            return Err(self.irregular(first + null.at, found.to_owned()));
        }
        list.map_or(Ok(()), |odd| Err(self.ragged(first, odd)))
    }

    fn ragged(&self, first: u64, odd: Odd) -> Error {
        let (shape, at) = (&self.column.shape, first + odd.at);
        let (period, width) = (shape.period(), shape.width);
        let at_start = at.is_multiple_of(width);
        let found = if odd.level == shape.lists && at_start && at > 0 {
            format!("more than {width} values in a list")
        } else if odd.level < shape.lists && !at_start {
            format!("{} values in a list", at % width)
        } else {
            format!("another number of lists than {}", period / width)
        };
        self.irregular(at.saturating_sub(u64::from(at_start)), found)
    }

    /// The error for the row of value number `value`.
    pub(super) fn irregular(&self, value: u64, found: String) -> Error {
        let shape = &self.column.shape;
        let expected = match shape.lists {
            0 => "a value".to_owned(),
            1 => format!("lists of {} values without nulls", shape.width),
            _ => format!("{} lists of {} values without nulls", shape.context, shape.width),
        };
        let row = self.chunk.first_row + value / shape.period();
        let name = &self.column.name;
        match shape.lists {
            0 => self.input.irregular(name, row, found, expected),
            1 => self.input.irregular_list(name, row, (found, expected), Some(shape.width)),
            _ => self.input.irregular_list(name, row, (found, expected), None),
        }
    }

    fn too_few(&self) -> Error {
        let name = &self.column.name;
        self.input.damaged(format!("column `{name}` has fewer values than its footer says"))
    }

    fn other_encoding(&self, header: &Header) -> Error {
        let (name, code) = (&self.column.name, header.encoding);
        let found = format!("encoding number {code} in column `{name}`");
        self.input.unsupported(found, Encoding::EXPECTED)
    }

    fn fault(&self, offset: u64, problem: &str) -> Error {
        let name = &self.column.name;
        self.input.damaged(format!("the page at byte {offset}, of column `{name}`, {problem}"))
    }
}

//! A record batch: where the values of its columns lie, and whether their lists are regular.

use std::io::BufReader;

use arrow::ipc;
use lz4_flex::frame::FrameDecoder;

use super::super::Input;
use super::super::contexts::Contexts;
use super::messages::Message;
use super::schema::{Field, Leaf, List, Parts, Text};
use crate::error::{Error, Result};

/// Offsets and bits are read as many bytes at a time.
const STEP: u64 = 1 << 16;

/// Bytes of a buffer that is unpacked, at most.
const MAX_BUFFER: u64 = 1 << 30;

/// Rows of a file, with where the buffers of all columns lie.
#[derive(Debug)]
pub(super) struct Batch {
    /// Rows of the file, which may be contexts.
    pub(super) rows: u64,
    /// Rows of the file before these.
    first_row: u64,
    /// For each node: values and nulls.
    nodes: Vec<[u64; 2]>,
    /// For each buffer: where it begins and how long it is.
    buffers: Vec<[u64; 2]>,
    /// For each field: where its nodes and buffers begin.
    at: Vec<(String, Parts)>,
}

/// The lengths of the lists of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Regular {
    /// Where lists are contexts.
    pub(super) contexts: Option<Contexts>,
    /// Values per innermost list, all as long; 0 where there is none.
    pub(super) width: u64,
}

impl Batch {
    pub(super) fn read(
        input: &Input,
        message: &Message,
        batch: &ipc::RecordBatch<'_>,
        fields: &[Field],
        first_row: u64,
    ) -> Result<Self> {
        let codec = batch.compression().map(|compression| compression.codec());
        let number = |n: i64| {
            u64::try_from(n).map_err(|error| input.damaged(format!("{n} in a batch: {error}")))
        };
        let nodes = batch.nodes().into_iter().flatten();
        let nodes = nodes.map(|node| Ok([number(node.length())?, number(node.null_count())?]));
        let body = message.body();
        let buffers = batch.buffers().into_iter().flatten().map(|buffer| {
            let (offset, len) = (number(buffer.offset())?, number(buffer.length())?);
            let start = body.saturating_add(offset);
            input.check(start, len)?;
            codec.map_or(Ok([start, len]), |codec| unpack(input, codec, [start, len]))
        });
        let views = batch.variadicBufferCounts().into_iter().flatten();
        let views = views.map(|n| Ok(number(n)? as usize)).collect::<Result<Vec<_>>>()?;
        let found = Self {
            rows: number(batch.length())?,
            first_row,
            nodes: nodes.collect::<Result<_>>()?,
            buffers: buffers.collect::<Result<_>>()?,
            at: places(fields, &views),
        };
        found.check_rows(input, fields).map(|()| found)
    }

    /// Rows of the file before these.
    pub(super) fn first_row(&self) -> u64 {
        self.first_row
    }

    /// The buffers of the texts of `field`, none of which may be null, after the bits of the nulls.
    pub(super) fn texts(&self, input: &Input, field: &Field, text: Text) -> Result<Vec<[u64; 2]>> {
        let at = self.place(input, field)?;
        self.check_nulls(input, field, at.nodes, at.buffers)?;
        let further = if text == Text::View { self.further(field) } else { 0 };
        let count = match text {
            Text::Fixed(_) => 1,
            Text::View => 1 + further,
            Text::Small | Text::Large => 2,
        };
        let buffers = self.buffers.get(at.buffers + 1..).and_then(|b| b.get(..count));
        buffers.map(<[_]>::to_vec).ok_or_else(|| lacks(input, field))
    }

    /// How many further buffers the views of `field` have, up to those of the next field.
    fn further(&self, field: &Field) -> usize {
        let mut at = self.at.iter().skip_while(|(name, _)| *name != field.name).map(|(_, at)| at);
        let (own, next) = (at.next(), at.next());
        let own = own.map_or(0, |at| at.buffers);
        let end = next.map_or(self.buffers.len(), |at| at.buffers);
        end.saturating_sub(own + field.parts.buffers)
    }

    /// Fails unless every column of `fields` that can be read has as many rows as the batch.
    fn check_rows(&self, input: &Input, fields: &[Field]) -> Result<()> {
        for field in fields.iter().filter(|field| field.leaf.is_some()) {
            let found = self.node(input, field, self.place(input, field)?.nodes)?[0];
            if found != self.rows {
                let (rows, name) = (self.rows, &field.name);
                let problem = format!("a batch of {rows} rows has {found} of column `{name}`");
                return Err(input.damaged(problem));
            }
        }
        Ok(())
    }

    /// Where the values of `field` begin.
    pub(super) fn start(&self, input: &Input, field: &Field) -> Result<u64> {
        let Some(leaf) = &field.leaf else { return Err(lacks(input, field)) };
        let (mut start, at) = (0_u64, self.place(input, field)?);
        let (mut node, mut buffer) = (at.nodes, at.buffers);
        for list in &leaf.lists {
            self.check_nulls(input, field, node, buffer)?;
            start = match list {
                List::Fixed(len) => start.checked_mul(*len),
                List::Small | List::Large => {
                    let offsets = self.buffer(input, field, buffer + 1)?;
                    Some(list.offset(input, offsets, start)?)
                }
            }
            .ok_or_else(|| lacks(input, field))?;
            node += 1;
            buffer += list.buffers();
        }
        self.check_nulls(input, field, node, buffer)?;
        let [values, len] = self.buffer(input, field, buffer + 1)?;
        let bytes = leaf.value.bytes();
        let expected = self.node(input, field, node)?[0].saturating_mul(bytes);
        if expected > len {
            return Err(lacks(input, field));
        }
        start
            .checked_mul(bytes)
            .and_then(|bytes| values.checked_add(bytes))
            .ok_or_else(|| lacks(input, field))
    }

    fn place(&self, input: &Input, field: &Field) -> Result<Parts> {
        let found = self.at.iter().find(|(name, _)| *name == field.name);
        found.map(|(_, at)| *at).ok_or_else(|| lacks(input, field))
    }

    fn node(&self, input: &Input, field: &Field, node: usize) -> Result<[u64; 2]> {
        self.nodes.get(node).copied().ok_or_else(|| lacks(input, field))
    }

    fn buffer(&self, input: &Input, field: &Field, buffer: usize) -> Result<[u64; 2]> {
        self.buffers.get(buffer).copied().ok_or_else(|| lacks(input, field))
    }

    /// Fails where the node number `node` has nulls, of which `buffer` has a bit each.
    fn check_nulls(&self, input: &Input, field: &Field, node: usize, buffer: usize) -> Result<()> {
        let [values, nulls] = self.node(input, field, node)?;
        if nulls == 0 {
            return Ok(());
        }
        let bits = self.buffer(input, field, buffer)?;
        let null = first_zero(input, bits)?.unwrap_or(0);
        // Each row of the file has as many of the values of this node.
        let row = self.first_row + null.saturating_mul(self.rows) / values.max(1);
        let words = ("a null".to_owned(), "none".to_owned());
        if field.leaf.as_ref().is_none_or(|leaf| leaf.lists.is_empty()) {
            return Err(input.irregular(&field.name, row, words.0, words.1));
        }
        Err(input.irregular_list(&field.name, row, words, None))
    }
}

/// Where a compressed buffer lies when it is unpacked: it begins with its length, or -1 where it is as
/// it was.
fn unpack(input: &Input, codec: ipc::CompressionType, [start, len]: [u64; 2]) -> Result<[u64; 2]> {
    if len == 0 {
        return Ok([start, 0]);
    }
    let mut plain = [0; 8];
    input.read_into(start, &mut plain[..len.min(8) as usize])?;
    let (body, packed) = (start + len.min(8), len.saturating_sub(8));
    let Ok(plain) = u64::try_from(i64::from_le_bytes(plain)) else { return Ok([body, packed]) };
    if plain > MAX_BUFFER {
        let found = format!("a compressed buffer of {plain} bytes");
        return Err(input.unsupported(found, "smaller record batches, of less than 1 GiB"));
    }
    let reader = BufReader::with_capacity(STEP as usize, input.reader(body, packed));
    let at = match codec {
        ipc::CompressionType::LZ4_FRAME => input.unpack(FrameDecoder::new(reader), plain)?,
        ipc::CompressionType::ZSTD => {
            let decoder = zstd::stream::read::Decoder::with_buffer(reader);
            let decoder = decoder.map_err(|error| input.damaged(error.to_string()))?;
            input.unpack(decoder, plain)?
        }
        other => return Err(input.unsupported(format!("{other:?} compression"), "LZ4 or ZSTD")),
    };
    Ok([at, plain])
}

/// Where the nodes and buffers of each field begin; `views` has the further buffers of each view.
fn places(fields: &[Field], views: &[usize]) -> Vec<(String, Parts)> {
    let mut at = Parts::default();
    let place = |field: &Field| {
        let here = (field.name.clone(), at);
        let own = at.views..at.views.saturating_add(field.parts.views);
        at.add(field.parts);
        let further: usize = views.get(own).unwrap_or_default().iter().sum();
        at.buffers = at.buffers.saturating_add(further);
        here
    };
    fields.iter().map(place).collect()
}

fn lacks(input: &Input, field: &Field) -> Error {
    input.damaged(format!("a record batch has too few values of column `{}`", field.name))
}

/// Index of the first bit that is not set.
fn first_zero(input: &Input, [start, len]: [u64; 2]) -> Result<Option<u64>> {
    let mut done = 0;
    while done < len {
        let bytes = input.read(start + done, (len - done).min(STEP))?;
        if let Some(at) = bytes.iter().position(|byte| *byte != u8::MAX) {
            return Ok(Some((done + at as u64) * 8 + u64::from(bytes[at].trailing_ones())));
        }
        done += bytes.len() as u64;
    }
    Ok(None)
}

impl List {
    /// Buffers of a node that is such a list.
    fn buffers(self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::Small | Self::Large => 2,
        }
    }

    /// Bytes an offset.
    fn bytes(self) -> u64 {
        if self == Self::Small { 4 } else { 8 }
    }

    /// Offset number `index` of those that lie at `offsets`.
    fn offset(self, input: &Input, offsets: [u64; 2], index: u64) -> Result<u64> {
        let [start, len] = offsets;
        let (first, bytes) = (index.saturating_mul(self.bytes()), self.bytes());
        if first.checked_add(bytes).is_none_or(|end| end > len) {
            return Err(input.damaged("a list in it has too few offsets"));
        }
        let read = input.read(start + first, bytes)?;
        Ok(self.offsets(&read).next().unwrap_or_default())
    }

    /// The offsets that lie in `bytes`; one that is negative is larger than any other.
    fn offsets(self, bytes: &[u8]) -> impl Iterator<Item = u64> {
        let number = move |bytes: &[u8]| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(number)
        };
        bytes.chunks_exact(self.bytes() as usize).map(number)
    }
}

impl Regular {
    /// How long the lists of `field` are in `batches`. The `outer` outermost levels of lists, none or
    /// one, are contexts and may have any length; the lists of the other level are as long as each
    /// other.
    pub(super) fn measure(
        input: &Input,
        field: &Field,
        (leaf, outer): (&Leaf, usize),
        batches: &[Batch],
    ) -> Result<Self> {
        let mut regular = Self { contexts: (outer > 0).then(Contexts::default), width: 1 };
        let mut width = match leaf.lists.get(outer) {
            Some(List::Fixed(len)) => Some(*len),
            Some(_) => None,
            None => Some(1),
        };
        for batch in batches {
            let lists = Lists { input, field, batch };
            lists.check(&leaf.lists, outer, regular.contexts.as_mut(), &mut width)?;
        }
        regular.width = width.unwrap_or_default();
        let is_empty = regular.contexts.as_ref().is_some_and(|contexts| contexts.rows() == 0);
        if regular.width > 0 || batches.is_empty() || is_empty {
            return Ok(regular);
        }
        let words = ("an empty list".to_owned(), "values".to_owned());
        Err(input.irregular_list(&field.name, 0, words, None))
    }
}

/// The lists of a field in a batch.
struct Lists<'a> {
    input: &'a Input,
    field: &'a Field,
    batch: &'a Batch,
}

impl Lists<'_> {
    /// Checks the lists of every level: adds those of the `outer` levels to `contexts`, and holds the
    /// others against `width`, which is set where it is not known yet.
    fn check(
        &self,
        lists: &[List],
        outer: usize,
        mut contexts: Option<&mut Contexts>,
        width: &mut Option<u64>,
    ) -> Result<()> {
        let at = self.batch.place(self.input, self.field)?;
        let (mut node, mut buffer) = (at.nodes, at.buffers);
        let (mut first, mut count) = (0_u64, self.batch.rows);
        for (level, list) in lists.iter().enumerate() {
            if self.batch.node(self.input, self.field, node)?[0] < count {
                return Err(lacks(self.input, self.field));
            }
            self.batch.check_nulls(self.input, self.field, node, buffer)?;
            let contexts = contexts.as_deref_mut().filter(|_| level < outer);
            let all = if let List::Fixed(len) = list {
                contexts.map(|contexts| contexts.push(*len, count));
                first = first.saturating_mul(*len);
                count.checked_mul(*len)
            } else {
                let offsets = self.batch.buffer(self.input, self.field, buffer + 1)?;
                let start = list.offset(self.input, offsets, first)?;
                let lists = [first, count];
                first = start;
                match contexts {
                    Some(contexts) => {
                        let all = self.count(*list, offsets, lists, contexts)?;
                        let values = self.batch.node(self.input, self.field, node + 1)?[0];
                        // Where lengths differ anyway, a wrong one shows in nothing else. Writers
                        // let offsets begin at 0.
                        let is_whole = first == 0 && all == Some(values);
                        if !contexts.is_regular() && !is_whole {
                            let name = &self.field.name;
                            let problem =
                                format!("the lists of column `{name}` have not all of its values");
                            return Err(self.input.damaged(problem));
                        }
                        all
                    }
                    None => self.compare(*list, offsets, lists, width)?,
                }
            };
            let fits = |all: &u64| first.checked_add(*all).is_some_and(|end| end < 1 << 60);
            count = all.filter(fits).ok_or_else(|| lacks(self.input, self.field))?;
            node += 1;
            buffer += list.buffers();
        }
        if self.batch.node(self.input, self.field, node)?[0] < first + count {
            return Err(lacks(self.input, self.field));
        }
        self.batch.check_nulls(self.input, self.field, node, buffer)
    }

    /// Adds lists of any length to `contexts`; how many values they have together.
    fn count(
        &self,
        list: List,
        offsets: [u64; 2],
        lists: [u64; 2],
        contexts: &mut Contexts,
    ) -> Result<Option<u64>> {
        let before = contexts.rows();
        self.each_len(list, offsets, lists, |_, len| {
            contexts.push(len, 1).ok_or_else(|| lacks(self.input, self.field))
        })?;
        Ok(contexts.rows().checked_sub(before))
    }

    /// Fails unless lists are as long as `width`; how many values they have together.
    fn compare(
        &self,
        list: List,
        offsets: [u64; 2],
        [first, count]: [u64; 2],
        width: &mut Option<u64>,
    ) -> Result<Option<u64>> {
        self.each_len(list, offsets, [first, count], |index, len| {
            let expected = *width.get_or_insert(len);
            if expected == len { Ok(()) } else { Err(self.ragged(index, count, len, expected)) }
        })?;
        Ok(count.checked_mul(width.unwrap_or_default()))
    }

    /// Calls `each` with the index and the length of the lists from number `first` on, `count` of them.
    fn each_len(
        &self,
        list: List,
        [start, len]: [u64; 2],
        [first, count]: [u64; 2],
        mut each: impl FnMut(u64, u64) -> Result<()>,
    ) -> Result<()> {
        let bytes = first.saturating_add(count).saturating_add(1).saturating_mul(list.bytes());
        if bytes > len {
            return Err(lacks(self.input, self.field));
        }
        let (mut at, end) = (start + first * list.bytes(), start + bytes);
        let (mut before, mut index) = (None, 0);
        while at < end {
            let read = self.input.read(at, (end - at).min(STEP))?;
            for offset in list.offsets(&read) {
                if let Some(before) = before {
                    each(index, offset.wrapping_sub(before))?;
                    index += 1;
                }
                before = Some(offset);
            }
            at += read.len() as u64;
        }
        Ok(())
    }

    /// The error for list number `index` of `count`.
    fn ragged(&self, index: u64, count: u64, found: u64, expected: u64) -> Error {
        let row = self.batch.first_row + index.saturating_mul(self.batch.rows) / count.max(1);
        let words = (format!("a list of {found}"), format!("lists of {expected}"));
        self.input.irregular_list(&self.field.name, row, words, Some(expected))
    }
}

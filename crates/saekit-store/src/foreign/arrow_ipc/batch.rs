//! A record batch: where the values of its columns lie, and whether their lists are regular.

use arrow::ipc;

use super::super::Input;
use super::messages::Message;
use super::schema::{Field, Leaf, List, Parts};
use crate::error::{Error, Result};

/// Offsets and bits are read as many bytes at a time.
const STEP: u64 = 1 << 16;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Regular {
    pub(super) context: Option<u64>,
    pub(super) width: u64,
}

impl Batch {
    pub(super) fn read(
        input: &Input,
        message: &Message,
        root: &ipc::Message<'_>,
        fields: &[Field],
        first_row: u64,
    ) -> Result<Self> {
        let Some(batch) = root.header_as_record_batch() else {
            return Err(input.damaged("a record batch in it has no header"));
        };
        if batch.compression().is_some() {
            let expected = "record batches without compression, such as `compression=None` gives";
            return Err(input.unsupported("compressed record batches", expected));
        }
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
            Ok([start, len])
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
        Err(input.irregular(&field.name, row, "a null".to_owned(), "none".to_owned()))
    }
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
    /// The lengths of the lists of `field`, which must agree in all of `batches`.
    pub(super) fn measure(
        input: &Input,
        field: &Field,
        leaf: &Leaf,
        batches: &[Batch],
    ) -> Result<Self> {
        let mut lens: Vec<_> = leaf
            .lists
            .iter()
            .map(|list| if let List::Fixed(len) = list { Some(*len) } else { None })
            .collect();
        for batch in batches {
            Lists { input, field, batch }.check(&leaf.lists, &mut lens)?;
        }
        let lens: Vec<u64> = lens.into_iter().map(Option::unwrap_or_default).collect();
        match lens[..] {
            [] => Ok(Self { context: None, width: 1 }),
            [width] if width > 0 || batches.is_empty() => Ok(Self { context: None, width }),
            [context, width] if context * width > 0 || batches.is_empty() => {
                Ok(Self { context: Some(context), width })
            }
            _ => {
                let (found, expected) = ("an empty list".to_owned(), "values".to_owned());
                Err(input.irregular(&field.name, 0, found, expected))
            }
        }
    }
}

/// The lists of a field in a batch.
struct Lists<'a> {
    input: &'a Input,
    field: &'a Field,
    batch: &'a Batch,
}

impl Lists<'_> {
    /// Checks that every list of each level has the length in `lens`, which is set where it is not
    /// known yet.
    fn check(&self, lists: &[List], lens: &mut [Option<u64>]) -> Result<()> {
        let at = self.batch.place(self.input, self.field)?;
        let (mut node, mut buffer) = (at.nodes, at.buffers);
        let (mut first, mut count) = (0_u64, self.batch.rows);
        for (list, len) in lists.iter().zip(lens) {
            if self.batch.node(self.input, self.field, node)?[0] < count {
                return Err(lacks(self.input, self.field));
            }
            self.batch.check_nulls(self.input, self.field, node, buffer)?;
            if let List::Fixed(len) = list {
                first = first.saturating_mul(*len);
            } else {
                let offsets = self.batch.buffer(self.input, self.field, buffer + 1)?;
                let start = list.offset(self.input, offsets, first)?;
                self.check_offsets(*list, offsets, [first, count], len)?;
                first = start;
            }
            count = count
                .checked_mul(len.unwrap_or_default())
                .filter(|count| first.checked_add(*count).is_some_and(|end| end < 1 << 60))
                .ok_or_else(|| lacks(self.input, self.field))?;
            node += 1;
            buffer += list.buffers();
        }
        if self.batch.node(self.input, self.field, node)?[0] < first + count {
            return Err(lacks(self.input, self.field));
        }
        self.batch.check_nulls(self.input, self.field, node, buffer)
    }

    /// Checks the lists from number `first` on, `count` of them.
    fn check_offsets(
        &self,
        list: List,
        [start, len]: [u64; 2],
        [first, count]: [u64; 2],
        expected: &mut Option<u64>,
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
                    let found = offset.wrapping_sub(before);
                    if *expected.get_or_insert(found) != found {
                        return Err(self.ragged(index, count, found, *expected));
                    }
                    index += 1;
                }
                before = Some(offset);
            }
            at += read.len() as u64;
        }
        Ok(())
    }

    /// The error for list number `index` of `count`.
    fn ragged(&self, index: u64, count: u64, found: u64, expected: Option<u64>) -> Error {
        let row = self.batch.first_row + index.saturating_mul(self.batch.rows) / count.max(1);
        let (found, expected) =
            (format!("a list of {found}"), format!("lists of {}", expected.unwrap_or_default()));
        self.input.irregular(&self.field.name, row, found, expected)
    }
}

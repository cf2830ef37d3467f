//! The messages of a file, one after the other.
//!
//! A stream begins with the message of its schema and ends with a mark. A file has a footer with the
//! schema and the places of its record batches, which alone is to be believed: some writers leave
//! gaps between messages.

use arrow::ipc;

use super::super::Input;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;
/// Metadata of a message are some kilobytes; a schema of thousands of columns has more.
const MAX_METADATA: u64 = 64 << 20;
/// Bytes of the magic with which a file begins, padded as arrow's writers do it.
const MAGIC_BYTES: [u64; 2] = [8, 64];
/// More than pads a batch, and marks the end.
const GAP: u64 = 128;

/// Goes through a file's messages.
pub(super) struct Messages<'a> {
    input: &'a Input,
    next: Next,
}

/// Where the next message lies.
enum Next {
    At(u64),
    /// Blocks of a file, the last first.
    Blocks(Vec<Block>),
    End,
}

/// A message of which the footer of a file tells.
struct Block {
    offset: u64,
    /// Whether the footer lists it as a dictionary, not as a record batch.
    is_dictionary: bool,
}

/// The metadata that has the schema.
pub(super) enum Head {
    Footer(Vec<u8>),
    Message(Message),
}

/// A message's metadata, and where its body lies.
pub(super) struct Message {
    metadata: Vec<u8>,
    body: u64,
}

impl<'a> Messages<'a> {
    /// Before the first record batch.
    pub(super) fn open(input: &'a Input) -> Result<(Self, Head)> {
        let mut magic = [0; 8];
        input.read_into(0, &mut magic)?;
        if magic.starts_with(MAGIC) {
            let (footer, blocks) = read_footer(input)?;
            return Ok((Self { input, next: Next::Blocks(blocks) }, Head::Footer(footer)));
        }
        let mut messages = Self { input, next: Next::At(0) };
        match messages.next()? {
            Some(message) => Ok((messages, Head::Message(message))),
            None => Err(input.damaged("it has no schema")),
        }
    }

    /// The next message; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Message>> {
        let offset = match &mut self.next {
            Next::At(offset) => *offset,
            Next::Blocks(blocks) => {
                return blocks.pop().map(|block| self.block(&block)).transpose();
            }
            Next::End => return Ok(None),
        };
        let (message, end) = self.read(offset)?;
        if message.is_none() && end != self.input.bytes() {
            return Err(self.input.damaged("it goes on after the mark of its end"));
        }
        self.next = if message.is_some() { Next::At(end) } else { Next::End };
        Ok(message)
    }

    /// The message of `block`, which has to be what the footer lists it as.
    fn block(&self, block: &Block) -> Result<Message> {
        let is_listed_as = |message: &Message| {
            let found = message.root(self.input)?.header_type();
            Ok::<_, Error>((found == ipc::MessageHeader::DictionaryBatch) == block.is_dictionary)
        };
        match self.read(block.offset)?.0 {
            Some(message) if is_listed_as(&message)? => Ok(message),
            _ => Err(self.input.damaged("its footer points to something else than it says")),
        }
    }

    /// The message at `offset`, unless it is the mark of the end, and where its body ends.
    fn read(&self, offset: u64) -> Result<(Option<Message>, u64)> {
        let (mut len, mut start) = (self.word(offset)?, offset.saturating_add(4));
        if len == CONTINUATION {
            len = self.word(start)?;
            start += 4;
        }
        if len == 0 {
            return Ok((None, start));
        }
        if u64::from(len) > MAX_METADATA {
            return Err(self
                .input
                .damaged(format!("a message would have {len} bytes of metadata")));
        }
        let metadata = self.input.read(start, u64::from(len))?;
        let message = Message { metadata, body: start + u64::from(len) };
        let bytes = u64::try_from(message.root(self.input)?.bodyLength()).unwrap_or(u64::MAX);
        self.input.check(message.body, bytes)?;
        let end = message.body + bytes;
        Ok((Some(message), end))
    }

    fn word(&self, offset: u64) -> Result<u32> {
        if offset == self.input.bytes() {
            let problem = "it has no mark of the end: it was truncated, or its writer not closed";
            return Err(self.input.damaged(problem));
        }
        let mut word = [0; 4];
        self.input.read_into(offset, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }
}

/// The footer of a file, and where its dictionaries and then its record batches begin, the last first.
fn read_footer(input: &Input) -> Result<(Vec<u8>, Vec<Block>)> {
    let end = input.bytes().saturating_sub(10);
    let last = input.read(end, 10)?;
    let (len, magic) = last.split_at(4);
    if magic != MAGIC {
        let problem = "it begins as a file but does not end as one; was it truncated?";
        return Err(input.damaged(problem));
    }
    let len = len.iter().rev().fold(0, |len, byte| len << 8 | u64::from(*byte));
    let start = end.checked_sub(len).filter(|_| len <= MAX_METADATA);
    let Some(start) = start else {
        return Err(input.damaged(format!("its footer would have {len} bytes")));
    };
    let metadata = input.read(start, len)?;
    let footer = root_as_footer(input, &metadata)?;
    check_gaps(input, &footer, start)?;
    let dictionaries = footer.dictionaries().into_iter().flatten().rev().map(|block| (block, true));
    let batches = footer.recordBatches().into_iter().flatten().rev().map(|block| (block, false));
    let block = |(block, is_dictionary): (&ipc::Block, bool)| {
        let offset = u64::try_from(block.offset());
        let offset =
            offset.map_err(|error| input.damaged(format!("a place in its footer: {error}")))?;
        Ok(Block { offset, is_dictionary })
    };
    let blocks = batches.chain(dictionaries).map(block).collect::<Result<_>>()?;
    Ok((metadata, blocks))
}

/// Fails where there is room for a batch of which the footer, at byte `footer_start`, does not tell.
fn check_gaps(input: &Input, footer: &ipc::Footer<'_>, footer_start: u64) -> Result<()> {
    if footer.dictionaries().is_some_and(|dictionaries| !dictionaries.is_empty()) {
        // Which may lie between; but nobody writes them for no batch at all.
        let has_batches = footer.recordBatches().is_some_and(|batches| !batches.is_empty());
        let missing = || input.damaged("its footer has dictionaries, but no record batch");
        return has_batches.then_some(()).ok_or_else(missing);
    }
    let mut end = schema_end(input, footer_start)?;
    let blocks = footer.recordBatches().into_iter().flatten();
    let spans = blocks.map(|block| {
        let sizes = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
        let [start, metadata, body] = sizes.map(|size| u64::try_from(size).unwrap_or(u64::MAX));
        (start, start.saturating_add(metadata).saturating_add(body))
    });
    for (start, next) in spans.chain([(footer_start, 0)]) {
        if start > end.saturating_add(GAP) {
            return Err(input.damaged("its footer leaves out a record batch"));
        }
        end = next;
    }
    Ok(())
}

/// Where the schema ends, which comes first in a file, after the padded magic. Where it does not begin as
/// most writers begin it, twice the size of the footer, which has it too, is room enough.
fn schema_end(input: &Input, footer_start: u64) -> Result<u64> {
    for start in MAGIC_BYTES {
        let head = input.read(start, 8)?;
        let (mark, len) = head.split_at(4);
        if mark == CONTINUATION.to_le_bytes() {
            let len = len.iter().rev().fold(0, |len, byte| len << 8 | u64::from(*byte));
            return Ok(start + 8 + len);
        }
    }
    Ok(2 * (input.bytes() - footer_start))
}

fn root_as_footer<'b>(input: &Input, metadata: &'b [u8]) -> Result<ipc::Footer<'b>> {
    ipc::root_as_footer(metadata)
        .map_err(|error| input.damaged(format!("its footer is broken: {}", one_line(&error))))
}

/// The first line of what the checker of messages says.
fn one_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl Head {
    /// The schema, and the version of the metadata.
    pub(super) fn schema(
        &self,
        input: &Input,
    ) -> Result<(Option<ipc::Schema<'_>>, ipc::MetadataVersion)> {
        match self {
            Self::Footer(metadata) => {
                let footer = root_as_footer(input, metadata)?;
                Ok((footer.schema(), footer.version()))
            }
            Self::Message(message) => {
                let root = message.root(input)?;
                Ok((root.header_as_schema(), root.version()))
            }
        }
    }
}

impl Message {
    pub(super) fn root(&self, input: &Input) -> Result<ipc::Message<'_>> {
        ipc::root_as_message(&self.metadata)
            .map_err(|error| input.damaged(format!("a message is broken: {}", one_line(&error))))
    }

    /// Where the body begins.
    pub(super) fn body(&self) -> u64 {
        self.body
    }
}

//! The messages of a file, one after the other.

use arrow::ipc;

use super::super::Input;
use crate::Result;

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: u32 = u32::MAX;
/// Metadata of a message are some kilobytes; a schema of thousands of columns has more.
const MAX_METADATA: u64 = 64 << 20;

/// Goes through a file's messages.
pub(super) struct Messages<'a> {
    input: &'a Input,
    offset: u64,
    ended: bool,
}

/// A message's metadata, and where its body lies.
pub(super) struct Message {
    metadata: Vec<u8>,
    body: u64,
}

impl<'a> Messages<'a> {
    /// Before the first message.
    pub(super) fn open(input: &'a Input) -> Result<Self> {
        let mut magic = [0; 8];
        input.read_into(0, &mut magic)?;
        let is_file = magic.starts_with(MAGIC);
        if is_file {
            let mut end = [0; 6];
            input.read_into(input.bytes() - 6, &mut end)?;
            if end != MAGIC {
                let problem = "it begins as a file of Arrow IPC but does not end as one";
                return Err(input.damaged(format!("{problem}; was it truncated?")));
            }
        }
        Ok(Self { input, offset: if is_file { 8 } else { 0 }, ended: false })
    }

    /// The next message, which must be there.
    pub(super) fn next(&mut self) -> Result<Message> {
        let message = self.next_if_any()?;
        message.ok_or_else(|| self.input.damaged("it has no schema"))
    }

    /// The next message; `None` at the mark of the end.
    pub(super) fn next_if_any(&mut self) -> Result<Option<Message>> {
        if self.ended {
            return Ok(None);
        }
        let mut len = self.word()?;
        if len == CONTINUATION {
            len = self.word()?;
        }
        if len == 0 {
            self.ended = true;
            return Ok(None);
        }
        if u64::from(len) > MAX_METADATA {
            return Err(self.input.damaged(format!("a message would have {len} bytes of metadata")));
        }
        let metadata = self.input.read(self.offset, u64::from(len))?;
        let message = Message { metadata, body: self.offset + u64::from(len) };
        let bytes = u64::try_from(message.root(self.input)?.bodyLength()).unwrap_or(u64::MAX);
        self.input.check(message.body, bytes)?;
        self.offset = message.body + bytes;
        Ok(Some(message))
    }

    fn word(&mut self) -> Result<u32> {
        if self.offset == self.input.bytes() {
            let problem = "it has no mark of the end: it was truncated, or its writer not closed";
            return Err(self.input.damaged(problem));
        }
        let mut word = [0; 4];
        self.input.read_into(self.offset, &mut word)?;
        self.offset += 4;
        Ok(u32::from_le_bytes(word))
    }
}

impl Message {
    pub(super) fn root(&self, input: &Input) -> Result<ipc::Message<'_>> {
        ipc::root_as_message(&self.metadata)
            .map_err(|error| input.damaged(format!("a message in it is broken: {error}")))
    }

    /// Where the body begins.
    pub(super) fn body(&self) -> u64 {
        self.body
    }
}

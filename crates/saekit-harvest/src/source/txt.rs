//! A text file: one document.

use std::path::Path;

use super::stream::Stream;
use super::{Fields, Format};
use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};
use crate::place::Place;

pub(super) const FORMAT: Format = Format { extensions: &["txt"], packed: true, read };

const BLOCK: usize = 1 << 20;

fn read(path: &Path, _: &Fields, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let place = Place::File(path);
    let mut stream = Stream::open(path)?;
    let mut buffer = vec![0; BLOCK];
    // `kept` bytes at the front are the beginning of a character that the next block ends.
    let (mut kept, mut begun) = (0, false);
    loop {
        let offset = stream.offset() - kept as u64;
        let n = stream.read(&mut buffer[kept..])?;
        if n == 0 && kept == 0 {
            return Ok(());
        }
        if !begun {
            corpus.begin_text(place)?;
            begun = true;
        }
        let filled = kept + n;
        let valid = match std::str::from_utf8(&buffer[..filled]) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() && n > 0 => error.valid_up_to(),
            Err(error) => {
                let offset = offset + error.valid_up_to() as u64;
                return Err(Error::InvalidUtf8 { place: place.to_string(), offset, of: "file" });
            }
        };
        corpus.append(place, &buffer[..valid])?;
        buffer.copy_within(valid..filled, 0);
        kept = filled - valid;
    }
}

//! A text file: one document.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use saekit_core::Error as CoreError;

use super::{Fields, Format, Place};
use crate::corpus::Spool;
use crate::error::{Error, Result};

pub(super) const FORMAT: Format = Format { extension: "txt", read };

const BLOCK: usize = 1 << 20;

fn read(path: &Path, _: &Fields, spool: &mut Spool<'_>) -> Result<()> {
    let place = Place::File(path);
    let mut file = File::open(path).map_err(CoreError::io("read", path))?;
    let mut buffer = vec![0; BLOCK];
    // `kept` bytes at the front are the beginning of a character that the next block ends.
    let (mut kept, mut offset) = (0, 0);
    loop {
        let n = file.read(&mut buffer[kept..]).map_err(CoreError::io("read", path))?;
        if n == 0 && kept == 0 {
            return Ok(());
        }
        if offset == 0 && kept == 0 {
            spool.begin_text(place)?;
        }
        let filled = kept + n;
        let valid = match std::str::from_utf8(&buffer[..filled]) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() && n > 0 => error.valid_up_to(),
            Err(error) => {
                let offset = offset + error.valid_up_to() as u64;
                return Err(Error::InvalidUtf8 { place: place.to_string(), offset });
            }
        };
        spool.append(place, &buffer[..valid])?;
        buffer.copy_within(valid..filled, 0);
        kept = filled - valid;
        offset += valid as u64;
    }
}

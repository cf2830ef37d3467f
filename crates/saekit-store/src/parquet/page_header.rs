//! The header of a page.

use crate::parquet::thrift::{Compact, Fault, Type};

/// The kind of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Levels and values, compressed together.
    Data { repetition: i64, definition: i64 },
    /// Levels of as many bytes, which are never compressed, and values.
    DataV2 { repetition_bytes: u64, definition_bytes: u64, is_compressed: bool },
    /// The values that data pages point to.
    Dictionary,
    /// An index, which is not read here.
    Index,
}

/// A page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the header itself.
    pub(crate) bytes: u64,
    /// Bytes that follow it.
    pub(crate) stored: u64,
    /// Bytes of them when they are decompressed.
    pub(crate) plain: u64,
    /// CRC-32 of the bytes that follow it.
    pub(crate) checksum: Option<u32>,
    /// Values, also those that are null.
    pub(crate) values: u64,
    pub(crate) encoding: i64,
    pub(crate) content: Content,
}

/// The structs that a header may have, of which it should have that of its type.
#[derive(Default)]
struct Parts {
    kind: Option<i64>,
    plain: Option<u64>,
    stored: Option<u64>,
    checksum: Option<u32>,
    data: Option<Data>,
    dictionary: Option<Data>,
    second: Option<Data>,
}

/// The entries of such a struct that matter.
#[derive(Clone, Copy, Default)]
struct Data {
    values: Option<u64>,
    encoding: Option<i64>,
    /// Encodings of the levels, or their sizes.
    levels: [Option<i64>; 2],
    is_plain: bool,
}

impl Header {
    /// Reads the header at the beginning of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut compact = Compact::new(bytes);
        let mut parts = Parts::default();
        compact.fields(|compact, id, kind| parts.read(compact, id, kind))?;
        let read = (bytes.len() - compact.left()) as u64;
        // The format's sizes have 32 bits and a sign.
        let is_size = |size: u64| i32::try_from(size).is_ok();
        let header = parts.finish(read);
        header.filter(|header| is_size(header.stored) && is_size(header.plain)).ok_or(Fault::Broken)
    }
}

impl Parts {
    fn read(&mut self, compact: &mut Compact<'_>, id: i16, kind: Type) -> Result<(), Fault> {
        match (id, kind) {
            (1, Type::Integer) => self.kind = Some(compact.integer()?),
            (2, Type::Integer) => self.plain = Some(compact.size()?),
            (3, Type::Integer) => self.stored = Some(compact.size()?),
            // The type has a sign, the checksum has none.
            (4, Type::Integer) => self.checksum = Some(compact.integer()? as u32),
            (5, Type::Struct) => self.data = Some(Data::read(compact, [4, 3])?),
            (7, Type::Struct) => self.dictionary = Some(Data::read(compact, [0, 0])?),
            (8, Type::Struct) => self.second = Some(Data::read_second(compact)?),
            _ => compact.skip(kind)?,
        }
        Ok(())
    }

    fn finish(self, bytes: u64) -> Option<Header> {
        let (data, content) = match self.kind? {
            0 => {
                let data = self.data?;
                let [repetition, definition] = data.levels;
                let content = Content::Data { repetition: repetition?, definition: definition? };
                (data, content)
            }
            1 => (Data { values: Some(0), encoding: Some(0), ..Data::default() }, Content::Index),
            2 => (self.dictionary?, Content::Dictionary),
            3 => {
                let data = self.second?;
                let [repetition, definition] = data.levels;
                let content = Content::DataV2 {
                    repetition_bytes: u64::try_from(repetition?).ok()?,
                    definition_bytes: u64::try_from(definition?).ok()?,
                    is_compressed: !data.is_plain,
                };
                (data, content)
            }
            _ => return None,
        };
        Some(Header {
            bytes,
            stored: self.stored?,
            plain: self.plain?,
            checksum: self.checksum,
            values: data.values?,
            encoding: data.encoding?,
            content,
        })
    }
}

impl Data {
    /// Reads a struct whose fields 1 and 2 are its values and their encoding; `levels` are the
    /// fields of the levels, repetition first.
    fn read(compact: &mut Compact<'_>, levels: [i16; 2]) -> Result<Self, Fault> {
        let mut data = Self::default();
        compact.fields(|compact, id, kind| {
            match (id, kind) {
                (1, Type::Integer) => data.values = Some(compact.size()?),
                (2, Type::Integer) => data.encoding = Some(compact.integer()?),
                (id, Type::Integer) if id == levels[0] => {
                    data.levels[0] = Some(compact.integer()?);
                }
                (id, Type::Integer) if id == levels[1] => {
                    data.levels[1] = Some(compact.integer()?);
                }
                _ => compact.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(data)
    }

    fn read_second(compact: &mut Compact<'_>) -> Result<Self, Fault> {
        let mut data = Self::default();
        compact.fields(|compact, id, kind| {
            match (id, kind) {
                (1, Type::Integer) => data.values = Some(compact.size()?),
                (4, Type::Integer) => data.encoding = Some(compact.integer()?),
                (5, Type::Integer) => data.levels[1] = Some(compact.integer()?),
                (6, Type::Integer) => data.levels[0] = Some(compact.integer()?),
                (7, Type::False) => data.is_plain = true,
                _ => compact.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(data)
    }
}

/// Reads the offset index of a column chunk: where each page begins, and its first row.
pub(crate) fn offset_index(bytes: &[u8]) -> Result<Vec<[u64; 2]>, Fault> {
    let (mut compact, mut pages) = (Compact::new(bytes), Vec::new());
    compact.fields(|compact, id, kind| {
        if (id, kind) != (1, Type::List) {
            return compact.skip(kind);
        }
        let (kind, count) = compact.list()?;
        if kind != Type::Struct {
            return Err(Fault::Broken);
        }
        for _ in 0..count {
            pages.push(page_location(compact)?);
        }
        Ok(())
    })?;
    Ok(pages)
}

fn page_location(compact: &mut Compact<'_>) -> Result<[u64; 2], Fault> {
    let (mut offset, mut row) = (None, None);
    compact.fields(|compact, id, kind| {
        match (id, kind) {
            (1, Type::Integer) => offset = Some(compact.size()?),
            (3, Type::Integer) => row = Some(compact.size()?),
            _ => compact.skip(kind)?,
        }
        Ok(())
    })?;
    offset.zip(row).map(|(offset, row)| [offset, row]).ok_or(Fault::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a page of three values, which is said to have so many bytes.
    fn header(bytes: u64) -> Vec<u8> {
        let mut out = vec![0x15, 0];
        for _ in 0..2 {
            out.push(0x15);
            let mut zigzag = bytes << 1;
            while zigzag >= 0x80 {
                out.push(zigzag as u8 | 0x80);
                zigzag >>= 7;
            }
            out.push(zigzag as u8);
        }
        out.extend([0x2C, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
        out
    }

    #[test]
    fn a_page_of_more_than_31_bits_is_none() {
        let largest = u64::from(i32::MAX.unsigned_abs());
        let parsed = Header::parse(&header(largest)).unwrap();
        assert_eq!((parsed.stored, parsed.plain, parsed.values), (largest, largest, 3));
        assert_eq!(Header::parse(&header(largest + 1)), Err(Fault::Broken));
    }
}

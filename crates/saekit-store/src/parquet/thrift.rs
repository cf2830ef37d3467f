//! The compact protocol of Thrift, as far as page headers and offset indexes need it.
//!
//! A struct is a list of fields, each a byte with its type and how much its number is above the one
//! before (or 0, and then the number), and ends with a zero byte. Whole numbers are zigzag varints.

/// Structs and lists in others that are still followed.
const MAX_DEPTH: u8 = 16;

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There are too few of them.
    Short,
    /// They are not what they should be.
    Broken,
}

/// The type of a field or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    True,
    False,
    Byte,
    /// Of 16, 32 or 64 bits.
    Integer,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Type {
    fn new(code: u8) -> Result<Self, Fault> {
        match code {
            1 => Ok(Self::True),
            2 => Ok(Self::False),
            3 => Ok(Self::Byte),
            4..=6 => Ok(Self::Integer),
            7 => Ok(Self::Double),
            8 => Ok(Self::Binary),
            9 | 10 => Ok(Self::List),
            11 => Ok(Self::Map),
            12 => Ok(Self::Struct),
            13 => Ok(Self::Uuid),
            _ => Err(Fault::Broken),
        }
    }
}

/// Reads values from the beginning of bytes.
#[derive(Clone, Debug)]
pub(crate) struct Compact<'a> {
    bytes: &'a [u8],
    depth: u8,
}

impl<'a> Compact<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0 }
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Reads a struct; `field` reads or skips the value of each of its fields.
    pub(crate) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Type) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Broken);
        }
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                self.depth -= 1;
                return Ok(());
            }
            let kind = Type::new(head & 0x0F)?;
            id = match head >> 4 {
                0 => i16::try_from(self.integer()?).or(Err(Fault::Broken))?,
                delta => id.checked_add(i16::from(delta)).ok_or(Fault::Broken)?,
            };
            field(self, id, kind)?;
        }
    }

    /// Type and number of the elements of a list.
    pub(crate) fn list(&mut self) -> Result<(Type, u64), Fault> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((Type::new(head & 0x0F)?, count))
    }

    pub(crate) fn integer(&mut self) -> Result<i64, Fault> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// An integer that may not be negative.
    pub(crate) fn size(&mut self) -> Result<u64, Fault> {
        u64::try_from(self.integer()?).or(Err(Fault::Broken))
    }

    pub(crate) fn skip(&mut self, kind: Type) -> Result<(), Fault> {
        match kind {
            Type::True | Type::False => Ok(()),
            Type::Byte => self.take(1).map(|_| ()),
            Type::Integer => self.varint().map(|_| ()),
            Type::Double => self.take(8).map(|_| ()),
            Type::Uuid => self.take(16).map(|_| ()),
            Type::Binary => {
                let len = self.varint()?;
                self.take(usize::try_from(len).or(Err(Fault::Broken))?).map(|_| ())
            }
            Type::Struct => self.fields(|compact, _, kind| compact.skip(kind)),
            Type::List => self.skip_list(),
            Type::Map => Err(Fault::Broken), // no struct that is read here has one
        }
    }

    fn skip_list(&mut self) -> Result<(), Fault> {
        let (kind, count) = self.list()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Broken);
        }
        for _ in 0..count {
            // Alone in a list, a truth value has a byte of its own.
            let kind = if matches!(kind, Type::True | Type::False) { Type::Byte } else { kind };
            self.skip(kind)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Broken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Fault::Short)?;
        self.bytes = rest;
        Ok(taken)
    }
}

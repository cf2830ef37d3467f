//! One array of numpy, of `[rows, width]` or `[contexts, context, width]`.
//!
//! The format: `\x93NUMPY`, two bytes of version, the length of the header (2 bytes in version 1, 4
//! after it), and a Python dictionary such as
//! `{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }`.

mod header;

use self::header::Header;
use super::input::shorten;
use super::project::{Kind, project};
use super::raw_columns::{FlatVectors, RawColumns, Value, shaped};
use super::{ForeignFile, Input, ReadOptions, half_dtype, integers};
use crate::error::{OpenError, Result};
use crate::format::dtype::DType;

/// The default name of the array's column.
const NAME: &str = "activations";
const MAGIC: &[u8] = b"\x93NUMPY";
/// Headers are some hundred bytes; an array of records may have more.
const MAX_HEADER: u64 = 1 << 20;

/// Opens an array. It has one column, under the requested name.
pub(super) fn open(input: &Input, options: &ReadOptions) -> Result<ForeignFile> {
    let (header, start) = read_header(input)?;
    let name = match &options.columns[..] {
        [name] => name.as_str(),
        _ => NAME,
    };
    let header = Header::parse(&header).ok_or_else(|| {
        let header = shorten(header.trim_end());
        input.damaged(format!("its header is `{header}`, which numpy does not write"))
    })?;
    let plain = header.check(input, name, options)?;
    if integers::named(input, options, plain.contexts.is_some())?.is_some() {
        return Err(OpenError::Options {
            path: input.path().to_owned(),
            problem: "an array has no columns of documents and positions".to_owned(),
            remedy: "leave out `--document` and `--position`".to_owned(),
        }
        .into());
    }
    let rows = plain.rows;
    let row_bytes = (plain.width * plain.value.bytes()) as u64;
    let expected = plain.rows.checked_mul(row_bytes).and_then(|bytes| bytes.checked_add(start));
    if expected != Some(input.bytes()) {
        let (found, shape) = (input.bytes(), &header.shape);
        return Err(
            input.damaged(format!("it has {found} bytes, which is not its shape {shape:?}"))
        );
    }
    let mut notes = vec![
        "it has no checksums, so changed bytes go unnoticed; `saekit convert-store` adds them"
            .to_owned(),
    ];
    let chosen =
        project(input, options, vec![(name.to_owned(), Kind::Vectors(plain))], &mut notes)?;
    let mut raw = RawColumns::new(input, options, chosen, Vec::new());
    raw.push(rows, &[start])?;
    raw.found(options, notes)
}

/// The header, and where the values begin.
fn read_header(input: &Input) -> Result<(String, u64)> {
    let prefix = input.read(0, 10)?;
    if !prefix.starts_with(MAGIC) {
        return Err(input.damaged("it does not begin as an array does"));
    }
    let (len, start) = match [prefix[6], prefix[7]] {
        [1, 0] => (u64::from(u16::from_le_bytes([prefix[8], prefix[9]])), 10),
        [2 | 3, 0] => {
            let mut len = [0; 4];
            input.read_into(8, &mut len)?;
            (u64::from(u32::from_le_bytes(len)), 12)
        }
        [version, minor] => {
            return Err(input.unsupported(format!("version {version}.{minor}"), "1.0, 2.0 or 3.0"));
        }
    };
    if len > MAX_HEADER {
        return Err(input.damaged(format!("its header would have {len} bytes")));
    }
    let header = input.read(start, len)?;
    Ok((String::from_utf8_lossy(&header).into_owned(), start + len))
}

impl Header {
    fn check(&self, input: &Input, name: &str, options: &ReadOptions) -> Result<FlatVectors> {
        if self.fortran_order {
            return Err(input.unsupported("an array in Fortran order", "C order"));
        }
        let value = match self.descr.as_str() {
            "<f2" => Value::As(DType::F16),
            "<f4" => Value::As(DType::F32),
            "<f8" => Value::F64,
            "<V2" | "|V2" | "<u2" | "<i2" => {
                let dtype = half_dtype::dtype(input, name, |_| None, options)?;
                if dtype.bytes() != 2 {
                    return Err(input.unsupported("values of two bytes", "f16 or bf16 for them"));
                }
                Value::As(dtype)
            }
            descr => {
                let found = format!("values of type `{descr}`");
                return Err(input.unsupported(found, "`<f2`, `<f4` or `<f8`"));
            }
        };
        shaped(&self.shape, value).ok_or_else(|| {
            let found = format!("an array of shape {:?}", self.shape);
            input.unsupported(found, "[rows, width] or [contexts, context, width], none of them 0")
        })
    }
}

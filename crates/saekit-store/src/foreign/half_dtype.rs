//! Plain bytes that are values of a dtype which their type does not say.

use std::path::Path;

use super::{Input, ReadOptions};
use crate::error::{OpenError, Result};
use crate::format::dtype::DType;
use crate::format::names::{BYTE_ORDER_KEY, DTYPE_KEY, LITTLE};

/// The dtype of `column`, which holds plain bytes: what the file's key-values `get` say, for the
/// column or for all, or else what `options` says.
pub(super) fn dtype<'a>(
    input: &Input,
    column: &str,
    get: impl Fn(&str) -> Option<&'a str>,
    options: &ReadOptions,
) -> Result<DType> {
    if let Some(order) = get(BYTE_ORDER_KEY).filter(|order| *order != LITTLE) {
        let found = format!("`{BYTE_ORDER_KEY}` {order} of column `{column}`");
        return Err(input.unsupported(found, LITTLE));
    }
    let own = get(&format!("{column}.{DTYPE_KEY}"));
    if let Some(name) = own.or_else(|| get(DTYPE_KEY)) {
        let Some(dtype) = parse(name) else {
            let found = format!("dtype `{name}` for column `{column}`");
            return Err(input.unsupported(found, "f16, bf16 or f32"));
        };
        return check(input.path(), column, dtype, options.dtype).map(|()| dtype);
    }
    // Only these are ever said of bytes without a type; an i8 row has its scale beside them.
    let given = options.dtype.filter(|dtype| *dtype != DType::I8);
    given.ok_or_else(|| {
        OpenError::UnknownDType { path: input.path().to_owned(), column: column.to_owned() }.into()
    })
}

/// Fails where the values of two bytes of `column` are `found`, but are said to be `given`.
pub(crate) fn check(path: &Path, column: &str, found: DType, given: Option<DType>) -> Result<()> {
    match given {
        Some(given) if given != found && found.bytes() == 2 => {
            let problem = format!("its column `{column}` is {found}, not {given}");
            let remedy = "leave out `--half-dtype`".to_owned();
            Err(OpenError::Options { path: path.to_owned(), problem, remedy }.into())
        }
        _ => Ok(()),
    }
}

fn parse(name: &str) -> Option<DType> {
    match name.strip_prefix("torch.").unwrap_or(name) {
        "f16" | "float16" => Some(DType::F16),
        "bf16" | "bfloat16" => Some(DType::BF16),
        "f32" | "float32" => Some(DType::F32),
        _ => None,
    }
}

//! Plain bytes that are values of a dtype which their type does not say.

use super::{Input, Mapping};
use crate::layout::DTYPE_KEY;
use crate::{DType, Error, Result};

/// The dtype of `column`, which holds plain bytes: what the file's key-values `get` say, for the
/// column or for all, or else what `mapping` says.
pub(super) fn dtype<'a>(
    input: &Input,
    column: &str,
    get: impl Fn(&str) -> Option<&'a str>,
    mapping: &Mapping,
) -> Result<DType> {
    let own = get(&format!("{column}.{DTYPE_KEY}"));
    if let Some(name) = own.or_else(|| get(DTYPE_KEY)) {
        return parse(name).ok_or_else(|| {
            let found = format!("dtype `{name}` for column `{column}`");
            input.unsupported(found, "f16, bf16 or f32")
        });
    }
    mapping.dtype.ok_or_else(|| Error::UnknownDType {
        path: input.path().to_owned(),
        column: column.to_owned(),
    })
}

fn parse(name: &str) -> Option<DType> {
    match name.strip_prefix("torch.").unwrap_or(name) {
        "f16" | "float16" => Some(DType::F16),
        "bf16" | "bfloat16" => Some(DType::BF16),
        "f32" | "float32" => Some(DType::F32),
        _ => None,
    }
}

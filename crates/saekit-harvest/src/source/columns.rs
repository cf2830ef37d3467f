//! Documents in a column of Arrow's: strings, bytes that are UTF-8, or lists of integers.

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use super::rows::Rows;
use crate::corpus::CorpusWriter;
use crate::error::{Error, Result};

/// Hands every row of `column` to `corpus`. Strings are not copied before that: views of the bytes that
/// were read cost nothing where one string stands in many rows.
pub(super) fn push(column: &ArrayRef, rows: Rows<'_>, corpus: &mut CorpusWriter<'_>) -> Result<()> {
    let cast_to = |to: &DataType| {
        cast(column, to).map_err(|error| Error::damaged(rows.path, &reason(&error)))
    };
    match scalar(column.data_type()) {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = cast_to(&DataType::Utf8View)?;
            let texts = texts.as_string_view();
            each(column, corpus, |i, corpus| corpus.text(rows.place(i), texts.value(i)))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let texts = cast_to(&DataType::BinaryView)?;
            let texts = texts.as_binary_view();
            each(column, corpus, |i, corpus| rows.bytes(i, texts.value(i), corpus))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if item.data_type().is_integer() =>
        {
            let lists = cast_to(&DataType::new_large_list(DataType::Int64, true))?;
            let lists = lists.as_list::<i64>();
            each(column, corpus, |i, corpus| {
                let ids = lists.value(i);
                let ids: &Int64Array = ids.as_primitive::<Int64Type>();
                if ids.null_count() > 0 {
                    return Err(rows.wrong_type(i, "a list with nulls"));
                }
                corpus.ids(rows.place(i), ids.values())
            })
        }
        other => Err(rows.wrong_type(0, &format!("a column of {}", named(other)))),
    }
}

/// The type of the values, whether or not they are dictionary-encoded.
fn scalar(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Calls `push` for every row that is not null, and counts the others.
fn each(
    column: &ArrayRef,
    corpus: &mut CorpusWriter<'_>,
    push: impl Fn(usize, &mut CorpusWriter<'_>) -> Result<()>,
) -> Result<()> {
    let nulls = column.logical_nulls();
    for i in 0..column.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(i)) {
            corpus.null()?;
        } else {
            push(i, corpus)?;
        }
    }
    Ok(())
}

/// A type in a few words: that of a nested column may be as long as a page.
fn named(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(_) => "structs; name a column of strings".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let item = named(item.data_type());
            format!("lists of {item}")
        }
        DataType::Map(..) => "maps".to_owned(),
        DataType::Union(..) => "unions".to_owned(),
        other => other.to_string(),
    }
}

/// The reason alone, without the name of the library's error.
pub(super) fn reason(error: &ArrowError) -> String {
    match error {
        ArrowError::IpcError(message) | ArrowError::ParseError(message) => message.clone(),
        other => other.to_string(),
    }
}

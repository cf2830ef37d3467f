//! The choice of the columns of a file that are read.

use super::{Input, ReadOptions};
use crate::error::{DamageError, Error, OpenError, Result};
use crate::format::manifest::in_words;

/// A column of a file, as far as its type tells.
pub(super) enum Kind<T> {
    /// Vectors.
    Vectors(T),
    /// Vectors, but not as they should be.
    Faulty(Error),
    /// Something else, in words.
    Other(String),
}

/// Vectors that may be chosen.
pub(super) trait Vectors {
    /// Number of vectors, and vectors per context if the column has contexts.
    fn rows(&self) -> (u64, Option<u64>);

    /// Bytes per row as returned.
    fn row_bytes(&self) -> usize;
}

/// The columns among `found` that `options` wants, which all have as many rows. Where it names none,
/// those that cannot be read are skipped with a note, unless that leaves nothing.
pub(super) fn project<T: Vectors>(
    input: &Input,
    options: &ReadOptions,
    found: Vec<(String, Kind<T>)>,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, T)>> {
    if options.columns.is_empty() { all(input, found, notes) } else { named(input, options, found) }
}

fn named<T: Vectors>(
    input: &Input,
    options: &ReadOptions,
    mut found: Vec<(String, Kind<T>)>,
) -> Result<Vec<(String, T)>> {
    let names: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
    let mut chosen: Vec<(String, T)> = Vec::new();
    for wanted in &options.columns {
        let Some(at) = found.iter().position(|(name, _)| name == wanted) else {
            return Err(missing(input, wanted, &names));
        };
        let (name, kind) = found.swap_remove(at);
        let column = match kind {
            Kind::Vectors(column) => column,
            Kind::Faulty(error) => return Err(error),
            Kind::Other(kind) => {
                let problem = format!("column `{name}` of type {kind}");
                return Err(input.unsupported(problem, "lists of f16, f32 or f64, or bytes"));
            }
        };
        if let Some((first, other)) = chosen.first().filter(|first| first.1.rows() != column.rows())
        {
            return Err(apart(input, (first, other), (&name, &column)));
        }
        chosen.push((name, column));
    }
    Ok(chosen)
}

/// The error for the lack of `wanted` among `names`.
pub(super) fn missing(input: &Input, wanted: &str, names: &[String]) -> Error {
    OpenError::MissingColumn {
        path: input.path().to_owned(),
        column: wanted.to_owned(),
        available: in_words(names.iter().map(String::as_str)),
    }
    .into()
}

fn apart<T: Vectors>(input: &Input, first: (&str, &T), second: (&str, &T)) -> Error {
    let shape = |(name, column): (&str, &T)| match column.rows() {
        (rows, None) => format!("{rows} rows in `{name}`"),
        (rows, Some(context)) => format!("{rows} rows in `{name}`, {context} a context"),
    };
    let found = format!("{}, and {}", shape(first), shape(second));
    input.unsupported(found, "as many in every column that is read")
}

/// Whether a column with this error may be one that nobody wants.
fn may_be_left_out(error: &Error) -> bool {
    matches!(
        error,
        Error::Damage(DamageError::Unsupported { .. })
            | Error::Open(OpenError::UnknownDType { .. })
    )
}

fn all<T: Vectors>(
    input: &Input,
    found: Vec<(String, Kind<T>)>,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, T)>> {
    let names: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
    let (mut chosen, mut faulty) = (Vec::new(), Vec::new());
    for (name, kind) in found {
        match kind {
            Kind::Vectors(column) => chosen.push((name, column)),
            Kind::Faulty(error) if may_be_left_out(&error) => faulty.push(error),
            Kind::Faulty(error) => return Err(error),
            Kind::Other(_) => {}
        }
    }
    let bytes = |column: &T| column.rows().0.saturating_mul(column.row_bytes() as u64);
    let Some(largest) = chosen.iter().map(|(_, column)| column).max_by_key(|c| bytes(c)) else {
        let available = in_words(names.iter().map(String::as_str));
        let none = || OpenError::NoActivations { path: input.path().to_owned(), available }.into();
        return Err(faulty.into_iter().next().unwrap_or_else(none));
    };
    let rows = largest.rows();
    notes.extend(faulty.into_iter().map(|error| format!("a column is left out: {error}")));
    chosen.retain(|(name, column)| {
        if column.rows() != rows {
            notes.push(format!("column `{name}` is left out: it has another number of rows"));
        }
        column.rows() == rows
    });
    Ok(chosen)
}

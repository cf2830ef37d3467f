//! The choice of the columns of a file that are read.

use super::contexts::Contexts;
use super::{Input, ReadOptions};
use crate::error::{DamageError, Error, OpenError, Result};
use crate::format::manifest::in_words;

/// A column of a file, as far as its type tells.
pub(super) enum Kind<T> {
    /// Vectors.
    Vectors(T),
    /// Vectors, but not as they should be.
    Faulty(Error),
    /// One number per row, as in a table with a column per dimension.
    Number,
    /// Something else, in words.
    Other(String),
}

/// Vectors that may be chosen.
pub(super) trait Vectors {
    /// Vectors of the column.
    fn rows(&self) -> u64;

    /// How they lie in contexts, where they do.
    fn contexts(&self) -> Option<&Contexts>;

    /// Whether `other` has as many rows, in the same contexts.
    fn fits(&self, other: &Self) -> bool {
        self.rows() == other.rows() && self.contexts() == other.contexts()
    }

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
    if options.columns.is_empty() {
        all(input, options, found, notes)
    } else {
        named(input, options, found)
    }
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
            Kind::Number => return Err(wide(input, &[name])),
            Kind::Other(kind) => {
                let problem = format!("column `{name}` of type {kind}");
                return Err(input.unsupported(problem, "lists of f16, f32 or f64, or bytes"));
            }
        };
        if let Some((first, other)) = chosen.first().filter(|first| !first.1.fits(&column)) {
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
    let shape = |(name, column): (&str, &T)| match (column.rows(), column.contexts()) {
        (rows, None) => format!("{rows} rows in `{name}`"),
        (rows, Some(contexts)) => {
            format!("{rows} rows in `{name}`, in {} contexts", contexts.count())
        }
    };
    let found = format!("{}, and {}", shape(first), shape(second));
    input.unsupported(found, "as many in every column that is read")
}

/// The error for a table in which `numbers` have a number per row each.
fn wide(input: &Input, numbers: &[String]) -> Error {
    let names = in_words(numbers.iter().map(String::as_str));
    let columns = if numbers.len() == 1 { "column" } else { "columns" };
    let (path, out) = (input.path().display(), input.path().with_extension("npy"));
    let read = match input.path().extension() {
        Some(ending) if ending.eq_ignore_ascii_case("parquet") => {
            "import pyarrow.parquet as pq; t = pq.read_table"
        }
        _ if input.begins_with(b"ARROW1") => "import pyarrow.feather as f; t = f.read_table",
        _ => "import pyarrow as pa; t = pa.ipc.open_stream",
    };
    let all = if read.ends_with("stream") { ".read_all()" } else { "" };
    OpenError::Options {
        path: input.path().to_owned(),
        problem: format!(
            "it has one number per row in {} {columns}, {names}, where a row should be one list in one column",
            numbers.len()
        ),
        remedy: format!(
            "make one array of them: python -c \"import numpy; {read}('{path}'){all}; numpy.save('{}', numpy.stack([c.to_numpy() for c in t.columns if str(c.type) in ('halffloat', 'float', 'double')], 1))\"",
            out.display()
        ),
    }
    .into()
}

/// Whether a column with this error may be one that nobody wants.
fn may_be_left_out(error: &Error) -> bool {
    matches!(
        error,
        Error::Damage(DamageError::Unsupported { .. })
            | Error::Open(OpenError::UnknownDType { .. } | OpenError::Options { .. })
    )
}

fn all<T: Vectors>(
    input: &Input,
    options: &ReadOptions,
    found: Vec<(String, Kind<T>)>,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, T)>> {
    let names: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
    let (mut chosen, mut faulty, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind) in found {
        match kind {
            Kind::Vectors(column) => chosen.push((name, column)),
            Kind::Faulty(error) if may_be_left_out(&error) => faulty.push(error),
            Kind::Faulty(error) => return Err(error),
            Kind::Number => numbers.push(name),
            Kind::Other(_) => {}
        }
    }
    let bytes = |column: &T| column.rows().saturating_mul(column.row_bytes() as u64);
    let Some(largest) = chosen.iter().map(|(_, column)| column).max_by_key(|c| bytes(c)) else {
        let available = in_words(names.iter().map(String::as_str));
        let none = || OpenError::NoActivations { path: input.path().to_owned(), available }.into();
        let wide = || if numbers.len() > 1 { wide(input, &numbers) } else { none() };
        return Err(faulty.into_iter().next().unwrap_or_else(wide));
    };
    let (rows, contexts) = (largest.rows(), largest.contexts().cloned());
    let mut left_out: Vec<_> = faulty.iter().map(ToString::to_string).collect();
    chosen.retain(|(name, column)| {
        let fits = column.rows() == rows && column.contexts() == contexts.as_ref();
        if !fits {
            left_out.push(format!("`{name}` has another number of rows"));
        }
        fits
    });
    if let Some(first) = left_out.first() {
        let more = match left_out.len() {
            1 => String::new(),
            count => format!("; and {} more", count - 1),
        };
        notes.push(format!("a column is left out: {first}{more}"));
    }
    let order = |name: &String| options.order.iter().position(|first| first == name);
    chosen.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
    Ok(chosen)
}

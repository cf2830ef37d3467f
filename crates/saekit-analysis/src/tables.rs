//! `features.parquet` and `examples.parquet`, as `docs/analysis-format.md` specifies them.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, ListArray, RecordBatch, StringArray, StructArray,
    UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use saekit_core::Error as CoreError;
use saekit_core::files::partial_path;

use crate::folds::{Cofiring, Example, Neighbour, TokenLogit, TokenMean};
use crate::{Error, Feature, Flag, Result};

pub(crate) const FEATURES: &str = "features.parquet";
pub(crate) const EXAMPLES: &str = "examples.parquet";
/// Rows after which a row group is written.
const GROUP: usize = 4096;

/// Both tables while they are written.
pub(crate) struct Tables {
    features: Table,
    examples: Table,
}

impl Tables {
    /// Begins both in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        Ok(Self {
            features: Table::create(&dir.join(FEATURES), feature_fields())?,
            examples: Table::create(&dir.join(EXAMPLES), example_fields())?,
        })
    }

    /// Appends `features`.
    pub(crate) fn push(&mut self, features: &[Feature]) -> Result<()> {
        let Self { features: one, examples: other } = self;
        let (one, other) = rayon::join(
            || one.push(feature_columns(features)),
            || other.push(example_columns(features)),
        );
        one.and(other)
    }

    /// Gives both their names.
    pub(crate) fn finish(self) -> Result<()> {
        self.features.finish()?;
        self.examples.finish()
    }
}

/// Numbers of a column, from what each row has of it.
fn column<A: FromIterator<T> + arrow::array::Array + 'static, R, T>(
    rows: &[R],
    value: impl Fn(&R) -> T,
) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<A>())
}

/// Rows of `features.parquet`.
fn feature_columns(rows: &[Feature]) -> Vec<ArrayRef> {
    let flags = |f: &Feature| Some(f.flags.iter().copied().map(Flag::name).collect::<Vec<_>>());
    let counts = |f: &Feature| Some(f.histogram.counts.clone());
    let top = |f: &Feature| f.tokens.as_ref().map(|tokens| tokens.top.clone());
    let promoted = |f: &Feature| f.logits.as_ref().map(|logits| logits.promoted.clone());
    let suppressed = |f: &Feature| f.logits.as_ref().map(|logits| logits.suppressed.clone());
    let numbers = |counts: &[u64]| column::<UInt64Array, _, _>(counts, |n| Some(*n));
    let texts = |texts: &[&'static str]| column::<StringArray, _, _>(texts, |text| Some(*text));
    vec![
        column::<UInt32Array, _, _>(rows, |f| Some(f.latent)),
        column::<Float64Array, _, _>(rows, |f| Some(f.legibility)),
        listed(rows, flags, texts),
        column::<UInt64Array, _, _>(rows, |f| Some(f.density.fires)),
        column::<Float64Array, _, _>(rows, |f| Some(f.density.density)),
        column::<Float32Array, _, _>(rows, |f| f.density.max),
        column::<Float32Array, _, _>(rows, |f| f.density.scale_end),
        column::<Float64Array, _, _>(rows, |f| f.density.mean),
        column::<Float64Array, _, _>(rows, |f| f.tokens.as_ref().and_then(|t| t.contextual)),
        column::<Float32Array, _, _>(rows, |f| Some(f.histogram.start)),
        column::<Float32Array, _, _>(rows, |f| Some(f.histogram.width)),
        listed(rows, counts, numbers),
        column::<UInt64Array, _, _>(rows, |f| Some(f.histogram.below)),
        column::<UInt64Array, _, _>(rows, |f| Some(f.histogram.above)),
        listed(rows, top, token_means),
        listed(rows, promoted, token_logits),
        listed(rows, suppressed, token_logits),
        listed(rows, |f| f.neighbours.clone(), neighbours),
        listed(rows, |f| Some(f.cofiring.clone()), cofiring),
    ]
}

fn token_means(list: &[TokenMean]) -> ArrayRef {
    records(
        &mean_type(),
        vec![
            column::<UInt32Array, _, _>(list, |top| Some(top.token)),
            column::<StringArray, _, _>(list, |top| Some(top.text.clone())),
            column::<Float64Array, _, _>(list, |top| Some(top.mean)),
            column::<UInt64Array, _, _>(list, |top| Some(top.fires)),
            column::<UInt64Array, _, _>(list, |top| Some(top.occurrences)),
        ],
    )
}

fn token_logits(list: &[TokenLogit]) -> ArrayRef {
    records(
        &logit_type(),
        vec![
            column::<UInt32Array, _, _>(list, |of| Some(of.token)),
            column::<StringArray, _, _>(list, |of| Some(of.text.clone())),
            column::<Float32Array, _, _>(list, |of| Some(of.logit)),
        ],
    )
}

fn neighbours(list: &[Neighbour]) -> ArrayRef {
    records(
        &neighbour_type(),
        vec![
            column::<UInt32Array, _, _>(list, |near| Some(near.latent)),
            column::<Float32Array, _, _>(list, |near| Some(near.cosine)),
        ],
    )
}

fn cofiring(list: &[Cofiring]) -> ArrayRef {
    records(
        &cofiring_type(),
        vec![
            column::<UInt32Array, _, _>(list, |other| Some(other.latent)),
            column::<UInt64Array, _, _>(list, |other| Some(other.rows)),
            column::<Float64Array, _, _>(list, |other| Some(other.jaccard)),
        ],
    )
}

/// Rows of `examples.parquet`.
fn example_columns(features: &[Feature]) -> Vec<ArrayRef> {
    let rows: Vec<_> = features.iter().flat_map(example_rows).collect();
    let number = |value: &dyn Fn(&Example) -> u32| {
        column::<UInt32Array, _, _>(&rows, |row| Some(value(row.3)))
    };
    let examples = || rows.iter().map(|row| row.3);
    let tokens: Vec<u32> = examples().flat_map(|e| e.tokens.iter().copied()).collect();
    let texts: Vec<&str> = examples().flat_map(|e| &e.texts).map(String::as_str).collect();
    let values: Vec<f32> = examples().flat_map(|e| e.values.iter().copied()).collect();
    let lists = |values: ArrayRef| lists(examples().map(|e| e.tokens.len()), values, None);
    vec![
        column::<UInt32Array, _, _>(&rows, |row| Some(row.0)),
        column::<StringArray, _, _>(&rows, |row| Some(row.1.clone())),
        column::<UInt32Array, _, _>(&rows, |row| Some(row.2)),
        number(&|example| example.sequence),
        number(&|example| example.position),
        column::<Float32Array, _, _>(&rows, |row| Some(row.3.value)),
        number(&|example| example.collapsed),
        number(&|example| example.start),
        number(&|example| example.at),
        lists(Arc::new(UInt32Array::from(tokens))),
        lists(Arc::new(StringArray::from(texts))),
        lists(Arc::new(Float32Array::from(values))),
    ]
}

/// Latent, group, rank within it, and the example itself.
fn example_rows(feature: &Feature) -> Vec<(u32, String, u32, &Example)> {
    let top = ("top".to_owned(), &feature.examples.top);
    let quantiles = feature.examples.quantiles.iter().enumerate();
    let quantiles = quantiles.map(|(i, quantile)| (format!("q{}", i + 1), &quantile.examples));
    let mut rows = Vec::new();
    for (group, examples) in std::iter::once(top).chain(quantiles) {
        let row = |(rank, example)| (feature.latent, group.clone(), rank, example);
        rows.extend((0..).zip(examples).map(row));
    }
    rows
}

/// A list for each row, or a null where there is none: `column` makes one column of all elements.
fn listed<T: Clone>(
    rows: &[Feature],
    list: impl Fn(&Feature) -> Option<Vec<T>>,
    column: impl Fn(&[T]) -> ArrayRef,
) -> ArrayRef {
    let found: Vec<Option<Vec<T>>> = rows.iter().map(list).collect();
    let nulls = found.iter().map(Option::is_some).collect::<NullBuffer>();
    let lengths: Vec<usize> = found.iter().map(|list| list.as_ref().map_or(0, Vec::len)).collect();
    let elements: Vec<T> = found.into_iter().flatten().flatten().collect();
    lists(lengths.into_iter(), column(&elements), Some(nulls))
}

/// Lists of the given lengths, of which `values` are all elements.
fn lists(
    lengths: impl Iterator<Item = usize>,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let item = Arc::new(required("element", values.data_type().clone()));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, nulls))
}

/// Records of the struct type `of`.
fn records(of: &DataType, columns: Vec<ArrayRef>) -> ArrayRef {
    let DataType::Struct(fields) = of else { unreachable!("records are structs") };
    Arc::new(StructArray::new(fields.clone(), columns, None))
}

/// A parquet file while it is written.
struct Table {
    path: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<BufWriter<File>>,
}

impl Table {
    fn create(path: &Path, fields: Vec<Field>) -> Result<Self> {
        let file = File::create(partial_path(path)).map_err(CoreError::io("write", path))?;
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_created_by(concat!("saekit ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let writer =
            ArrowWriter::try_new(BufWriter::new(file), Arc::clone(&schema), Some(properties))
                .map_err(failed(path))?;
        Ok(Self { path: path.to_owned(), schema, writer })
    }

    fn push(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| failed(&self.path)(error.into()))?;
        self.writer.write(&batch).map_err(failed(&self.path))
    }

    fn finish(self) -> Result<()> {
        let path = self.path;
        let out = self.writer.into_inner().map_err(failed(&path))?;
        let sync = || {
            out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(partial_path(&path), &path)
        };
        Ok(sync().map_err(CoreError::io("write", &path))?)
    }
}

fn failed(path: &Path) -> impl FnOnce(ParquetError) -> Error {
    let path = path.to_owned();
    move |source| Error::Table { path, source }
}

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn list(name: &str, item: DataType) -> Field {
    required(name, DataType::List(Arc::new(required("element", item))))
}

fn record(fields: &[(&str, DataType)]) -> DataType {
    let fields = fields.iter().map(|(name, data_type)| required(name, data_type.clone()));
    DataType::Struct(fields.collect::<Fields>())
}

fn mean_type() -> DataType {
    use DataType::{Float64, UInt32, UInt64, Utf8};
    let mean = [("mean", Float64), ("fires", UInt64), ("occurrences", UInt64)];
    record(&[[("token", UInt32), ("text", Utf8)].as_slice(), &mean].concat())
}

fn logit_type() -> DataType {
    use DataType::{Float32, UInt32, Utf8};
    record(&[("token", UInt32), ("text", Utf8), ("logit", Float32)])
}

fn neighbour_type() -> DataType {
    record(&[("latent", DataType::UInt32), ("cosine", DataType::Float32)])
}

fn cofiring_type() -> DataType {
    use DataType::{Float64, UInt32, UInt64};
    record(&[("latent", UInt32), ("rows", UInt64), ("jaccard", Float64)])
}

fn feature_fields() -> Vec<Field> {
    use DataType::{Float32, Float64, UInt32, UInt64, Utf8};
    vec![
        required("latent", UInt32),
        required("legibility", Float64),
        list("flags", Utf8),
        required("fires", UInt64),
        required("density", Float64),
        required("max", Float32).with_nullable(true),
        required("scale_end", Float32).with_nullable(true),
        required("mean", Float64).with_nullable(true),
        required("contextual", Float64).with_nullable(true),
        required("histogram_start", Float32),
        required("histogram_width", Float32),
        list("histogram_counts", UInt64),
        required("histogram_below", UInt64),
        required("histogram_above", UInt64),
        list("top_tokens", mean_type()).with_nullable(true),
        list("promoted", logit_type()).with_nullable(true),
        list("suppressed", logit_type()).with_nullable(true),
        list("neighbours", neighbour_type()).with_nullable(true),
        list("cofiring", cofiring_type()),
    ]
}

fn example_fields() -> Vec<Field> {
    use DataType::{Float32, UInt32, Utf8};
    vec![
        required("latent", UInt32),
        required("group", Utf8),
        required("rank", UInt32),
        required("sequence", UInt32),
        required("position", UInt32),
        required("value", Float32),
        required("collapsed", UInt32),
        required("start", UInt32),
        required("at", UInt32),
        list("tokens", UInt32),
        list("texts", Utf8),
        list("values", Float32),
    ]
}

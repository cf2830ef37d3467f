//! `features.parquet` and `examples.parquet`, as `docs/analysis-format.md` specifies them.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, ListArray, RecordBatch, StringArray, StructArray,
    UInt32Array, UInt64Array, new_empty_array,
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

const FEATURES: &str = "features.parquet";
const EXAMPLES: &str = "examples.parquet";
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

    /// Appends `feature`.
    pub(crate) fn push(&mut self, feature: &Feature) -> Result<()> {
        self.features.push(feature_columns(feature))?;
        self.examples.push(example_columns(feature))
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

/// One row of `features.parquet`.
fn feature_columns(feature: &Feature) -> Vec<ArrayRef> {
    let Feature { density, histogram, tokens, logits, .. } = feature;
    let one = &[feature];
    let flags: Vec<&str> = feature.flags.iter().copied().map(Flag::name).collect();
    let contextual = tokens.as_ref().and_then(|tokens| tokens.contextual);
    let listed = |list: Option<&[TokenLogit]>| single(list.map(token_logits), &logit_type());
    vec![
        column::<UInt32Array, _, _>(one, |f| Some(f.latent)),
        column::<Float64Array, _, _>(one, |f| Some(f.telling)),
        single(Some(column::<StringArray, _, _>(&flags, |flag| Some(*flag))), &DataType::Utf8),
        column::<UInt64Array, _, _>(one, |_| Some(density.fires)),
        column::<Float64Array, _, _>(one, |_| Some(density.density)),
        column::<Float32Array, _, _>(one, |_| density.max),
        column::<Float64Array, _, _>(one, |_| density.mean),
        column::<Float64Array, _, _>(one, |_| contextual),
        column::<Float32Array, _, _>(one, |_| Some(histogram.start)),
        column::<Float32Array, _, _>(one, |_| Some(histogram.width)),
        single(
            Some(column::<UInt64Array, _, _>(&histogram.counts, |n| Some(*n))),
            &DataType::UInt64,
        ),
        single(tokens.as_ref().map(|tokens| token_means(&tokens.top)), &mean_type()),
        listed(logits.as_ref().map(|logits| &*logits.promoted)),
        listed(logits.as_ref().map(|logits| &*logits.suppressed)),
        single(feature.neighbours.as_deref().map(neighbours), &neighbour_type()),
        single(Some(cofiring(&feature.cofiring)), &cofiring_type()),
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

/// The rows of `examples.parquet` of one latent.
fn example_columns(feature: &Feature) -> Vec<ArrayRef> {
    let rows = example_rows(feature);
    let number = |value: &dyn Fn(&Example) -> u32| {
        column::<UInt32Array, _, _>(&rows, |row| Some(value(row.2)))
    };
    let lengths = || rows.iter().map(|row| row.2.tokens.len());
    let examples = || rows.iter().map(|row| row.2);
    let tokens: Vec<u32> = examples().flat_map(|e| e.tokens.iter().copied()).collect();
    let texts: Vec<&str> = examples().flat_map(|e| &e.texts).map(String::as_str).collect();
    let values: Vec<f32> = examples().flat_map(|e| e.values.iter().copied()).collect();
    vec![
        number(&|_| feature.latent),
        column::<StringArray, _, _>(&rows, |row| Some(row.0.clone())),
        column::<UInt32Array, _, _>(&rows, |row| Some(row.1)),
        number(&|example| example.sequence),
        number(&|example| example.position),
        column::<Float32Array, _, _>(&rows, |row| Some(row.2.value)),
        number(&|example| example.collapsed),
        number(&|example| example.start),
        number(&|example| example.at),
        lists(lengths(), Arc::new(UInt32Array::from(tokens)), None),
        lists(lengths(), Arc::new(StringArray::from(texts)), None),
        lists(lengths(), Arc::new(Float32Array::from(values)), None),
    ]
}

/// Group, rank within it, and the example itself.
fn example_rows(feature: &Feature) -> Vec<(String, u32, &Example)> {
    let top = ("top".to_owned(), &feature.examples.top);
    let quantiles = feature.examples.quantiles.iter().enumerate();
    let quantiles = quantiles.map(|(i, quantile)| (format!("q{}", i + 1), &quantile.examples));
    let mut rows = Vec::new();
    for (group, examples) in std::iter::once(top).chain(quantiles) {
        rows.extend((0..).zip(examples).map(|(rank, example)| (group.clone(), rank, example)));
    }
    rows
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

/// One list, or one null.
fn single(values: Option<ArrayRef>, item: &DataType) -> ArrayRef {
    let nulls = NullBuffer::from(vec![values.is_some()]);
    let values = values.unwrap_or_else(|| new_empty_array(item));
    lists(std::iter::once(values.len()), values, Some(nulls))
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
        required("telling", Float64),
        list("flags", Utf8),
        required("fires", UInt64),
        required("density", Float64),
        required("max", Float32).with_nullable(true),
        required("mean", Float64).with_nullable(true),
        required("contextual", Float64).with_nullable(true),
        required("histogram_start", Float32),
        required("histogram_width", Float32),
        list("histogram_counts", UInt64),
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

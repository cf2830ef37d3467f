//! `features.parquet` and `examples.parquet`, as `docs/analysis-format.md` specifies them.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use saekit_core::Error as CoreError;
use saekit_core::files::partial_path;
use serde::Serialize;

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
        self.features.push(&[FeatureRow::of(feature)])?;
        self.examples.push(&example_rows(feature))
    }

    /// Gives both their names.
    pub(crate) fn finish(self) -> Result<()> {
        self.features.finish()?;
        self.examples.finish()
    }
}

/// A row of `features.parquet`.
#[derive(Serialize)]
struct FeatureRow<'a> {
    latent: u32,
    telling: f64,
    flags: Vec<&'static str>,
    fires: u64,
    density: f64,
    max: Option<f32>,
    mean: Option<f64>,
    contextual: Option<f64>,
    histogram_start: f32,
    histogram_width: f32,
    histogram_counts: &'a [u64],
    top_tokens: Option<&'a [TokenMean]>,
    promoted: Option<&'a [TokenLogit]>,
    suppressed: Option<&'a [TokenLogit]>,
    neighbours: Option<&'a [Neighbour]>,
    cofiring: &'a [Cofiring],
}

impl<'a> FeatureRow<'a> {
    fn of(feature: &'a Feature) -> Self {
        let Feature { density, histogram, tokens, logits, .. } = feature;
        Self {
            latent: feature.latent,
            telling: feature.telling,
            flags: feature.flags.iter().copied().map(Flag::name).collect(),
            fires: density.fires,
            density: density.density,
            max: density.max,
            mean: density.mean,
            contextual: tokens.as_ref().and_then(|tokens| tokens.contextual),
            histogram_start: histogram.start,
            histogram_width: histogram.width,
            histogram_counts: &histogram.counts,
            top_tokens: tokens.as_ref().map(|tokens| &*tokens.top),
            promoted: logits.as_ref().map(|logits| &*logits.promoted),
            suppressed: logits.as_ref().map(|logits| &*logits.suppressed),
            neighbours: feature.neighbours.as_deref(),
            cofiring: &feature.cofiring,
        }
    }
}

/// A row of `examples.parquet`.
#[derive(Serialize)]
struct ExampleRow<'a> {
    latent: u32,
    group: String,
    rank: u32,
    #[serde(flatten)]
    example: &'a Example,
}

fn example_rows(feature: &Feature) -> Vec<ExampleRow<'_>> {
    let latent = feature.latent;
    let row = |(group, rank, example)| ExampleRow { latent, group, rank, example };
    let top = ("top".to_owned(), &feature.examples.top);
    let quantiles = feature.examples.quantiles.iter().enumerate();
    let quantiles = quantiles.map(|(i, quantile)| (format!("q{}", i + 1), &quantile.examples));
    let mut rows = Vec::new();
    for (group, examples) in std::iter::once(top).chain(quantiles) {
        rows.extend((0..).zip(examples).map(|(rank, example)| row((group.clone(), rank, example))));
    }
    rows
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

    fn push<T: Serialize>(&mut self, rows: &[T]) -> Result<()> {
        let batch = || {
            let mut decoder = ReaderBuilder::new(Arc::clone(&self.schema))
                .with_batch_size(rows.len().max(1))
                .build_decoder()?;
            decoder.serialize(rows)?;
            decoder.flush()
        };
        let batch = batch().map_err(|error: ArrowError| failed(&self.path)(error.into()))?;
        match batch {
            Some(batch) => self.writer.write(&batch).map_err(failed(&self.path)),
            None => Ok(()),
        }
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

fn records(name: &str, fields: &[(&str, DataType)]) -> Field {
    let fields = fields.iter().map(|(name, data_type)| required(name, data_type.clone()));
    list(name, DataType::Struct(fields.collect::<Fields>()))
}

fn feature_fields() -> Vec<Field> {
    use DataType::{Float32, Float64, UInt32, UInt64, Utf8};
    let token = [("token", UInt32), ("text", Utf8)];
    let logit = [token[0].clone(), token[1].clone(), ("logit", Float32)];
    let [id, text] = token;
    let mean = [id, text, ("mean", Float64), ("fires", UInt64), ("occurrences", UInt64)];
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
        records("top_tokens", &mean).with_nullable(true),
        records("promoted", &logit).with_nullable(true),
        records("suppressed", &logit).with_nullable(true),
        records("neighbours", &[("latent", UInt32), ("cosine", Float32)]).with_nullable(true),
        records("cofiring", &[("latent", UInt32), ("rows", UInt64), ("jaccard", Float64)]),
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

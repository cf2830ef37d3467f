//! One shard's file: the rows of a buffer, written in a random order.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use saekit_core::files::{HashingWriter, write_atomic};

use crate::error::Result;
use crate::format::manifest::{Manifest, ShardInfo};
use crate::format::names::{BYTE_ORDER_KEY, DTYPE_KEY, LITTLE, POSITION, SEQUENCE};
use crate::format::spec::StoreSpec;
use crate::parquet::errors::into_io;
use crate::parquet::page_writer::ChunkWriter;
use crate::write::shard_buffer::ShardBuffer;

/// The schema and settings of every shard of a store.
#[derive(Debug)]
pub(crate) struct ShardFormat {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    row_group_rows: usize,
}

impl ShardFormat {
    pub(crate) fn new(spec: &StoreSpec) -> Self {
        let activations = spec.columns.iter().map(|column| {
            primitive(
                Type::primitive_type_builder(
                    column.name.as_str(),
                    PhysicalType::FIXED_LEN_BYTE_ARRAY,
                )
                .with_length(spec.dtype.parquet_bytes(column.width).expect("the spec was checked")),
            )
        });
        let token = |name| {
            primitive(
                Type::primitive_type_builder(name, PhysicalType::INT32)
                    .with_logical_type(Some(LogicalType::integer(32, false))),
            )
        };
        let tokens = [SEQUENCE, POSITION].into_iter().filter(|_| spec.has_tokens).map(token);
        let schema = Type::group_type_builder("schema")
            .with_fields(activations.chain(tokens).collect())
            .build()
            .expect("a group of checked columns");
        Self {
            schema: Arc::new(schema),
            properties: Arc::new(properties(spec)),
            row_group_rows: spec.row_group_rows(),
        }
    }

    /// Writes the rows of `buffer` to `dir/file`, row `order[i]` as row `i`.
    pub(crate) fn write(
        &self,
        dir: &Path,
        file: String,
        buffer: &ShardBuffer,
        order: &[u32],
    ) -> Result<ShardInfo> {
        let mut written = None;
        write_atomic(&dir.join(&file), |out| {
            let hashing = self.write_to(HashingWriter::new(out), buffer, order).map_err(into_io)?;
            let (_, sha256, bytes) = hashing.finish();
            written = Some((sha256, bytes));
            Ok(())
        })?;
        let (sha256, bytes) = written.expect("set where writing succeeds");
        Ok(ShardInfo { file, rows: order.len() as u64, bytes, sha256 })
    }

    fn write_to<W: io::Write + Send>(
        &self,
        out: W,
        buffer: &ShardBuffer,
        order: &[u32],
    ) -> ParquetResult<W> {
        let (schema, properties) = (Arc::clone(&self.schema), Arc::clone(&self.properties));
        let mut writer = SerializedFileWriter::new(out, schema, properties)?;
        let columns = SchemaDescriptor::new(Arc::clone(&self.schema));
        let mut chunk = ChunkWriter::new();
        for rows in order.chunks(self.row_group_rows) {
            let mut group = writer.next_row_group()?;
            for (index, column) in columns.columns().iter().enumerate() {
                buffer.gather(index, rows, &mut chunk)?;
                chunk.append(&mut group, column)?;
            }
            group.close()?;
        }
        writer.into_inner()
    }
}

fn primitive(builder: parquet::schema::types::PrimitiveTypeBuilder<'_>) -> TypePtr {
    Arc::new(
        builder.with_repetition(Repetition::REQUIRED).build().expect("a column of a checked spec"),
    )
}

fn properties(spec: &StoreSpec) -> WriterProperties {
    let columns: Vec<_> = spec
        .columns
        .iter()
        .map(|c| serde_json::json!({ "name": c.name, "width": c.width, "dtype": spec.dtype }))
        .collect();
    let mut keys = vec![
        (DTYPE_KEY, spec.dtype.name().to_owned()),
        (BYTE_ORDER_KEY, LITTLE.to_owned()),
        ("format", Manifest::FORMAT.to_owned()),
        ("version", Manifest::VERSION.to_string()),
        ("columns", serde_json::Value::from(columns).to_string()),
    ];
    if let Some(model) = &spec.model {
        keys.push(("model", model.name.clone()));
        keys.push(("model_sha256", model.sha256.clone()));
    }
    WriterProperties::builder()
        .set_created_by(concat!("saekit ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(
            keys.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect(),
        ))
        .build()
}

//! Shards and tables as another writer might make them, put in the place of a store's own.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a part of a test")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType, Int32Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// A shard with one column of two f32 a row, sequence and position 0, all PLAIN, and no faults.
pub struct Foreign {
    pub name: &'static str,
    pub rows: Vec<[f32; 2]>,
    pub repetition: Repetition,
    pub dictionary: bool,
    pub compression: Compression,
    pub version: WriterVersion,
    pub keys: Vec<(&'static str, &'static str)>,
    pub position: PhysicalType,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            name: "h",
            rows: vec![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
            repetition: Repetition::REQUIRED,
            dictionary: false,
            compression: Compression::UNCOMPRESSED,
            version: WriterVersion::PARQUET_1_0,
            keys: vec![("dtype", "f32"), ("byte_order", "little")],
            position: PhysicalType::INT32,
        }
    }
}

impl Foreign {
    fn schema(&self) -> Arc<Type> {
        let field = |builder: parquet::schema::types::PrimitiveTypeBuilder<'_>, repetition| {
            Arc::new(builder.with_repetition(repetition).build().unwrap())
        };
        let activations =
            Type::primitive_type_builder(self.name, PhysicalType::FIXED_LEN_BYTE_ARRAY);
        let sequence = Type::primitive_type_builder("sequence", PhysicalType::INT32);
        let position = Type::primitive_type_builder("position", self.position);
        let fields = vec![
            field(activations.with_length(8), self.repetition),
            field(sequence, Repetition::REQUIRED),
            field(position, Repetition::REQUIRED),
        ];
        Arc::new(Type::group_type_builder("schema").with_fields(fields).build().unwrap())
    }

    fn write(&self, path: &Path) {
        let keys = self.keys.iter().map(|(k, v)| KeyValue::new((*k).to_owned(), (*v).to_owned()));
        let properties = WriterProperties::builder()
            .set_key_value_metadata(Some(keys.collect()))
            .set_dictionary_enabled(self.dictionary)
            .set_compression(self.compression)
            .set_writer_version(self.version)
            .set_encoding(parquet::basic::Encoding::PLAIN)
            .build();
        let file = File::create(path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, self.schema(), Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let bytes = |row: &[f32; 2]| ByteArray::from(row.map(f32::to_le_bytes).concat());
        let values: Vec<FixedLenByteArray> =
            self.rows.iter().map(|row| bytes(row).into()).collect();
        let levels = vec![1; values.len()];
        let levels = Some(&levels[..]).filter(|_| self.repetition != Repetition::REQUIRED);
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<FixedLenByteArrayType>().write_batch(&values, levels, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let zeros = vec![0; self.rows.len()];
        column.typed::<Int32Type>().write_batch(&zeros, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        if self.position == PhysicalType::INT32 {
            column.typed::<Int32Type>().write_batch(&zeros, None, None).unwrap();
        } else {
            let zeros = vec![0.0; self.rows.len()];
            column
                .typed::<parquet::data_type::DoubleType>()
                .write_batch(&zeros, None, None)
                .unwrap();
        }
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    /// Puts this shard in the place of the first of the store in `dir`.
    pub fn replace(&self, dir: &Path) {
        self.write(&dir.join("shards/shard-00000.parquet"));
        refresh(dir);
    }
}

/// Edits the manifest of the store in `dir`.
pub fn edit(dir: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).unwrap();
}

/// Makes sizes and hashes in the manifest those of the files.
pub fn refresh(dir: &Path) {
    edit(dir, |manifest| {
        let (mut shards, tokens) = (manifest["shards"].take(), manifest["tokens"].take());
        let entries = shards.as_array_mut().unwrap().iter_mut();
        let mut tokens = [tokens];
        for entry in entries.chain(tokens.iter_mut().filter(|tokens| tokens.is_object())) {
            let bytes = fs::read(dir.join(entry["file"].as_str().unwrap())).unwrap();
            entry["bytes"] = bytes.len().into();
            entry["sha256"] = saekit_core::files::sha256(&bytes).into();
        }
        manifest["shards"] = shards;
        [manifest["tokens"]] = tokens;
    });
}

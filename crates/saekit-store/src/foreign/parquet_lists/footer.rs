//! The footer of a parquet file, and the columns that it describes.

use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::ColumnDescriptor;

use super::super::Input;
use super::super::integers::Integer;
use super::chunk::Chunk;
use super::codec::Codec;
use crate::error::Result;
use crate::parquet::thrift::{Compact, Type};

const MAGIC: &[u8] = b"PAR1";
const ENCRYPTED: &[u8] = b"PARE";
/// Footers have some kilobytes per row group and column.
const MAX_FOOTER: u64 = 256 << 20;

/// Reads the footer of a file. The parquet crate takes memory for as many things as a list says it
/// has, so that they are counted first.
pub(super) fn read(input: &Input) -> Result<ParquetMetaData> {
    let mut head = [0; 4];
    input.read_into(0, &mut head)?;
    let mut end = [0; 8];
    input.read_into(input.bytes().saturating_sub(8), &mut end)?;
    let (len, magic) = end.split_at(4);
    if head == ENCRYPTED || magic == ENCRYPTED {
        return Err(input.unsupported("an encrypted footer", "no encryption"));
    }
    if head != MAGIC || magic != MAGIC {
        let problem = "it does not begin and end as one; was it truncated?";
        return Err(input.damaged(problem));
    }
    let len = len.iter().rev().fold(0, |len, byte| len << 8 | u64::from(*byte));
    // The marks at both ends are four bytes each, and the length as many.
    let Some(start) = input.bytes().checked_sub(len + 8).filter(|start| *start >= 4) else {
        return Err(input.damaged(format!("its footer would have {len} bytes")));
    };
    if len > MAX_FOOTER {
        return Err(input.damaged(format!("its footer would have {len} bytes")));
    }
    let footer = input.read(start, len)?;
    if Compact::new(&footer).skip(Type::Struct).is_err() {
        return Err(input.damaged("its footer is not whole"));
    }
    ParquetMetaDataReader::decode_metadata(&footer)
        .map_err(|error| input.damaged(format!("its footer: {error}")))
}

/// The type of the only leaf of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    F16,
    F32,
    F64,
    /// Plain bytes, as many per value.
    Bytes(usize),
    /// As many bytes that stand for something else, such as a UUID.
    Fixed(usize),
    /// A text or bytes of any length.
    Text,
    /// A whole number, and the bits of its own type, which may be fewer than those it is stored in.
    Integer(Integer, u8),
}

/// A column of the file that has only one leaf.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type, in words.
    pub(super) kind: String,
    /// Number of the leaf, where it is one that can be read.
    pub(super) leaf: Option<(usize, Leaf)>,
    /// Largest repetition level.
    pub(super) lists: u32,
    /// Largest definition level.
    pub(super) nullable: u32,
    /// Whether it has the struct that Spark makes of a vector.
    pub(super) is_spark: bool,
}

/// The fields of a vector of Spark.
const SPARK: [&str; 4] = ["type", "size", "indices", "values"];

/// The columns of a file, each with its leaf.
pub(super) fn fields(metadata: &ParquetMetaData) -> Vec<Field> {
    let schema = metadata.file_metadata().schema_descr();
    let roots: Vec<_> =
        (0..schema.num_columns()).map(|leaf| schema.get_column_root_idx(leaf)).collect();
    let roots = &roots;
    let field = |(root, tree): (usize, &parquet::schema::types::TypePtr)| {
        let mut leaves = (0..roots.len()).filter(|leaf| roots[*leaf] == root);
        let (first, more) = (leaves.next(), leaves.next());
        let only = first.filter(|_| more.is_none());
        let column = only.map(|only| schema.column(only));
        Field {
            name: tree.name().to_owned(),
            kind: column.as_ref().map_or_else(|| "group".to_owned(), |column| in_words(column)),
            leaf: column
                .as_ref()
                .and_then(|column| Leaf::new(column))
                .and_then(|leaf| only.map(|only| (only, leaf))),
            lists: column.as_ref().map_or(0, |column| level(column.max_rep_level())),
            nullable: column.as_ref().map_or(0, |column| level(column.max_def_level())),
            is_spark: tree.is_group()
                && tree.get_fields().iter().map(|field| field.name()).eq(SPARK),
        }
    };
    schema.root_schema().get_fields().iter().enumerate().map(field).collect()
}

fn level(level: i16) -> u32 {
    u32::try_from(level).unwrap_or_default()
}

fn in_words(column: &ColumnDescriptor) -> String {
    let list = "list of ".repeat(level(column.max_rep_level()) as usize);
    match column.logical_type_ref() {
        Some(logical) => format!("{list}{} ({logical:?})", column.physical_type()),
        None => format!("{list}{}", column.physical_type()),
    }
}

impl Leaf {
    fn new(column: &ColumnDescriptor) -> Option<Self> {
        let logical = column.logical_type_ref();
        match (column.physical_type(), logical) {
            (PhysicalType::FLOAT, _) => Some(Self::F32),
            (PhysicalType::DOUBLE, _) => Some(Self::F64),
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)) => {
                (column.type_length() == 2).then_some(Self::F16)
            }
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, None) => {
                let bytes = usize::try_from(column.type_length()).ok()?;
                (bytes > 0).then_some(Self::Bytes(bytes))
            }
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, Some(_)) => {
                usize::try_from(column.type_length()).ok().filter(|n| *n > 0).map(Self::Fixed)
            }
            (PhysicalType::BYTE_ARRAY, _) => Some(Self::Text),
            (PhysicalType::INT32 | PhysicalType::INT64, _) => Some(Self::integer(column)),
            _ => None,
        }
    }

    fn integer(column: &ColumnDescriptor) -> Self {
        let is_small = column.physical_type() == PhysicalType::INT32;
        let (bits, is_signed) = match column.logical_type_ref() {
            Some(LogicalType::Integer(integer)) => {
                (u8::try_from(integer.bit_width).unwrap_or(64), integer.is_signed)
            }
            _ => (if is_small { 32 } else { 64 }, true),
        };
        let integer = match (is_small, is_signed) {
            (true, true) => Integer::I32,
            (true, false) => Integer::U32,
            (false, true) => Integer::I64,
            (false, false) => Integer::U64,
        };
        Self::Integer(integer, bits)
    }
}

impl Chunk {
    /// The chunk that `column` describes, with `first_row` rows of the file before it. Fails where
    /// it cannot lie in the file.
    pub(super) fn new(
        input: &Input,
        name: &str,
        column: &ColumnChunkMetaData,
        first_row: u64,
    ) -> Result<Self> {
        if column.file_path().is_some() {
            let found = format!("column `{name}` in another file");
            return Err(input.unsupported(found, "all of its columns in it"));
        }
        let absurd = || input.damaged(format!("its footer puts column `{name}` outside of it"));
        let data = u64::try_from(column.data_page_offset()).ok();
        let dictionary = column.dictionary_page_offset().and_then(|at| u64::try_from(at).ok());
        let dictionary = dictionary.filter(|at| *at > 0);
        let start = data.map(|data| dictionary.unwrap_or(data).min(data)).ok_or_else(absurd)?;
        let len = u64::try_from(column.compressed_size()).ok();
        let end = len.and_then(|len| start.checked_add(len)).ok_or_else(absurd)?;
        let values = u64::try_from(column.num_values()).ok().filter(|values| *values < 1 << 60);
        let values = values.ok_or_else(absurd)?;
        if end > input.bytes() || start < MAGIC.len() as u64 && values > 0 {
            return Err(absurd());
        }
        let codec = Codec::new(column.compression()).ok_or_else(|| {
            let found = format!("{} of column `{name}`", column.compression());
            input.unsupported(found, Codec::EXPECTED)
        })?;
        let index = column.offset_index_offset().and_then(|at| u64::try_from(at).ok());
        let index_len = column.offset_index_length().and_then(|len| u64::try_from(len).ok());
        let index = index.zip(index_len).map(|(at, len)| [at, len]);
        let (starts, bytes) = (Vec::new(), [start, end]);
        Ok(Self { codec, bytes, values, first_row, index, starts, dictionary: None })
    }
}

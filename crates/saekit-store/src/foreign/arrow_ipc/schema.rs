//! The columns of a file, and which of the buffers of a record batch are theirs.

use arrow::ipc;

use super::super::Input;
use super::super::integers::Integer;
use super::super::raw_columns;
use super::super::tensors::{self, Tensor};
use super::messages::Head;
use crate::error::Result;
use crate::format::dtype::DType;

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type, in words.
    pub(super) kind: String,
    /// Its values, where they are numbers or lists of numbers.
    pub(super) leaf: Option<Leaf>,
    /// What its texts or plain bytes are, where it has one per row.
    pub(super) text: Option<Text>,
    /// Where its values are keys of a dictionary.
    pub(super) dictionary: Option<Key>,
    /// What a list is, where it is a tensor; or what is wrong with that.
    pub(super) tensor: Option<Result<Tensor, String>>,
    /// Its share of the nodes and buffers of a record batch.
    pub(super) parts: Parts,
}

/// Keys of a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The dictionary.
    pub(super) id: i64,
    /// A key.
    pub(super) integer: Integer,
    /// How the values of the dictionary lie.
    pub(super) text: Text,
}

/// How texts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// As many bytes each.
    Fixed(u64),
    /// From offsets of 4 bytes.
    Small,
    /// From offsets of 8 bytes.
    Large,
    /// In views.
    View,
}

/// The numbers of a column, in no, one or two levels of lists.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The outermost first.
    pub(super) lists: Vec<List>,
    pub(super) value: Value,
}

/// The lengths of the lists of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// All as long, by the type.
    Fixed(u64),
    /// From offsets of 4 bytes.
    Small,
    /// From offsets of 8 bytes.
    Large,
}

/// The type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Float(raw_columns::Value),
    Integer(Integer),
    /// Plain bytes, as many.
    Bytes(usize),
}

/// How many nodes, buffers and counts of further buffers something takes of a record batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) nodes: usize,
    pub(super) buffers: usize,
    pub(super) views: usize,
}

/// Key-values of a schema.
pub(super) type Keys = Vec<(String, String)>;

/// The columns and the key-values of the schema.
pub(super) fn read(input: &Input, head: &Head) -> Result<(Vec<Field>, Keys)> {
    let (schema, version) = head.schema(input)?;
    let Some(schema) = schema else { return Err(input.damaged("it has no schema")) };
    if schema.endianness() != ipc::Endianness::Little {
        return Err(input.unsupported("big-endian values", "little-endian values"));
    }
    if version < ipc::MetadataVersion::V4 {
        return Err(input.unsupported("metadata before version 4", "version 4 or 5"));
    }
    let Some(fields) = schema.fields() else { return Err(input.damaged("its schema is empty")) };
    let keys = schema.custom_metadata().into_iter().flatten();
    let keys = keys.map(|key| (key.key().unwrap_or_default(), key.value().unwrap_or_default()));
    let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Ok((fields.iter().map(|field| Field::new(&field)).collect(), keys))
}

impl Field {
    fn new(field: &ipc::Field<'_>) -> Self {
        let name = field.name().unwrap_or_default().to_owned();
        let (leaf, parts) = (Leaf::new(field), Parts::of(field));
        let text = Text::of(field).filter(|_| field.dictionary().is_none());
        let (kind, dictionary) = (in_words(field), Key::of(field));
        Self { name, kind, leaf, text, dictionary, tensor: tensor(field), parts }
    }
}

/// The tensor that lists of `field` are, if they are one.
pub(in super::super) fn tensor(field: &ipc::Field<'_>) -> Option<Result<Tensor, String>> {
    let get = |wanted: &str| {
        let entry = field.custom_metadata()?.iter().find(|entry| entry.key() == Some(wanted))?;
        entry.value()
    };
    (get(tensors::NAME_KEY)? == tensors::NAME)
        .then(|| Tensor::new(get(tensors::METADATA_KEY).unwrap_or_default()))
}

impl Leaf {
    fn new(field: &ipc::Field<'_>) -> Option<Self> {
        let (mut lists, mut field) = (Vec::new(), *field);
        while let Some(list) = List::of(&field) {
            lists.push(list);
            field = only_child(&field)?;
        }
        let value = Value::of(&field).filter(|_| field.dictionary().is_none() && lists.len() <= 2);
        value.map(|value| Self { lists, value })
    }
}

fn only_child<'a>(field: &ipc::Field<'a>) -> Option<ipc::Field<'a>> {
    field.children().filter(|children| children.len() == 1).map(|children| children.get(0))
}

impl List {
    fn of(field: &ipc::Field<'_>) -> Option<Self> {
        match field.type_type() {
            ipc::Type::List => Some(Self::Small),
            ipc::Type::LargeList => Some(Self::Large),
            ipc::Type::FixedSizeList => {
                let len = field.type_as_fixed_size_list()?.listSize();
                u64::try_from(len).ok().filter(|len| *len > 0).map(Self::Fixed)
            }
            _ => None,
        }
    }
}

impl Key {
    fn of(field: &ipc::Field<'_>) -> Option<Self> {
        let (dictionary, text) = (field.dictionary()?, Text::of(field)?);
        let integer = match dictionary.indexType() {
            Some(int) => Integer::new(int.bitWidth(), int.is_signed())?,
            None => Integer::I32,
        };
        Some(Self { id: dictionary.id(), integer, text })
    }

    /// A dictionary as a column of its own.
    pub(super) fn values(self, name: &str) -> Field {
        let views = usize::from(self.text == Text::View);
        let buffers = if matches!(self.text, Text::Small | Text::Large) { 3 } else { 2 };
        Field {
            name: name.to_owned(),
            kind: "dictionary".to_owned(),
            leaf: None,
            text: Some(self.text),
            dictionary: None,
            tensor: None,
            parts: Parts { nodes: 1, buffers, views },
        }
    }
}

impl Text {
    fn of(field: &ipc::Field<'_>) -> Option<Self> {
        match field.type_type() {
            ipc::Type::Utf8 | ipc::Type::Binary => Some(Self::Small),
            ipc::Type::LargeUtf8 | ipc::Type::LargeBinary => Some(Self::Large),
            ipc::Type::Utf8View | ipc::Type::BinaryView => Some(Self::View),
            ipc::Type::FixedSizeBinary => {
                let bytes = field.type_as_fixed_size_binary()?.byteWidth();
                u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(Self::Fixed)
            }
            _ => None,
        }
    }
}

impl Value {
    /// Bytes of it.
    pub(super) fn bytes(self) -> u64 {
        let bytes = match self {
            Self::Float(value) => value.bytes(),
            Self::Integer(integer) => integer.bytes(),
            Self::Bytes(bytes) => bytes,
        };
        bytes as u64
    }

    fn of(field: &ipc::Field<'_>) -> Option<Self> {
        match field.type_type() {
            ipc::Type::FloatingPoint => match field.type_as_floating_point()?.precision() {
                ipc::Precision::HALF => Some(Self::Float(DType::F16.into())),
                ipc::Precision::SINGLE => Some(Self::Float(DType::F32.into())),
                ipc::Precision::DOUBLE => Some(Self::Float(raw_columns::Value::F64)),
                _ => None,
            },
            ipc::Type::Int => {
                let int = field.type_as_int()?;
                Integer::new(int.bitWidth(), int.is_signed()).map(Self::Integer)
            }
            ipc::Type::FixedSizeBinary => {
                usize::try_from(field.type_as_fixed_size_binary()?.byteWidth())
                    .ok()
                    .map(Self::Bytes)
            }
            _ => None,
        }
    }
}

impl Parts {
    fn of(field: &ipc::Field<'_>) -> Self {
        let (buffers, views) = own_buffers(field);
        let mut parts = Self { nodes: 1, buffers, views };
        if field.dictionary().is_none() {
            for child in field.children().into_iter().flatten() {
                parts.add(Self::of(&child));
            }
        }
        parts
    }

    /// Goes on by `other`.
    pub(super) fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.buffers += other.buffers;
        self.views += other.views;
    }
}

/// Buffers of the node of `field` itself, and how often it may have more of them.
fn own_buffers(field: &ipc::Field<'_>) -> (usize, usize) {
    if field.dictionary().is_some() {
        return (2, 0);
    }
    match field.type_type() {
        ipc::Type::Null | ipc::Type::RunEndEncoded => (0, 0),
        ipc::Type::FixedSizeList | ipc::Type::Struct_ => (1, 0),
        ipc::Type::Union => {
            let is_dense = field.type_as_union().is_some_and(|u| u.mode() == ipc::UnionMode::Dense);
            (1 + usize::from(is_dense), 0)
        }
        ipc::Type::Binary
        | ipc::Type::LargeBinary
        | ipc::Type::Utf8
        | ipc::Type::LargeUtf8
        | ipc::Type::ListView
        | ipc::Type::LargeListView => (3, 0),
        ipc::Type::BinaryView | ipc::Type::Utf8View => (2, 1),
        _ => (2, 0),
    }
}

fn in_words(field: &ipc::Field<'_>) -> String {
    let own = field.type_type().variant_name().unwrap_or("unknown");
    let own =
        if field.dictionary().is_some() { format!("dictionary of {own}") } else { own.to_owned() };
    match field.children().filter(|children| children.len() == 1) {
        Some(children) => format!("{own} of {}", in_words(&children.get(0))),
        None => own,
    }
}

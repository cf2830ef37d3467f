//! Columns that are encoded with a dictionary, as numbers that are equal where the texts are.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::ipc;

use super::super::Input;
use super::super::integers::{Integer, Meaning};
use super::super::raw_columns::Ids;
use super::batch::Batch;
use super::ids::Texts;
use super::messages::Message;
use super::schema::{Field, Key, Text};
use crate::error::Result;

/// Texts of a dictionary that are numbered at once.
const AT_ONCE: u64 = 1 << 12;

/// The numbers of the texts of each dictionary.
#[derive(Debug, Default)]
pub(super) struct Dictionaries(BTreeMap<i64, Vec<u32>>);

/// A column of keys.
#[derive(Debug)]
pub(super) struct Keys {
    input: Input,
    name: String,
    integer: Integer,
    texts: Texts,
    /// The number of each text of the dictionary.
    numbers: Vec<u32>,
}

impl Dictionaries {
    /// Adds the dictionary in `message`, if one of `fields` has ids in it.
    pub(super) fn add(
        &mut self,
        input: &Input,
        message: &Message,
        root: &ipc::Message<'_>,
        fields: &[Field],
    ) -> Result<()> {
        let header = root.header_as_dictionary_batch();
        let Some((header, data)) = header.and_then(|header| Some((header, header.data()?))) else {
            return Err(input.damaged("a dictionary in it has no header"));
        };
        let id = header.id();
        let key = fields.iter().find_map(|f| f.dictionary.filter(|key| key.id == id).zip(Some(f)));
        let Some((key, field)) = key else { return Ok(()) };
        let values = key.values(&field.name);
        let batch = Batch::read(input, message, &data, std::slice::from_ref(&values), 0)?;
        let texts = Texts::new(input, &values, key.text, std::slice::from_ref(&batch))?;
        let numbers = self.0.entry(id).or_default();
        if !header.isDelta() && !numbers.is_empty() {
            let found =
                format!("a dictionary of column `{}` that is replaced by another", field.name);
            return Err(input.unsupported(found, "one dictionary per column"));
        }
        let mut at = 0;
        while at < batch.rows {
            // Memory is taken as texts are found.
            let end = batch.rows.min(at + AT_ONCE);
            let mut some = vec![0; (end - at) as usize];
            texts.read(at..end, &mut some)?;
            numbers.extend(some);
            at = end;
        }
        Ok(())
    }

    /// The column `field` of keys `key` in `batches`.
    pub(super) fn ids(
        &self,
        input: &Input,
        field: &Field,
        key: Key,
        batches: &[Batch],
    ) -> Result<Keys> {
        let texts = Texts::new(input, field, Text::Fixed(key.integer.bytes() as u64), batches)?;
        let numbers = self.0.get(&key.id).cloned().unwrap_or_default();
        let name = field.name.clone();
        Ok(Keys { input: input.clone(), name, integer: key.integer, texts, numbers })
    }
}

impl Ids for Keys {
    fn read(&self, rows: Range<u64>, out: &mut [u32]) -> Result<()> {
        let mut bytes = vec![0; out.len() * self.integer.bytes()];
        self.texts.copy(&rows, &mut bytes)?;
        let column = (self.name.as_str(), Meaning::Count);
        self.integer.deliver(&self.input, column, rows.start, &bytes, out)?;
        for out in out {
            let Some(number) = self.numbers.get(*out as usize) else {
                let name = &self.name;
                let problem = format!("a key of column `{name}` is not in its dictionary");
                return Err(self.input.damaged(problem));
            };
            *out = *number;
        }
        Ok(())
    }
}

//! Files of other tools, opened as a store: the manifest that they lack is inferred.

use std::path::Path;
use std::sync::Arc;

use saekit_core::files::sha256;
use saekit_core::{ColumnSpec, HookPoint, Interrupt};

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::{DamageError, Error, OpenError, PlaceError, Result};
use crate::foreign::{self, ForeignColumn, ForeignFile, Layout, ReadOptions, other_kind};
use crate::format::manifest::{ColumnInfo, Manifest, ShardInfo, first_few};
use crate::format::spec::Dataset;
use crate::format::stats::ColumnStats;
use crate::open::config::ForeignConfig;
use crate::open::opening::Opening;
use crate::place::choose::choose;
use crate::place::subject::Subject;
use crate::place::weights;
use crate::read::projection::{Projection, StoreView};
use crate::read::row_buffer::RowBuffer;
use crate::shard::Shard;
use crate::storage::{Listed, Storage};
use crate::tokens::Tokens;

/// Approximate upper bound on the groups of a store. Each takes a few dozen bytes: 2^18 of them stay
/// near 10 MB, however large the store is.
const MOST_GROUPS: u64 = 1 << 18;

/// Groups, evenly over the store, from which the statistics of columns are taken.
const SAMPLED_GROUPS: usize = 16;

/// How files of activations are known among others.
const ACTIVATIONS: Subject = Subject {
    noun: "activations",
    known: || ".parquet, .arrow, .safetensors and .npy files".to_owned(),
    kind: |name| foreign::layout_of(name).map(Layout::name),
    describes: |_| false,
    folders_apart: true,
    layers_apart: true,
};

/// Opens every file in the place whose layout is known.
pub(crate) fn open(opening: &mut Opening<'_>) -> Result<Catalog> {
    let files = files(opening)?;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let least = usize::try_from(bytes / MOST_GROUPS).unwrap_or(usize::MAX);
    let group_bytes = opening.config.foreign.group_bytes.max(least);
    let mut inferred = InferredManifest { group_bytes, ..InferredManifest::default() };
    opening.observer.begin("opening", Some(files.len() as u64), "files");
    for (i, file) in files.iter().enumerate() {
        opening.interrupt.check()?;
        if let Err(error) = inferred.add(&opening.storage, file, opening) {
            opening.skip(opening.storage.path(&file.path), None, error)?;
        }
        opening.observer.advance(i as u64 + 1, "");
    }
    opening.observer.end();
    inferred.identity.push(inferred.reading(&opening.config.foreign));
    let sha256 = opening.sha256(sha256(inferred.identity.join("\n").as_bytes()));
    let mut catalog = inferred.finish(Arc::clone(&opening.storage), sha256);
    catalog.manifest.dataset = dataset(opening);
    if catalog.manifest.rows > 0 {
        measure(&mut catalog, opening.interrupt)?;
    }
    opening.finish(catalog)
}

/// What the data are called where they are a part of a place: the place and the choice.
fn dataset(opening: &Opening<'_>) -> Option<Dataset> {
    let choice = &opening.config.choice;
    let name = opening.storage.location().file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{name} ({choice})");
    (!choice.is_default()).then_some(Dataset { name, sha256: None })
}

/// The files to read, ascending; an error where there is none.
fn files(opening: &mut Opening<'_>) -> Result<Vec<Listed>> {
    let storage = &*opening.storage;
    let location = storage.location();
    if !storage.exists()? {
        return Err(OpenError::Missing { path: location.to_owned() }.into());
    }
    let chosen = choose(storage, &ACTIVATIONS, &opening.config.choice).map_err(name_kind)?;
    if chosen.files.is_empty() {
        let other = chosen.left.iter().find_map(|path| other_kind(&storage.path(path)));
        let (dir, holds) = (location.to_owned(), chosen.not_read);
        return Err(other.unwrap_or_else(|| OpenError::NotAStore { dir, holds }.into()));
    }
    chosen.say(&mut *opening.observer);
    Ok(chosen.files)
}

/// The error that has the conversion, where `error` is about a file of a kind for which there is one.
fn name_kind(error: Error) -> Error {
    match &error {
        Error::Place(PlaceError::OtherKind { path, .. }) => other_kind(path).unwrap_or(error),
        _ => error,
    }
}

/// The manifest so far.
#[derive(Default)]
struct InferredManifest {
    /// Approximate bytes per group.
    group_bytes: usize,
    columns: Vec<ForeignColumn>,
    /// The file that decided the columns.
    first: Option<String>,
    has_tokens: bool,
    shards: Vec<ForeignFile>,
    infos: Vec<ShardInfo>,
    sequences: u32,
    /// A line per file; together they identify the rows.
    identity: Vec<String>,
    notes: Vec<String>,
}

impl InferredManifest {
    fn add(
        &mut self,
        storage: &Arc<dyn Storage>,
        file: &Listed,
        opening: &Opening<'_>,
    ) -> Result<()> {
        let path = storage.path(&file.path);
        let blob =
            storage.open(&file.path)?.ok_or(DamageError::MissingFile { path: path.clone() })?;
        let version = blob.version().map(str::to_owned);
        let config = &opening.config.foreign;
        let options = ReadOptions {
            group_bytes: self.group_bytes,
            columns: config.columns.clone(),
            order: self.columns.iter().map(|column| column.name.clone()).collect(),
            document: config.document.clone(),
            position: config.position.clone(),
            tokens: config.token_ids.clone(),
            scale: config.scale.clone(),
            dtype: config.dtype,
            first_sequence: self.sequences,
        };
        let found = foreign::open(&blob, &path, &options)?;
        if found.rows == 0 {
            return Ok(());
        }
        if opening.reads_all() {
            read_all(&found, opening.interrupt)?;
        }
        no_parameters(&path, found.columns.iter().map(|column| column.name.as_str()))?;
        self.check(&found, file, &**storage)?;
        let (rows, bytes) = (found.rows, file.bytes);
        self.identity.push(format!("{} {bytes} {rows} {version:?}", file.path));
        self.sequences += found.sequences;
        for note in &found.notes {
            if !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
        let file = file.path.clone();
        self.infos.push(ShardInfo { file, rows, bytes, sha256: String::new() });
        self.shards.push(found);
        Ok(())
    }

    /// Describes how the bytes of the files are read, since `config` changes what rows come of them.
    fn reading(&self, config: &ForeignConfig) -> String {
        let ForeignConfig { document, position, token_ids, scale, .. } = config;
        let columns = describe(&self.columns, self.has_tokens);
        let places = format!("{columns}, of document {document:?} and position {position:?}");
        let mut reading = places;
        for (kind, column) in [("tokens", token_ids), ("scales", scale)] {
            if let Some(column) = column {
                reading = format!("{reading}, of {kind} {column}");
            }
        }
        reading
    }

    /// Fails unless `found` has the columns of the files before it.
    fn check(&mut self, found: &ForeignFile, file: &Listed, storage: &dyn Storage) -> Result<()> {
        let Some(first) = &self.first else {
            self.first = Some(file.path.clone());
            (self.columns, self.has_tokens) = (found.columns.clone(), found.has_tokens);
            return Ok(());
        };
        if found.columns == self.columns && found.has_tokens == self.has_tokens {
            return Ok(());
        }
        Err(OpenError::MixedColumns {
            path: storage.path(&file.path),
            found: describe(&found.columns, found.has_tokens),
            first: storage.path(first),
            expected: describe(&self.columns, self.has_tokens),
        }
        .into())
    }

    fn finish(self, storage: Arc<dyn Storage>, sha256: String) -> Catalog {
        let info = |column: ForeignColumn| ColumnInfo {
            name: HookPoint::new(column.name),
            width: column.width,
            dtype: column.dtype,
            mean_norm: 0.0,
            scale: 1.0,
            mean: vec![0.0; column.width],
            storage_error: None,
        };
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: Manifest::VERSION,
            model: None,
            tokenizer_sha256: None,
            dataset: None,
            context_size: None,
            prepend_bos: None,
            excluded_tokens: Vec::new(),
            seed: 0,
            rows: self.infos.iter().map(|info| info.rows).sum(),
            sequences: 0,
            columns: self.columns.into_iter().map(info).collect(),
            positions: None,
            tokens: None,
            shards: self.infos,
        };
        let has_ids = self.shards.iter().all(|found| found.token_ids && found.sequences > 0);
        let counts: Vec<_> = self.shards.iter().map(|found| found.sequences).collect();
        let shards: Vec<Arc<dyn Shard>> =
            self.shards.into_iter().map(|found| Arc::from(found.shard)).collect();
        let firsts = counts.iter().scan(0_u32, |next, count| {
            let first = *next;
            *next += count; // the sum was checked when each file was opened
            Some(first)
        });
        let path = storage.location().to_owned();
        let numbered = firsts.zip(shards.iter().cloned()).collect();
        let tokens = has_ids.then(|| Tokens::of_columns(path, numbered, self.sequences));
        Catalog {
            storage,
            manifest,
            sha256,
            shards,
            tokens,
            has_sequences: self.has_tokens,
            skipped: Vec::new(),
            notes: self.notes,
            has_manifest: false,
        }
    }
}

/// Fails where one of the columns with these `names` is a parameter of a model or a dictionary.
fn no_parameters<'a>(path: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<()> {
    let Some(name) = names.find(|name| weights::is_parameter(name)) else { return Ok(()) };
    let reason = format!("it has `{name}`");
    Err(PlaceError::Weights { path: path.to_owned(), reason }.into())
}

fn describe(columns: &[ForeignColumn], has_tokens: bool) -> String {
    let columns = columns
        .iter()
        .map(|column| format!("`{}` {} x {}", column.name, column.width, column.dtype));
    let with = if has_tokens { " with sequences and positions" } else { "" };
    format!("{}{with}", first_few(columns))
}

/// Reads every value of a file once.
fn read_all(found: &ForeignFile, interrupt: &Interrupt) -> Result<()> {
    let mut buffer = Vec::new();
    for (group, rows) in found.shard.group_rows().iter().enumerate() {
        interrupt.check()?;
        for (i, column) in found.columns.iter().enumerate() {
            buffer.resize(*rows as usize * column.dtype.row_bytes(column.width), 0);
            found.shard.read_column(group, 0..*rows, i, &mut buffer)?;
        }
    }
    Ok(())
}

/// Puts the statistics of every column into the manifest, from a sample of the rows.
fn measure(catalog: &mut Catalog, interrupt: &Interrupt) -> Result<()> {
    let groups = catalog.groups();
    let sampled = groups.len().min(SAMPLED_GROUPS);
    let sample: Vec<RowRange> = (0..sampled).map(|i| groups[i * groups.len() / sampled]).collect();
    let mut columns = Vec::new();
    for info in &catalog.manifest.columns {
        let projection = Projection::of_store(catalog, &[(info.name.clone(), 1.0)])?;
        let mut stats = ColumnStats::new(info.width);
        let mut rows = RowBuffer::default();
        for group in &sample {
            rows.read(StoreView { store: catalog, projection: &projection }, &[*group], interrupt)?;
            push(&projection, (&rows, group.rows as usize), &mut stats);
        }
        let spec = ColumnSpec { name: info.name.clone(), width: info.width };
        let measured = stats.finish(&spec, info.dtype);
        columns.push(ColumnInfo { storage_error: None, ..measured });
    }
    catalog.manifest.columns = columns;
    Ok(())
}

/// Adds the first `count` of `rows`, but for those that are not finite.
fn push(projection: &Projection, (rows, count): (&RowBuffer, usize), stats: &mut ColumnStats) {
    let mut values = vec![0.0; projection.shape().specs()[0].width];
    for row in 0..count {
        if rows.decode_row(row, projection, 0, &mut values) {
            stats.push(&values, &values);
        }
    }
}

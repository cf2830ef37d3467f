//! `saekit bench analyze`.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use saekit_analysis::{Analysis, IndexSource, Settings, Subject};
use saekit_core::rng::Rng;
use saekit_core::{Codec as _, HookPoint, MatrixView, Provenance, Silent};
use saekit_dictionary::Dictionary;
use saekit_store::{
    ColumnSpec, RowBlock, RowSource as _, Store, StoreSpec, StoreWriter, TokenizedSequence,
};

use super::encode::dictionary;
use super::{Report, Sizes, synthetic};
use crate::session::Session;

const HOOK: &str = "blocks.0.hook_resid_post";
const LENGTH: u32 = 128;
const VOCABULARY: f64 = 50_257.0;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sizes: Sizes,
    /// Rows, in sequences of 128 random tokens
    #[arg(long, value_name = "ROWS", default_value_t = 25_600)]
    rows: usize,
    /// Memory for firings
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Analyses a random dictionary on random rows, and encodes the same rows by themselves. There is no
/// model, so that promoted tokens are not in it.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    let Args { sizes, rows, .. } = *args;
    sizes.check(rows)?;
    let Sizes { d_in, d_sae, k } = sizes;
    let dir = tempfile::tempdir()?;
    let store = random_store(&dir.path().join("store"), d_in, rows)?;
    let dictionary =
        dictionary(synthetic::directions(Rng::new(1, "bench.weights"), d_sae, d_in), k);
    let begun = Instant::now();
    let mut source = store.scan(&[(HookPoint::new(HOOK), 1.0)])?;
    while let Some(batch) = source.next_batch(2048)? {
        session.interrupt.check()?;
        std::hint::black_box(dictionary.encode(batch.columns[0].view())?);
    }
    let encoding = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let memory = args.memory << 20;
    let index = analyse(&dir.path().join("analysis"), &dictionary, &store, memory, session)?;
    let whole = begun.elapsed().as_secs_f64();
    let mut report = Report::new("analyze", store.manifest().rows, vec![whole]);
    report.set_sizes(sizes);
    report.set("rows", rows);
    report.parts = vec![("index", index), ("encoding alone", encoding)];
    report.figures = vec![
        ("index_over_encoding", index / encoding),
        ("analysis_over_encoding", whole / encoding),
    ];
    Ok(report)
}

fn random_store(dir: &Path, d_in: usize, rows: usize) -> Result<Store> {
    let columns = vec![ColumnSpec { name: HookPoint::new(HOOK), width: d_in }];
    let mut writer = StoreWriter::create(dir, StoreSpec { columns, ..StoreSpec::default() })?;
    let source = synthetic::Source::new(d_in);
    let rng = Rng::new(0, "bench.tokens");
    for sequence in 0..(rows as u32).div_ceil(LENGTH) {
        let length = LENGTH.min(rows as u32 - sequence * LENGTH);
        let rng = rng.child(u64::from(sequence));
        // Rare tokens are rare: a power law over the vocabulary.
        let token = |i: u32| VOCABULARY.powf(rng.uniform(u64::from(i))) as u32 - 1;
        let none = vec![0; length as usize];
        writer.push_sequence(&TokenizedSequence {
            ids: (0..length).map(token).collect(),
            documents: none.clone(),
            byte_starts: none.clone(),
            byte_ends: none,
        })?;
        let x = source.rows(u64::from(sequence), length as usize);
        writer.push_rows(&RowBlock {
            sequences: &vec![sequence; length as usize],
            positions: &(0..length).collect::<Vec<_>>(),
            columns: &[MatrixView::new(length as usize, d_in, x.as_slice())],
        })?;
    }
    writer.finish()?;
    Ok(Store::open(dir)?)
}

/// Analyses, and gives the seconds that the index took.
fn analyse(
    dir: &Path,
    codec: &Dictionary,
    store: &Store,
    memory: u64,
    session: &Session,
) -> Result<f64> {
    let (column, provenance, settings) =
        (HookPoint::new(HOOK), Provenance::default(), Settings::default());
    let subject = Subject {
        source: IndexSource {
            codec,
            codec_sha256: "bench",
            store,
            rows: None,
            column: &column,
            memory,
        },
        codec_name: "bench",
        provenance: &provenance,
        model: None,
        tokenizer: None,
        settings: &settings,
    };
    let begun = Instant::now();
    let analysis = Analysis::begin(dir)?;
    let interrupt = &session.interrupt;
    let index = analysis.index(&subject, &mut Silent, interrupt)?;
    let indexed = begun.elapsed().as_secs_f64();
    let summary = analysis.features(&subject, &index, &mut |_| Ok(()), &mut Silent, interrupt)?;
    analysis.finish(summary)?;
    Ok(indexed)
}

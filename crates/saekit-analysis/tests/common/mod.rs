//! A small store whose rows are their own codes, and its analysis.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::too_many_arguments,
    reason = "each test file uses a part of it"
)]

use std::path::Path;

use saekit_analysis::{Analysis, Feature, Finished, IndexSource, Settings, Subject};
use saekit_core::rng::Rng;
use saekit_core::{
    Codec, CodecShape, Codes, HookPoint, Interrupt, Matrix, MatrixView, Observer, Provenance,
    Result, Silent,
};
use saekit_store::{ColumnSpec, DType, RowBlock, Store, StoreSpec, StoreWriter, TokenizedSequence};

/// A row and the code it is encoded to.
#[derive(Clone, Debug)]
pub struct Row {
    pub sequence: u32,
    pub position: u32,
    pub token: u32,
    pub code: Vec<f32>,
}

/// Writes what it reads.
#[derive(Clone, Debug)]
pub struct Identity {
    pub d_code: usize,
    pub directions: Option<Matrix>,
    /// A latent that is NaN in every row.
    pub broken: Option<usize>,
}

impl Codec for Identity {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: self.d_code, d_out: self.d_code, d_code: self.d_code }
    }

    fn encode(&self, x: MatrixView<'_>) -> Result<Codes> {
        let mut codes = x.to_matrix();
        if let Some(latent) = self.broken {
            (0..codes.rows()).for_each(|row| codes.row_mut(row)[latent] = f32::NAN);
        }
        Ok(Codes::Dense(codes))
    }

    fn decode(&self, codes: &Codes, _: MatrixView<'_>) -> Result<Matrix> {
        let mut rows = Matrix::zeros(codes.rows(), self.d_code);
        codes.for_each_active(|row, latent, value| rows.row_mut(row)[latent] = value);
        Ok(rows)
    }

    fn save(&self, _: &Path, _: &Provenance) -> Result<()> {
        Ok(())
    }

    fn decoder_rows(&self) -> Option<MatrixView<'_>> {
        self.directions.as_ref().map(Matrix::view)
    }
}

/// Sequences, and the rows of all their tokens but the first, by place.
#[derive(Clone, Debug)]
pub struct Toy {
    pub sequences: Vec<Vec<u32>>,
    pub rows: Vec<Row>,
    pub codec: Identity,
    pub has_tokens: bool,
}

/// Number of latents.
pub const D_CODE: usize = 12;

impl Toy {
    /// Thirty sequences, every third one like an earlier one. Latent 0 is dead, 1 is dense, 2 has
    /// one value, 3 is a function of the token; the others fire at random.
    pub fn new(seed: u64, signed: bool) -> Self {
        let rng = Rng::new(seed, "toy");
        let mut sequences: Vec<Vec<u32>> = Vec::new();
        for s in 0..30_u64 {
            let length = 6 + rng.child(s).below(0, 9);
            let fresh = |t: u64| rng.child(s).below(t + 1, 9) as u32;
            let sequence = match sequences.get(s as usize / 2) {
                Some(earlier) if s % 3 == 2 => earlier.clone(),
                _ => (0..length).map(fresh).collect(),
            };
            sequences.push(sequence);
        }
        let mut rows = Vec::new();
        for (sequence, tokens) in sequences.iter().enumerate() {
            for (position, token) in tokens.iter().enumerate().skip(1) {
                let rng = rng.child(1000 + rows.len() as u64);
                let code = (0..D_CODE).map(|latent| value(rng, latent, *token, signed)).collect();
                let (sequence, position) = (sequence as u32, position as u32);
                rows.push(Row { sequence, position, token: *token, code });
            }
        }
        let codec = Identity { d_code: D_CODE, directions: Some(directions(rng)), broken: None };
        Self { sequences, rows, codec, has_tokens: true }
    }

    /// Writes the store, in shards of some forty rows.
    pub fn store(&self, dir: &Path) -> Store {
        let columns = vec![ColumnSpec { name: hook(), width: self.codec.d_code }];
        let spec = StoreSpec {
            columns,
            dtype: DType::F32,
            shard_bytes: 2300,
            row_group_bytes: 600,
            has_tokens: self.has_tokens,
            ..StoreSpec::default()
        };
        let mut writer = StoreWriter::create(dir, spec).unwrap();
        if self.has_tokens {
            for tokens in &self.sequences {
                let none = vec![0; tokens.len()];
                let ids = tokens.clone();
                let (documents, byte_starts, byte_ends) = (none.clone(), none.clone(), none);
                let sequence = TokenizedSequence { ids, documents, byte_starts, byte_ends };
                writer.push_sequence(&sequence).unwrap();
            }
        }
        for row in &self.rows {
            let (sequences, positions) = ([row.sequence], [row.position]);
            let n = usize::from(self.has_tokens);
            writer
                .push_rows(&RowBlock {
                    sequences: &sequences[..n],
                    positions: &positions[..n],
                    columns: &[MatrixView::new(1, self.codec.d_code, &row.code)],
                })
                .unwrap();
        }
        writer.finish().unwrap();
        Store::open(dir).unwrap()
    }
}

fn value(rng: Rng, latent: usize, token: u32, signed: bool) -> f32 {
    let fires = |density: f64| rng.uniform(2 * latent as u64) < density;
    let magnitude = 0.1 + 3.0 * rng.uniform(2 * latent as u64 + 1) as f32;
    let sign = if signed && rng.u64(100 + latent as u64).is_multiple_of(2) { -1.0 } else { 1.0 };
    match latent {
        1 if fires(0.7) => sign * magnitude,
        2 if fires(0.3) => 1.0,
        3 => token.saturating_sub(6) as f32,
        4.. if fires(0.05 * (latent - 3) as f64) => sign * magnitude,
        _ => 0.0,
    }
}

/// Random directions; latents 5 and 6 share one, 7 has none.
fn directions(rng: Rng) -> Matrix {
    let mut rows = Matrix::zeros(D_CODE, D_CODE);
    for i in 0..D_CODE {
        let like = if i == 6 { 5 } else { i };
        let factor = if i == 7 { 0.0 } else { (i + 1) as f32 };
        for j in 0..D_CODE {
            rows.row_mut(i)[j] = factor * rng.child(77 + like as u64).normal(j as u64) as f32;
        }
    }
    rows
}

/// The only column.
pub fn hook() -> HookPoint {
    HookPoint::new("blocks.0.hook_resid_post")
}

/// The source of `toy`'s rows in `store`.
pub fn source<'a>(
    toy: &'a Toy,
    store: &'a Store,
    column: &'a HookPoint,
    memory: u64,
) -> IndexSource<'a> {
    IndexSource { codec: &toy.codec, codec_sha256: "toy", store, rows: None, column, memory }
}

/// Analyses `toy` in a new folder, without model or tokenizer.
pub fn analyse(toy: &Toy, settings: &Settings, memory: u64) -> Vec<Feature> {
    let dir = tempfile::tempdir().unwrap();
    let store = toy.store(&dir.path().join("store"));
    let out = dir.path().join("analysis");
    let (features, finished) =
        analyse_in(&out, toy, &store, settings, memory, &mut Silent, &Interrupt::default())
            .unwrap();
    for feature in &features {
        assert_eq!(finished.feature(feature.latent).unwrap(), *feature);
    }
    features
}

/// Analyses `toy`, whose rows are in `store`, in the folder `out`.
pub fn analyse_in(
    out: &Path,
    toy: &Toy,
    store: &Store,
    settings: &Settings,
    memory: u64,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> saekit_analysis::Result<(Vec<Feature>, Finished)> {
    let (column, provenance) = (hook(), Provenance::default());
    let subject = Subject {
        source: source(toy, store, &column, memory),
        codec_name: "toy",
        provenance: &provenance,
        model: None,
        tokenizer: None,
        settings,
    };
    let analysis = Analysis::begin(out)?;
    let index = analysis.index(&subject, observer, interrupt)?;
    let mut features = Vec::new();
    let mut visit = |feature: &Feature| {
        features.push(feature.clone());
        Ok(())
    };
    let summary = analysis.features(&subject, &index, &mut visit, observer, interrupt)?;
    Ok((features, analysis.finish(summary)?))
}

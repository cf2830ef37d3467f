//! What an analysis costs beside encoding the same rows.
//!
//! ```sh
//! cargo run --release -p saekit-analysis --example cost -- 768 12288 32 50000
//! ```
//!
//! The arguments are `d_in`, `d_sae`, `k` and the number of rows. Rows and dictionary are random, with
//! 128 tokens a sequence; there is no model, so promoted tokens are not in it: they cost one product
//! of the decoder with the unembedding, whatever the number of rows.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use saekit_analysis::{Analysis, IndexSource, Settings, Subject};
use saekit_core::rng::Rng;
use saekit_core::{Codec as _, HookPoint, Interrupt, Matrix, MatrixView, Provenance, Silent};
use saekit_dictionary::{Activation, Dictionary};
use saekit_store::{
    ColumnSpec, RowBlock, RowSource as _, Store, StoreSpec, StoreWriter, TokenizedSequence,
};

const HOOK: &str = "blocks.0.hook_resid_post";
const LENGTH: u32 = 128;
const VOCABULARY: f64 = 50_257.0;
/// Memory for firings.
const MEMORY: u64 = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let numbers = std::env::args().skip(1).map(|argument| argument.parse());
    let numbers: Vec<usize> = numbers.collect::<Result<_, _>>()?;
    let [d_in, d_sae, k, rows] = numbers[..] else {
        return Err("give d_in, d_sae, k and the number of rows".into());
    };
    let dir = tempfile::tempdir()?;
    let store = store(&dir.path().join("store"), d_in, rows)?;
    let dictionary = dictionary(d_in, d_sae, k);
    let encoded = Instant::now();
    encode(&dictionary, &store)?;
    let encoded = encoded.elapsed().as_secs_f64();
    let analysed = Instant::now();
    let indexed = analyse(&dir.path().join("analysis"), &dictionary, &store)?;
    let analysed = analysed.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "an example prints")]
    {
        println!(
            "d_in {d_in}, d_sae {d_sae}, k {k}, {rows} rows, {} threads",
            rayon::current_num_threads()
        );
        println!("encoding        {encoded:8.1} s");
        println!("latent index    {indexed:8.1} s  {:.2} x", indexed / encoded);
        println!("whole analysis  {analysed:8.1} s  {:.2} x", analysed / encoded);
    }
    Ok(())
}

fn store(dir: &Path, d_in: usize, rows: usize) -> Result<Store, Box<dyn Error>> {
    let columns = vec![ColumnSpec { name: HookPoint::new(HOOK), width: d_in }];
    let mut writer = StoreWriter::create(dir, StoreSpec { columns, ..StoreSpec::default() })?;
    let rng = Rng::new(0, "cost");
    let positions: Vec<u32> = (0..LENGTH).collect();
    for sequence in 0..rows as u32 / LENGTH {
        let rng = rng.child(u64::from(sequence));
        // rare tokens are rare: a power law over the vocabulary
        let token = |i: u32| VOCABULARY.powf(rng.uniform(u64::from(i))) as u32 - 1;
        let none = vec![0; LENGTH as usize];
        writer.push_sequence(&TokenizedSequence {
            ids: (0..LENGTH).map(token).collect(),
            documents: none.clone(),
            byte_starts: none.clone(),
            byte_ends: none,
        })?;
        let value = |i: u64| rng.normal(1000 + i) as f32;
        let values: Vec<f32> = (0..u64::from(LENGTH) * d_in as u64).map(value).collect();
        writer.push_rows(&RowBlock {
            sequences: &vec![sequence; LENGTH as usize],
            positions: &positions,
            columns: &[MatrixView::new(LENGTH as usize, d_in, &values)],
        })?;
    }
    writer.finish()?;
    Ok(Store::open(dir)?)
}

fn dictionary(d_in: usize, d_sae: usize, k: usize) -> Dictionary {
    let rng = Rng::new(1, "cost");
    let weights = (0..(d_sae * d_in) as u64).map(|i| rng.normal(i) as f32).collect();
    let w_enc = Matrix::new(d_sae, d_in, weights);
    let mut dictionary = Dictionary::new(w_enc.clone(), vec![0.0; d_sae], w_enc, vec![0.0; d_in]);
    dictionary.activation = Activation::TopK { k, signed: false, rescale: false };
    dictionary
}

fn encode(dictionary: &Dictionary, store: &Store) -> Result<(), Box<dyn Error>> {
    let mut rows = store.scan(&[(HookPoint::new(HOOK), 1.0)])?;
    while let Some(batch) = rows.next_batch(2048)? {
        std::hint::black_box(dictionary.encode(batch.columns[0].view())?);
    }
    Ok(())
}

/// Analyses, and gives the seconds that the index took.
fn analyse(dir: &Path, codec: &Dictionary, store: &Store) -> Result<f64, Box<dyn Error>> {
    let (column, provenance, settings) =
        (HookPoint::new(HOOK), Provenance::default(), Settings::default());
    let subject = Subject {
        source: IndexSource { codec, codec_sha256: "cost", store, column: &column, memory: MEMORY },
        codec_name: "cost",
        provenance: &provenance,
        model: None,
        tokenizer: None,
        settings: &settings,
    };
    let (begun, interrupt) = (Instant::now(), Interrupt::default());
    let analysis = Analysis::begin(dir)?;
    let index = analysis.index(&subject, &mut Silent, &interrupt)?;
    let indexed = begun.elapsed().as_secs_f64();
    let summary = analysis.features(&subject, &index, &mut |_| Ok(()), &mut Silent, &interrupt)?;
    analysis.finish(summary)?;
    Ok(indexed)
}

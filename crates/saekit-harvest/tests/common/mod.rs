//! A tokenizer and a model whose every output is known, and a harvest with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use saekit_core::{
    Edit, Encoding, Error as CoreError, HookPoint, Interrupt, LanguageModel, Matrix, ModelInfo,
    Silent, TokenBatch, Tokenizer,
};
use saekit_harvest::{Harvest, HarvestConfig, HarvestReport, Result};
use saekit_store::{RowSource as _, Store, TokenizedSequence};
use tempfile::TempDir;

pub(crate) const BOS: u32 = 0;
pub(crate) const D_VOCAB: usize = 300;
pub(crate) const HOOKS: [&str; 3] =
    ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"];
pub(crate) const WIDTHS: [usize; 3] = [4, 4, 6];

/// A token a character.
#[derive(Default)]
pub(crate) struct Characters {
    /// Added to every id, to leave the model's vocabulary.
    pub(crate) shift: u32,
    /// No BOS, no special ids.
    pub(crate) plain: bool,
}

impl Characters {
    pub(crate) fn id(&self, character: char) -> u32 {
        self.shift + 1 + character as u32 % (D_VOCAB as u32 - 1)
    }
}

impl Tokenizer for Characters {
    fn encode(&self, text: &str) -> saekit_core::Result<Encoding> {
        let ids = text.chars().map(|c| self.id(c)).collect();
        let offsets = text.char_indices().map(|(at, c)| (at as u32, (at + c.len_utf8()) as u32));
        Ok(Encoding { ids, offsets: offsets.collect() })
    }

    fn decode(&self, _: &[u32]) -> saekit_core::Result<String> {
        unreachable!("a harvest decodes nothing")
    }

    fn token(&self, _: u32) -> Option<String> {
        None
    }

    fn d_vocab(&self) -> usize {
        D_VOCAB
    }

    fn bos(&self) -> Option<u32> {
        (!self.plain).then_some(BOS)
    }

    fn special_ids(&self) -> &[u32] {
        if self.plain { &[] } else { &[BOS, 299] }
    }

    fn sha256(&self) -> &'static str {
        "of the tokenizer"
    }
}

/// A model whose activations tell hook, token and position apart, exactly in any dtype.
pub(crate) struct Toy {
    info: ModelInfo,
    pub(crate) forwards: AtomicUsize,
    /// Gives this value at this token.
    pub(crate) odd_at: Option<(u32, f32)>,
    /// Raised in the forward pass of this number, counted from 0.
    pub(crate) interrupts_at: Option<usize>,
    pub(crate) interrupt: Interrupt,
    /// Fails in the forward pass of this number.
    pub(crate) fails_at: Option<usize>,
}

impl Toy {
    pub(crate) fn new(n_ctx: usize) -> Self {
        let info = ModelInfo {
            name: "toy".to_owned(),
            family: "toy".to_owned(),
            d_model: 4,
            n_layers: 2,
            n_ctx,
            d_vocab: D_VOCAB,
            sha256: "of the model".to_owned(),
        };
        Self {
            info,
            forwards: AtomicUsize::new(0),
            odd_at: None,
            interrupts_at: None,
            interrupt: Interrupt::default(),
            fails_at: None,
        }
    }
}

/// The activation at hook number `hook`: eighths below 128.
pub(crate) fn activation(hook: usize, token: u32, position: usize, j: usize) -> f32 {
    ((token as usize * 31 + position * 7 + j * 3 + hook * 101) % 1024) as f32 / 8.0
}

impl LanguageModel for Toy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn hook_points(&self) -> Vec<(HookPoint, usize)> {
        HOOKS.into_iter().map(HookPoint::new).zip(WIDTHS).collect()
    }

    fn capture(
        &self,
        tokens: &TokenBatch,
        hooks: &[HookPoint],
    ) -> saekit_core::Result<Vec<Matrix>> {
        assert!(tokens.width() <= self.info.n_ctx, "a sequence that is too long");
        let forward = Some(self.forwards.fetch_add(1, Ordering::SeqCst));
        if forward == self.interrupts_at {
            self.interrupt.raise();
        }
        if forward == self.fails_at {
            CoreError::check_size("number of forward passes", 0, 1)?;
        }
        let matrix = |hook: &HookPoint| {
            let hook = HOOKS.iter().position(|name| *name == hook.as_str()).unwrap();
            let mut matrix = Matrix::zeros(tokens.ids().len(), WIDTHS[hook]);
            for (i, id) in tokens.ids().iter().enumerate() {
                for (j, value) in matrix.row_mut(i).iter_mut().enumerate() {
                    *value = activation(hook, *id, i % tokens.width(), j);
                    if let Some((_, odd)) = self.odd_at.filter(|(at, _)| at == id) {
                        *value = odd;
                    }
                }
            }
            matrix
        };
        Ok(hooks.iter().map(matrix).collect())
    }

    fn nll(&self, _: &TokenBatch, _: Option<Edit<'_>>) -> saekit_core::Result<Matrix> {
        Err(CoreError::Interrupted)
    }

    fn unembedding(&self) -> saekit_core::Result<Matrix> {
        Err(CoreError::Interrupted)
    }
}

/// A folder for inputs and the store.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    pub(crate) model: Toy,
    pub(crate) tokenizer: Option<Characters>,
    pub(crate) config: HarvestConfig,
}

impl Desk {
    /// A model with contexts of 16 tokens, and one hook point asked for.
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            model: Toy::new(16),
            tokenizer: Some(Characters::default()),
            config: HarvestConfig {
                hooks: vec![HookPoint::new(HOOKS[1])],
                batch_tokens: 64,
                ..HarvestConfig::default()
            },
        }
    }

    /// Writes a file and makes it an input.
    pub(crate) fn input(&mut self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        self.config.inputs.push(path.clone());
        path
    }

    /// Writes `texts` as JSON lines and makes them an input.
    pub(crate) fn texts(&mut self, texts: &[String]) {
        let line = |text: &String| serde_json::json!({ "text": text }).to_string() + "\n";
        self.input("texts.jsonl", texts.iter().map(line).collect::<String>());
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn prepare(&self) -> Result<Harvest<'_>> {
        let tokenizer = self.tokenizer.as_ref().map(|t| t as &dyn Tokenizer);
        Harvest::prepare(
            self.config.clone(),
            &self.model,
            tokenizer,
            &self.out(),
            &self.model.interrupt,
            &mut Silent,
        )
    }

    pub(crate) fn run(&self) -> Result<HarvestReport> {
        self.prepare()?.run(&self.model.interrupt, &mut Silent)
    }

    /// Runs, and opens what was written.
    pub(crate) fn store(&self) -> Store {
        self.run().unwrap();
        Store::open(self.out()).unwrap()
    }

    /// The message of the error.
    pub(crate) fn error(&self) -> String {
        let message = self.run().unwrap_err().to_string();
        assert!(Store::open(self.out()).is_err(), "a store is left");
        message
    }

    /// Runs another time, from nothing.
    pub(crate) fn store_again(&self) -> Store {
        Store::remove(self.out()).unwrap();
        self.store()
    }
}

pub(crate) fn sequences(store: &Store) -> Vec<TokenizedSequence> {
    let tokens = store.tokens().unwrap();
    tokens.read(0..tokens.len()).unwrap()
}

/// Sequence, position and values of every row of one column, in order of places.
pub(crate) fn rows(store: &Store, hook: &str) -> Vec<(u32, u32, Vec<f32>)> {
    let mut scan = store.scan(&[(HookPoint::new(hook), 1.0)]).unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = scan.next_batch(100).unwrap() {
        for i in 0..batch.rows() {
            rows.push((batch.sequences[i], batch.positions[i], batch.columns[0].row(i).to_vec()));
        }
    }
    rows.sort_by_key(|(sequence, position, _)| (*sequence, *position));
    rows
}

/// Every file below `dir`, by path, with its bytes.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Texts of several lengths and scripts.
pub(crate) fn some_texts() -> Vec<String> {
    (0..40).map(|i| format!("{i} Straße {}", "añb😀c ".repeat(i % 7))).collect()
}

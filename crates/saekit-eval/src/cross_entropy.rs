use saekit_core::text::first_few;
use saekit_core::{Codec, Edit, HookPoint, Interrupt, LanguageModel, Matrix, Observer, TokenBatch};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How [`cross_entropy()`] measures.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropyOptions {
    /// Where the codec goes.
    pub hook: HookPoint,
    /// Special token ids. At their positions the model keeps its own activations when the codec is
    /// in place, and what it predicts from them does not count.
    pub special_ids: Vec<u32>,
    /// The row that mean ablation puts everywhere, `[d]`: the mean of the activations at `hook`.
    pub mean: Vec<f32>,
    /// Which positions the ablations replace.
    pub ablated: Ablated,
    /// Sequences at a time. Changes memory and speed; figures only by rounding.
    pub batch: usize,
}

/// The positions an ablation replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ablated {
    /// Every position, special tokens included, as SAELens' zero ablation does.
    #[default]
    Everywhere,
    /// The positions where the codec is, so that special tokens keep their activations: a baseline
    /// that loses no more than the codec could restore.
    WhereSpliced,
}

impl CrossEntropyOptions {
    /// Default of [`batch`](Self::batch).
    pub const BATCH: usize = 8;
}

/// What [`cross_entropy()`] found. Losses are nats a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropyReport {
    /// Where the codec was.
    pub hook: HookPoint,
    /// Sequences run through the model.
    pub sequences: u64,
    /// Predictions the losses are means of.
    pub tokens: u64,
    /// The token ids treated as special, ascending.
    pub special_ids: Vec<u32>,
    /// The positions the ablations replaced.
    pub ablated: Ablated,
    /// The model as it is.
    pub ce_clean: f64,
    /// With the codec's reconstruction in place of the activations.
    pub ce_sae: f64,
    /// With zeros in place of the activations.
    pub ce_zero_ablated: f64,
    /// With the mean activation in place of the activations.
    pub ce_mean_ablated: f64,
    /// `(ce_zero_ablated - ce_sae) / (ce_zero_ablated - ce_clean)`: `ce_loss_score` of SAELens.
    pub ce_recovered_zero: Option<f64>,
    /// `(ce_mean_ablated - ce_sae) / (ce_mean_ablated - ce_clean)`.
    pub ce_recovered_mean: Option<f64>,
}

/// The next-token loss of `model` on `sequences`, as it is and with the activations at a hook
/// replaced three ways: by the codec, by zeros, by their mean.
///
/// The definition is that of SAELens 6.54 (`get_downstream_reconstruction_metrics`): the loss at
/// position `t`, which scores token `t + 1`, counts where token `t` is not special; the last
/// position scores nothing; the mean is over all counted tokens of all sequences, and the fraction
/// recovered is the ratio of such means. Each sequence is run as it is given, so it should begin
/// with BOS if the model expects that.
///
/// Sequences of fewer than two tokens are passed over. `sequences` is read once, a batch at a time.
///
/// # Panics
/// If a batch is to have no sequences.
pub fn cross_entropy(
    model: &dyn LanguageModel,
    codec: &dyn Codec,
    sequences: &mut dyn Iterator<Item = saekit_core::Result<Vec<u32>>>,
    options: &CrossEntropyOptions,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> Result<CrossEntropyReport> {
    assert!(options.batch > 0, "a batch has sequences");
    let splicer = Splicer::new(model, codec, options)?;
    let mut losses = Losses::default();
    let total = sequences.size_hint().1.map(|total| total as u64);
    observer.begin("cross-entropy", total, "sequences");
    loop {
        interrupt.check()?;
        let Some(batch) = splicer.next_batch(sequences, &mut losses.read)? else { break };
        splicer.run(&batch, &mut losses)?;
        observer.advance(losses.read, &losses.note());
    }
    observer.end();
    losses.report(options)
}

/// What is in place of the activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Clean,
    Sae,
    Zero,
    Mean,
}

impl Run {
    const ALL: [Self; 4] = [Self::Clean, Self::Sae, Self::Zero, Self::Mean];

    fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Sae => "spliced",
            Self::Zero => "zero-ablated",
            Self::Mean => "mean-ablated",
        }
    }
}

/// Sums over the tokens counted so far.
#[derive(Debug, Default)]
struct Losses {
    /// Sequences taken from the input.
    read: u64,
    /// Sequences run.
    sequences: u64,
    tokens: u64,
    /// By run, in the order of [`Run::ALL`].
    sums: [f64; 4],
}

impl Losses {
    fn mean(&self, run: Run) -> f64 {
        self.sums[run as usize] / self.tokens as f64
    }

    fn note(&self) -> String {
        format!("clean {:.4}  SAE {:.4}", self.mean(Run::Clean), self.mean(Run::Sae))
    }

    fn report(&self, options: &CrossEntropyOptions) -> Result<CrossEntropyReport> {
        if self.tokens == 0 {
            return Err(Error::NoTokens { sequences: self.read });
        }
        let [clean, sae, zero, mean] = Run::ALL.map(|run| self.mean(run));
        let recovered = |ablated: f64| {
            let fraction = (ablated - sae) / (ablated - clean);
            fraction.is_finite().then_some(fraction)
        };
        let mut special_ids = options.special_ids.clone();
        special_ids.sort_unstable();
        Ok(CrossEntropyReport {
            hook: options.hook.clone(),
            sequences: self.sequences,
            tokens: self.tokens,
            special_ids,
            ablated: options.ablated,
            ce_clean: clean,
            ce_sae: sae,
            ce_zero_ablated: zero,
            ce_mean_ablated: mean,
            ce_recovered_zero: recovered(zero),
            ce_recovered_mean: recovered(mean),
        })
    }
}

/// Sequences of one forward pass, with their numbers in the input.
struct Batch {
    tokens: TokenBatch,
    numbers: Vec<u64>,
}

struct Splicer<'a> {
    model: &'a dyn LanguageModel,
    codec: &'a dyn Codec,
    options: &'a CrossEntropyOptions,
}

impl<'a> Splicer<'a> {
    fn new(
        model: &'a dyn LanguageModel,
        codec: &'a dyn Codec,
        options: &'a CrossEntropyOptions,
    ) -> Result<Self> {
        let hooks = model.hook_points();
        let Some((hook, width)) = hooks.iter().find(|(hook, _)| *hook == options.hook) else {
            let names: Vec<_> = hooks.iter().map(|(hook, _)| format!("`{hook}`")).collect();
            return Err(Error::Core(saekit_core::Error::UnknownHook {
                hook: options.hook.to_string(),
                model: model.info().name.clone(),
                available: first_few(names),
            }));
        };
        let shape = codec.shape();
        for (verb, codec) in [("reads", shape.d_in), ("writes", shape.d_out)] {
            if codec != *width {
                return Err(Error::Width { verb, codec, column: hook.clone(), found: *width });
            }
        }
        saekit_core::Error::check_size("width of the mean row", *width, options.mean.len())?;
        Ok(Self { model, codec, options })
    }

    /// The next sequences to run, fewer than a batch only at the end; counts in `read` what it took.
    fn next_batch(
        &self,
        sequences: &mut dyn Iterator<Item = saekit_core::Result<Vec<u32>>>,
        read: &mut u64,
    ) -> Result<Option<Batch>> {
        let (mut taken, mut numbers) = (Vec::new(), Vec::new());
        while taken.len() < self.options.batch {
            let Some(sequence) = sequences.next().transpose()? else { break };
            self.check_sequence(*read, &sequence)?;
            if sequence.len() > 1 {
                taken.push(sequence);
                numbers.push(*read);
            }
            *read += 1;
        }
        let batch = Batch { tokens: TokenBatch::new(&taken), numbers };
        Ok(Some(batch).filter(|batch| batch.tokens.rows() > 0))
    }

    fn check_sequence(&self, number: u64, ids: &[u32]) -> Result<()> {
        let info = self.model.info();
        let model = info.name.clone();
        if ids.len() > info.n_ctx {
            let (length, n_ctx) = (ids.len(), info.n_ctx);
            return Err(Error::TooLong { sequence: number, length, model, n_ctx });
        }
        let Some(id) = ids.iter().find(|id| **id as usize >= info.d_vocab) else { return Ok(()) };
        Err(Error::UnknownToken { sequence: number, id: *id, model, d_vocab: info.d_vocab })
    }

    /// All four runs over `batch`.
    fn run(&self, batch: &Batch, losses: &mut Losses) -> Result<()> {
        let tokens = &batch.tokens;
        let counted: Vec<(usize, usize)> = (0..tokens.rows())
            .flat_map(|row| (0..tokens.lengths()[row] - 1).map(move |t| (row, t)))
            .filter(|(row, t)| !self.is_special(tokens.sequence(*row)[*t]))
            .collect();
        for run in Run::ALL {
            let nll = self.nll(run, tokens)?;
            saekit_core::Error::check_size("rows of the loss", tokens.rows(), nll.rows())?;
            saekit_core::Error::check_size("columns of the loss", tokens.width() - 1, nll.cols())?;
            for (row, position) in &counted {
                let value = nll.row(*row)[*position];
                if !value.is_finite() {
                    let (sequence, position) = (batch.numbers[*row], *position);
                    let run = run.name();
                    return Err(Error::NonFiniteLoss { run, sequence, position, value });
                }
                losses.sums[run as usize] += f64::from(value);
            }
        }
        losses.sequences += tokens.rows() as u64;
        losses.tokens += counted.len() as u64;
        Ok(())
    }

    fn nll(&self, run: Run, tokens: &TokenBatch) -> Result<Matrix> {
        let mut replace = |tokens: &TokenBatch, x: &mut Matrix| self.replace(run, tokens, x);
        let edit = Edit { hook: &self.options.hook, replace: &mut replace };
        Ok(self.model.nll(tokens, (run != Run::Clean).then_some(edit))?)
    }

    /// Replaces the activations `x`, `[rows * width, d]`.
    fn replace(&self, run: Run, tokens: &TokenBatch, x: &mut Matrix) -> saekit_core::Result<()> {
        let d = self.options.mean.len();
        saekit_core::Error::check_size("width of the activations", d, x.cols())?;
        let places = self.places(run, tokens);
        let zeros = vec![0.0; d];
        let row = match run {
            Run::Clean => return Ok(()),
            Run::Sae => return self.splice(&places, x),
            Run::Zero => &zeros,
            Run::Mean => &self.options.mean,
        };
        for place in places {
            x.row_mut(place).copy_from_slice(row);
        }
        Ok(())
    }

    /// The rows of the activations that `run` replaces. Padding stays: nothing looks at it.
    fn places(&self, run: Run, tokens: &TokenBatch) -> Vec<usize> {
        let everywhere = run != Run::Sae && self.options.ablated == Ablated::Everywhere;
        (0..tokens.rows())
            .flat_map(|row| (0..tokens.lengths()[row]).map(move |t| (row, t)))
            .filter(|(row, t)| everywhere || !self.is_special(tokens.sequence(*row)[*t]))
            .map(|(row, t)| row * tokens.width() + t)
            .collect()
    }

    fn splice(&self, places: &[usize], x: &mut Matrix) -> saekit_core::Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let rows = places.iter().flat_map(|place| x.row(*place)).copied().collect();
        let rows = Matrix::new(places.len(), x.cols(), rows);
        rows.view().check_finite("the matrix of activations in the model")?;
        let (_, output) = self.codec.reconstruct(rows.view())?;
        for (place, row) in places.iter().zip(output.view().iter()) {
            x.row_mut(*place).copy_from_slice(row);
        }
        Ok(())
    }

    fn is_special(&self, id: u32) -> bool {
        self.options.special_ids.contains(&id)
    }
}

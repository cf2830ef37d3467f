//! Encodes batch after batch with one encoder, screened as long as that is faster.
//!
//! Screening costs one product in bf16 per latent, and as much as [`WORTH`] products of the f32 path per
//! candidate. It pays where few latents are candidates; the batches before tell how many. The codes are the
//! same, bit for bit, so the choice changes nothing but the time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::codes::CsrCodes;
use crate::encode::{Precision, Products, encode, selected};
use crate::encoder::{Encoder, Screening};
use crate::rounded::RoundedWeights;
use crate::select::Sparsity;
use crate::simd::{Aligned, Isa, Screen, TileShape, pairs};
use crate::warm_start::WarmStart;

/// Cost of a product that is computed again, in products of a tile, whose weights are in the cache: 27 to
/// 30 at `d` 768 on two cores with AMX.
const WORTH: f64 = 32.0;

/// Expected candidates per active latent: 1.2 to 2 at the same sizes.
const CANDIDATES: f64 = 2.0;

/// Batches in f32 after one with too many candidates.
const REST: u32 = 64;

/// Screening pays where its products take less than this fraction of the f32 path's time.
const WORTHWHILE: f64 = 0.65;

impl Precision {
    /// The faster precision on this machine for few active latents per row. Times bf16 products against f32
    /// products once per process, for about a millisecond.
    pub fn best() -> Self {
        static BEST: OnceLock<Precision> = OnceLock::new();
        *BEST.get_or_init(|| {
            let (isa, screen) = (Isa::best(), Screen::best());
            let pays = screen.is_native() && screen_time(screen) < WORTHWHILE * f32_time(isa);
            if pays { Self::Mixed(isa, screen) } else { Self::F32(isa) }
        })
    }

    /// The instruction set of the f32 products.
    pub fn isa(self) -> Isa {
        match self {
            Self::F32(isa) | Self::Mixed(isa, _) => isa,
        }
    }
}

/// Columns of the timed tiles.
const TIMED: usize = 512;

/// Seconds per product of [`TIMED`] columns in f32.
fn f32_time(isa: Isa) -> f64 {
    let TileShape { mr, nr } = isa.tile();
    let (w, panel) = (Aligned::zeros(mr * TIMED), Aligned::zeros(TIMED * nr));
    let mut out = vec![0.0; mr * nr];
    shortest(|| isa.multiply(&w, &[], &panel, TIMED, &mut out)) / (mr * nr) as f64
}

/// Seconds per product of [`TIMED`] columns in bf16.
fn screen_time(screen: Screen) -> f64 {
    let TileShape { mr, nr } = screen.tile();
    let width = pairs(TIMED);
    let (w, panel) = (Aligned::zeros(mr * width), Aligned::zeros(width * nr));
    let mut out = vec![0.0; mr * nr];
    shortest(|| screen.multiply(&w, &[], std::iter::once(&panel[..]), width, &mut out))
        / (mr * nr) as f64
}

fn shortest(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    (0..100).map(time).min().unwrap_or(Duration::ZERO).as_secs_f64()
}

/// [`encode()`] for a sequence of batches with weights that change in between: screened as long as few
/// latents are candidates, in f32 after batches with too many.
pub struct Screener {
    precision: Precision,
    /// Only in [`Precision::Mixed`].
    rounded: Option<RoundedWeights>,
    /// Mean number of active latents per row in the last batch.
    listed: Option<f64>,
    /// Batches still to be done in f32.
    rest: u32,
    start: WarmStart,
}

impl Screener {
    /// A screener for an encoder with weights `w_enc`, `[d_sae, d]`.
    pub fn new(precision: Precision, w_enc: &[f32], d: usize) -> Self {
        let rounded = match precision {
            Precision::F32(_) => None,
            Precision::Mixed(isa, screen) => Some(RoundedWeights::new(isa, screen, w_enc, d)),
        };
        Self { precision, rounded, listed: None, rest: 0, start: WarmStart::default() }
    }

    /// The weights in bf16, which have to be updated with the weights; `None` in f32.
    pub fn rounded(&mut self) -> Option<&mut RoundedWeights> {
        self.rounded.as_mut()
    }

    /// Returns the active latents of the rows `x`, `[rows, d]`, and counts of the screening. The weights of
    /// `encoder` are those that [`rounded`](Self::rounded) was last updated to.
    ///
    /// # Panics
    /// If the sizes do not fit each other.
    pub fn encode(
        &mut self,
        x: &[f32],
        encoder: Encoder<'_>,
        sparsity: Sparsity<'_>,
    ) -> (CsrCodes, Screening) {
        let d_sae = encoder.b_enc.len() as f64;
        let isa = self.precision.isa();
        let pays = pays(sparsity, self.listed, d_sae) && self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        let products = match &self.rounded {
            Some(rounded) if pays => Products::Screened(isa, rounded),
            _ => Products::F32(isa),
        };
        let (codes, screening) = match sparsity {
            Sparsity::TopK { k } => {
                let d = encoder.w_enc.len().checked_div(encoder.b_enc.len()).unwrap_or(0);
                let row_thresholds = self.start.row_thresholds(isa, x, d);
                let found = selected(x, encoder, sparsity, products, row_thresholds);
                self.start.learn(&found.0, k);
                found
            }
            _ => selected(x, encoder, sparsity, products, None),
        };
        let rows = codes.rows().max(1) as f64;
        self.listed = Some(codes.len() as f64 / rows);
        if screening.rescored as f64 * WORTH > rows * d_sae {
            self.rest = REST;
        }
        (codes, screening)
    }
}

/// [`encode()`] for an encoder that is used once, so that nothing is learnt for a next batch.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode_once(
    x: &[f32],
    encoder: Encoder<'_>,
    sparsity: Sparsity<'_>,
    precision: Precision,
) -> (CsrCodes, Screening) {
    let pays = pays(sparsity, None, encoder.b_enc.len() as f64);
    encode(x, encoder, sparsity, if pays { precision } else { Precision::F32(precision.isa()) })
}

/// Whether screening pays. `listed` is the mean number of active latents per row in the last batch.
fn pays(sparsity: Sparsity<'_>, listed: Option<f64>, d_sae: f64) -> bool {
    let listed = match sparsity {
        Sparsity::TopK { k } | Sparsity::BatchTopK { k, .. } => Some(k as f64),
        Sparsity::Threshold { .. } | Sparsity::Positive => listed,
    };
    listed.is_some_and(|listed| CANDIDATES * listed * WORTH <= d_sae)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn screened(sparsity: Sparsity<'_>, b_enc: f32) -> [u64; 3] {
        let (d, d_sae) = (24, 600);
        let (w, b, x) = (values(d_sae * d, 1), vec![b_enc; d_sae], values(7 * d, 2));
        let encoder = Encoder { w_enc: &w, b_enc: &b };
        let isa = Isa::best();
        let mut screener = Screener::new(Precision::Mixed(isa, Screen::best()), &w, d);
        [0; 3].map(|_| {
            let (codes, screening) = screener.encode(&x, encoder, sparsity);
            assert_eq!(codes, encode(&x, encoder, sparsity, Precision::F32(isa)).0);
            screening.screened
        })
    }

    #[test]
    fn it_screens_where_few_latents_are_candidates() {
        assert_eq!(screened(Sparsity::TopK { k: 2 }, 0.0), [7; 3]);
        assert_eq!(screened(Sparsity::TopK { k: 100 }, 0.0), [0; 3]);
        // Without a `k`, the first batch tells how many latents are active.
        assert_eq!(screened(Sparsity::Positive, -4.0), [0, 7, 7]);
        assert_eq!(screened(Sparsity::Positive, 0.0), [0; 3]);
    }

    #[test]
    fn it_rests_where_too_much_is_computed_again() {
        // Values that bf16 cannot tell apart.
        assert_eq!(screened(Sparsity::TopK { k: 2 }, 1e7), [7, 0, 0]);
    }

    #[test]
    fn what_batches_before_had_changes_no_bit() {
        let (d, d_sae, k) = (24, 900, 4);
        let (w, b) = (values(d_sae * d, 1), values(d_sae, 2));
        let encoder = Encoder { w_enc: &w, b_enc: &b };
        let isa = Isa::best();
        let screened = Precision::Mixed(isa, Screen::best());
        let mut screeners = [Precision::F32(isa), screened].map(|p| Screener::new(p, &w, d));
        for (seed, size) in (3..).zip([1.0, 1.0, 8.0, 0.01, 1.0, 0.0, 1.0, 1.0]) {
            let mut x = values(70 * d, seed);
            for v in &mut x {
                *v *= size;
            }
            // Along no latent: far fewer and smaller values than its norm says.
            x[..d].fill(0.1 * size);
            let want = encode(&x, encoder, Sparsity::TopK { k }, Precision::F32(isa)).0;
            for screener in &mut screeners {
                assert!(screener.encode(&x, encoder, Sparsity::TopK { k }).0 == want, "{seed}");
            }
        }
        // Something was known at last, and it was used.
        let known = screeners.iter().all(|screener| screener.start.share().is_some());
        assert!(known);
    }
}

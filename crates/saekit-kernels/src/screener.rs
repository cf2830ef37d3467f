//! Batch after batch through one encoder, screened as long as that is faster.
//!
//! Screening costs a product in bf16 and, for each candidate, as much as [`WORTH`] of the f32 path's
//! products: it pays where few latents are candidates, which is known of the batches before. Codes are
//! the same, bit for bit, so that nothing but time depends on what is chosen.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::codes::SparseRows;
use crate::encode::{Encoder, Precision, Products, Screening, encode, selected};
use crate::head_start::HeadStart;
use crate::rounded::RoundedWeights;
use crate::select::Select;
use crate::simd::{Aligned, Isa, Screen, TileShape, pairs};

/// A product computed again takes as long as so many of a tile's, whose weights are in the cache: 27 to 30
/// at `d` 768 on two cores with AMX.
const WORTH: f64 = 32.0;

/// Candidates that are expected for each latent listed: 1.2 to 2 at the same sizes.
const CANDIDATES: f64 = 2.0;

/// Batches in f32 after one that screening left too much of.
const REST: u32 = 64;

/// A screen's products have to take at most this part of the f32 path's time to make up for the rest.
const WORTHWHILE: f64 = 0.65;

impl Precision {
    /// The faster on this machine for few latents a row: bf16 products are timed against those in f32,
    /// for about a millisecond, once a process.
    pub fn best() -> Self {
        static BEST: OnceLock<Precision> = OnceLock::new();
        *BEST.get_or_init(|| {
            let (isa, screen) = (Isa::best(), Screen::best());
            let pays = screen.is_native() && screen_time(screen) < WORTHWHILE * f32_time(isa);
            if pays { Self::Mixed(isa, screen) } else { Self::F32(isa) }
        })
    }

    /// The instruction set of all that is in f32.
    pub fn isa(self) -> Isa {
        match self {
            Self::F32(isa) | Self::Mixed(isa, _) => isa,
        }
    }
}

/// Columns of the tiles that are timed.
const TIMED: usize = 512;

/// Seconds a product of [`TIMED`] columns.
fn f32_time(isa: Isa) -> f64 {
    let TileShape { mr, nr } = isa.tile();
    let (w, panel) = (Aligned::zeros(mr * TIMED), Aligned::zeros(TIMED * nr));
    let mut out = vec![0.0; mr * nr];
    shortest(|| isa.multiply(&w, &[], &panel, TIMED, &mut out)) / (mr * nr) as f64
}

/// The same in bf16.
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

/// Encodes with weights that change between batches, as [`encode()`] does: screened as long as few
/// latents are candidates, and in f32 where too much had to be computed again.
pub struct Screener {
    precision: Precision,
    /// In [`Precision::Mixed`].
    rounded: Option<RoundedWeights>,
    /// Entries a row of the batch before.
    listed: Option<f64>,
    /// Batches that are still to be done in f32.
    rest: u32,
    start: HeadStart,
}

impl Screener {
    /// For an encoder with weights `w_enc`, `[d_sae, d]`.
    pub fn new(precision: Precision, w_enc: &[f32], d: usize) -> Self {
        let rounded = match precision {
            Precision::F32(_) => None,
            Precision::Mixed(isa, screen) => Some(RoundedWeights::new(isa, screen, w_enc, d)),
        };
        Self { precision, rounded, listed: None, rest: 0, start: HeadStart::default() }
    }

    /// What has to follow the weights when they change; nothing in f32.
    pub fn rounded(&mut self) -> Option<&mut RoundedWeights> {
        self.rounded.as_mut()
    }

    /// The active latents of the rows `x`, by the encoder with the weights that were given last.
    ///
    /// # Panics
    /// If the sizes do not fit each other.
    pub fn encode(
        &mut self,
        x: &[f32],
        encoder: Encoder<'_>,
        select: Select<'_>,
    ) -> (SparseRows, Screening) {
        let d_sae = encoder.b_enc.len() as f64;
        let isa = self.precision.isa();
        let pays = pays(select, self.listed, d_sae) && self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        let products = match &self.rounded {
            Some(rounded) if pays => Products::Screened(isa, rounded),
            _ => Products::F32(isa),
        };
        let (codes, screening) = match select {
            Select::TopK { k } => {
                let d = encoder.w_enc.len().checked_div(encoder.b_enc.len()).unwrap_or(0);
                let bars = self.start.bars(isa, x, d);
                let found = selected(x, encoder, select, products, bars);
                self.start.learn(&found.0, k);
                found
            }
            _ => selected(x, encoder, select, products, None),
        };
        let rows = codes.rows().max(1) as f64;
        self.listed = Some(codes.len() as f64 / rows);
        if screening.rescored as f64 * WORTH > rows * d_sae {
            self.rest = REST;
        }
        (codes, screening)
    }
}

/// [`encode()`] once, by an encoder whose weights will be others next time.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn encode_once(
    x: &[f32],
    encoder: Encoder<'_>,
    select: Select<'_>,
    precision: Precision,
) -> (SparseRows, Screening) {
    let pays = pays(select, None, encoder.b_enc.len() as f64);
    encode(x, encoder, select, if pays { precision } else { Precision::F32(precision.isa()) })
}

/// Whether few enough latents will be candidates, of which `listed` a row were active last.
fn pays(select: Select<'_>, listed: Option<f64>, d_sae: f64) -> bool {
    let listed = match select {
        Select::TopK { k } | Select::BatchTopK { k, .. } => Some(k as f64),
        Select::Threshold { .. } | Select::Positive => listed,
    };
    listed.is_some_and(|listed| CANDIDATES * listed * WORTH <= d_sae)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    fn screened(select: Select<'_>, b_enc: f32) -> [u64; 3] {
        let (d, d_sae) = (24, 600);
        let (w, b, x) = (values(d_sae * d, 1), vec![b_enc; d_sae], values(7 * d, 2));
        let encoder = Encoder { w_enc: &w, b_enc: &b };
        let isa = Isa::best();
        let mut screener = Screener::new(Precision::Mixed(isa, Screen::best()), &w, d);
        [0; 3].map(|_| {
            let (codes, screening) = screener.encode(&x, encoder, select);
            assert_eq!(codes, encode(&x, encoder, select, Precision::F32(isa)).0);
            screening.screened
        })
    }

    #[test]
    fn it_screens_where_few_latents_are_candidates() {
        assert_eq!(screened(Select::TopK { k: 2 }, 0.0), [7; 3]);
        assert_eq!(screened(Select::TopK { k: 100 }, 0.0), [0; 3]);
        // Of what has no `k`, the first batch tells.
        assert_eq!(screened(Select::Positive, -4.0), [0, 7, 7]);
        assert_eq!(screened(Select::Positive, 0.0), [0; 3]);
    }

    #[test]
    fn it_rests_where_too_much_is_computed_again() {
        // Values that bf16 cannot tell apart.
        assert_eq!(screened(Select::TopK { k: 2 }, 1e7), [7, 0, 0]);
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
            let want = encode(&x, encoder, Select::TopK { k }, Precision::F32(isa)).0;
            for screener in &mut screeners {
                assert!(screener.encode(&x, encoder, Select::TopK { k }).0 == want, "{seed}");
            }
        }
        // Something was known at last, and it was used.
        let known = screeners.iter().all(|screener| screener.start.share().is_some());
        assert!(known);
    }
}

//! Two ways to the encoder's product: exact in f32, or screened in bf16 with a bound on its error.
//!
//! Screening rounds rows `x` and weights `w` to bf16 (`x'`, `w'`) and multiplies those. By
//! Cauchy-Schwarz the product is off by at most
//! ```text
//! |x·w - x'·w'| <= ‖x - x'‖ ‖w‖ + ‖x'‖ ‖w - w'‖ + s ‖x'‖ (‖w‖ + ‖w - w'‖)
//! ```
//! where `s = (d + 8) 2⁻²²` covers the rounding of the sums. All four norms are those of the vectors at
//! hand, not of the worst case. The latents of a tile share a row's bound: it takes two numbers per row and
//! two per tile. Norms are enlarged by a thousandth, which covers their own rounding. A norm other than
//! zero counts as at least 1e-12, because squares and products of smaller numbers vanish.

use crate::rounded::{Norms, RoundRow, RoundedWeights};
use crate::simd::{Aligned, Isa, Screen, TileShape, pairs, part};

/// Products of a tile of latents with a panel of rows.
pub(crate) trait Product: Sync {
    /// Rows packed for the tile.
    type Panel: Send + Sync;

    /// The tile.
    fn shape(&self) -> TileShape;

    /// Bytes of a panel.
    fn panel_bytes(&self) -> usize;

    /// Packs at most `nr` rows, `[rows, d]`, padded with zeros.
    fn panel(&self, rows: &[f32]) -> Self::Panel;

    /// Writes the products of the latents of tile number `tile` with the rows of all panels to `out`,
    /// `[panels, mr, nr]`. Prefetches the next tile's weights where the processor can.
    fn multiply(&self, tile: usize, panels: &[Self::Panel], out: &mut [f32]);

    /// Writes a bound on the absolute error of the tile's products for each row of the panel to `out`,
    /// `[nr]`. A bound that is not finite says that nothing is known about the row.
    fn error_bound(&self, tile: usize, panel: &Self::Panel, out: &mut [f32]);

    /// Whether the products are final: no error, nothing to compute again.
    fn is_exact(&self) -> bool;
}

/// `rows`, `[at most nr, d]`, side by side: `[d, nr]`, padded with zeros.
fn side_by_side(rows: &[f32], d: usize, nr: usize) -> Aligned<f32> {
    let mut packed = Aligned::zeros(d * nr);
    // Sixteen columns at a time: a cache line of each row, sixteen of the panel.
    for start in (0..d).step_by(16) {
        for (lane, row) in rows.chunks_exact(d).enumerate() {
            for p in start..(start + 16).min(d) {
                packed[p * nr + lane] = row[p];
            }
        }
    }
    packed
}

/// The product in f32.
pub(crate) struct Exact<'a> {
    isa: Isa,
    d: usize,
    w_enc: &'a [f32],
    /// The last latents, padded with zeros to a whole tile.
    tail: Vec<f32>,
}

impl<'a> Exact<'a> {
    /// With the weights `w_enc`, `[d_sae, d]`.
    pub(crate) fn new(isa: Isa, w_enc: &'a [f32], d: usize) -> Self {
        let tile = isa.tile().mr * d;
        let whole = w_enc.len() / tile.max(1) * tile;
        let mut tail = w_enc[whole..].to_vec();
        tail.resize(tile, 0.0);
        Self { isa, d, w_enc: &w_enc[..whole], tail }
    }
}

impl Product for Exact<'_> {
    type Panel = Aligned<f32>;

    fn shape(&self) -> TileShape {
        self.isa.tile()
    }

    fn panel_bytes(&self) -> usize {
        4 * self.d * self.shape().nr
    }

    fn panel(&self, rows: &[f32]) -> Aligned<f32> {
        side_by_side(rows, self.d, self.shape().nr)
    }

    fn multiply(&self, tile: usize, panels: &[Aligned<f32>], out: &mut [f32]) {
        let TileShape { mr, nr } = self.shape();
        let tile_of = |tile| self.w_enc.get(tile * mr * self.d..(tile + 1) * mr * self.d);
        let weights = tile_of(tile).unwrap_or(&self.tail);
        let next = tile_of(tile + 1).unwrap_or(&[]);
        for ((i, panel), out) in panels.iter().enumerate().zip(out.chunks_exact_mut(mr * nr)) {
            self.isa.multiply(weights, part(next, i, panels.len()), panel, self.d, out);
        }
    }

    fn error_bound(&self, _tile: usize, _panel: &Aligned<f32>, out: &mut [f32]) {
        out.fill(0.0);
    }

    fn is_exact(&self) -> bool {
        true
    }
}

/// The product in bf16.
pub(crate) struct Screened<'a> {
    weights: &'a RoundedWeights,
    screen: Screen,
    isa: Isa,
    d: usize,
    /// A tile's largest `‖w‖` and `‖w - w'‖`.
    norms: Vec<Norms>,
    /// `s` above.
    rounding: f32,
}

/// Covers the rounding of the norms themselves.
const ENLARGED: f32 = 1.001;

impl<'a> Screened<'a> {
    /// With these `weights`, `d` wide.
    pub(crate) fn new(isa: Isa, weights: &'a RoundedWeights, d: usize) -> Self {
        let rounding = (d + 8) as f32 / (1 << 22) as f32;
        Self { weights, screen: weights.screen(), isa, d, norms: weights.tile_norms(), rounding }
    }
}

/// Rows in bf16 and their norms.
pub(crate) struct ScreenedPanel {
    packed: Aligned<u32>,
    /// `‖x - x'‖` of each row, enlarged.
    errors: Vec<f32>,
    /// A bound on `‖x'‖` of each row, enlarged.
    norms: Vec<f32>,
}

impl Product for Screened<'_> {
    type Panel = ScreenedPanel;

    fn shape(&self) -> TileShape {
        self.screen.tile()
    }

    fn panel_bytes(&self) -> usize {
        4 * pairs(self.d) * self.shape().nr
    }

    fn panel(&self, rows: &[f32]) -> ScreenedPanel {
        let (nr, width) = (self.shape().nr, pairs(self.d));
        let mut panel = ScreenedPanel {
            packed: Aligned::zeros(width * nr),
            errors: vec![0.0; nr],
            norms: vec![0.0; nr],
        };
        let mut row_pairs = vec![0; width];
        for (lane, row) in rows.chunks_exact(self.d.max(1)).enumerate() {
            let Norms { norm, error } = self.isa.run(RoundRow { row, pairs: &mut row_pairs });
            panel.errors[lane] = error * ENLARGED;
            panel.norms[lane] = (norm + error) * ENLARGED;
            for (p, pair) in row_pairs.iter().enumerate() {
                panel.packed[self.screen.panel_place(p, lane)] = *pair;
            }
        }
        panel
    }

    fn multiply(&self, tile: usize, panels: &[ScreenedPanel], out: &mut [f32]) {
        let tile_of = |tile| self.weights.tile(tile).unwrap_or(&[]);
        let panels = panels.iter().map(|panel| &panel.packed[..]);
        self.screen.multiply(tile_of(tile), tile_of(tile + 1), panels, pairs(self.d), out);
    }

    fn error_bound(&self, tile: usize, panel: &ScreenedPanel, out: &mut [f32]) {
        let w = self.norms[tile];
        let by_error = w.norm * ENLARGED;
        let by_norm = (w.error + self.rounding * (w.norm + w.error)) * ENLARGED;
        for ((error_bound, error), norm) in out.iter_mut().zip(&panel.errors).zip(&panel.norms) {
            *error_bound = error * by_error + norm * by_norm;
        }
    }

    fn is_exact(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;
    use proptest::prelude::{prop_assert, proptest};

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// Each product of the first tile and panel, the exact one, and the bound.
    fn compare<P: Product>(product: &P, w: &[f32], x: &[f32], d: usize) -> Vec<(f64, f64, f64)> {
        let TileShape { mr, nr } = product.shape();
        let panels = [product.panel(x)];
        let mut out = vec![f32::NAN; mr * nr];
        product.multiply(0, &panels, &mut out);
        let rows = x.chunks(d).enumerate();
        rows.flat_map(|(lane, x)| {
            let (out, panel) = (&out, &panels[0]);
            w.chunks(d).take(mr).enumerate().map(move |(i, w)| {
                let mut error_bound = vec![0.0; nr];
                product.error_bound(0, panel, &mut error_bound);
                (f64::from(out[i * nr + lane]), dot(x, w), f64::from(error_bound[lane]))
            })
        })
        .collect()
    }

    proptest! {
        #[test]
        fn products_are_within_their_bounds(
            d in 1_usize..150, n in 1_usize..9, rows in 1_usize..9, seed in 0_u64..99, size in -6..6
        ) {
            let grow = |v: Vec<f32>| v.iter().map(|v| v * 10.0_f32.powi(size)).collect::<Vec<_>>();
            let (w, x) = (values(n * d, seed), grow(values(rows * d, seed + 1)));
            for screen in Screen::available() {
                let rounded = RoundedWeights::new(Isa::best(), screen, &w, d);
                let product = Screened::new(Isa::best(), &rounded, d);
                for (got, want, error_bound) in compare(&product, &w, &x, d) {
                    prop_assert!((got - want).abs() <= error_bound, "{screen:?} {got} {want} {error_bound}");
                }
            }
            for isa in Isa::available() {
                for (got, want, _) in compare(&Exact::new(isa, &w, d), &w, &x, d) {
                    let unit = 10.0_f64.powi(size);
                    prop_assert!((got - want).abs() <= 1e-5 * unit, "{isa:?} {got} {want}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_known_of_what_bf16_cannot_hold() {
        let (w, x) = (vec![1.0; 8], vec![f32::MAX; 8]);
        for screen in Screen::available() {
            let rounded = RoundedWeights::new(Isa::best(), screen, &w, 8);
            let product = Screened::new(Isa::best(), &rounded, 8);
            let mut error_bound = vec![0.0; product.shape().nr];
            product.error_bound(0, &product.panel(&x), &mut error_bound);
            assert!(!error_bound[0].is_finite());
        }
    }
}

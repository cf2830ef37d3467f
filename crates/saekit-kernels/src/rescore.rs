//! Computes the candidates' values again in f32, with the bits of the f32 path.
//!
//! ```text
//! for each block of rows that fits the second-level cache:          in parallel
//!     order the block's candidates by latent                        a counting sort
//!     for each sixteen of them: x · w, column after column          2 d flops each
//! ```
//! Ordered by latent, a block reads each of its weights once, in ascending order; ordered by row, every
//! candidate would wait for its own weights. The order does not change the result: each value is one sum
//! over the columns.

use rayon::prelude::*;

use crate::encoder::Encoder;
use crate::select::{index_of, key, value_of};
use crate::simd::{Isa, PAIRS_AT_ONCE};

/// Bytes of rows per block: they stay in the second-level cache.
const BLOCK_BYTES: usize = 3 << 19;

/// Smallest number of rows that is worth a task.
const SMALLEST_BLOCK: usize = 32;

/// Replaces the value of each key by its exact value: the product of the row of `x`, `[rows, d]`, with the
/// key's latent, plus its bias. Drops keys whose value does not exceed `threshold(latent)`.
pub(crate) fn rescore(
    isa: Isa,
    x: &[f32],
    encoder: Encoder<'_>,
    threshold: impl Fn(usize) -> f32 + Sync,
    keys: &mut [Vec<u64>],
) {
    let Some(d) = x.len().checked_div(keys.len()).filter(|d| *d > 0) else { return };
    let share = keys.len().div_ceil(rayon::current_num_threads()).max(SMALLEST_BLOCK);
    let rows = (BLOCK_BYTES / (4 * d)).clamp(SMALLEST_BLOCK, share);
    x.par_chunks(rows * d).zip(keys.par_chunks_mut(rows)).for_each(|(x, keys)| {
        for group in order_by_latent(keys, encoder.b_enc.len()).chunks(PAIRS_AT_ONCE) {
            // The last group is filled up with its first pair.
            let at = |i: usize| group.get(i).copied().unwrap_or(group[0]);
            let sums = isa.products_in_order(&std::array::from_fn(|i| {
                let Place { row, latent, .. } = at(i);
                let (row, latent) = (row as usize, latent as usize);
                (&encoder.w_enc[latent * d..][..d], &x[row * d..][..d])
            }));
            for (place, sum) in group.iter().zip(sums) {
                let value = sum + encoder.b_enc[place.latent as usize];
                keys[place.row as usize][place.slot as usize] = key(value, place.latent);
            }
        }
        for keys in keys {
            keys.retain(|key| value_of(*key) > threshold(index_of(*key) as usize));
        }
    });
}

/// The place of a candidate: slot `slot` of row `row`.
#[derive(Clone, Copy, Default)]
struct Place {
    latent: u32,
    row: u32,
    slot: u32,
}

/// The places of all keys of some rows, ordered by latent.
fn order_by_latent(keys: &[Vec<u64>], d_sae: usize) -> Vec<Place> {
    let mut ends = vec![0_u32; d_sae + 1];
    for key in keys.iter().flatten() {
        ends[index_of(*key) as usize + 1] += 1;
    }
    for latent in 0..d_sae {
        ends[latent + 1] += ends[latent];
    }
    let mut places = vec![Place::default(); ends[d_sae] as usize];
    for (row, keys) in (0..).zip(keys) {
        for (slot, key) in (0..).zip(keys) {
            let latent = index_of(*key);
            let next = &mut ends[latent as usize];
            places[*next as usize] = Place { latent, row, slot };
            *next += 1;
        }
    }
    places
}

//! Candidates' values in f32, with the bits that the f32 path gives them.
//!
//! ```text
//! for each block of rows that the second-level cache holds:         in parallel
//!     order the block's candidates by latent                        a counting sort
//!     for each sixteen of them: x · w, column after column          2 d flops each
//! ```
//! In the order of the latents a block reads each of its weights once, and ascending, where in the
//! order of the rows every candidate would wait for its own. Nothing depends on the order: each value
//! is one sum over the columns.

use rayon::prelude::*;

use crate::encode::Encoder;
use crate::select::{index_of, key, value_of};
use crate::simd::{Isa, PAIRS_AT_ONCE};

/// Bytes of rows that are to stay in a second-level cache.
const BLOCK_BYTES: usize = 3 << 19;

/// Rows that are worth a task of their own.
const SMALLEST_BLOCK: usize = 32;

/// Replaces the keys of each row, of which only the index counts, by those with the values that the
/// rows `x` have there; keeps those whose value exceeds `floor` of the latent.
pub(crate) fn rescore(
    isa: Isa,
    x: &[f32],
    encoder: Encoder<'_>,
    floor: impl Fn(usize) -> f32 + Sync,
    keys: &mut [Vec<u64>],
) {
    let Some(d) = x.len().checked_div(keys.len()).filter(|d| *d > 0) else { return };
    let share = keys.len().div_ceil(rayon::current_num_threads()).max(SMALLEST_BLOCK);
    let rows = (BLOCK_BYTES / (4 * d)).clamp(SMALLEST_BLOCK, share);
    x.par_chunks(rows * d).zip(keys.par_chunks_mut(rows)).for_each(|(x, keys)| {
        for group in by_latent(keys, encoder.b_enc.len()).chunks(PAIRS_AT_ONCE) {
            // What is left of the last group is its first pair again.
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
            keys.retain(|key| value_of(*key) > floor(index_of(*key) as usize));
        }
    });
}

/// Where a candidate stands.
#[derive(Clone, Copy, Default)]
struct Place {
    latent: u32,
    row: u32,
    slot: u32,
}

/// All keys of some rows, by latent.
fn by_latent(keys: &[Vec<u64>], d_sae: usize) -> Vec<Place> {
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

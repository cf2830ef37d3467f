//! Encoder and selection in one pass: pre-activations are compared while they are in the first-level
//! cache and are never stored.
//!
//! ```text
//! for each block of rows that fits the second-level cache:          in parallel
//!     pack it in panels of nr rows
//!     for each tile of mr latents:                                  weights are read once per block
//!         for each panel of the block:
//!             h[mr][nr] = tile · panel + b_enc                      2 mr nr d flops
//!             for each h above row_threshold and latent_threshold: add (h, latent) to the row's candidates
//!             where a row has 2 k candidates: prune them to the k largest, raise row_threshold
//! sort each row's latents
//! ```
//! `2 B d d_sae` flops; `4 d d_sae` bytes of weights per block. With bf16 products, each value has an error
//! bound. The row threshold is then the k-th largest lower bound, and a value is kept where its upper bound
//! exceeds that. At the end the candidates (about 2 k) are computed again in f32, with the sums of the f32
//! path, so that the codes have its bits.

use std::ops::Range;

use rayon::prelude::*;

use crate::codes::CsrCodes;
use crate::encoder::{Encoder, Screening};
use crate::product::Product;
use crate::rescore::rescore;
use crate::select::{candidate_limit, index_of, keep_largest, key, value_of};
use crate::simd::{Isa, TileShape, TileThresholds};

/// Bytes of packed rows per block: a thread keeps them in its second-level cache.
const BLOCK_BYTES: usize = 512 << 10;

/// Smallest number of tiles that is worth a task.
const SMALLEST_RANGE: usize = 32;

/// The selection per row: the `k` largest values above their latent's threshold.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a> {
    pub(crate) latent_threshold: LatentThreshold<'a>,
    pub(crate) k: usize,
    /// A guess per row of what its values have to exceed, to start with.
    pub(crate) row_thresholds: Option<&'a [f32]>,
}

impl<'a> Rule<'a> {
    /// The `k` largest above `latent_threshold`, without a guess.
    pub(crate) fn above(latent_threshold: LatentThreshold<'a>, k: usize) -> Self {
        Self { latent_threshold, k, row_thresholds: None }
    }
}

/// The value that a latent has to exceed: one for all, or `[d_sae]`.
#[derive(Clone, Copy)]
pub(crate) enum LatentThreshold<'a> {
    All(f32),
    Each(&'a [f32]),
}

impl LatentThreshold<'_> {
    fn of(&self, latent: usize) -> f32 {
        match self {
            Self::All(threshold) => *threshold,
            Self::Each(thresholds) => thresholds[latent],
        }
    }
}

/// One pass over the rows.
pub(crate) struct Pass<'a, P> {
    pub(crate) x: &'a [f32],
    pub(crate) d: usize,
    pub(crate) encoder: Encoder<'a>,
    pub(crate) rule: Rule<'a>,
    pub(crate) isa: Isa,
    pub(crate) product: &'a P,
}

/// Some rows by some tiles of latents.
struct Task {
    rows: Range<usize>,
    tiles: Range<usize>,
}

/// The result of a task: the keys of each of its rows, in any order.
struct Found {
    keys: Vec<Vec<u64>>,
    screening: Screening,
}

/// The rows of a panel with their candidates.
struct Group {
    rows: Vec<Candidates>,
    /// The value to exceed, `[nr]`; infinite in lanes without a row.
    row_threshold: Vec<f32>,
    /// Error bound of the current tile's values, `[nr]`.
    error_bound: Vec<f32>,
    /// The largest error bound so far, `[nr]`.
    largest_error_bound: Vec<f32>,
}

/// The candidates of a row.
struct Candidates {
    /// Each holds the lower bound of its value.
    keys: Vec<u64>,
    /// Prune at this many.
    limit: usize,
}

/// Covers the rounding of sums with a bias, and of a candidate's lower bound.
const BIAS_ROUNDING: f32 = 1.0 / (1 << 21) as f32;

/// A larger error bound is useless: values would overflow.
const LARGEST_ERROR_BOUND: f32 = 1e30;

impl<P: Product> Pass<'_, P> {
    /// Returns the codes of all `rows`.
    pub(crate) fn run(&self, rows: usize) -> (CsrCodes, Screening) {
        let (mut keys, mut screening) = self.candidates(rows);
        if let Some(thresholds) = self.rule.row_thresholds {
            screening += self.look_again(thresholds, &mut keys);
        }
        if !self.product.is_exact() {
            screening.screened = rows as u64;
            screening.rescored = keys.iter().map(|keys| keys.len() as u64).sum();
            let threshold = |latent| self.rule.latent_threshold.of(latent);
            rescore(self.isa, self.x, self.encoder, threshold, &mut keys);
        }
        let k = self.rule.k;
        keys.par_iter_mut().with_min_len(64).for_each(|keys| {
            keep_largest(keys, k);
            keys.sort_unstable_by_key(|key| index_of(*key));
        });
        let codes = CsrCodes::fill(keys.iter().map(Vec::len), |row, ids, values| {
            for ((id, value), key) in ids.iter_mut().zip(values).zip(&keys[row]) {
                (*id, *value) = (index_of(*key), value_of(*key));
            }
        });
        (codes, screening)
    }

    /// The candidates of all `rows`, in any order, with the lower bounds of their values.
    fn candidates(&self, rows: usize) -> (Vec<Vec<u64>>, Screening) {
        let (tasks, ranges) = self.tasks(rows);
        let found: Vec<Found> = tasks.par_iter().map(|task| self.task(task)).collect();
        let mut screening = Screening::default();
        for found in &found {
            screening += found.screening;
        }
        (merge(found, ranges), screening)
    }

    /// Finds the candidates again for the rows whose first threshold was too high to leave `k`.
    fn look_again(&self, thresholds: &[f32], keys: &mut [Vec<u64>]) -> Screening {
        let d_sae = self.encoder.b_enc.len();
        let is_short = |keys: &[u64], threshold: f32| {
            let above = keys.iter().filter(|key| value_of(**key) > threshold).count();
            above < self.rule.k && keys.len() < d_sae
        };
        let rows: Vec<usize> =
            (0..keys.len()).filter(|row| is_short(&keys[*row], thresholds[*row])).collect();
        if rows.is_empty() {
            return Screening::default();
        }
        let x: Vec<f32> =
            rows.iter().flat_map(|row| &self.x[row * self.d..][..self.d]).copied().collect();
        let again = Pass { x: &x, rule: Rule { row_thresholds: None, ..self.rule }, ..*self };
        let (found, screening) = again.candidates(rows.len());
        for (row, found) in rows.into_iter().zip(found) {
            keys[row] = found;
        }
        screening
    }

    /// The tasks: blocks of rows times ranges of latents, and the number of ranges. The number of blocks
    /// is a multiple of the threads, because tasks take equally long: one block more would have all
    /// other threads wait for it. Latents are cut into ranges only where there are fewer blocks than
    /// threads, because each range prunes its own candidates.
    fn tasks(&self, rows: usize) -> (Vec<Task>, usize) {
        let TileShape { mr, nr } = self.product.shape();
        let tiles = self.encoder.b_enc.len().div_ceil(mr);
        let threads = rayon::current_num_threads();
        let panels = rows.div_ceil(nr);
        let most = (BLOCK_BYTES / self.product.panel_bytes().max(1)).max(1);
        let blocks = panels.div_ceil(most).next_multiple_of(threads).min(panels);
        let wanted = if blocks < threads { threads.div_ceil(blocks) } else { 1 };
        let ranges = wanted.min(tiles.div_ceil(SMALLEST_RANGE)).max(1);
        let part = |of: usize, into: usize, i: usize| of * i / into..of * (i + 1) / into;
        let block = |i: usize| {
            let panels = part(panels, blocks, i);
            (panels.start * nr).min(rows)..(panels.end * nr).min(rows)
        };
        let tasks = (0..blocks * ranges)
            .map(|i| Task { rows: block(i / ranges), tiles: part(tiles, ranges, i % ranges) });
        (tasks.collect(), ranges)
    }

    fn task(&self, task: &Task) -> Found {
        let shape = self.product.shape();
        let (panels, mut groups) = self.groups(task);
        let size = shape.mr * shape.nr;
        let mut values = vec![0.0; panels.len() * size];
        let mut above = vec![0; shape.mr];
        let (mut bias, mut latent_threshold) = (vec![0.0; shape.mr], vec![0.0; shape.mr]);
        for tile in task.tiles.clone() {
            self.tile_rule(tile, &mut bias, &mut latent_threshold);
            let rounding = bias.iter().fold(0.0_f32, |most, b| most.max(b.abs())) * BIAS_ROUNDING;
            self.product.multiply(tile, &panels, &mut values);
            let of_groups = values.chunks_exact_mut(size).zip(&panels).zip(&mut groups);
            for ((values, panel), group) in of_groups {
                self.set_error_bound(tile, rounding, panel, group);
                let thresholds = TileThresholds {
                    bias: &bias,
                    latent: &latent_threshold,
                    row: &group.row_threshold,
                    error_bound: &group.error_bound,
                };
                self.isa.scan(shape, values, &thresholds, &mut above);
                for (i, mask) in above.iter().enumerate() {
                    self.take(tile * shape.mr + i, *mask, &values[i * shape.nr..], group);
                }
            }
        }
        self.finish(groups, task)
    }

    fn groups(&self, task: &Task) -> (Vec<P::Panel>, Vec<Group>) {
        let nr = self.product.shape().nr;
        let limit =
            if self.rule.k == usize::MAX { usize::MAX } else { candidate_limit(self.rule.k) };
        let group = |first_row: usize| {
            let rows = first_row..(first_row + nr).min(task.rows.end);
            let empty = || Candidates { keys: Vec::with_capacity(limit.min(4096)), limit };
            let mut row_threshold = match self.rule.row_thresholds {
                Some(thresholds) => thresholds[rows.clone()].to_vec(),
                None => vec![f32::NEG_INFINITY; rows.len()],
            };
            row_threshold.resize(nr, f32::INFINITY);
            let panel = self.product.panel(&self.x[rows.start * self.d..rows.end * self.d]);
            let group = Group {
                rows: rows.map(|_| empty()).collect(),
                row_threshold,
                error_bound: vec![0.0; nr],
                largest_error_bound: vec![0.0; nr],
            };
            (panel, group)
        };
        task.rows.clone().step_by(nr).map(group).unzip()
    }

    /// Writes the biases and thresholds of a tile's latents. The padding of the last tile gets an infinite
    /// threshold, which nothing exceeds.
    fn tile_rule(&self, tile: usize, bias: &mut [f32], threshold: &mut [f32]) {
        let first = tile * bias.len();
        for (i, (bias, threshold)) in bias.iter_mut().zip(threshold).enumerate() {
            let there = self.encoder.b_enc.get(first + i);
            *bias = there.copied().unwrap_or(0.0);
            *threshold = there.map_or(f32::INFINITY, |_| self.rule.latent_threshold.of(first + i));
        }
    }

    /// Sets the error bounds of a tile; adding its biases rounds a sum by at most `rounding`.
    fn set_error_bound(&self, tile: usize, rounding: f32, panel: &P::Panel, group: &mut Group) {
        if !self.product.is_exact() {
            self.product.error_bound(tile, panel, &mut group.error_bound);
            for (most, error_bound) in
                group.largest_error_bound.iter_mut().zip(&mut group.error_bound)
            {
                *error_bound += rounding;
                if *error_bound > *most || error_bound.is_nan() {
                    *most = *error_bound;
                }
            }
        }
    }

    /// Adds `latent` to the candidates of the rows whose bit is set.
    fn take(&self, latent: usize, mut mask: u64, values: &[f32], group: &mut Group) {
        while mask != 0 {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let row = &mut group.rows[lane];
            row.keys.push(key(values[lane] - group.error_bound[lane], latent as u32));
            if row.keys.len() >= row.limit {
                self.prune(group, lane);
            }
        }
    }

    /// Drops the candidates that cannot be among the `k` largest, and raises the row threshold to the
    /// `k`-th largest lower bound: at least `k` values are as large as that.
    fn prune(&self, group: &mut Group, lane: usize) {
        let (k, row) = (self.rule.k, &mut group.rows[lane]);
        if row.keys.len() < k {
            return;
        }
        row.keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        let threshold = value_of(row.keys[k - 1]);
        group.row_threshold[lane] = threshold;
        let least = threshold - 2.0 * group.largest_error_bound[lane];
        let mut kept = k;
        if !self.product.is_exact() {
            for i in k..row.keys.len() {
                if value_of(row.keys[i]) >= least {
                    row.keys.swap(i, kept);
                    kept += 1;
                }
            }
            row.limit = candidate_limit(k).max(2 * kept);
        }
        row.keys.truncate(kept);
    }

    fn finish(&self, mut groups: Vec<Group>, task: &Task) -> Found {
        let mut found = Found { keys: Vec::new(), screening: Screening::default() };
        for group in &mut groups {
            for lane in 0..group.rows.len() {
                if self.rule.k != usize::MAX {
                    self.prune(group, lane);
                }
                let mut keys = std::mem::take(&mut group.rows[lane].keys);
                let is_known = self.product.is_exact()
                    || group.largest_error_bound[lane] < LARGEST_ERROR_BOUND;
                if !is_known {
                    found.screening.fallback_rows += 1;
                    keys = self.latents(&task.tiles).map(|id| key(0.0, id)).collect();
                }
                found.keys.push(keys);
            }
        }
        found
    }

    /// The latents of `tiles`.
    fn latents(&self, tiles: &Range<usize>) -> Range<u32> {
        let (mr, d_sae) = (self.product.shape().mr, self.encoder.b_enc.len());
        (tiles.start * mr) as u32..(tiles.end * mr).min(d_sae) as u32
    }
}

/// Joins the keys of each row from the `ranges` of latents of its block.
fn merge(found: Vec<Found>, ranges: usize) -> Vec<Vec<u64>> {
    let mut keys: Vec<Vec<u64>> = Vec::new();
    for (task, found) in found.into_iter().enumerate() {
        if task.is_multiple_of(ranges) {
            keys.extend(found.keys);
        } else {
            let first = keys.len() - found.keys.len();
            for (all, more) in keys[first..].iter_mut().zip(found.keys) {
                all.extend(more);
            }
        }
    }
    keys
}

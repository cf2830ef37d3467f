//! Encoder and selection in one pass: pre-activations are compared while they are in the innermost
//! cache and never written anywhere.
//!
//! ```text
//! for each block of rows that the second-level cache holds:         in parallel
//!     pack it in panels of nr rows
//!     for each tile of mr latents:                                  weights are read once a block
//!         for each panel of the block:
//!             h[mr][nr] = tile · panel + b_enc                      2 mr nr d flops
//!             for each h above its row's bar and its latent's floor: remember (h, latent)
//!             where a row has gathered 2 k: keep its k largest, raise its bar
//! sort each row's latents
//! ```
//! `2 B d d_sae` flops; `4 d d_sae` bytes of weights a block. With bf16 products the bar is the
//! k-th largest lower bound and what exceeds it by its upper bound is kept; at the end the kept ones
//! (about 2 k) are computed again in f32, with the sums of the f32 path, so that codes have its bits.

use std::ops::Range;

use rayon::prelude::*;

use crate::codes::SparseRows;
use crate::encode::{Encoder, Screening};
use crate::product::Product;
use crate::rescore::rescore;
use crate::select::{gather, index_of, keep_largest, key, value_of};
use crate::simd::{Bars, Isa, TileShape};

/// Bytes of packed rows that a thread keeps in its second-level cache.
const BLOCK_BYTES: usize = 512 << 10;

/// Tiles that are worth a task of their own.
const SMALLEST_RANGE: usize = 32;

/// What a row keeps: the `k` largest above the floors.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a> {
    pub(crate) floor: Floor<'a>,
    pub(crate) k: usize,
    /// What each row's values have to exceed at first, at a guess.
    pub(crate) bars: Option<&'a [f32]>,
}

#[derive(Clone, Copy)]
pub(crate) enum Floor<'a> {
    All(f32),
    Each(&'a [f32]),
}

impl Floor<'_> {
    fn of(&self, latent: usize) -> f32 {
        match self {
            Self::All(floor) => *floor,
            Self::Each(floors) => floors[latent],
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

/// What a task found: keys for each of its rows, in any order.
struct Found {
    keys: Vec<Vec<u64>>,
    screening: Screening,
}

/// The rows of a panel, and what they have gathered.
struct Group {
    rows: Vec<Gathered>,
    /// What a value has to exceed, `[nr]`; infinite where there is no row.
    bar: Vec<f32>,
    /// By how much the values of the current tile may be off, `[nr]`.
    slack: Vec<f32>,
    /// The largest of these so far, `[nr]`.
    most_slack: Vec<f32>,
}

/// A row's candidates.
struct Gathered {
    /// Each with the least that its value may be.
    keys: Vec<u64>,
    /// Thin out at this many.
    limit: usize,
}

/// Covers the rounding of sums with a bias, and of a candidate's least value.
const BIAS_ROUNDING: f32 = 1.0 / (1 << 21) as f32;

/// A bound on an error that is larger says nothing: values overflow.
const LARGEST_SLACK: f32 = 1e30;

impl<P: Product> Pass<'_, P> {
    /// The codes of all `rows`.
    pub(crate) fn run(&self, rows: usize) -> (SparseRows, Screening) {
        let (mut keys, mut screening) = self.candidates(rows);
        if let Some(bars) = self.rule.bars {
            screening += self.look_again(bars, &mut keys);
        }
        if !self.product.is_exact() {
            screening.screened = rows as u64;
            screening.rescored = keys.iter().map(|keys| keys.len() as u64).sum();
            let floor = |latent| self.rule.floor.of(latent);
            rescore(self.isa, self.x, self.encoder, floor, &mut keys);
        }
        let k = self.rule.k;
        keys.par_iter_mut().with_min_len(64).for_each(|keys| {
            keep_largest(keys, k);
            keys.sort_unstable_by_key(|key| index_of(*key));
        });
        let codes = SparseRows::fill(keys.iter().map(Vec::len), |row, ids, values| {
            for ((id, value), key) in ids.iter_mut().zip(values).zip(&keys[row]) {
                (*id, *value) = (index_of(*key), value_of(*key));
            }
        });
        (codes, screening)
    }

    /// The candidates of all `rows`, in any order, with the least that their values may be.
    fn candidates(&self, rows: usize) -> (Vec<Vec<u64>>, Screening) {
        let (tasks, ranges) = self.tasks(rows);
        let found: Vec<Found> = tasks.par_iter().map(|task| self.task(task)).collect();
        let mut screening = Screening::default();
        for found in &found {
            screening += found.screening;
        }
        (merge(found, ranges), screening)
    }

    /// Finds the candidates of the rows whose first bar was too high for `k` of them.
    fn look_again(&self, bars: &[f32], keys: &mut [Vec<u64>]) -> Screening {
        let d_sae = self.encoder.b_enc.len();
        let is_short = |keys: &[u64], bar: f32| {
            let above = keys.iter().filter(|key| value_of(**key) > bar).count();
            above < self.rule.k && keys.len() < d_sae
        };
        let rows: Vec<usize> =
            (0..keys.len()).filter(|row| is_short(&keys[*row], bars[*row])).collect();
        if rows.is_empty() {
            return Screening::default();
        }
        let x: Vec<f32> =
            rows.iter().flat_map(|row| &self.x[row * self.d..][..self.d]).copied().collect();
        let again = Pass { x: &x, rule: Rule { bars: None, ..self.rule }, ..*self };
        let (found, screening) = again.candidates(rows.len());
        for (row, found) in rows.into_iter().zip(found) {
            keys[row] = found;
        }
        screening
    }

    /// Blocks of rows, as many for each thread, and into how many ranges of latents each is cut:
    /// more than one where there are too few rows to go round.
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
        let (mut bias, mut floor) = (vec![0.0; shape.mr], vec![0.0; shape.mr]);
        for tile in task.tiles.clone() {
            self.tile_rule(tile, &mut bias, &mut floor);
            let rounding = bias.iter().fold(0.0_f32, |most, b| most.max(b.abs())) * BIAS_ROUNDING;
            self.product.multiply(tile, &panels, &mut values);
            let of_groups = values.chunks_exact_mut(size).zip(&panels).zip(&mut groups);
            for ((values, panel), group) in of_groups {
                self.set_slack(tile, rounding, panel, group);
                let bars =
                    Bars { bias: &bias, floor: &floor, bar: &group.bar, slack: &group.slack };
                self.isa.scan(shape, values, &bars, &mut above);
                for (i, mask) in above.iter().enumerate() {
                    self.take(tile * shape.mr + i, *mask, &values[i * shape.nr..], group);
                }
            }
        }
        self.finish(groups, task)
    }

    fn groups(&self, task: &Task) -> (Vec<P::Panel>, Vec<Group>) {
        let nr = self.product.shape().nr;
        let limit = if self.rule.k == usize::MAX { usize::MAX } else { gather(self.rule.k) };
        let group = |first_row: usize| {
            let rows = first_row..(first_row + nr).min(task.rows.end);
            let gathered = || Gathered { keys: Vec::with_capacity(limit.min(4096)), limit };
            let mut bar = match self.rule.bars {
                Some(bars) => bars[rows.clone()].to_vec(),
                None => vec![f32::NEG_INFINITY; rows.len()],
            };
            bar.resize(nr, f32::INFINITY);
            let panel = self.product.panel(&self.x[rows.start * self.d..rows.end * self.d]);
            let group = Group {
                rows: rows.map(|_| gathered()).collect(),
                bar,
                slack: vec![0.0; nr],
                most_slack: vec![0.0; nr],
            };
            (panel, group)
        };
        task.rows.clone().step_by(nr).map(group).unzip()
    }

    /// Biases and floors of a tile's latents; nothing exceeds the floor of one that is not there.
    fn tile_rule(&self, tile: usize, bias: &mut [f32], floor: &mut [f32]) {
        let first = tile * bias.len();
        for (i, (bias, floor)) in bias.iter_mut().zip(floor).enumerate() {
            let there = self.encoder.b_enc.get(first + i);
            *bias = there.copied().unwrap_or(0.0);
            *floor = there.map_or(f32::INFINITY, |_| self.rule.floor.of(first + i));
        }
    }

    /// Sets the slack of a tile whose biases may take up to `rounding` off a sum.
    fn set_slack(&self, tile: usize, rounding: f32, panel: &P::Panel, group: &mut Group) {
        if !self.product.is_exact() {
            self.product.slack(tile, panel, &mut group.slack);
            for (most, slack) in group.most_slack.iter_mut().zip(&mut group.slack) {
                *slack += rounding;
                if *slack > *most || slack.is_nan() {
                    *most = *slack;
                }
            }
        }
    }

    /// Remembers `latent` for the rows whose bit is set.
    fn take(&self, latent: usize, mut mask: u64, values: &[f32], group: &mut Group) {
        while mask != 0 {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let row = &mut group.rows[lane];
            row.keys.push(key(values[lane] - group.slack[lane], latent as u32));
            if row.keys.len() >= row.limit {
                self.thin(group, lane);
            }
        }
    }

    /// Drops what can no longer be among the `k` largest, and raises the bar: at least `k` values are
    /// as large as the `k`-th largest of what they are at least.
    fn thin(&self, group: &mut Group, lane: usize) {
        let (k, row) = (self.rule.k, &mut group.rows[lane]);
        if row.keys.len() < k {
            return;
        }
        row.keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        let bar = value_of(row.keys[k - 1]);
        group.bar[lane] = bar;
        let least = bar - 2.0 * group.most_slack[lane];
        let mut kept = k;
        if !self.product.is_exact() {
            for i in k..row.keys.len() {
                if value_of(row.keys[i]) >= least {
                    row.keys.swap(i, kept);
                    kept += 1;
                }
            }
            row.limit = gather(k).max(2 * kept);
        }
        row.keys.truncate(kept);
    }

    fn finish(&self, mut groups: Vec<Group>, task: &Task) -> Found {
        let mut found = Found { keys: Vec::new(), screening: Screening::default() };
        for group in &mut groups {
            for lane in 0..group.rows.len() {
                if self.rule.k != usize::MAX {
                    self.thin(group, lane);
                }
                let mut keys = std::mem::take(&mut group.rows[lane].keys);
                let is_known = self.product.is_exact() || group.most_slack[lane] < LARGEST_SLACK;
                if !is_known {
                    found.screening.redone += 1;
                    keys = self.latents(&task.tiles).map(|id| key(0.0, id)).collect();
                }
                found.keys.push(keys);
            }
        }
        found
    }

    /// The latents of some tiles.
    fn latents(&self, tiles: &Range<usize>) -> Range<u32> {
        let (mr, d_sae) = (self.product.shape().mr, self.encoder.b_enc.len());
        (tiles.start * mr) as u32..(tiles.end * mr).min(d_sae) as u32
    }
}

/// The keys of each row, from all the `ranges` of latents of its block.
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

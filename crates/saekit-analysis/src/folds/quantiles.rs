//! Firings in groups of equal number by strength, in bounded memory.

use crate::index::Firing;

/// Firings up to which strengths are sorted in memory: 4 MiB. More are counted by their bits.
const SORTED: usize = 1 << 20;

/// Of so many firings, one may be left out of a scale, and at least one of any number.
const FIRINGS_PER_OUTLIER: usize = 100;
/// How far beyond all others an outlier lies, as a multiple. Strengths that fall off exponentially reach
/// three times their 99 % quantile only once in a million firings.
const OUTLIER: f32 = 3.0;

/// Where a scale of strengths ends so that a few outliers do not flatten it; `None` without firings.
/// [`Density::scale_end`](super::Density::scale_end) has the definition.
pub(crate) fn scale_end(firings: &[Firing]) -> Option<f32> {
    let last = firings.len().checked_sub(1)?;
    let rank = last.saturating_sub(firings.len().div_ceil(FIRINGS_PER_OUTLIER));
    let limit = OUTLIER * strengths_at(firings, &[rank])[0];
    let within = firings.iter().map(Firing::strength).filter(|strength| *strength <= limit);
    within.max_by(f32::total_cmp)
}

/// Firings in groups by strength, the weakest group first.
///
/// Of `n` firings sorted by strength, group `g` of `q` begins with the strength at rank `⌊g n / q⌋`
/// (from 0). Equal strengths are in one group, so groups may differ in number or be empty.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Where each group but the first begins, ascending.
    bounds: Vec<f32>,
    fires: Vec<u64>,
    ranges: Vec<(f32, f32)>,
}

impl Groups {
    pub(crate) fn of(firings: &[Firing], groups: usize) -> Self {
        let n = firings.len();
        let ranks: Vec<usize> = (1..groups).map(|group| group * n / groups).collect();
        let bounds = if n == 0 { Vec::new() } else { strengths_at(firings, &ranks) };
        let mut all =
            Self { fires: vec![0; groups], ranges: vec![(f32::INFINITY, 0.0); groups], bounds };
        for firing in firings {
            let strength = firing.strength();
            let group = all.of_strength(strength);
            let (from, to) = all.ranges[group];
            all.fires[group] += 1;
            all.ranges[group] = (from.min(strength), to.max(strength));
        }
        all
    }

    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.fires.len()
    }

    /// The group of a firing.
    pub(crate) fn of_strength(&self, strength: f32) -> usize {
        self.bounds.partition_point(|bound| *bound <= strength)
    }

    /// Firings of a group.
    pub(crate) fn fires(&self, group: usize) -> u64 {
        self.fires[group]
    }

    /// Smallest and largest strength of a group that is not empty.
    pub(crate) fn range(&self, group: usize) -> (f32, f32) {
        self.ranges[group]
    }
}

/// The strengths at the given ranks, ascending from 0, of all strengths in order.
fn strengths_at(firings: &[Firing], ranks: &[usize]) -> Vec<f32> {
    if firings.len() > SORTED {
        return ranks.iter().map(|rank| counted(firings, *rank)).collect();
    }
    let mut strengths: Vec<f32> = firings.iter().map(Firing::strength).collect();
    if let [rank] = *ranks {
        return vec![*strengths.select_nth_unstable_by(rank, f32::total_cmp).1];
    }
    strengths.sort_unstable_by(f32::total_cmp);
    ranks.iter().map(|rank| strengths[*rank]).collect()
}

/// The strength at `rank`, by counting the upper and then the lower halves of the bits: those of
/// positive floats order as the floats do.
fn counted(firings: &[Firing], rank: usize) -> f32 {
    let bits = || firings.iter().map(|firing| firing.strength().to_bits());
    let (upper, before) = place(bits().map(|bits| bits >> 16), rank);
    let same = bits().filter(|bits| bits >> 16 == upper).map(|bits| bits & 0xFFFF);
    let (lower, _) = place(same, rank - before);
    f32::from_bits(upper << 16 | lower)
}

/// The value at `rank` among 16-bit values, and how many are smaller.
fn place(values: impl Iterator<Item = u32>, rank: usize) -> (u32, usize) {
    let mut counts = vec![0_usize; 1 << 16];
    for value in values {
        counts[value as usize] += 1;
    }
    let mut before = 0;
    for (value, count) in counts.iter().enumerate() {
        if before + count > rank {
            return (value as u32, before);
        }
        before += count;
    }
    unreachable!("a rank is below the number of values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy as _, any, prop, prop_assert_eq, proptest};

    fn firings(values: &[f32]) -> Vec<Firing> {
        let firing = |(i, value): (usize, &f32)| Firing {
            sequence: i as u32,
            position: 0,
            token: 0,
            value: *value,
        };
        values.iter().enumerate().map(firing).collect()
    }

    #[test]
    fn groups_by_hand() {
        let groups = Groups::of(&firings(&[5.0, 1.0, -4.0, 2.0, 3.0, 2.0]), 3);
        // sorted 1 2 2 3 4 5: bounds at ranks 2 and 4
        assert_eq!(groups.bounds, [2.0, 4.0]);
        assert_eq!((0..3).map(|g| groups.fires(g)).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!(groups.range(1), (2.0, 3.0));
        let empty = Groups::of(&[], 3);
        assert_eq!((empty.len(), empty.fires(2)), (3, 0));
    }

    #[test]
    fn one_massive_value_does_not_end_the_scale() {
        let end = |values: &[f32]| scale_end(&firings(values));
        assert_eq!(end(&[]), None);
        assert_eq!(end(&[-2.0]), Some(2.0));
        assert_eq!(end(&[1.0, 2.0, -3.0]), Some(3.0));
        assert_eq!(end(&[1.0, 2.0, -3000.0]), Some(2.0));
        // two of 150 are the strongest hundredth; the scale goes on to what the others reach
        let mut values: Vec<f32> = (1..=148_u8).map(f32::from).collect();
        values.extend([400.0, 5000.0]);
        assert_eq!(end(&values), Some(400.0));
        values.push(6000.0);
        assert_eq!(end(&values), Some(400.0));
        values.extend([7000.0, 8000.0]);
        assert_eq!(end(&values), Some(8000.0));
    }

    proptest! {
        #[test]
        fn counting_finds_what_sorting_finds(
            values in prop::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..200),
            rank in any::<prop::sample::Index>(),
        ) {
            let rank = rank.index(values.len());
            let firings = firings(&values);
            prop_assert_eq!(counted(&firings, rank), strengths_at(&firings, &[rank])[0]);
        }
    }
}

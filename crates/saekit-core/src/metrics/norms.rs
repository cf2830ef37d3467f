use std::collections::BTreeMap;

/// Bits of a norm's `f64` that are dropped: what is left has 11 significant bits.
const DROPPED_BITS: u32 = 52 - 10;

/// Quantiles of norms in bounded memory.
///
/// Norms are counted after rounding down to 11 significant bits (at most 0.1 % less), so a quantile
/// is exact but for this rounding, and depends neither on the order of the rows nor on how they were
/// cut into batches. Norms of `f32` rows fill at most 300,000 counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NormSketch {
    /// Norms by their leading bits.
    counts: BTreeMap<u32, u64>,
    rows: u64,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl NormSketch {
    /// Counts a row of the given norm, which is finite and not negative.
    pub fn push(&mut self, norm: f64) {
        *self.counts.entry((norm.to_bits() >> DROPPED_BITS) as u32).or_default() += 1;
        self.rows += 1;
        self.sum += norm;
        let (least, largest) = self.range.unwrap_or((norm, norm));
        self.range = Some((least.min(norm), largest.max(norm)));
    }

    /// Rows counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Mean norm; `None` without rows.
    pub fn mean(&self) -> Option<f64> {
        super::ratio(self.sum, self.rows as f64)
    }

    /// Smallest and largest norm, exactly; `None` without rows.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The norm at rank `⌊part · rows⌋` (from 0, at most the last) of all norms in ascending order,
    /// rounded down; `None` without rows.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = ((part * self.rows as f64) as u64).min(self.rows.checked_sub(1)?);
        let mut before = 0;
        let bin = self.counts.iter().find(|(_, count)| {
            before += **count;
            before > rank
        });
        bin.map(|(bits, _)| f64::from_bits(u64::from(*bits) << DROPPED_BITS))
    }

    /// The median norm: [`quantile`](Self::quantile) 0.5.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    fn sketch(norms: &[f64]) -> NormSketch {
        let mut sketch = NormSketch::default();
        for norm in norms {
            sketch.push(*norm);
        }
        sketch
    }

    #[test]
    fn by_hand() {
        let norms = sketch(&[3.0, 0.0, 1.0, 1024.0, 2.0]);
        let quantiles = [0.0, 0.2, 0.5, 0.8, 1.0].map(|part| norms.quantile(part));
        assert_eq!(quantiles, [0.0, 1.0, 2.0, 1024.0, 1024.0].map(Some));
        assert_eq!((norms.rows(), norms.mean()), (5, Some(206.0)));
        assert_eq!(norms.range(), Some((0.0, 1024.0)));
        let none = NormSketch::default();
        assert_eq!((none.median(), none.mean(), none.range()), (None, None, None));
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_sorted_norms_rounded_down(
            mut norms in prop::collection::vec(0.0..1e6_f64, 1..200),
            part in 0.0..1.0_f64,
        ) {
            let found = sketch(&norms).quantile(part).unwrap();
            norms.reverse();
            prop_assert_eq!(sketch(&norms).quantile(part), Some(found));
            norms.sort_by(f64::total_cmp);
            let exact = norms[(part * norms.len() as f64) as usize];
            prop_assert!(found <= exact && exact <= found * (1.0 + 1.0 / 1024.0), "{} {}", found, exact);
        }
    }
}

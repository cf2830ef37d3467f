//! Counter-based random numbers: a seed, a stream and an index decide each value.
//!
//! The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011). There is no state to save: whoever knows how far it came can go on, and the values do
//! not depend on threads, platforms or versions of other crates.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox4x32 on `counter` under `key`.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// One stream of random values under a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rng {
    key: [u32; 2],
    stream: u64,
}

impl Rng {
    /// The stream called `name` of `seed`. Distinct names give independent streams.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: names are short and few, and the value is part of no format.
        let stream = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self { key: split(seed), stream }
    }

    /// The stream with number `index` below this one, such as an epoch's.
    #[must_use]
    pub fn child(self, index: u64) -> Self {
        let [a, b, c, d] = self.block(index);
        Self { key: [a, b], stream: join([c, d]) }
    }

    /// Four words at `index`.
    fn block(self, index: u64) -> [u32; 4] {
        let [i0, i1] = split(index);
        let [s0, s1] = split(self.stream);
        philox([i0, i1, s0, s1], self.key)
    }

    /// 64 uniform bits at `index`.
    pub fn u64(self, index: u64) -> u64 {
        let [a, b, _, _] = self.block(index);
        join([a, b])
    }

    /// An integer in `0..n` at `index`; the bias is below `n / 2^64`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(self, index: u64, n: u64) -> u64 {
        assert!(n > 0, "a choice among nothing");
        ((u128::from(self.u64(index)) * u128::from(n)) >> 64) as u64
    }

    /// A number in `0..1` at `index`.
    pub fn uniform(self, index: u64) -> f64 {
        (self.u64(index) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A standard normal at `index` (Box and Muller, 1958).
    pub fn normal(self, index: u64) -> f64 {
        let [a, b, c, d] = self.block(index);
        let unit = |word: u64| (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64);
        let radius = (-2.0 * (1.0 - unit(join([a, b]))).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit(join([c, d]))).cos()
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64, i as u64 + 1) as usize);
        }
    }
}

/// A random order of `0..n` that needs no memory: any place can be asked for.
///
/// A four-round Feistel network over the next even power of two, walked until it falls below `n`
/// (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    rng: Rng,
    n: u64,
    half_bits: u32,
}

impl Permutation {
    /// The order of `0..n` that `rng` decides.
    pub fn new(rng: Rng, n: u64) -> Self {
        let bits = 64 - n.saturating_sub(1).leading_zeros();
        Self { rng, n, half_bits: bits.div_ceil(2).max(1) }
    }

    /// Number of items.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// True where there is nothing to order.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The item at place `index`.
    ///
    /// # Panics
    /// If `index` is not below `n`.
    pub fn get(&self, index: u64) -> u64 {
        assert!(index < self.n, "place {index} of {}", self.n);
        let mut item = self.encrypt(index);
        while item >= self.n {
            item = self.encrypt(item);
        }
        item
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..4 {
            let mixed = self.rng.u64(round << 56 ^ right) & mask;
            (left, right) = (right, left ^ mixed);
        }
        left << self.half_bits | right
    }
}

fn split(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn join([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    /// Known answers of the Random123 distribution (`kat_vectors`, philox4x32, 10 rounds).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let rng = Rng::new(7, "test");
        let n = 100_000_u64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let x = rng.normal(i);
            sum += x;
            squares += x * x;
        }
        assert!((sum / n as f64).abs() < 0.02);
        assert!((squares / n as f64 - 1.0).abs() < 0.02);
    }

    proptest! {
        #[test]
        fn every_item_comes_exactly_once(n in 0_u64..2000, seed: u64) {
            let order = Permutation::new(Rng::new(seed, "order"), n);
            let mut items: Vec<u64> = (0..n).map(|i| order.get(i)).collect();
            items.sort_unstable();
            prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn a_shuffle_keeps_every_item(n in 0_usize..500, seed: u64) {
            let mut items: Vec<usize> = (0..n).collect();
            Rng::new(seed, "shuffle").shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_and_streams_differ() {
        let order = |seed, name| {
            let p = Permutation::new(Rng::new(seed, name), 100);
            (0..100).map(|i| p.get(i)).collect::<Vec<_>>()
        };
        assert_ne!(order(1, "a"), order(2, "a"));
        assert_ne!(order(1, "a"), order(1, "b"));
        assert_ne!(Rng::new(1, "a").child(0), Rng::new(1, "a").child(1));
    }
}

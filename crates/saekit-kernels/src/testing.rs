//! What the tests of the kernels share.

/// `n` values in -1 to 1 that look random and are the same everywhere.
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mix = |i: u64| {
        let mut x =
            (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xd1b5_4a32_d192_ed03);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    };
    (0..n as u64).map(|i| (mix(i) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0).collect()
}

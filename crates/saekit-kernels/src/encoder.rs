//! The encoder's parameters, and the counts of what screening did with them.

/// The encoder's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// `[d_sae, d_in]`, latent-major.
    pub w_enc: &'a [f32],
    /// `[d_sae]`.
    pub b_enc: &'a [f32],
}

/// Counts of what screening did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screening {
    /// Rows that were screened; a row counts once per pass over the batch.
    pub screened: u64,
    /// Products computed again in f32, including those of [`fallback_rows`](Self::fallback_rows).
    pub rescored: u64,
    /// Rows computed in f32 from the start, because their error has no finite bound. A row counts once
    /// per range of latents that a thread was given.
    pub fallback_rows: u64,
}

impl std::ops::AddAssign for Screening {
    fn add_assign(&mut self, other: Self) {
        self.screened += other.screened;
        self.rescored += other.rescored;
        self.fallback_rows += other.fallback_rows;
    }
}

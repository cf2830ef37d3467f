use crate::Matrix;

/// What a codec makes of a batch of rows: one code a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Codes {
    /// Few active latents a row, any number of them.
    Sparse(SparseCodes),
    /// Every latent of every row, `[rows, d_code]`.
    Dense(Matrix),
}

/// Codes in compressed rows: each row lists its active latents, ids ascending.
///
/// The number of actives may differ from row to row (BatchTopK, JumpReLU, fewer than `k` positive
/// pre-activations).
#[derive(Clone, Debug, PartialEq)]
pub struct SparseCodes {
    d_code: usize,
    offsets: Vec<usize>,
    ids: Vec<u32>,
    values: Vec<f32>,
}

impl Codes {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Sparse(codes) => codes.rows(),
            Self::Dense(codes) => codes.rows(),
        }
    }

    /// Number of latents a row could activate.
    pub fn d_code(&self) -> usize {
        match self {
            Self::Sparse(codes) => codes.d_code,
            Self::Dense(codes) => codes.cols(),
        }
    }

    /// Calls `visit(row, latent, value)` for every value that is not zero, rows and latents
    /// ascending.
    pub fn for_each_active(&self, mut visit: impl FnMut(usize, usize, f32)) {
        match self {
            Self::Sparse(codes) => {
                for row in 0..codes.rows() {
                    let (ids, values) = codes.row(row);
                    for (id, value) in ids.iter().zip(values).filter(|(_, v)| **v != 0.0) {
                        visit(row, *id as usize, *value);
                    }
                }
            }
            Self::Dense(codes) => {
                for (row, values) in codes.view().iter().enumerate() {
                    for (id, value) in values.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                        visit(row, id, *value);
                    }
                }
            }
        }
    }
}

impl SparseCodes {
    /// No rows yet, over `d_code` latents.
    pub fn new(d_code: usize) -> Self {
        Self { d_code, offsets: vec![0], ids: Vec::new(), values: Vec::new() }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If `ids` and `values` differ in length, or `ids` are not ascending below `d_code`.
    pub fn push_row(&mut self, ids: &[u32], values: &[f32]) {
        assert_eq!(ids.len(), values.len(), "one value an active latent");
        assert!(ids.windows(2).all(|w| w[0] < w[1]), "active latents are listed ascending");
        assert!(ids.last().is_none_or(|id| (*id as usize) < self.d_code), "latent below d_code");
        self.ids.extend_from_slice(ids);
        self.values.extend_from_slice(values);
        self.offsets.push(self.ids.len());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of latents a row could activate.
    pub fn d_code(&self) -> usize {
        self.d_code
    }

    /// Number of listed actives over all rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True where no row lists an active.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Active latents and their values of row `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[i]..self.offsets[i + 1];
        (&self.ids[range.clone()], &self.values[range])
    }

    /// Where each row starts in [`ids`](Self::ids) and [`values`](Self::values): `rows + 1` entries.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Active latents, row after row.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Values, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_differ_in_length() {
        let mut codes = SparseCodes::new(9);
        codes.push_row(&[1, 4], &[0.5, 2.0]);
        codes.push_row(&[], &[]);
        codes.push_row(&[8], &[3.0]);
        assert_eq!(codes.rows(), 3);
        assert_eq!(codes.row(2), (&[8][..], &[3.0][..]));
        let mut seen = Vec::new();
        Codes::Sparse(codes).for_each_active(|row, id, value| seen.push((row, id, value)));
        assert_eq!(seen, [(0, 1, 0.5), (0, 4, 2.0), (2, 8, 3.0)]);
    }

    #[test]
    #[should_panic(expected = "ascending")]
    fn refuses_unsorted_latents() {
        SparseCodes::new(4).push_row(&[2, 1], &[1.0, 1.0]);
    }
}

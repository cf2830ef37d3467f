use crate::Matrix;

/// The codes of a batch of rows, one per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Codes {
    /// Few active latents per row; their number may differ from row to row.
    Sparse(SparseCodes),
    /// Every latent of every row, `[rows, d_code]`.
    Dense(Matrix),
}

/// Codes in compressed sparse rows: each row lists its active latents, ids ascending.
///
/// The number of active latents may differ from row to row (BatchTopK, JumpReLU, fewer than `k` positive
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

    /// Width of a code.
    pub fn d_code(&self) -> usize {
        match self {
            Self::Sparse(codes) => codes.d_code,
            Self::Dense(codes) => codes.cols(),
        }
    }

    /// Calls `visit(row, latent, value)` for every value that is not zero, in ascending order of rows and
    /// latents.
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
    /// Codes of width `d_code`, without rows.
    pub fn new(d_code: usize) -> Self {
        Self { d_code, offsets: vec![0], ids: Vec::new(), values: Vec::new() }
    }

    /// Appends rows in compressed form: row `i` is `offsets[i]..offsets[i + 1]` of `ids` and `values`.
    /// `offsets` starts with 0.
    ///
    /// # Panics
    /// If `ids` and `values` differ in length, `offsets` does not cover them, or the ids of a row are not
    /// ascending below `d_code`.
    pub fn push_rows(&mut self, offsets: &[usize], ids: &[u32], values: &[f32]) {
        assert_eq!(ids.len(), values.len(), "one value per active latent");
        let covers = offsets.first() == Some(&0) && offsets.last() == Some(&ids.len());
        assert!(covers && offsets.is_sorted(), "offsets cover the entries");
        for row in offsets.windows(2) {
            self.check_row(&ids[row[0]..row[1]]);
        }
        let before = self.ids.len();
        self.offsets.extend(offsets[1..].iter().map(|offset| before + offset));
        self.ids.extend_from_slice(ids);
        self.values.extend_from_slice(values);
    }

    fn check_row(&self, ids: &[u32]) {
        assert!(ids.is_sorted_by(|a, b| a < b), "active latents are listed ascending");
        assert!(ids.last().is_none_or(|id| (*id as usize) < self.d_code), "latent below d_code");
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If `ids` and `values` differ in length, or `ids` are not ascending below `d_code`.
    pub fn push_row(&mut self, ids: &[u32], values: &[f32]) {
        self.push_rows(&[0, ids.len()], ids, values);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Width of a code.
    pub fn d_code(&self) -> usize {
        self.d_code
    }

    /// Number of listed entries over all rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True where no row lists an entry.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Active latents of row `i` and their values.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[i]..self.offsets[i + 1];
        (&self.ids[range.clone()], &self.values[range])
    }

    /// Start of each row in [`ids`](Self::ids) and [`values`](Self::values), and the end of the last:
    /// `rows + 1`.
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
    fn rows_are_appended_at_once() {
        let (mut together, mut apart) = (SparseCodes::new(9), SparseCodes::new(9));
        for _ in 0..2 {
            together.push_rows(&[0, 2, 2, 3], &[1, 4, 0], &[0.5, 2.0, 3.0]);
            apart.push_row(&[1, 4], &[0.5, 2.0]);
            apart.push_row(&[], &[]);
            apart.push_row(&[0], &[3.0]);
        }
        assert_eq!(together, apart);
    }

    #[test]
    #[should_panic(expected = "ascending")]
    fn refuses_unsorted_latents() {
        SparseCodes::new(4).push_row(&[2, 1], &[1.0, 1.0]);
    }
}

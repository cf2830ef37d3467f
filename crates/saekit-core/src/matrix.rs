use crate::{Error, Result};

/// A dense row-major matrix of `f32` in host memory: `rows` vectors of width `cols`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

/// A borrowed [`Matrix`].
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    rows: usize,
    cols: usize,
    data: &'a [f32],
}

impl Matrix {
    /// Takes `rows * cols` values, row by row.
    ///
    /// # Panics
    /// If `data` has another length.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows} x {cols} matrix from {} values", data.len());
        Self { rows, cols, data }
    }

    /// All zeros, `[rows, cols]`.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Width of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All values, row by row, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.cols..][..self.cols]
    }

    /// Row `i`, to be changed in place.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.cols..][..self.cols]
    }

    /// Gives the values up, row by row.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// Borrows the whole matrix.
    pub fn view(&self) -> MatrixView<'_> {
        MatrixView { rows: self.rows, cols: self.cols, data: &self.data }
    }

    /// The transpose, `[cols, rows]`.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.cols, self.rows);
        for (i, row) in self.view().iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                out.data[j * self.rows + i] = *value;
            }
        }
        out
    }
}

impl<'a> MatrixView<'a> {
    /// Borrows `rows * cols` values, row by row.
    ///
    /// # Panics
    /// If `data` has another length.
    pub fn new(rows: usize, cols: usize, data: &'a [f32]) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows} x {cols} matrix from {} values", data.len());
        Self { rows, cols, data }
    }

    /// Number of rows.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Width of a row.
    pub fn cols(self) -> usize {
        self.cols
    }

    /// All values, row by row.
    pub fn as_slice(self) -> &'a [f32] {
        self.data
    }

    /// Row `i`.
    pub fn row(self, i: usize) -> &'a [f32] {
        &self.data[i * self.cols..][..self.cols]
    }

    /// The rows, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        (0..self.rows).map(move |i| self.row(i))
    }

    /// Rows `start..end`.
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> Self {
        Self {
            rows: end - start,
            cols: self.cols,
            data: &self.data[start * self.cols..end * self.cols],
        }
    }

    /// A copy of the values.
    pub fn to_matrix(self) -> Matrix {
        Matrix::new(self.rows, self.cols, self.data.to_vec())
    }

    /// Fails at the first NaN or infinity, naming `what`, its row and column.
    pub fn check_finite(self, what: &str) -> Result<()> {
        // A block at a time, and all of it: that vectorises, where a search for the place does not.
        let is_finite = |block: &[f32]| block.iter().fold(true, |ok, v| ok & v.is_finite());
        if self.data.chunks(4096).all(is_finite) {
            return Ok(());
        }
        let Some(at) = self.data.iter().position(|v| !v.is_finite()) else { return Ok(()) };
        Err(Error::NonFinite {
            what: what.to_owned(),
            row: at / self.cols,
            column: at % self.cols,
            value: self.data[at],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes() {
        let m = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(m.transposed().as_slice(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn names_the_first_value_that_is_not_finite() {
        let m = Matrix::new(2, 2, vec![1.0, 2.0, f32::NAN, f32::INFINITY]);
        let message = m.view().check_finite("input").unwrap_err().to_string();
        assert_eq!(message, "input holds NaN at row 1, column 0");
    }
}

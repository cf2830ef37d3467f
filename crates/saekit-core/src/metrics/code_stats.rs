use serde::{Deserialize, Serialize};

use super::ratio;
use crate::{Codes, Error, Result};

/// Counts which latents fire as codes stream past. A latent fires in a row where its value is not
/// zero, negative values included (SAELens from 6.54 on).
#[derive(Clone, Debug, PartialEq)]
pub struct CodeStats {
    rows: u64,
    fires: Vec<u64>,
    active: u64,
    absolute: f64,
}

/// How sparse codes were: what [`CodeStats::report`] says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeMetrics {
    /// Rows coded.
    pub rows: u64,
    /// Number of latents.
    pub d_code: usize,
    /// Mean number of latents that fire in a row.
    pub l0: Option<f64>,
    /// Mean over rows of the sum of absolute values.
    pub l1: Option<f64>,
    /// Latents that fired in none of the rows.
    pub dead: usize,
    /// `dead / d_code`. It falls as rows grow: always read it beside their number.
    pub dead_fraction: Option<f64>,
    /// Latents by how often they fire.
    pub density: DensityHistogram,
}

/// Latents counted by the decimal logarithm of their density, the fraction of rows they fire in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DensityHistogram {
    /// Latents that never fired; they are in no bin.
    pub never: usize,
    /// Bin `i` counts densities from `10^edge(i)` (included) up to `10^edge(i + 1)`; the first also
    /// takes everything below it and the last the density 1.
    pub counts: Vec<usize>,
}

impl CodeStats {
    /// Nothing seen yet, of codes over `d_code` latents.
    pub fn new(d_code: usize) -> Self {
        Self { rows: 0, fires: vec![0; d_code], active: 0, absolute: 0.0 }
    }

    /// Adds the rows of `codes`.
    ///
    /// Fails, adding nothing, where they are over another number of latents or hold a value that is
    /// not finite.
    pub fn push(&mut self, codes: &Codes) -> Result<()> {
        Error::check_size("number of latents", self.fires.len(), codes.d_code())?;
        check_finite(codes)?;
        codes.for_each_active(|_, latent, value| {
            self.fires[latent] += 1;
            self.active += 1;
            self.absolute += f64::from(value.abs());
        });
        self.rows += codes.rows() as u64;
        Ok(())
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows each latent fired in, `[d_code]`.
    pub fn fires(&self) -> &[u64] {
        &self.fires
    }

    /// Fraction of rows each latent fired in, `[d_code]`; zeros before the first row.
    pub fn densities(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.fires.iter().map(|fires| *fires as f64 / rows).collect()
    }

    /// Mean number of latents that fire in a row, so far.
    pub fn l0(&self) -> Option<f64> {
        ratio(self.active as f64, self.rows as f64)
    }

    /// The figures over all rows seen.
    pub fn report(&self) -> CodeMetrics {
        let dead = self.fires.iter().filter(|fires| **fires == 0).count();
        CodeMetrics {
            rows: self.rows,
            d_code: self.fires.len(),
            l0: self.l0(),
            l1: ratio(self.absolute, self.rows as f64),
            dead,
            dead_fraction: ratio(dead as f64, self.fires.len() as f64).filter(|_| self.rows > 0),
            density: DensityHistogram::of(&self.densities()),
        }
    }
}

impl DensityHistogram {
    /// Number of bins.
    pub const BINS: usize = 32;
    /// Decades a bin spans.
    pub const BIN_WIDTH: f64 = 0.25;
    /// Decimal logarithm where the first bin begins; the last ends at 0.
    pub const START: f64 = -8.0;

    /// Decimal logarithm of the density at which bin `i` begins.
    pub fn edge(i: usize) -> f64 {
        Self::START + Self::BIN_WIDTH * i as f64
    }

    /// Sorts `densities`, each in `0..=1`, into bins.
    pub fn of(densities: &[f64]) -> Self {
        let mut histogram = Self { never: 0, counts: vec![0; Self::BINS] };
        for density in densities {
            if *density > 0.0 {
                let bin = (density.log10() - Self::START) / Self::BIN_WIDTH;
                // a negative number becomes 0 in the cast
                histogram.counts[(bin as usize).min(Self::BINS - 1)] += 1;
            } else {
                histogram.never += 1;
            }
        }
        histogram
    }
}

fn check_finite(codes: &Codes) -> Result<()> {
    let what = "the code";
    let codes = match codes {
        Codes::Dense(codes) => return codes.view().check_finite(what),
        Codes::Sparse(codes) => codes,
    };
    let Some(at) = codes.values().iter().position(|v| !v.is_finite()) else { return Ok(()) };
    Err(Error::NonFinite {
        what: what.to_owned(),
        row: codes.offsets().partition_point(|start| *start <= at) - 1,
        column: codes.ids()[at] as usize,
        value: codes.values()[at],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matrix, SparseCodes};

    fn sparse(rows: &[(&[u32], &[f32])]) -> Codes {
        let mut codes = SparseCodes::new(4);
        for (ids, values) in rows {
            codes.push_row(ids, values);
        }
        Codes::Sparse(codes)
    }

    #[test]
    fn by_hand() {
        let mut stats = CodeStats::new(4);
        stats.push(&sparse(&[(&[0, 2], &[1.0, 2.0]), (&[2], &[-3.0])])).unwrap();
        stats.push(&sparse(&[(&[], &[]), (&[2, 3], &[4.0, 0.0])])).unwrap();
        let report = stats.report();
        assert_eq!((report.rows, report.d_code), (4, 4));
        assert_eq!((report.l0, report.l1), (Some(1.0), Some(2.5)));
        assert_eq!(stats.fires(), [1, 0, 3, 0]);
        assert_eq!(stats.densities(), [0.25, 0.0, 0.75, 0.0]);
        assert_eq!((report.dead, report.dead_fraction), (2, Some(0.5)));
        assert_eq!(report.density.never, 2);
    }

    #[test]
    fn dense_codes_count_as_sparse_ones_do() {
        let rows: [(&[u32], &[f32]); 2] = [(&[1, 3], &[0.5, -1.5]), (&[0], &[2.0])];
        let dense = Matrix::new(2, 4, vec![0.0, 0.5, 0.0, -1.5, 2.0, 0.0, 0.0, 0.0]);
        let (mut a, mut b) = (CodeStats::new(4), CodeStats::new(4));
        a.push(&sparse(&rows)).unwrap();
        b.push(&Codes::Dense(dense)).unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn no_rows_have_no_figures() {
        let report = CodeStats::new(3).report();
        assert_eq!((report.l0, report.l1, report.dead_fraction), (None, None, None));
        assert_eq!((report.dead, report.density.never), (3, 3));
    }

    #[test]
    fn bins_are_where_the_documentation_says() {
        let histogram = DensityHistogram::of(&[0.0, 1e-12, 1e-8, 0.1, 0.12, 0.5, 0.6, 1.0]);
        let bins: Vec<_> = histogram
            .counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|b| (b.0, *b.1))
            .collect();
        // 10^-1 = 0.1, 10^-0.75 = 0.178, 10^-0.5 = 0.316, 10^-0.25 = 0.562
        assert_eq!(bins, [(0, 2), (28, 2), (30, 1), (31, 2)]);
        assert_eq!(histogram.never, 1);
        assert_eq!(DensityHistogram::edge(28).to_bits(), (-1.0_f64).to_bits());
        assert_eq!(DensityHistogram::edge(DensityHistogram::BINS).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_code_that_is_not_finite_is_refused_whole() {
        let mut stats = CodeStats::new(4);
        let bad = sparse(&[(&[0], &[1.0]), (&[], &[]), (&[1, 3], &[1.0, f32::INFINITY])]);
        let message = stats.push(&bad).unwrap_err().to_string();
        assert_eq!(message, "the code holds inf at row 2, column 3");
        let dense = Codes::Dense(Matrix::new(1, 4, vec![0.0, f32::NAN, 0.0, 0.0]));
        let message = stats.push(&dense).unwrap_err().to_string();
        assert_eq!(message, "the code holds NaN at row 0, column 1");
        assert_eq!(stats, CodeStats::new(4));
    }

    #[test]
    fn codes_over_other_latents_are_refused() {
        let message = CodeStats::new(5).push(&sparse(&[])).unwrap_err().to_string();
        assert_eq!(message, "number of latents is 4, expected 5");
    }
}

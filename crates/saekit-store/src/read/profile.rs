//! Statistics of the values of a column, including values that are not finite.

use saekit_core::{HookPoint, Interrupt, Observer};
use serde::Serialize;

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::Result;
use crate::read::projection::{Projection, StoreView};
use crate::read::row_buffer::RowBuffer;

/// A dimension stands out where its root mean square is so many times that of the median dimension.
const OUTLIER: f64 = 6.0;

/// Figures of one column over some rows of a store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// The column.
    pub column: HookPoint,
    /// Rows looked at.
    pub rows: u64,
    /// Rows that hold a value that is NaN or infinite; they count for nothing else.
    pub non_finite_rows: u64,
    /// Least, mean and largest Euclidean norm.
    pub norms: [f64; 3],
    /// Mean of all values.
    pub mean: f64,
    /// Mean over dimensions of the variance of each.
    pub variance: f64,
    /// Dimensions whose root mean square is more than six times that of the median dimension, with
    /// how many times it is, the largest first.
    pub outliers: Vec<(usize, f64)>,
}

/// Sums over rows.
struct Sums {
    rows: u64,
    non_finite_rows: u64,
    least: f64,
    largest: f64,
    norms: f64,
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl ColumnProfile {
    /// Looks at the rows of `groups`.
    pub(crate) fn of(
        store: &Catalog,
        column: &HookPoint,
        groups: &[RowRange],
        (observer, interrupt): (&mut dyn Observer, &Interrupt),
    ) -> Result<Self> {
        let projection = Projection::of_store(store, &[(column.clone(), 1.0)])?;
        let mut sums = Sums::new(projection.shape().specs()[0].width);
        let (mut rows, mut row) =
            (RowBuffer::default(), vec![0.0; projection.shape().specs()[0].width]);
        let total = groups.iter().map(|group| u64::from(group.rows)).sum();
        observer.begin(&format!("looking at {column}"), Some(total), "rows");
        for group in groups {
            interrupt.check()?;
            rows.read(StoreView { store, projection: &projection }, &[*group], interrupt)?;
            for i in 0..group.rows as usize {
                let finite = rows.decode_row(i, &projection, 0, &mut row);
                sums.push(&row, finite);
            }
            observer.advance(sums.rows + sums.non_finite_rows, "");
        }
        observer.end();
        Ok(sums.finish(column.clone()))
    }
}

impl Sums {
    fn new(width: usize) -> Self {
        Self {
            rows: 0,
            non_finite_rows: 0,
            least: f64::INFINITY,
            largest: 0.0,
            norms: 0.0,
            values: vec![0.0; width],
            squares: vec![0.0; width],
        }
    }

    fn push(&mut self, row: &[f32], finite: bool) {
        if !finite {
            self.non_finite_rows += 1;
            return;
        }
        let mut square = 0.0;
        for (value, (sum, squares)) in row.iter().zip(self.values.iter_mut().zip(&mut self.squares))
        {
            let value = f64::from(*value);
            *sum += value;
            *squares += value * value;
            square += value * value;
        }
        let norm = square.sqrt();
        (self.least, self.largest) = (self.least.min(norm), self.largest.max(norm));
        self.norms += norm;
        self.rows += 1;
    }

    fn finish(self, column: HookPoint) -> ColumnProfile {
        let (rows, width) = (self.rows.max(1) as f64, self.values.len() as f64);
        let means = self.values.iter().map(|sum| sum / rows);
        let variances = self.squares.iter().zip(means.clone()).map(|(s, m)| s / rows - m * m);
        let rms: Vec<f64> = self.squares.iter().map(|sum| (sum / rows).sqrt()).collect();
        let mut sorted = rms.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let mut outliers: Vec<_> =
            rms.iter().map(|rms| rms / median).enumerate().filter(|(_, x)| *x > OUTLIER).collect();
        outliers.sort_by(|a, b| b.1.total_cmp(&a.1));
        ColumnProfile {
            column,
            rows: self.rows,
            non_finite_rows: self.non_finite_rows,
            norms: [self.least.min(self.largest), self.norms / rows, self.largest],
            mean: means.sum::<f64>() / width,
            variance: variances.sum::<f64>() / width,
            outliers,
        }
    }
}

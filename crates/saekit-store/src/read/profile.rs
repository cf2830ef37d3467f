//! Statistics of the values of a column, including values that are not finite.

use saekit_core::metrics::{MassiveMetrics, MassiveRows, NormSketch, RowSurvey};
use saekit_core::{HookPoint, Interrupt, MatrixView, Observer};
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
    /// Their Euclidean norms.
    pub norms: NormQuantiles,
    /// How many of them have a norm far above the median, and how much of the variance those hold.
    pub massive: MassiveMetrics,
    /// Mean of all values.
    pub mean: f64,
    /// Mean over dimensions of the variance of each.
    pub variance: f64,
    /// Dimensions whose root mean square is more than six times that of the median dimension, with
    /// how many times it is, the largest first.
    pub outliers: Vec<(usize, f64)>,
}

/// Norms of rows: the range and the mean exactly, quantiles as [`NormSketch::quantile`] has them.
/// Zeros where there are no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NormQuantiles {
    /// Smallest norm.
    pub least: f64,
    /// Norm that 1 % of the rows stay below.
    pub percent_1: f64,
    /// Median norm.
    pub median: f64,
    /// Mean norm.
    pub mean: f64,
    /// Norm that 99 % of the rows stay below.
    pub percent_99: f64,
    /// Norm that 99.9 % of the rows stay below.
    pub percent_99_9: f64,
    /// Largest norm.
    pub largest: f64,
}

impl NormQuantiles {
    fn of(norms: &NormSketch) -> Self {
        let (least, largest) = norms.range().unwrap_or_default();
        let quantile = |part| norms.quantile(part).unwrap_or_default();
        Self {
            least,
            percent_1: quantile(0.01),
            median: quantile(0.5),
            mean: norms.mean().unwrap_or_default(),
            percent_99: quantile(0.99),
            percent_99_9: quantile(0.999),
            largest,
        }
    }
}

/// Sums over the rows that are finite.
struct Sums {
    survey: RowSurvey,
    non_finite_rows: u64,
    squares: Vec<f64>,
}

/// Rows to look at, which can be read more than once.
struct Looked<'a> {
    store: &'a Catalog,
    column: &'a HookPoint,
    groups: &'a [RowRange],
    projection: Projection,
    interrupt: &'a Interrupt,
}

impl ColumnProfile {
    /// Reads the rows of `groups` twice: the second time for their distances from the mean.
    pub(crate) fn of(
        store: &Catalog,
        column: &HookPoint,
        groups: &[RowRange],
        (observer, interrupt): (&mut dyn Observer, &Interrupt),
    ) -> Result<Self> {
        let projection = Projection::of_store(store, &[(column.clone(), 1.0)])?;
        let mut sums = Sums::new(projection.shape().specs()[0].width);
        let looked = Looked { store, column, groups, projection, interrupt };
        looked.each_row("looking at", observer, |row, finite| sums.push(row, finite))?;
        let mut massive = MassiveRows::about(&sums.survey);
        looked.each_row("variance of", observer, |row, finite| {
            if finite {
                massive.push(MatrixView::new(1, row.len(), row));
            }
        })?;
        Ok(sums.finish(column.clone(), massive.report()))
    }
}

impl Looked<'_> {
    /// Calls `visit` with every row, and whether its values are finite.
    fn each_row(
        &self,
        doing: &str,
        observer: &mut dyn Observer,
        mut visit: impl FnMut(&[f32], bool),
    ) -> Result<()> {
        let Self { store, column, groups, projection, interrupt } = self;
        let (mut rows, mut row) =
            (RowBuffer::default(), vec![0.0; projection.shape().specs()[0].width]);
        let (mut done, total) = (0, groups.iter().map(|group| u64::from(group.rows)).sum());
        observer.begin(&format!("{doing} {column}"), Some(total), "rows");
        for group in *groups {
            interrupt.check()?;
            rows.read(StoreView { store, projection }, &[*group], interrupt)?;
            for i in 0..group.rows as usize {
                let finite = rows.decode_row(i, projection, 0, &mut row);
                visit(&row, finite);
            }
            done += u64::from(group.rows);
            observer.advance(done, "");
        }
        observer.end();
        Ok(())
    }
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { survey: RowSurvey::new(width), non_finite_rows: 0, squares: vec![0.0; width] }
    }

    fn push(&mut self, row: &[f32], finite: bool) {
        if !finite {
            self.non_finite_rows += 1;
            return;
        }
        for (squares, value) in self.squares.iter_mut().zip(row) {
            *squares += f64::from(*value) * f64::from(*value);
        }
        self.survey.push_row(row);
    }

    fn finish(self, column: HookPoint, massive: MassiveMetrics) -> ColumnProfile {
        let (norms, means) = (self.survey.norms(), self.survey.mean());
        let (rows, width) = (norms.rows().max(1) as f64, means.len() as f64);
        let variances = self.squares.iter().zip(&means).map(|(s, m)| s / rows - m * m);
        let rms: Vec<f64> = self.squares.iter().map(|sum| (sum / rows).sqrt()).collect();
        let mut sorted = rms.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        let mut outliers: Vec<_> =
            rms.iter().map(|rms| rms / median).enumerate().filter(|(_, x)| *x > OUTLIER).collect();
        outliers.sort_by(|a, b| b.1.total_cmp(&a.1));
        ColumnProfile {
            column,
            rows: norms.rows(),
            non_finite_rows: self.non_finite_rows,
            norms: NormQuantiles::of(norms),
            massive,
            mean: means.iter().sum::<f64>() / width,
            variance: variances.sum::<f64>() / width,
            outliers,
        }
    }
}

//! The first rows of a stream: looked at before the first step, and reconstructed after the last
//! where a few massive ones decide the figures.

use saekit_core::metrics::{MassiveMetrics, MassiveRows, Reconstruction, RowSurvey};
use saekit_core::{Codec, Cursor, Interrupt, Matrix, Observer, RowBatch, RowSource, Scales};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::columns::Columns;

/// Rows read at a time.
const BATCH: u64 = 2048;

/// The first rows of a run's stream, in the units of the raw activations.
#[derive(Debug)]
pub struct FirstRows {
    start: Cursor,
    columns: Columns,
    scales: Scales,
    survey: RowSurvey,
    massive: MassiveMetrics,
}

/// What the first rows of the stream say of the figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstRowsSummary {
    /// How many of them are massive, and how much of the variance those hold.
    pub massive: MassiveMetrics,
    /// Fraction of their variance that the finished codec leaves unexplained. `None` where massive
    /// rows do not decide it ([`MassiveMetrics::is_considerable`]): it is not measured then.
    pub fvu: Option<f64>,
    /// The same without massive rows.
    pub fvu_without_massive: Option<f64>,
}

impl FirstRows {
    /// Most rows that are worth a look: enough to meet one row in ten thousand.
    pub const ROWS: u64 = 65_536;

    /// Reads the first `rows` rows of `source` twice, for their mean and for the variance that massive
    /// rows hold, and leaves the source where it was. `scales` is what the source multiplies rows with.
    pub fn survey(
        source: &mut dyn RowSource,
        columns: Columns,
        scales: Scales,
        rows: u64,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let (start, rows) = (source.cursor(), rows.min(source.rows_per_epoch()));
        let target = |batch: &RowBatch| raw(&batch.columns[columns.target], scales.target);
        let mut survey = RowSurvey::new(source.columns()[columns.target].width);
        each_batch(source, rows, interrupt, observer, &mut |batch| {
            survey.push(target(batch).view());
            Ok(())
        })?;
        source.seek(&start)?;
        let mut massive = MassiveRows::about(&survey);
        if survey.has_massive_rows() {
            each_batch(source, rows, interrupt, observer, &mut |batch| {
                massive.push(target(batch).view());
                Ok(())
            })?;
            source.seek(&start)?;
        }
        let massive = MassiveMetrics { rows: survey.norms().rows(), ..massive.report() };
        Ok(Self { start, columns, scales, survey, massive })
    }

    /// How many of them are massive, and how much of the variance those hold.
    pub fn massive(&self) -> &MassiveMetrics {
        &self.massive
    }

    /// What they say of `codec`, which is finished. Reads them from `source` only where massive rows
    /// decide the figures.
    pub(crate) fn summary(
        &self,
        codec: &dyn Codec,
        source: &mut dyn RowSource,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<FirstRowsSummary> {
        let massive = self.massive.clone();
        if !massive.is_considerable() {
            return Ok(FirstRowsSummary { massive, fvu: None, fvu_without_massive: None });
        }
        let Self { start, columns, scales, survey, .. } = self;
        let mut figures = Reconstruction::about(survey);
        source.seek(start)?;
        each_batch(source, massive.rows, interrupt, observer, &mut |batch| {
            let input = raw(&batch.columns[columns.input], scales.input);
            let (_, output) = codec.reconstruct(input.view())?;
            let target = raw(&batch.columns[columns.target], scales.target);
            Ok(figures.push(target.view(), output.view())?)
        })?;
        let report = figures.report();
        let (fvu, fvu_without_massive) = (report.fvu, report.fvu_without_massive);
        Ok(FirstRowsSummary { massive, fvu, fvu_without_massive })
    }
}

/// Calls `visit` with the next `rows` rows of `source`, a batch at a time.
fn each_batch(
    source: &mut dyn RowSource,
    rows: u64,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
    visit: &mut dyn FnMut(&RowBatch) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    observer.begin("looking at the first rows", Some(rows), "rows");
    while done < rows {
        interrupt.check()?;
        let Some(batch) = source.next_batch((rows - done).min(BATCH) as usize)? else { break };
        visit(&batch)?;
        done += batch.rows() as u64;
        source.recycle(batch);
        observer.advance(done, "");
    }
    observer.end();
    Ok(())
}

/// `rows` before they were multiplied with `scale`.
fn raw(rows: &Matrix, scale: f32) -> Matrix {
    let values = rows.as_slice().iter().map(|value| value / scale).collect();
    Matrix::new(rows.rows(), rows.cols(), values)
}

use saekit_core::metrics::{
    CodeMetrics, CodeStats, Reconstruction, ReconstructionMetrics, RowSurvey,
};
use saekit_core::{Codec, ColumnSpec, Interrupt, MatrixView, Observer, RowBatch, RowSource};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const HARVEST_AGAIN: &str = "leave such text out and harvest again";
const BROKEN_CODEC: &str = "the codec's weights are broken: train or export it again";

/// What [`reconstruction()`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconstructionOptions {
    /// The column the codec encodes, by its place in [`RowSource::columns`].
    pub input: usize,
    /// The column it should write: the same, unless it is a transcoder.
    pub target: usize,
    /// At most so many rows; `None` for every row once.
    pub limit: Option<u64>,
    /// Rows at a time. Changes memory and speed, not the figures.
    pub batch: usize,
}

impl ReconstructionOptions {
    /// Default of [`batch`](Self::batch).
    pub const BATCH: usize = 2048;
}

impl Default for ReconstructionOptions {
    /// The first column, every row.
    fn default() -> Self {
        Self { input: 0, target: 0, limit: None, batch: Self::BATCH }
    }
}

/// What [`reconstruction()`] found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconstructionReport {
    /// How well rows were reconstructed.
    pub metrics: ReconstructionMetrics,
    /// How sparse their codes were.
    pub codes: CodeMetrics,
}

/// Encodes and decodes the rows that `rows` gives from where it stands, which have to be in the
/// units of the raw activations.
///
/// The rows are read twice: first for their mean and their norms, then for the figures about them.
/// Memory is that of a batch. `rows` is left after the last row evaluated.
///
/// # Panics
/// If `rows` has no such columns or a batch is to have no rows.
pub fn reconstruction(
    codec: &dyn Codec,
    rows: &mut dyn RowSource,
    options: &ReconstructionOptions,
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> Result<ReconstructionReport> {
    let columns = rows.columns().to_vec();
    let target = &columns[options.target];
    check_width("reads", codec.shape().d_in, &columns[options.input])?;
    check_width("writes", codec.shape().d_out, target)?;
    let start = rows.cursor();
    let mut reader = Reader { rows, options, interrupt, observer };

    let mut survey = RowSurvey::new(target.width);
    let count = reader.each_batch("mean of the rows", |first, batch| {
        for (column, values) in columns.iter().zip(&batch.columns) {
            let what = format!("column `{}`", column.name);
            check_finite(values.view(), &what, (first, batch), HARVEST_AGAIN)?;
        }
        survey.push(batch.columns[options.target].view());
        Ok(String::new())
    })?;
    if count == 0 {
        return Err(Error::NoRows);
    }
    reader.rows.seek(&start)?;

    let mut figures = Figures {
        codec,
        rows: Reconstruction::about(&survey),
        codes: CodeStats::new(codec.shape().d_code),
    };
    reader.each_batch("reconstruction", |first, batch| figures.add(options, first, batch))?;
    Ok(ReconstructionReport { metrics: figures.rows.report(), codes: figures.codes.report() })
}

/// The rows to evaluate, a batch at a time.
struct Reader<'a> {
    rows: &'a mut dyn RowSource,
    options: &'a ReconstructionOptions,
    interrupt: &'a Interrupt,
    observer: &'a mut dyn Observer,
}

impl Reader<'_> {
    /// Calls `visit` with every batch and the number of its first row, and shows what it says.
    /// Gives the number of rows.
    fn each_batch(
        &mut self,
        phase: &str,
        mut visit: impl FnMut(u64, &RowBatch) -> Result<String>,
    ) -> Result<u64> {
        assert!(self.options.batch > 0, "a batch has rows");
        let epoch = self.rows.rows_per_epoch();
        let total = self.options.limit.map_or(epoch, |limit| limit.min(epoch));
        let mut done = 0;
        self.observer.begin(phase, Some(total), "rows");
        while done < total {
            self.interrupt.check()?;
            let wanted = (total - done).min(self.options.batch as u64);
            let Some(batch) = self.rows.next_batch(wanted as usize)? else { break };
            let note = visit(done, &batch)?;
            done += batch.rows() as u64;
            self.observer.advance(done, &note);
        }
        self.observer.end();
        Ok(done)
    }
}

struct Figures<'a> {
    codec: &'a dyn Codec,
    rows: Reconstruction,
    codes: CodeStats,
}

impl Figures<'_> {
    /// Adds `batch`, whose first row is number `first`, and says how it looks so far.
    fn add(
        &mut self,
        options: &ReconstructionOptions,
        first: u64,
        batch: &RowBatch,
    ) -> Result<String> {
        let (input, target) = (&batch.columns[options.input], &batch.columns[options.target]);
        let (codes, output) = self.codec.reconstruct(input.view())?;
        check_finite(output.view(), "the reconstruction", (first, batch), BROKEN_CODEC)?;
        self.codes.push(&codes)?;
        self.rows.push(target.view(), output.view())?;
        let figure = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        Ok(format!("FVU {}  L0 {}", figure(self.rows.fvu()), figure(self.codes.l0())))
    }
}

/// Fails at the first value of `values` that is not finite; they belong to the rows of the batch,
/// the first of which has the given number.
fn check_finite(
    values: MatrixView<'_>,
    what: &str,
    (first, batch): (u64, &RowBatch),
    remedy: &'static str,
) -> Result<()> {
    let Err(saekit_core::Error::NonFinite { row, column, value, .. }) = values.check_finite(what)
    else {
        return Ok(());
    };
    let place = match (batch.sequences.get(row), batch.positions.get(row)) {
        (Some(sequence), Some(position)) => format!(" (sequence {sequence}, position {position})"),
        _ => String::new(),
    };
    let row = first + row as u64;
    Err(Error::NonFinite { what: what.to_owned(), row, place, column, value, remedy })
}

fn check_width(verb: &'static str, codec: usize, column: &ColumnSpec) -> Result<()> {
    if codec == column.width {
        return Ok(());
    }
    Err(Error::Width { verb, codec, column: column.name.clone(), found: column.width })
}

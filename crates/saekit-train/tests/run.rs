//! The loop with a toy source and a toy learner: what is seen, what is kept, what resumes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saekit_core::rng::Rng;
use saekit_core::{
    Batch, Codec, CodecShape, Codes, ColumnSpec, Cursor, HookPoint, Interrupt, Learner, Matrix,
    MatrixView, Observer, Progress, Provenance, RowBatch, RowSource, Scales, Silent, State,
    StateTensor, StepReport,
};
use saekit_train::{Columns, Run, RunConfig, RunFolder, Summary};

const D: usize = 3;
const EPOCH: u64 = 100;

/// Row `i` of epoch `e` is decided by `(e, i)`.
struct Numbers {
    columns: Vec<ColumnSpec>,
    epoch: u64,
    row: u64,
}

impl Numbers {
    fn new() -> Self {
        let columns = vec![ColumnSpec { name: HookPoint::new("x"), width: D }];
        Self { columns, epoch: 0, row: 0 }
    }
}

impl RowSource for Numbers {
    fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    fn rows_per_epoch(&self) -> u64 {
        EPOCH
    }

    fn next_batch(&mut self, rows: usize) -> saekit_core::Result<Option<RowBatch>> {
        let mut data = Vec::new();
        for _ in 0..rows {
            let rng = Rng::new(self.epoch, "rows").child(self.row);
            data.extend((0..D as u64).map(|i| rng.normal(i) as f32));
            self.row += 1;
            if self.row == EPOCH {
                (self.epoch, self.row) = (self.epoch + 1, 0);
            }
        }
        let columns = vec![Matrix::new(rows, D, data)];
        Ok(Some(RowBatch { columns, sequences: Vec::new(), positions: Vec::new() }))
    }

    fn cursor(&self) -> Cursor {
        let (store_sha256, order_sha256) = (String::new(), String::new());
        Cursor { store_sha256, order_sha256, epoch: self.epoch, row: self.row, parts: vec![] }
    }

    fn seek(&mut self, cursor: &Cursor) -> saekit_core::Result<()> {
        (self.epoch, self.row) = (cursor.epoch, cursor.row);
        Ok(())
    }
}

/// Folds every value it sees into one number, in order; raises `stop` at a given step.
struct Chain {
    value: f32,
    rows: u64,
    stop: Option<(u64, Interrupt)>,
    reported: Cell<u64>,
}

impl Learner for Chain {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: D, d_out: D, d_code: 1 }
    }

    fn initialise(&mut self, sample: &Batch<'_>) -> saekit_core::Result<()> {
        self.value = sample.input.row(0)[0];
        Ok(())
    }

    fn step(&mut self, batch: &Batch<'_>, at: Progress) -> saekit_core::Result<()> {
        for v in batch.input.as_slice() {
            self.value = (self.value * 0.7 + v) * (at.lr_scale as f32 + 0.5);
        }
        self.rows += batch.input.rows() as u64;
        if let Some((step, interrupt)) = &self.stop
            && *step == at.step
        {
            interrupt.raise();
        }
        Ok(())
    }

    fn report(&mut self) -> saekit_core::Result<StepReport> {
        self.reported.set(self.reported.get() + 1);
        Ok(StepReport { loss: f64::from(self.value), ..StepReport::default() })
    }

    fn state(&self) -> saekit_core::Result<State> {
        Ok(BTreeMap::from([
            ("value".to_owned(), StateTensor::F32 { shape: vec![1], data: vec![self.value] }),
            ("rows".to_owned(), StateTensor::U64 { shape: vec![1], data: vec![self.rows] }),
        ]))
    }

    fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        self.value = StateTensor::f32s(state, "value", 1)?[0];
        self.rows = StateTensor::u64s(state, "rows", 1)?[0];
        Ok(())
    }

    fn finish(&self, _: Scales) -> saekit_core::Result<Box<dyn Codec>> {
        Ok(Box::new(Number(self.value, self.rows)))
    }
}

struct Number(f32, u64);

impl Codec for Number {
    fn shape(&self) -> CodecShape {
        CodecShape { d_in: D, d_out: D, d_code: 1 }
    }

    fn encode(&self, x: MatrixView<'_>) -> saekit_core::Result<Codes> {
        Ok(Codes::Dense(Matrix::zeros(x.rows(), 1)))
    }

    fn decode(&self, _: &Codes, x: MatrixView<'_>) -> saekit_core::Result<Matrix> {
        Ok(x.to_matrix())
    }

    fn save(&self, dir: &Path, provenance: &Provenance) -> saekit_core::Result<()> {
        let rows = provenance.rows.unwrap_or(0);
        let text = format!("{} {} {rows}", self.0.to_bits(), self.1);
        fs::write(dir.join("number"), text).map_err(saekit_core::Error::io("write", dir))
    }
}

fn train(dir: &Path, stop_at: Option<u64>) -> saekit_train::Result<Summary> {
    let config = RunConfig {
        rows: Some(1000),
        batch: 16,
        log_every: 3,
        checkpoint_every: Some(7),
        ..RunConfig::default()
    };
    let plan = config.resolve(EPOCH)?;
    let folder = RunFolder::claim(dir, "k = 1\n", false)?;
    let interrupt = Interrupt::default();
    let stop = stop_at.map(|step| (step, interrupt.clone()));
    let mut learner = Chain { value: 0.0, rows: 0, stop, reported: Cell::new(0) };
    let run = Run {
        plan: &plan,
        folder: &folder,
        source: &mut Numbers::new(),
        learner: &mut learner,
        columns: Columns { input: 0, target: 0 },
        scales: Scales { input: 1.0, target: 1.0 },
        first_rows: None,
        provenance: Provenance::default(),
    };
    run.execute(&interrupt, &mut Silent)
}

fn result(dir: &Path) -> String {
    fs::read_to_string(dir.join("dictionary/number")).expect("the run wrote a codec")
}

/// Every field of the metrics but the speed.
fn metrics(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("metrics.jsonl")).expect("the run wrote metrics");
    let cut = |line: &str| line.split(",\"rows_per_s\"").next().map(str::to_owned);
    text.lines().filter_map(cut).collect()
}

#[test]
fn sees_every_row_of_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    let summary = train(dir.path(), None).unwrap();
    assert_eq!((summary.steps, summary.rows), (63, 1008));
    assert!(result(dir.path()).ends_with(" 1008 1008"), "{}", result(dir.path()));
    let lines = metrics(dir.path());
    // Every third step, every checkpoint at a multiple of seven, and the last step.
    let due = (1..=63).filter(|s| s % 3 == 0 || s % 7 == 0 || *s == 63).count();
    assert_eq!(lines.len(), due);
    assert!(lines[0].starts_with("{\"step\":3,\"rows\":48,"), "{}", lines[0]);
    assert!(!dir.path().join("checkpoints").exists());
}

#[test]
fn stopped_anywhere_it_ends_the_same() {
    let whole = tempfile::tempdir().unwrap();
    train(whole.path(), None).unwrap();
    for stops in [vec![0], vec![6], vec![7, 20], vec![13, 40, 61], vec![62]] {
        let dir = tempfile::tempdir().unwrap();
        for stop in &stops {
            let stopped = train(dir.path(), Some(*stop));
            if *stop < 62 {
                let message = stopped.unwrap_err().to_string();
                assert_eq!(message, "interrupted");
                assert!(!dir.path().join("dictionary").exists());
            }
        }
        if stops != [62] {
            train(dir.path(), None).unwrap();
        }
        assert_eq!(result(dir.path()), result(whole.path()), "stopped at {stops:?}");
        assert_eq!(metrics(dir.path()), metrics(whole.path()), "stopped at {stops:?}");
    }
}

#[test]
fn a_finished_run_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), None).unwrap();
    let before = result(dir.path());
    assert!(train(dir.path(), None).unwrap_err().to_string().contains("finished run"));
    assert_eq!(result(dir.path()), before);
}

#[test]
fn metrics_behind_the_checkpoint_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), Some(20)).unwrap_err();
    let path = dir.path().join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "{\"half a li").unwrap();
    train(dir.path(), None).unwrap();
    let whole = tempfile::tempdir().unwrap();
    train(whole.path(), None).unwrap();
    assert_eq!(metrics(dir.path()), metrics(whole.path()));
}

#[test]
fn progress_is_told() {
    struct Seen(u64, String);
    impl Observer for Seen {
        fn advance(&mut self, done: u64, note: &str) {
            assert!(done > self.0);
            (self.0, self.1) = (done, note.to_owned());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let plan = RunConfig { rows: Some(64), batch: 16, ..RunConfig::default() };
    let plan = plan.resolve(EPOCH).unwrap();
    let folder = RunFolder::claim(dir.path(), "", false).unwrap();
    let mut seen = Seen(0, String::new());
    let run = Run {
        plan: &plan,
        folder: &folder,
        source: &mut Numbers::new(),
        learner: &mut Chain { value: 0.0, rows: 0, stop: None, reported: Cell::new(0) },
        columns: Columns { input: 0, target: 0 },
        scales: Scales { input: 1.0, target: 1.0 },
        first_rows: None,
        provenance: Provenance::default(),
    };
    run.execute(&Interrupt::default(), &mut seen).unwrap();
    assert_eq!(seen.0, 64);
    assert!(seen.1.contains("FVU"), "{}", seen.1);
}

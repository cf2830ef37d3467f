//! The report as a table and as JSON.

use saekit_core::metrics::{CodeStats, Reconstruction};
use saekit_core::{CodecShape, Codes, HookPoint, Matrix, Provenance, SparseCodes};
use saekit_eval::{Ablated, CrossEntropyReport, EvaluatedOn, Evaluation, ReconstructionReport};

fn reconstruction(scale: f32) -> ReconstructionReport {
    let x = Matrix::new(3, 2, [1.0, 0.0, 3.0, 2.0, 5.0, 4.0].map(|v: f32| v * scale).to_vec());
    let x_hat = Matrix::new(3, 2, [1.0, 1.0, 3.0, 2.0, 3.0, 4.0].map(|v: f32| v * scale).to_vec());
    let mut metrics = Reconstruction::new(2);
    metrics.push(x.view(), x_hat.view()).expect("of one shape");
    let mut sparse = SparseCodes::new(4000);
    for ids in [&[7, 9][..], &[9], &[9, 3000, 3001]] {
        sparse.push_row(ids, &vec![scale; ids.len()]);
    }
    let mut codes = CodeStats::new(4000);
    codes.push(&Codes::Sparse(sparse)).expect("of one width");
    ReconstructionReport { metrics: metrics.report(), codes: codes.report() }
}

fn evaluation(scale: f32) -> Evaluation {
    let shape = CodecShape { d_in: 2, d_out: 2, d_code: 4000 };
    let on = EvaluatedOn {
        rows: None,
        store: Some("heldout".to_owned()),
        column: Some("blocks.1.hook_resid_post".to_owned()),
        ..EvaluatedOn::default()
    };
    let codec = "runs/demo/dictionary".to_owned();
    let mut evaluation = Evaluation::new(codec, shape, Provenance::default(), on);
    evaluation.reconstruction = Some(reconstruction(scale));
    evaluation.cross_entropy = Some(CrossEntropyReport {
        hook: HookPoint::new("blocks.1.hook_resid_post"),
        sequences: 200,
        tokens: 25_400,
        special_ids: vec![0],
        ablated: Ablated::Everywhere,
        ce_clean: 3.5,
        ce_sae: 3.6,
        ce_zero_ablated: 8.5,
        ce_mean_ablated: 5.5,
        ce_recovered_zero: Some(0.98),
        ce_recovered_mean: Some(0.95),
    });
    evaluation
}

const TABLE: &str = include_str!("table.txt");

#[test]
fn the_table_is_what_it_was() {
    assert_eq!(evaluation(1.0).to_string(), TABLE);
}

#[test]
fn any_table_fits_80_columns() {
    for scale in [0.0, 1e-30, 1e-3, 1e4, 1e19] {
        let mut wide = evaluation(scale);
        wide.codec = "/a/long/path".repeat(20);
        wide.on.column = Some("é".repeat(100));
        let report = wide.cross_entropy.as_mut().unwrap();
        (report.sequences, report.tokens) = (1 << 40, 1 << 50);
        report.ablated = Ablated::WhereSpliced;
        report.ce_zero_ablated = 1e5;
        report.ce_recovered_zero = Some(-12.345);
        for line in wide.to_string().lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn figures_that_do_not_exist_show_as_a_dash() {
    let mut empty = evaluation(1.0);
    empty.cross_entropy = None;
    let metrics = Reconstruction::new(2).report();
    let codes = CodeStats::new(3).report();
    empty.reconstruction = Some(ReconstructionReport { metrics, codes });
    let table = empty.to_string();
    assert!(table.contains("  FVU                                  -\n"), "{table}");
    assert!(table.contains("none fires") && !table.contains("NaN"), "{table}");
}

#[test]
fn json_goes_there_and_back() {
    let evaluation = evaluation(1.0);
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["reconstruction"]["metrics"]["fvu"], 5.0 / 16.0);
    assert_eq!(
        json["reconstruction"]["metrics"]["explained_variance_per_row"],
        serde_json::Value::Null
    );
    assert_eq!(json["cross_entropy"]["ablated"], "everywhere");
    assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), evaluation);
}

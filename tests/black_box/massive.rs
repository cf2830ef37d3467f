//! A few rows whose norm is far above the others': counted, warned of, and left out on request.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use saekit_core::number::percent;
use saekit_core::rng::Rng;
use saekit_tests::{Sandbox, write_rows};
use serde_json::Value;

const ROWS: usize = 4000;
const WIDTH: usize = 16;
/// 0.3 % of the rows.
const MASSIVE: usize = 12;
const TRAIN: &str = "train --device cpu --store x.npy --d-sae 32 --k 4 --batch 250 --epochs 4";

type Rows = Vec<Vec<f64>>;

/// Rows of which 12 lie far out in one direction and hold 84 % of the variance.
fn with_store() -> (Sandbox, Rows) {
    let rng = Rng::new(7, "massive");
    let row = |i: usize| {
        let mut row: Vec<f32> =
            (0..WIDTH).map(|j| rng.normal((i * WIDTH + j) as u64) as f32).collect();
        if i % (ROWS / MASSIVE) == 5 && i / (ROWS / MASSIVE) < MASSIVE {
            row[3] += 167.0;
        }
        row
    };
    let rows: Vec<Vec<f32>> = (0..ROWS).map(row).collect();
    let sandbox = Sandbox::new();
    write_rows(&sandbox.path("x.npy"), &rows);
    (sandbox, rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect())
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn is_massive(rows: &Rows) -> Vec<bool> {
    let mut norms: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
    norms.sort_by(f64::total_cmp);
    rows.iter().map(|row| norm(row) > 5.0 * norms[norms.len() / 2]).collect()
}

/// Squared distance of each row to the mean of all.
fn squares(rows: &[&Vec<f64>]) -> Vec<f64> {
    let mean = |j: usize| rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64;
    let mean: Vec<f64> = (0..WIDTH).map(mean).collect();
    let square = |row: &Vec<f64>| row.iter().zip(&mean).map(|(x, m)| (x - m).powi(2)).sum();
    rows.iter().map(|row| square(row)).collect()
}

fn share(rows: &Rows) -> f64 {
    let squares = squares(&rows.iter().collect::<Vec<_>>());
    let massive = squares.iter().zip(is_massive(rows)).filter(|(_, is)| *is);
    massive.map(|(square, _)| square).sum::<f64>() / squares.iter().sum::<f64>()
}

fn fvu(rows: &[(&Vec<f64>, &Vec<f64>)]) -> f64 {
    let error: f64 =
        rows.iter().flat_map(|(x, y)| x.iter().zip(*y)).map(|(x, y)| (x - y).powi(2)).sum();
    error / squares(&rows.iter().map(|(x, _)| *x).collect::<Vec<_>>()).iter().sum::<f64>()
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-6 * expected, "{found} is not {expected}");
}

/// The value of `--max-norm` that `text` advises.
fn advised(text: &str) -> String {
    let (_, after) = text.split_once("`--max-norm ").unwrap_or_else(|| panic!("no advice: {text}"));
    after.split('`').next().unwrap().to_owned()
}

#[test]
fn inspect_shows_quantiles_of_norms_and_the_variance_that_massive_rows_hold() {
    let (sandbox, rows) = with_store();
    assert!((0.8..0.88).contains(&share(&rows)), "{}", share(&rows));
    let printed = sandbox.ok("inspect x.npy --stats");
    let expected = format!(
        "12 above 5 times the median norm, with {} of the variance",
        percent(Some(share(&rows)))
    );
    assert!(printed.contains(&expected), "{expected}: {printed}");
    let line = printed.lines().find(|line| line.contains("at 1, 50, 99, 99.9 %")).unwrap();
    let (_, shown) = line.split_once("99.9 %").unwrap();
    let mut norms: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
    norms.sort_by(f64::total_cmp);
    for (shown, part) in shown.split(',').zip([0.01, 0.5, 0.99, 0.999]) {
        let (shown, exact) =
            (shown.trim().parse::<f64>().unwrap(), norms[(part * 4000.0) as usize]);
        assert!((shown - exact).abs() <= exact / 1000.0, "{part}: {shown} for {exact}");
    }
}

#[test]
fn training_warns_of_massive_rows_and_the_advice_works() {
    let (sandbox, rows) = with_store();
    let trained = sandbox.run(&format!("{TRAIN} --out run"));
    let (before, _) = trained.stderr.split_once("to train:").expect("a first line");
    let expected = format!(
        "12 of 4,000 rows have a norm above 5 times the median and hold {}",
        percent(Some(share(&rows)))
    );
    assert!(before.contains(&expected), "{}", trained.stderr);
    let max_norm = advised(before);
    let first = &sandbox.json("run/summary.json")["first_rows"];
    let massive = &first["massive"];
    assert_eq!((&massive["rows"], &massive["massive_rows"]), (&ROWS.into(), &MASSIVE.into()));
    near(&massive["variance_share"], share(&rows));
    let figures = [&first["fvu"], &first["fvu_without_massive"]].map(|f| f.as_f64().unwrap());
    sandbox.ok("eval run --store x.npy");
    let evaluated = &sandbox.json("run/eval.json")["reconstruction"]["metrics"];
    for (name, found) in ["fvu", "fvu_without_massive"].into_iter().zip(figures) {
        let expected = evaluated[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-4 * expected, "{name}: {found} is not {expected}");
    }
    let [with, without] = figures.map(|figure| format!("{figure:.4}"));
    let last = format!("first 4,000 rows 12 are massive: FVU {with}, without them {without}");
    assert!(trained.stdout.contains(&last), "{last}: {}", trained.stdout);

    let again = sandbox.run(&format!("{TRAIN} --out run --force --max-norm {max_norm}"));
    assert!(again.stderr.contains("12 of too large a norm"), "{}", again.stderr);
    assert!(!again.stderr.contains("times the median"), "{}", again.stderr);
    let first = &sandbox.json("run/summary.json")["first_rows"];
    assert_eq!((&first["massive"]["massive_rows"], &first["fvu"]), (&0.into(), &Value::Null));
    assert!(!again.ok().contains("massive"));
}

#[test]
fn evaluation_and_report_have_fvu_with_and_without_massive_rows() {
    let (sandbox, rows) = with_store();
    sandbox.ok(&format!("{TRAIN} --out run"));
    let evaluated = sandbox.run("eval run --store x.npy --rows 1000 --dump first.safetensors");
    assert!(evaluated.stderr.contains("3 of 1,000 rows have a norm"), "{}", evaluated.stderr);
    let max_norm = advised(&evaluated.stderr);
    let rows: Rows = rows.into_iter().take(1000).collect();
    let output = dumped(&sandbox.read("first.safetensors"), "x_hat");
    let pairs: Vec<_> = rows.iter().zip(&output).collect();
    let others = pairs.iter().zip(is_massive(&rows)).filter(|(_, is)| !is);
    let others: Vec<_> = others.map(|(pair, _)| *pair).collect();
    let metrics = &sandbox.json("run/eval.json")["reconstruction"]["metrics"];
    assert_eq!((others.len(), &metrics["massive"]["massive_rows"]), (997, &3.into()));
    near(&metrics["massive"]["variance_share"], share(&rows));
    near(&metrics["fvu"], fvu(&pairs));
    near(&metrics["fvu_without_massive"], fvu(&others));
    let printed = evaluated.ok();
    let without = format!("without massive rows      {:>10.4}", fvu(&others));
    assert!(printed.contains(&without), "{without}: {printed}");
    assert!(printed.contains("3, with "), "{printed}");

    sandbox.ok("analyze run --store x.npy");
    let report = String::from_utf8(sandbox.read("run/analysis/report.html")).unwrap();
    assert!(report.contains("FVU without massive rows"));
    assert!(report.contains("3 of 1,000 rows have a norm above 5 times the median"));
    let filtered = format!("eval run --store x.npy --json f.json --max-norm {max_norm}");
    assert!(!sandbox.run(&filtered).stderr.contains("times the median"));
}

#[test]
fn analyze_takes_the_row_filters_of_train() {
    let (sandbox, _) = with_store();
    sandbox.ok(&format!("{TRAIN} --out run"));
    let analyze = "analyze run --store x.npy --out a";
    let analysed = sandbox.run(&format!("{analyze} --max-norm 2"));
    assert!(analysed.stderr.contains("12 of too large a norm"), "{}", analysed.stderr);
    assert!(analysed.ok().contains("3988 of 4000 rows: 12 of too large a norm"));
    let summary = sandbox.json("a/analysis.json");
    assert_eq!(summary["rows"], 3988);
    assert_eq!(summary["chosen"]["counts"]["norm"], 12);
    assert_eq!(summary["chosen"]["filter"]["max_norm"], 2.0);
    let rows = |latent: usize| {
        sandbox.json(&format!("a/features/{latent}.json"))["density"]["rows"].clone()
    };
    assert_eq!(rows(0), 3988);
    std::fs::remove_file(sandbox.path("a/analysis.json")).unwrap();
    sandbox.run(analyze).error_with(&["choice of rows"]);
    sandbox.run(&format!("{analyze} --force --positions 1..")).error_with(&["no sequence"]);
    sandbox.ok(&format!("{analyze} --force"));
    assert_eq!(sandbox.json("a/analysis.json")["chosen"], Value::Null);
    // a latent that fires on both kinds of rows has a scale for the ordinary ones
    let features = (0..32).map(|latent| sandbox.json(&format!("a/features/{latent}.json")));
    let scaled = features.filter(|feature| {
        let [max, end] = ["max", "scale_end"].map(|name| feature["density"][name].as_f64());
        max.zip(end).is_some_and(|(max, end)| max.abs() > 3.0 * end)
    });
    for feature in scaled {
        let histogram = &feature["histogram"];
        let beyond = histogram["above"].as_u64().unwrap() + histogram["below"].as_u64().unwrap();
        let counts = histogram["counts"].as_array().unwrap();
        let filled = counts.iter().filter(|count| count.as_u64().unwrap() > 0).count();
        assert!(beyond > 0 && filled > counts.len() / 4, "{histogram}");
    }
}

/// The rows of the tensor called `name` in a safetensors file.
fn dumped(file: &[u8], name: &str) -> Rows {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let offset = |i: usize| header[name]["data_offsets"][i].as_u64().unwrap() as usize;
    let bytes = &file[8 + length + offset(0)..8 + length + offset(1)];
    let value = |v: &[u8]| f64::from(f32::from_le_bytes(v.try_into().unwrap()));
    let values: Vec<f64> = bytes.chunks(4).map(value).collect();
    values.chunks(WIDTH).map(<[f64]>::to_vec).collect()
}

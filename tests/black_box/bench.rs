//! `saekit bench`: what it prints, and what it refuses.

use saekit_tests::Sandbox;
use serde_json::Value;

const SMALL: &str = "--d-in 33 --d-sae 300 --k 4 --batch-rows 70 --steps 2 --warmup 1";

fn json(arguments: &str) -> Value {
    let printed = Sandbox::new().ok(&format!("bench {arguments} --json"));
    serde_json::from_str(&printed).expect("one JSON object")
}

fn positive(of: &Value, names: &[&str]) {
    for name in names {
        let value = of[*name].as_f64().unwrap_or_else(|| panic!("no number `{name}` in {of}"));
        assert!(value > 0.0 && value.is_finite(), "{name}: {value}");
    }
}

#[test]
fn a_step_of_each_selection_is_measured() {
    for selection in ["topk", "batchtopk", "jumprelu", "l1", "matryoshka"] {
        for precision in ["f32", "mixed", "auto"] {
            let step =
                json(&format!("step {SMALL} --selection {selection} --precision {precision}"));
            positive(
                &step,
                &["s_per_step", "s_min", "tokens_per_s", "floor_s", "times_floor", "l0"],
            );
            positive(&step["parts"], &["rows", "encode", "residual", "transpose", "update"]);
            positive(&step["ceilings"], &["matmul_gflops", "matmul_bf16_gflops", "copy_gb_per_s"]);
            assert_eq!(step["selection"], selection);
            let l0 = step["l0"].as_f64().expect("a number");
            assert!((2.0..=6.0).contains(&l0), "{selection}: L0 {l0}");
            let is_screened = step["rescored_per_row"].is_number();
            assert!(precision == "auto" || is_screened == (precision == "mixed"));
        }
    }
}

#[test]
fn dead_latents_cost_a_part_of_their_own() {
    let step = json(&format!("step {SMALL} --dead 0.5"));
    positive(&step["parts"], &["auxk"]);
}

#[test]
fn the_other_parts_of_the_work_are_measured() {
    let names = ["s_per_step", "tokens_per_s"];
    positive(&json(&format!("encode {SMALL}")), &names);
    positive(&json("harvest --device cpu --rows 500"), &names);
    let ingest =
        json("ingest --d-in 16 --rows 5000 --batch-rows 100 --steps 1 --warmup 0 --train-steps 1");
    positive(&ingest, &[names[0], names[1], "mb_per_s", "raw_pread_convert_mb_per_s"]);
    positive(&ingest, &["cpu_tokens_per_s", "of_raw"]);
    let share = ingest["step_waits_share"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&share), "{share}");
    let in_order = "ingest --d-in 16 --rows 5000 --order disk --steps 1 --train-steps 0";
    positive(&json(in_order), &[names[0], "mb_per_s"]);
    let analyze = json("analyze --d-in 16 --d-sae 64 --k 4 --rows 1000");
    positive(&analyze, &[names[0], names[1], "index_over_encoding"]);
}

#[test]
fn people_get_a_table() {
    let table = Sandbox::new().ok(&format!("bench step {SMALL}"));
    for line in ["times the floor", "best f32 matmul", "rows a second", "peak memory"] {
        assert!(table.contains(line), "{table}");
    }
}

#[test]
fn sizes_that_make_no_sense_are_named() {
    let message = |arguments: &str| Sandbox::new().run(&format!("bench {arguments}")).error();
    assert!(message("step --d-sae 8 --k 9").contains("`--k` is 9, expected 1 to `--d-sae` (8)"));
    assert!(message("encode --d-in 0").contains("at least 1"));
    assert!(message("step --dead 2").contains("`--dead` is 2, expected 0 to 1"));
    assert!(message("step --selection l1 --dead 0.5").contains("goes with `--selection topk`"));
}

//! `saekit demo`, in its small form: everything once, and everything it says is there.

use saekit_tests::Sandbox;

#[test]
fn does_everything_and_says_where_it_is() {
    let sandbox = Sandbox::new();
    let printed = sandbox.ok("demo --small --device cpu");
    for figure in ["FVU", "CE recovered, zero", "CE recovered, mean", "L0", "dead"] {
        assert!(printed.contains(figure), "`{figure}` is missing in: {printed}");
    }
    let evaluation = sandbox.json("saekit-demo/run/eval.json");
    let fvu = evaluation["reconstruction"]["metrics"]["fvu"].as_f64().expect("a number");
    assert!(fvu > 0.0 && fvu < 0.9, "FVU {fvu}");
    let recovered = evaluation["cross_entropy"]["ce_recovered_zero"].as_f64().expect("a number");
    assert!(recovered > 0.5 && recovered < 1.0, "CE recovered {recovered}");
    assert_eq!(sandbox.ok("demo --small --device cpu"), printed, "given again");
    sandbox.run("demo --small --device cpu --seed 1").error_with(&["saekit-demo", "--force"]);
    // What it proposes to do next works.
    for line in printed.lines().map(str::trim) {
        if let Some(arguments) = line.strip_prefix("saekit ") {
            let shorter = if arguments.starts_with("train") { " --rows 5000" } else { "" };
            sandbox.ok(&format!("{arguments}{shorter}"));
        }
    }
}

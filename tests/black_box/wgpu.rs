//! The same training through wgpu, on whatever adapter there is: in CI a Vulkan driver in software.

use saekit_tests::{Sandbox, SyntheticStore};

/// f32 sums in another order, ten Adam steps on.
const TOLERANCE: f64 = 1e-3;

fn losses(sandbox: &Sandbox, device: &str) -> Vec<f64> {
    let train = format!(
        "train --store acts --out {device} --device {device} --d-sae 256 --k 8 --batch 256 \
         --rows 2560 --log-every 1"
    );
    sandbox.ok(&train);
    let lines = sandbox.json_lines(&format!("{device}/metrics.jsonl"));
    lines.iter().map(|line| line["loss"].as_f64().expect("a loss")).collect()
}

#[test]
fn the_first_ten_losses_are_those_of_the_cpu() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(4000, 48).write(&sandbox.path("acts"));
    let (cpu, wgpu) = (losses(&sandbox, "cpu"), losses(&sandbox, "wgpu"));
    assert_eq!((cpu.len(), wgpu.len()), (10, 10));
    for (cpu, wgpu) in cpu.iter().zip(&wgpu) {
        assert!((cpu - wgpu).abs() <= TOLERANCE * cpu, "cpu {cpu}, wgpu {wgpu}");
    }
}

#[test]
fn the_demo_runs() {
    let sandbox = Sandbox::new();
    let demo = sandbox.run("demo --small --device wgpu --out demo-run");
    assert!(demo.stderr.contains("device: wgpu"), "{}", demo.stderr);
    let printed = demo.ok();
    assert!(printed.contains("CE recovered"), "{printed}");
    assert!(sandbox.path("demo-run/sae-saelens/cfg.json").exists());
}

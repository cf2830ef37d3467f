//! Two processes on one folder: one works, the others say who does, and nothing is broken.

use std::thread::sleep;
use std::time::Duration;

use saekit_tests::{Finished, Sandbox, SyntheticStore};

/// Starts `command` twice at once and again 0.3 and 1 s later; checks that one comes to its end and that
/// the others were refused, at least one of them by the name of the verb.
fn four_at_once(sandbox: &Sandbox, command: &str, folder: &str) {
    let verb = command.split(' ').next().unwrap_or_default();
    let mut running = Vec::new();
    for delay in [0, 0, 300, 700] {
        sleep(Duration::from_millis(delay));
        running.push(sandbox.start(command));
    }
    let ended: Vec<Finished> = running.into_iter().map(saekit_tests::Running::finish).collect();
    let (won, lost): (Vec<_>, Vec<_>) = ended.iter().partition(|ended| ended.status.success());
    let said: Vec<_> = lost.iter().map(|ended| ended.stderr.as_str()).collect();
    assert_eq!(won.len(), 1, "{said:?}");
    let by_name = format!("another saekit {verb} (process ");
    let is_refused = |text: &&&str| {
        text.contains(&by_name) && text.contains(&format!("writes to `{folder}`"))
            || text.contains("already")
    };
    assert_eq!(said.iter().filter(is_refused).count(), 3, "{said:?}");
    assert!(said.iter().any(|text| text.contains(&by_name)), "{said:?}");
    assert!(lost.iter().all(|ended| ended.status.code() == Some(1)));
}

#[test]
fn two_harvests() {
    let sandbox = Sandbox::new();
    let harvest = "harvest --device cpu --model demo --text train.parquet --rows 40000 --context 64 \
                   --hook blocks.1.hook_resid_post --shard-mib 4 --out acts";
    four_at_once(&sandbox, harvest, "acts");
    assert!(sandbox.ok("verify acts").contains("40,000 rows"));
    assert!(!sandbox.files("acts").iter().any(|file| file.starts_with(".saekit")));
}

#[test]
fn two_conversions() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(150_000, 64).write(&sandbox.path("acts"));
    four_at_once(&sandbox, "convert-store acts --out new --shuffle --shard-mib 4", "new");
    assert!(sandbox.ok("verify new").contains("150,000 rows"));
}

#[test]
fn two_analyses() {
    let sandbox = Sandbox::new();
    SyntheticStore::new(200_000, 64).write(&sandbox.path("many"));
    let train =
        "train --device cpu --store many --out run --d-sae 256 --k 8 --batch 500 --rows 2000";
    sandbox.ok(train);
    four_at_once(&sandbox, "analyze run --store many --out pages", "pages");
    assert!(sandbox.ok("features pages").contains("latent"));
}

#[test]
fn two_exports() {
    let sandbox = Sandbox::with_run();
    let running: Vec<_> =
        (0..3).map(|_| sandbox.start("export run --format saelens --out sae")).collect();
    let ended = running.into_iter().map(saekit_tests::Running::finish);
    let won = ended.filter(|ended| ended.status.success()).count();
    assert_eq!(won, 1);
    let mut files = sandbox.files("sae");
    files.sort();
    assert_eq!(files, ["cfg.json", "sae_weights.safetensors"]);
    assert!(!sandbox.path("sae.lock").exists() && !sandbox.path("sae.partial").exists());
}

//! A harvest that was stopped goes on, and what it leaves is what it would have left.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use std::fs;
use std::sync::atomic::Ordering;

use common::{Desk, HOOKS, Toy, files, some_texts};
use saekit_core::HookPoint;
use saekit_store::{DType, StoreSpec};

/// Batches of 4 contexts of 16 tokens with 15 rows each; shards of 70 rows end within a batch.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.config.hooks = vec![HookPoint::new(HOOKS[0]), HookPoint::new(HOOKS[2])];
    desk.config.dtype = DType::I8;
    desk.config.shard_bytes = 70 * (4 + 4 + 4 + 6 + 8);
    desk
}

/// What a harvest leaves that nothing stops, and its forward passes.
fn uninterrupted(desk: &Desk) -> (Vec<(String, Vec<u8>)>, usize) {
    desk.run().unwrap();
    let found = files(&desk.out());
    assert!(found.len() > 4, "several shards");
    fs::remove_dir_all(desk.out()).unwrap();
    (found, desk.model.forwards.load(Ordering::SeqCst))
}

fn shards(desk: &Desk) -> usize {
    let found = files(&desk.out());
    found.iter().filter(|(name, _)| name.starts_with("shards/")).count()
}

#[test]
fn wherever_it_is_stopped_the_store_is_the_same() {
    let mut desk = desk();
    let (expected, forwards) = uninterrupted(&desk);
    for stop in 0..forwards - 1 {
        for fails in [false, true] {
            desk.model = Toy::new(16);
            let place =
                if fails { &mut desk.model.fails_at } else { &mut desk.model.interrupts_at };
            *place = Some(stop);
            let message = desk.run().unwrap_err().to_string();
            assert!(message.contains(if fails { "forward passes" } else { "interrupted" }));
            let kept = shards(&desk) * 70;

            desk.model = Toy::new(16);
            let report = desk.run().unwrap();
            assert!(files(&desk.out()) == expected, "stopped in forward pass {stop}");
            assert_eq!(report.resumed_rows as usize, kept);
            let passes = desk.model.forwards.load(Ordering::SeqCst);
            assert!((forwards - stop - 1..=forwards - kept / 60).contains(&passes), "{passes}");
            fs::remove_dir_all(desk.out()).unwrap();
        }
    }
}

#[test]
fn it_may_be_stopped_in_every_pass() {
    let mut desk = desk();
    let (expected, forwards) = uninterrupted(&desk);
    let run = |_: &usize| {
        desk.model = Toy::new(16);
        desk.model.fails_at = Some(4); // a batch that was begun, and then enough for a shard
        desk.run().is_err()
    };
    let runs = (0..forwards).take_while(run).count();
    assert!(files(&desk.out()) == expected);
    assert!(runs > forwards / 8, "{runs} runs");
}

/// Killed between a shard and the note of it, or in the middle of a shard.
#[test]
fn a_shard_that_was_not_noted_is_written_again() {
    let mut desk = desk();
    let (expected, _) = uninterrupted(&desk);
    desk.model.forwards.store(0, Ordering::SeqCst);
    desk.model.fails_at = Some(4);
    desk.run().unwrap_err();
    let next = desk.out().join(format!("shards/shard-{:05}.parquet", shards(&desk)));
    fs::write(&next, "whole").unwrap();
    fs::write(next.with_extension("parquet.partial"), "half").unwrap();
    desk.model.fails_at = None;
    desk.run().unwrap();
    assert!(files(&desk.out()) == expected);
}

/// Killed between the last shard and the manifest.
/// A working file of saekit, `text`, with the hash of its content as it is now.
fn resealed(text: &str) -> String {
    let mut quoted = false;
    let is_kept = |c: &char| {
        quoted ^= *c == '"';
        quoted || !c.is_whitespace()
    };
    let dense: String = text.replace("\\\"", "\u{1}").chars().filter(is_kept).collect();
    let dense = dense.replace('\u{1}', "\\\"");
    let content = dense.strip_prefix("{\"content\":").unwrap();
    let (content, _) = content.rsplit_once(",\"sha256\":").unwrap();
    let sha256 = saekit_core::files::sha256(content.as_bytes());
    format!("{{\"content\":{content},\"sha256\":\"{sha256}\"}}")
}

#[test]
fn nothing_is_computed_again_where_only_the_manifest_is_missing() {
    let mut desk = desk();
    desk.config.max_rows = Some(210);
    let (expected, _) = uninterrupted(&desk);
    desk.config.max_rows = None;
    desk.model = Toy::new(16);
    desk.model.fails_at = Some(4);
    desk.run().unwrap_err();
    assert_eq!(shards(&desk), 3);
    let state = desk.out().join(".saekit-store-state");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, resealed(&text.replace("\"all\"", "\"210\""))).unwrap();
    desk.config.max_rows = Some(210);
    desk.model = Toy::new(16);
    desk.run().unwrap();
    assert!(files(&desk.out()) == expected);
    assert_eq!(desk.model.forwards.load(Ordering::SeqCst), 0);
}

#[test]
fn other_settings_are_refused_by_name() {
    type Change = fn(&mut Desk);
    let cases: [(Change, &str); 9] = [
        (|desk| desk.config.seed = 1, "seed 0, not 1"),
        (|desk| desk.config.dtype = DType::F16, "dtype i8, not f16"),
        (|desk| desk.config.batch_tokens = 16, "tokens a batch 64, not 16"),
        (|desk| desk.config.max_rows = Some(300), "rows all, not 300"),
        (|desk| desk.config.context_size = Some(8), "context size 16, not 8"),
        (|desk| desk.config.keep_special = true, "excluded tokens [0,299], not []"),
        (|desk| drop(desk.config.hooks.pop()), "hook points blocks.0.hook_resid_pre x 4, blocks.1"),
        (|desk| drop(desk.input("more.txt", "more")), "data {\"name\":\"texts.jsonl\""),
        (|desk| desk.config.shard_bytes = StoreSpec::SHARD_BYTES, "shard size 1820, not 536870912"),
    ];
    let mut desk = desk();
    desk.model.fails_at = Some(3);
    desk.run().unwrap_err();
    let before = files(&desk.out());
    let config = desk.config.clone();
    for (change, expected) in cases {
        change(&mut desk);
        let message = desk.run().unwrap_err().to_string();
        assert!(message.contains(&format!("was begun with {expected}")), "{message}");
        assert!(message.ends_with("or start anew with `--force`"), "{message}");
        assert!(files(&desk.out()) == before, "{expected}");
        desk.config = config.clone();
    }
    desk.config.seed = 1;
    desk.store_again();
}

#[test]
fn what_is_left_has_to_fit_together() {
    type Damage = fn(&std::path::Path);
    let cases: [(Damage, &str); 4] = [
        (|out| fs::remove_file(out.join("shards/shard-00000.parquet")).unwrap(), "is missing"),
        (|out| fs::write(out.join("shards/shard-00001.parquet"), "x").unwrap(), "has 1 bytes"),
        (|out| fs::write(out.join(".saekit-store-state"), "{").unwrap(), "not a valid state"),
        (
            |out| {
                let path = out.join(".saekit-store-state");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(&path, text.replace("\"rows\": 70", "\"rows\": 71")).unwrap();
            },
            "was changed after it was written",
        ),
    ];
    for (damage, expected) in cases {
        let mut desk = desk();
        desk.model.fails_at = Some(4);
        desk.run().unwrap_err();
        damage(&desk.out());
        let message = desk.run().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("cannot go on") && message.contains("`--force`"), "{message}");
    }
}

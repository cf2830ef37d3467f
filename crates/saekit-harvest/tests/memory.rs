//! Peak memory does not grow with the input.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};

use common::{Desk, Toy};
use saekit_core::{Encoding, Interrupt, Silent, Tokenizer};
use saekit_harvest::Harvest;

/// A token every 64 bytes, so that text weighs more than rows.
struct Coarse;

impl Tokenizer for Coarse {
    fn encode(&self, text: &str) -> saekit_core::Result<Encoding> {
        let n = text.len() as u32 / 64;
        let offsets = (0..n).map(|i| (64 * i, 64 * i + 64)).collect();
        Ok(Encoding { ids: vec![1; n as usize], offsets })
    }

    fn decode(&self, _: &[u32]) -> saekit_core::Result<String> {
        unreachable!("a harvest decodes nothing")
    }

    fn token(&self, _: u32) -> Option<String> {
        None
    }

    fn d_vocab(&self) -> usize {
        2
    }

    fn bos(&self) -> Option<u32> {
        Some(0)
    }

    fn special_ids(&self) -> &[u32] {
        &[0]
    }

    fn sha256(&self) -> &'static str {
        "of the tokenizer"
    }
}

/// The most memory this process ever held at once, bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A file of `part`, over and over, made an input without holding it.
fn repeated(desk: &mut Desk, name: &str, part: &str, bytes: usize) {
    let path = desk.input(name, "");
    let mut writer = BufWriter::new(File::create(path).unwrap());
    for _ in 0..bytes / part.len() {
        writer.write_all(part.as_bytes()).unwrap();
    }
    writer.into_inner().unwrap();
}

/// Harvests one document of `bytes` bytes, or lines of as many.
fn harvest(name: &str, part: &str, bytes: usize) {
    let mut desk = Desk::new();
    desk.model = Toy::new(64);
    repeated(&mut desk, name, part, bytes);
    desk.config.shard_bytes = 200_000;
    let (interrupt, config) = (Interrupt::default(), desk.config.clone());
    let harvest =
        Harvest::prepare(config, &desk.model, Some(&Coarse), &desk.out(), &interrupt, &mut Silent);
    let report = harvest.unwrap().run(&interrupt, &mut Silent).unwrap();
    assert!(report.rows as usize > bytes / 80);
}

#[test]
fn ten_times_the_text_takes_the_same_memory() {
    // Enough that every buffer, of which the tokens table has the largest, has been full once.
    const SMALL: usize = 24 << 20;
    let line = format!("{{\"text\": \"{}\"}}\n", "word ".repeat(200));
    let both = |bytes| {
        harvest("lines.jsonl", &line, bytes);
        harvest("one.txt", "word ", bytes);
        peak()
    };
    let (small, large) = (both(SMALL), both(10 * SMALL));

    assert!(large - small < SMALL / 2, "{small} bytes, then {large}");
}

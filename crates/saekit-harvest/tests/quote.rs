//! What a harvest says beforehand, beside what it then does.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use common::{Desk, HOOKS, some_texts};
use saekit_core::{HookPoint, Interrupt};

#[test]
fn a_quote_of_little_text_is_exact() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    let quote = desk.prepare().unwrap().quote(&Interrupt::default()).unwrap();
    assert!(!desk.out().exists(), "a quote writes nothing");
    let report = desk.run().unwrap();
    assert!(quote.exact);
    assert_eq!((quote.documents, quote.sequences), (report.documents, report.sequences));
    assert_eq!((quote.tokens, quote.rows), (report.tokens, report.rows));
    assert!(quote.seconds > 0.0);
}

#[test]
fn a_quote_of_much_text_is_close() {
    let texts: Vec<String> = (0..3000).map(|i| format!("{i} {}", "word ".repeat(i % 50))).collect();
    let mut desk = Desk::new();
    desk.texts(&texts);
    desk.config.hooks.push(HookPoint::new(HOOKS[2]));
    let quote = desk.prepare().unwrap().quote(&Interrupt::default()).unwrap();
    let report = desk.run().unwrap();
    let off = |quoted: u64, found: u64| (quoted as f64 / found as f64 - 1.0).abs();
    assert!(!quote.exact);
    assert!(off(quote.rows, report.rows) < 0.02, "{quote:?} {report:?}");
    assert!(off(quote.tokens, report.tokens) < 0.02, "{quote:?} {report:?}");
    assert!(off(quote.sequences, report.sequences) < 0.02, "{quote:?} {report:?}");

    desk.config.max_rows = Some(500);
    assert_eq!(desk.prepare().unwrap().quote(&Interrupt::default()).unwrap().rows, 500);
}

#[test]
fn a_quote_of_token_ids_is_exact() {
    let mut desk = Desk::new();
    let line = format!("{{\"input_ids\": {:?}}}\n", [0, 1, 2, 3, 4, 5, 6, 7]);
    desk.input("a.jsonl", line.repeat(20_000));
    let quote = desk.prepare().unwrap().quote(&Interrupt::default()).unwrap();
    assert_eq!((quote.exact, quote.sequences), (true, 20_000));
    assert_eq!((quote.tokens, quote.rows), (160_000, 140_000));
}

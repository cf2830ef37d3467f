//! The `saekit` binary.
fn main() {}

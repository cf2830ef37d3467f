//! Groups of flags that verbs share. Each is also a table of a configuration file or of a plan.

pub(crate) mod device;
pub(crate) mod harvest;
pub(crate) mod place;
pub(crate) mod rows;
pub(crate) mod store;

use clap::builder::{RangedU64ValueParser, TypedValueParser};

/// Parses a whole number that fits TOML: up to 2^63 - 1.
pub(crate) fn whole() -> impl TypedValueParser<Value = u64> {
    RangedU64ValueParser::<u64>::new().range(..=i64::MAX as u64)
}

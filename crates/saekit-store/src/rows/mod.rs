//! The contracts of everything that gives rows or takes them.

pub(crate) mod sequence;
pub(crate) mod sink;
pub(crate) mod source;

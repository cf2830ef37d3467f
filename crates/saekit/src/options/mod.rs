//! Groups of flags that verbs share. Each is also a table of a configuration file or of a plan.

pub(crate) mod device;
pub(crate) mod harvest;
pub(crate) mod place;
pub(crate) mod rows;
pub(crate) mod store;

use std::sync::Arc;

use crate::cache::RangeCache;
use crate::network::Network;

/// What every kind of storage is opened with.
pub(crate) struct Opening<'a> {
    /// The address as given, with its secrets.
    pub(crate) address: &'a str,
    /// What follows `://` in it.
    pub(crate) rest: &'a str,
    /// The address as people may see it.
    pub(crate) location: String,
    pub(crate) network: Network,
    pub(crate) cache: Option<Arc<RangeCache>>,
}

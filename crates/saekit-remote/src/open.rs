use std::sync::Arc;

use saekit_store::Storage;

use crate::address::{self, Scheme};
use crate::cache::RangeCache;
use crate::network::Network;
use crate::opening::Opening;
use crate::{Error, RemoteConfig, Result};

/// The storage at an address such as `s3://bucket/prefix`.
///
/// Only the Hub is asked for something here: for the commit that its revision stands for, which
/// stays the same from then on. Of the other places, the first read shows whether they exist.
pub fn open(location: &str, config: &RemoteConfig) -> Result<Arc<dyn Storage>> {
    let shown = address::shown(location);
    let Some((scheme, rest)) = address::split(location) else {
        return Err(Error::Scheme { location: shown });
    };
    let cache = config.cache.as_ref().map(RangeCache::shared).transpose()?;
    let network = Network::new(scheme, config)?;
    let opening = Opening { address: location, rest, location: shown, network, cache };
    if scheme == Scheme::Hf { open_hub(opening) } else { open_cloud(opening, config) }
}

#[cfg(feature = "cloud")]
fn open_cloud(opening: Opening<'_>, config: &RemoteConfig) -> Result<Arc<dyn Storage>> {
    crate::cloud::open(opening, config)
}

#[cfg(feature = "hub")]
fn open_hub(opening: Opening<'_>) -> Result<Arc<dyn Storage>> {
    crate::hub::open(opening)
}

#[cfg(not(feature = "cloud"))]
fn open_cloud(opening: Opening<'_>, _: &RemoteConfig) -> Result<Arc<dyn Storage>> {
    missing_feature(opening)
}

#[cfg(not(feature = "hub"))]
fn open_hub(opening: Opening<'_>) -> Result<Arc<dyn Storage>> {
    missing_feature(opening)
}

#[cfg(not(all(feature = "cloud", feature = "hub")))]
fn missing_feature(opening: Opening<'_>) -> Result<Arc<dyn Storage>> {
    let feature = opening.network.scheme().feature();
    Err(Error::MissingFeature { location: opening.location, feature })
}

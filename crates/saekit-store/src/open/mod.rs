//! Opening a store: the files of a place are checked, and damaged ones may be skipped.

pub(crate) mod config;
mod foreign;
mod native;
mod opening;

use std::sync::Arc;

use saekit_core::{Interrupt, Observer};

use self::config::OpenConfig;
use self::opening::Opening;
use crate::catalog::Catalog;
use crate::error::PlaceError;
use crate::error::Result;
use crate::format::names::MANIFEST;
use crate::storage::Storage;

/// Opens what is in `storage`: saekit's own store where there is a manifest, files of other tools
/// otherwise.
pub(crate) fn open(
    storage: Arc<dyn Storage>,
    config: &OpenConfig,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Catalog> {
    let manifest = storage.open(MANIFEST)?;
    let mut opening = Opening { storage, config, observer, interrupt, skipped: Vec::new() };
    match manifest {
        Some(_) if !config.choice.is_default() => {
            let place = opening.storage.location().to_owned();
            Err(PlaceError::Whole { place }.into())
        }
        Some(blob) => native::open(&mut opening, &*blob),
        None => foreign::open(&mut opening),
    }
}

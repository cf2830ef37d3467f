//! An analysis for people: a static site that opens from disk, a report, charts, a terminal view.
//!
//! * [`SiteWriter`] writes a site: a page with every feature to search and sort, a page a feature.
//!   Nothing is fetched, so that it opens from a folder on any machine.
//! * [`Report`] is a run on one page: what was trained on what, its figures, curves and features.
//! * [`chart`] draws both as SVG, for pages and for papers.
//! * [`terminal`] shows the same features in a terminal.
//! * [`FeatureLine`] and [`Snippet`] are a feature in one line, which all of them share; [`facts()`] and
//!   [`warnings`] are what an analysis's summary says, in words.
//!
//! Every text from outside (tokens, paths, names of data) is shown and never obeyed: markup is
//! escaped, control characters become symbols.

pub mod chart;
mod error;
mod facts;
#[cfg(test)]
mod fixtures;
mod line;
mod number;
mod report;
mod site;
pub mod terminal;
mod text;
mod width;

pub use error::{Error, Result};
pub use facts::{facts, warnings};
pub use line::{FeatureLine, Snippet};
pub use report::{Curve, Figure, Report};
pub use site::SiteWriter;

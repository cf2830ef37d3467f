//! An analysis for people: a static site that opens from disk, a report, charts.

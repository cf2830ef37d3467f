//! The definitions of the figures saekit reports, each under one name with its formula and source.

//! `saekit bench encode`.

use anyhow::Result;
use saekit_core::rng::Rng;
use saekit_core::{Codec as _, Matrix};
use saekit_dictionary::{Activation, Dictionary};

use super::ceilings::Ceilings;
use super::{Repeat, Report, Sizes, repeat, synthetic};
use crate::session::Session;

/// Arguments of the case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sizes: Sizes,
    /// Rows a repetition
    #[arg(long, value_name = "ROWS", default_value_t = 2048)]
    batch_rows: usize,
    #[command(flatten)]
    pub(super) repeat: Repeat,
}

/// Encodes random rows with a random TopK dictionary.
pub(super) fn measure(args: &Args, session: &Session) -> Result<Report> {
    let Args { sizes, batch_rows, .. } = *args;
    sizes.check(batch_rows)?;
    let Sizes { d_in, d_sae, k } = sizes;
    let x = synthetic::Source::new(d_in).rows(1, batch_rows);
    let weights = synthetic::directions(Rng::new(2, "bench.weights"), d_sae, d_in);
    let dictionary = dictionary(weights.clone(), k);
    let seconds = repeat(args.repeat, session, |_| {
        std::hint::black_box(dictionary.encode(x.view())?);
        Ok(())
    })?;
    let mut report = Report::new("encode", batch_rows as u64, seconds);
    report.set_sizes(sizes);
    report.set("batch_rows", batch_rows);
    let ceilings = Ceilings::measure(x.as_slice(), weights.as_slice(), d_in);
    let flops = 2.0 * (batch_rows * d_in * d_sae) as f64;
    report.ceilings = Some((ceilings, ceilings.floor(flops, 0.0)));
    Ok(report)
}

/// A TopK dictionary with the same rows for encoder and decoder.
pub(super) fn dictionary(weights: Matrix, k: usize) -> Dictionary {
    let (d_sae, d_in) = (weights.rows(), weights.cols());
    let mut dictionary =
        Dictionary::new(weights.clone(), vec![0.0; d_sae], weights, vec![0.0; d_in]);
    dictionary.activation = Activation::TopK { k, signed: false, rescale: false };
    dictionary
}

use std::fmt::{self, Display, Formatter};

use saekit_core::metrics::{CodeMetrics, DensityHistogram, MassiveMetrics, ReconstructionMetrics};

use saekit_core::number;

use crate::{Ablated, CrossEntropyReport, Evaluation, ReconstructionReport};

/// Columns of the terminal that a table fits in.
const WIDTH: usize = 80;
/// Columns of a label with its indentation.
const LABEL: usize = 30;
/// Columns of the longest bar of the histogram.
const BAR: usize = 40;

impl Display for Evaluation {
    /// A table of at most 80 columns.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shape = self.shape;
        text(f, "codec", &self.codec)?;
        text(
            f,
            "latents",
            &format!("{} of width {}", number::count(shape.d_code as u64), shape.d_out),
        )?;
        for (label, value) in [("store", &self.on.store), ("column", &self.on.column)] {
            if let Some(value) = value {
                text(f, label, value)?;
            }
        }
        if let Some(report) = &self.reconstruction {
            write!(f, "\n{report}")?;
        }
        if let Some(report) = &self.cross_entropy {
            write!(f, "\n{report}")?;
        }
        Ok(())
    }
}

impl Display for ReconstructionReport {
    /// A table of at most 80 columns.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "reconstruction of {} rows", number::count(self.metrics.rows))?;
        rows_table(f, &self.metrics)?;
        writeln!(f, "\ncodes")?;
        codes_table(f, &self.codes)
    }
}

impl Display for CrossEntropyReport {
    /// A table of at most 80 columns.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (tokens, sequences) = (number::count(self.tokens), number::count(self.sequences));
        writeln!(f, "cross-entropy over {tokens} tokens of {sequences} sequences")?;
        text(f, "  spliced at", self.hook.as_str())?;
        writeln!(f, "{:LABEL$}{:>10}{:>12}", "", "nats/token", "recovered")?;
        loss(f, "clean", self.ce_clean, None)?;
        loss(f, "SAE", self.ce_sae, None)?;
        loss(f, "zero-ablated", self.ce_zero_ablated, self.ce_recovered_zero)?;
        loss(f, "mean-ablated", self.ce_mean_ablated, self.ce_recovered_mean)?;
        let note = match self.ablated {
            Ablated::Everywhere => "the SAE leaves special tokens alone; ablations spare nothing",
            Ablated::WhereSpliced => "the SAE and the ablations leave special tokens alone",
        };
        writeln!(f, "  {note}")
    }
}

fn rows_table(f: &mut Formatter<'_>, metrics: &ReconstructionMetrics) -> fmt::Result {
    figure(f, "FVU", metrics.fvu)?;
    if let Some(massive) = &metrics.massive {
        figure(f, "  without massive rows", metrics.fvu_without_massive)?;
        text(f, "    of which there are", &massive_rows(massive))?;
    }
    figure(f, "explained variance", metrics.explained_variance)?;
    figure(f, "  per row", metrics.explained_variance_per_row)?;
    figure(f, "  residual", metrics.explained_variance_residual)?;
    figure(f, "cosine similarity", metrics.cosine_similarity)?;
    figure(f, "MSE", metrics.mse)?;
    figure(f, "normalised MSE", metrics.normalised_mse)?;
    figure(f, "norm in", metrics.l2_norm_in)?;
    figure(f, "norm out", metrics.l2_norm_out)?;
    figure(f, "norm out / norm in", metrics.l2_ratio)?;
    figure(f, "norm of error / norm in", metrics.l2_error_ratio)?;
    figure(f, "relative reconstruction bias", metrics.relative_reconstruction_bias)
}

/// How many rows are massive, and how much of the variance they hold.
fn massive_rows(massive: &MassiveMetrics) -> String {
    let count = number::count(massive.massive_rows);
    match massive.variance_share.filter(|_| massive.massive_rows > 0) {
        Some(share) => format!("{count}, with {:.1} % of the variance", 100.0 * share),
        None => count,
    }
}

fn codes_table(f: &mut Formatter<'_>, codes: &CodeMetrics) -> fmt::Result {
    figure(f, "L0", codes.l0)?;
    figure(f, "L1", codes.l1)?;
    let (dead, all) = (number::count(codes.dead as u64), number::count(codes.d_code as u64));
    let percent =
        codes.dead_fraction.map_or(String::new(), |part| format!(" ({:.2} %)", 100.0 * part));
    text(f, "  never fired", &format!("{dead} of {all}{percent}"))?;
    writeln!(f, "  latents by log10 of the fraction of rows they fire in")?;
    histogram(f, &codes.density)
}

/// One line a bin, from the first that is not empty to the last.
fn histogram(f: &mut Formatter<'_>, density: &DensityHistogram) -> fmt::Result {
    let counts = &density.counts;
    let (Some(first), Some(last)) =
        (counts.iter().position(|n| *n > 0), counts.iter().rposition(|n| *n > 0))
    else {
        return writeln!(f, "    none fires");
    };
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    for (i, count) in counts.iter().enumerate().take(last + 1).skip(first) {
        // a bin that is not empty shows at least one mark
        let bar = "#".repeat((count * BAR).div_ceil(most));
        let (from, to) = (DensityHistogram::edge(i), DensityHistogram::edge(i + 1));
        let range = format!("{from:.2} .. {to:.2}");
        writeln!(f, "    {range:>14} {:>9} {bar}", number::count(*count as u64))?;
    }
    Ok(())
}

fn text(f: &mut Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "{label:LABEL$}{}", tail(value, WIDTH - LABEL))
}

fn figure(f: &mut Formatter<'_>, label: &str, value: Option<f64>) -> fmt::Result {
    let value = value.map_or_else(|| "-".to_owned(), number);
    writeln!(f, "{:LABEL$}{value:>10}", format!("  {label}"))
}

fn loss(f: &mut Formatter<'_>, label: &str, nats: f64, recovered: Option<f64>) -> fmt::Result {
    let recovered = recovered.map_or_else(String::new, |part| format!("{:.2} %", 100.0 * part));
    let line = format!("{:LABEL$}{nats:>10.4}{recovered:>12}", format!("  {label}"));
    writeln!(f, "{}", line.trim_end())
}

/// Four decimals, or an exponent where they would show nothing or not fit.
fn number(value: f64) -> String {
    let plain = value == 0.0 || (1e-3..1e5).contains(&value.abs());
    if plain { format!("{value:.4}") } else { format!("{value:.3e}") }
}

/// The end of `value`, in at most `width` characters.
fn tail(value: &str, width: usize) -> String {
    let length = value.chars().count();
    if length <= width {
        return value.to_owned();
    }
    let kept: String = value.chars().skip(length - width + 3).collect();
    format!("...{kept}")
}

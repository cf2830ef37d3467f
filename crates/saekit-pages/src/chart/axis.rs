//! Where values lie on an axis, and which of them are written beside it.

/// An axis from `lo` to `hi`, drawn from one coordinate to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    lo: f64,
    hi: f64,
    log: bool,
    /// Coordinates of `lo` and `hi`.
    pub(super) drawn: (f64, f64),
    /// Values that are written, ascending.
    pub(super) ticks: Vec<Tick>,
}

/// A value on an axis and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: Label,
}

/// How a tick is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Plain(String),
    /// Ten to this power.
    Power(i32),
}

/// Whether a chart can show `value`: the extremes of `f64` overflow where they are subtracted.
pub(super) fn drawable(value: f64, log: bool) -> bool {
    value.abs() < 1e200 && (!log || value > 1e-200)
}

impl Axis {
    /// An axis that begins and ends where the values `lo` to `hi` do.
    pub(super) fn tight(lo: f64, hi: f64, drawn: (f64, f64)) -> Self {
        let (lo, hi) = widened(lo, hi);
        Self {
            lo,
            hi,
            log: false,
            drawn,
            ticks: labelled(linear_ticks(lo, hi, nice_step((hi - lo) / 6.0))),
        }
    }

    /// An axis that begins and ends at round values about `lo` and `hi`; at zero, where that is near.
    pub(super) fn round(lo: f64, hi: f64, drawn: (f64, f64)) -> Self {
        let from_zero = lo >= 0.0;
        let (mut lo, mut hi) = widened(lo, hi);
        if from_zero && lo < hi / 2.0 {
            lo = 0.0;
        }
        let step = nice_step((hi - lo) / 5.0);
        (lo, hi) = ((lo / step + 1e-9).floor() * step, (hi / step - 1e-9).ceil() * step);
        Self { lo, hi, log: false, drawn, ticks: labelled(linear_ticks(lo, hi, step)) }
    }

    /// A logarithmic axis of the positive values `lo` to `hi`.
    pub(super) fn log(lo: f64, hi: f64, drawn: (f64, f64)) -> Self {
        let (lo, hi) = if hi / lo < 1.2 { (lo / 1.2, hi * 1.2) } else { (lo, hi) };
        Self { lo, hi, log: true, drawn, ticks: log_ticks(lo, hi) }
    }

    /// A linear axis over decimal exponents, written as powers of ten.
    pub(super) fn decades(lo: f64, hi: f64, drawn: (f64, f64)) -> Self {
        let (lo, hi) = widened(lo, hi);
        let powers = lo.ceil() as i32..=hi.floor() as i32;
        let stride = powers.clone().count().div_ceil(9).max(1);
        let ticks = powers.step_by(stride);
        let ticks = ticks.map(|p| Tick { value: f64::from(p), label: Label::Power(p) }).collect();
        Self { lo, hi, log: false, drawn, ticks }
    }

    /// The coordinate of `value`.
    pub(super) fn at(&self, value: f64) -> f64 {
        let Self { lo, hi, drawn: (from, to), .. } = *self;
        let part =
            if self.log { (value / lo).ln() / (hi / lo).ln() } else { (value - lo) / (hi - lo) };
        from + (to - from) * part.clamp(0.0, 1.0)
    }
}

/// `lo` to `hi`, wide enough to be drawn: a constant lies in the middle.
fn widened(lo: f64, hi: f64) -> (f64, f64) {
    let size = lo.abs().max(hi.abs());
    if hi - lo > 1e-3 * size {
        return (lo, hi);
    }
    let margin = if size == 0.0 { 1.0 } else { 0.1 * size };
    (lo - margin, hi + margin)
}

/// The least of 1, 2 and 5 times a power of ten that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    // rounding must not make a step of 10 of what is 1 already
    steps.into_iter().find(|step| *step >= raw * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// Multiples of `step` from `lo` to `hi`.
fn linear_ticks(lo: f64, hi: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((lo / step - 1e-6).ceil(), (hi / step + 1e-6).floor());
    let count = (last - first).max(0.0) as usize;
    // adding zero makes a negative zero positive
    (0..=count).map(|i| (first + i as f64) * step + 0.0).collect()
}

fn log_ticks(lo: f64, hi: f64) -> Vec<Tick> {
    let (first, last) = (lo.log10().floor() as i32, hi.log10().ceil() as i32);
    let inside = |value: &f64| (lo * (1.0 - 1e-9)..=hi * (1.0 + 1e-9)).contains(value);
    let decades = (hi / lo).log10();
    if decades >= 3.0 {
        let stride = (last - first) as usize / 8 + 1;
        let powers = (first..=last).step_by(stride).filter(|p| inside(&10_f64.powi(*p)));
        return powers.map(|p| Tick { value: 10_f64.powi(p), label: power(p) }).collect();
    }
    let fine = |p: i32| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(p));
    let values: Vec<f64> = (first..=last).flat_map(fine).filter(inside).collect();
    if values.len() >= 3 {
        labelled(values)
    } else {
        labelled(linear_ticks(lo, hi, nice_step((hi - lo) / 4.0)))
    }
}

fn power(p: i32) -> Label {
    if (-3..=3).contains(&p) {
        return Label::Plain(crate::number::figure(10_f64.powi(p)));
    }
    Label::Power(p)
}

/// Ticks that are written alike: with the same unit and no more decimals than tell them apart.
fn labelled(values: Vec<f64>) -> Vec<Tick> {
    let size = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let (unit, suffix) = match size {
        1e9..1e15 => (1e9, " G"),
        1e6..1e9 => (1e6, " M"),
        1e4..1e6 => (1e3, " k"),
        _ => (1.0, ""),
    };
    let label = |value: f64| match value {
        0.0 => "0".to_owned(),
        value if (1e-4..1e15).contains(&size) => {
            format!("{}{suffix}", crate::number::figure(value / unit))
        }
        value => crate::number::figure(value),
    };
    let tick = |value| Tick { value, label: Label::Plain(label(value)) };
    values.into_iter().map(tick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: (f64, f64) = (0.0, 100.0);

    fn labels(axis: &Axis) -> Vec<String> {
        let text = |label: &Label| match label {
            Label::Plain(text) => text.clone(),
            Label::Power(p) => format!("10^{p}"),
        };
        axis.ticks.iter().map(|tick| text(&tick.label)).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Axis::round(0.13, 0.73, DRAWN)), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&Axis::round(-3.0, 7.0, DRAWN)), ["-4", "-2", "0", "2", "4", "6", "8"]);
        let rows = ["0", "0.5 M", "1 M", "1.5 M", "2 M"];
        assert_eq!(labels(&Axis::tight(20_480.0, 2_000_896.0, DRAWN))[..], rows[1..]);
        assert_eq!(labels(&Axis::tight(0.0, 2e6, DRAWN)), rows);
        assert_eq!(labels(&Axis::round(1e-6, 5e-6, DRAWN)).last().unwrap(), "5e-6");
    }

    #[test]
    fn logarithmic_ticks_are_powers_or_their_parts() {
        assert_eq!(
            labels(&Axis::log(0.1, 20.0, DRAWN)),
            ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]
        );
        assert_eq!(
            labels(&Axis::log(1.0, 1e5, DRAWN)),
            ["1", "10", "100", "1,000", "10^4", "10^5"]
        );
        assert!(labels(&Axis::log(1e-30, 1e30, DRAWN)).len() <= 9);
        assert_eq!(labels(&Axis::log(0.52, 0.61, DRAWN)), ["0.5", "0.6", "0.7"]);
        assert_eq!(labels(&Axis::decades(-8.0, 0.0, DRAWN)).len(), 9);
    }

    #[test]
    fn a_constant_lies_in_the_middle() {
        for axis in [Axis::tight(16.0, 16.0, DRAWN), Axis::log(16.0, 16.0, DRAWN)] {
            assert!((axis.at(16.0) - 50.0).abs() < 1e-6, "{axis:?}");
            assert!(axis.ticks.len() >= 2, "{axis:?}");
        }
        assert!((Axis::tight(0.0, 0.0, DRAWN).at(0.0) - 50.0).abs() < 1e-9);
        let counts = Axis::round(0.0, 0.0, DRAWN);
        assert_eq!(
            (counts.at(0.0), labels(&counts)[0].as_str()),
            (0.0, "0"),
            "nothing is below zero"
        );
        assert!(!Axis::round(1e18, 1e18 + 128.0, DRAWN).ticks.is_empty());
    }

    #[test]
    fn values_beyond_the_axis_stay_on_it() {
        let axis = Axis::log(1.0, 100.0, DRAWN);
        assert_eq!([0.1, 1.0, 10.0, 1e9].map(|v| axis.at(v).round()), [0.0, 0.0, 50.0, 100.0]);
        let values = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, 2.0];
        assert_eq!(values.map(|v| drawable(v, true)), [false, false, false, false, false, true]);
        assert_eq!(values.map(|v| drawable(v, false)), [true, true, false, false, false, true]);
    }
}

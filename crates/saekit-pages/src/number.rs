//! Figures as people read them: significant digits, shares, columns of numbers.

pub(crate) use saekit_core::number::count;
use saekit_core::number::grouped;

/// Four significant digits, without zeros at the end; `-` for what is not a number.
pub(crate) fn figure(value: f64) -> String {
    significant(value, 4)
}

/// A fraction in per cent.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{} %", significant(100.0 * fraction, 3))
}

/// `n of all (p %)`.
pub(crate) fn share(n: u64, all: u64) -> String {
    if n == 0 || all == 0 {
        return format!("{} of {}", count(n), count(all));
    }
    format!("{} of {} ({})", count(n), count(all), percent(n as f64 / all as f64))
}

/// Numbers of one kind, all with as many decimals as give the largest three or four digits: they
/// stand under each other.
pub(crate) fn alike(values: &[f64]) -> Vec<String> {
    let finite = values.iter().filter(|value| value.is_finite());
    let size = finite.fold(0.0, |most: f64, value| most.max(value.abs()));
    let exponent = exponent(size, 4);
    if size == 0.0 || !(-4..9).contains(&exponent) {
        return values.iter().map(|value| figure(*value)).collect();
    }
    let decimals = usize::try_from(2 - exponent + i32::from(exponent > 0)).unwrap_or(0);
    let text = |value: &f64| format!("{value:.decimals$}");
    values.iter().map(|v| if v.is_finite() { text(v) } else { "-".to_owned() }).collect()
}

/// `value` with four significant digits: what an index of many features stores.
pub(crate) fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The exponent of ten of `value`, as it is after rounding to `digits` significant digits.
fn exponent(value: f64, digits: u8) -> i32 {
    let text = format!("{value:.*e}", usize::from(digits - 1));
    text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0)
}

fn significant(value: f64, digits: u8) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = exponent(value, digits);
    if !(-4..9).contains(&exponent) {
        let text = format!("{value:.*e}", usize::from(digits - 2));
        let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
        return format!("{}e{exponent}", trim(mantissa));
    }
    let decimals = usize::try_from(i32::from(digits) - 1 - exponent).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    trim(&format!("{}.{fraction}", grouped(whole))).to_owned()
}

/// `text` without zeros after its decimal point.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let numbers = [0.0, 12.25, 0.003_121_9, 1.5, -0.75, 123_456.7, 9.999_96, 16.0];
        let texts = ["0", "12.25", "0.003122", "1.5", "-0.75", "123,457", "10", "16"];
        assert_eq!(numbers.map(figure), texts);
        assert_eq!(
            [1e-7, -2.5e12, f64::NAN, f64::INFINITY].map(figure),
            ["1e-7", "-2.5e12", "-", "-"]
        );
        assert_eq!(
            [0.003_12, 1.0, 0.0, 0.000_001].map(percent),
            ["0.312 %", "100 %", "0 %", "0.0001 %"]
        );
        assert_eq!(
            (share(12, 1536), share(0, 8)),
            ("12 of 1,536 (0.781 %)".to_owned(), "0 of 8".to_owned())
        );
        assert_eq!(alike(&[12.25, 8.0, -0.004, f64::NAN]), ["12.25", "8.00", "-0.00", "-"]);
        assert_eq!(alike(&[0.75, 2.0]), ["0.75", "2.00"]);
        assert_eq!(alike(&[0.0, 0.0]), ["0", "0"]);
        assert_eq!(alike(&[123_456.7, 1.0]), ["123457", "1"]);
        assert!(alike(&[]).is_empty());
    }

    #[test]
    fn rounding_keeps_four_digits() {
        assert_eq!(rounded(0.003_121_94), 0.003_122);
        assert_eq!(rounded(-12.256), -12.26);
        assert_eq!(rounded(0.0), 0.0);
        assert!(rounded(f64::NAN).is_nan());
    }
}

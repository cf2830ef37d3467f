//! Numbers as people read them.

/// `n` with its digits in groups of three: `1,234,567`.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A whole number in decimal digits, perhaps with a sign, in groups of three digits.
pub fn grouped(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes, in the largest binary unit that leaves a number of at least 1.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let (mut value, mut unit) = (n as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time in seconds, in at most two units.
pub fn seconds(s: f64) -> String {
    if s < 9.95 {
        return format!("{s:.1} s");
    }
    let s = s.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// A fraction in per cent with two decimals; `-` where there is none.
pub fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "-".to_owned(), |f| format!("{:.2} %", 100.0 * f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1000, 1_234_567].map(count));
        assert_eq!([grouped("-12345"), grouped("")], ["-12,345", ""]);
        assert_eq!(["1023 B", "1.5 KiB", "2.0 GiB"], [1023, 1536, 2 << 30].map(bytes));
        assert_eq!(
            ["3.2 s", "59 s", "2 min 5 s", "1 h 1 min"],
            [3.21, 59.2, 125.0, 3660.0].map(seconds)
        );
        assert_eq!(percent(Some(0.9512)), "95.12 %");
    }
}

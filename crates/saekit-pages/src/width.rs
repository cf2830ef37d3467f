//! How many columns text takes in a terminal.

/// Characters of two columns: East Asian scripts and most emoji. Ascending, as is the next.
const WIDE: [(u32, u32); 23] = [
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x23e9, 0x23ec),
    (0x25fd, 0x25fe),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x26a1, 0x26a1),
    (0x2705, 0x2705),
    (0x274c, 0x274c),
    (0x2753, 0x2755),
    (0x2795, 0x2797),
    (0x2b1b, 0x2b1c),
    (0x2b50, 0x2b50),
    (0x2e80, 0x303e),
    (0x3041, 0xa4cf),
    (0xa960, 0xa97f),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f000, 0x1faff),
    (0x20000, 0x3fffd),
];

/// Characters of no column: marks that are drawn onto the character before them.
const NONE: [(u32, u32); 18] = [
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x610, 0x61a),
    (0x64b, 0x65f),
    (0x93c, 0x93c),
    (0x941, 0x948),
    (0x94d, 0x94d),
    (0xe31, 0xe31),
    (0xe34, 0xe3a),
    (0xe47, 0xe4e),
    (0x1ab0, 0x1aff),
    (0x1dc0, 0x1dff),
    (0x200c, 0x200d),
    (0x20d0, 0x20ff),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
    (0xe0100, 0xe01ef),
];

/// Columns of `text` in a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// `text` in at most `width` columns, with `…` at its end where it was cut.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += char_columns(c);
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Columns of a character.
fn char_columns(c: char) -> usize {
    if c.is_ascii() {
        return 1;
    }
    if within(&NONE, c) {
        return 0;
    }
    if within(&WIDE, c) { 2 } else { 1 }
}

/// Whether `c` is in one of the ascending `ranges`, whose ends are included.
fn within(ranges: &[(u32, u32)], c: char) -> bool {
    let c = c as u32;
    let at = ranges.partition_point(|(_, last)| *last < c);
    ranges.get(at).is_some_and(|(first, _)| *first <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(["abc", "海", "e\u{301}", "🐟", "한"].map(columns), [3, 2, 1, 2, 2]);
        assert_eq!(
            (fit("abcdef", 4), fit("海海海", 4), fit("abc", 3)),
            ("abc…".into(), "海…".into(), "abc".into())
        );
        assert_eq!(fit("abc", 0), "");
    }
}

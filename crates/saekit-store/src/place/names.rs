//! Parts of names, and names as they are shown.

/// The most characters of a name that a message shows.
const SHOWN: usize = 80;

/// Endings that say how a file is packed, not what it holds.
const PACKED: [&str; 7] = ["gz", "zst", "bz2", "xz", "lz4", "zip", "br"];

/// The folder of the file at `path`, empty for none, and its name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The name of a file without its ending, and the ending with its dot: `a`, `.jsonl.gz`.
pub(super) fn stem(name: &str) -> (&str, &str) {
    let dot = |text: &str| text.rfind('.').filter(|at| *at > 0);
    let Some(last) = dot(name) else { return (name, "") };
    let is_packed = PACKED.iter().any(|known| name[last + 1..].eq_ignore_ascii_case(known));
    let at = if is_packed { dot(&name[..last]).unwrap_or(last) } else { last };
    name.split_at(at)
}

/// A name from outside as a message shows it: on one line, and not longer than a line.
pub(super) fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(SHOWN).flat_map(printable).collect();
    if name.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = (c.is_control() || "\u{202e}\u{2066}\u{2067}\u{200f}".contains(c))
        .then(|| c.escape_unicode());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// A number of things: `1 file`, `12 files`.
pub(super) fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// The first of `items`, and how many more there are.
pub(super) fn first(items: &[String], most: usize) -> String {
    let shown = items.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    let more = items.len().saturating_sub(most);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_has_the_packing_in_it() {
        let cases = [
            ("a.jsonl.gz", ("a", ".jsonl.gz")),
            ("c4.00-of-10.JSON.GZ", ("c4.00-of-10", ".JSON.GZ")),
            ("a.b.npy", ("a.b", ".npy")),
            ("README", ("README", "")),
            (".gz", (".gz", "")),
        ];
        for (name, expected) in cases {
            assert_eq!(stem(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_is_shown_without_control_characters() {
        assert_eq!(shown("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN + 1);
    }
}

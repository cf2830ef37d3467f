//! Lists of outside data in messages and tables: they stay short however long the data is.

use std::fmt::Display;

use crate::number::count;

/// Items that a message shows of a list.
const SHOWN: usize = 8;

/// The first eight of `items`, separated by commas, and how many more there are: `a, b and 3 more`.
pub fn first_few<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let shown: Vec<String> = items.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    let text = shown.join(", ");
    match items.count() {
        0 => text,
        more => format!("{text} and {} more", count(more as u64)),
    }
}

/// Whole numbers with runs of three and more as ranges: `0, 2, 5 to 9`. `sorted` is ascending and
/// without duplicates.
pub fn ranges(sorted: &[u32]) -> Vec<String> {
    let mut ranges = Vec::new();
    for run in sorted.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        match run {
            [first, .., last] if run.len() > 2 => ranges.push(format!("{first} to {last}")),
            few => ranges.extend(few.iter().map(u32::to_string)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_its_first_items() {
        assert_eq!(first_few([0; 0]), "");
        assert_eq!(first_few(1..=8), "1, 2, 3, 4, 5, 6, 7, 8");
        assert_eq!(first_few(1..=1009), "1, 2, 3, 4, 5, 6, 7, 8 and 1,001 more");
    }

    #[test]
    fn runs_become_ranges() {
        assert_eq!(ranges(&[]), [""; 0]);
        assert_eq!(ranges(&[0, 2, 3, 5, 6, 7, u32::MAX]), ["0", "2", "3", "5 to 7", "4294967295"]);
    }
}

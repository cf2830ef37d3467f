//! What is read of a place and what is not, in words.

use std::collections::BTreeMap;
use std::path::Path;

use crate::place::names;
use crate::place::sorting::{Left, Taken, Why};

/// Groups of files that a line names.
const SHOWN: usize = 6;

/// The line that says what is read of `place` and what is not; `None` for a single file.
pub(super) fn line(place: &Path, taken: &[Taken], left: &[Left]) -> Option<String> {
    if taken.len() == 1 && left.is_empty() {
        return None;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for file in taken {
        *kinds.entry(file.kind).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.into_iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let files = if taken.len() == 1 { "file" } else { "files" };
    let left = not_read(left).map_or_else(String::new, |left| format!("; not read: {left}"));
    let place = names::shown(&place.display().to_string());
    Some(format!("{place}: reading {} {files}{left}", kinds.join(", ")))
}

/// The files that are not read, a group for each ending; `None` where there are none.
pub(super) fn not_read(left: &[Left]) -> Option<String> {
    let mut groups: BTreeMap<(Why, String), Vec<&str>> = BTreeMap::new();
    for file in left {
        let name = names::split(&file.path).1;
        let ending =
            if file.why == Why::Kind { names::stem(name).1.to_lowercase() } else { String::new() };
        groups.entry((file.why, ending)).or_default().push(name);
    }
    let words: Vec<_> =
        groups.into_iter().map(|((why, ending), files)| words(why, &ending, &files)).collect();
    (!words.is_empty()).then(|| names::first(&words, SHOWN))
}

fn words(why: Why, ending: &str, files: &[&str]) -> String {
    let n = files.len();
    let more = if n > 1 { ", …" } else { "" };
    let named = format!(" ({}{more})", names::shown(files[0]));
    match why {
        Why::Kind if ending.is_empty() => format!("{n} without an ending{named}"),
        Why::Kind => format!("{n} {}{named}", names::shown(ending)),
        Why::Hidden => format!("{n} hidden{named}"),
        Why::Unlisted => format!("{n} that `state.json` does not list{named}"),
        Why::Unchosen => format!("{n} not chosen"),
        Why::Name => format!("{n} with a name that is not UTF-8{named}"),
    }
}

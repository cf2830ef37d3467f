//! What the path of a file says of it: split, partitions, layer, hook point, folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::names;
use crate::place::subject::Subject;

/// The facet of the split.
pub(super) const SPLIT: &str = "split";
/// The facet of a layer in the name of a file, and the usual key of such partitions.
pub(super) const LAYER: &str = "layer";
/// The facet of a hook point in the name of a file.
pub(super) const HOOK: &str = "hook point";
/// The facet of the sub-folder.
pub(super) const FOLDER: &str = "folder";

/// Words for splits, each group with its usual name first.
const SPLITS: [&[&str]; 5] = [
    &["train", "training"],
    &["validation", "valid", "val", "dev"],
    &["test", "testing"],
    &["eval", "evaluation"],
    &["heldout", "holdout"],
];
/// Words that number the parts of one thing.
const PARTS: [&str; 8] = ["part", "parts", "shard", "chunk", "split", "file", "data", "batch"];
/// Words before the number of a layer.
const LAYERS: [&str; 4] = ["layers", "layer", "blocks", "block"];

/// What tells a file from others, by key.
pub(super) type Facets = BTreeMap<String, String>;

/// The usual name of a split, where `word` is one of its names.
pub(super) fn canonical(word: &str) -> Option<&'static str> {
    let word = joined(word);
    SPLITS.iter().find(|names| names.contains(&word.as_str())).map(|names| names[0])
}

/// `word` in lower case, `held-out` as one word.
fn joined(word: &str) -> String {
    let word = word.to_lowercase();
    ["held-out", "held_out", "held.out"]
        .iter()
        .fold(word, |text, from| text.replace(from, "heldout"))
}

/// The facets of the files at `paths`, in their order. `roots` are folders whose children are splits.
pub(super) fn facets(paths: &[&str], roots: &BTreeSet<String>, subject: &Subject) -> Vec<Facets> {
    let parts: Vec<_> = paths.iter().map(|path| Parts::of(path, roots)).collect();
    let real = real_splits(&parts);
    parts.iter().map(|parts| parts.facets(&real, subject)).collect()
}

/// A path taken apart.
struct Parts {
    /// Hive partitions, by key.
    partitions: Vec<(String, String)>,
    /// The folders that are neither partitions nor splits.
    folder: String,
    split: Named,
    layer: Option<String>,
    hook: Option<String>,
    /// Whether the file's own name says the split.
    splits_itself: bool,
}

/// A split as a name says it.
enum Named {
    None,
    /// Nothing else than a split has such a name.
    Sure(String),
    /// A split, if there is a file with the same rest of the name and another split.
    Perhaps {
        split: &'static str,
        rest: String,
    },
}

impl Parts {
    fn of(path: &str, roots: &BTreeSet<String>) -> Self {
        let (folders, name) = names::split(path);
        let (mut partitions, mut kept, mut of_folder) = (Vec::new(), Vec::new(), None);
        let mut above = String::new();
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            let is_child = roots.contains(&above);
            above = if above.is_empty() { part.to_owned() } else { format!("{above}/{part}") };
            let partition = part.split_once('=').filter(|(key, _)| !key.is_empty());
            if let Some((key, value)) = partition {
                partitions.push((key.to_owned(), value.to_owned()));
            } else if is_child {
                of_folder = Some(part.to_owned());
            } else if let Some(split) = canonical(part) {
                of_folder = Some(split.to_owned());
            } else {
                kept.push(part);
            }
        }
        let stem = names::stem(name).0;
        let own = of_name(stem);
        let is_word = matches!(&own, Named::Sure(split) if canonical(split).is_some());
        let splits_itself = matches!(own, Named::Sure(_));
        // `train/data-00000-of-00002` is of the split `train`; `data` only numbers its parts.
        let split = match of_folder {
            Some(split) if !is_word => Named::Sure(split),
            _ => own,
        };
        let lower = stem.to_lowercase();
        let hook = lower.contains("hook_").then(|| unnumbered(stem).to_owned());
        Self {
            partitions,
            folder: kept.join("/"),
            split,
            layer: layer(&lower),
            hook,
            splits_itself,
        }
    }

    fn facets(&self, real: &BTreeSet<String>, subject: &Subject) -> Facets {
        let mut facets: Facets = self.partitions.iter().cloned().collect();
        let split = match &self.split {
            Named::Sure(split) => Some(split.clone()),
            Named::Perhaps { split, rest } if real.contains(rest) => Some((*split).to_owned()),
            _ => None,
        };
        facets.extend(split.map(|split| (SPLIT.to_owned(), split)));
        if subject.layers_apart {
            let layer = self.layer.clone().map(|layer| (LAYER.to_owned(), layer));
            facets.extend(layer.filter(|_| !self.partitions.iter().any(|(key, _)| key == LAYER)));
            facets.extend(self.hook.clone().map(|hook| (HOOK.to_owned(), hook)));
        }
        if subject.folders_apart || self.splits_itself {
            facets.insert(FOLDER.to_owned(), self.folder.clone());
        }
        facets
    }
}

/// The rests of names that more than one split has.
fn real_splits(parts: &[Parts]) -> BTreeSet<String> {
    let mut splits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for part in parts {
        if let Named::Perhaps { split, rest } = &part.split {
            splits.entry(rest).or_default().insert(split);
        }
    }
    let real = splits.into_iter().filter(|(_, splits)| splits.len() > 1);
    real.map(|(rest, _)| rest.to_owned()).collect()
}

/// The split in the name of a file without its ending.
fn of_name(stem: &str) -> Named {
    let base = unnumbered(stem);
    let joined = joined(base);
    let words: Vec<_> =
        joined.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let telling: Vec<_> = words.iter().copied().filter(|word| !PARTS.contains(word)).collect();
    // The Hub writes `NAME-00000-of-00002` for whatever the split is called.
    if is_series(stem) {
        let split = match telling.as_slice() {
            [only] => canonical(only).map_or_else(|| base.to_owned(), str::to_owned),
            _ => base.to_owned(),
        };
        return Named::Sure(split);
    }
    let (Some(first), Some(last)) = (telling.first(), telling.last()) else { return Named::None };
    if let Some(split) = canonical(last) {
        return Named::Sure(split.to_owned());
    }
    match canonical(first) {
        Some(split) => Named::Perhaps { split, rest: telling[1..].join(" ") },
        None => Named::None,
    }
}

/// `text` without numbers at its end, such as `-00000-of-00002` or `_3`.
fn unnumbered(text: &str) -> &str {
    let digits = |text: &str| text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let cut = |text: &str| text[..digits(text)].trim_end_matches(['-', '_', '.', ' ']).len();
    let mut end = cut(text);
    if end < text.len() {
        let before = text[..end].strip_suffix("of").map(|rest| rest.trim_end_matches(['-', '_']));
        if let Some(before) = before.filter(|before| digits(before) < before.len()) {
            end = cut(before);
        }
    }
    if end == 0 { text } else { &text[..end] }
}

/// Whether a name ends as `-00000-of-00002` does.
fn is_series(stem: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((rest, total)) = stem.rsplit_once("-of-") else { return false };
    let (Some(at), true) = (rest.rfind(['-', '.', '_']), number(total)) else { return false };
    number(&rest[at + 1..])
}

/// The layer that a name in lower case says: `6` for `blocks.6.hook_resid_post` or `layer_6-part-0`.
fn layer(lower: &str) -> Option<String> {
    let after = LAYERS.iter().find_map(|word| {
        let (before, rest) = lower.split_once(word)?;
        if before.ends_with(char::is_alphabetic) {
            return None; // `player_6`
        }
        let rest = rest.trim_start_matches(['.', '_', '-', ' ']);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    })?;
    let number = after.trim_start_matches('0');
    Some(if number.is_empty() { "0".to_owned() } else { number.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Vec<Facets> {
        let subject = Subject {
            noun: "activations",
            known: String::new,
            kind: |_| Some("npy"),
            describes: |_| false,
            folders_apart: true,
            layers_apart: true,
        };
        facets(paths, &BTreeSet::from(["saved".to_owned()]), &subject)
    }

    fn split_of(path: &str) -> Option<String> {
        of(&[path])[0].get(SPLIT).cloned()
    }

    #[test]
    fn splits_are_known_by_names_and_folders() {
        let cases = [
            ("data/train-00000-of-00002.parquet", Some("train")),
            ("data/train_sft-00000-of-00002.parquet", Some("train_sft")),
            ("c4-train.00000-of-01024.json.gz", Some("c4-train")),
            ("wiki.test.txt", Some("test")),
            ("validation/part-0.npy", Some("validation")),
            ("saved/mine/data-00000-of-00001.arrow", Some("mine")),
            ("saved/train/data-00000-of-00001.arrow", Some("train")),
            ("dev.jsonl", Some("validation")),
            ("held-out_3.jsonl", Some("heldout")),
            ("latest.jsonl", None),
            ("contest-3.npy", None),
            ("test_of_time.txt", None),
            ("2019.txt", None),
            ("part-0.npy", None),
        ];
        for (path, expected) in cases {
            assert_eq!(split_of(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_word_in_front_is_a_split_where_another_has_the_same_rest() {
        let found = of(&["train_sft.jsonl", "test_sft.jsonl", "test_of_time.jsonl"]);
        let splits: Vec<_> = found.iter().map(|facets| facets.get(SPLIT).cloned()).collect();
        assert_eq!(splits, [Some("train".to_owned()), Some("test".to_owned()), None]);
    }

    #[test]
    fn partitions_layers_and_hook_points_are_facets() {
        let facets = &of(&["acts/layer=6/part-0.parquet"])[0];
        assert_eq!((facets[LAYER].as_str(), facets[FOLDER].as_str()), ("6", "acts"));
        let facets = &of(&["blocks.06.hook_resid_post-00001.npy"])[0];
        assert_eq!(
            (facets[LAYER].as_str(), facets[HOOK].as_str()),
            ("6", "blocks.06.hook_resid_post")
        );
        assert!(!of(&["part-6.npy"])[0].contains_key(LAYER));
    }
}

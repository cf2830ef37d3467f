//! The text that a vocabulary entry stands for, by the decoder that `tokenizer.json` describes.

use std::collections::{BTreeMap, BTreeSet};

use saekit_core::pieces::readable;
use serde::Deserialize;
use serde_json::Value;

/// The parts of `tokenizer.json` that say how entries are written.
#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    model: Model,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Model {
    r#type: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    byte_fallback: bool,
}

/// How an entry becomes the bytes that it adds to a text in which other tokens stand before it.
#[derive(Debug, Default)]
pub(crate) struct Reading(Vec<Step>);

#[derive(Debug)]
enum Step {
    /// Each character is a byte, in GPT-2's alphabet.
    ByteAlphabet,
    /// `<0x0A>` is a byte.
    ByteFallback,
    /// The first text becomes the second.
    Replace(String, String),
    /// The prefix marks an entry that continues a word; others begin one, with a space before.
    Continues(String),
    /// A space before every entry.
    SpaceBefore,
}

impl Reading {
    /// Finds the steps in the bytes of `tokenizer.json`. Where it has no decoder, how text was cut
    /// tells them.
    pub(crate) fn of(json: &[u8]) -> Self {
        let Ok(spec) = serde_json::from_slice::<Spec>(json) else { return Self::default() };
        let mut reading = Self::default();
        if spec.decoder.is_null() {
            reading.by_cutting(&spec);
        } else {
            reading.by_decoder(&spec.decoder);
        }
        reading
    }

    fn by_decoder(&mut self, decoder: &Value) {
        let text = |name: &str| decoder[name].as_str().map(str::to_owned);
        let step = match decoder["type"].as_str().unwrap_or_default() {
            "Sequence" => {
                let parts = decoder["decoders"].as_array().map_or(&[][..], Vec::as_slice);
                for part in parts {
                    self.by_decoder(part);
                }
                return;
            }
            "ByteLevel" => Step::ByteAlphabet,
            "ByteFallback" => Step::ByteFallback,
            "Metaspace" => metaspace(decoder),
            "WordPiece" => Step::Continues(text("prefix").unwrap_or_else(|| "##".to_owned())),
            "BPEDecoder" => suffix(text("suffix").unwrap_or_else(|| "</w>".to_owned())),
            "Replace" => match decoder["pattern"]["String"].as_str() {
                Some(from) => Step::Replace(from.to_owned(), text("content").unwrap_or_default()),
                None => return,
            },
            // `Fuse` joins, and `Strip` concerns the beginning of a text.
            _ => return,
        };
        self.0.push(step);
    }

    fn by_cutting(&mut self, spec: &Spec) {
        let cutters = spec.pre_tokenizer["pretokenizers"].as_array();
        let cutters = cutters.map_or(std::slice::from_ref(&spec.pre_tokenizer), Vec::as_slice);
        let cutter = |kind: &str| cutters.iter().find(|cutter| cutter["type"] == kind);
        let words = ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"];
        let prefix = spec.model.continuing_subword_prefix.clone().filter(|p| !p.is_empty());
        if cutter("ByteLevel").is_some() {
            self.0.push(Step::ByteAlphabet);
        } else if let Some(cutter) = cutter("Metaspace") {
            self.0.push(metaspace(cutter));
        } else if let Some(end) = spec.model.end_of_word_suffix.clone().filter(|s| !s.is_empty()) {
            self.0.push(suffix(end));
        } else if let Some(prefix) = prefix {
            self.0.push(Step::Continues(prefix));
        } else if spec.model.r#type.as_deref() == Some("WordPiece") {
            self.0.push(Step::Continues("##".to_owned()));
        } else if words.iter().any(|kind| cutter(kind).is_some()) {
            self.0.push(Step::SpaceBefore);
        }
        if spec.model.byte_fallback {
            self.0.push(Step::ByteFallback);
        }
    }

    /// The bytes of `entry`. An `added` token is written as it reads, but for spaces.
    pub(crate) fn bytes(&self, entry: &str, added: bool) -> Vec<u8> {
        let mut text = entry.to_owned();
        for step in &self.0 {
            match step {
                Step::ByteAlphabet if !added => {
                    if let Some(bytes) = text.chars().map(byte).collect() {
                        return bytes;
                    }
                }
                Step::ByteFallback if !added => {
                    if let Some(byte) = fallback(&text) {
                        return vec![byte];
                    }
                }
                Step::ByteAlphabet | Step::ByteFallback => {}
                Step::Replace(from, to) => text = text.replace(from.as_str(), to),
                Step::Continues(prefix) => {
                    let rest = text.strip_prefix(prefix.as_str()).map(str::to_owned);
                    text = rest.unwrap_or_else(|| format!(" {text}"));
                }
                Step::SpaceBefore => text.insert(0, ' '),
            }
        }
        text.into_bytes()
    }
}

fn metaspace(part: &Value) -> Step {
    let replacement = part["replacement"].as_str().unwrap_or("▁");
    Step::Replace(replacement.to_owned(), " ".to_owned())
}

fn suffix(end_of_word: String) -> Step {
    Step::Replace(end_of_word, " ".to_owned())
}

/// The byte that a character of GPT-2's alphabet stands for: itself where it can be seen, otherwise it
/// is numbered from 256 on.
fn byte(character: char) -> Option<u8> {
    let is_seen = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(character) {
        code @ 0..256 => Some(code as u8).filter(is_seen),
        code => (0..=255).filter(|byte| !is_seen(byte)).nth(code as usize - 256),
    }
}

fn fallback(entry: &str) -> Option<u8> {
    let digits = entry.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// A token: its vocabulary entry, and the bytes it adds to a text.
pub(crate) struct Token {
    /// As the vocabulary has it.
    pub(crate) entry: String,
    /// Its text.
    pub(crate) bytes: Vec<u8>,
}

/// Every token by itself as people should see it, no two alike. Of tokens with one text, the one that
/// is written so keeps it; others show their entry, or their number behind the text.
pub(crate) fn displays(tokens: &BTreeMap<u32, Token>) -> BTreeMap<u32, String> {
    let texts: BTreeMap<u32, String> =
        tokens.iter().map(|(id, token)| (*id, readable(&token.bytes))).collect();
    let mut owners = BTreeMap::<&str, Vec<u32>>::new();
    for (id, text) in &texts {
        owners.entry(text).or_default().push(*id);
    }
    let mut taken: BTreeSet<String> = owners.keys().map(|text| (*text).to_owned()).collect();
    let mut shown = texts.clone();
    for (text, ids) in owners.iter().filter(|(_, ids)| ids.len() > 1) {
        let written_so = ids.iter().find(|id| tokens[id].entry == **text);
        let keeper = *written_so.unwrap_or(&ids[0]);
        for id in ids.iter().filter(|id| **id != keeper) {
            let mut display = readable(tokens[id].entry.as_bytes());
            if taken.contains(&display) {
                display = format!("{text}⟨{id}⟩");
            }
            while taken.contains(&display) {
                display = format!("{display}⟨{id}⟩");
            }
            taken.insert(display.clone());
            shown.insert(*id, display);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(json: &str, entries: &[(&str, &str)]) {
        let reading = Reading::of(json.as_bytes());
        for (entry, text) in entries {
            assert_eq!(readable(&reading.bytes(entry, false)), *text, "{entry} by {json}");
        }
    }

    #[test]
    fn byte_alphabets_metaspaces_and_prefixes_are_understood() {
        let byte_level = &[("Ġthe", " the"), ("Ċ", "\n"), ("æĹ¥", "日"), ("æĹ", "<0xE6><0x97>")];
        reads(r#"{"decoder": {"type": "ByteLevel"}}"#, byte_level);
        reads(r#"{"decoder": null, "pre_tokenizer": {"type": "ByteLevel"}}"#, byte_level);
        let nested = r#"{"pre_tokenizer": {"type": "Sequence", "pretokenizers":
            [{"type": "Split"}, {"type": "ByteLevel"}]}}"#;
        reads(nested, byte_level);
        let llama = r#"{"decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}}"#;
        reads(llama, &[("▁the", " the"), ("the", "the"), ("<0x0A>", "\n"), ("<0xE9>", "<0xE9>")]);
        reads(r#"{"decoder": {"type": "Metaspace", "replacement": "_"}}"#, &[("_a▁", " a▁")]);
        let pieces = [("the", " the"), ("##ing", "ing")];
        reads(r###"{"decoder": {"type": "WordPiece", "prefix": "##"}}"###, &pieces);
        reads(
            r###"{"model": {"type": "WordPiece", "continuing_subword_prefix": "##"}}"###,
            &pieces,
        );
        reads(r#"{"decoder": {"type": "BPEDecoder", "suffix": "</w>"}}"#, &[("the</w>", "the ")]);
        let words = r#"{"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel"}}"#;
        reads(words, &[("the", " the")]);
        reads("{}", &[("the", "the")]);
    }

    #[test]
    fn an_added_token_is_written_as_it_reads() {
        let reading = Reading::of(br#"{"decoder": {"type": "ByteLevel"}}"#);
        assert_eq!(reading.bytes("é  ", true), "é  ".as_bytes());
    }

    #[test]
    fn the_alphabet_has_every_byte_once() {
        let bytes: BTreeSet<u8> = (0..400).filter_map(char::from_u32).filter_map(byte).collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!(
            (byte('Ġ'), byte('Ċ'), byte('A'), byte('é')),
            (Some(32), Some(10), Some(65), Some(0xe9))
        );
    }

    #[test]
    fn no_two_tokens_are_shown_alike() {
        let list = [
            ("A", "A"),
            ("<0x41>", "A"),
            ("x", "B"),
            ("B", "y"),
            ("z", "B"),
            ("", ""),
            ("<0x42>", "<0x41>"),
        ];
        let token = |(entry, text): &(&str, &str)| Token {
            entry: (*entry).to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let tokens = (0..).zip(list.iter().map(token)).collect();
        let shown: Vec<String> = displays(&tokens).into_values().collect();
        assert_eq!(shown, ["A", "A⟨1⟩", "B", "y", "z", "", "<0x41>"]);
        assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len());
    }
}

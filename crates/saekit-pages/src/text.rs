//! Text of strangers: tokens are whatever a vocabulary or a corpus holds.

use std::borrow::Cow;

/// What `text` looks like with everything in it to be seen: `↵` for a line break, `→` for a tab, and
/// the code point of other control characters and of those that reorder or hide text, as `⟨U+001B⟩`.
/// The site has the same signs. A terminal obeys none of what is left.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('↵'),
            '\t' => shown.push('→'),
            c if c.is_control() || is_hidden(c) => shown += &*format!("⟨U+{:04X}⟩", c as u32),
            c => shown.push(c),
        }
    }
    shown
}

/// `text` for a terminal, which obeys nothing of it but line breaks and tabs: other control characters,
/// and those that reorder or hide text, are shown by their code points, as `⟨U+001B⟩`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if is_harmless(c) => shown.push(c),
            c => shown += &*format!("⟨U+{:04X}⟩", c as u32),
        }
    }
    Cow::Owned(shown)
}

/// [`harmless`], but for sequences that choose colours: for views of this crate, whose tokens have none.
pub fn harmless_painted(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut shown = harmless(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
        let is_colour = part[end..].starts_with('m');
        shown += if is_colour { "\x1b[" } else { "⟨U+001B⟩[" };
        shown += &*harmless(part);
    }
    shown
}

/// JSON for a terminal: what [`harmless`] would show by its code point is escaped as JSON does it.
pub fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmless(c) {
            shown.push(c);
        } else {
            // Outside of its strings JSON has none of these.
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown += &*format!("\\u{unit:04x}");
            }
        }
    }
    shown
}

fn is_harmless(c: char) -> bool {
    matches!(c, '\n' | '\t') || !c.is_control() && !is_hidden(c)
}

/// [`visible`] for a token among others. One whose character stands with the token before it has no
/// text of its own, and is only shown, as `◦`, where it is `marked`.
pub(crate) fn within(token: &str, marked: bool) -> String {
    if token.is_empty() && marked { "◦".to_owned() } else { visible(token) }
}

/// [`visible`], with spaces at either end as `␣`: a token that stands by itself.
pub(crate) fn alone(token: &str) -> String {
    let inner = token.trim_matches(' ');
    if inner.is_empty() {
        return if token.is_empty() { "∅".to_owned() } else { "␣".repeat(token.len()) };
    }
    let before = token.len() - token.trim_start_matches(' ').len();
    let after = token.len() - before - inner.len();
    [&"␣".repeat(before), &*visible(inner), &"␣".repeat(after)].concat()
}

/// `text` as content or attribute value of HTML and XML. Characters that XML forbids are shown by a
/// symbol; tabs and line breaks stay.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c => escaped.push(picture(c)),
        }
    }
    escaped
}

/// JSON as part of a script: nothing in it ends the script or, to old browsers, the line.
pub(crate) fn script(json: &str) -> String {
    // outside strings JSON has none of these
    let json = json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028");
    json.replace('\u{2029}', "\\u2029")
}

/// The symbol of a control character; any other character is itself.
fn picture(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).expect("a block of symbols"),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Whether `c` changes how other characters are laid out, or shows nothing: Unicode's categories Cf
/// (but for the joiners, which are part of emoji), Zl and Zp, and the space that does not break.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(
            visible("a\nb\tc\x1b[31m\x07\x7f\r"),
            "a↵b→c⟨U+001B⟩[31m⟨U+0007⟩⟨U+007F⟩⟨U+000D⟩"
        );
        assert_eq!(
            visible("\u{9b}x\u{202e}y\u{2028}\u{feff}\u{a0}\u{e0041}"),
            "⟨U+009B⟩x⟨U+202E⟩y⟨U+2028⟩⟨U+FEFF⟩⟨U+00A0⟩⟨U+E0041⟩"
        );
        assert_eq!(visible("café 海 🐟 👩\u{200d}🚀"), "café 海 🐟 👩\u{200d}🚀");
    }

    #[test]
    fn harmless_text_keeps_its_lines_and_our_colours() {
        let title = "a\tb\nc\x1b]0;owned\x07 \u{202e}x\r";
        assert_eq!(harmless(title), "a\tb\nc⟨U+001B⟩]0;owned⟨U+0007⟩ ⟨U+202E⟩x⟨U+000D⟩");
        assert!(matches!(harmless("café 海\n"), Cow::Borrowed(_)));
        let painted = "\x1b[1;38;5;16mx\x1b[0m\x1b[2J\x1b]0;\x1b[";
        assert_eq!(
            harmless_painted(painted),
            "\x1b[1;38;5;16mx\x1b[0m⟨U+001B⟩[2J⟨U+001B⟩]0;⟨U+001B⟩["
        );
        let text = "x\u{202e}\u{7f}\u{e0041}é";
        let json = harmless_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, "\"x\\u202e\\u007f\\udb40\\udc41é\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_token_alone_shows_its_spaces() {
        assert_eq!(["", " ", " the", "  a b "].map(alone), ["∅", "␣", "␣the", "␣␣a b␣"]);
    }

    #[test]
    fn a_part_of_a_character_is_shown_where_it_fires() {
        assert_eq!([within("", true), within("", false), within("\n", true)], ["◦", "", "↵"]);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("</script>]]>&\"'"), "&lt;/script&gt;]]&gt;&amp;&quot;&#39;");
        assert_eq!(escape("a\n\tb\0\x1b\r\u{85}\u{ffff}"), "a\n\tb␀␛␍\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_script_does_not_end_early() {
        let json = serde_json::to_string("</script><!--\u{2028}\u{2029}\u{0}").unwrap();
        let safe = script(&json);
        assert!(!safe.contains(['<', '\u{2028}', '\u{2029}', '\0']), "{safe}");
        assert_eq!(
            serde_json::from_str::<String>(&safe).unwrap(),
            "</script><!--\u{2028}\u{2029}\u{0}"
        );
    }
}

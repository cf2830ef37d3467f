//! Tokens as text: a token is some bytes of a text, and may be a part of a character.

/// `bytes` as text. Bytes that are no whole character are shown as `<0xC3>`, one by one.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| mark(*byte)));
    }
    text
}

/// The text of each of the `pieces` of a running text from number `from` up to `to`.
///
/// A character of several pieces stands with the first of them that is shown, and the others are
/// empty: the texts one after another read as the text does. Pieces before `from` and from `to` on
/// only complete characters; four on either side are enough. Bytes of no whole character are shown
/// as [`readable`] shows them. `from <= to <= pieces.len()`.
pub fn texts(pieces: &[Vec<u8>], from: usize, to: usize) -> Vec<String> {
    let bytes: Vec<u8> = pieces.concat();
    let owners: Vec<usize> = pieces
        .iter()
        .enumerate()
        .flat_map(|(i, piece)| std::iter::repeat_n(i, piece.len()))
        .collect();
    let mut texts = vec![String::new(); to - from];
    let mut show = |owners: &[usize], text: &str| {
        if let Some(owner) = owners.iter().find(|owner| (from..to).contains(owner)) {
            texts[owner - from].push_str(text);
        }
    };
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for (i, character) in chunk.valid().char_indices() {
            let start = at + i;
            let end = start + character.len_utf8();
            show(&owners[start..end], character.encode_utf8(&mut [0; 4]));
        }
        at += chunk.valid().len();
        for byte in chunk.invalid() {
            show(&owners[at..=at], &mark(*byte));
            at += 1;
        }
    }
    texts
}

/// A byte that is no character by itself.
fn mark(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(list: &[&[u8]]) -> Vec<Vec<u8>> {
        list.iter().map(|piece| piece.to_vec()).collect()
    }

    #[test]
    fn bytes_that_are_no_character_are_marked() {
        assert_eq!(readable("né".as_bytes()), "né");
        assert_eq!(readable(b"n\xc3"), "n<0xC3>");
        assert_eq!(readable(b"\xe6\x97"), "<0xE6><0x97>");
        assert_eq!(readable(b""), "");
    }

    #[test]
    fn a_character_stands_with_the_first_of_its_pieces() {
        let all = pieces(&[b"a", b"\xe6", b"\x97", b"\xa5b", b"c"]);
        assert_eq!(texts(&all, 0, 5), ["a", "日", "", "b", "c"]);
        assert_eq!(texts(&all, 2, 5), ["日", "b", "c"]);
        assert_eq!(texts(&all, 3, 4), ["日b"]);
        assert_eq!(texts(&all, 0, 2), ["a", "日"]);
        assert_eq!(texts(&all, 2, 2), [""; 0]);
    }

    #[test]
    fn what_is_not_completed_is_marked() {
        let all = pieces(&[b"\xa5", b"x\xe6", b"\x97", b"y"]);
        assert_eq!(texts(&all, 0, 4), ["<0xA5>", "x<0xE6>", "<0x97>", "y"]);
    }

    proptest::proptest! {
        #[test]
        fn together_they_read_as_the_text(text in "\\PC{0,20}", cuts in proptest::collection::vec(0_usize..40, 0..12)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let all: Vec<Vec<u8>> =
                cuts.windows(2).map(|cut| text.as_bytes()[cut[0]..cut[1]].to_vec()).collect();
            assert_eq!(texts(&all, 0, all.len()).concat(), text);
        }
    }
}

//! The header of an array: a Python dictionary of literals, read to the letter.
//!
//! numpy evaluates it, so that a header with any changed character is either another header or
//! none. This reader takes what `numpy.lib.format` writes and refuses the rest.

/// The entries of a header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The type of a value; `a record` for a list of fields.
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

impl Header {
    /// Reads `text`; `None` unless it has exactly the three entries, each of its type.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut text = Literals(text);
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        text.skip('{')?;
        while text.skip('}').is_none() {
            let key = text.string()?;
            text.skip(':')?;
            let is_new = match key {
                "descr" => descr.replace(text.descr()?).is_none(),
                "fortran_order" => fortran_order.replace(text.boolean()?).is_none(),
                "shape" => shape.replace(text.sizes()?).is_none(),
                _ => false,
            };
            // A comma stands between entries, and may stand after the last.
            if !is_new || text.skip(',').is_none() && !text.begins_with('}') {
                return None;
            }
        }
        let is_whole = text.0.trim_matches([' ', '\n']).is_empty();
        is_whole.then_some(()).and_then(|()| {
            Some(Self { descr: descr?, fortran_order: fortran_order?, shape: shape? })
        })
    }
}

/// What is left of a text of literals.
struct Literals<'a>(&'a str);

impl<'a> Literals<'a> {
    /// Goes past `mark`, if it is what comes next after spaces.
    fn skip(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.trim_start_matches(' ').strip_prefix(mark)?;
        Some(())
    }

    fn begins_with(&self, mark: char) -> bool {
        self.0.trim_start_matches(' ').starts_with(mark)
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ');
        let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (string, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        (!string.contains('\\')).then_some(string)
    }

    /// A type: a string, or a list of fields, which is only gone past.
    fn descr(&mut self) -> Option<String> {
        if !self.begins_with('[') {
            return self.string().map(str::to_owned);
        }
        let mut depth = 0_u32;
        loop {
            self.0 = self.0.trim_start_matches(|c: char| !matches!(c, '[' | ']' | '\'' | '"'));
            match self.0.chars().next()? {
                '[' => depth = depth.checked_add(1)?,
                ']' => depth -= 1, // the first is the one that opens the list
                _ => {
                    self.string()?;
                    continue;
                }
            }
            self.0 = &self.0[1..];
            if depth == 0 {
                return Some("a record".to_owned());
            }
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        let text = self.0.trim_start_matches(' ');
        let (value, rest) = match text.strip_prefix("True") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("False")?),
        };
        self.0 = rest;
        Some(value)
    }

    /// A tuple of whole numbers, which Python 2 wrote with an `L` after each.
    fn sizes(&mut self) -> Option<Vec<u64>> {
        let mut sizes = Vec::new();
        self.skip('(')?;
        while self.skip(')').is_none() {
            let text = self.0.trim_start_matches(' ');
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            sizes.push(text[..text.len() - rest.len()].parse().ok()?);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if self.skip(',').is_none() && !self.begins_with(')') {
                return None;
            }
        }
        Some(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_numpy_writes_is_read() {
        let header = |descr: &str, fortran_order, shape: &[u64]| {
            let shape = shape.to_vec();
            Some(Header { descr: descr.to_owned(), fortran_order, shape })
        };
        for (text, expected) in [
            (
                "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }",
                header("<f2", false, &[3, 4]),
            ),
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }   \n",
                header("<f4", true, &[6]),
            ),
            (
                "{\"shape\": (3L, 4L), \"descr\": \"|O\", \"fortran_order\": False}",
                header("|O", false, &[3, 4]),
            ),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", header("<f8", false, &[])),
            (
                "{'descr': [('a]', '<f4'), ('b', '<i4', (2,))], 'fortran_order': False, 'shape': (6,), }",
                header("a record", false, &[6]),
            ),
        ] {
            assert_eq!(Header::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_python_would_not_read_is_no_header() {
        let sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }";
        for (from, to) in [
            ("False", "Tpue"),
            ("False", "Falsd"),
            ("False", "Falsee"),
            ("False", "0"),
            ("'descr'", "'decsr'"),
            ("'descr':", "'descr'"),
            ("'<f4'", "'<f4"),
            ("'<f4'", "'\\x3cf4'"),
            ("(3, 4)", "(3 4)"),
            ("(3, 4)", "(3, -4)"),
            ("(3, 4)", "(,)"),
            ("(3, 4)", "[3, 4]"),
            ("(3, 4)", "(3, 99999999999999999999)"),
            (", }", " "),
            (", }", ", } x"),
            (", }", ", 'shape': (3, 4), }"),
            (", }", ", 'more': True, }"),
            ("'descr': '<f4', ", ""),
            ("'<f4'", "[[('a', '<f4')]"),
        ] {
            let text = sound.replace(from, to);
            assert_eq!(Header::parse(&text), None, "{text}");
        }
    }
}

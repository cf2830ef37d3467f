//! A JSON object of which only the requested fields are read.
//!
//! Other fields may hold what Python's `json` writes and JSON does not know (`NaN`, `Infinity`, halves
//! of surrogate pairs, bytes that are not UTF-8): their values are skipped by their brackets and quotes
//! alone, without recursion and without a copy.

use std::ops::Range;

/// Names of fields that are kept for messages.
const NAMED: usize = 8;

/// Where the requested fields of an object are.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By request the bytes of its value, of the last field of that name.
    pub(super) values: Vec<Option<Range<usize>>>,
    /// The names of the first fields.
    pub(super) names: Vec<String>,
    /// Number of fields.
    pub(super) fields: usize,
}

impl Record {
    /// Finds the fields `requested` in the object that is all of `line`; otherwise says what is wrong.
    pub(super) fn scan(line: &[u8], requested: &[String]) -> Result<Self, String> {
        let mut scanner = Scanner { line, at: 0 };
        let mut record = Self { values: vec![None; requested.len()], ..Self::default() };
        scanner.expect(b'{')?;
        if !scanner.skip_if(b'}') {
            loop {
                record.field(&mut scanner, requested)?;
                if !scanner.skip_if(b',') {
                    break;
                }
            }
            scanner.expect(b'}')?;
        }
        match scanner.peek() {
            Some(_) => Err(scanner.unexpected("the end of the line")),
            None => Ok(record),
        }
    }

    fn field(&mut self, scanner: &mut Scanner<'_>, requested: &[String]) -> Result<(), String> {
        if scanner.peek() != Some(b'"') {
            return Err(scanner.unexpected("a name in quotes"));
        }
        let name = scanner.value()?;
        scanner.expect(b':')?;
        let value = scanner.value()?;
        let name = &scanner.line[name];
        let name = serde_json::from_slice::<String>(name)
            .unwrap_or_else(|_| String::from_utf8_lossy(&name[1..name.len() - 1]).into_owned());
        if let Some(i) = requested.iter().position(|requested| *requested == name) {
            self.values[i] = Some(value);
        }
        if self.fields < NAMED {
            self.names.push(name);
        }
        self.fields += 1;
        Ok(())
    }
}

/// A place in a line.
struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// The next byte that is no space, which becomes the current one.
    fn peek(&mut self) -> Option<u8> {
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += self.line[self.at..].iter().take_while(space).count();
        self.line.get(self.at).copied()
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.skip_if(byte) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}`", byte as char)))
    }

    /// Skips a value and returns its bytes.
    fn value(&mut self) -> Result<Range<usize>, String> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.bare()?,
        }
        Ok(start..self.at)
    }

    /// Skips a string, from its quote to the one that closes it.
    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.line.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err("it ends within a string".to_owned()),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Skips an object or a list, from its bracket to the one that closes it.
    fn nested(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        loop {
            match self.line.get(self.at) {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return Err("it ends within a value".to_owned()),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Skips a number or a word.
    fn bare(&mut self) -> Result<(), String> {
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(*byte);
        match self.line[self.at..].iter().take_while(part).count() {
            0 => Err(self.unexpected("a value")),
            n => {
                self.at += n;
                Ok(())
            }
        }
    }

    /// Says what is at the current place.
    fn unexpected(&mut self, expected: &str) -> String {
        let at = self.at;
        match self.peek() {
            None => format!("it ends at byte {at}, where {expected} was expected"),
            Some(byte) if byte.is_ascii_graphic() => {
                format!("found `{}` at byte {at}, expected {expected}", byte as char)
            }
            Some(byte) => format!("found byte {byte:#04x} at byte {at}, expected {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Result<Option<String>, String> {
        let record = Record::scan(line.as_bytes(), &["text".to_owned()])?;
        Ok(record.values[0].clone().map(|range| line[range].to_owned()))
    }

    #[test]
    fn other_fields_may_hold_anything() {
        for other in [
            "NaN",
            "-Infinity",
            "1e999",
            "\"\\ud800\"",
            "[{\"text\": \"]\"}, [[NaN]]]",
            "null",
            "\"a \\\" , } b\\\\\"",
            "123456789012345678901234567890",
            "{}",
            "\u{1}",
        ] {
            let line = format!("{{\"a\": {other}, \"text\" : \"b\", \"c\": {other}}}\r\n");
            let found = text(&line);
            if other == "\u{1}" {
                assert!(found.unwrap_err().contains("byte 0x01"));
            } else {
                assert_eq!(found.unwrap().unwrap(), "\"b\"", "{line}");
            }
        }
    }

    #[test]
    fn the_last_of_a_name_counts_however_it_is_written() {
        assert_eq!(text(r#"{"text": 1, "te\u0078t": 2}"#).unwrap().unwrap(), "2");
        assert_eq!(text("{}").unwrap(), None);
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (line, part) in [
            ("[1]", "found `[` at byte 0, expected `{`"),
            ("{\"a\": }", "found `}` at byte 6, expected a value"),
            ("{\"a\" 1}", "expected `:`"),
            ("{a: 1}", "expected a name in quotes"),
            ("{\"a\": 1,}", "expected a name in quotes"),
            ("{\"a\": 1", "it ends at byte 7, where `}` was expected"),
            ("{\"a\": [1", "it ends within a value"),
            ("{\"a\": \"b\\", "it ends within a string"),
            ("{} {}", "expected the end of the line"),
        ] {
            let message = text(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}

//! Lines that know how many columns they take, with or without colour.

use crate::width::columns;

/// How a piece of text is shown where there is colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    /// A background by strength: the value over the end of the scale. Beyond it the text is underlined.
    Heat(f32),
    /// The same for the firing itself.
    Firing(f32),
}

/// Backgrounds from weak to strong, of the 256 colours of terminals.
const POSITIVE: [u8; 5] = [230, 223, 216, 209, 202];
const NEGATIVE: [u8; 5] = [195, 153, 117, 75, 39];

/// A line being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    text: String,
    columns: usize,
    colour: bool,
}

impl Line {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// Columns it takes.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Appends `text`, of which nothing may command a terminal.
    pub(super) fn add(mut self, style: Style, text: &str) -> Self {
        self.columns += columns(text);
        match code(style).filter(|_| self.colour && !text.is_empty()) {
            Some(code) => self.text.extend(["\x1b[", &*code, "m", text, "\x1b[0m"]),
            None => self.text.push_str(text),
        }
        self
    }

    /// Appends spaces up to `column`.
    pub(super) fn pad(mut self, column: usize) -> Self {
        let missing = column.saturating_sub(self.columns);
        self.text.push_str(&" ".repeat(missing));
        self.columns += missing;
        self
    }

    /// Appends another line.
    pub(super) fn join(mut self, other: &Self) -> Self {
        self.text.push_str(&other.text);
        self.columns += other.columns;
        self
    }

    /// The line with its end.
    pub(super) fn end(self) -> String {
        format!("{}\n", self.text.trim_end_matches(' '))
    }
}

/// The numbers of the escape sequence that switches `style` on.
fn code(style: Style) -> Option<String> {
    match style {
        Style::Plain => None,
        Style::Bold => Some("1".to_owned()),
        Style::Dim => Some("2".to_owned()),
        Style::Heat(strength) => Some(coloured(strength)),
        Style::Firing(strength) => Some(format!("1;{}", coloured(strength))),
    }
}

fn coloured(strength: f32) -> String {
    let beyond = if strength.abs() > 1.0 { "4;" } else { "" };
    format!("{beyond}38;5;16;48;5;{}", heat(strength))
}

fn heat(strength: f32) -> u8 {
    let colours = if strength < 0.0 { NEGATIVE } else { POSITIVE };
    let level = (strength.abs() * colours.len() as f32) as usize;
    colours[level.min(colours.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_takes_no_columns() {
        let line = Line::new(true).add(Style::Bold, "海").pad(4).add(Style::Heat(1.0), "x");
        assert_eq!(line.columns(), 5);
        assert_eq!(line.end(), "\x1b[1m海\x1b[0m  \x1b[38;5;16;48;5;202mx\x1b[0m\n");
        let plain = Line::new(false).add(Style::Firing(1.0), "x").add(Style::Dim, "y").pad(9);
        assert_eq!(plain.end(), "xy\n");
    }

    #[test]
    fn what_is_beyond_the_scale_is_underlined() {
        let line = Line::new(true).add(Style::Firing(7.0), "x").add(Style::Heat(-1.5), "y");
        let expected = "\x1b[1;4;38;5;16;48;5;202mx\x1b[0m\x1b[4;38;5;16;48;5;39my\x1b[0m\n";
        assert_eq!(line.end(), expected);
    }

    #[test]
    fn stronger_is_darker() {
        let strengths = [0.0, 0.1, 0.3, 0.5, 0.7, 0.99, 1.0, 7.0, f32::NAN];
        assert_eq!(strengths.map(heat), [230, 230, 223, 216, 209, 202, 202, 202, 230]);
        assert_eq!([-0.1, -1.0].map(heat), [195, 39]);
    }
}

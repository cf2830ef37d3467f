//! A firing among its tokens, in as many as fit on a line.

use super::paint::{Line, Style};
use crate::text::within;
use crate::width::{columns, fit};

/// Tokens and the latent's value on each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firing<'a> {
    pub(super) texts: &'a [String],
    pub(super) values: &'a [f32],
    /// Index of the firing.
    pub(super) at: usize,
    /// The strength at which colour is full; stronger values are marked.
    pub(super) strongest: f32,
}

impl Firing<'_> {
    /// In at most `width` columns; without colour the firing stands in `«»` and others in `‹›`.
    pub(super) fn line(&self, width: usize, colour: bool) -> Line {
        let shown: Vec<String> = (0..self.texts.len()).map(|i| self.shown(i, colour)).collect();
        let line = Line::new(colour);
        let Some(firing) = shown.get(self.at) else { return line };
        if columns(firing) + 2 > width {
            return line.add(self.style(self.at), &fit(firing, width));
        }
        let (from, to) = self.window(&shown, width - 2);
        let mut line = if from > 0 { line.add(Style::Dim, "…") } else { line };
        for (i, text) in shown.iter().enumerate().take(to).skip(from) {
            line = line.add(self.style(i), text);
        }
        if to < shown.len() { line.add(Style::Dim, "…") } else { line }
    }

    /// The tokens that fit into `width` columns: two thirds of it before the firing, if there are so
    /// many.
    fn window(&self, shown: &[String], width: usize) -> (usize, usize) {
        let (mut from, mut to) = (self.at, self.at + 1);
        let (mut before, mut after) = (0, columns(&shown[self.at]));
        loop {
            let left = from.checked_sub(1).map(|i| columns(&shown[i]));
            let right = shown.get(to).map(|text| columns(text));
            let fits = |more: &usize| before + after + more <= width;
            match (left.filter(fits), right.filter(fits)) {
                (Some(more), None) => (from, before) = (from - 1, before + more),
                (Some(more), Some(_)) if before + more <= 2 * after => {
                    (from, before) = (from - 1, before + more);
                }
                (_, Some(more)) => (to, after) = (to + 1, after + more),
                (None, None) => return (from, to),
            }
        }
    }

    fn value(&self, i: usize) -> f32 {
        self.values.get(i).copied().unwrap_or(0.0)
    }

    fn shown(&self, i: usize, colour: bool) -> String {
        let marked = i == self.at || self.value(i) != 0.0;
        let text = within(&self.texts[i], marked);
        if colour || !marked {
            return text;
        }
        // the space before a word stays outside
        let word = text.trim_start_matches(' ');
        let space = &text[..text.len() - word.len()];
        let (open, close) = if i == self.at { ('«', '»') } else { ('‹', '›') };
        format!("{space}{open}{word}{close}")
    }

    fn style(&self, i: usize) -> Style {
        let strength = self.value(i) / self.strongest.abs().max(f32::MIN_POSITIVE);
        match self.value(i) {
            _ if i == self.at => Style::Firing(strength),
            0.0 => Style::Plain,
            _ => Style::Heat(strength),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize, texts: &[&str], values: &[f32], at: usize) -> String {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let firing = Firing { texts: &texts, values, at, strongest: 2.0 };
        let line = firing.line(width, false);
        assert!(line.columns() <= width);
        line.end().trim_end_matches('\n').to_owned()
    }

    #[test]
    fn as_many_tokens_as_fit() {
        let texts = [" one", " two", " three", " sea", " five", " six"];
        let values = [0.0, 0.0, 1.0, 2.0, 0.0, 0.0];
        assert_eq!(line(40, &texts, &values, 3), " one two ‹three› «sea» five six");
        assert_eq!(line(22, &texts, &values, 3), "… two ‹three› «sea»…");
        assert_eq!(line(25, &texts, &values, 3), "… two ‹three› «sea» five…");
        assert_eq!(line(9, &texts, &values, 3), "… «sea»…");
        assert_eq!(line(4, &texts, &values, 3), " «s…");
    }

    #[test]
    fn a_firing_on_a_part_of_a_character_is_seen() {
        let texts = ["日", "", "", "b"];
        assert_eq!(line(20, &texts, &[0.0, 2.0, 0.0, 0.0], 1), "日«◦»b");
    }

    #[test]
    fn what_does_not_fit_together_is_harmless() {
        assert_eq!(line(20, &[], &[], 0), "");
        assert_eq!(line(20, &["a"], &[1.0], 5), "");
        assert_eq!(line(20, &["a", "b"], &[], 1), "a«b»");
    }
}

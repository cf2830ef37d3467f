//! Small charts as SVG.
//!
//! A chart alone is a file for a paper: plain attributes, dark on white, nothing to load and no
//! script. Inside a page, the page's style decides: [`STYLE`] colours the classes by the page's
//! variables, so that the same chart follows its light and dark themes.

mod axis;
mod bars;
mod canvas;
mod lines;

pub use bars::Bars;
pub use lines::{Lines, Series};

/// Style of charts inside a page. Reads the variables `--paper`, `--ink`, `--quiet`, `--line` and
/// `--series-0` to `--series-5`.
pub const STYLE: &str = include_str!("inline.css");

/// Colours of series, told apart by readers who do not see all colours (Okabe and Ito 2008).
const SERIES: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b38600", "#56b4e9"];
/// Dashes of series, for prints without colour.
const DASHES: [&str; 6] = ["none", "6 3", "2 3", "8 3 2 3", "4 2", "1 2"];

#[cfg(test)]
mod tests {
    use super::*;

    /// What every chart has to be: one root, balanced, no script, no text of strangers unescaped.
    pub(super) fn check(svg: &str) {
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("<title>") && svg.contains("<desc>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("]]>"), "{svg}");
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{svg}");
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{svg}");
        let forbidden = |c: char| c.is_control() && c != '\n';
        assert!(!svg.contains(forbidden), "{svg:?}");
    }

    #[test]
    fn strangers_text_stays_text() {
        let hostile = "</svg><script>alert(1)</script>]]>\"'&\u{1b}\0";
        let series =
            [Series::new(hostile, vec![(0.0, 1.0)]), Series::new(hostile, vec![(1.0, 2.0)])];
        check(
            &Lines { title: hostile, unit: hostile, x: hostile, log: false, series: &series }.svg(),
        );
        check(
            &Bars { title: hostile, x: hostile, y: hostile, counts: &[1], ..Bars::default() }.svg(),
        );
    }
}

use super::*;
use crate::width::columns;
use crate::{FeatureLine, fixtures};

const LEGIBLE: &str = "
latent 0  legibility 0.93  duplicate
fires in 312 of 100,000 rows (0.312 %) · max 12.25 · mean 4.5 · contextual 0.71

values  highest bin 120
   █
   █▅
  ▃██▃
  ████▅ ▂▁
  0     12

tokens by mean value            promotes                        suppresses
  ␣sea         300/412    6.50    ␣shore                 +1.25    ,                     -0.750
  海             12/20    1.50    ␣salt                  +1.25

neighbours by cosine            fires with, by Jaccard index
  latent 3                0.93    latent 1                0.33

strongest firings
   12.25  12:33   in the «sea»  +2
    8.00  12:33  ↵‹海› and «sea» of

8 to 12.25  1 of 62 firings
    9.00  12:33  a «sea».
";

const LIST: &str = r#"
 latent  legibility   density       max  contextual  strongest firing
      0        0.93   0.312 %     12.25        0.71   in the «sea»
      1        0.50   0.312 %      3.00        0.20  …‹]]>›‹<!--›«"'&»…
      3        0.50      30 %      2.00           -  dense
      2        0.90       0 %         -           -  dead
"#;

fn all_lines() -> Vec<FeatureLine> {
    let mut lines: Vec<FeatureLine> = fixtures::all().iter().map(FeatureLine::of).collect();
    lines.sort_by(FeatureLine::by_legibility);
    lines
}

/// What is left of `text` without the colours we put there.
fn without_colour(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let mut left = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_once('m').expect("a colour's sequence ends");
        assert!(code.chars().all(|c| c.is_ascii_digit() || c == ';'), "{code:?}");
        left.push_str(rest);
    }
    left
}

#[test]
fn a_feature_without_colour() {
    let shown = render(&fixtures::legible(), 100, false);
    assert_eq!(shown, LEGIBLE[1..], "{shown}");
}

#[test]
fn a_list_without_colour() {
    let shown = list(&all_lines(), 80, false);
    assert_eq!(shown, LIST[1..], "{shown}");
}

#[test]
fn a_feature_that_never_fired_and_one_without_tokens() {
    let dead = render(&fixtures::dead(), 100, false);
    assert_eq!(dead, "latent 2  legibility 0.9  dead\nnever fired in 100,000 rows\n");
    let dense = render(&fixtures::dense(), 100, false);
    assert!(dense.ends_with("strongest firings\n    2.00  row 77\n"), "{dense}");
    assert!(!dense.contains("contextual") && !dense.contains("promotes"), "{dense}");
}

#[test]
fn tokens_do_not_command_the_terminal() {
    for colour in [false, true] {
        let shown = [
            render(&fixtures::hostile(), 100, colour),
            list(&[FeatureLine::of(&fixtures::hostile())], 100, colour),
        ];
        assert!(shown[0].contains("⟨U+001B⟩"), "{}", shown[0]);
        for text in shown {
            let text = without_colour(&text);
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text:?}");
        }
    }
}

#[test]
fn lines_keep_to_the_width() {
    for width in [0, 40, 41, 60, 72, 80, 99, 100, 300] {
        for colour in [false, true] {
            let mut shown = list(&all_lines(), width, colour);
            for feature in fixtures::all() {
                shown += &render(&feature, width, colour);
            }
            for line in without_colour(&shown).lines() {
                assert!(columns(line) <= width.clamp(40, 100), "{width}: {line}");
            }
        }
    }
}

#[test]
fn colour_says_the_same_but_for_the_brackets() {
    let marks = ['«', '»', '‹', '›'];
    let plain = render(&fixtures::legible(), 100, false).replace(marks, "");
    let coloured = render(&fixtures::legible(), 100, true);
    assert_eq!(without_colour(&coloured), plain);
    assert!(coloured.contains("\x1b[1;38;5;16;48;5;202m sea\x1b[0m"), "{coloured:?}");
}

#[test]
fn a_feature_that_contradicts_itself_is_shown_all_the_same() {
    let mut feature = fixtures::legible();
    feature.examples.top[0].at = 99;
    feature.examples.top[1].values.clear();
    feature.density.max = Some(f32::NAN);
    feature.histogram.width = f32::INFINITY;
    assert!(render(&feature, 80, true).contains("latent 0"));
}

#[test]
fn one_massive_value_is_beyond_the_scale_of_the_others() {
    let mut feature = fixtures::legible();
    feature.density.scale_end = Some(2.0);
    feature.histogram.above = 2;
    let shown = render(&feature, 80, true);
    assert!(shown.contains("2 beyond the scale"), "{shown}");
    assert!(shown.contains("\x1b[1;4;38;5;16;48;5;202m"), "{shown:?}");
}

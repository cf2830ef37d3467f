//! Cross-entropy in a model small enough to check by hand.

#[expect(dead_code, reason = "each test file uses its part of the toys")]
mod toys;

use saekit_core::{Error as CoreError, HookPoint, Interrupt, Silent};
use saekit_eval::{Ablated, CrossEntropyOptions, CrossEntropyReport, Error, Result, cross_entropy};
use toys::{Scaling, Toy};

const HALVE: Scaling = Scaling { d: 1, factor: 0.5, sparse: false };

fn options() -> CrossEntropyOptions {
    CrossEntropyOptions {
        hook: HookPoint::new(Toy::HOOK),
        special_ids: vec![0],
        mean: vec![0.25],
        ablated: Ablated::Everywhere,
        batch: 2,
    }
}

fn run(
    model: &Toy,
    codec: &Scaling,
    sequences: &[Vec<u32>],
    options: &CrossEntropyOptions,
) -> Result<CrossEntropyReport> {
    let mut sequences = sequences.iter().cloned().map(Ok);
    cross_entropy(model, codec, &mut sequences, options, &Interrupt::default(), &mut Silent)
}

fn message(sequences: &[Vec<u32>], options: &CrossEntropyOptions) -> String {
    run(&Toy::new(), &HALVE, sequences, options).expect_err("refused").to_string()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// What the four losses must be: the sums of activations that positions 1 and 2 of `[0, 1, 2, 2]`
/// see in each run; both are followed by token 2.
fn losses(report: &CrossEntropyReport, sums: [[f64; 2]; 4]) {
    let loss = |[a, b]: [f64; 2]| f64::midpoint(Toy::loss(a, 2), Toy::loss(b, 2));
    let found = [report.ce_clean, report.ce_sae, report.ce_zero_ablated, report.ce_mean_ablated];
    for (found, sums) in found.into_iter().zip(sums) {
        near(found, loss(sums));
    }
}

#[test]
fn by_hand() {
    let report = run(&Toy::new(), &HALVE, &[vec![0, 1, 2, 2]], &options()).unwrap();
    // position 0 is special: it keeps 2 under the codec and not when ablated; its loss is left out
    losses(&report, [[1.0 + 2.0, -1.0 + 2.0], [0.5 + 2.0, -0.5 + 2.0], [0.0; 2], [0.5; 2]]);
    assert_eq!((report.sequences, report.tokens, report.special_ids), (1, 2, vec![0]));
    let (clean, sae) = (report.ce_clean, report.ce_sae);
    let recovered = |ablated: f64| (ablated - sae) / (ablated - clean);
    near(report.ce_recovered_zero.unwrap(), recovered(report.ce_zero_ablated));
    near(report.ce_recovered_mean.unwrap(), recovered(report.ce_mean_ablated));
}

#[test]
fn ablated_where_spliced_by_hand() {
    let options = CrossEntropyOptions { ablated: Ablated::WhereSpliced, ..options() };
    let report = run(&Toy::new(), &HALVE, &[vec![0, 1, 2, 2]], &options).unwrap();
    losses(&report, [[3.0, 1.0], [2.5, 1.5], [2.0; 2], [2.25; 2]]);
}

#[test]
fn without_special_tokens_every_position_counts_but_the_last() {
    let options = CrossEntropyOptions { special_ids: vec![], ..options() };
    let report = run(&Toy::new(), &HALVE, &[vec![0, 1, 2]], &options).unwrap();
    assert_eq!(report.tokens, 2);
    near(report.ce_clean, f64::midpoint(Toy::loss(4.0, 1), Toy::loss(3.0, 2)));
    near(report.ce_sae, f64::midpoint(Toy::loss(2.0, 1), Toy::loss(1.5, 2)));
}

#[test]
fn tokens_are_weighted_equally_however_they_are_batched() {
    let sequences =
        [vec![0, 1, 1], vec![1], vec![0, 2, 1, 2, 1], vec![], vec![2, 0, 2, 1], vec![1, 2]];
    let whole =
        |batch| run(&Toy::new(), &HALVE, &sequences, &CrossEntropyOptions { batch, ..options() });
    let expected = whole(1).unwrap();
    // inputs that are not special and not last: 1 + 3 + 2 + 1; two sequences are too short
    assert_eq!((expected.sequences, expected.tokens), (4, 7));
    for batch in [2, 3, 100] {
        assert_eq!(whole(batch).unwrap(), expected);
    }
    let clean = [
        Toy::loss(3.0, 1),
        Toy::loss(1.0, 1),
        Toy::loss(3.0, 2),
        Toy::loss(1.0, 1),
        Toy::loss(-2.0, 0),
        Toy::loss(-2.0, 1),
        Toy::loss(2.0, 2),
    ];
    near(expected.ce_clean, clean.iter().sum::<f64>() / 7.0);
}

#[test]
fn a_perfect_codec_recovers_all_and_zeros_nothing() {
    let sequences = [vec![0, 1, 2, 2], vec![0, 2, 2, 1]];
    let perfect = Scaling { factor: 1.0, ..HALVE };
    let report = run(&Toy::new(), &perfect, &sequences, &options()).unwrap();
    assert_eq!((report.ce_recovered_zero, report.ce_recovered_mean), (Some(1.0), Some(1.0)));
    let zeros = Scaling { factor: 0.0, sparse: true, ..HALVE };
    let options = CrossEntropyOptions { ablated: Ablated::WhereSpliced, ..options() };
    let report = run(&Toy::new(), &zeros, &sequences, &options).unwrap();
    assert_eq!(report.ce_recovered_zero, Some(0.0));
}

#[test]
fn an_ablation_that_costs_nothing_recovers_nothing_to_speak_of() {
    // every activation is 1, and so is the mean
    let options = CrossEntropyOptions { mean: vec![1.0], ..options() };
    let report = run(&Toy::new(), &HALVE, &[vec![1, 1, 1]], &options).unwrap();
    assert_eq!(report.ce_recovered_mean, None);
    assert!(report.ce_recovered_zero.is_some());
}

#[test]
fn a_hook_the_model_does_not_have_is_named_with_those_it_has() {
    let options = CrossEntropyOptions { hook: HookPoint::new("end"), ..options() };
    let expected = "hook point `end` does not exist in toy; it has `middle`";
    assert_eq!(message(&[vec![0, 1]], &options), expected);
}

#[test]
fn a_codec_or_mean_of_another_width_is_refused() {
    let wide = Scaling { d: 2, ..HALVE };
    let text = run(&Toy::new(), &wide, &[], &options()).unwrap_err().to_string();
    assert!(text.starts_with("the codec reads rows of width 2, but those of `middle` are 1 wide"));
    let options = CrossEntropyOptions { mean: vec![0.0; 3], ..options() };
    assert_eq!(message(&[], &options), "width of the mean row is 3, expected 1");
}

#[test]
fn sequences_the_model_cannot_take_are_named() {
    let text = message(&[vec![0, 1], vec![1; 6]], &options());
    assert!(text.starts_with("sequence 1 has 6 tokens, but toy takes at most 5"), "{text}");
    let text = message(&[vec![0, 3]], &options());
    assert!(text.starts_with("sequence 0 holds token id 3, but toy has 3 ids"), "{text}");
}

#[test]
fn nothing_to_score_is_an_error() {
    let text = message(&[vec![0, 0, 1], vec![2]], &options());
    assert!(text.starts_with("none of the 2 sequences has a token to score"), "{text}");
    assert!(message(&[], &options()).starts_with("none of the 0 sequences"));
}

#[test]
fn a_loss_that_is_not_finite_is_named() {
    let model = Toy { poison: f32::NAN, ..Toy::new() };
    let sequences = [vec![1, 2], vec![2], vec![1, 0, 1], vec![1, 2, 1]];
    let text = run(&model, &HALVE, &sequences, &options()).unwrap_err().to_string();
    let expected = "the clean loss is NaN at position 1 of sequence 3; the model's weights or the \
                    codec are broken";
    assert_eq!(text, expected);
    let broken = Scaling { factor: f32::NAN, ..HALVE };
    let text = run(&Toy::new(), &broken, &sequences, &options()).unwrap_err().to_string();
    assert!(text.starts_with("the spliced loss is NaN at position 0 of sequence 0"), "{text}");
}

#[test]
fn an_error_among_the_sequences_is_passed_on() {
    let mut sequences = [Ok(vec![1, 2]), Err(CoreError::from_source("torn page"))].into_iter();
    let (model, none) = (Toy::new(), Interrupt::default());
    let found = cross_entropy(&model, &HALVE, &mut sequences, &options(), &none, &mut Silent);
    assert_eq!(found.unwrap_err().to_string(), "torn page");
}

#[test]
fn stops_when_asked() {
    let interrupt = Interrupt::default();
    interrupt.raise();
    let mut sequences = [Ok(vec![1, 2])].into_iter();
    let found =
        cross_entropy(&Toy::new(), &HALVE, &mut sequences, &options(), &interrupt, &mut Silent);
    assert!(matches!(found, Err(Error::Core(CoreError::Interrupted))));
    assert_eq!(sequences.len(), 1);
}

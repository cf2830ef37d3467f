use saekit_core::{Edit, Error, HookPoint, LanguageModel as _, Matrix, TokenBatch};

use crate::support::{assert_close, capture, demo_model, load, tiny, tiny_input};

fn edited(hook: &str, replace: &mut dyn FnMut(&mut Matrix)) -> Result<Matrix, Error> {
    let hook = HookPoint::new(hook);
    let mut replace = |_: &TokenBatch, x: &mut Matrix| {
        replace(x);
        Ok(())
    };
    tiny().nll(&tiny_input(), Some(Edit { hook: &hook, replace: &mut replace }))
}

#[test]
fn replacing_activations_by_themselves_changes_nothing() {
    let clean = tiny().nll(&tiny_input(), None).unwrap();
    for (hook, _) in tiny().hook_points() {
        let same = edited(hook.as_str(), &mut |_| {}).unwrap();
        assert_eq!(same, clean, "{hook}");
    }
}

#[test]
fn an_edit_sees_what_a_capture_gives() {
    for (hook, width) in tiny().hook_points() {
        let captured = capture(&tiny(), &tiny_input(), &[hook.as_str()]).remove(0);
        assert_eq!(captured.cols(), width);
        let mut seen = None;
        edited(hook.as_str(), &mut |x| seen = Some(x.clone())).unwrap();
        assert_eq!(seen.unwrap(), captured, "{hook}");
    }
}

#[test]
fn zero_ablation_changes_the_losses() {
    let clean = tiny().nll(&tiny_input(), None).unwrap();
    for (hook, _) in tiny().hook_points() {
        let ablated = edited(hook.as_str(), &mut |x| x.as_mut_slice().fill(0.0)).unwrap();
        assert_ne!(ablated, clean, "{hook}");
        assert!(ablated.as_slice().iter().all(|v| v.is_finite()), "{hook}");
    }
}

#[test]
fn without_the_residual_stream_every_position_predicts_alike() {
    let ablated = edited("blocks.2.hook_resid_post", &mut |x| x.as_mut_slice().fill(0.0)).unwrap();
    let tokens = tiny_input();
    let (a, b) = ((0, 0), (1, 1));
    let target = |(row, t): (usize, usize)| tokens.sequence(row)[t + 1];
    let of = |(row, t): (usize, usize)| ablated.row(row)[t];
    assert_eq!(of(a) == of(b), target(a) == target(b));
    let again = (0..15).find(|t| tokens.sequence(1)[1..][*t] == tokens.sequence(0)[1]);
    if let Some(t) = again {
        assert_eq!(of((1, t)), of(a));
    }
}

#[test]
fn an_edit_of_another_size_is_refused() {
    let error = edited("blocks.0.hook_resid_pre", &mut |x| *x = Matrix::zeros(48, 23)).unwrap_err();
    assert_eq!(error.to_string(), "width of the rows after the edit is 23, expected 24");
    let error = edited("blocks.0.hook_resid_pre", &mut |x| *x = Matrix::zeros(47, 24)).unwrap_err();
    assert_eq!(error.to_string(), "number of rows after the edit is 47, expected 48");
}

#[test]
fn the_error_of_an_edit_comes_back() {
    let hook = HookPoint::new("blocks.1.hook_mlp_out");
    let mut fails = |_: &TokenBatch, _: &mut Matrix| Err(Error::Interrupted);
    let edit = Edit { hook: &hook, replace: &mut fails };
    assert!(matches!(tiny().nll(&tiny_input(), Some(edit)), Err(Error::Interrupted)));
}

#[test]
fn several_hooks_in_one_pass_are_what_each_is_alone() {
    let hooks = [
        "blocks.1.hook_resid_post",
        "blocks.0.hook_attn_out",
        "blocks.1.hook_resid_post",
        "blocks.1.hook_mlp_out",
    ];
    let together = capture(&tiny(), &tiny_input(), &hooks);
    for (hook, matrix) in hooks.iter().zip(&together) {
        assert_eq!(*matrix, capture(&tiny(), &tiny_input(), &[hook])[0], "{hook}");
    }
}

#[test]
fn padding_changes_nothing_before_it() {
    let model = tiny();
    let whole = tiny_input().sequence(0).to_vec();
    let short = whole[..5].to_vec();
    let hook = "blocks.2.hook_resid_post";
    let alone = capture(&model, &TokenBatch::new(std::slice::from_ref(&short)), &[hook]).remove(0);
    let padded = TokenBatch::new(&[short, whole]);
    let beside = capture(&model, &padded, &[hook]).remove(0);
    assert_close(hook, &beside.as_slice()[..5 * 24], alone.as_slice());
    let losses = model.nll(&padded, None).unwrap();
    let alone = model.nll(&TokenBatch::new(&[padded.sequence(0).to_vec()]), None).unwrap();
    assert_close("nll", &losses.row(0)[..4], alone.as_slice());
}

#[test]
fn losses_do_not_depend_on_the_batch() {
    let model = load(&demo_model());
    let (rows, width) = (20_u32, 128_u32);
    let ids = |row: u32| (0..width).map(|t| (row * 131 + t * t) % 4096).collect();
    let sequences: Vec<Vec<u32>> = (0..rows).map(ids).collect();
    let whole = model.nll(&TokenBatch::new(&sequences), None).unwrap();
    let halves = sequences
        .chunks(10)
        .flat_map(|half| model.nll(&TokenBatch::new(half), None).unwrap().into_vec());
    assert_close("nll", whole.as_slice(), &halves.collect::<Vec<_>>());
}

#[test]
fn empty_batches_give_empty_matrices() {
    let model = tiny();
    let none = TokenBatch::new(&[]);
    let found = capture(&model, &none, &["blocks.0.hook_resid_pre"]).remove(0);
    assert_eq!((found.rows(), found.cols()), (0, 24));
    assert_eq!(model.logits(&none).unwrap().rows(), 0);
    let one_token_each = TokenBatch::new(&[vec![1], vec![2]]);
    let losses = model.nll(&one_token_each, None).unwrap();
    assert_eq!((losses.rows(), losses.cols()), (2, 0));
    assert!(model.capture(&one_token_each, &[]).unwrap().is_empty());
}

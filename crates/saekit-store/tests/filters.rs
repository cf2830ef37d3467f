//! Which rows are chosen, against a look at each row.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;

use common::{LENGTH, Recipe};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use saekit_core::rng::Rng;
use saekit_core::{HookPoint, Interrupt, Silent};
use saekit_store::{
    RowCounts, RowFilter, RowSelection, RowSource as _, Split, Store, StreamConfig, TokenSpans,
};

fn select(store: &Store, filter: RowFilter) -> saekit_store::Result<RowSelection> {
    store.select(filter, &[common::hook(0)], &mut Silent, &Interrupt::default())
}

fn filters() -> impl Strategy<Value = RowFilter> {
    let positions = proptest::option::of((0_u32..3, 2_u32..6));
    let tokens = proptest::collection::btree_set(0_u32..90, 0..20);
    let norm = proptest::option::of(0.5_f64..3.0);
    // Ids ascend in a sequence: a beginning is one or two that follow each other.
    let spans = (0_u32..90, 1_u32..3, 0_u32..9).prop_map(|(first, count, length)| TokenSpans {
        begin: (first..first + count).collect(),
        end: first + count + length,
    });
    let spans = proptest::option::of(spans);
    (0.0_f64..0.7, 0_u64..4, any::<bool>(), positions, tokens, spans, norm).prop_map(
        |(held_out, split_seed, other, positions, tokens, between, max_norm)| RowFilter {
            held_out,
            split_seed,
            part: if other { Split::HeldOut } else { Split::Train },
            positions,
            exclude_tokens: tokens.into_iter().collect(),
            between,
            max_norm,
            drop_non_finite: false,
        },
    )
}

/// Why row `row` is left out: the number of the count it belongs to.
fn judge(recipe: &Recipe, filter: &RowFilter, row: usize, mean_norm: f64) -> usize {
    let sequence = Recipe::sequence(row / LENGTH);
    let position = row % LENGTH;
    let document = u64::from(sequence.documents[position]);
    let draw = Rng::new(filter.split_seed, "store.split").uniform(document);
    if (draw < filter.held_out) != (filter.part == Split::HeldOut) {
        return 1;
    }
    if filter.positions.is_some_and(|(a, b)| !(a as usize..b as usize).contains(&position)) {
        return 2;
    }
    if filter.exclude_tokens.contains(&sequence.ids[position]) {
        return 3;
    }
    if let Some(TokenSpans { begin, end }) = &filter.between {
        // The last beginning before the token, unless the end has come since.
        let mut starts = (begin.len()..=position).filter(|at| sequence.ids[..*at].ends_with(begin));
        let since = starts.next_back();
        if since.is_none_or(|since| sequence.ids[since..=position].contains(end)) {
            return 4;
        }
    }
    let norm = recipe.row(0, row).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if filter.max_norm.is_some_and(|max| norm > max * mean_norm) { 5 } else { 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_rows_left_are_those_that_pass_every_test(
        filter in filters(), rows in 1_usize..90, seed: u64, batch in 1_usize..20, stop in 0_usize..90,
    ) {
        let recipe = Recipe { rows, ..Recipe::default() };
        let dir = tempfile::tempdir().unwrap();
        let store = recipe.open(dir.path());
        let mean_norm = store.manifest().columns[0].mean_norm;
        let mut counts = [0_u64; 6];
        let verdicts: Vec<_> =
            (0..rows).map(|row| judge(&recipe, &filter, row, mean_norm)).collect();
        for verdict in &verdicts {
            counts[*verdict] += 1;
        }
        let expected: Vec<_> = (0..rows).filter(|row| verdicts[*row] == 0).collect();
        let chosen = select(&store, filter);
        let Ok(set) = chosen else {
            prop_assert!(expected.is_empty(), "{:?}", chosen);
            return Ok(());
        };
        let [kept, other_part, positions, tokens, outside, norm] = counts;
        let counted =
            RowCounts { kept, other_part, positions, tokens, outside, norm, non_finite: 0 };
        prop_assert_eq!(set.counts(), counted);

        let mut scan = store.scan_selection(&recipe.columns(), &set).unwrap();
        let mut scanned = Vec::new();
        while let Some(some) = scan.next_batch(batch).unwrap() {
            scanned.extend(recipe.identify(&some));
        }
        let stop = stop.min(expected.len());
        let mut again = store.scan_selection(&recipe.columns(), &set).unwrap();
        again.next_batch(stop).unwrap();
        let cursor = again.cursor();
        let mut resumed = store.scan_selection(&recipe.columns(), &set).unwrap();
        resumed.seek(&cursor).unwrap();
        let rest = resumed.next_batch(100).unwrap().map_or(vec![], |rest| recipe.identify(&rest));
        prop_assert_eq!(&rest, &scanned[stop..]);
        scanned.sort_unstable();
        prop_assert_eq!(&scanned, &expected);

        let config = StreamConfig { rows: Some(set), ..recipe.stream(seed, 2) };
        let mut stream = store.stream(&config).unwrap();
        prop_assert_eq!(stream.rows_per_epoch(), kept);
        for _epoch in 0..2 {
            let before = recipe.take(&mut stream, stop);
            let cursor = stream.cursor();
            let mut resumed = store.stream(&config).unwrap();
            resumed.seek(&cursor).unwrap();
            let after = recipe.take(&mut stream, expected.len() - stop);
            prop_assert_eq!(&recipe.take(&mut resumed, expected.len() - stop), &after);
            let mut epoch = [before, after].concat();
            epoch.sort_unstable();
            prop_assert_eq!(&epoch, &expected);
        }
    }
}

#[test]
fn the_two_parts_are_the_whole_and_share_no_document() {
    let recipe = Recipe { rows: 500, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let [train, held_out] = [Split::Train, Split::HeldOut].map(|part| {
        let filter = RowFilter { held_out: 0.3, part, ..RowFilter::default() };
        let set = select(&store, filter).unwrap();
        let mut scan = store.scan_selection(&recipe.columns(), &set).unwrap();
        recipe.take(&mut scan, set.counts().kept as usize)
    });
    assert_eq!(train.len() + held_out.len(), 500);
    let document = |row: &usize| Recipe::sequence(row / LENGTH).documents[row % LENGTH];
    let documents: Vec<_> = train.iter().map(document).collect();
    assert!(held_out.iter().all(|row| !documents.contains(&document(row))));
    assert!((100..200).contains(&held_out.len()), "{} of 500", held_out.len());
}

/// A file of numpy's with 40 rows of two values.
fn npy(path: &Path, values: &[f32]) {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 2), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn rows_with_nan_or_infinity_are_counted_and_left_out_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut values: Vec<f32> = (0..80_u8).map(f32::from).collect();
    (values[7], values[40], values[41]) = (f32::NAN, f32::INFINITY, f32::NAN);
    npy(&dir.path().join("x.npy"), &values);
    let store = Store::open(dir.path()).unwrap();
    let column = store.manifest().columns[0].name.clone();
    let select = |drop_non_finite| {
        let filter = RowFilter { drop_non_finite, max_norm: Some(1e9), ..RowFilter::default() };
        store.select(filter, std::slice::from_ref(&column), &mut Silent, &Interrupt::default())
    };
    let message = select(false).unwrap_err().to_string();
    assert!(message.contains("x.npy holds NaN at row 3, element 1"), "{message}");
    assert!(message.contains("--drop-non-finite"), "{message}");
    let set = select(true).unwrap();
    assert_eq!((set.counts().kept, set.counts().non_finite), (38, 2));
    assert_eq!(set.counts().to_string(), "38 of 40 rows: 2 with NaN or infinity");
    let columns = vec![(column.clone(), 1.0)];
    let config = StreamConfig { rows: Some(set), columns, ..StreamConfig::default() };
    let batch = store.stream(&config).unwrap().next_batch(38).unwrap().unwrap();
    let mut found = batch.columns[0].as_slice().to_vec();
    found.sort_by(f32::total_cmp);
    let expected: Vec<f32> =
        (0..80_u8).filter(|i| !matches!(i / 2, 3 | 20)).map(f32::from).collect();
    assert_eq!(found, expected);
    let profile = store.profile(&column, 40, &mut Silent, &Interrupt::default()).unwrap();
    assert_eq!((profile.rows, profile.non_finite_rows), (38, 2));
    assert_eq!((profile.massive.rows, profile.massive.massive_rows), (38, 0));
}

#[test]
fn spans_are_what_lies_between() {
    let recipe = Recipe { rows: 3 * LENGTH, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = recipe.open(dir.path());
    let chosen = |begin: &[u32], end| {
        let between = Some(TokenSpans { begin: begin.to_vec(), end });
        let filter = RowFilter { between, ..RowFilter::default() };
        let set = select(&store, filter).ok()?;
        let mut scan = store.scan_selection(&recipe.columns(), &set).unwrap();
        let mut rows = recipe.take(&mut scan, set.counts().kept as usize);
        rows.sort_unstable();
        assert_eq!(set.counts().outside as usize, 3 * LENGTH - rows.len());
        Some(rows)
    };
    assert_eq!(chosen(&[1], 4), Some(vec![2, 3]));
    assert_eq!(chosen(&[1, 2], 4), Some(vec![3]));
    assert_eq!(chosen(&[0, 2], 4), None, "they do not follow each other");
    let to_the_end: Vec<_> = (LENGTH + 2..2 * LENGTH).collect();
    assert_eq!(chosen(&[LENGTH as u32 + 1], 0), Some(to_the_end), "of its sequence");
    assert_eq!(chosen(&[3], 4), None, "nothing lies between");
}

#[test]
fn what_does_not_fit_the_store_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = Recipe { tokens: false, ..Recipe::default() }.open(dir.path());
    let refusal = |filter| {
        let text = select(&store, filter).unwrap_err().to_string();
        text.replace(dir.path().to_str().unwrap(), "STORE")
    };
    assert_eq!(
        refusal(RowFilter { held_out: 0.1, ..RowFilter::default() }),
        "cannot choose rows of STORE: its rows have no sequence and position; name them with --document and --position, or filter before storing"
    );
    assert_eq!(
        refusal(RowFilter { exclude_tokens: vec![0], ..RowFilter::default() }),
        "cannot choose rows of STORE: it has no tokens table; leave tokens out before storing"
    );
    assert_eq!(
        refusal(RowFilter { held_out: 1.0, ..RowFilter::default() }),
        "cannot choose rows of STORE: the part held out is not in 0 to 1; hold out 0.05, for example"
    );
}

#[test]
fn a_filter_that_leaves_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = Recipe::default().open(dir.path());
    let filter = RowFilter { positions: Some((9, 12)), ..RowFilter::default() };
    let text = select(&store, filter).unwrap_err().to_string();
    let expected = "no row is left (0 of 100 rows: 100 at other positions); loosen the filter";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn every_column_that_is_asked_for_can_leave_a_row_out() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = |from: u32| {
        format!(r#"{{"dtype":"F32","shape":[10,2],"data_offsets":[{from},{}]}}"#, from + 80)
    };
    let header = format!(r#"{{"a":{},"b":{}}}"#, tensor(0), tensor(80));
    let mut values = [1.0_f32; 40];
    (values[3], values[5], values[20 + 14]) = (f32::NAN, f32::INFINITY, f32::NAN); // rows 1, 2 and 7
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(dir.path().join("x.safetensors"), bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let kept = |columns: &[&str]| {
        let columns: Vec<_> = columns.iter().map(|name| HookPoint::new(*name)).collect();
        let filter = RowFilter { drop_non_finite: true, ..RowFilter::default() };
        let set = store.select(filter, &columns, &mut Silent, &Interrupt::default());
        set.unwrap().counts().kept
    };
    assert_eq!([kept(&["a"]), kept(&["b"]), kept(&["a", "b"])], [8, 9, 7]);
}

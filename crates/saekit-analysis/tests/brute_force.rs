//! The streamed pass against the definitions, computed one latent and one row at a time.

mod common;

use std::collections::BTreeMap;

use common::{Row, Toy, analyse};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use saekit_analysis::{Example, Feature, Settings};

/// A firing of one latent: index of its row among all rows by place, and the value.
type Fired = (usize, f32);

/// The values of `latent`, by place.
fn fired(toy: &Toy, latent: usize) -> Vec<Fired> {
    let value = |(i, row): (usize, &Row)| (i, row.code[latent]);
    toy.rows.iter().enumerate().map(value).filter(|(_, value)| *value != 0.0).collect()
}

fn check_density(toy: &Toy, feature: &Feature, fired: &[Fired]) {
    let density = &feature.density;
    assert_eq!((density.rows, density.fires), (toy.rows.len() as u64, fired.len() as u64));
    assert_eq!(density.density, fired.len() as f64 / toy.rows.len() as f64);
    let largest = fired.iter().map(|(_, v)| v.abs()).fold(0.0, f32::max);
    assert_eq!(density.max.map_or(0.0, f32::abs), largest);
    let sum: f64 = fired.iter().map(|(_, v)| f64::from(*v)).sum();
    assert_eq!(density.mean, (!fired.is_empty()).then(|| sum / fired.len() as f64));
}

/// The definition, by sorting.
fn scale_end(fired: &[Fired]) -> f32 {
    let mut strengths: Vec<f32> = fired.iter().map(|(_, v)| v.abs()).collect();
    strengths.sort_by(f32::total_cmp);
    let left_out = strengths.len().div_ceil(100).min(strengths.len() - 1);
    let limit = 3.0 * strengths[strengths.len() - 1 - left_out];
    *strengths.iter().rfind(|strength| **strength <= limit).expect("the limit is one of them")
}

fn check_histogram(feature: &Feature, fired: &[Fired], bins: usize) {
    let histogram = &feature.histogram;
    if fired.is_empty() {
        assert!(histogram.counts.is_empty());
        return;
    }
    let scale_end = scale_end(fired);
    assert_eq!(feature.density.scale_end, Some(scale_end));
    let edge = |i: usize| f64::from(histogram.start) + i as f64 * f64::from(histogram.width);
    for (bin, count) in histogram.counts.iter().enumerate() {
        let inside = |value: f64| {
            (value >= edge(bin) || bin == 0) && (value < edge(bin + 1) || bin == bins - 1)
        };
        let within = fired.iter().filter(|(_, v)| v.abs() <= scale_end);
        let expected = within.filter(|(_, v)| inside(f64::from(*v))).count();
        assert_eq!(*count, expected as u64, "bin {bin} of {histogram:?}");
    }
    let binned = histogram.counts.iter().sum::<u64>();
    assert_eq!(binned + histogram.below + histogram.above, fired.len() as u64);
}

fn check_tokens(toy: &Toy, feature: &Feature, fired: &[Fired]) {
    let tokens = feature.tokens.as_ref().expect("the store has tokens");
    let latent = feature.latent as usize;
    let mut by_token = BTreeMap::<u32, Vec<f64>>::new();
    for row in &toy.rows {
        by_token.entry(row.token).or_default().push(f64::from(row.code[latent]));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for top in &tokens.top {
        let values = &by_token[&top.token];
        assert_eq!(top.occurrences, values.len() as u64);
        assert_eq!(top.fires, values.iter().filter(|v| **v != 0.0).count() as u64);
        assert!((top.mean - mean(values)).abs() <= 1e-12, "{top:?}");
    }
    let listed = |token: &u32| tokens.top.iter().any(|top| top.token == *token);
    let least = tokens.top.iter().filter(|t| t.occurrences >= 3).map(|t| t.mean);
    let least = least.fold(f64::INFINITY, f64::min);
    for (token, values) in by_token.iter().filter(|(token, _)| !listed(token)) {
        if values.iter().all(|v| *v == 0.0) {
            continue; // listed are tokens it fires on
        }
        assert!(
            values.len() < 3 || mean(values) <= least + 1e-12 || least.is_infinite(),
            "{token}"
        );
    }
    let all: Vec<f64> = toy.rows.iter().map(|row| f64::from(row.code[latent])).collect();
    let around =
        |values: &[f64], centre: f64| values.iter().map(|v| (v - centre).powi(2)).sum::<f64>();
    let within: f64 = by_token.values().map(|values| around(values, mean(values))).sum();
    let total = around(&all, mean(&all));
    let expected = within / (all.len() - by_token.len()) as f64 / (total / (all.len() - 1) as f64);
    match tokens.contextual {
        Some(found) => {
            assert!((found - expected.clamp(0.0, 1.0)).abs() < 1e-9, "{found} {expected}");
        }
        None => assert!(fired.is_empty()),
    }
}

fn check_cofiring(toy: &Toy, feature: &Feature, d_code: usize, related: usize) {
    let latent = feature.latent as usize;
    let count =
        |test: &dyn Fn(&Row) -> bool| toy.rows.iter().filter(|row| test(row)).count() as u64;
    let mut expected: Vec<(u32, u64, f64)> = (0..d_code)
        .filter(|other| *other != latent)
        .map(|other| {
            let both = count(&|row| row.code[latent] != 0.0 && row.code[other] != 0.0);
            let either = count(&|row| row.code[latent] != 0.0 || row.code[other] != 0.0);
            (other as u32, both, both as f64 / either.max(1) as f64)
        })
        .filter(|(_, both, _)| *both > 0)
        .collect();
    expected.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    expected.truncate(related);
    let found: Vec<_> = feature.cofiring.iter().map(|c| (c.latent, c.rows, c.jaccard)).collect();
    assert_eq!(found, expected);
}

/// Ten tokens up to and including the row.
fn before(toy: &Toy, row: &Row) -> Vec<u32> {
    let sequence = &toy.sequences[row.sequence as usize];
    let end = row.position as usize + 1;
    sequence[end.saturating_sub(10)..end].to_vec()
}

fn check_top(toy: &Toy, feature: &Feature, fired: &[Fired], wanted: usize) {
    let mut best = BTreeMap::<u32, Fired>::new();
    for (i, value) in fired {
        let entry = best.entry(toy.rows[*i].sequence).or_insert((*i, *value));
        if value.abs() > entry.1.abs() {
            *entry = (*i, *value);
        }
    }
    let mut best: Vec<Fired> = best.into_values().collect();
    best.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    let mut kept: Vec<(usize, u32)> = Vec::new();
    for (i, _) in best {
        let context = before(toy, &toy.rows[i]);
        let same = |other: &usize| {
            let other = before(toy, &toy.rows[*other]);
            let differ = other.iter().zip(&context).filter(|(a, b)| a != b).count();
            other.len() == context.len() && differ <= 1
        };
        if let Some((_, collapsed)) = kept.iter_mut().find(|(other, _)| same(other)) {
            *collapsed += 1;
        } else if kept.len() < wanted {
            kept.push((i, 0));
        } else {
            break;
        }
    }
    let place = |i: usize| (toy.rows[i].sequence, toy.rows[i].position);
    let expected: Vec<_> = kept.iter().map(|(i, collapsed)| (place(*i), *collapsed)).collect();
    let found: Vec<_> = feature
        .examples
        .top
        .iter()
        .map(|example| ((example.sequence, example.position), example.collapsed))
        .collect();
    assert_eq!(found, expected, "latent {}", feature.latent);
}

fn check_quantiles(feature: &Feature, fired: &[Fired], settings: &Settings) {
    let mut sorted: Vec<f32> = fired.iter().map(|(_, v)| v.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let n = sorted.len();
    let group_of = |v: f32| {
        let bounds =
            (1..settings.quantiles).filter(|g| n > 0 && sorted[g * n / settings.quantiles] <= v);
        bounds.count()
    };
    let mut groups = vec![Vec::new(); settings.quantiles];
    for v in &sorted {
        groups[group_of(*v)].push(*v);
    }
    groups.retain(|group| !group.is_empty());
    groups.reverse();
    assert_eq!(feature.examples.quantiles.len(), groups.len());
    for (found, expected) in feature.examples.quantiles.iter().zip(&groups) {
        assert_eq!(found.fires, expected.len() as u64);
        assert_eq!((Some(&found.from), Some(&found.to)), (expected.first(), expected.last()));
        assert_eq!(found.examples.len(), expected.len().min(settings.per_quantile));
        for example in &found.examples {
            assert!((found.from..=found.to).contains(&example.value.abs()));
        }
        assert!(found.examples.windows(2).all(|w| w[0].value.abs() >= w[1].value.abs()));
    }
}

fn check_example(toy: &Toy, latent: usize, example: &Example, settings: &Settings) {
    let sequence = &toy.sequences[example.sequence as usize];
    let start = example.position.saturating_sub(settings.before);
    let end = (example.position + settings.after + 1).min(sequence.len() as u32);
    assert_eq!((example.start, example.at), (start, example.position - start));
    assert_eq!(example.tokens, sequence[start as usize..end as usize]);
    assert_eq!(example.texts.len(), example.tokens.len());
    let value = |position: u32| {
        let at = |row: &&Row| row.sequence == example.sequence && row.position == position;
        toy.rows.iter().find(at).map_or(0.0, |row| row.code[latent])
    };
    let values: Vec<f32> = (start..end).map(value).collect();
    assert_eq!(example.values, values);
    assert_eq!(example.values[example.at as usize], example.value);
}

fn check(toy: &Toy, feature: &Feature, settings: &Settings) {
    let latent = feature.latent as usize;
    let fired = fired(toy, latent);
    check_density(toy, feature, &fired);
    check_histogram(feature, &fired, settings.bins);
    check_tokens(toy, feature, &fired);
    check_cofiring(toy, feature, toy.codec.d_code, settings.related);
    check_top(toy, feature, &fired, settings.top);
    check_quantiles(feature, &fired, settings);
    let drawn = feature.examples.quantiles.iter().flat_map(|q| &q.examples);
    for example in feature.examples.top.iter().chain(drawn) {
        check_example(toy, latent, example, settings);
    }
}

fn settings(seed: u64) -> Settings {
    Settings {
        top: 6,
        quantiles: 4,
        per_quantile: 3,
        before: 4,
        after: 3,
        bins: 7,
        tokens: 4,
        related: 5,
        seed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn equals_the_definitions(seed in 0_u64..1000, signed in proptest::bool::ANY) {
        let toy = Toy::new(seed, signed);
        let settings = settings(seed);
        let features = analyse(&toy, &settings, 1 << 20);
        prop_assert_eq!(features.len(), toy.codec.d_code);
        for feature in &features {
            check(&toy, feature, &settings);
        }
        // in so little memory there are many segments and a pass over the codes for each few latents
        prop_assert_eq!(&analyse(&toy, &settings, 2048), &features);
    }
}

#[test]
fn the_toy_has_what_is_to_be_tested() {
    let toy = Toy::new(1, false);
    let features = analyse(&toy, &settings(1), 1 << 20);
    let has = |test: &dyn Fn(&Feature) -> bool| features.iter().any(test);
    assert!(has(&|f| f.density.fires == 0), "a dead latent");
    assert!(has(&|f| f.density.density > 0.5), "a dense latent");
    assert!(has(&|f| f.examples.top.iter().any(|e| e.collapsed > 0)), "repeated contexts");
    assert!(has(&|f| f.examples.quantiles.len() == 4), "all groups");
    assert!(has(&|f| f.examples.quantiles.len() < 4 && f.density.fires > 0), "equal values");
}

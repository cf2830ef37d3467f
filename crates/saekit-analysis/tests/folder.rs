//! The folder of an analysis: stopped and gone on with, taken, damaged, of the wrong thing.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs::{self, OpenOptions};
use std::path::Path;

use common::{D_CODE, Toy, analyse, analyse_in};
use saekit_analysis::{Analysis, Error, Feature, Finished, Settings};
use saekit_core::{Error as CoreError, Interrupt, Matrix, Observer, Silent};
use saekit_store::Store;

/// So little that there is a segment a few rows.
const LITTLE: u64 = 2048;

/// Stops whoever is observed after so many signs of life.
struct Stopper<'a> {
    left: usize,
    interrupt: &'a Interrupt,
}

impl Observer for Stopper<'_> {
    fn advance(&mut self, _: u64, _: &str) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.interrupt.raise(),
        }
    }
}

struct Case {
    dir: tempfile::TempDir,
    toy: Toy,
    store: Store,
}

impl Case {
    fn of(toy: Toy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = toy.store(&dir.path().join("store"));
        Self { dir, toy, store }
    }

    fn out(&self) -> std::path::PathBuf {
        self.dir.path().join("analysis")
    }

    fn analyse(&self) -> saekit_analysis::Result<(Vec<Feature>, Finished)> {
        self.analyse_with(&self.toy, &mut Silent, &Interrupt::default())
    }

    fn analyse_with(
        &self,
        toy: &Toy,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> saekit_analysis::Result<(Vec<Feature>, Finished)> {
        let settings = Settings::default();
        analyse_in(&self.out(), toy, &self.store, &settings, LITTLE, observer, interrupt)
    }
}

fn new() -> Case {
    Case::of(Toy::new(3, false))
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let inner = files(&path).into_iter();
            found.extend(inner.map(|(inside, bytes)| (format!("{name}/{inside}"), bytes)));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn stopped_anywhere_it_ends_the_same() {
    let whole = new();
    whole.analyse().unwrap();
    let expected = files(&whole.out());
    let mut stopped = 0;
    for left in 0..40 {
        let case = new();
        let interrupt = Interrupt::default();
        let mut stopper = Stopper { left, interrupt: &interrupt };
        if let Err(error) = case.analyse_with(&case.toy, &mut stopper, &interrupt) {
            assert!(matches!(error, Error::Core(saekit_core::Error::Interrupted)), "{error}");
            assert!(Finished::open(&case.out()).is_err(), "it is not finished");
            stopped += 1;
            case.analyse().unwrap();
        }
        let found = files(&case.out());
        let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
            files.iter().map(|file| file.0.clone()).collect()
        };
        assert_eq!(names(&found), names(&expected));
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            // the summary names the store's folder, which is another
            let same = found == expected || name == "analysis.json";
            assert!(same, "{name} differs after a stop at {left}");
        }
    }
    assert!(stopped > 10, "only {stopped} of the passes were stopped");
}

#[test]
fn threads_do_not_matter() {
    let toy = Toy::new(5, true);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| analyse(&toy, &Settings::default(), 1 << 20))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_store_without_tokens_gives_what_can_be_given() {
    let mut toy = Toy::new(4, false);
    toy.has_tokens = false;
    let case = Case::of(toy);
    let (features, finished) = case.analyse().unwrap();
    let with_tokens = analyse(&Toy::new(4, false), &Settings::default(), 1 << 20);
    for (without, with) in features.iter().zip(&with_tokens) {
        assert_eq!(
            (&without.density.fires, &without.cofiring),
            (&with.density.fires, &with.cofiring)
        );
        assert_eq!(without.histogram, with.histogram);
        assert_eq!(without.tokens, None);
        for example in &without.examples.top {
            assert!(example.tokens.is_empty() && example.texts.is_empty());
            assert!((example.sequence as usize) < case.toy.rows.len());
        }
    }
    let missing = &finished.summary().missing;
    let why = missing.iter().find(|missing| missing.section == "tokens").unwrap();
    assert!(why.why.contains("no tokens"), "{}", why.why);
}

#[test]
fn firings_are_drawn_from_all_there_are() {
    let case = new();
    let (features, finished) = case.analyse().unwrap();
    let dense = features.iter().max_by_key(|feature| feature.density.fires).unwrap();
    let draw = |n, seed| finished.sample(dense.latent, n, seed).unwrap();
    let places = |n, seed| -> Vec<(u32, u32)> {
        draw(n, seed).iter().map(|example| (example.sequence, example.position)).collect()
    };
    assert_eq!(places(9, 1), places(9, 1));
    assert_ne!(places(9, 1), places(9, 2));
    let all = places(100_000, 1);
    assert_eq!(all.len() as u64, dense.density.fires);
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each once");
    assert!(draw(5, 3).iter().all(|example| example.values[example.at as usize] == example.value));
}

#[test]
fn another_dictionary_in_the_same_folder_is_refused() {
    let case = new();
    let interrupt = Interrupt::default();
    let mut stopper = Stopper { left: 0, interrupt: &interrupt };
    case.analyse_with(&case.toy, &mut stopper, &interrupt).unwrap_err();
    let other = Toy::new(9, false).store(&case.dir.path().join("other"));
    let settings = Settings::default();
    let again = analyse_in(
        &case.out(),
        &case.toy,
        &other,
        &settings,
        LITTLE,
        &mut Silent,
        &Interrupt::default(),
    );
    let message = again.unwrap_err().to_string();
    assert!(
        message.contains("begun with another store") && message.contains("--force"),
        "{message}"
    );
}

#[test]
fn a_folder_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let held = Analysis::begin(dir.path()).unwrap();
    let message = Analysis::begin(dir.path()).unwrap_err().to_string();
    assert!(message.contains("another saekit analyze (process "), "{message}");
    assert!(matches!(Analysis::remove(dir.path(), &[]), Err(Error::Core(CoreError::InUse { .. }))));
    drop(held);
    Analysis::begin(dir.path()).unwrap();
}

#[test]
fn what_is_finished_is_kept_until_it_is_removed() {
    let case = new();
    case.analyse().unwrap();
    let message = case.analyse().unwrap_err().to_string();
    assert!(message.contains("already") && message.contains("--force"), "{message}");
    Analysis::remove(&case.out(), &[]).unwrap();
    assert!(!case.out().exists());
    Analysis::remove(&case.out(), &[]).unwrap();
    case.analyse().unwrap();
}

#[test]
fn folders_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "mine").unwrap();
    assert!(matches!(Analysis::begin(dir.path()), Err(Error::NotAnAnalysis { .. })));
    assert!(matches!(Analysis::remove(dir.path(), &[]), Err(Error::NotAnAnalysis { .. })));
    assert!(dir.path().join("thesis.tex").is_file());
}

#[test]
fn a_file_that_was_cut_short_is_named() {
    let case = new();
    let (_, finished) = case.analyse().unwrap();
    for name in ["firings.bin", "tokens.bin", "occurrences-00000.bin"] {
        let path = case.out().join("index").join(name);
        let bytes = fs::read(&path).unwrap();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(bytes.len() as u64 - 8)
            .unwrap();
        let message = finished.sample(1, 3, 0).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("analyse again"), "{message}");
        fs::write(&path, bytes).unwrap();
    }
    finished.sample(1, 3, 0).unwrap();
}

#[test]
fn a_latent_that_is_not_there_is_named() {
    let case = new();
    let (_, finished) = case.analyse().unwrap();
    let message = finished.feature(D_CODE as u32).unwrap_err().to_string();
    assert_eq!(message, "there is no latent 12: they are numbered 0 to 11");
}

#[test]
fn rows_of_another_width_are_refused() {
    let case = new();
    let mut wide = case.toy.clone();
    wide.codec.d_code = 13;
    let message =
        case.analyse_with(&wide, &mut Silent, &Interrupt::default()).unwrap_err().to_string();
    assert!(message.contains("width 13") && message.contains("12 wide"), "{message}");
}

#[test]
fn a_code_that_is_not_finite_is_named() {
    let mut toy = Toy::new(6, false);
    toy.codec.directions = Some(Matrix::zeros(D_CODE, D_CODE));
    toy.codec.broken = Some(7);
    let case = Case::of(toy);
    let message = case.analyse().unwrap_err().to_string();
    assert!(message.contains("latent 7 is NaN in row 0"), "{message}");
}

#[test]
fn too_little_memory_is_said() {
    let case = new();
    let settings = Settings::default();
    let interrupt = Interrupt::default();
    let found =
        analyse_in(&case.out(), &case.toy, &case.store, &settings, 64, &mut Silent, &interrupt);
    let message = found.unwrap_err().to_string();
    assert!(message.contains("allow at least 96"), "{message}");
}

#[test]
fn a_changed_byte_of_the_index_is_found_before_it_is_used() {
    let case = new();
    let (_, finished) = case.analyse().unwrap();
    let expected = finished.sample(1, 3, 0).unwrap();
    let index = case.out().join("index");
    for (name, bytes) in files(&index) {
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(24)) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(index.join(&name), changed).unwrap();
            // White space of JSON may change, and files that a sample does not need.
            match finished.sample(1, 3, 0) {
                Ok(found) => assert_eq!(found, expected, "byte {at} of {name}"),
                Err(error) => assert!(error.to_string().contains(&name), "{error}"),
            }
        }
        fs::write(index.join(&name), bytes).unwrap();
    }
}

#[test]
fn a_changed_byte_of_a_segment_stops_a_resumed_pass() {
    let case = new();
    case.analyse().unwrap();
    let expected = files(&case.out());
    let mut refused = 0;
    for at in [0, 64, 200, 333] {
        Analysis::remove(&case.out(), &[]).unwrap();
        let interrupt = Interrupt::default();
        let mut stopper = Stopper { left: 4, interrupt: &interrupt };
        case.analyse_with(&case.toy, &mut stopper, &interrupt).unwrap_err();
        let path = case.out().join("index/firings-00000.bin");
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 8;
        fs::write(&path, bytes).unwrap();
        match case.analyse() {
            Ok(_) => assert!(files(&case.out()) == expected, "byte {at}"),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("firings-00000.bin was changed"), "{text}");
                assert!(text.contains("analyse again"), "{text}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

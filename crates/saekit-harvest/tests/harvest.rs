//! What a store holds after a harvest.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{
    Array as _, ArrayRef, BinaryArray, DictionaryArray, FixedSizeListArray, Int32Array, Int64Array,
    LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray, UInt16Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use common::{
    Characters, Desk, HOOKS, Toy, WIDTHS, activation, files, rows, sequences, some_texts,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use saekit_core::{HookPoint, Interrupt, Observer, Silent, Tokenizer as _};
use saekit_harvest::Harvest;

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn every_row_is_the_activation_of_the_token_at_its_place() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.config.hooks = HOOKS.into_iter().map(HookPoint::new).collect();
    let store = desk.store();
    let sequences = sequences(&store);
    for (hook, name) in HOOKS.into_iter().enumerate() {
        let rows = rows(&store, name);
        assert_eq!(rows.len() as u64, store.manifest().rows);
        for (sequence, position, values) in rows {
            let id = sequences[sequence as usize].ids[position as usize];
            let expected: Vec<f32> =
                (0..WIDTHS[hook]).map(|j| activation(hook, id, position as usize, j)).collect();
            assert_eq!(values, expected, "{name}, sequence {sequence}, position {position}");
        }
    }
}

/// One input's tokens, document after document.
fn harvested(name: &str, bytes: &[u8]) -> Vec<u32> {
    let mut desk = Desk::new();
    desk.input(name, bytes);
    sequences(&desk.store()).into_iter().flat_map(|sequence| sequence.ids).collect()
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let line = b"{\"text\": \"abc\"}\n";
    let marked = |bytes: &[u8]| [b"\xef\xbb\xbf", bytes].concat();
    assert_eq!(harvested("a.jsonl", &marked(line)), harvested("a.jsonl", line));
    assert_eq!(harvested("a.txt", &marked(b"abc")), harvested("a.txt", b"abc"));
}

#[test]
fn fields_that_nobody_asked_for_may_hold_anything() {
    let odd = br#"{"a": NaN, "b": [-Infinity, {"c": "\ud800"}], "text": "abc", "d": 1e999}"#;
    assert_eq!(harvested("a.jsonl", odd), harvested("a.txt", b"abc"));
}

#[test]
fn packed_files_are_unpacked_while_they_are_read() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (one, two) = (b"{\"text\": \"abc\"}\n", b"{\"text\": \"defg\"}\n");
    let plain = harvested("a.jsonl", &[&one[..], two].concat());
    let members = [gzip(one), gzip(two)].concat();
    assert_eq!(harvested("a.jsonl.gz", &members), plain, "two members");
    assert_eq!(harvested("a.jsonl", &members), plain, "without the ending");
    let frames = [&one[..], two].map(|part| zstd::encode_all(part, 3).unwrap()).concat();
    assert_eq!(harvested("a.json.zst", &frames), plain, "two frames");
}

#[test]
fn null_texts_are_counted_and_binary_columns_read() {
    let texts: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"abc"), None]));
    assert_eq!(harvested("a.parquet", &parquet(vec![("text", texts)])), harvested("a.txt", b"abc"));
    let lines = b"{\"text\": null}\n{\"text\": \"abc\"}\n";
    assert_eq!(harvested("a.jsonl", lines), harvested("a.txt", b"abc"));
}

#[test]
fn several_hook_points_take_one_forward_pass() {
    let mut desk = Desk::new();
    desk.input("a.txt", "x".repeat(15 * 8));
    desk.config.hooks = HOOKS.into_iter().map(HookPoint::new).collect();
    desk.run().unwrap();
    assert_eq!(
        desk.model.forwards.load(Ordering::SeqCst),
        2,
        "8 contexts of 16, 64 tokens a batch"
    );
}

#[test]
fn every_token_but_the_special_has_a_row() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    let report = desk.run().unwrap();
    let store = saekit_store::Store::open(desk.out()).unwrap();
    let sequences = sequences(&store);
    let ids: Vec<u32> = sequences.iter().flat_map(|s| s.ids.iter().copied()).collect();
    let special = ids.iter().filter(|id| [0, 299].contains(*id)).count() as u64;
    assert_eq!((report.tokens, report.excluded), (ids.len() as u64, special));
    assert_eq!(
        (report.rows, report.sequences),
        (ids.len() as u64 - special, sequences.len() as u64)
    );
    assert_eq!(store.manifest().excluded_tokens, [0, 299]);
    assert!(special >= sequences.len() as u64, "each context begins with BOS");

    desk.config.keep_special = true;
    let store = desk.store_again();
    assert_eq!(store.manifest().rows, ids.len() as u64);
    assert!(store.manifest().excluded_tokens.is_empty());
}

/// The characters of each document as the tokens table tells them.
fn spelled(desk: &Desk, texts: &[String]) -> Vec<Vec<(u32, u32, u32)>> {
    let store = desk.store();
    let mut documents = vec![Vec::new(); texts.len()];
    for sequence in sequences(&store) {
        for (i, id) in sequence.ids.iter().enumerate() {
            let (start, end) = (sequence.byte_starts[i], sequence.byte_ends[i]);
            if end > start {
                documents[sequence.documents[i] as usize].push((*id, start, end));
            }
        }
    }
    documents
}

#[test]
fn offsets_slice_the_text_of_each_token() {
    let texts = some_texts();
    let mut desk = Desk::new();
    desk.texts(&texts);
    for (text, tokens) in texts.iter().zip(spelled(&desk, &texts)) {
        let slices =
            tokens.iter().map(|(id, start, end)| (&text[*start as usize..*end as usize], *id));
        let expected = text
            .char_indices()
            .map(|(at, c)| (&text[at..at + c.len_utf8()], Characters::default().id(c)));
        assert!(slices.eq(expected), "{text:?}");
    }
}

#[test]
fn a_text_longer_than_a_piece_keeps_every_token_and_offset() {
    let text = "some words and more ".repeat(60_000);
    assert!(text.len() > 1 << 20);
    let mut desk = Desk::new();
    desk.model = Toy::new(1024);
    desk.input("long.txt", &text);
    let tokens = spelled(&desk, std::slice::from_ref(&text)).remove(0);
    assert_eq!(tokens.len(), text.len());
    assert!(
        tokens
            .iter()
            .enumerate()
            .all(|(at, (_, start, end))| (at, at + 1) == (*start as usize, *end as usize))
    );
}

#[test]
fn contexts_are_as_long_as_asked_and_only_the_last_is_shorter() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.config.context_size = Some(10);
    let store = desk.store();
    let sequences = sequences(&store);
    let (last, full) = sequences.split_last().unwrap();
    assert!(full.iter().all(|s| s.ids.len() == 10 && s.ids[0] == 0));
    assert!((2..=10).contains(&last.ids.len()));
    assert_eq!(
        (store.manifest().context_size, store.manifest().prepend_bos),
        (Some(10), Some(true))
    );
}

#[test]
fn without_bos_nothing_is_added() {
    let mut desk = Desk::new();
    desk.tokenizer = Some(Characters { plain: true, ..Characters::default() });
    desk.texts(&["abc".to_owned(), "de".to_owned()]);
    let report = desk.run().unwrap();
    assert_eq!((report.tokens, report.rows, report.sequences), (5, 5, 1));
    assert_eq!(report.manifest.prepend_bos, Some(false));
}

/// The order in which documents come in the tokens table.
fn order(desk: &Desk) -> Vec<u32> {
    let mut documents = Vec::new();
    for sequence in sequences(&desk.store_again()) {
        documents.extend(sequence.documents);
    }
    documents.dedup();
    documents
}

#[test]
fn documents_come_once_each_in_an_order_the_seed_decides() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    let first = order(&desk);
    assert_eq!(first, order(&desk));
    desk.config.seed = 1;
    let second = order(&desk);
    assert_ne!(first, second);
    for mut documents in [first, second] {
        documents.sort_unstable();
        assert_eq!(documents, (0..40).collect::<Vec<_>>());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_whatever_the_batch() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.config.shard_bytes = 1000;
    desk.store();
    let first = files(&desk.out());
    assert!(first.len() > 5, "several shards");
    for batch_tokens in [64, 1, 1000] {
        desk.config.batch_tokens = batch_tokens;
        desk.store_again();
        assert!(first == files(&desk.out()), "batches of {batch_tokens} tokens");
    }
}

#[test]
fn the_manifest_names_no_path_of_this_machine() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    let store = desk.store();
    let manifest = std::fs::read_to_string(desk.out().join("manifest.json")).unwrap();
    let dir = desk.dir.path().file_name().unwrap().to_string_lossy().into_owned();
    assert!(!manifest.contains(&dir), "{manifest}");
    let dataset = store.manifest().dataset.clone().unwrap();
    let expected = saekit_core::files::sha256_file(&desk.config.inputs[0]).unwrap();
    assert_eq!((dataset.name.as_str(), dataset.sha256), ("texts.jsonl", Some(expected)));
    assert_eq!(store.manifest().tokenizer_sha256.as_deref(), Some("of the tokenizer"));

    desk.config.dataset = Some("some texts".to_owned());
    let store = desk.store_again();
    assert_eq!(store.manifest().dataset.as_ref().unwrap().name, "some texts");
}

#[test]
fn txt_jsonl_and_parquet_give_the_same_documents() {
    let texts = some_texts();
    let mut desk = Desk::new();
    desk.texts(&texts);
    let expected = sequences(&desk.store());
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts.clone())),
        Arc::new(StringViewArray::from(texts.clone())),
        Arc::new(texts.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>()),
    ];
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..40));
    for array in arrays {
        let kind = array.data_type().clone();
        desk.config.inputs.clear();
        desk.input(
            "texts.parquet",
            parquet(vec![("number", Arc::clone(&numbers)), ("text", array)]),
        );
        assert!(sequences(&desk.store_again()) == expected, "{kind}");
    }
    desk.config.inputs.clear();
    for (i, text) in texts.iter().enumerate() {
        desk.input(&format!("folder/{i:02}.txt"), text);
    }
    assert!(sequences(&desk.store_again()) == expected, "files");
    desk.input("folder/notes.md", "not read");
    desk.config.inputs = vec![desk.dir.path().join("folder")];
    assert!(sequences(&desk.store_again()) == expected, "folder");
}

#[test]
fn a_field_can_be_named() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": \"abc\", \"body\": \"defg\"}\n\n");
    desk.config.text_field = Some("body".to_owned());
    assert_eq!(desk.run().unwrap().rows, 4);
}

#[test]
fn token_ids_are_taken_as_they_are() {
    let mut desk = Desk::new();
    desk.tokenizer = None;
    desk.input(
        "a.jsonl",
        "{\"input_ids\": [5, 0, 7]}\n{\"input_ids\": [9]}\n{\"input_ids\": []}\n",
    );
    let store = desk.store();
    let mut found: Vec<Vec<u32>> = sequences(&store).into_iter().map(|s| s.ids).collect();
    found.sort();
    assert_eq!(found, [vec![5, 0, 7], vec![9]]);
    assert_eq!(store.manifest().rows, 4, "without a tokenizer no id is special");
    assert_eq!((store.manifest().context_size, store.manifest().prepend_bos), (None, None));

    desk.tokenizer = Some(Characters::default());
    let store = desk.store_again();
    assert_eq!(store.manifest().rows, 3);
}

#[test]
fn token_ids_come_from_any_list_of_integers() {
    let field = |to: DataType| Arc::new(Field::new("item", to, true));
    let offsets = || arrow::buffer::OffsetBuffer::<i32>::from_lengths([2, 2]);
    let long: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let short: ArrayRef = Arc::new(UInt16Array::from(vec![1, 2, 3, 4]));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(ListArray::new(field(DataType::Int64), offsets(), Arc::clone(&long), None)),
        Arc::new(ListArray::new(field(DataType::UInt16), offsets(), short, None)),
        Arc::new(FixedSizeListArray::new(field(DataType::Int64), 2, long, None)),
    ];
    for array in arrays {
        let mut desk = Desk::new();
        desk.input("ids.parquet", parquet(vec![("input_ids", array)]));
        let store = desk.store();
        let mut found: Vec<Vec<u32>> = sequences(&store).into_iter().map(|s| s.ids).collect();
        found.sort();
        assert_eq!(found, [[1, 2], [3, 4]]);
        assert_eq!(store.manifest().context_size, Some(2));
    }
}

#[test]
fn max_rows_ends_a_harvest_at_exactly_that_row() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    let all = desk.store();
    let (all_rows, all_sequences) = (rows(&all, HOOKS[1]), sequences(&all));
    for batch_tokens in [16, 64] {
        desk.config.batch_tokens = batch_tokens;
        desk.config.max_rows = Some(101);
        let store = desk.store_again();
        assert!(rows(&store, HOOKS[1]) == all_rows[..101]);
        let sequences = sequences(&store);
        assert_eq!(sequences, all_sequences[..sequences.len()]);
        assert_eq!(sequences.len() as u32, all_rows[100].0 + 1);
    }
}

#[test]
fn an_interrupt_leaves_no_store_and_nothing_beside_it() {
    let mut desk = Desk::new();
    desk.input("a.txt", "x".repeat(100_000));
    desk.model.interrupts_at = Some(2);
    assert_eq!(desk.error(), "interrupted");
    let beside: Vec<String> = files(desk.dir.path())
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("store/"))
        .collect();
    assert_eq!(beside, ["a.txt"]);
    desk.model = Toy::new(16);
    desk.config.max_rows = Some(100);
    desk.run().unwrap();
}

#[test]
fn an_interrupt_ends_the_reading_of_documents() {
    let mut desk = Desk::new();
    desk.texts(&some_texts());
    desk.model.interrupt.raise();
    assert_eq!(desk.error(), "interrupted");
    assert_eq!(desk.model.forwards.load(Ordering::SeqCst), 0);
}

#[derive(Default)]
struct Log {
    begun: Vec<(String, Option<u64>, String)>,
    done: u64,
    note: String,
    warnings: Vec<String>,
}

impl Observer for Log {
    fn begin(&mut self, phase: &str, total: Option<u64>, unit: &str) {
        self.begun.push((phase.to_owned(), total, unit.to_owned()));
    }

    fn advance(&mut self, done: u64, note: &str) {
        (self.done, self.note) = (done, note.to_owned());
    }

    fn warn(&mut self, message: &str) {
        self.warnings.push(message.to_owned());
    }
}

#[test]
fn progress_reaches_the_total_and_tells_the_rate() {
    let mut desk = Desk::new();
    desk.texts(&["abc".to_owned(), String::new(), "de".to_owned()]);
    let mut log = Log::default();
    desk.prepare().unwrap().run(&Interrupt::default(), &mut log).unwrap();
    assert_eq!(log.begun, [("harvesting".to_owned(), Some(5), "bytes".to_owned())]);
    assert_eq!(log.done, 5);
    assert!(log.note.starts_with("5 rows, ") && log.note.ends_with(" rows/s"), "{}", log.note);
    assert_eq!(log.warnings, ["1 of 3 documents are empty"]);
}

#[test]
fn a_model_without_tokenizer_is_told_that_every_row_is_kept() {
    let mut desk = Desk::new();
    desk.tokenizer = None;
    desk.input("a.jsonl", "{\"input_ids\": [1, 2]}");
    let mut log = Log::default();
    desk.prepare().unwrap().run(&Interrupt::default(), &mut log).unwrap();
    assert!(log.warnings[0].contains("every row is kept"), "{:?}", log.warnings);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_text_is_lost_or_made_up(
        texts in proptest::collection::vec("[a-zä \n]{0,40}", 1..20),
        seed: u64,
        context_size in 2_usize..16,
    ) {
        let mut desk = Desk::new();
        desk.texts(&texts);
        desk.config.seed = seed;
        desk.config.context_size = Some(context_size);
        let characters: usize = texts.iter().map(|text| text.chars().count()).sum();
        let tokenizer = desk.tokenizer.take().unwrap();
        let interrupt = Interrupt::default();
        let prepared = Harvest::prepare(
            desk.config.clone(), &desk.model, Some(&tokenizer), &desk.out(), &interrupt, &mut Silent,
        );
        if characters == 0 {
            prop_assert_eq!(prepared.err().map(|e| e.to_string().contains("holds a token")), Some(true));
            return Ok(());
        }
        let report = prepared.unwrap().run(&interrupt, &mut Silent).unwrap();
        prop_assert_eq!(report.rows, characters as u64);
        prop_assert_eq!(tokenizer.bos(), Some(0));
    }
}

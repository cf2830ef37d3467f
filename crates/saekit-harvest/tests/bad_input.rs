//! Each way an input can be wrong, with the message it gets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use common::{Characters, Desk};
use parquet::arrow::ArrowWriter;
use saekit_core::HookPoint;
use saekit_core::rng::Rng;

/// Fails unless `message` holds every one of `parts`.
#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    assert!(message.len() < 400, "{message:?} is long");
}

fn parquet(name: &str, column: ArrayRef) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn no_input() {
    says(&Desk::new().error(), &["no input", ".txt, .jsonl, .parquet, .arrow"]);
}

#[test]
fn missing_path() {
    let mut desk = Desk::new();
    desk.config.inputs.push(desk.dir.path().join("nowhere.txt"));
    says(&desk.error(), &["no file or folder", "nowhere.txt", "check the path"]);
}

#[test]
fn unknown_extension() {
    let mut desk = Desk::new();
    desk.input("a.docx", "x");
    says(&desk.error(), &["a.docx", "expected .txt, .jsonl, .parquet, .arrow"]);
}

#[test]
fn folder_without_documents() {
    let mut desk = Desk::new();
    desk.input("folder/readme.md", "x");
    desk.config.inputs = vec![desk.dir.path().join("folder")];
    says(&desk.error(), &["folder", "holds no file of .txt, .jsonl, .parquet, .arrow"]);
}

#[test]
fn empty_text_file() {
    let mut desk = Desk::new();
    desk.input("a.txt", "some");
    desk.input("b.txt", "");
    says(&desk.error(), &["b.txt holds no document", "leave it out"]);
}

#[test]
fn json_lines_without_a_line() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "\n  \n");
    says(&desk.error(), &["a.jsonl holds no document"]);
}

#[test]
fn parquet_without_a_row() {
    let mut desk = Desk::new();
    desk.input("a.parquet", parquet("text", Arc::new(StringArray::from(Vec::<&str>::new()))));
    says(&desk.error(), &["a.parquet holds no document"]);
}

#[test]
fn only_empty_documents() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": \"\"}\n{\"text\": \"\"}\n");
    says(&desk.error(), &["not one of the 2 documents", "holds a token"]);
}

#[test]
fn only_special_tokens() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"input_ids\": [0, 0]}\n");
    says(&desk.error(), &["has no rows", "every token was left out"]);
}

#[test]
fn text_that_is_not_utf8() {
    let mut desk = Desk::new();
    desk.input("a.txt", b"ab\xff\xfe");
    says(&desk.error(), &["a.txt is not UTF-8", "byte 2 ", "iconv"]);
}

#[test]
fn text_that_ends_within_a_character() {
    let mut desk = Desk::new();
    desk.input("a.txt", b"abc\xe2\x82");
    says(&desk.error(), &["a.txt is not UTF-8", "byte 3 "]);
}

#[test]
fn text_that_is_not_utf8_after_a_block() {
    let mut bytes = "é".repeat(700_000).into_bytes();
    bytes[1_300_001] = b'x';
    let mut desk = Desk::new();
    desk.input("a.txt", bytes);
    says(&desk.error(), &["a.txt is not UTF-8", "byte 1300000 "]);
}

#[test]
fn json_lines_that_are_not_utf8() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", b"{\"text\": \"a\"}\n{\"text\": \"\xff\"}\n");
    says(&desk.error(), &["a.jsonl:2 is not UTF-8", "byte 24 "]);
}

#[test]
fn a_line_that_is_not_json() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"\n");
    says(&desk.error(), &["a.jsonl:2 is not a JSON object"]);
}

#[test]
fn a_line_that_is_json_but_no_object() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "[1, 2]\n");
    says(&desk.error(), &["a.jsonl:1 is not a JSON object"]);
}

#[test]
fn a_json_record_without_the_field() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": \"a\"}\n{\"body\": \"b\", \"title\": \"c\"}\n");
    let parts = ["a.jsonl:2", "no field `text` or `input_ids`", "`body`, `title`", "--text-field"];
    says(&desk.error(), &parts);
}

#[test]
fn a_parquet_file_without_the_column() {
    let mut desk = Desk::new();
    desk.input("a.parquet", parquet("body", Arc::new(StringArray::from(vec!["x"]))));
    desk.config.text_field = Some("content".to_owned());
    says(&desk.error(), &["a.parquet", "no field `content`", "`body`"]);
}

#[test]
fn a_field_that_is_a_number() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": 3}\n");
    says(&desk.error(), &["a.jsonl:1: field `text` is a number", "expected a string or a list"]);
}

#[test]
fn a_list_that_holds_more_than_integers() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"input_ids\": [1, 2.5]}\n");
    says(&desk.error(), &["a.jsonl:1: field `input_ids` is a list with other values"]);
}

#[test]
fn a_column_of_floats() {
    let mut desk = Desk::new();
    desk.input("a.parquet", parquet("text", Arc::new(Float32Array::from(vec![1.0]))));
    says(&desk.error(), &["a.parquet, row 0: field `text` is a column of FLOAT"]);
}

#[test]
fn packed_files_that_are_cut_short_or_not_read() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all("{\"text\": \"abc\"}\n".repeat(100).as_bytes()).unwrap();
    let mut packed = packed.finish().unwrap();
    packed.truncate(packed.len() - 6);
    let mut desk = Desk::new();
    desk.input("a.jsonl.gz", packed);
    says(&desk.error(), &["cannot unpack", "a.jsonl.gz (gzip)", "download it again"]);
    let mut desk = Desk::new();
    desk.input("a.jsonl.xz", b"\xfd7zXZ\0...");
    says(&desk.error(), &["a.jsonl.xz is packed by xz", "`xz -d`"]);
    let mut desk = Desk::new();
    desk.input("a.txt.bz2", b"BZh91AY&SY...");
    says(&desk.error(), &["a.txt.bz2 is packed by bzip2", "`bzip2 -d`"]);
}

#[test]
fn text_in_utf_16() {
    let mut desk = Desk::new();
    desk.input("a.txt", b"\xff\xfea\0");
    says(&desk.error(), &["a.txt is in UTF-16", "`iconv -f UTF-16 -t UTF-8`"]);
}

#[test]
fn files_that_stand_in_for_others() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    for name in ["a.parquet", "a.jsonl", "a.arrow"] {
        let mut desk = Desk::new();
        desk.input(name, pointer);
        says(&desk.error(), &[name, "is a git-lfs pointer", "`git lfs pull`"]);
    }
    let mut desk = Desk::new();
    desk.input("a.parquet", "<!DOCTYPE html>");
    says(&desk.error(), &["a.parquet is a page of HTML", "download it again"]);
}

#[test]
fn many_fields_are_not_listed() {
    let fields: Vec<String> = (0..300).map(|i| format!("\"f{i}\": NaN")).collect();
    let mut desk = Desk::new();
    desk.input("a.jsonl", format!("{{{}}}\n", fields.join(", ")));
    says(&desk.error(), &["it has 300 fields (`f0`, ", "`f7`, ...)"]);
}

/// Nothing panics, hangs or takes memory by a number in a damaged file. The seed decides the bits.
#[test]
fn mutated_files_are_read_or_refused() {
    let text = parquet("text", Arc::new(StringArray::from(vec!["some text", "another"])));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)])]);
    let ids = parquet("input_ids", Arc::new(lists));
    let lines = b"{\"text\": \"a\\u00e9\", \"x\": [NaN, {\"y\": 1}]}\n".to_vec();
    for (name, bytes) in [("a.parquet", text), ("a.parquet", ids), ("a.jsonl", lines)] {
        let rng = Rng::new(7, name);
        for round in 0..200 {
            let mut bytes = bytes.clone();
            for flip in 0..=round % 3 {
                let bit = rng.child(round).below(flip, 8 * bytes.len() as u64);
                bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            let mut desk = Desk::new();
            desk.input(name, bytes);
            if let Err(error) = desk.prepare() {
                assert!(error.to_string().len() < 600, "{error}");
            }
        }
    }
}

#[test]
fn nothing_but_nulls() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": null}\n");
    says(&desk.error(), &["not one of the 0 documents", "check the field"]);
}

#[test]
fn a_truncated_parquet_file() {
    let mut desk = Desk::new();
    let mut bytes = parquet("text", Arc::new(StringArray::from(vec!["x"; 100])));
    bytes.truncate(bytes.len() - 5);
    desk.input("a.parquet", bytes);
    says(&desk.error(), &["cannot read", "a.parquet: ", "download or write it again"]);
}

#[test]
fn text_and_token_ids_together() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"text\": \"a\"}\n{\"input_ids\": [1]}\n");
    says(&desk.error(), &["a.jsonl:2 holds token ids, the records before it text", "separately"]);
}

#[test]
fn a_token_id_beyond_the_vocabulary() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"input_ids\": [1, 299]}\n{\"input_ids\": [1, 300]}\n");
    says(&desk.error(), &["a.jsonl:2 holds token id 300", "0 to 299"]);
}

#[test]
fn a_negative_token_id() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", "{\"input_ids\": [-100]}\n");
    says(&desk.error(), &["a.jsonl:1 holds token id -100"]);
}

#[test]
fn token_ids_longer_than_the_model_takes() {
    let mut desk = Desk::new();
    desk.input("a.jsonl", format!("{{\"input_ids\": {:?}}}\n", [1; 17]));
    says(&desk.error(), &["a.jsonl:1 holds 17 token ids, the model takes 16", "cut the records"]);
}

#[test]
fn text_for_a_model_without_tokenizer() {
    let mut desk = Desk::new();
    desk.tokenizer = None;
    desk.input("a.txt", "abc");
    says(&desk.error(), &["a.txt holds text", "tokenizer.json", "input_ids"]);
}

#[test]
fn a_tokenizer_of_another_model() {
    let mut desk = Desk::new();
    desk.tokenizer = Some(Characters { shift: 290, ..Characters::default() });
    desk.input("a.txt", "abc");
    says(
        &desk.error(),
        &["the tokenizer gives id 388", "document 0", "0 to 299", "came with the model"],
    );
}

#[test]
fn a_hook_point_that_does_not_exist() {
    let mut desk = Desk::new();
    desk.input("a.txt", "abc");
    desk.config.hooks = vec![HookPoint::new("blocks.7.hook_resid_post")];
    let parts = ["`blocks.7.hook_resid_post`", "toy", "`blocks.{0..1}.hook_resid_post`"];
    says(&desk.error(), &parts);
}

#[test]
fn no_hook_point() {
    let mut desk = Desk::new();
    desk.input("a.txt", "abc");
    desk.config.hooks.clear();
    says(&desk.error(), &["`hooks` is empty", "one or several hook points"]);
}

#[test]
fn a_hook_point_twice() {
    let mut desk = Desk::new();
    desk.input("a.txt", "abc");
    desk.config.hooks.push(desk.config.hooks[0].clone());
    says(&desk.error(), &["`hooks` is `blocks.0.hook_resid_post` twice"]);
}

#[test]
fn a_context_longer_than_the_model_takes() {
    let mut desk = Desk::new();
    desk.input("a.txt", "abc");
    for size in [17, 1] {
        desk.config.context_size = Some(size);
        says(&desk.error(), &[&format!("`context_size` is {size}, expected 2 to 16")]);
    }
}

#[test]
fn activations_that_are_not_numbers() {
    let mut desk = Desk::new();
    let tokenizer = Characters::default();
    desk.input("a.txt", "abcdefghijklmnopqrstuvwxyz");
    desk.model.odd_at = Some((tokenizer.id('r'), f32::NAN));
    says(&desk.error(), &["NaN", "blocks.0.hook_resid_post", "sequence 1", "position 3"]);
}

#[test]
fn activations_that_the_dtype_cannot_hold() {
    use saekit_store::DType::{BF16, F16, F32, I8};
    for (dtype, value, remedy) in [
        (F16, -70000.0, BF16),
        (BF16, f32::MAX, F32),
        (I8, f32::MIN, F32),
        (F16, f32::INFINITY, F32),
    ] {
        let mut desk = Desk::new();
        desk.input("a.txt", "abcdefghijklmnopqrstuvwxyz");
        desk.model.odd_at = Some((Characters::default().id('r'), value));
        desk.config.dtype = dtype;
        let place = "at sequence 1, position 3, element 0";
        let expected = if value.is_finite() {
            format!("{place}, which {dtype} cannot hold; use `--dtype {remedy}`")
        } else {
            format!("{place}; check the model's weights and its input")
        };
        says(&desk.error(), &["`blocks.0.hook_resid_post` is", &value.to_string(), &expected]);
        desk.config.dtype = remedy;
        assert_eq!(desk.run().is_ok(), value.is_finite());
    }
}

#[test]
fn a_folder_that_holds_a_store() {
    let mut desk = Desk::new();
    desk.input("a.txt", "abc");
    desk.run().unwrap();
    let message = desk.run().unwrap_err().to_string();
    says(&message, &["already holds a store", "--force"]);
}

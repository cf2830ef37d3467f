//! Each way an input can be wrong, with the message it gets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "this file uses a part")]
mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use common::{Characters, Desk};
use parquet::arrow::ArrowWriter;
use saekit_core::HookPoint;

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
    says(&Desk::new().error(), &["no input", ".txt, .jsonl, .parquet"]);
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
    says(&desk.error(), &["a.docx", "expected .txt, .jsonl, .parquet"]);
}

#[test]
fn folder_without_documents() {
    let mut desk = Desk::new();
    desk.input("folder/readme.md", "x");
    desk.config.inputs = vec![desk.dir.path().join("folder")];
    says(&desk.error(), &["folder", "holds no file of .txt, .jsonl, .parquet"]);
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
    says(&desk.error(), &["a.parquet, row 0: field `text` is a column of Float32"]);
}

#[test]
fn a_null_in_a_column() {
    let mut desk = Desk::new();
    desk.input("a.parquet", parquet("text", Arc::new(StringArray::from(vec![Some("x"), None]))));
    says(&desk.error(), &["a.parquet, row 1: field `text` is null"]);
}

#[test]
fn a_truncated_parquet_file() {
    let mut desk = Desk::new();
    let mut bytes = parquet("text", Arc::new(StringArray::from(vec!["x"; 100])));
    bytes.truncate(bytes.len() - 5);
    desk.input("a.parquet", bytes);
    says(&desk.error(), &["cannot read", "a.parquet as parquet"]);
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
    says(&desk.error(), &["the tokenizer gives id 388", "0 to 299", "came with the model"]);
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

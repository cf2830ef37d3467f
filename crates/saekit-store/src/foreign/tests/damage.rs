//! Damaged files are errors or, where nothing can tell, other values; never a panic or a hang.

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::super::{Layout, layout_of};
use super::{Golden, Read, opened, read};
use crate::error::Result;

fn read_all(golden: &Golden, bytes: Vec<u8>, group_bytes: usize) -> Result<Read> {
    let found = opened(&golden.file, bytes, &golden.options(group_bytes))?;
    read(&found)
}

#[test]
fn a_truncated_file_is_an_error() {
    for golden in Golden::all() {
        let bytes = golden.bytes();
        for len in 0..bytes.len() {
            let read = read_all(&golden, bytes[..len].to_vec(), 100);
            let Err(error) = read else { panic!("{} of {len} bytes was read", golden.file) };
            assert!(error.to_string().contains(&golden.file), "{error}");
        }
    }
}

#[test]
fn zero_bytes_are_an_error() {
    for golden in Golden::all() {
        let zeros = vec![0; golden.bytes().len()];
        let error = read_all(&golden, zeros, 100).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
}

/// Pages with a CRC: each of their bytes matters.
#[test]
fn a_changed_byte_in_a_page_with_a_checksum_is_an_error() {
    for golden in Golden::all().into_iter().filter(|golden| golden.checked) {
        let bytes = golden.bytes();
        let footer = u32::from_le_bytes(*bytes[..bytes.len() - 4].last_chunk().unwrap()) as usize;
        let pages = 4..bytes.len() - 8 - footer;
        for at in pages {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            if let Ok(read) = read_all(&golden, bytes, 100) {
                // A byte of a header that nobody needs, such as a statistic.
                assert_eq!(read, golden.expected(), "{} with byte {at} changed", golden.file);
            }
        }
    }
}

fn is_arrow(golden: &Golden) -> bool {
    layout_of(&golden.file) == Some(Layout::Arrow)
}

/// Arrow has no checksums, but no bit that is flipped takes rows away.
#[test]
fn a_changed_bit_in_arrow_loses_no_rows() {
    for golden in Golden::all().into_iter().filter(is_arrow) {
        let (bytes, options) = (golden.bytes(), golden.options(1 << 20));
        let Ok(whole) = opened(&golden.file, bytes.clone(), &options) else { continue };
        for bit in 0..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = opened(&golden.file, bytes, &options) {
                assert_eq!(found.rows, whole.rows, "{}: byte {}", golden.file, bit / 8);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_no_panic(
        file in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        near_end in any::<bool>(),
        group_bytes in 1_usize..5000,
    ) {
        let all = Golden::all();
        let golden = file.get(&all);
        let mut bytes = golden.bytes();
        let from = if near_end { bytes.len() / 2 } else { 0 };
        for (at, byte) in damage {
            *at.get_mut(&mut bytes[from..]) = byte;
        }
        let unchanged = bytes == golden.bytes();
        let read = read_all(golden, bytes, group_bytes);
        if unchanged {
            prop_assert_eq!(read.unwrap(), golden.expected());
        }
    }
}

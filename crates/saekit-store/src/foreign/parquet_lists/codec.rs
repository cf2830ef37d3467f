//! Decompression into exactly as many bytes as a header promises.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;

/// A codec that pages are read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Snappy,
    Gzip,
    Lz4,
    Zstd,
}

impl Codec {
    /// The codecs to use instead, in words.
    pub(super) const EXPECTED: &'static str =
        "no compression, or snappy, gzip, lz4 (LZ4_RAW) or zstd";

    pub(super) fn new(compression: Compression) -> Option<Self> {
        match compression {
            Compression::UNCOMPRESSED => Some(Self::Plain),
            Compression::SNAPPY => Some(Self::Snappy),
            Compression::GZIP(_) => Some(Self::Gzip),
            Compression::LZ4_RAW => Some(Self::Lz4),
            Compression::ZSTD(_) => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Decompresses `stored` to `out`, which it must fill; what is wrong otherwise.
    pub(super) fn decompress(self, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
        let filled =
            match self {
                Self::Plain => return copy(stored, out),
                Self::Snappy => snap::raw::Decoder::new()
                    .decompress(stored, out)
                    .map_err(|error| error.to_string())?,
                Self::Gzip => {
                    let mut decoder = MultiGzDecoder::new(stored);
                    decoder.read_exact(out).map_err(|error| error.to_string())?;
                    // Reading on to the end is what checks the checksum.
                    let more = decoder.read(&mut [0]).map_err(|error| error.to_string())?;
                    out.len() + more
                }
                Self::Lz4 => lz4_flex::block::decompress_into(stored, out)
                    .map_err(|error| error.to_string())?,
                Self::Zstd => zstd::bulk::decompress_to_buffer(stored, out)
                    .map_err(|error| error.to_string())?,
            };
        if filled == out.len() { Ok(()) } else { Err(other_size(filled, out)) }
    }
}

fn copy(stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    if stored.len() != out.len() {
        return Err(other_size(stored.len(), out));
    }
    out.copy_from_slice(stored);
    Ok(())
}

fn other_size(found: usize, out: &[u8]) -> String {
    format!("it has {found} bytes, expected {}", out.len())
}

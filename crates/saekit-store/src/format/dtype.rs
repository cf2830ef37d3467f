use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytemuck::{AnyBitPattern, NoUninit};
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::error::WriteError;

/// The type of stored values, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE half precision: 11 bits of mantissa, up to 65504.
    #[default]
    F16,
    /// The upper half of a single: 8 bits of mantissa, the range of `f32`.
    BF16,
    /// IEEE single precision.
    F32,
    /// A scale per row (f32), then a signed byte per value; a value is their product.
    ///
    /// The single is a 127th of the row's largest absolute value, and 0 for a row of zeros; the bytes
    /// are -127 to 127, rounded to the nearest, ties to even.
    I8,
}

/// Bytes before the values of a row of [`DType::I8`]: its scale.
const SCALE_BYTES: usize = size_of::<f32>();

impl DType {
    /// Every dtype.
    pub const ALL: [Self; 4] = [Self::F16, Self::BF16, Self::F32, Self::I8];

    /// Bytes per value, without the scale of a row.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::I8 => 1,
        }
    }

    /// Bytes of a row of `width` values.
    pub fn row_bytes(self, width: usize) -> usize {
        width * self.bytes() + self.bytes_before()
    }

    /// [`row_bytes`](Self::row_bytes) as parquet counts them; `None` where there are none or too
    /// many.
    pub(crate) fn parquet_bytes(self, width: usize) -> Option<i32> {
        let bytes = width.checked_mul(self.bytes())?.checked_add(self.bytes_before())?;
        i32::try_from(bytes).ok().filter(|_| width > 0)
    }

    /// Bytes before the first value of a row.
    fn bytes_before(self) -> usize {
        match self {
            Self::F16 | Self::BF16 | Self::F32 => 0,
            Self::I8 => SCALE_BYTES,
        }
    }

    /// The name in manifests, footers and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::I8 => "i8",
        }
    }

    /// The least absolute value that becomes infinite.
    pub(crate) fn limit(self) -> f32 {
        match self {
            Self::F16 => 65520.0, // half a step above the largest, 65504
            Self::BF16 => f32::from_bits(0x7F7F_8000),
            Self::F32 => f32::INFINITY,
            Self::I8 => f32::MAX, // 127 times its 127th, which is rounded up
        }
    }

    /// A dtype that holds every finite `value`.
    pub(crate) fn holding(value: f32) -> Self {
        if value.abs() < Self::BF16.limit() { Self::BF16 } else { Self::F32 }
    }

    /// Appends `row` to `out` as stored, and leaves in `row` what a reader will get.
    pub(crate) fn store(self, row: &mut [f32], scratch: &mut Vec<u16>, out: &mut Vec<u8>) {
        scratch.resize(row.len(), 0);
        match self {
            Self::F16 => {
                let halves = scratch.reinterpret_cast_mut::<f16>();
                halves.convert_from_f32_slice(row);
                halves.convert_to_f32_slice(row);
                out.extend_from_slice(bytemuck::cast_slice(scratch));
            }
            Self::BF16 => {
                let halves = scratch.reinterpret_cast_mut::<bf16>();
                halves.convert_from_f32_slice(row);
                halves.convert_to_f32_slice(row);
                out.extend_from_slice(bytemuck::cast_slice(scratch));
            }
            Self::F32 => out.extend_from_slice(bytemuck::cast_slice(row)),
            Self::I8 => store_bytes(row, out),
        }
    }

    /// Reads a stored row, multiplied by `scale`, and says whether every value in it is finite;
    /// `bytes` are aligned to the value.
    pub(crate) fn load(self, bytes: &[u8], scale: f32, row: &mut [f32]) -> bool {
        let finite = match self {
            Self::F16 => {
                let words = words::<u16>(bytes);
                words.reinterpret_cast::<f16>().convert_to_f32_slice(row);
                are_below(&words, f16::INFINITY.to_bits())
            }
            Self::BF16 => {
                let words = words::<u16>(bytes);
                words.reinterpret_cast::<bf16>().convert_to_f32_slice(row);
                are_below(&words, bf16::INFINITY.to_bits())
            }
            Self::F32 => {
                row.copy_from_slice(&words(bytes));
                is_finite(row)
            }
            Self::I8 => {
                load_bytes(bytes, row);
                is_finite(row)
            }
        };
        if scale != 1.0 {
            for value in row {
                *value *= scale;
            }
        }
        finite
    }
}

/// Whether all of `words` are below `infinity` without their sign: neither infinite nor NaN.
fn are_below(words: &[u16], infinity: u16) -> bool {
    // Without leaving early, which the compiler can vectorise; signed, for which every machine has
    // an instruction.
    let magnitude = |word: &u16| (word & 0x7FFF).cast_signed();
    words.iter().map(magnitude).fold(0, i16::max) < infinity.cast_signed()
}

/// Whether no value is NaN or infinite.
fn is_finite(row: &[f32]) -> bool {
    // Without leaving early, which the compiler can vectorise.
    let largest = row.iter().fold(0, |largest: u32, value| largest.max(value.to_bits() << 1));
    largest < f32::INFINITY.to_bits() << 1
}

/// [`DType::store`] of `i8`.
fn store_bytes(row: &mut [f32], out: &mut Vec<u8>) {
    // Without their sign, floats are in the order of their bits.
    let largest = row.iter().map(|value| value.abs().to_bits()).max().unwrap_or(0);
    let scale = f32::from_bits(largest) / 127.0;
    out.extend(scale.to_le_bytes());
    let start = out.len();
    out.resize(start + row.len(), 0);
    if scale == 0.0 {
        row.fill(0.0);
        return;
    }
    for (value, byte) in row.iter_mut().zip(&mut out[start..]) {
        // Where the scale is subnormal, it is too coarse for a quotient of 127 at most.
        let rounded = round(*value / scale).clamp(-127.0, 127.0);
        *byte = (rounded as i8).cast_unsigned();
        *value = rounded * scale;
    }
}

/// The nearest integer, ties to even, of a value below 2^22: there is no room for more in a sum
/// this large, and unlike a call it is done for many values at once.
fn round(value: f32) -> f32 {
    const LARGE: f32 = (3 << 22) as f32;
    value + LARGE - LARGE
}

/// [`DType::load`] of `i8`.
fn load_bytes(bytes: &[u8], row: &mut [f32]) {
    let (scale, values) = bytes.split_first_chunk().expect("a row begins with its scale");
    let scale = f32::from_le_bytes(*scale);
    for (value, byte) in row.iter_mut().zip(values) {
        *value = f32::from(byte.cast_signed()) * scale;
    }
}

/// `bytes` as numbers; copied where they are not aligned.
fn words<T: AnyBitPattern + NoUninit>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(words) => Cow::Borrowed(words),
        Err(_) => Cow::Owned(
            bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect(),
        ),
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = crate::error::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| {
            WriteError::Spec { problem: format!("dtype `{name}`, expected f16, bf16, f32 or i8") }
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn limits_are_the_first_values_that_round_to_infinity() {
        let below = |x: f32| f32::from_bits(x.to_bits() - 1);
        assert!(f16::from_f32(DType::F16.limit()).is_infinite());
        assert!(f16::from_f32(below(DType::F16.limit())).is_finite());
        assert!(bf16::from_f32(DType::BF16.limit()).is_infinite());
        assert!(bf16::from_f32(below(DType::BF16.limit())).is_finite());
    }

    #[test]
    fn values_that_are_not_finite_are_noticed() {
        for dtype in [DType::F16, DType::BF16, DType::F32] {
            for (at, bad) in [(0, f32::NAN), (21, f32::INFINITY), (29, f32::NEG_INFINITY)] {
                let (mut row, mut bytes) = (vec![65504.0; 30], Vec::new());
                dtype.store(&mut row.clone(), &mut Vec::new(), &mut bytes);
                assert!(dtype.load(&bytes, 2.0, &mut row), "{dtype}");
                row[at] = bad;
                bytes.clear();
                dtype.store(&mut row, &mut Vec::new(), &mut bytes);
                assert!(!dtype.load(&bytes, 2.0, &mut row), "{dtype}");
                assert!(!row[at].is_finite());
            }
        }
    }

    /// The results of `np.rint(row / scale)` for the same rows.
    #[test]
    fn bytes_are_as_numpy_rounds_them() {
        let cases: [(&[f32], f32, &[i8]); 4] = [
            (&[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -127.0], 1.0, &[127, 0, 2, 2, 0, -2, -127]),
            (&[0.0, -0.0], 0.0, &[0, 0]),
            (&[1e-45, 0.0], 0.0, &[0, 0]), // a 127th of it is zero
            (&[3.0, -2.0, 0.01], 3.0 / 127.0, &[127, -85, 0]),
        ];
        for (row, scale, expected) in cases {
            let (mut left, mut bytes) = (row.to_vec(), Vec::new());
            DType::I8.store(&mut left, &mut Vec::new(), &mut bytes);
            assert_eq!(bytes[..4], scale.to_le_bytes(), "{row:?}");
            assert_eq!(bytemuck::cast_slice::<u8, i8>(&bytes[4..]), expected, "{row:?}");
            assert!(expected.iter().zip(&left).all(|(q, x)| f32::from(*q) * scale == *x));
        }
    }

    #[test]
    fn bytes_hold_all_but_the_largest_single() {
        let stored = |value: f32| {
            let (mut row, mut bytes) = (vec![value, -value, 0.0], Vec::new());
            DType::I8.store(&mut row, &mut Vec::new(), &mut bytes);
            let mut read = [0.0; 3];
            DType::I8.load(&bytes, 1.0, &mut read);
            assert_eq!(read[1], -row[0]);
            row[0]
        };
        assert!(stored(DType::I8.limit()).is_infinite());
        for value in [f32::from_bits(DType::I8.limit().to_bits() - 1), f32::MIN_POSITIVE, 1e-43] {
            assert!(stored(value).is_finite());
            assert!((stored(value) / value - 1.0).abs() < 0.5, "{value} is {}", stored(value));
        }
    }

    #[test]
    fn bytes_of_any_alignment_are_read() {
        for dtype in DType::ALL {
            let mut bytes = vec![0];
            let mut row = [1.0, -2.0, 0.5];
            dtype.store(&mut row, &mut Vec::new(), &mut bytes);
            assert_eq!(bytes.len() - 1, dtype.row_bytes(3));
            for start in [0, 1] {
                let (moved, mut read) = ([vec![0; start], bytes[1..].to_vec()].concat(), [0.0; 3]);
                dtype.load(&moved[start..], 1.0, &mut read);
                assert_eq!(read, row, "{dtype}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_is_left_and_what_is_read(
            values in proptest::collection::vec(-60000.0_f32..60000.0, 1..40),
        ) {
            let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for dtype in DType::ALL {
                let (mut row, mut bytes) = (values.clone(), Vec::new());
                dtype.store(&mut row, &mut Vec::new(), &mut bytes);
                prop_assert_eq!(bytes.len(), dtype.row_bytes(values.len()));
                let mut read = vec![0.0; values.len()];
                dtype.load(&bytes, 1.0, &mut read);
                prop_assert_eq!(&read, &row);
                for (value, stored) in values.iter().zip(&row) {
                    let one = match dtype {
                        DType::F16 => f16::from_f32(*value).to_f32(),
                        DType::BF16 => bf16::from_f32(*value).to_f32(),
                        DType::F32 => *value,
                        DType::I8 => {
                            let scale = largest / 127.0;
                            (value / scale).round_ties_even() * scale + 0.0 // a byte has no -0
                        }
                    };
                    prop_assert_eq!(one.to_bits(), stored.to_bits());
                }
            }
        }

        #[test]
        fn names_are_read_back(index in 0_usize..4) {
            let dtype = DType::ALL[index];
            prop_assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
        }
    }
}

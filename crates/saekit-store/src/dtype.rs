use std::fmt;
use std::str::FromStr;

use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// How a value lies in a shard, little-endian.
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
}

impl DType {
    /// Every dtype.
    pub const ALL: [Self; 3] = [Self::F16, Self::BF16, Self::F32];

    /// Bytes a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
        }
    }

    /// The name in manifests, footers and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
        }
    }

    /// The least absolute value that rounds to infinity.
    pub(crate) fn limit(self) -> f32 {
        match self {
            Self::F16 => 65520.0, // half a step above the largest, 65504
            Self::BF16 => f32::from_bits(0x7F7F_8000),
            Self::F32 => f32::INFINITY,
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
        }
    }

    /// Reads a stored row, multiplied by `scale`, and says whether every value in it is finite;
    /// `bytes` are aligned to the value.
    pub(crate) fn load(self, bytes: &[u8], scale: f32, row: &mut [f32]) -> bool {
        match self {
            Self::F16 => halves(bytes).reinterpret_cast::<f16>().convert_to_f32_slice(row),
            Self::BF16 => halves(bytes).reinterpret_cast::<bf16>().convert_to_f32_slice(row),
            Self::F32 => row.copy_from_slice(bytemuck::cast_slice(bytes)),
        }
        let finite = is_finite(row);
        if scale != 1.0 {
            for value in row {
                *value *= scale;
            }
        }
        finite
    }
}

/// Whether no value is NaN or infinite.
fn is_finite(row: &[f32]) -> bool {
    // Without leaving early, which the compiler can vectorise.
    let largest = row.iter().fold(0, |largest: u32, value| largest.max(value.to_bits() << 1));
    largest < f32::INFINITY.to_bits() << 1
}

fn halves(bytes: &[u8]) -> &[u16] {
    bytemuck::cast_slice(bytes)
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| crate::Error::Spec {
            problem: format!("dtype `{name}`, expected f16, bf16 or f32"),
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
        for dtype in DType::ALL {
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

    proptest! {
        #[test]
        fn what_is_stored_is_what_is_left_and_what_is_read(
            values in proptest::collection::vec(-60000.0_f32..60000.0, 1..40),
        ) {
            for dtype in DType::ALL {
                let (mut row, mut bytes) = (values.clone(), Vec::new());
                dtype.store(&mut row, &mut Vec::new(), &mut bytes);
                prop_assert_eq!(bytes.len(), values.len() * dtype.bytes());
                let mut read = vec![0.0; values.len()];
                dtype.load(&bytes, 1.0, &mut read);
                prop_assert_eq!(&read, &row);
                for (value, stored) in values.iter().zip(&row) {
                    let one = match dtype {
                        DType::F16 => f16::from_f32(*value).to_f32(),
                        DType::BF16 => bf16::from_f32(*value).to_f32(),
                        DType::F32 => *value,
                    };
                    prop_assert_eq!(one.to_bits(), stored.to_bits());
                }
            }
        }

        #[test]
        fn names_are_read_back(index in 0_usize..3) {
            let dtype = DType::ALL[index];
            prop_assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
        }
    }
}

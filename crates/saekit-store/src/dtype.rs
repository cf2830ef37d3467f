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

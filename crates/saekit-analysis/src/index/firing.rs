use bytemuck::{Pod, Zeroable};

/// A latent that is not zero in a row: where, on which token, and its value.
///
/// Sixteen bytes in native (little-endian) order, as they lie in the index.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Firing {
    /// The row's sequence; the row's number in the order on disk where the store has no tokens.
    pub sequence: u32,
    /// The row's position in its sequence; 0 where the store has no tokens.
    pub position: u32,
    /// The row's token; 0 where the store has no tokens.
    pub token: u32,
    /// The latent's value, never 0.
    pub value: f32,
}

impl Firing {
    /// Its place among all rows.
    pub fn place(&self) -> (u32, u32) {
        (self.sequence, self.position)
    }

    /// How strongly the latent fires: the magnitude of its value, since codes may be signed.
    pub fn strength(&self) -> f32 {
        self.value.abs()
    }
}

//! Arrow's extension type of tensors, whose lists are arrays of several dimensions.

use serde::Deserialize;

/// The name of the type.
pub(super) const NAME: &str = "arrow.fixed_shape_tensor";
/// The key of a field's name of its type.
pub(super) const NAME_KEY: &str = "ARROW:extension:name";
/// The key of what the type says of itself.
pub(super) const METADATA_KEY: &str = "ARROW:extension:metadata";

/// What a list of values is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Vectors, where they are a context; `None` for a vector.
    pub(super) context: Option<u64>,
    /// Values per vector.
    pub(super) width: u64,
}

/// What the type says of itself.
#[derive(Deserialize)]
struct Metadata {
    shape: Vec<u64>,
    #[serde(default)]
    permutation: Option<Vec<usize>>,
}

impl Tensor {
    /// Reads what the type says of itself: `[width]`, `[1, width]` and `[context, width]` are vectors.
    /// What is wrong with another shape, in words.
    pub(super) fn new(metadata: &str) -> Result<Self, String> {
        let found =
            || format!("a tensor that says `{}` of its shape", super::input::shorten(metadata));
        let Metadata { shape, permutation } =
            serde_json::from_str(metadata).map_err(|error| format!("{}: {error}", found()))?;
        let order = permutation.unwrap_or_else(|| (0..shape.len()).collect());
        let mut sorted = order.clone();
        sorted.sort_unstable();
        let is_whole = sorted.into_iter().eq(0..shape.len());
        // Where a dimension of size 1 is, is no matter.
        let moved = order.iter().filter(|at| shape.get(**at) != Some(&1));
        if !is_whole || !moved.is_sorted() {
            return Err(format!(
                "{}: write it in the order in which it is meant, without a permutation",
                found()
            ));
        }
        let sizes: Vec<_> = shape.iter().copied().filter(|size| *size != 1).collect();
        let (context, width) = match (sizes[..].as_ref(), shape.last()) {
            (&[context], Some(1)) if shape.len() > 1 => (Some(context), 1),
            (&[width], _) => (None, width),
            (&[context, width], _) => (Some(context), width),
            ([], Some(_)) => (None, 1),
            _ => return Err(found()),
        };
        let is_sound = width > 0 && context != Some(0);
        is_sound.then_some(Self { context, width }).ok_or_else(found)
    }

    /// Values of all vectors.
    pub(super) fn values(self) -> Option<u64> {
        self.context.unwrap_or(1).checked_mul(self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_contexts_of_them_are_told_by_their_shape() {
        let tensor = |context, width| Ok(Tensor { context, width });
        for (metadata, expected) in [
            (r#"{"shape":[32]}"#, tensor(None, 32)),
            (r#"{"shape":[1,32]}"#, tensor(None, 32)),
            (r#"{"shape":[4,8],"dim_names":["token","dim"]}"#, tensor(Some(4), 8)),
            (r#"{"shape":[4,8],"permutation":[0,1]}"#, tensor(Some(4), 8)),
            (r#"{"shape":[32,1],"permutation":[1,0]}"#, tensor(Some(32), 1)),
            (r#"{"shape":[1,4,8],"permutation":[1,0,2]}"#, tensor(Some(4), 8)),
        ] {
            assert_eq!(Tensor::new(metadata), expected, "{metadata}");
        }
        for metadata in [
            "",
            "{}",
            r#"{"shape":[]}"#,
            r#"{"shape":[0]}"#,
            r#"{"shape":[2,3,4]}"#,
            r#"{"shape":[4,8],"permutation":[1,0]}"#,
            r#"{"shape":[4,8],"permutation":[0]}"#,
            r#"{"shape":[4,8],"permutation":[0,7]}"#,
            r#"{"shape":[-4,8]}"#,
        ] {
            Tensor::new(metadata).unwrap_err();
        }
    }
}

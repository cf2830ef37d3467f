//! What is looked for in a place.

/// What is looked for in a place, and how its files are known.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The contents, in a word or two: `activations`.
    pub noun: &'static str,
    /// The endings that are read, for messages: `.parquet, .npy`.
    pub known: fn() -> String,
    /// The kind of the file with this name, such as `parquet`; `None` for a kind that is not read.
    pub kind: fn(&str) -> Option<&'static str>,
    /// Whether the file with this name describes the others, as a README does.
    pub describes: fn(&str) -> bool,
    /// Whether folders side by side are different things, as the folders of hook points are. If not,
    /// they are different only where they hold the same splits.
    pub folders_apart: bool,
    /// Whether a layer or a hook point in the name of a file tells it from others.
    pub layers_apart: bool,
}

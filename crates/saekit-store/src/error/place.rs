//! What can be wrong with a place, or with what was chosen from it.

use std::path::PathBuf;

/// Why the files of a place are not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The place holds several things of one kind, and nothing says which is meant.
    #[error("{} holds {things}: {list}; {remedy}", place.display())]
    Apart {
        /// The place.
        place: PathBuf,
        /// How many there are of what.
        things: String,
        /// The first of them, with their numbers of files.
        list: String,
        /// How to choose.
        remedy: String,
    },
    /// The weights of a model or a dictionary, where activations were asked for.
    #[error(
        "{} holds weights, not activations: {reason}; give the folder of a store, or choose other files with `--files`",
        path.display()
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// A choice that no file meets.
    #[error("no file in {} is of {chosen}; it has {list}", place.display())]
    NoneChosen {
        /// The place.
        place: PathBuf,
        /// What was chosen.
        chosen: String,
        /// What there is to choose from.
        list: String,
    },
    /// A choice in a place that is one thing.
    #[error("{} is a store of saekit's own, of which all files belong together; leave out `--split`, `--where` and `--files`", place.display())]
    Whole {
        /// The place.
        place: PathBuf,
    },
    /// A flag that means nothing.
    #[error("`{flag}` is `{found}`, expected {expected}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// Its value.
        found: String,
        /// The values that mean something.
        expected: &'static str,
    },
    /// A file of a kind that is not read.
    #[error("{} is {found}; {noun} are read from {known}", path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// Its kind, in words.
        found: String,
        /// The contents that were asked for.
        noun: &'static str,
        /// The endings that are read.
        known: String,
    },
    /// A link to nothing.
    #[error("{} is a link to {}, which does not exist; restore it, or remove the link", path.display(), target.display())]
    DeadLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link to a folder that the link itself is in.
    #[error("{} is a link to a folder that it is in, so that the folder has no end; remove the link", path.display())]
    Loop {
        /// The link.
        path: PathBuf,
    },
    /// A pipe, a socket or a device.
    #[error("{} is neither a file nor a folder; remove it, or choose other files with `--files`", path.display())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// A file whose name is not UTF-8, given by itself.
    #[error("the name of {} is not UTF-8; rename it", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// Folders among several files that are one store.
    #[error(
        "{} is a folder; several words after one `--store` are the files of one store; to mix stores, repeat the flag: `--store A --store B`",
        path.display()
    )]
    FolderAmongFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A pattern that cannot be read.
    #[error("{} is not a valid pattern: {problem}", path.display())]
    Pattern {
        /// The pattern.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A pattern that nothing matches.
    #[error("no file matches {}; check the pattern", path.display())]
    NoMatch {
        /// The pattern.
        path: PathBuf,
    },
}

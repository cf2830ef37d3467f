//! Where activations and texts are, and which files of a place are meant.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{ArgMatches, Command, FromArgMatches};
use saekit_store::Choice;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::exit::Usage;

/// Which files of a place are meant, for activations and for texts. It is also the `[choose]` table
/// of a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Which files")]
pub(crate) struct ChoiceOptions {
    /// The split to read, several with + between them, or all
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) split: Option<String>,
    /// The partitions to read, such as layer=6 of the folders layer=6 and layer=12; VALUE may be a
    /// pattern
    #[arg(long = "where", value_name = "KEY=VALUE")]
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub(crate) partitions: Vec<String>,
    /// The files to read, by a pattern of their names, or of their paths if it has a / in it
    #[arg(long, value_name = "GLOB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<String>,
}

impl ChoiceOptions {
    /// Whether nothing was chosen.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The choice; fails where a flag means nothing.
    pub(crate) fn choice(&self) -> Result<Choice> {
        let choice = Choice::parse(self.split.as_deref(), &self.partitions, self.files.as_deref());
        choice.map_err(|error| Usage(error.to_string()).into())
    }
}

/// Where one store is: a folder, an address, a pattern, a file, or the files into which a shell has
/// made a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location(pub(crate) Vec<PathBuf>);

/// A path, or a list of paths where there are several.
impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.path() {
            Some(path) => path.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a store is a path, or a list of the files of one store")]
        enum Paths {
            One(PathBuf),
            Several(Vec<PathBuf>),
        }
        Ok(match Paths::deserialize(deserializer)? {
            Paths::One(path) => Self(vec![path]),
            Paths::Several(paths) => Self(paths),
        })
    }
}

impl Location {
    /// The path, where it is a single one.
    pub(crate) fn path(&self) -> Option<&Path> {
        if let [only] = self.0.as_slice() { Some(only) } else { None }
    }

    /// Whether it is one path, that of a folder.
    pub(crate) fn is_dir(&self) -> bool {
        self.path().is_some_and(Path::is_dir)
    }

    /// The address, where it is one; fails where there are several.
    pub(super) fn address(&self) -> Result<Option<&str>> {
        let is_remote = |path: &&PathBuf| path.to_str().is_some_and(saekit_remote::is_remote);
        match (self.0.iter().find(is_remote), self.path()) {
            (Some(_), None) => {
                let text = "several words after one `--store` are the files of one store, on this \
                            machine; to mix stores, repeat the flag: `--store A --store B`";
                Err(Usage(text.to_owned()).into())
            }
            (remote, _) => Ok(remote.and_then(|path| path.to_str())),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self(vec![path])
    }
}

/// The location as it may be written down: an address without what may be secret, and of several
/// files the first.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.0.first() else { return Ok(()) };
        f.write_str(&shown(first))?;
        match self.0.len() {
            1 => Ok(()),
            n => write!(f, " and {} more", n - 1),
        }
    }
}

/// The stores of a command, one for each `--store`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stores(pub(crate) Vec<Location>);

impl Stores {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The flag, and its name in `clap`.
const STORE: &str = "store";

impl FromArgMatches for Stores {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut stores = Self::default();
        stores.update_from_arg_matches(matches)?;
        Ok(stores)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = matches.get_occurrences::<PathBuf>(STORE).into_iter().flatten();
        self.0 = given.map(|words| Location(words.cloned().collect())).collect();
        Ok(())
    }
}

impl clap::Args for Stores {
    fn augment_args(command: Command) -> Command {
        command.arg(
            clap::Arg::new(STORE)
                .long(STORE)
                .value_name("STORE")
                .num_args(1..)
                .action(clap::ArgAction::Append)
                .value_parser(clap::value_parser!(PathBuf))
                .help(
                    "Activations: a folder, files, a pattern ('acts/*.parquet'), or an address \
                     (s3://, hf://, …); repeated, stores are mixed",
                ),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// A location as it may be written down: an address without what may be secret.
fn shown(location: &Path) -> String {
    saekit_remote::shown(&location.display().to_string())
}

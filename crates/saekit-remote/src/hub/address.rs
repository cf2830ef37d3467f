use hf_hub::RepoTypeAny;
use url::Url;

use crate::opening::Opening;
use crate::{Error, Result};

/// The parts of `hf://datasets/owner/name[@revision][/path]` or `hf://owner/model[@revision][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubAddress {
    pub(crate) kind: RepoTypeAny,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) revision: String,
    /// Empty, or a folder of the repository without `/` at its ends.
    pub(crate) prefix: String,
}

impl HubAddress {
    pub(crate) fn of(opening: &Opening<'_>) -> Result<Self> {
        Self::parse(opening.rest).map_err(|problem| Error::Address {
            location: opening.location.clone(),
            problem: problem.to_owned(),
            expected: "hf://datasets/owner/name[@revision][/path] or hf://owner/model[@revision][/path]",
        })
    }

    /// Where the files of `commit` are.
    pub(crate) fn files(&self, endpoint: &Url, commit: &str) -> Url {
        let mut url = endpoint.clone();
        let dataset = matches!(self.kind, RepoTypeAny::Dataset).then_some("datasets");
        url.path_segments_mut()
            .expect("web addresses have paths")
            .pop_if_empty()
            .extend(dataset)
            .extend([&self.owner, &self.name, "resolve", commit]);
        url
    }

    /// A revision with a `/` in it is written with `%2F`, as the Hub's own addresses are.
    fn parse(rest: &str) -> Result<Self, &'static str> {
        if rest.contains(['?', '#']) {
            return Err("it has a query or a fragment");
        }
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (RepoTypeAny::Dataset, rest),
            None => (RepoTypeAny::Model, rest),
        };
        let mut parts = rest.trim_end_matches('/').splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let name = parts.next().unwrap_or_default();
        let prefix = parts.next().unwrap_or_default();
        let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
        if [owner, name, revision].contains(&"") || owner.contains('@') {
            return Err("it needs an owner and a name");
        }
        if prefix.split('/').any(|part| part == "..")
            || !prefix.is_empty() && prefix.split('/').any(str::is_empty)
        {
            return Err("its path has an empty part or `..`");
        }
        let revision = revision.replace("%2F", "/").replace("%2f", "/");
        let [owner, name, prefix] = [owner, name, prefix].map(str::to_owned);
        Ok(Self { kind, owner, name, revision, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_up_to_five_parts() {
        let parsed = |rest| {
            let a = HubAddress::parse(rest).unwrap();
            (a.kind, a.owner, a.name, a.revision, a.prefix)
        };
        let expected = |kind, parts: [&str; 4]| {
            let [owner, name, revision, prefix] = parts.map(str::to_owned);
            (kind, owner, name, revision, prefix)
        };
        let cases = [
            ("datasets/o/n", RepoTypeAny::Dataset, ["o", "n", "main", ""]),
            ("datasets/o/n@v1/a/b/", RepoTypeAny::Dataset, ["o", "n", "v1", "a/b"]),
            ("o/m", RepoTypeAny::Model, ["o", "m", "main", ""]),
            ("o/m@refs%2Fpr%2F1/a@b", RepoTypeAny::Model, ["o", "m", "refs/pr/1", "a@b"]),
        ];
        for (rest, kind, parts) in cases {
            assert_eq!(parsed(rest), expected(kind, parts), "{rest}");
        }
    }

    #[test]
    fn files_are_below_the_endpoint() {
        let files = |rest, endpoint| {
            let endpoint = Url::parse(endpoint).unwrap();
            HubAddress::parse(rest).unwrap().files(&endpoint, "1a").to_string()
        };
        let expected = "https://host/datasets/o/n/resolve/1a";
        assert_eq!(files("datasets/o/n@v1/a", "https://host"), expected);
        assert_eq!(files("o/m", "http://host:1/hub/"), "http://host:1/hub/o/m/resolve/1a");
    }

    #[test]
    fn addresses_that_lack_a_part_are_errors() {
        for rest in [
            "",
            "o",
            "o/",
            "datasets/o",
            "/m",
            "o/m@",
            "o/@v",
            "a@b/m",
            "o/m?x",
            "o/m/../x",
            "o/m//x",
        ] {
            assert!(HubAddress::parse(rest).is_err(), "{rest}");
        }
    }
}

//! What stands before and after `://`.

use std::fmt;

/// The kinds of address there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Amazon S3 and whatever speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A web server.
    Http,
    /// A web server.
    Https,
    /// The Hugging Face Hub.
    Hf,
}

impl Scheme {
    const ALL: [Self; 6] = [Self::S3, Self::Gs, Self::Az, Self::Http, Self::Https, Self::Hf];

    /// What stands before `://`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Http => "http",
            Self::Https => "https",
            Self::Hf => "hf",
        }
    }

    /// The feature that a build needs to read from there.
    #[cfg(not(all(feature = "cloud", feature = "hub")))]
    pub(crate) fn feature(self) -> &'static str {
        if self == Self::Hf { "hub" } else { "cloud" }
    }

    /// What to set where a server asks who is reading.
    pub(crate) fn credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN where they are temporary, or AWS_SKIP_SIGNATURE=true for a public bucket"
            }
            Self::Gs => {
                "set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to a file with credentials, or GOOGLE_SKIP_SIGNATURE=true for a public bucket"
            }
            Self::Az => {
                "set AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_SKIP_SIGNATURE=true for a public container"
            }
            Self::Http | Self::Https => {
                "use an address that is signed, or one with a name and a password as in https://name:password@host/path"
            }
            Self::Hf => {
                "set HF_TOKEN to a token that may read it, and accept its terms on the Hub where it is gated"
            }
        }
    }

    /// The same, where a server may also say so of what does not exist.
    pub(crate) fn credentials_or_address(self) -> &'static str {
        match self {
            Self::Hf => {
                "set HF_TOKEN to a token that may read it, and accept its terms on the Hub where it is gated; check the address, too, since the Hub answers the same where there is no such repository"
            }
            other => other.credentials(),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.name())
    }
}

/// Whether `location` is an address (`scheme://…`) rather than a path of this machine.
pub fn is_remote(location: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    location.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(part)
    })
}

/// The scheme of an address and what follows it; `None` where it is not one of ours.
pub(crate) fn split(location: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = location.split_once("://")?;
    let scheme = Scheme::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme))?;
    Some((scheme, rest))
}

/// The address without what may be secret: user, password, query and fragment. A path stays as it is.
pub fn shown(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else { return location.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for address in ["s3://b", "hf://o/n", "HTTPS://h/p", "ftp://h"] {
            assert!(is_remote(address), "{address}");
        }
        for path in ["acts", "/data/acts", "./s3:/b", "a b://c", "://c", "3s://c"] {
            assert!(!is_remote(path), "{path}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let cases = [
            ("https://me:secret@host/path/?token=secret", "https://host/path"),
            ("https://me:sec@ret@host?token=secret", "https://host"),
            ("http://host:8080/a@b/c#secret", "http://host:8080/a@b/c"),
            ("hf://datasets/owner/name@main/dir/", "hf://datasets/owner/name@main/dir"),
            ("s3://bucket/", "s3://bucket"),
            ("plain/path", "plain/path"),
        ];
        for (address, expected) in cases {
            assert_eq!(shown(address), expected);
        }
    }
}

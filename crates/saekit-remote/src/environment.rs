//! Settings from the environment, and what is wrong with them. What a variable holds is never
//! repeated: it may be a secret, also where it is in the wrong variable.

use url::Url;

use crate::Error;

/// A setting that cannot be used.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) problem: String,
    pub(crate) remedy: &'static str,
}

impl Unfit {
    /// The error of an address that needs the setting.
    pub(crate) fn at(self, location: &str) -> Error {
        let Self { problem, remedy } = self;
        Error::Settings { location: location.to_owned(), problem, remedy }
    }
}

/// The address of a server, which the variable `name` holds.
pub(crate) fn server(name: &str, value: &str) -> Result<Url, Unfit> {
    let problem = match Url::parse(value) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "it begins with neither http:// nor https://".to_owned()
        }
        Ok(url) if url.has_host() => return Ok(url),
        Ok(_) => "it names no host".to_owned(),
        Err(error) => error.to_string(),
    };
    let problem = format!("{name} is not the address of a server ({problem})");
    let remedy = "set it to one such as https://host or http://host:port, or unset it";
    Err(Unfit { problem, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_scheme_and_a_host() {
        for value in ["https://host", "HTTP://host:80/path", "http://[::1]:9000", " http://host "] {
            assert!(server("X", value).is_ok(), "{value}");
        }
        let cases = [
            ("", "relative URL without a base"),
            ("nonsense", "relative URL without a base"),
            ("local host:80", "relative URL without a base"),
            ("localhost:80", "it begins with neither http:// nor https://"),
            ("mailto:secret", "it begins with neither http:// nor https://"),
            ("ftp://secret@host", "it begins with neither http:// nor https://"),
            ("http://", "empty host"),
            ("http://local host", "invalid international domain name"),
            ("http://secret@host:port", "invalid port number"),
        ];
        for (value, expected) in cases {
            let Unfit { problem, .. } = server("X", value).unwrap_err();
            assert_eq!(problem, format!("X is not the address of a server ({expected})"));
        }
    }
}

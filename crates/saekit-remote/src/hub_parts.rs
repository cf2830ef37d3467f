//! Parts of files, as the Hub and the servers of its large files send them.
//!
//! `hf-hub` does not look at which part it is sent, so it is not asked for them.

use std::fmt;
use std::ops::Range;

use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::environment::Unfit;
use crate::failure::{Failure, innermost, plain_code};
use crate::hub_settings::HubSettings;
use crate::network::{Filler, Network};

/// Asks for parts of files.
#[derive(Debug)]
pub(crate) struct Parts {
    client: Client,
    /// Goes to the Hub only: redirects to other servers leave it out.
    authorization: Option<HeaderValue>,
}

impl Parts {
    pub(crate) fn new(settings: &HubSettings) -> Result<Self, Unfit> {
        let name = concat!("saekit/", env!("CARGO_PKG_VERSION"));
        // Addresses of large files are signed, so none is told to the next server.
        let client = Client::builder().user_agent(name).referer(false).build();
        let client = client.map_err(|error| Unfit {
            problem: format!("no client for the Hub can be made ({})", innermost(&error)),
            remedy: "check the certificates of this machine",
        })?;
        let authorization = settings.token.as_ref().and_then(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Self { client, authorization })
    }

    /// Fills `out` with the bytes from `offset` on of the file at `url`, which has `bytes` bytes.
    pub(crate) async fn fill(
        &self,
        network: &Network,
        url: Url,
        bytes: u64,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        let wanted = Part { range: offset..offset + out.len() as u64, of: Some(bytes) };
        let mut request = self.client.get(url).header(RANGE, wanted.header());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let answer = async { request.send().await.map_err(failure) };
        let mut answer = network.within(answer).await?;
        wanted.check(&answer)?;
        let mut filler = Filler::new(out);
        let mut next = async || answer.chunk().await.map_err(failure);
        while let Some(piece) = network.within(next()).await? {
            filler.push(&piece)?;
        }
        filler.finish()
    }
}

/// Why `reqwest` failed, without the addresses in its messages, which may be signed.
pub(crate) fn failure(error: reqwest::Error) -> Failure {
    let will_not_pass = error.is_builder() || error.is_redirect();
    let problem = innermost(&error.without_url());
    if will_not_pass { Failure::Answer(problem) } else { Failure::Connection(problem) }
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// It is not empty.
    range: Range<u64>,
    /// The bytes of the whole file, where they are known.
    of: Option<u64>,
}

impl Part {
    /// From a header such as `bytes 100-109/1000`.
    fn parse(header: &str) -> Option<Self> {
        let (range, of) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let range = first..last.checked_add(1)?;
        let of = if of == "*" { None } else { Some(of.parse().ok()?) };
        Some(Self { range, of })
    }

    fn of_answer(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?.trim())
    }

    /// What asks for it.
    fn header(&self) -> String {
        format!("bytes={}-{}", self.range.start, self.range.end - 1)
    }

    /// Fails unless `answer` has this part in it.
    fn check(&self, answer: &Response) -> Result<(), Failure> {
        let headers = answer.headers();
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => self.check_same(Self::of_answer(headers)),
            StatusCode::OK if self.of == Some(self.range.end) && self.range.start == 0 => Ok(()),
            StatusCode::OK => Err(Failure::WholeFile),
            status => {
                let code = headers.get("x-error-code").and_then(|code| code.to_str().ok());
                let code = code.and_then(plain_code);
                Err(Failure::Status { status: status.as_u16(), code })
            }
        }
    }

    fn check_same(&self, found: Option<Self>) -> Result<(), Failure> {
        let expected = self.to_string();
        match found {
            Some(part) if part.range == self.range && (part.of.is_none() || part.of == self.of) => {
                Ok(())
            }
            Some(part) => Err(Failure::OtherPart { found: part.to_string(), expected }),
            None => {
                let found = "a part without saying which".to_owned();
                Err(Failure::OtherPart { found, expected })
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}", self.range.start, self.range.end - 1)?;
        match self.of {
            Some(bytes) => write!(f, " of {bytes}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_in_http() {
        let part = |range, of| Some(Part { range, of });
        let cases = [
            ("bytes 0-0/1", part(0..1, Some(1))),
            ("bytes 100-109/1000", part(100..110, Some(1000))),
            ("bytes 100-109/*", part(100..110, None)),
            ("bytes */1000", None),
            ("bytes 100-/1000", None),
            ("bytes 0-18446744073709551615/*", None),
            ("items 0-1/2", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Part::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn another_part_is_a_failure() {
        let wanted = Part { range: 100..110, of: Some(1000) };
        assert_eq!(wanted.header(), "bytes=100-109");
        for same in ["bytes 100-109/1000", "bytes 100-109/*"] {
            assert!(wanted.check_same(Part::parse(same)).is_ok(), "{same}");
        }
        for (other, found) in [
            ("bytes 110-119/1000", "bytes 110-119 of 1000"),
            ("bytes 100-108/1000", "bytes 100-108 of 1000"),
            ("bytes 100-109/1001", "bytes 100-109 of 1001"),
            ("bytes 9-5/*", "bytes 9-5"),
            ("nonsense", "a part without saying which"),
        ] {
            let message = wanted.check_same(Part::parse(other)).unwrap_err().to_string();
            assert_eq!(message, format!("the server sent {found}, expected bytes 100-109 of 1000"));
        }
    }
}

//! Files and parts of them, as the Hub and the servers of its large files send them.
//!
//! `hf-hub` does not look at which part it is sent, so it is not asked for them. Nor is it asked for
//! the hash of a large file, since it looks for it under a name which the Hub does not use there.

use std::fmt;
use std::ops::Range;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue,
    RANGE,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Response, StatusCode};
use url::Url;

use crate::environment::Unfit;
use crate::failure::{Failure, innermost, plain_code};
use crate::hub::settings::{HubSettings, http_client};
use crate::network::{Filler, Network};
use crate::redirects::Route;

/// What the Hub says of a large file, for which it leads to another server.
const LINKED_SIZE: &str = "x-linked-size";
const LINKED_ETAG: &str = "x-linked-etag";

/// Asks for files and parts of them.
#[derive(Debug)]
pub(crate) struct Parts {
    client: Client,
    /// Goes to the Hub only.
    authorization: Option<HeaderValue>,
}

impl Parts {
    pub(crate) fn new(settings: &HubSettings) -> Result<Self, Unfit> {
        let client = http_client(Policy::none())?;
        let authorization = settings.token.as_ref().and_then(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Self { client, authorization })
    }

    /// Size and hash of the file at `url`, as the Hub says them. Its clients name what they keep in the
    /// cache by this hash.
    pub(crate) async fn find(&self, network: &Network, url: Url) -> Result<(u64, String), Failure> {
        let mut request = Request::new(Method::HEAD, url.clone());
        // Compressed files would have other sizes.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answer = network.within(self.send(request, Route::new(url))).await?;
        if !answer.status().is_success() && !is_about_large_file(&answer) {
            return Err(refusal(&answer));
        }
        let said = |names: [&str; 2]| {
            let value = names.into_iter().find_map(|name| answer.headers().get(name));
            value.and_then(|value| value.to_str().ok())
        };
        let bytes = said([LINKED_SIZE, CONTENT_LENGTH.as_str()]).and_then(|n| n.parse().ok());
        let hash = said([LINKED_ETAG, ETAG.as_str()]).and_then(plain_hash);
        let found = bytes.zip(hash).ok_or("the Hub names no size or no hash of the file");
        found.map_err(|problem| Failure::Answer(problem.to_owned()))
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
        let mut request = Request::new(Method::GET, url.clone());
        request.headers_mut().insert(RANGE, wanted.header());
        let mut answer = network.within(self.send(request, Route::new(url))).await?;
        wanted.check(&answer)?;
        let mut filler = Filler::new(out);
        let mut next = async || answer.chunk().await.map_err(failure);
        while let Some(piece) = network.within(next()).await? {
            filler.push(&piece)?;
        }
        filler.finish()
    }

    /// The answer at the end of `route`. The request has no body.
    async fn send(&self, mut request: Request, mut route: Route) -> Result<Response, Failure> {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        loop {
            let mut hop = Request::new(request.method().clone(), route.current().clone());
            *hop.headers_mut() = request.headers().clone();
            route.strip(hop.headers_mut());
            let answer = self.client.execute(hop).await.map_err(failure)?;
            if request.method() == Method::HEAD && is_about_large_file(&answer) {
                return Ok(answer);
            }
            if !route.goes_on(answer.status(), answer.headers())? {
                return Ok(answer);
            }
        }
    }
}

/// Whether the Hub says of a file what the server that it leads to may say otherwise.
fn is_about_large_file(answer: &Response) -> bool {
    [LINKED_SIZE, LINKED_ETAG].iter().all(|name| answer.headers().contains_key(*name))
}

/// What stands in an etag, which says of weak ones too which file it is: commits do not change.
fn plain_hash(etag: &str) -> Option<String> {
    let hash = etag.trim_start_matches("W/").trim_matches('"');
    (!hash.is_empty()).then(|| hash.to_owned())
}

/// Why the Hub did not give what was asked for.
fn refusal(answer: &Response) -> Failure {
    let code = answer.headers().get("x-error-code").and_then(|code| code.to_str().ok());
    Failure::Status { status: answer.status().as_u16(), code: code.and_then(plain_code) }
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
    fn header(&self) -> HeaderValue {
        let text = format!("bytes={}-{}", self.range.start, self.range.end - 1);
        HeaderValue::from_str(&text).expect("digits may stand in headers")
    }

    /// Fails unless `answer` has this part in it.
    fn check(&self, answer: &Response) -> Result<(), Failure> {
        let headers = answer.headers();
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => self.check_same(Self::of_answer(headers)),
            StatusCode::OK if self.of == Some(self.range.end) && self.range.start == 0 => Ok(()),
            StatusCode::OK => Err(Failure::WholeFile),
            _ => Err(refusal(answer)),
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

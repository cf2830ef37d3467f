//! Redirects, followed by hand.
//!
//! What follows them for `reqwest` sends the first request's headers again at every hop, and leaves out
//! the secret ones only where a hop leads to another server than the hop before it. So the second hop
//! within a foreign server would show it who is reading.

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE,
};
use url::Url;

use crate::failure::Failure;

/// As many as `reqwest` follows.
const MOST: usize = 10;

/// What servers may see that the request was not made for: which part is wanted, and of which version.
const HARMLESS: [HeaderName; 7] = [
    ACCEPT,
    ACCEPT_ENCODING,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
    RANGE,
];

/// The way of one request from redirect to redirect.
#[derive(Debug)]
pub(crate) struct Route {
    first: Url,
    current: Url,
    hops: usize,
}

impl Route {
    pub(crate) fn new(url: Url) -> Self {
        Self { first: url.clone(), current: url, hops: 0 }
    }

    pub(crate) fn current(&self) -> &Url {
        &self.current
    }

    /// Leaves of `headers` what the server that is asked next may see.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if is_same_server(&self.first, &self.current) {
            return;
        }
        let all: Vec<_> = headers.keys().cloned().collect();
        for name in all.iter().filter(|name| !HARMLESS.contains(name)) {
            headers.remove(name);
        }
    }

    /// Whether another request has to be made, since this answer leads elsewhere.
    pub(crate) fn goes_on(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, Failure> {
        let Some(location) = headers.get(LOCATION).filter(|_| is_redirect(status)) else {
            return Ok(false);
        };
        let next = location.to_str().ok().and_then(|location| self.current.join(location).ok());
        let next = next.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(next) = next else {
            return Err(Failure::Answer("the server redirects to what is no address".to_owned()));
        };
        if self.hops == MOST {
            return Err(Failure::Answer(format!("there are more than {MOST} redirects")));
        }
        self.hops += 1;
        self.current = next;
        Ok(true)
    }
}

/// The statuses at which the same is asked for elsewhere.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn is_same_server(a: &Url, b: &Url) -> bool {
    let server = |url: &Url| (url.scheme().to_owned(), url.port_or_known_default());
    server(a) == server(b) && a.host() == b.host()
}

/// For a client that is not ours to follow redirects for: refuses those that would take its secrets
/// to another server.
#[cfg(feature = "hub")]
pub(crate) fn policy() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let (next, before) = (attempt.url(), attempt.previous());
        let leaks = |first, last| !is_same_server(first, next) && is_same_server(last, next);
        if before.first().zip(before.last()).is_some_and(|(first, last)| leaks(first, last)) {
            return attempt.error(
                "redirects lead to another server and on from there, which must not see the token",
            );
        }
        reqwest::redirect::Policy::limited(MOST).redirect(attempt)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{AUTHORIZATION, HeaderValue};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn leading(to: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(to))])
    }

    fn has_token(route: &Route) -> bool {
        let mut headers = leading("");
        headers.insert(AUTHORIZATION, HeaderValue::from_static("secret"));
        headers.insert("x-amz-security-token", HeaderValue::from_static("secret"));
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-1"));
        route.strip(&mut headers);
        assert!(headers.contains_key(RANGE));
        assert_eq!(
            headers.contains_key(AUTHORIZATION),
            headers.contains_key("x-amz-security-token")
        );
        headers.contains_key(AUTHORIZATION)
    }

    #[test]
    fn only_the_first_server_sees_secrets() {
        let mut route = Route::new(url("https://hub/a"));
        assert!(has_token(&route));
        for (to, expected) in [
            ("/b", true),
            ("//cdn/c?signed", false),
            ("/d", false),
            ("https://hub:443/e", true),
            ("https://hub:444/f", false),
            ("http://hub/g", false),
            ("http://hub/h", false),
        ] {
            assert!(route.goes_on(StatusCode::FOUND, &leading(to)).unwrap(), "{to}");
            assert_eq!(has_token(&route), expected, "{to}");
        }
        assert_eq!(route.current(), &url("http://hub/h"));
    }

    #[test]
    fn what_leads_nowhere_is_an_answer_or_an_error() {
        let mut route = Route::new(url("https://hub/a"));
        assert!(!route.goes_on(StatusCode::FOUND, &HeaderMap::new()).unwrap());
        assert!(!route.goes_on(StatusCode::NOT_MODIFIED, &leading("/b")).unwrap());
        assert_eq!(route.current(), &url("https://hub/a"));
        for to in ["ftp://hub/b", "https://"] {
            let error = route.goes_on(StatusCode::FOUND, &leading(to)).unwrap_err();
            assert_eq!(error.to_string(), "the server redirects to what is no address");
        }
        for _ in 0..MOST {
            assert!(route.goes_on(StatusCode::FOUND, &leading("/b")).unwrap());
        }
        let error = route.goes_on(StatusCode::FOUND, &leading("/b")).unwrap_err();
        assert_eq!(error.to_string(), "there are more than 10 redirects");
    }
}

//! Files with etags and ranges.

use super::http::{Reply, Request};

/// The etag of a file for which no other is asked for.
pub(crate) const ETAG: &str = "\"v1\"";

/// The answer of a good server to a request for a file with these bytes.
pub(crate) fn serve(request: &Request, bytes: &[u8]) -> Reply {
    let etag = request.header("x-test-etag").unwrap_or(ETAG);
    if request.header("if-match").is_some_and(|wanted| wanted != etag) {
        return Reply::new(412, "");
    }
    let reply = match range(request) {
        None => Reply::new(200, bytes),
        Some((start, end)) if start < bytes.len() => {
            let end = end.min(bytes.len() - 1);
            let part = format!("bytes {start}-{end}/{}", bytes.len());
            Reply::new(206, &bytes[start..=end]).header("content-range", part)
        }
        Some(_) => Reply::new(416, ""),
    };
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    reply.header("etag", etag).header("last-modified", date)
}

/// First and last byte of the part that is asked for.
fn range(request: &Request) -> Option<(usize, usize)> {
    let (start, end) = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

/// The same request for a part that begins `bytes` bytes later.
pub(crate) fn later(request: &Request, bytes: usize) -> Request {
    let (start, end) = range(request).unwrap();
    request.with("range", &format!("bytes={}-{}", start + bytes, end + bytes))
}

//! What `object_store` sends requests with. Answers that are failures become typed ones here, since
//! its own errors hide the status and repeat addresses.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};

use crate::failure::{Failure, causes, innermost, plain_code};

/// How much of an answer that says why it failed is read.
const EXPLANATION_BYTES: usize = 16 << 10;

/// How long the machine may take to say whether it has credentials of its own. Elsewhere than in a
/// cloud nobody answers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the clouds' machines are asked for their credentials.
const METADATA_PATHS: [&str; 4] =
    ["/latest/api/token", "/latest/meta-data/iam/", "/computeMetadata/v1/", "/metadata/identity/"];

/// Why `object_store` failed.
pub(crate) fn failure(error: &object_store::Error) -> Failure {
    let causes = || causes(error as &(dyn StdError + 'static));
    if let Some(failure) = causes().find_map(|cause| cause.downcast_ref::<Failure>()) {
        return failure.clone();
    }
    let problem = innermost(error);
    if causes().any(|cause| cause.downcast_ref().is_some_and(reqwest::Error::is_builder)) {
        return Failure::Answer(problem);
    }
    if causes().any(<dyn StdError>::is::<HttpError>) {
        return Failure::Connection(problem);
    }
    Failure::Answer(problem)
}

/// Makes clients whose failures are [`Failure`]s.
#[derive(Debug)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Client(ReqwestConnector::default().connect(options)?)))
    }
}

struct Client(HttpClient);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpService for Client {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            if METADATA_PATHS.iter().any(|path| request.uri().path().starts_with(path)) {
                return self.ask_machine(request).await;
            }
            let wants_part = request.headers().contains_key("range");
            let response = self.0.execute(request).await?;
            let status = response.status().as_u16();
            if status >= 300 && status != 304 {
                return Err(failed(refusal(response).await));
            }
            if wants_part && status == 200 {
                return Err(failed(Failure::WholeFile));
            }
            Ok(response)
        })
    }
}

impl Client {
    /// Asks the machine for its credentials.
    async fn ask_machine(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        match tokio::time::timeout(METADATA_TIMEOUT, self.0.execute(request)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            _ => Err(failed(Failure::NoCredentials)),
        }
    }
}

fn failed(failure: Failure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failure)
}

/// What a server says that does not give what was asked for.
async fn refusal(response: HttpResponse) -> Failure {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    if let Some(region) = header(&parts.headers, "x-amz-bucket-region").filter(|_| status == 301) {
        return Failure::Answer(format!(
            "the bucket is in another region; set AWS_REGION={region}"
        ));
    }
    let code = header(&parts.headers, "x-ms-error-code");
    let mut explanation = Vec::new();
    let mut pieces = body.bytes_stream();
    while explanation.len() < EXPLANATION_BYTES
        && let Some(Ok(piece)) = pieces.next().await
    {
        explanation.extend_from_slice(&piece);
    }
    let code = code.or_else(|| code_of(&String::from_utf8_lossy(&explanation)));
    Failure::Status { status, code }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let word = headers.get(name)?.to_str().ok()?;
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| word.to_owned())
}

/// The code in an answer such as `<Error><Code>ExpiredToken</Code>…`.
fn code_of(explanation: &str) -> Option<String> {
    let (_, rest) = explanation.split_once("<Code>")?;
    plain_code(rest.split_once("</Code>")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_codes_are_repeated() {
        let cases = [
            ("<Error><Code>ExpiredToken</Code><Token>secret</Token></Error>", Some("ExpiredToken")),
            ("<Error><Code>no such <b>code</b></Code></Error>", None),
            ("<Code></Code>", None),
            ("<Code>endless", None),
            ("{\"error\": \"secret\"}", None),
        ];
        for (explanation, expected) in cases {
            assert_eq!(code_of(explanation).as_deref(), expected);
        }
    }
}

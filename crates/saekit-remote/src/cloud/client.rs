//! What `object_store` sends requests with. Answers that are failures become typed ones here, since
//! its own errors hide the status and repeat addresses.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions, HeaderMap, HeaderValue};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use url::Url;

use crate::cloud::options as cloud_options;
use crate::failure::{Failure, causes, innermost, plain_code};
use crate::redirects::Route;

/// How much of an answer that says why it failed is read.
const EXPLANATION_BYTES: usize = 16 << 10;

/// How long the machine may take to say whether it has credentials of its own. Elsewhere than in a
/// cloud nobody answers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

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
pub(crate) struct Connector {
    /// How long connecting to a server of files may take, as in the options.
    pub(crate) connect_timeout: String,
    /// Goes with every request to the server that it is made for.
    pub(crate) authorization: Option<HeaderValue>,
}

impl HttpConnector for Connector {
    /// Where the machine is to be asked for credentials, `object_store` sets a time of its own to
    /// connect. Addresses do not tell such requests from others, since data may have the same paths.
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let connect_timeout = options.get_config_value(&ClientConfigKey::ConnectTimeout);
        Ok(HttpClient::new(Client {
            http: HttpClient::new(cloud_options::client(options)?),
            authorization: self.authorization.clone(),
            asks_machine: connect_timeout.as_ref() != Some(&self.connect_timeout),
        }))
    }
}

struct Client {
    http: HttpClient,
    authorization: Option<HeaderValue>,
    asks_machine: bool,
}

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
            if self.asks_machine {
                return self.ask_machine(request).await;
            }
            let wants_part = request.headers().contains_key("range");
            let response = self.send(request).await?;
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
        match tokio::time::timeout(METADATA_TIMEOUT, self.http.execute(request)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            _ => Err(failed(Failure::NoCredentials)),
        }
    }

    /// The answer after all redirects. Only requests that change nothing are sent elsewhere.
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return self.http.execute(request).await;
        }
        let first = Url::parse(&request.uri().to_string());
        let mut route = Route::new(first.map_err(|error| no_address(&error))?);
        let mut hop = request.clone();
        loop {
            let response = self.http.execute(hop).await?;
            if !route.goes_on(response.status(), response.headers()).map_err(failed)? {
                return Ok(response);
            }
            hop = request.clone();
            set(hop.uri_mut(), route.current())?;
            route.strip(hop.headers_mut());
        }
    }
}

fn set<T: FromStr<Err: fmt::Display>>(place: &mut T, url: &Url) -> Result<(), HttpError> {
    *place = url.as_str().parse().map_err(|error| no_address(&error))?;
    Ok(())
}

fn no_address(error: &dyn fmt::Display) -> HttpError {
    failed(Failure::Answer(format!("what is to be asked has no valid address ({error})")))
}

fn failed(failure: Failure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failure)
}

/// What a server says that does not give what was asked for.
async fn refusal(response: HttpResponse) -> Failure {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    if let Some(region) = header(&parts.headers, "x-amz-bucket-region").filter(|_| status == 301) {
        return Failure::Region(region);
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

//! What the environment says of the Hub.

use std::env;
use std::error::Error as StdError;
use std::fs;

use hf_hub::{HFClient, hf_home};
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use crate::environment::{Unfit, server};
use crate::failure::innermost;
use crate::redirects;

/// The variable that forbids to ask the Hub. `hf-hub` leaves it to its callers.
const OFFLINE: &str = "HF_HUB_OFFLINE";

/// Where the Hub is, and the token that it is shown.
pub(crate) struct HubSettings {
    pub(crate) endpoint: Url,
    pub(crate) token: Option<String>,
}

impl HubSettings {
    pub(crate) fn from_environment() -> Result<Self, Unfit> {
        let endpoint = env::var("HF_ENDPOINT");
        let endpoint = endpoint.unwrap_or_else(|_| "https://huggingface.co".to_owned());
        Ok(Self { endpoint: server("HF_ENDPOINT", &endpoint)?, token: token()? })
    }

    /// A client that makes every request once.
    pub(crate) fn client(&self) -> Result<HFClient, Unfit> {
        let client = http_client(redirects::policy())?;
        let mut builder = HFClient::builder()
            .client(client)
            .retry_max_attempts(0)
            .endpoint(self.endpoint.as_str());
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        builder.build().map_err(|error| no_client(&error))
    }
}

/// What sends requests to the Hub. Addresses of large files are signed, so none is told to the next
/// server.
pub(crate) fn http_client(redirects: Policy) -> Result<Client, Unfit> {
    let mut name = concat!("saekit/", env!("CARGO_PKG_VERSION")).to_owned();
    if let Ok(origin) = env::var("HF_HUB_USER_AGENT_ORIGIN") {
        name = format!("{name}; {origin}");
    }
    let client = Client::builder().user_agent(name).referer(false).redirect(redirects).build();
    client.map_err(|error| no_client(&error))
}

fn no_client(error: &(dyn StdError + 'static)) -> Unfit {
    Unfit {
        problem: format!("no client for the Hub can be made ({})", innermost(error)),
        remedy: "check HF_HUB_USER_AGENT_ORIGIN and the certificates of this machine",
    }
}

/// Whether the variable holds one of the words that Python's client reads as yes. Every other word is a
/// no, for it as well.
pub(crate) fn offline() -> bool {
    let value = env::var(OFFLINE).unwrap_or_default().to_ascii_lowercase();
    matches!(value.as_str(), "1" | "on" | "yes" | "true")
}

/// The token, looked for where `hf-hub` looks for it. That one would leave out a token with a line
/// break at its end without a word.
fn token() -> Result<Option<String>, Unfit> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if set("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return Ok(None);
    }
    if let Some(token) = set("HF_TOKEN") {
        return plain("HF_TOKEN", &token.to_string_lossy()).map(Some);
    }
    let named = env::var_os("HF_TOKEN_PATH").map(|path| ("the file of HF_TOKEN_PATH", path.into()));
    let files = named.into_iter().chain([("the file `token` of HF_HOME", hf_home().join("token"))]);
    for (name, path) in files {
        match fs::read_to_string(path) {
            Ok(token) if !token.trim().is_empty() => return plain(name, &token).map(Some),
            _ => {}
        }
    }
    Ok(None)
}

/// A token without the spaces and line breaks around it, where nothing else is wrong with it.
fn plain(name: &str, token: &str) -> Result<String, Unfit> {
    let token = token.trim();
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token.to_owned());
    }
    let problem = if token.is_empty() { "is blank" } else { "has characters that no token has" };
    let remedy = "set it to a token such as hf_…, or unset it";
    Err(Unfit { problem: format!("{name} {problem}"), remedy })
}

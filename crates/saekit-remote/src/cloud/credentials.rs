//! Which credentials are to blame where no client can be made with them. `object_store` says what is
//! wrong, but not where; its texts may repeat what they are about, so few of them are passed on.

use std::{env, fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use object_store::azure::AzureConfigKey as Azure;
use object_store::gcp::GoogleConfigKey as Google;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::address::Scheme;
use crate::cloud::environment::variable;
use crate::environment::{Unfit, server};
use crate::failure::{causes, innermost};

/// Why no client for `scheme` could be made.
pub(crate) fn unfit(scheme: Scheme, error: &object_store::Error) -> Unfit {
    let blamed = match scheme {
        Scheme::Gs => google(error),
        Scheme::Az => azure(),
        _ => None,
    };
    let other = || Unfit { problem: innermost(error), remedy: scheme.credentials() };
    blamed.unwrap_or_else(other)
}

/// Fails where credentials name a server that is none, at which `object_store` panics.
pub(crate) fn check(scheme: Scheme) -> Result<(), Unfit> {
    if scheme != Scheme::Gs {
        return Ok(());
    }
    let file = account_file().and_then(|(name, path)| {
        Some((format!("the file that {name} names"), fs::read_to_string(path).ok()?))
    });
    for (place, text) in file.into_iter().chain(variable("GOOGLE_", &Google::ServiceAccountKey)) {
        let json = serde_json::from_str::<Value>(&text).ok();
        if let Some(url) = json.as_ref().and_then(|json| json.get("gcs_base_url")?.as_str()) {
            server(&format!("`gcs_base_url` in {place}"), url)?;
        }
    }
    Ok(())
}

/// The variable that names the file of a service account, and the file.
fn account_file() -> Option<(String, String)> {
    let other = || Some(("SERVICE_ACCOUNT".to_owned(), env::var("SERVICE_ACCOUNT").ok()?));
    variable("GOOGLE_", &Google::ServiceAccount).or_else(other)
}

/// The first of the places that `object_store` looks at for Google's credentials, and what is wrong
/// with it.
fn google(error: &object_store::Error) -> Option<Unfit> {
    let is_of_client = |error: &object_store::Error| {
        causes(error).any(<dyn std::error::Error>::is::<reqwest::Error>)
    };
    if is_of_client(error) {
        return None;
    }
    let file = account_file().map(|(name, _)| name);
    let key = variable("GOOGLE_", &Google::ServiceAccountKey).map(|(name, _)| name);
    let remedy = "set it to the path of a service account's key as Google gives it, or unset it";
    let (place, remedy) = match (file, key) {
        (Some(file), Some(key)) => {
            let problem = format!("{file} and {key} are both set");
            return Some(Unfit { problem, remedy: "unset one of them" });
        }
        (Some(file), None) => (format!("the file that {file} names"), remedy),
        (None, Some(key)) => {
            (key, "set it to the text of a service account's key as Google gives it, or unset it")
        }
        (None, None) => default_credentials(),
    };
    Some(Unfit { problem: format!("{place} {}", problem(error)), remedy })
}

/// What `gcloud` makes, and where it leaves it.
fn default_credentials() -> (String, &'static str) {
    match variable("GOOGLE_", &Google::ApplicationCredentials) {
        Some((name, _)) => (
            format!("the file that {name} names"),
            "set it to the path of a key or of credentials as Google gives them, or unset it",
        ),
        None => (
            "the file ~/.config/gcloud/application_default_credentials.json".to_owned(),
            "make it anew with `gcloud auth application-default login`, or remove it",
        ),
    }
}

/// What is wrong with a file or a text of Google's credentials.
fn problem(error: &object_store::Error) -> String {
    if let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
        return format!("cannot be read ({error})");
    }
    let text = innermost(error);
    if text.starts_with("missing field") {
        return format!("is not complete ({text})");
    }
    match text.rsplit_once(" at line ") {
        Some((_, place)) => format!("is no JSON of credentials (line {place})"),
        None => "has no private key in the format PEM that can be used".to_owned(),
    }
}

/// The first of Azure's variables with a secret that is none.
fn azure() -> Option<Unfit> {
    let key = variable("AZURE_", &Azure::AccessKey);
    let token = variable("AZURE_", &Azure::SasKey);
    if let Some((name, _)) = key.filter(|(_, key)| BASE64_STANDARD.decode(key).is_err()) {
        let problem = format!("{name} is not base64, which keys are");
        return Some(Unfit {
            problem,
            remedy: "set it to one of the account's two keys, or unset it",
        });
    }
    let (name, _) = token.filter(|(_, token)| !is_signature(token))?;
    let problem = format!("{name} is not made of pairs `name=value` with `&` between them");
    Some(Unfit { problem, remedy: "set it to a token such as sv=…&sig=…, or unset it" })
}

fn is_signature(token: &str) -> bool {
    let Ok(token) = percent_decode_str(token).decode_utf8() else { return false };
    let pairs = token.trim_start_matches('?').split('&');
    pairs.filter(|pair| !pair.trim().is_empty()).all(|pair| pair.contains('='))
}

//! The variables of the environment that clouds are reached with. `object_store` reads them, but
//! panics at some values, and its errors do not name the variable.

use std::env;
use std::str::FromStr;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey as Aws;
use object_store::azure::AzureConfigKey as Azure;
use object_store::gcp::GoogleConfigKey as Google;
use url::Url;

use crate::address::Scheme;
use crate::environment::{Unfit, server};

/// What a variable has to hold.
enum Kind {
    /// The address of a server.
    Server,
    /// What becomes part of an address or of a header.
    Word,
    /// Yes or no.
    Flag,
}

/// Fails where a variable for `scheme` holds what it cannot mean.
pub(crate) fn check(scheme: Scheme) -> Result<(), Unfit> {
    let mut variables: Vec<_> = variables().collect();
    variables.sort();
    for (name, value) in &variables {
        match kind(scheme, name) {
            Some(Kind::Server) => drop(server(name, value)?),
            Some(Kind::Word) => check_word(name, value)?,
            Some(Kind::Flag) => check_flag(name, value)?,
            None => {}
        }
    }
    Ok(())
}

/// The variable that `object_store` takes `key` from, and what it holds.
pub(crate) fn variable<K: FromStr + PartialEq>(prefix: &str, key: &K) -> Option<(String, String)> {
    let holds = |name: &str| parsed::<K>(prefix, name).is_some_and(|found| found == *key);
    variables().filter(|(name, _)| holds(name)).last()
}

/// An address as clients join paths to it.
pub(crate) fn joinable(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn parsed<K: FromStr>(prefix: &str, name: &str) -> Option<K> {
    name.starts_with(prefix).then(|| name.to_ascii_lowercase().parse().ok())?
}

fn kind(scheme: Scheme, name: &str) -> Option<Kind> {
    match scheme {
        Scheme::S3 => of_aws(parsed("AWS_", name)?),
        Scheme::Gs if name.starts_with("GCE_METADATA_") => Some(Kind::Word),
        Scheme::Gs => of_google(parsed("GOOGLE_", name)?),
        Scheme::Az if ["AZURITE_BLOB_STORAGE_URL", "IDENTITY_ENDPOINT"].contains(&name) => {
            Some(Kind::Server)
        }
        Scheme::Az => of_azure(parsed("AZURE_", name)?),
        _ => None,
    }
}

fn of_aws(key: Aws) -> Option<Kind> {
    match key {
        Aws::Endpoint
        | Aws::S3Endpoint
        | Aws::StsEndpoint
        | Aws::MetadataEndpoint
        | Aws::ContainerCredentialsFullUri => Some(Kind::Server),
        Aws::AccessKeyId | Aws::SecretAccessKey | Aws::Token | Aws::Region | Aws::DefaultRegion => {
            Some(Kind::Word)
        }
        Aws::SkipSignature | Aws::VirtualHostedStyleRequest | Aws::S3Express => Some(Kind::Flag),
        Aws::Client(key) => of_client(key),
        _ => None,
    }
}

fn of_google(key: Google) -> Option<Kind> {
    match key {
        Google::BaseUrl => Some(Kind::Server),
        Google::BearerToken => Some(Kind::Word),
        Google::SkipSignature => Some(Kind::Flag),
        Google::Client(key) => of_client(key),
        _ => None,
    }
}

fn of_azure(key: Azure) -> Option<Kind> {
    match key {
        Azure::Endpoint | Azure::MsiEndpoint | Azure::AuthorityHost => Some(Kind::Server),
        Azure::AccountName | Azure::Token => Some(Kind::Word),
        Azure::SkipSignature | Azure::UseEmulator | Azure::UseAzureCli => Some(Kind::Flag),
        Azure::Client(key) => of_client(key),
        _ => None,
    }
}

fn of_client(key: ClientConfigKey) -> Option<Kind> {
    (key == ClientConfigKey::AllowHttp).then_some(Kind::Flag)
}

fn check_word(name: &str, value: &str) -> Result<(), Unfit> {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let problem =
        format!("{name} has a space, a line break or another character that cannot be sent");
    Err(Unfit { problem, remedy: "set it to nothing but its letters, digits and signs" })
}

/// The words that `object_store` knows.
fn check_flag(name: &str, value: &str) -> Result<(), Unfit> {
    let value = value.to_ascii_lowercase();
    let known = ["1", "true", "on", "yes", "y", "0", "false", "off", "no", "n"];
    if known.contains(&&*value) {
        return Ok(());
    }
    let problem = format!("{name} says neither yes nor no");
    Err(Unfit { problem, remedy: "set it to true or false, or unset it" })
}

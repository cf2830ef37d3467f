//! From an address and the environment to a client of `object_store`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, HeaderValue, ObjectStore, RetryConfig,
};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::address::Scheme;
use crate::cloud::client::Connector;
use crate::cloud::environment::joinable;
use crate::cloud::{credentials, environment};
use crate::failure::innermost;
use crate::opening::Opening;
use crate::{Error, RemoteConfig, Result};

/// The limit of a whole request. Silence is limited instead, since a large part may take long.
const NO_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// A bucket or a server, and the path of the files in it.
pub(crate) type Place = (Arc<dyn ObjectStore>, ObjectPath);

pub(crate) fn connect(opening: &Opening<'_>, config: &RemoteConfig) -> Result<Place> {
    // Where the program has chosen a provider already, that one serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    match opening.network.scheme() {
        Scheme::Http | Scheme::Https => web(opening, config),
        scheme => bucket(opening, scheme, config),
    }
}

fn bucket(opening: &Opening<'_>, scheme: Scheme, config: &RemoteConfig) -> Result<Place> {
    let (name, prefix) = opening.rest.split_once('/').unwrap_or((opening.rest, ""));
    if !is_plain(name) || opening.rest.contains(['?', '#']) {
        let problem = "it needs the name of a bucket, and has no user, query or fragment";
        return Err(invalid(opening, problem.to_owned()));
    }
    let prefix = ObjectPath::parse(prefix.trim_matches('/'))
        .map_err(|error| invalid(opening, error.to_string()))?;
    let checked = environment::check(scheme).and_then(|()| credentials::check(scheme));
    checked.map_err(|unfit| unfit.at(&opening.location))?;
    let store = match scheme {
        Scheme::S3 => s3(name, config),
        Scheme::Gs => gs(name, config),
        _ => az(name, config),
    };
    let unfit = |error| credentials::unfit(scheme, &error).at(&opening.location);
    Ok((store.map_err(unfit)?, prefix))
}

/// Whether a name may stand in an address as it is.
fn is_plain(name: &str) -> bool {
    let refused = b"@\"<>\\^`{|}[]%";
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !refused.contains(&b))
}

fn s3(name: &str, config: &RemoteConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env();
    let mut endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .into_iter()
        .filter_map(|key| builder.get_config_value(&key));
    if let Some(url) = address(endpoints.next()) {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, joinable(&url));
        if url.scheme() == "http" {
            builder = builder.with_allow_http(true);
        }
    }
    for (key, value) in client_settings(config) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let builder = builder.with_http_connector(connector(config)).with_retry(no_retries());
    Ok(Arc::new(builder.with_bucket_name(name).build()?))
}

fn gs(name: &str, config: &RemoteConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env();
    if let Some(url) = address(builder.get_config_value(&GoogleConfigKey::BaseUrl)) {
        builder = builder.with_base_url(&joinable(&url));
    }
    for (key, value) in client_settings(config) {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    let builder = builder.with_http_connector(connector(config)).with_retry(no_retries());
    Ok(Arc::new(builder.with_bucket_name(name).build()?))
}

fn az(name: &str, config: &RemoteConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::from_env();
    let endpoint = address(builder.get_config_value(&AzureConfigKey::Endpoint));
    if endpoint.is_some_and(|url| url.scheme() == "http") {
        builder = builder.with_allow_http(true);
    }
    for (key, value) in client_settings(config) {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    let builder = builder.with_http_connector(connector(config)).with_retry(no_retries());
    Ok(Arc::new(builder.with_container_name(name).build()?))
}

/// The address of a server, which is known to be one where it is there.
fn address(setting: Option<String>) -> Option<Url> {
    Url::parse(&setting?).ok()
}

fn web(opening: &Opening<'_>, config: &RemoteConfig) -> Result<Place> {
    let mut url =
        Url::parse(opening.address).map_err(|error| invalid(opening, error.to_string()))?;
    let mut options = ClientOptions::new().with_allow_http(true);
    for (key, value) in client_settings(config) {
        options = options.with_config(key, value);
    }
    let connector = Connector { authorization: authorization(&url), ..connector(config) };
    let cleared = [url.set_username(""), url.set_password(None)];
    if url.host_str().is_none() || cleared.contains(&Err(())) {
        return Err(invalid(opening, "it names no host".to_owned()));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    let store = HttpBuilder::new()
        .with_url(url)
        .with_client_options(options)
        .with_http_connector(connector)
        .with_retry(no_retries())
        .build()
        .map_err(|error| invalid(opening, innermost(&error)))?;
    Ok((Arc::new(store), ObjectPath::default()))
}

/// The header for the name and the password of an address.
fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn client_settings(config: &RemoteConfig) -> [(ClientConfigKey, String); 2] {
    [
        (ClientConfigKey::Timeout, written(NO_TIMEOUT)),
        (ClientConfigKey::ConnectTimeout, written(config.timeout)),
    ]
}

fn connector(config: &RemoteConfig) -> Connector {
    Connector { connect_timeout: written(config.timeout), authorization: None }
}

fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Attempts are counted in one place, which is not this one.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

fn invalid(opening: &Opening<'_>, problem: String) -> Error {
    let expected = match opening.network.scheme() {
        Scheme::S3 => "s3://bucket/prefix",
        Scheme::Gs => "gs://bucket/prefix",
        Scheme::Az => "az://container/prefix",
        _ => "https://host/path",
    };
    Error::Address { location: opening.location.clone(), problem, expected }
}

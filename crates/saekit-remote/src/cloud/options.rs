//! From the options of `object_store` to the client that makes its requests. Its own connector would
//! let that client follow redirects, and tell each server the address that led there.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::ToSocketAddrs as _;
use std::time::Duration;

use object_store::{ClientConfigKey as Key, ClientOptions};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy};

/// Why no client can be made.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A client that follows no redirect. Default headers are not taken over: it would send them
/// everywhere.
pub(crate) fn client(options: &ClientOptions) -> object_store::Result<Client> {
    let made = build(&Options(options));
    made.map_err(|source| object_store::Error::Generic { store: "HTTP client", source })
}

fn build(options: &Options<'_>) -> Result<Client, Problem> {
    let agent = options.text(Key::UserAgent);
    let agent = agent.unwrap_or_else(|| concat!("saekit/", env!("CARGO_PKG_VERSION")).to_owned());
    let mut builder = Client::builder()
        .user_agent(agent)
        .redirect(Policy::none())
        .referer(false)
        .https_only(!options.flag(Key::AllowHttp)?)
        .danger_accept_invalid_certs(options.flag(Key::AllowInvalidCertificates)?)
        // Compressed answers have other lengths than files.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if options.flag(Key::NoSystemCertificates)? {
        builder = builder.tls_certs_only([]);
    }
    if options.flag(Key::RandomizeAddresses)? {
        builder = builder.dns_resolver(Shuffled);
    }
    builder = with_proxy(builder, options)?;
    builder = with_protocol(with_limits(builder, options)?, options)?;
    Ok(builder.build()?)
}

fn with_proxy(mut builder: ClientBuilder, options: &Options<'_>) -> Result<ClientBuilder, Problem> {
    let Some(url) = options.text(Key::ProxyUrl) else { return Ok(builder) };
    let mut proxy = Proxy::all(url)?;
    if let Some(certificate) = options.text(Key::ProxyCaCertificate) {
        builder = builder.tls_certs_merge([Certificate::from_pem(certificate.as_bytes())?]);
    }
    if let Some(excluded) = options.text(Key::ProxyExcludes) {
        proxy = proxy.no_proxy(NoProxy::from_string(&excluded));
    }
    Ok(builder.proxy(proxy))
}

fn with_limits(
    mut builder: ClientBuilder,
    options: &Options<'_>,
) -> Result<ClientBuilder, Problem> {
    type Limit = fn(ClientBuilder, Duration) -> ClientBuilder;
    let limits: [(Key, Limit); 6] = [
        (Key::Timeout, ClientBuilder::timeout),
        (Key::ConnectTimeout, ClientBuilder::connect_timeout),
        (Key::ReadTimeout, ClientBuilder::read_timeout),
        (Key::PoolIdleTimeout, |builder, limit| builder.pool_idle_timeout(limit)),
        (Key::Http2KeepAliveInterval, |builder, limit| builder.http2_keep_alive_interval(limit)),
        (Key::Http2KeepAliveTimeout, ClientBuilder::http2_keep_alive_timeout),
    ];
    for (key, set) in limits {
        if let Some(limit) = options.duration(key)? {
            builder = set(builder, limit);
        }
    }
    Ok(builder)
}

fn with_protocol(
    mut builder: ClientBuilder,
    options: &Options<'_>,
) -> Result<ClientBuilder, Problem> {
    if let Some(most) = options.number(Key::PoolMaxIdlePerHost)? {
        builder = builder.pool_max_idle_per_host(most);
    }
    if let Some(bytes) = options.number::<u32>(Key::Http2MaxFrameSize)? {
        builder = builder.http2_max_frame_size(bytes);
    }
    if options.flag(Key::Http2KeepAliveWhileIdle)? {
        builder = builder.http2_keep_alive_while_idle(true);
    }
    if options.flag(Key::Http1Only)? {
        builder = builder.http1_only();
    }
    if options.flag(Key::Http2Only)? {
        builder = builder.http2_prior_knowledge();
    }
    Ok(builder)
}

/// Options, which are told as texts only. What a text says is not repeated.
struct Options<'a>(&'a ClientOptions);

impl Options<'_> {
    fn text(&self, key: Key) -> Option<String> {
        self.0.get_config_value(&key)
    }

    fn flag(&self, key: Key) -> Result<bool, Problem> {
        let Some(text) = self.text(key) else { return Ok(false) };
        match &*text.to_ascii_lowercase() {
            "1" | "true" | "on" | "yes" | "y" => Ok(true),
            "0" | "false" | "off" | "no" | "n" => Ok(false),
            _ => Err(unfit(key, "says neither true nor false")),
        }
    }

    fn number<T: std::str::FromStr>(&self, key: Key) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let parsed = text.trim().parse().ok();
        parsed.map(Some).ok_or_else(|| unfit(key, "is no number"))
    }

    fn duration(&self, key: Key) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let parsed = parse_duration(&text);
        parsed.map(Some).ok_or_else(|| unfit(key, "is no time such as `30s` or `1m 30s`"))
    }
}

fn unfit(key: Key, problem: &str) -> Problem {
    format!("`{}` {problem}", key.as_ref()).into()
}

/// A time such as `30s`, `1500ms` or `1 hour 30 min`: the sum of numbers with units.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        sum = sum.checked_add(of_unit(number.parse().ok()?, unit)?)?;
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then_some(sum)
}

fn of_unit(number: u64, unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "ns" | "nsec" => return Some(Duration::from_nanos(number)),
        "us" | "usec" => return Some(Duration::from_micros(number)),
        "ms" | "msec" | "millis" => return Some(Duration::from_millis(number)),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 60 * 60,
        "d" | "day" | "days" => 24 * 60 * 60,
        "w" | "week" | "weeks" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// Takes the addresses of a server in any order, so that many readers share its machines.
struct Shuffled;

impl Resolve for Shuffled {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let look_up = move || (&*host, 0).to_socket_addrs();
            let mut found: Vec<_> = tokio::task::spawn_blocking(look_up).await??.collect();
            let order = RandomState::new();
            found.sort_by_cached_key(|address| order.hash_one(address));
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums_of_numbers_with_units() {
        let cases = [
            ("31536000000ms", Some(Duration::from_hours(365 * 24))),
            ("1s", Some(Duration::from_secs(1))),
            (" 1m 30s ", Some(Duration::from_secs(90))),
            ("2 hours 5min", Some(Duration::from_mins(125))),
            ("7us1ns", Some(Duration::from_nanos(7001))),
            ("", None),
            ("30", None),
            ("s", None),
            ("30 parsecs", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn every_option_is_looked_at() {
        drop(rustls::crypto::ring::default_provider().install_default());
        for (key, problem) in [
            (Key::AllowHttp, "`allow_http` says neither true nor false"),
            (
                Key::AllowInvalidCertificates,
                "`allow_invalid_certificates` says neither true nor false",
            ),
            (
                Key::NoSystemCertificates,
                "`disable_system_certificates` says neither true nor false",
            ),
            (Key::RandomizeAddresses, "`randomize_addresses` says neither true nor false"),
            (Key::Http1Only, "`http1_only` says neither true nor false"),
            (Key::Http2Only, "`http2_only` says neither true nor false"),
            (
                Key::Http2KeepAliveWhileIdle,
                "`http2_keep_alive_while_idle` says neither true nor false",
            ),
            (Key::Timeout, "`timeout` is no time such as `30s` or `1m 30s`"),
            (Key::ConnectTimeout, "`connect_timeout` is no time such as `30s` or `1m 30s`"),
            (Key::ReadTimeout, "`read_timeout` is no time such as `30s` or `1m 30s`"),
            (Key::PoolIdleTimeout, "`pool_idle_timeout` is no time such as `30s` or `1m 30s`"),
            (
                Key::Http2KeepAliveInterval,
                "`http2_keep_alive_interval` is no time such as `30s` or `1m 30s`",
            ),
            (
                Key::Http2KeepAliveTimeout,
                "`http2_keep_alive_timeout` is no time such as `30s` or `1m 30s`",
            ),
            (Key::PoolMaxIdlePerHost, "`pool_max_idle_per_host` is no number"),
            (Key::Http2MaxFrameSize, "`http2_max_frame_size` is no number"),
        ] {
            let options = ClientOptions::new().with_config(key, "secret");
            let error = build(&Options(&options)).unwrap_err();
            assert_eq!(error.to_string(), problem);
        }
        let broken = ClientOptions::new().with_config(Key::ProxyUrl, "secret http://");
        assert!(client(&broken).is_err());
        assert!(client(&ClientOptions::new()).is_ok());
    }
}

//! A bucket of a server that speaks S3's protocol, with the settings of the environment.
#![cfg(all(feature = "cloud", unix))]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::SocketAddr;

use common::environment::with_environment;
use common::http::{Reply, Request};
use common::{Fault, Server, content, files, impatient, open, read};
use saekit_store::Listed;

const KEYS: [&str; 5] =
    ["acts/manifest.json", "acts/shards/0", "acts/shards/1", "acts2/x", "another"];

/// Two files of a listing per answer, as real servers do with a thousand.
fn site(request: &Request) -> Reply {
    if request.parameter("list-type").is_some() {
        return Reply::new(200, listing(request)).header("content-type", "application/xml");
    }
    match request.path().strip_prefix("/bucket/") {
        Some(key) if KEYS.contains(&key) => files::serve(request, &content(1000)),
        _ => Reply::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    }
}

fn listing(request: &Request) -> String {
    let prefix = request.parameter("prefix").unwrap_or_default();
    let from = request.parameter("continuation-token").map_or(0, |token| token.parse().unwrap());
    let keys: Vec<_> = KEYS.iter().filter(|key| key.starts_with(&prefix)).collect();
    let to = keys.len().min(from + 2);
    let contents: String = keys[from..to].iter().map(|key| entry(key)).collect();
    let next = if to < keys.len() {
        ["<NextContinuationToken>", &to.to_string(), "</NextContinuationToken>"].concat()
    } else {
        String::new()
    };
    let truncated = to < keys.len();
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name><KeyCount>{}</KeyCount><IsTruncated>{truncated}</IsTruncated>{contents}{next}</ListBucketResult>",
        to - from
    )
}

fn entry(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>{}</ETag><Size>1000</Size></Contents>",
        files::ETAG
    )
}

fn anonymous(address: SocketAddr) -> Vec<(&'static str, String)> {
    let endpoint = format!("http://{address}");
    vec![("AWS_ENDPOINT_URL", endpoint), ("AWS_SKIP_SIGNATURE", "true".to_owned())]
}

fn signed(address: SocketAddr) -> Vec<(&'static str, String)> {
    let endpoint = format!("http://{address}");
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let mut variables = vec![("AWS_ENDPOINT_URL", endpoint)];
    variables.extend(keys.map(|key| (key, format!("secret-{key}"))));
    variables
}

const REMEDY: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN where they are temporary, or AWS_SKIP_SIGNATURE=true for a public bucket";

#[test]
fn a_public_bucket_is_listed_and_read() {
    let test = "a_public_bucket_is_listed_and_read";
    with_environment(
        test,
        |address, _| anonymous(address),
        |listener, _| {
            let server = Server::on(listener, site);
            let storage = saekit_remote::open("s3://bucket/acts/", &impatient(2)).unwrap();
            server.inject("GET", 2, Fault::Status(503, ""));
            let expected =
                ["manifest.json", "shards/0", "shards/1"].map(|path| Listed::new(path, 1000));
            assert_eq!(storage.list().unwrap(), expected);
            assert_eq!(server.requests().len(), 4);
            let blob = open(&*storage, "shards/1");
            server.inject("GET", 2, Fault::Cut(5));
            assert_eq!(read(&*blob, 10, 20).unwrap(), content(1000)[10..30]);
            let part = "GET /bucket/acts/shards/1 bytes=10-29 \"v1\"";
            assert_eq!(server.requests(), ["HEAD /bucket/acts/shards/1", part, part, part]);
            assert!(storage.open("shards/2").unwrap().is_none());
            server.inject("GET", 1, Fault::Etag("\"v2\""));
            let expected = "s3://bucket/acts/shards/1 was changed while it was read; restore it, or start again to read the new one";
            assert_eq!(read(&*blob, 10, 20).unwrap_err(), expected);
        },
    );
}

#[test]
fn a_whole_bucket_is_listed_and_one_that_is_missing_is_an_error() {
    let test = "a_whole_bucket_is_listed_and_one_that_is_missing_is_an_error";
    with_environment(
        test,
        |address, _| anonymous(address),
        |listener, _| {
            let server = Server::on(listener, site);
            let storage = saekit_remote::open("s3://bucket", &impatient(2)).unwrap();
            let listed: Vec<_> =
                storage.list().unwrap().into_iter().map(|file| file.path).collect();
            assert_eq!(listed, KEYS);
            server.inject("GET", 1, Fault::Status(404, "<Code>NoSuchBucket</Code>"));
            let expected =
                "there is nothing at s3://bucket: the server answered 404; check the address";
            assert_eq!(storage.list().unwrap_err().to_string(), expected);
        },
    );
}

#[test]
fn credentials_sign_requests_and_are_never_shown() {
    let test = "credentials_sign_requests_and_are_never_shown";
    with_environment(
        test,
        |address, _| signed(address),
        |listener, _| {
            let server = Server::on(listener, site);
            let storage = saekit_remote::open("s3://bucket/acts", &impatient(2)).unwrap();
            let blob = open(&*storage, "shards/0");
            let request = server.requests().remove(0);
            assert!(
                request.contains("AWS4-HMAC-SHA256 Credential=secret-AWS_ACCESS_KEY_ID/"),
                "{request}"
            );
            let denied =
                "<Error><Code>AccessDenied</Code><AWSAccessKeyId>secret</AWSAccessKeyId></Error>";
            server.inject("GET", 1, Fault::Status(403, denied));
            let error = blob.read_at(0, &mut [0]).unwrap_err();
            let expected = format!(
                "s3://bucket/acts/shards/0 may not be read: the server answered 403 (AccessDenied); {REMEDY}"
            );
            assert_eq!(error.to_string(), expected);
            for text in [format!("{storage:?}"), format!("{blob:?}"), format!("{error:?}")] {
                assert!(!text.contains("secret"), "{text}");
            }
        },
    );
}

/// The answer to `HEAD` has no body, so only that to `GET` says why.
#[test]
fn expired_credentials_say_so_also_when_a_file_is_opened() {
    let test = "expired_credentials_say_so_also_when_a_file_is_opened";
    with_environment(
        test,
        |address, _| signed(address),
        |listener, _| {
            let server = Server::on(listener, site);
            let storage = saekit_remote::open("s3://bucket/acts", &impatient(2)).unwrap();
            let expired = "<Error><Code>ExpiredToken</Code><Token-0>secret</Token-0></Error>";
            server.inject("HEAD", 1, Fault::Status(400, expired));
            server.inject("GET", 1, Fault::Status(400, expired));
            let expected = format!(
                "s3://bucket/acts/a may not be read: the credentials have expired (ExpiredToken); get new ones and {REMEDY}"
            );
            assert_eq!(storage.open("a").unwrap_err().to_string(), expected);
            let message = |body| {
                server.inject("GET", 1, Fault::Status(403, body));
                storage.list().unwrap_err().to_string()
            };
            let expected = format!(
                "s3://bucket/acts may not be read: the server answered 403 (InvalidAccessKeyId); {REMEDY}"
            );
            assert_eq!(message("<Error><Code>InvalidAccessKeyId</Code></Error>"), expected);
        },
    );
}

#[test]
fn without_credentials_the_machine_is_asked_once() {
    let test = "without_credentials_the_machine_is_asked_once";
    let variables = |address: SocketAddr| {
        let endpoint = format!("http://{address}");
        vec![("AWS_ENDPOINT_URL", endpoint.clone()), ("AWS_METADATA_ENDPOINT", endpoint)]
    };
    with_environment(
        test,
        |address, _| variables(address),
        |listener, _| {
            let server = Server::on(listener, site);
            let storage = saekit_remote::open("s3://bucket/acts", &impatient(5)).unwrap();
            let expected =
                format!("s3://bucket/acts may not be read: no credentials were found; {REMEDY}");
            assert_eq!(storage.list().unwrap_err().to_string(), expected);
            assert_eq!(server.requests(), ["PUT /latest/api/token"]);
        },
    );
}

#[test]
fn a_bucket_elsewhere_names_its_region() {
    let test = "a_bucket_elsewhere_names_its_region";
    with_environment(
        test,
        |address, _| signed(address),
        |listener, _| {
            let _server = Server::on(listener, |_| {
                Reply::new(301, "").header("x-amz-bucket-region", "eu-central-1")
            });
            let storage = saekit_remote::open("s3://bucket/acts", &impatient(5)).unwrap();
            let expected = "s3://bucket/acts cannot be read: the bucket is in another region; set AWS_REGION=eu-central-1";
            assert_eq!(storage.list().unwrap_err().to_string(), expected);
        },
    );
}

/// No request is made: what the environment lacks shows when an address is opened.
#[test]
fn azure_needs_an_account() {
    let test = "azure_needs_an_account";
    with_environment(
        test,
        |_, _| Vec::new(),
        |_, _| {
            let error = saekit_remote::open("az://container/acts", &impatient(0)).unwrap_err();
            let expected = "az://container/acts cannot be opened: Account must be specified; set AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_SKIP_SIGNATURE=true for a public container";
            assert_eq!(error.to_string(), expected);
        },
    );
}

//! Web servers, good and bad ones.
#![cfg(feature = "cloud")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::http::{Reply, Request};
use common::{Fault, Server, content, files, impatient, open, read};
use saekit_remote::{CacheConfig, RemoteConfig};
use saekit_store::Storage;

/// A server with the file `acts/a` of 1000 bytes.
fn server() -> Server {
    Server::start(site)
}

fn site(request: &Request) -> Reply {
    match request.path() {
        "/acts/a" => files::serve(request, &content(1000)),
        _ => Reply::new(404, ""),
    }
}

fn storage(server: &Server, config: &RemoteConfig) -> Arc<dyn Storage> {
    saekit_remote::open(&format!("http://{}/acts/", server.address()), config).unwrap()
}

/// What reading ten bytes from byte 100 on says after a fault of the server.
fn message(retries: u32, fault: Fault) -> String {
    let server = server();
    let blob = open(&*storage(&server, &impatient(retries)), "a");
    server.inject("GET", 99, fault);
    server.plain(read(&*blob, 100, 10).unwrap_err())
}

#[test]
fn parts_are_read_with_the_etag_that_was_seen() {
    let server = server();
    let storage = storage(&server, &impatient(0));
    let blob = open(&*storage, "a");
    assert_eq!((blob.bytes(), blob.version()), (1000, Some(files::ETAG)));
    assert_eq!(read(&*blob, 990, 10).unwrap(), content(1000)[990..]);
    assert_eq!(read(&*blob, 1000, 0).unwrap(), content(0));
    let expected = ["HEAD /acts/a", "GET /acts/a bytes=990-999 \"v1\""];
    assert_eq!(server.requests(), expected);
    assert_eq!(server.plain(storage.path("a").display()), "http://127.0.0.1:PORT/acts/a");
}

#[test]
fn another_part_is_an_error() {
    for fault in [Fault::Later(5), Fault::Unnamed] {
        let found = message(3, fault);
        assert!(found.starts_with("http://127.0.0.1:PORT/acts/a cannot be read: "), "{found}");
    }
}

#[test]
fn many_threads_read_at_once() {
    let server = server();
    let blob = open(&*storage(&server, &impatient(0)), "a");
    thread::scope(|scope| {
        for i in 0..16 {
            let blob = &blob;
            scope.spawn(move || {
                for j in 0..8 {
                    let start = 50 * i + j;
                    let expected = &content(1000)[start..start + 100];
                    assert_eq!(read(&**blob, start as u64, 100).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn what_may_pass_is_tried_again() {
    let faults = [
        Fault::Status(503, ""),
        Fault::Status(500, ""),
        Fault::Status(429, ""),
        Fault::Status(408, ""),
        Fault::Short(4),
        Fault::Short(0),
        Fault::Cut(4),
        Fault::HangUp,
    ];
    for fault in faults {
        let server = server();
        server.inject("HEAD", 2, Fault::Status(503, ""));
        let blob = open(&*storage(&server, &impatient(2)), "a");
        assert_eq!(server.requests().len(), 3);
        server.inject("GET", 2, fault);
        assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110], "{fault:?}");
        assert_eq!(server.requests().len(), 3, "{fault:?}");
    }
}

#[test]
fn waits_grow() {
    let server = server();
    let delay = Duration::from_millis(20);
    let blob = open(&*storage(&server, &RemoteConfig { delay, ..impatient(3) }), "a");
    server.inject("GET", 3, Fault::Status(503, ""));
    let start = Instant::now();
    read(&*blob, 0, 1).unwrap();
    assert!(start.elapsed() >= delay * (1 + 2 + 4), "{:?}", start.elapsed());
}

#[test]
fn what_does_not_pass_is_an_error_after_the_last_retry() {
    let unavailable = |attempts: u32, problem: &str| {
        format!(
            "http://127.0.0.1:PORT/acts/a could not be read in {attempts} attempts: {problem}; try again later"
        )
    };
    let cases = [
        (2, Fault::Status(503, "secret"), "the server answered 503"),
        (
            0,
            Fault::Status(500, "<Code>InternalError</Code>"),
            "the server answered 500 (InternalError)",
        ),
        (1, Fault::Short(4), "the server sent 4 bytes, expected 10"),
        (1, Fault::HangUp, "the connection failed (connection closed before message completed)"),
        (1, Fault::Cut(4), "the connection failed (end of file before message length reached)"),
    ];
    for (retries, fault, problem) in cases {
        assert_eq!(message(retries, fault), unavailable(retries + 1, problem));
    }
}

#[test]
fn silence_is_an_error_too() {
    let server = server();
    let config = RemoteConfig { timeout: Duration::from_millis(100), ..impatient(1) };
    server.inject("HEAD", 2, Fault::Silence);
    let error = storage(&server, &config).open("a").unwrap_err();
    let expected = "http://127.0.0.1:PORT/acts/a could not be read in 2 attempts: the server was silent for 100ms; try again later";
    assert_eq!(server.plain(error), expected);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_is_gone_is_an_error() {
    let server = server();
    let storage = storage(&server, &impatient(1));
    let address = server.address();
    drop(server);
    while std::net::TcpStream::connect(address).is_ok() {}
    let error = storage.open("a").unwrap_err().to_string();
    assert!(
        error.contains("/acts/a could not be read in 2 attempts: the connection failed ("),
        "{error}"
    );
}

#[test]
fn what_is_not_there_is_nothing() {
    let server = server();
    assert!(storage(&server, &impatient(3)).open("b").unwrap().is_none());
    assert_eq!(server.requests(), ["HEAD /acts/b"]);
}

#[test]
fn what_is_not_allowed_says_what_to_do() {
    let remedy = "use an address that is signed, or one with a name and a password as in https://name:password@host/path";
    for (fault, found) in [
        (Fault::Status(401, "secret"), "401"),
        (Fault::Status(403, "<Code>AccessDenied</Code>"), "403 (AccessDenied)"),
    ] {
        let expected = format!(
            "http://127.0.0.1:PORT/acts/a may not be read: the server answered {found}; {remedy}"
        );
        assert_eq!(message(3, fault), expected);
    }
    let expected = format!(
        "http://127.0.0.1:PORT/acts/a may not be read: the credentials have expired (ExpiredToken); get new ones and {remedy}"
    );
    assert_eq!(message(3, Fault::Status(400, "<Code>ExpiredToken</Code>")), expected);
    let expected = "http://127.0.0.1:PORT/acts/a cannot be read: the server answered 418; check the address, and the settings of its server";
    assert_eq!(message(3, Fault::Status(418, "secret")), expected);
}

#[test]
fn a_changed_file_is_an_error_and_never_other_bytes() {
    let expected = "http://127.0.0.1:PORT/acts/a was changed while it was read; restore it, or start again to read the new one";
    let faults = [
        Fault::Etag("\"v2\""),
        Fault::CarelessEtag("\"v2\""),
        Fault::Status(404, ""),
        Fault::Status(416, ""),
    ];
    for fault in faults {
        assert_eq!(message(3, fault), expected, "{fault:?}");
    }
}

/// The size is all there is where a server gives neither etag nor date.
#[test]
fn without_an_etag_date_and_size_count() {
    let date = Arc::new(Mutex::new(("Wed, 21 Oct 2015 07:28:00 GMT", 1000)));
    let now = Arc::clone(&date);
    let server = Server::start(move |request| {
        let (date, bytes) = *now.lock().unwrap();
        let mut reply = files::serve(request, &content(bytes));
        reply.headers.retain(|(name, _)| !["etag", "last-modified"].contains(name));
        if date.is_empty() { reply } else { reply.header("last-modified", date) }
    });
    let folder = tempfile::tempdir().unwrap();
    let cache = Some(CacheConfig { dir: folder.path().to_owned(), bytes: 1 << 20 });
    let storage = storage(&server, &RemoteConfig { cache, ..impatient(0) });
    for (before, after) in [
        (("Wed, 21 Oct 2015 07:28:00 GMT", 1000), ("Wed, 21 Oct 2015 07:28:01 GMT", 1000)),
        (("", 1000), ("", 999)),
    ] {
        *date.lock().unwrap() = before;
        let blob = open(&*storage, "a");
        assert_eq!(blob.version(), None);
        assert_eq!(read(&*blob, 5, 2).unwrap(), [5, 6]);
        *date.lock().unwrap() = after;
        let error = read(&*blob, 5, 2).unwrap_err();
        assert!(error.contains("was changed while it was read"), "{error}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is kept without a version");
}

#[test]
fn weak_etags_are_compared_here() {
    let server = server();
    server.inject("HEAD", 1, Fault::Etag("W/\"v1\""));
    server.inject("GET", 1, Fault::Etag("W/\"v1\""));
    server.inject("GET", 1, Fault::Etag("W/\"v2\""));
    let blob = open(&*storage(&server, &impatient(0)), "a");
    assert_eq!(read(&*blob, 0, 2).unwrap(), [0, 1]);
    assert!(read(&*blob, 0, 2).unwrap_err().contains("was changed"));
    let expected = ["HEAD /acts/a", "GET /acts/a bytes=0-1", "GET /acts/a bytes=0-1"];
    assert_eq!(server.requests(), expected);
}

#[test]
fn a_server_without_ranges_is_an_error_before_the_file_is_sent() {
    let bytes = 64 << 20;
    let server =
        Server::start(move |request| files::serve(&request.without(&["range"]), &vec![0; bytes]));
    let blob = open(&*storage(&server, &impatient(3)), "a");
    let expected = "http://127.0.0.1:PORT/acts/a cannot be read in parts: its server ignores the header `Range`; use a server that knows it, or copy the files to a disk, a bucket or the Hub";
    assert_eq!(server.plain(read(&*blob, 100, 10).unwrap_err()), expected);
    assert_eq!(server.requests().len(), 2, "no retry");
    server.wait_for_unwanted();
}

#[test]
fn servers_that_know_no_head_are_asked_for_the_first_byte() {
    let server = server();
    for status in [403, 405, 501] {
        server.inject("HEAD", 1, Fault::Status(status, ""));
        let blob = open(&*storage(&server, &impatient(0)), "a");
        assert_eq!(blob.bytes(), 1000);
        assert_eq!(server.requests(), ["HEAD /acts/a", "GET /acts/a bytes=0-0"]);
    }
}

#[test]
fn web_servers_cannot_list() {
    let server = server();
    let error = storage(&server, &impatient(3)).list().unwrap_err();
    let expected = "the files of http://127.0.0.1:PORT/acts cannot be listed, since web servers have no way to: an http source needs `manifest.json`, which names its files";
    assert_eq!(server.plain(error), expected);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn secrets_of_an_address_are_used_and_never_shown() {
    let server = server();
    let address = format!("http://me:s%40cret@{}/acts?token=secret", server.address());
    let storage = saekit_remote::open(&address, &impatient(0)).unwrap();
    let blob = open(&*storage, "a");
    // `me:s@cret`, by Python's base64.
    let expected = ["HEAD /acts/a?token=secret Basic bWU6c0BjcmV0"];
    assert_eq!(server.requests(), expected);
    server.inject("GET", 1, Fault::Status(403, ""));
    let error = blob.read_at(0, &mut [0]).unwrap_err();
    for text in [format!("{storage:?} {blob:?}"), format!("{error} {error:?}")] {
        assert!(!text.contains("cret"), "{text}");
        assert!(text.contains("acts"), "{text}");
    }
}

/// Neither by a header nor by an address that it is told, and also at the second request.
#[test]
fn redirects_do_not_show_secrets_to_another_server() {
    let other = Server::start(|request| match request.path() {
        "/first" => Reply::new(302, "").header("location", "/second?Signature=other"),
        "/second" => files::serve(request, &content(1000)),
        _ => Reply::new(404, ""),
    });
    let address = other.address();
    let server = Server::start(move |request| match request.path() {
        "/acts/a" => Reply::new(307, "").header("location", "/b"),
        _ => Reply::new(302, "").header("location", format!("http://{address}/first")),
    });
    let address = format!("http://me:secret@{}/acts?token=secret", server.address());
    let blob = open(&*saekit_remote::open(&address, &impatient(0)).unwrap(), "a");
    assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110]);
    let part = "bytes=100-109 \"v1\"";
    let basic = "Basic bWU6c2VjcmV0";
    let expected = [
        format!("HEAD /acts/a?token=secret {basic}"),
        format!("HEAD /b {basic}"),
        format!("GET /acts/a?token=secret {part} {basic}"),
        format!("GET /b {part} {basic}"),
    ];
    assert_eq!(server.requests(), expected);
    let expected = [
        "HEAD /first".to_owned(),
        "HEAD /second?Signature=other".to_owned(),
        format!("GET /first {part}"),
        format!("GET /second?Signature=other {part}"),
    ];
    assert_eq!(other.requests(), expected);
}

#[test]
fn redirects_without_an_end_are_an_error() {
    let server = Server::start(|_| Reply::new(302, "").header("location", "/acts/a"));
    let error = storage(&server, &impatient(9)).open("a").unwrap_err();
    let expected = "http://127.0.0.1:PORT/acts/a cannot be read: there are more than 10 redirects; check the address, and the settings of its server";
    assert_eq!(server.plain(error), expected);
}

#[test]
fn reading_beyond_the_end_is_an_error_without_a_request() {
    let server = server();
    let blob = open(&*storage(&server, &impatient(0)), "a");
    let expected = "http://127.0.0.1:PORT/acts/a has 1000 bytes, but 10 were asked for from byte 991 on; it was truncated or replaced, so restore it";
    assert_eq!(server.plain(read(&*blob, 991, 10).unwrap_err()), expected);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn ranges_are_kept_from_run_to_run_until_the_file_changes() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let cache = Some(CacheConfig { dir: folder.path().join("new"), bytes: 1 << 20 });
    let config = RemoteConfig { cache, ..impatient(0) };
    for expected in [3, 1] {
        let blob = open(&*storage(&server, &config), "a");
        for _ in 0..2 {
            assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110]);
            assert_eq!(read(&*blob, 105, 10).unwrap(), content(1000)[105..115]);
        }
        assert_eq!(server.requests().len(), expected);
    }
    server.inject("HEAD", 1, Fault::Etag("\"v2\""));
    server.inject("GET", 1, Fault::Etag("\"v2\""));
    let blob = open(&*storage(&server, &config), "a");
    read(&*blob, 100, 10).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn addresses_that_make_no_sense_are_errors() {
    let message = |address: &str| {
        saekit_remote::open(address, &RemoteConfig::default()).unwrap_err().to_string()
    };
    let expected = "ftp://host/a starts with none of s3://, gs://, az://, http://, https:// and hf://; use one of them, or a folder";
    assert_eq!(message("ftp://me:secret@host/a?secret"), expected);
    let expected = "http:// is not a valid address: empty host; expected https://host/path";
    assert_eq!(message("http://"), expected);
    let expected = "s3:// is not a valid address: it needs the name of a bucket, and has no user, query or fragment; expected s3://bucket/prefix";
    assert_eq!(message("s3://"), expected);
    let expected = "gs://bucket is not a valid address: it needs the name of a bucket, and has no user, query or fragment; expected gs://bucket/prefix";
    assert_eq!(message("gs://secret@bucket"), expected);
}

//! The real client of the Hub against a server that answers as the Hub does.
#![cfg(all(feature = "hub", unix))]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;

use common::environment::with_environment;
use common::hub::{COMMIT, Hub, LATER, make_cache, online};
use common::{Fault, content, impatient, open, read};
use saekit_remote::{CacheConfig, RemoteConfig};
use saekit_store::Listed;

const REMEDY: &str =
    "set HF_TOKEN to a token that may read it, and accept its terms on the Hub where it is gated";

const OR_ADDRESS: &str =
    "; check the address, too, since the Hub answers the same where there is no such repository";

#[test]
fn files_of_a_dataset_are_listed_and_read_at_one_commit() {
    let test = "files_of_a_dataset_are_listed_and_read_at_one_commit";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        *hub.main.lock().unwrap() = LATER;
        let listed = [("manifest.json", 20), ("shards/0", 1000)]
            .map(|(path, bytes)| Listed::new(path, bytes));
        assert_eq!(storage.list().unwrap(), listed);
        let blob = open(&*storage, "manifest.json");
        assert_eq!((blob.bytes(), blob.version()), (20, Some("bb")));
        assert_eq!(read(&*blob, 5, 15).unwrap(), content(20)[5..]);
        let blob = open(&*storage, "shards/0");
        assert_eq!((blob.bytes(), blob.version()), (1000, Some("aa")));
        assert_eq!(read(&*blob, 990, 10).unwrap(), content(1000)[990..]);
        assert!(storage.open("shards/1").unwrap().is_none());
        let requests = hub.server.requests();
        assert!(requests.iter().all(|request| request.contains("Bearer secret-token")));
        let later = requests.iter().filter(|request| !request.contains(COMMIT)).count();
        assert_eq!(later, 1, "{requests:?}");
        let large = ["GET /large/0?Signature=secret bytes=990-999"];
        assert_eq!(hub.large.requests(), large, "the token goes to the Hub only");
        assert!(!format!("{storage:?} {blob:?}").contains("secret"));
    });
}

#[test]
fn revisions_and_models_have_addresses() {
    let test = "revisions_and_models_have_addresses";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        *hub.main.lock().unwrap() = LATER;
        let pinned = ["v1".to_owned(), COMMIT.to_owned(), "refs%2Fpr%2F1".to_owned()];
        for address in pinned.map(|revision| format!("hf://datasets/owner/name@{revision}")) {
            let storage = saekit_remote::open(&address, &impatient(0)).unwrap();
            assert_eq!(storage.list().unwrap().len(), 3);
            assert_eq!(storage.path("a").to_str().unwrap(), format!("{address}/a"));
        }
        saekit_remote::open("hf://owner/model", &impatient(0)).unwrap();
        let last = hub.server.requests().pop().unwrap();
        assert!(last.starts_with("GET /api/models/owner/model/revision/main "), "{last}");
    });
}

#[test]
fn what_may_pass_is_tried_again() {
    let test = "what_may_pass_is_tried_again";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        hub.server.inject("GET", 2, Fault::Status(503, ""));
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(2)).unwrap();
        hub.server.inject("GET", 2, Fault::Status(429, ""));
        assert_eq!(storage.list().unwrap().len(), 3);
        hub.server.inject("HEAD", 2, Fault::HangUp);
        let blob = open(&*storage, "acts/shards/0");
        hub.large.inject("GET", 1, Fault::Status(500, ""));
        for fault in [
            Fault::Short(3),
            Fault::Cut(3),
            Fault::Status(503, ""),
            Fault::Later(24),
            Fault::Unnamed,
        ] {
            hub.large.inject("GET", 1, fault);
            assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110], "{fault:?}");
        }
    });
}

#[test]
fn messages_name_the_file_and_no_signed_address() {
    let test = "messages_name_the_file_and_no_signed_address";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(1)).unwrap();
        let blob = open(&*storage, "acts/shards/0");
        let cases = [
            (
                Fault::Status(503, "secret"),
                " could not be read in 2 attempts: the server answered 503; try again later",
            ),
            (
                Fault::Short(3),
                " could not be read in 2 attempts: the server sent 3 bytes, expected 10; try again later",
            ),
            (
                Fault::HangUp,
                " could not be read in 2 attempts: the connection failed (connection closed before message completed); try again later",
            ),
            (
                Fault::Cut(3),
                " could not be read in 2 attempts: the connection failed (end of file before message length reached); try again later",
            ),
            (
                Fault::Later(1),
                " could not be read in 2 attempts: the server sent bytes 101-110 of 1000, expected bytes 100-109 of 1000; try again later",
            ),
            (
                Fault::Later(895),
                " could not be read in 2 attempts: the server sent bytes 995-999 of 1000, expected bytes 100-109 of 1000; try again later",
            ),
            (
                Fault::Unnamed,
                " could not be read in 2 attempts: the server sent a part without saying which, expected bytes 100-109 of 1000; try again later",
            ),
            (
                Fault::WholeFile,
                " cannot be read in parts: its server ignores the header `Range`; use a server that knows it, or copy the files to a disk, a bucket or the Hub",
            ),
            (
                Fault::Status(404, ""),
                " was changed while it was read; restore it, or start again to read the new one",
            ),
        ];
        for (fault, expected) in cases {
            let attempts = if expected.contains("2 attempts") { 2 } else { 1 };
            hub.large.inject("GET", attempts, fault);
            let message = read(&*blob, 100, 10).unwrap_err();
            assert_eq!(message, format!("hf://datasets/owner/name/acts/shards/0{expected}"));
        }
    });
}

#[test]
fn silence_is_an_error() {
    let test = "silence_is_an_error";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        hub.server.inject("GET", 1, Fault::Silence);
        let timeout = std::time::Duration::from_millis(100);
        let config = RemoteConfig { timeout, ..impatient(0) };
        let error = saekit_remote::open("hf://datasets/owner/name", &config).unwrap_err();
        let expected = "hf://datasets/owner/name could not be read in 1 attempts: the server was silent for 100ms; try again later";
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn what_the_hub_refuses_says_what_to_do() {
    let test = "what_the_hub_refuses_says_what_to_do";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let message = |address: &str, fault: Option<Fault>| {
            if let Some(fault) = fault {
                hub.server.inject("GET", 1, fault);
            }
            saekit_remote::open(address, &impatient(3)).unwrap_err().to_string()
        };
        let expected = "there is nothing at hf://datasets/owner/other: the server answered 404; check the address";
        assert_eq!(message("hf://datasets/owner/other", None), expected);
        let expected = "there is nothing at hf://datasets/owner/name@v9: the server answered 404; check the address";
        assert_eq!(message("hf://datasets/owner/name@v9", None), expected);
        for (status, more) in [(401, OR_ADDRESS), (403, "")] {
            let expected = format!(
                "hf://datasets/owner/name may not be read: the server answered {status}; {REMEDY}{more}"
            );
            let fault = Fault::Status(status, "{\"error\": \"secret-token is not valid\"}");
            assert_eq!(message("hf://datasets/owner/name", Some(fault)), expected);
        }
        let expected = "hf://owner is not a valid address: it needs an owner and a name; expected hf://datasets/owner/name[@revision][/path] or hf://owner/model[@revision][/path]";
        assert_eq!(message("hf://owner", None), expected);
    });
}

/// The server sends what it was not asked for, of the right length and with an honest header.
#[test]
fn another_part_is_never_taken() {
    let test = "another_part_is_never_taken";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(1)).unwrap();
        for (path, server, bytes) in
            [("acts/shards/0", &hub.large, 1000), ("acts/manifest.json", &hub.server, 20)]
        {
            let blob = open(&*storage, path);
            server.inject("GET", 1, Fault::Later(5));
            assert_eq!(read(&*blob, 2, 10).unwrap(), content(bytes)[2..12]);
            server.inject("GET", 2, Fault::Later(5));
            let expected = format!(
                "hf://datasets/owner/name/{path} could not be read in 2 attempts: the server sent bytes 7-16 of {bytes}, expected bytes 2-11 of {bytes}; try again later"
            );
            assert_eq!(read(&*blob, 2, 10).unwrap_err(), expected);
        }
    });
}

#[test]
fn a_file_that_is_asked_for_as_a_whole_may_come_as_one() {
    let test = "a_file_that_is_asked_for_as_a_whole_may_come_as_one";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(0)).unwrap();
        let blob = open(&*storage, "acts/manifest.json");
        hub.server.inject("GET", 1, Fault::WholeFile);
        assert_eq!(read(&*blob, 0, 20).unwrap(), content(20));
    });
}

#[test]
fn an_address_names_a_folder() {
    let test = "an_address_names_a_folder";
    with_environment(test, online, |listener, _| {
        let _hub = Hub::on(listener);
        for below in ["acts/shards/0", "acts/*.parquet", "none"] {
            let address = format!("hf://datasets/owner/name/{below}");
            let storage = saekit_remote::open(&address, &impatient(0)).unwrap();
            assert!(storage.open("manifest.json").unwrap().is_none());
            let expected = format!(
                "there is no folder {address}; check the address, which names a folder, neither a file nor a pattern"
            );
            assert_eq!(storage.list().unwrap_err().to_string(), expected);
        }
    });
}

#[test]
fn ranges_are_kept() {
    let test = "ranges_are_kept";
    with_environment(test, online, |listener, folder| {
        let hub = Hub::on(listener);
        let cache = Some(CacheConfig { dir: folder.join("ranges"), bytes: 1 << 20 });
        let config = RemoteConfig { cache, ..impatient(0) };
        for expected in [1, 0] {
            let storage = saekit_remote::open("hf://datasets/owner/name", &config).unwrap();
            let blob = open(&*storage, "acts/shards/0");
            for _ in 0..2 {
                assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110]);
            }
            assert_eq!(hub.large.requests().len(), expected);
        }
    });
}

#[test]
fn what_the_hubs_cache_has_is_read_from_there() {
    let test = "what_the_hubs_cache_has_is_read_from_there";
    let variables = |address: SocketAddr, folder: &Path| {
        make_cache(folder);
        online(address, folder)
    };
    with_environment(test, variables, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        assert_eq!(read(&*open(&*storage, "shards/0"), 5, 4).unwrap(), b"here");
        assert_eq!(hub.server.requests().len(), 1);
    });
}

/// Of large and of small files, so a run goes on after its files were downloaded.
#[test]
fn a_file_has_the_same_version_in_the_cache_as_on_the_hub() {
    let test = "a_file_has_the_same_version_in_the_cache_as_on_the_hub";
    with_environment(test, online, |listener, folder| {
        let hub = Hub::on(listener);
        let versions = || {
            let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(0)).unwrap();
            let files = ["acts/shards/0", "README.md"].map(|path| open(&*storage, path));
            files.map(|blob| (blob.version().unwrap().to_owned(), blob.is_remote()))
        };
        let expected = |is_remote| ["aa", "bb"].map(|hash| (hash.to_owned(), is_remote));
        assert_eq!(versions(), expected(true));
        make_cache(&folder);
        assert_eq!(versions(), expected(false));
        drop(hub);
    });
}

#[test]
fn redirects_within_another_server_do_not_show_it_the_token() {
    let test = "redirects_within_another_server_do_not_show_it_the_token";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        hub.detour.store(true, Ordering::Relaxed);
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(0)).unwrap();
        let blob = open(&*storage, "acts/shards/0");
        assert_eq!(read(&*blob, 990, 10).unwrap(), content(1000)[990..]);
        let large = ["GET /detour/0?Signature=secret", "GET /large/0?Signature=secret"];
        assert_eq!(hub.large.requests(), large.map(|request| format!("{request} bytes=990-999")));
        assert!(hub.server.requests().iter().all(|r| r.ends_with("Bearer secret-token")));
    });
}

/// Redirects of what `hf-hub` asks for.
#[test]
fn a_repository_may_be_renamed_but_not_lead_on_elsewhere() {
    let test = "a_repository_may_be_renamed_but_not_lead_on_elsewhere";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        saekit_remote::open("hf://datasets/owner/renamed", &impatient(0)).unwrap();
        let asked = ["renamed", "name"]
            .map(|n| format!("GET /api/datasets/owner/{n}/revision/main Bearer secret-token"));
        assert_eq!(hub.server.requests(), asked);
        let error =
            saekit_remote::open("hf://datasets/owner/elsewhere", &impatient(9)).unwrap_err();
        let expected = "hf://datasets/owner/elsewhere cannot be read: redirects lead to another server and on from there, which must not see the token; check the address, and the settings of its server";
        assert_eq!(error.to_string(), expected);
        assert_eq!(hub.large.requests(), ["GET /api/first"]);
    });
}

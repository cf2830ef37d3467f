//! The real client of the Hub against a server that answers as the Hub does.
#![cfg(all(feature = "hub", unix))]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::environment::with_environment;
use common::http::{Reply, Request};
use common::{Fault, Server, content, files, impatient, open, read};
use saekit_remote::{CacheConfig, RemoteConfig};
use saekit_store::Listed;

/// The commits that `main` and `v1` stand for at first, and that of a later `main`.
const COMMIT: &str = "1111111111111111111111111111111111111111";
const LATER: &str = "2222222222222222222222222222222222222222";

/// Path, size and whether it is a large file, which lies on another server.
const FILES: [(&str, usize, bool); 3] =
    [("README.md", 10, false), ("acts/manifest.json", 20, false), ("acts/shards/0", 1000, true)];

const REMEDY: &str =
    "set HF_TOKEN to a token that may read it, and accept its terms on the Hub where it is gated";

/// The Hub, and the server where its large files lie.
struct Hub {
    server: Server,
    large: Server,
    /// What `main` stands for.
    main: Arc<Mutex<&'static str>>,
}

impl Hub {
    fn on(listener: std::net::TcpListener) -> Self {
        let large = Server::start(|request| match request.path() {
            "/large/0" => files::serve(request, &content(1000)),
            _ => Reply::new(404, ""),
        });
        let main = Arc::new(Mutex::new(COMMIT));
        let (current, address) = (Arc::clone(&main), large.address());
        let server =
            Server::on(listener, move |request| answer(request, *current.lock().unwrap(), address));
        Self { server, large, main }
    }
}

fn answer(request: &Request, main: &str, large: SocketAddr) -> Reply {
    let path = request.path();
    if let Some(rest) = path.strip_prefix("/api/datasets/owner/name/") {
        let (what, rest) = rest.split_once('/').unwrap();
        return match (what, rest) {
            ("revision", "main") => Reply::new(200, info(main)),
            ("revision", "v1" | COMMIT | "refs%2Fpr%2F1") => Reply::new(200, info(COMMIT)),
            ("revision", _) => Reply::new(404, "").header("x-error-code", "RevisionNotFound"),
            ("tree", _) => tree(rest.strip_prefix(COMMIT).unwrap().trim_start_matches('/')),
            ("paths-info", COMMIT) => paths_info(&request.body),
            _ => Reply::new(404, ""),
        };
    }
    let prefix = format!("/datasets/owner/name/resolve/{COMMIT}/");
    match path.strip_prefix(&prefix) {
        Some(file) => resolve(request, file, large),
        None if path == "/api/models/owner/model/revision/main" => Reply::new(200, info(COMMIT)),
        None => Reply::new(404, "").header("x-error-code", "RepoNotFound"),
    }
}

fn info(commit: &str) -> String {
    format!("{{\"id\": \"owner/name\", \"_id\": \"1\", \"sha\": \"{commit}\"}}")
}

fn entry((path, bytes, large): (&str, usize, bool)) -> String {
    let lfs = if large {
        ", \"lfs\": {\"oid\": \"aa\", \"sha256\": \"aa\", \"size\": 1000, \"pointerSize\": 130}"
    } else {
        ""
    };
    format!("{{\"type\": \"file\", \"oid\": \"bb\", \"size\": {bytes}, \"path\": \"{path}\"{lfs}}}")
}

fn tree(prefix: &str) -> Reply {
    let mut entries: Vec<_> =
        FILES.into_iter().filter(|f| f.0.starts_with(prefix)).map(entry).collect();
    entries.push(
        "{\"type\": \"directory\", \"oid\": \"cc\", \"size\": 0, \"path\": \"acts/shards\"}"
            .to_owned(),
    );
    Reply::new(200, format!("[{}]", entries.join(", ")))
}

fn paths_info(body: &str) -> Reply {
    let asked = FILES.into_iter().filter(|(path, ..)| body.contains(&format!("\"{path}\"")));
    Reply::new(200, format!("[{}]", asked.map(entry).collect::<Vec<_>>().join(", ")))
}

fn resolve(request: &Request, file: &str, large: SocketAddr) -> Reply {
    let Some((_, bytes, is_large)) = FILES.into_iter().find(|(path, ..)| *path == file) else {
        return Reply::new(404, "").header("x-error-code", "EntryNotFound");
    };
    let reply = if is_large {
        let address = format!("http://{large}/large/0?Signature=secret");
        Reply::new(302, "").header("location", address).header("x-linked-size", bytes.to_string())
    } else {
        files::serve(request, &content(bytes))
    };
    reply.header("x-repo-commit", COMMIT)
}

fn online(address: SocketAddr, folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("HF_ENDPOINT", format!("http://{address}")),
        ("HF_TOKEN", "secret-token".to_owned()),
        ("HF_HUB_CACHE", folder.join("hub").display().to_string()),
    ]
}

#[test]
fn files_of_a_dataset_are_listed_and_read_at_one_commit() {
    let test = "files_of_a_dataset_are_listed_and_read_at_one_commit";
    with_environment(test, online, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        *hub.main.lock().unwrap() = LATER;
        let listed = [("manifest.json", 20), ("shards/0", 1000)]
            .map(|(path, bytes)| Listed { path: path.to_owned(), bytes });
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
        let large =
            ["HEAD /large/0?Signature=secret", "GET /large/0?Signature=secret bytes=990-999"];
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
        hub.server.inject("POST", 2, Fault::HangUp);
        let blob = open(&*storage, "acts/shards/0");
        hub.large.inject("HEAD", 1, Fault::Status(500, ""));
        for fault in [Fault::Short(3), Fault::Cut(3), Fault::Status(503, "")] {
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
        for status in [401, 403] {
            let expected = format!(
                "hf://datasets/owner/name may not be read: the server answered {status}; {REMEDY}"
            );
            let fault = Fault::Status(status, "{\"error\": \"secret-token is not valid\"}");
            assert_eq!(message("hf://datasets/owner/name", Some(fault)), expected);
        }
        let expected = "hf://owner is not a valid address: it needs an owner and a name; expected hf://datasets/owner/name[@revision][/path] or hf://owner/model[@revision][/path]";
        assert_eq!(message("hf://owner", None), expected);
    });
}

#[test]
fn ranges_are_kept() {
    let test = "ranges_are_kept";
    with_environment(test, online, |listener, folder| {
        let hub = Hub::on(listener);
        let cache = Some(CacheConfig { dir: folder.join("ranges"), bytes: 1 << 20 });
        let config = RemoteConfig { cache, ..impatient(0) };
        for expected in [2, 0] {
            let storage = saekit_remote::open("hf://datasets/owner/name", &config).unwrap();
            let blob = open(&*storage, "acts/shards/0");
            for _ in 0..2 {
                assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110]);
            }
            assert_eq!(hub.large.requests().len(), expected);
        }
    });
}

/// Makes what the Hub's clients keep of one file: a snapshot of `COMMIT`, and what `main` stood for.
fn make_hub_cache(folder: &Path) {
    let repository = folder.join("hub/datasets--owner--name");
    let snapshot = repository.join("snapshots").join(COMMIT).join("acts/shards");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    fs::write(repository.join("blobs/aa"), "kept here").unwrap();
    std::os::unix::fs::symlink("../../../../blobs/aa", snapshot.join("0")).unwrap();
}

#[test]
fn what_the_hubs_cache_has_is_read_from_there() {
    let test = "what_the_hubs_cache_has_is_read_from_there";
    let variables = |address: SocketAddr, folder: &Path| {
        make_hub_cache(folder);
        online(address, folder)
    };
    with_environment(test, variables, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        assert_eq!(read(&*open(&*storage, "shards/0"), 5, 4).unwrap(), b"here");
        assert_eq!(hub.server.requests().len(), 1);
    });
}

#[test]
fn offline_nothing_is_asked() {
    let test = "offline_nothing_is_asked";
    let variables = |address: SocketAddr, folder: &Path| {
        make_hub_cache(folder);
        let mut variables = online(address, folder);
        variables.push(("HF_HUB_OFFLINE", "1".to_owned()));
        variables
    };
    with_environment(test, variables, |listener, folder| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        let listed = [Listed { path: "shards/0".to_owned(), bytes: 9 }];
        assert_eq!(storage.list().unwrap(), listed);
        assert_eq!(read(&*open(&*storage, "shards/0"), 5, 4).unwrap(), b"here");
        assert!(storage.open("shards/1").unwrap().is_none());
        assert_eq!(storage.location().to_str(), Some("hf://datasets/owner/name/acts"));
        let error = saekit_remote::open("hf://datasets/owner/name@v1", &impatient(0)).unwrap_err();
        let expected = format!(
            "hf://datasets/owner/name@v1 is not in the cache {}, and HF_HUB_OFFLINE is set; unset it, or download the files first",
            folder.join("hub").display()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(hub.server.requests().len(), 0);
    });
}

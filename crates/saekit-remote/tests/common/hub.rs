//! A stand-in of the Hub, with a repository of three files.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::http::{Reply, Request};
use super::{Server, content, files};

/// The commits that `main` and `v1` stand for at first, and that of a later `main`.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";
pub(crate) const LATER: &str = "2222222222222222222222222222222222222222";

/// Path, size and whether it is a large file, which lies on another server.
const FILES: [(&str, usize, bool); 3] =
    [("README.md", 10, false), ("acts/manifest.json", 20, false), ("acts/shards/0", 1000, true)];

/// The Hub, and the server where its large files lie.
pub(crate) struct Hub {
    pub(crate) server: Server,
    pub(crate) large: Server,
    /// What `main` stands for.
    pub(crate) main: Arc<Mutex<&'static str>>,
    /// Whether the server of large files leads from one address of its own to another.
    pub(crate) detour: Arc<AtomicBool>,
}

impl Hub {
    pub(crate) fn on(listener: TcpListener) -> Self {
        let large = Server::start(|request| match request.path() {
            "/large/0" => files::serve(request, &content(1000)),
            "/detour/0" => leading("/large/0?Signature=secret".to_owned()),
            "/api/first" => leading("/api/second".to_owned()),
            "/api/second" => Reply::new(200, info(COMMIT)),
            _ => Reply::new(404, ""),
        });
        let main = Arc::new(Mutex::new(COMMIT));
        let detour = Arc::new(AtomicBool::new(false));
        let (current, long_way, address) = (main.clone(), detour.clone(), large.address());
        let server = Server::on(listener, move |request| {
            let way = if long_way.load(Ordering::Relaxed) { "detour" } else { "large" };
            let large = format!("http://{address}/{way}/0?Signature=secret");
            match request.path() {
                "/api/datasets/owner/elsewhere/revision/main" => {
                    leading(format!("http://{address}/api/first"))
                }
                _ => answer(request, *current.lock().unwrap(), large),
            }
        });
        Self { server, large, main, detour }
    }
}

fn leading(location: String) -> Reply {
    Reply::new(307, "").header("location", location)
}

fn answer(request: &Request, main: &str, large: String) -> Reply {
    let path = request.path();
    if let Some(rest) = path.strip_prefix("/api/datasets/owner/name/") {
        let (what, rest) = rest.split_once('/').unwrap();
        return match (what, rest) {
            ("revision", "main") => Reply::new(200, info(main)),
            ("revision", "v1" | COMMIT | "refs%2Fpr%2F1") => Reply::new(200, info(COMMIT)),
            ("revision", _) => Reply::new(404, "").header("x-error-code", "RevisionNotFound"),
            ("tree", _) => tree(rest.strip_prefix(COMMIT).unwrap().trim_start_matches('/')),
            _ => Reply::new(404, ""),
        };
    }
    let prefix = format!("/datasets/owner/name/resolve/{COMMIT}/");
    match path.strip_prefix(&prefix) {
        Some(file) => resolve(request, file, large),
        None if path == "/api/datasets/owner/renamed/revision/main" => {
            leading("/api/datasets/owner/name/revision/main".to_owned())
        }
        None if path == "/api/models/owner/model/revision/main" => Reply::new(200, info(COMMIT)),
        None => Reply::new(404, "").header("x-error-code", "RepoNotFound"),
    }
}

fn info(commit: &str) -> String {
    format!("{{\"id\": \"owner/name\", \"_id\": \"1\", \"sha\": \"{commit}\"}}")
}

fn entry((path, bytes, large): (&str, usize, bool)) -> String {
    let lfs = if large {
        ", \"lfs\": {\"oid\": \"aa\", \"size\": 1000, \"pointerSize\": 130}"
    } else {
        ""
    };
    format!("{{\"type\": \"file\", \"oid\": \"bb\", \"size\": {bytes}, \"path\": \"{path}\"{lfs}}}")
}

fn tree(prefix: &str) -> Reply {
    let inside = |path: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let inside = |path: &str| prefix.is_empty() || inside(path);
    let mut entries: Vec<_> = FILES.into_iter().filter(|f| inside(f.0)).map(entry).collect();
    if entries.is_empty() {
        return Reply::new(404, "").header("x-error-code", "EntryNotFound");
    }
    entries.push(
        "{\"type\": \"directory\", \"oid\": \"cc\", \"size\": 0, \"path\": \"acts/shards\"}"
            .to_owned(),
    );
    Reply::new(200, format!("[{}]", entries.join(", ")))
}

fn resolve(request: &Request, file: &str, large: String) -> Reply {
    let Some((_, bytes, is_large)) = FILES.into_iter().find(|(path, ..)| *path == file) else {
        return Reply::new(404, "").header("x-error-code", "EntryNotFound");
    };
    let reply = if is_large {
        let reply = Reply::new(302, "").header("location", large).header("etag", "\"bb\"");
        reply.header("x-linked-size", bytes.to_string()).header("x-linked-etag", "\"aa\"")
    } else {
        files::serve(request, &content(bytes)).without("etag").header("etag", "\"bb\"")
    };
    reply.header("x-repo-commit", COMMIT)
}

pub(crate) fn online(address: SocketAddr, folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("HF_ENDPOINT", format!("http://{address}")),
        ("HF_TOKEN", "secret-token".to_owned()),
        ("HF_HUB_CACHE", folder.join("hub").display().to_string()),
    ]
}

/// Makes what the Hub's clients keep of two files: a snapshot of `COMMIT`, and what `main` stood for.
pub(crate) fn make_cache(folder: &Path) {
    let repository = folder.join("hub/datasets--owner--name");
    let snapshot = repository.join("snapshots").join(COMMIT).join("acts/shards");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    fs::write(repository.join("blobs/aa"), "kept here").unwrap();
    symlink("../../../../blobs/aa", snapshot.join("0")).unwrap();
    fs::write(repository.join("blobs/bb"), "and here").unwrap();
    symlink("../../blobs/bb", snapshot.join("../../README.md")).unwrap();
}

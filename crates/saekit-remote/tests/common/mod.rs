//! A web server that does as it is told, also what servers should not do.
#![allow(dead_code, clippy::unwrap_used, reason = "every test file uses its own part")]

pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod http;
#[cfg(unix)]
pub(crate) mod hub;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use saekit_remote::RemoteConfig;
use saekit_store::{Blob, Storage};

use http::{Reply, Request};

/// What the server does instead of answering as it should.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Answers with a status and a body.
    Status(u16, &'static str),
    /// Sends this many bytes, and says that these are all.
    Short(usize),
    /// Sends this many bytes of the body, and hangs up.
    Cut(usize),
    /// Hangs up without an answer.
    HangUp,
    /// Does not look at `Range`.
    WholeFile,
    /// Sends a part that begins so many bytes later, and says so.
    Later(usize),
    /// Sends a part and does not say which.
    Unnamed,
    /// Never answers.
    Silence,
    /// Has another etag by now.
    Etag(&'static str),
    /// Has another etag by now, and does not look at `If-Match`.
    CarelessEtag(&'static str),
}

struct Rule {
    method: &'static str,
    times: usize,
    fault: Fault,
}

type Site = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    site: Box<Site>,
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<String>>,
    /// Answers that the client did not want to the end.
    unwanted: AtomicU64,
    stopped: AtomicBool,
}

/// A server on a port of its own. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(site: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), site)
    }

    pub(crate) fn on(
        listener: TcpListener,
        site: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            site: Box::new(site),
            rules: Mutex::default(),
            log: Mutex::default(),
            unwanted: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let address = listener.local_addr().unwrap();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || converse(&shared, &connection.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next `times` requests with this method go wrong.
    pub(crate) fn inject(&self, method: &'static str, times: usize, fault: Fault) {
        self.shared.rules.lock().unwrap().push(Rule { method, times, fault });
    }

    /// The requests since the last call: method, target and what matters of the headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.log.lock().unwrap())
    }

    /// Waits until the client has hung up in the middle of an answer.
    pub(crate) fn wait_for_unwanted(&self) {
        for _ in 0..2000 {
            if self.shared.unwanted.load(Ordering::Relaxed) > 0 {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the client took every answer as a whole");
    }

    /// `text` with this server's port replaced.
    pub(crate) fn plain(&self, text: impl std::fmt::Display) -> String {
        text.to_string().replace(&format!(":{}", self.address.port()), ":PORT")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn converse(shared: &Shared, connection: &TcpStream) {
    while let Some(request) = Request::read(connection) {
        shared.log.lock().unwrap().push(request.summary());
        let reply = match shared.fault(&request) {
            None => (shared.site)(&request),
            Some(Fault::Status(status, body)) => Reply::new(status, body),
            Some(Fault::Short(bytes)) => (shared.site)(&request).truncated(bytes),
            Some(Fault::Cut(bytes)) => Reply { cut: Some(bytes), ..(shared.site)(&request) },
            Some(Fault::HangUp) => return,
            Some(Fault::WholeFile) => (shared.site)(&request.without(&["range"])),
            Some(Fault::Later(bytes)) => (shared.site)(&files::later(&request, bytes)),
            Some(Fault::Unnamed) => (shared.site)(&request).without("content-range"),
            Some(Fault::Etag(etag)) => (shared.site)(&request.with("x-test-etag", etag)),
            Some(Fault::CarelessEtag(etag)) => {
                (shared.site)(&request.without(&["if-match"]).with("x-test-etag", etag))
            }
            Some(Fault::Silence) => {
                while !shared.stopped.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                return;
            }
        };
        let complete = reply.cut.is_none();
        if reply.write(connection, request.method == "HEAD").is_err() {
            shared.unwanted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if !complete {
            return;
        }
    }
}

impl Shared {
    fn fault(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && rule.method == request.method)?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

/// A configuration that waits for next to nothing.
pub(crate) fn impatient(retries: u32) -> RemoteConfig {
    RemoteConfig { retries, delay: Duration::from_millis(1), ..RemoteConfig::default() }
}

/// The bytes of a test file: all different for a while.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i % 251) as u8).collect()
}

/// `length` bytes of `blob` from `offset` on, or the message of the error.
pub(crate) fn read(blob: &dyn Blob, offset: u64, length: usize) -> Result<Vec<u8>, String> {
    let mut out = vec![0; length];
    blob.read_at(offset, &mut out).map(|()| out).map_err(|error| error.to_string())
}

pub(crate) fn open(storage: &dyn Storage, path: &str) -> Arc<dyn Blob> {
    storage.open(path).unwrap().expect("the file is there")
}

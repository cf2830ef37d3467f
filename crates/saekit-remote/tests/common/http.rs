//! As much of HTTP/1.1 as the clients under test need.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    /// By name in lowercase.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// The next request of a connection, if there is one.
    pub(crate) fn read(connection: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length: usize = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, target, headers, body: String::from_utf8(body).unwrap() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The value of a parameter, with the two escapes decoded that occur.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
        Some(value.replace("%2F", "/"))
    }

    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(name.to_owned(), value.to_owned());
        changed
    }

    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|name, _| !names.contains(&name.as_str()));
        changed
    }

    pub(crate) fn summary(&self) -> String {
        let told = ["range", "if-match", "authorization", "referer"];
        let headers = told.iter().filter_map(|name| self.header(name));
        let words = [&*self.method, &*self.target].into_iter().chain(headers);
        words.collect::<Vec<_>>().join(" ")
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// After so many bytes of the body the connection is closed.
    pub(crate) cut: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self
    }

    pub(crate) fn truncated(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Fails where the client has hung up.
    pub(crate) fn write(&self, mut connection: &TcpStream, head: bool) -> std::io::Result<()> {
        let mut text = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&[name, ": ", value, "\r\n"].concat());
        }
        if self.headers.iter().all(|(name, _)| *name != "content-length") {
            text.push_str(&["content-length: ", &self.body.len().to_string(), "\r\n"].concat());
        }
        text.push_str("\r\n");
        connection.write_all(text.as_bytes())?;
        let body = if head { &[][..] } else { &self.body[..self.cut.unwrap_or(self.body.len())] };
        connection.write_all(body)
    }
}

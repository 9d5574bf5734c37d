//! A blocking HTTP client for tests: one request a connection, every byte as it came.

#![allow(
    clippy::disallowed_types,
    clippy::panic,
    clippy::unwrap_used,
    reason = "talks to a server on loopback, and fails where a test fails"
)]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer of the emulator takes, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, headers in their order.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, each of its bytes as a character.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(value.iter().copied().map(char::from).collect())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The names in a list of jobs.
    pub(crate) fn names(&self) -> Vec<String> {
        let jobs = self.json();
        jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Sends a request to `http://host:port`.
///
/// # Errors
/// A connection that is refused, reset, or closed before the whole answer.
pub(crate) fn send(base: &str, method: &str, path: &str, content_type: &str, body: &str) -> io::Result<Answer> {
    let mut stream = open(base)?;
    request(&mut stream, base, method, path, content_type, body)?;
    read(&mut stream)
}

/// The same with a JSON body, where an answer must come.
pub(crate) fn ask(base: &str, method: &str, path: &str, body: &str) -> Answer {
    send(base, method, path, "application/json", body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// A GET, where an answer must come.
pub(crate) fn get(base: &str, path: &str) -> Answer {
    ask(base, "GET", path, "")
}

/// A POST of a job, where an answer must come.
pub(crate) fn post(base: &str, job: &Value) -> Answer {
    ask(base, "POST", "/v1/jobs", &job.to_string())
}

fn open(base: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(base.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn request(
    stream: &mut TcpStream,
    base: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: &str,
) -> io::Result<()> {
    let host = base.trim_start_matches("http://");
    let about_body = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len())
    };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{about_body}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn read(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let status = lines.next().and_then(|line| line.split(|byte| *byte == b' ').nth(1)).ok_or_else(cut)?;
    let status = String::from_utf8_lossy(status).parse().map_err(|_| cut())?;
    let headers: Vec<(String, Vec<u8>)> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        })
        .collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if let Some(length) = answer.header("content-length") {
        if answer.body.len() < length.parse().map_err(|_| cut())? {
            return Err(cut());
        }
    } else if answer.header("transfer-encoding").is_some() {
        answer.body = dechunk(&answer.body).ok_or_else(cut)?;
    }
    Ok(answer)
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}

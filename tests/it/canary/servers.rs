//! Servers that keep what they are sent, and some that say it back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A server on loopback, one request a connection, for as long as the tests run.
pub(super) struct Listening {
    /// Host and port.
    pub(super) at: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Listening {
    /// Every request is answered with this status and what it asked, or with a body of its own.
    pub(super) fn saying(status: u16, body: Option<&'static str>) -> Self {
        Self::start(move |mut stream, request| {
            let body = body.map_or(request.to_vec(), |body| body.as_bytes().to_vec());
            let head = format!(
                "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\nx-whom: d1\r\nx-total-count: 0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        })
    }

    /// A proxy to another server.
    pub(super) fn before(target: &str) -> Self {
        let target = target.trim_start_matches("http://").to_owned();
        Self::start(move |mut stream, request| {
            let Ok(mut there) = TcpStream::connect(&target) else { return };
            let _ = there.write_all(request);
            let mut answer = Vec::new();
            let _ = there.read_to_end(&mut answer);
            let _ = stream.write_all(&answer);
        })
    }

    fn start(answer: impl Fn(TcpStream, &[u8]) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&request);
                    answer(stream, &request);
                });
            }
        });
        Self { at, seen }
    }

    /// All that came.
    pub(super) fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A request with its body, made one that ends its connection.
fn read(mut stream: &TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_lowercase();
        let length =
            lower.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
        if bytes.len() >= head.len() + 4 + length.unwrap_or(0) {
            let head_length = head.len();
            bytes.splice(head_length..head_length, b"\r\nconnection: close".iter().copied());
            return Some(bytes);
        }
    }
}

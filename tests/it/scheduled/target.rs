//! What the jobs call: it counts runs by path.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Each run, with its path.
type Runs = Arc<Mutex<Vec<(Instant, String)>>>;

pub(crate) struct Target {
    address: SocketAddr,
    runs: Runs,
}

impl Target {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let runs = Runs::default();
        let seen = Arc::clone(&runs);
        // Ends with the process: it blocks in `accept`.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, runs }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each path was called since then.
    pub(crate) fn count(&self, since: Instant) -> BTreeMap<String, usize> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::new();
        for (_, path) in runs.iter().filter(|(at, _)| *at >= since) {
            *counts.entry(path.clone()).or_insert(0) += 1;
        }
        counts
    }
}

/// One request. A server that is killed may leave half of one.
fn serve(mut stream: TcpStream, seen: &Runs) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(read) if read > 0 => request.extend_from_slice(&bytes[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    if let Some(path) = text.split(' ').nth(1) {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), path.to_owned()));
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

//! How soon a run begins to talk, and how soon it notices that Dkron can be trusted.
//!
//! `cargo bench --bench start` runs on the emulator, or on a real Dkron when `DKRON_BIN` names its binary.
//!
//! - from the start of the process to the first byte of its first request;
//! - from the moment when Dkron, started anew, answers the barrier, to the first read of its jobs. A poll of the bench's own, every
//!   few milliseconds, says when that moment is.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::allow_attributes,
    dead_code,
    reason = "a benchmark, which shares the servers of the tests"
)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::RestartOptions;

use crate::measure::{binary, median, templates};
use crate::server::{Server, try_call};

#[path = "../tests/it/http.rs"]
mod http;
mod measure;
#[path = "../tests/it/server.rs"]
mod server;

const STARTS: usize = 20;
const POLL: Duration = Duration::from_millis(4);
const BARRIER: &str = r#"{"name":"bench","parent_job":"nobody","schedule":"@manually","executor":"shell"}"#;

fn main() {
    let folder = templates(1500);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut first: Vec<_> = (0..STARTS).map(|_| to_first_request(folder.path())).collect();
    println!("medians of {STARTS} starts");
    println!("  start to first request:                 {:.1} ms  (under 15)", ms(median(&mut first)));

    let mut server = Server::start();
    let ran = binary(folder.path(), &["apply", "--dkron-url", &server.node_url(0)]).output().expect("the binary runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut lost: Vec<_> = (0..STARTS).map(|start| to_first_read(folder.path(), &mut server, start)).collect();
    println!("1500 jobs on {}, medians of {STARTS} starts", server.name());
    let median = median(&mut lost);
    println!("  Dkron can be trusted to our first read: {:.0} ms  (at most 300)", ms(median));
    println!("  the longest of them:                    {:.0} ms", ms(*lost.last().expect("a start")));
}

fn to_first_request(folder: &Path) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let start = Instant::now();
    let mut child = binary(folder, &["apply", "--dkron-url", &url]).spawn().expect("the binary starts");
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.read_exact(&mut [0]).expect("a request");
    let took = start.elapsed();
    child.kill().expect("it is still there");
    child.wait().expect("its end");
    took
}

/// Starts Dkron anew and a run with it. The time between the first barrier that passes and the run's first read.
fn to_first_read(folder: &Path, server: &mut Server, start: usize) -> Duration {
    let url = server.node_url(0);
    match server.emulator() {
        // Each time at another point of the waiter's backoff.
        Some(emulator) => emulator.restart(
            RestartOptions::new()
                .down(Duration::from_millis(300))
                .leader_after(Duration::from_millis(400 + 37 * start as u64))
                .replay(Duration::from_millis(700)),
        ),
        None => server.restart(),
    }
    let (reads, read) = mpsc::channel();
    let relay = relay(url.trim_start_matches("http://").to_owned(), reads);
    let mut child = binary(folder, &["plan", "--dkron-url", &relay]).spawn().expect("the binary starts");
    let jobs = format!("{url}/v1/jobs");
    while try_call("POST", &jobs, BARRIER).is_none_or(|(status, _)| status != 404) {
        thread::sleep(POLL);
    }
    let trusted = Instant::now();
    let first = read.recv_timeout(Duration::from_mins(1)).expect("a read");
    assert!(child.wait().expect("its end").success());
    first.saturating_duration_since(trusted)
}

/// Passes connections on, and tells when the first list of jobs is asked for.
fn relay(to: String, reads: Sender<Instant>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // What is down refuses; so does this, by closing.
            let Ok(upstream) = TcpStream::connect(&to) else { continue };
            let (mut from, mut into) = (client.try_clone().expect("a stream"), upstream.try_clone().expect("a stream"));
            let reads = reads.clone();
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if buffer[..count].starts_with(b"GET /v1/jobs") {
                        // Nobody listens after the first.
                        let _ = reads.send(Instant::now());
                    }
                    if into.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _ = into.shutdown(Shutdown::Write);
            });
            let (mut from, mut into) = (upstream, client);
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut into);
                let _ = into.shutdown(Shutdown::Both);
            });
        }
    });
    url
}

//! How long `apply` takes beside what cannot be avoided, as ratios from one run.
//!
//! `cargo bench --bench apply` runs on the emulator, or on a real Dkron when `DKRON_BIN` names its binary. Each figure is the median of
//! several rounds, the two sides of a ratio taken in turn.
//!
//! - an unchanged apply beside one `GET /v1/jobs` of the same list on a new connection;
//! - a first apply beside a bare loop that posts the same bodies over as many kept-alive connections;
//! - the peak of resident memory.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    dead_code,
    reason = "a benchmark, which shares the servers of the tests"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use dkron_jobs::job::SERVER_FIELDS;

use crate::measure::{Ratio, binary, peak, templates, within};
use crate::server::Server;

#[path = "../tests/it/http.rs"]
mod http;
mod measure;
#[path = "../tests/it/server.rs"]
mod server;

/// How many jobs the templates render.
const JOBS: usize = 1500;
/// The most memory that an apply of them takes, in MiB, and an unchanged one of [`MANY`].
const MEMORY: u32 = 24;
const MEMORY_OF_MANY: u32 = 96;
/// How many at the most, and the rounds of the unchanged apply with them.
const MANY: usize = 10_000;
const MANY_ROUNDS: usize = 7;
/// Connections of the bare loop: as many as `--concurrency` has by default.
const CONNECTIONS: usize = 32;
/// Rounds of the unchanged apply, which are short.
const UNCHANGED_ROUNDS: usize = 15;
/// Rounds of the first apply, each on a new server.
const FIRST_ROUNDS: usize = 5;

fn main() -> ExitCode {
    let folder = templates(JOBS);
    let bodies = bodies(folder.path());
    assert_eq!(bodies.len(), JOBS);
    let mut first = Ratio::default();
    let mut server = None;
    for round in 0..FIRST_ROUNDS {
        let both = [Server::start(), Server::start()];
        // The second to run finds warm caches, so the two take turns in running first.
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let url = both[side].node_url(0);
            if side == 0 {
                first.ours.push(apply(folder.path(), &url, JOBS));
            } else {
                first.bare.push(post_all(&url, &bodies));
            }
        }
        let [ours, _] = both;
        server = Some(ours);
    }
    let server = server.expect("a round");
    let url = server.node_url(0);
    let mut unchanged = Ratio::default();
    for _ in 0..UNCHANGED_ROUNDS {
        unchanged.bare.push(get(&url));
        unchanged.ours.push(apply(folder.path(), &url, 0));
    }
    // Looking at a process slows it down, so its memory is looked at in runs that are not timed.
    let unchanged_memory = peak(folder.path(), &["apply", "--dkron-url", &url]);
    let memory = peak(folder.path(), &["apply", "--dkron-url", &Server::start().node_url(0)]);
    println!("{JOBS} jobs on {}, medians", server.name());
    println!("  unchanged apply / one GET of the list:  {}", unchanged.show("at most 1.6"));
    println!("  bare loop of posts / first apply:       {}", first.inverse().show("at least 0.95"));
    let fits = within("peak memory, first apply", memory, MEMORY);
    let still_fits = within("peak memory, unchanged apply", unchanged_memory, MEMORY);
    drop(server);
    if fits & still_fits & many() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The unchanged apply where there are many jobs; whether its memory is within the limit.
fn many() -> bool {
    let folder = templates(MANY);
    let server = Server::start();
    let url = server.node_url(0);
    apply(folder.path(), &url, MANY);
    let mut unchanged = Ratio::default();
    for _ in 0..MANY_ROUNDS {
        unchanged.bare.push(get(&url));
        unchanged.ours.push(apply(folder.path(), &url, 0));
    }
    println!("{MANY} jobs on {}, medians", server.name());
    println!("  unchanged apply / one GET of the list:  {}", unchanged.show("at most 1.35"));
    within("peak memory, unchanged apply", peak(folder.path(), &["apply", "--dkron-url", &url]), MEMORY_OF_MANY)
}

/// What an apply posts, job by job: the definitions as they are stored after one, stamp and all.
fn bodies(folder: &Path) -> Vec<String> {
    let server = Server::start();
    apply(folder, &server.node_url(0), JOBS);
    let mut jobs = server.jobs();
    for job in jobs.iter_mut().filter_map(serde_json::Value::as_object_mut) {
        for field in SERVER_FIELDS {
            job.remove(field);
        }
        // What an apply leaves to Dkron's defaults.
        job.retain(|_, value| !matches!(value.as_str(), Some("")) && !value.is_null() && *value != false);
    }
    jobs.iter().map(ToString::to_string).collect()
}

/// The time of the whole process of an apply.
fn apply(folder: &Path, url: &str, created: usize) -> Duration {
    let start = Instant::now();
    let ran = binary(folder, &["apply", "--dkron-url", url, "--output", "json"]).output().expect("the binary runs");
    let took = start.elapsed();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("a report");
    assert_eq!(report["summary"]["created"], created, "{}", report["summary"]);
    assert_eq!(report["summary"]["failed"], 0, "{}", report["summary"]);
    took
}

/// One `GET /v1/jobs`, to its last byte.
fn get(url: &str) -> Duration {
    let start = Instant::now();
    let answer = http::get(url, "/v1/jobs");
    let took = start.elapsed();
    assert_eq!(answer.status, 200);
    took
}

/// The bare loop: each connection posts its share, one after the other.
fn post_all(url: &str, bodies: &[String]) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let host = url.trim_start_matches("http://");
                let mut stream = TcpStream::connect(host).expect("a connection");
                stream.set_nodelay(true).expect("no delay");
                let mut answers = BufReader::new(stream.try_clone().expect("its other end"));
                for body in bodies.iter().skip(connection).step_by(CONNECTIONS) {
                    let head = "POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json";
                    let request = format!("{head}\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(request.as_bytes()).expect("a request is sent");
                    read_created(&mut answers);
                }
            });
        }
    });
    start.elapsed()
}

fn read_created(answers: &mut impl BufRead) {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 201"), "{line}");
    let mut length = 0;
    loop {
        line.clear();
        answers.read_line(&mut line).expect("a header");
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    std::io::copy(&mut answers.take(length), &mut std::io::sink()).expect("a body");
}

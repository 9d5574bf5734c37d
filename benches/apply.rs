//! How long `apply` takes beside what cannot be avoided, as ratios from one run.
//!
//! `cargo bench --bench apply` runs on the emulator, or on a real Dkron when `DKRON_BIN` names its binary. Each figure is the median of
//! several rounds, the two sides of a ratio taken in turn.
//!
//! - an unchanged apply beside one `GET /v1/jobs` of the same list on a new connection;
//! - a first apply beside a bare loop that posts the same bodies over 16 kept-alive connections;
//! - the peak of resident memory.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::allow_attributes,
    dead_code,
    reason = "a benchmark, which shares the servers of the tests"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use dkron_jobs::job::SERVER_FIELDS;
use tempfile::TempDir;

use crate::server::Server;

#[path = "../tests/it/http.rs"]
mod http;
#[path = "../tests/it/server.rs"]
mod server;

/// How many jobs the templates render.
const JOBS: usize = 1500;
/// Connections of the bare loop.
const CONNECTIONS: usize = 16;
/// Rounds of the unchanged apply, which are short.
const UNCHANGED_ROUNDS: usize = 15;
/// Rounds of the first apply, each on a new server.
const FIRST_ROUNDS: usize = 5;

fn main() {
    let folder = templates();
    let bodies = bodies(folder.path());
    assert_eq!(bodies.len(), JOBS);
    let mut first = Ratio::default();
    let mut server = None;
    for round in 0..FIRST_ROUNDS {
        let both = [Server::start(), Server::start()];
        // Whoever is second finds warm caches: they take turns.
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
    let unchanged_memory = peak(folder.path(), &url);
    let memory = peak(folder.path(), &Server::start().node_url(0));
    println!("{JOBS} jobs on {}, medians", server.name());
    println!("  unchanged apply / one GET of the list:  {}", unchanged.show("at most 2.0"));
    println!("  bare loop of posts / first apply:       {}", first.inverse().show("at least 0.95"));
    println!("  peak memory, first apply:               {:.1} MiB  (at most 32)", memory as f64 / 1024.0);
    println!("  peak memory, unchanged apply:           {:.1} MiB", unchanged_memory as f64 / 1024.0);
}

/// The times of two sides of a comparison.
#[derive(Default)]
struct Ratio {
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Ratio {
    fn inverse(self) -> Self {
        Self { ours: self.bare, bare: self.ours }
    }

    fn show(mut self, limit: &str) -> String {
        let (ours, bare) = (median(&mut self.ours), median(&mut self.bare));
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        format!("{ratio:.2}  ({limit}; {:.1} ms / {:.1} ms)", ms(ours), ms(bare))
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The shipped template, over a table with many rows.
fn templates() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs-templates/cache-refresh.yaml");
    let to = folder.path().join("jobs-templates");
    fs::create_dir_all(to.join("data")).expect("folders");
    fs::copy(from, to.join("cache-refresh.yaml")).expect("the shipped template");
    let mut table = "name,soft_ttl,hard_ttl,scope,enabled\n".to_owned();
    for row in 0..JOBS {
        writeln!(table, "cache-{row:05},{},7200,scope-{},true", 600 + row % 7 * 300, row % 5).expect("a string");
    }
    fs::write(to.join("data/cache_param.csv"), table).expect("a table");
    folder
}

fn binary(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dkron-jobs"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
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
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("a report");
    assert_eq!(report["summary"]["created"], created, "{}", report["summary"]);
    assert_eq!(report["summary"]["failed"], 0, "{}", report["summary"]);
    took
}

/// The peak of an apply's resident memory, in KiB.
fn peak(folder: &Path, url: &str) -> u64 {
    let mut child =
        binary(folder, &["apply", "--dkron-url", url]).stdout(Stdio::null()).spawn().expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("its state").is_none() {
        // The high-water mark only grows: the last look before the end is the peak, but for what came within a millisecond.
        let high = fs::read_to_string(&status).unwrap_or_default();
        let kib = high.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or_default());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().is_ok_and(|status| status.success()));
    peak
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

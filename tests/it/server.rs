//! The Dkron that a test runs against: the emulator, or the real thing when `DKRON_BIN` names its binary. `tests/run` takes a list of
//! binaries and runs the tests once for each of them.
//!
//! With `DKRON_URL`, an existing and empty Dkron is used, one test after the other, and emptied again. Tests that need a Dkron to
//! themselves (a restart, three nodes) then say that they were skipped.

use std::fmt::Write;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use dkron_emulator::{Emulator, Options, RestartOptions};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::http;

// The benches read this file from another folder.
#[path = "cluster.rs"]
mod cluster;

pub(crate) use cluster::Cluster;
use cluster::version;

/// How long a Dkron may take to come up again.
const READY: Duration = Duration::from_secs(20);
/// How many seconds after its next run a job is late, and one more.
const LATE: i64 = 62;

/// A Dkron with nothing in it.
pub(crate) struct Server {
    kind: Kind,
    recorder: Recorder,
}

enum Kind {
    Emulator(Emulator),
    Real(Cluster),
    Existing { url: String, _turn: MutexGuard<'static, ()> },
}

impl Server {
    /// One node.
    pub(crate) fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let kind = if let Some(url) = variable("DKRON_URL") {
            let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
            let (_, jobs) = call("GET", &format!("{url}/v1/jobs"), "");
            assert_eq!(
                jobs,
                Value::Array(Vec::new()),
                "DKRON_URL must name a Dkron without jobs: they would be deleted"
            );
            Kind::Existing { url, _turn: turn }
        } else if let Some(binary) = binary() {
            Kind::Real(Cluster::start(&binary, 1))
        } else {
            Kind::Emulator(Emulator::start(Options::new()).expect("an emulator"))
        };
        Self::new(kind)
    }

    /// Three nodes, or `None`, which is said, where there can be none.
    pub(crate) fn start_three(test: &str) -> Option<Self> {
        if variable("DKRON_URL").is_some() {
            skip(test, "DKRON_URL names one Dkron, and this needs three nodes of its own");
            return None;
        }
        let kind = match binary() {
            Some(binary) => Kind::Real(Cluster::start(&binary, 3)),
            None => Kind::Emulator(Emulator::start(Options::new().nodes(3)).expect("an emulator")),
        };
        Some(Self::new(kind))
    }

    /// One node, or three where those can have another leader without an end of the process: on the emulator.
    pub(crate) fn start_for_soak(three: bool) -> Self {
        match binary() {
            None if three => Self::new(Kind::Emulator(Emulator::start(Options::new().nodes(3)).expect("an emulator"))),
            _ => Self::start(),
        }
    }

    fn new(kind: Kind) -> Self {
        let recorder = Recorder::start(match &kind {
            Kind::Emulator(emulator) => emulator.url(),
            Kind::Real(cluster) => cluster.url(0),
            Kind::Existing { url, .. } => url.clone(),
        });
        let server = Self { kind, recorder };
        said(&server.name());
        server
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Emulator(_) => "the emulator".to_owned(),
            Kind::Real(_) => format!("a real Dkron {} (DKRON_BIN)", self.version()),
            Kind::Existing { .. } => format!("a real Dkron {} (DKRON_URL)", self.version()),
        }
    }

    /// The version that it says it is.
    pub(crate) fn version(&self) -> String {
        version(&self.node_url(0))
    }

    /// Whether there can be a Dkron of the test's own; if not, that is said.
    pub(crate) fn can_be_ours(test: &str) -> bool {
        let ours = variable("DKRON_URL").is_none();
        if !ours {
            skip(test, "DKRON_URL names a Dkron that is not to be restarted");
        }
        ours
    }

    /// The emulator, where it is one.
    pub(crate) fn emulator(&self) -> Option<&Emulator> {
        match &self.kind {
            Kind::Emulator(emulator) => Some(emulator),
            Kind::Real(_) | Kind::Existing { .. } => None,
        }
    }

    /// The stored jobs, once everything that was written is applied: the leader's word, or after the barrier (FACTS 4).
    pub(crate) fn settled_jobs(&self) -> Vec<Value> {
        match &self.kind {
            Kind::Emulator(emulator) => {
                assert!(emulator.wait_until_replayed(READY), "the emulator comes up again");
                let start = Instant::now();
                while !emulator.is_scheduling() {
                    assert!(start.elapsed() < READY, "the emulator's scheduler starts");
                    thread::sleep(Duration::from_millis(5));
                }
                emulator.jobs()
            }
            Kind::Real(cluster) => {
                assert!(cluster.forms_within(READY), "Dkron comes up again");
                self.jobs()
            }
            Kind::Existing { .. } => self.jobs(),
        }
    }

    /// Where it is, by way of the recorder that counts requests.
    pub(crate) fn url(&self) -> &str {
        &self.recorder.url
    }

    /// One node's own address.
    pub(crate) fn node_url(&self, node: usize) -> String {
        match &self.kind {
            Kind::Emulator(emulator) => emulator.node_url(node),
            Kind::Real(cluster) => cluster.url(node),
            Kind::Existing { url, .. } => url.clone(),
        }
    }

    /// The requests that would change something, without the barrier, since the last time this was asked.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut seen = self.recorder.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen).into_iter().filter(|line| is_write(line)).collect()
    }

    /// How many there are, without taking them.
    pub(crate) fn write_count(&self) -> usize {
        let seen = self.recorder.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|line| is_write(line)).count()
    }

    /// All requests since the last time this or [`Server::writes`] was asked, the barrier among them.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.recorder.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a path answers.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, answer) = call("GET", &format!("{}{path}", self.node_url(0)), "");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Returns when these jobs should have run more than a minute ago: the emulator is told so, the real one waited for.
    pub(crate) fn wait_until_late(&self, names: &[&str]) {
        if let Kind::Emulator(emulator) = &self.kind {
            return names.iter().for_each(|name| emulator.age(name, Duration::from_hours(1)));
        }
        let is_late = |name: &&str| {
            let next = self.job(name).and_then(|job| job["next"].as_str()?.parse::<Timestamp>().ok());
            next.is_some_and(|next| Timestamp::now().duration_since(next).as_secs() > LATE)
        };
        let begun = Instant::now();
        while !names.iter().all(is_late) {
            assert!(begun.elapsed() < Duration::from_mins(2), "{names:?} run, or have no next run");
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Whether a test of its own Dkron can be run; if not, that is said.
    pub(crate) fn is_ours(&self, test: &str) -> bool {
        !matches!(self.kind, Kind::Existing { .. }) || Self::can_be_ours(test)
    }

    /// The stored jobs.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let (status, jobs) = call("GET", &format!("{}/v1/jobs", self.node_url(0)), "");
        assert_eq!(status, 200, "{jobs}");
        jobs.as_array().expect("a list of jobs").clone()
    }

    pub(crate) fn job(&self, name: &str) -> Option<Value> {
        self.jobs().into_iter().find(|job| job["name"] == name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.jobs().iter().filter_map(|job| job["name"].as_str().map(str::to_owned)).collect()
    }

    /// Puts a job as a hand would.
    #[track_caller]
    pub(crate) fn put(&self, job: &Value) {
        let (status, answer) = call("POST", &format!("{}/v1/jobs", self.node_url(0)), &job.to_string());
        assert_eq!(status, 201, "{answer}");
    }

    /// Changes fields of a stored job as a hand in the UI would.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut job = self.job(name).expect("a job to edit");
        change(&mut job);
        self.put(&job);
    }

    /// Switches a job off or on as a hand in the UI would.
    #[track_caller]
    pub(crate) fn toggle(&self, name: &str) {
        let (status, answer) = call("POST", &format!("{}/v1/jobs/{name}/toggle", self.node_url(0)), "");
        assert_eq!(status, 200, "{answer}");
    }

    /// Deletes every job.
    #[track_caller]
    pub(crate) fn clear(&self) {
        self.delete_all();
        assert_eq!(self.names(), Vec::<String>::new(), "jobs that cannot be deleted");
    }

    /// Deletes one job as a hand would.
    #[track_caller]
    pub(crate) fn delete(&self, name: &str) {
        let (status, answer) = call("DELETE", &format!("{}/v1/jobs/{name}", self.node_url(0)), "");
        assert_eq!(status, 200, "{answer}");
    }

    fn delete_all(&self) {
        // Children first: as often as there may be generations.
        for _ in 0..8 {
            for name in self.names() {
                let _ = call("DELETE", &format!("{}/v1/jobs/{name}", self.node_url(0)), "");
            }
        }
    }

    pub(crate) fn pause(&self, pause: bool) {
        let path = if pause { "pause" } else { "unpause" };
        let (status, answer) = call("POST", &format!("{}/v1/{path}", self.node_url(0)), "");
        assert_eq!(status, 200, "{answer}");
    }

    /// Ends it as a crash would and starts it again on the same data; returns at once.
    pub(crate) fn restart(&mut self) {
        match &mut self.kind {
            Kind::Emulator(emulator) => emulator.restart(RestartOptions::new()),
            Kind::Real(cluster) => cluster.restart(),
            Kind::Existing { .. } => panic!("a Dkron that is not ours is not restarted"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::Existing { .. }) {
            self.delete_all();
        }
    }
}

/// A reverse proxy that writes down what passes: the same witness for every server.
struct Recorder {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Passing {
    target: String,
    client: reqwest::Client,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn start(target: String) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let passing = Passing { target, client: client(), seen: Arc::clone(&seen) };
        let app = axum::Router::new().fallback(pass).with_state(passing);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        listener.set_nonblocking(true).expect("a listener for tokio");
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener for tokio");
            axum::serve(listener, app).await.expect("the recorder serves");
        });
        Self { url, seen }
    }
}

async fn pass(State(passing): State<Passing>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", passing.target);
    let line = line(&parts.method, path, &body);
    passing.seen.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let mut builder = Response::builder();
    match passing.client.request(parts.method, url).headers(parts.headers).body(body).send().await {
        Ok(answer) => {
            builder = builder.status(answer.status());
            for (name, value) in answer.headers() {
                if !matches!(name.as_str(), "transfer-encoding" | "content-length") {
                    builder = builder.header(name, value);
                }
            }
            let body = answer.bytes().await.unwrap_or_default();
            builder.body(Body::from(body)).expect("an answer")
        }
        Err(error) => builder.status(502).body(Body::from(error.to_string())).expect("an answer"),
    }
}

/// `POST /v1/jobs name`.
fn line(method: &Method, path: &str, body: &Bytes) -> String {
    let mut line = format!("{method} {path}");
    if let Ok(job) = serde_json::from_slice::<Value>(body)
        && let Some(name) = job["name"].as_str()
    {
        write!(line, " {name}").expect("a string");
    }
    line
}

/// A request that would change something, and is not the barrier.
fn is_write(line: &str) -> bool {
    !line.starts_with("GET") && line != "POST /v1/jobs dkron-jobs-barrier"
}

/// One call as a person would make it: status and body.
#[track_caller]
fn call(method: &str, url: &str, body: &str) -> (u16, Value) {
    try_call(method, url, body).unwrap_or_else(|| panic!("{method} {url}: no answer"))
}

pub(crate) fn try_call(method: &str, url: &str, body: &str) -> Option<(u16, Value)> {
    let at = url.find("/v1")?;
    let answer = http::send(&url[..at], method, &url[at..], "application/json", body).ok()?;
    let json = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::from(answer.text()));
    Some((answer.status, json))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(
            dkron_jobs::dkron::Tls::new(None, None).expect("the compiled-in certificates").config(),
        )
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client")
}

/// One thread serves all recorders.
fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}

/// The binary that `DKRON_BIN` names. One process runs the tests on one version, so that each result says which one it is of.
pub(crate) fn binary() -> Option<String> {
    let binary = variable("DKRON_BIN")?;
    assert!(!binary.contains(':'), "DKRON_BIN is a list: `tests/run` takes one, `cargo test` takes one binary of it");
    Some(binary)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says that a test did not run; `tests/run` prints these at its end.
pub(crate) fn skip(test: &str, why: &str) {
    note("TEST_SKIPS", &format!("{test}: {why}"));
}

/// Says which server the tests ran on.
pub(crate) fn said(server: &str) {
    note("TEST_SERVERS", server);
}

#[expect(clippy::print_stderr, reason = "shown with `--nocapture` and when a test fails")]
pub(crate) fn note(variable_name: &str, line: &str) {
    eprintln!("{line}");
    if let Some(file) = variable(variable_name) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the notes of tests/run");
    }
}

//! The HTTP API, one file a family of routes.

mod cluster;
mod jobs;
mod restore;
mod runs;

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde::Serialize;

use crate::core::Core;
use crate::faults::{Fault, Prepared, Stage, Target};
use crate::json::{self, First};
use crate::version::Version;

/// Header names, as hyper writes them.
pub(crate) const TOTAL_COUNT: &str = "x-total-count";
const CONTENT_TYPE: &str = "content-type";
const LOCATION: &str = "location";
const WHOM: &str = "x-whom";

/// A request, read whole.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as sent: Dkron echoes them in `Location`.
    pub(crate) uri: String,
    path: String,
    query: Vec<(String, String)>,
    content_type: String,
    pub(crate) body: Bytes,
    node: usize,
    /// The body of an upsert, read once.
    upsert: Option<Result<First, String>>,
    /// A POST of a job whose parent does not exist.
    pub(crate) is_barrier: bool,
    /// This once, the node knows no leader.
    pub(crate) leaderless: bool,
    /// What is about to be answered.
    pub(crate) answer: Prepared,
}

impl Request {
    pub(crate) fn read(head: &Parts, body: Bytes, node: usize) -> Self {
        let query = head.uri.query().unwrap_or_default();
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key, true), decode(value, true))
            })
            .collect();
        let mut request = Self {
            method: head.method.as_str().to_owned(),
            uri: head.uri.path_and_query().map_or("/", |uri| uri.as_str()).to_owned(),
            path: head.uri.path().to_owned(),
            query,
            content_type: head
                .headers
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            body,
            node,
            upsert: None,
            is_barrier: false,
            leaderless: false,
            answer: Prepared::default(),
        };
        if request.target(None, false).is_upsert() {
            request.upsert = Some(First::read(&request.body));
        }
        request
    }

    fn upsert(&self) -> Option<&First> {
        self.upsert.as_ref().and_then(|read| read.as_ref().ok())
    }

    /// The parent that the posted job names.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.upsert()?.text("parent_job").filter(|parent| !parent.is_empty())
    }

    /// The job that the body, or else the path, names.
    pub(crate) fn job(&self) -> Option<&str> {
        let posted = self.upsert().and_then(|first| first.text("name"));
        posted.or_else(|| self.path.strip_prefix("/v1/jobs/")?.split('/').next()).filter(|name| !name.is_empty())
    }

    fn target<'a>(&'a self, job: Option<&'a str>, job_is_there: bool) -> Target<'a> {
        Target {
            method: &self.method,
            path: &self.path,
            job,
            node: self.node,
            is_barrier: self.is_barrier,
            job_is_there,
            answer: self.answer,
        }
    }

    /// The fault that this request meets at a stage.
    pub(crate) fn fault(&self, core: &Core, stage: Stage) -> Option<Fault> {
        let mut locked = core.lock();
        if locked.faults.is_empty() {
            return None;
        }
        let job = self.job();
        let is_there = job.is_some_and(|name| locked.store.get(name).is_some());
        locked.faults.take(stage, &self.target(job, is_there))
    }

    fn has(&self, key: &str) -> bool {
        self.query.iter().any(|(name, _)| name == key)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn json<T: Serialize>(&self, status: u16, value: &T) -> Reply {
        Reply {
            status,
            headers: vec![(CONTENT_TYPE.to_owned(), "application/json; charset=utf-8".to_owned())],
            body: json::encode(value, self.has("pretty")),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Text of the type that Go guesses.
    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE.to_owned(), "text/plain; charset=utf-8".to_owned())],
            body: text.as_bytes().to_vec(),
        }
    }

    pub(crate) fn paused() -> Self {
        Self::text(503, "New job submissions are currently paused")
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, header: &str, value: impl Into<String>) -> Self {
        self.headers.push((header.to_owned(), value.into()));
        self
    }

    /// Signed by a node: every answer of a known route, except `/health`.
    pub(crate) fn from(self, core: &Core, node: usize) -> Self {
        let name = core.lock().cluster.nodes[node].name.clone();
        self.with(WHOM, name)
    }
}

/// Routes a request.
pub(crate) async fn answer(core: &Arc<Core>, request: &Request) -> Reply {
    // Decoded before it is taken apart, as in Dkron: `a%2Fb` is two parts. The first one is empty: a path begins with a slash.
    let path = decode(&request.path, false);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let is_new = core.lock().cluster.nodes[request.node].version >= Version::V4_1;
    let reply = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["health"]) => return cluster::health(core, request),
        ("GET", ["debug", "vars"]) => cluster::vars(core, request),
        ("GET", ["v1"] | ["v1", ""]) => cluster::index(core, request),
        ("GET", ["v1", "members"]) => cluster::members(core, request),
        ("GET", ["v1", "leader"]) => cluster::leader(core, request),
        ("GET", ["v1", "isleader"]) => cluster::is_leader(core, request),
        ("GET", ["v1", "pause"]) => cluster::pause_status(core, request),
        ("POST", ["v1", "pause"]) => cluster::set_paused(core, request, true),
        ("POST", ["v1", "unpause"]) => cluster::set_paused(core, request, false),
        ("GET", ["v1", "stats"]) if is_new => cluster::stats(core, request),
        ("GET", ["v1", "busy"]) => runs::busy(core, request),
        ("POST", ["v1", "restore"]) => restore::restore(core, request).await,
        ("GET", ["v1", "jobs"]) => jobs::list(core, request),
        ("POST" | "PATCH", ["v1", "jobs"]) | ("PUT", ["v1", "jobs", _]) => jobs::upsert(core, request).await,
        ("GET", ["health", ""] | ["v1", "members" | "leader" | "isleader" | "pause" | "busy" | "jobs", ""])
        | ("POST", ["v1", "pause" | "unpause" | "restore" | "jobs", ""])
        | ("PATCH", ["v1", "jobs", ""]) => return redirect(request),
        (_, [.., ""]) => return unknown(),
        ("GET", ["v1", "jobs", name]) => jobs::get(core, request, name),
        ("DELETE", ["v1", "jobs", name]) => jobs::delete(core, request, name).await,
        ("POST", ["v1", "jobs", name] | ["v1", "jobs", name, "run"]) => runs::run(core, request, name).await,
        ("POST", ["v1", "jobs", name, "toggle"]) => jobs::toggle(core, request, name).await,
        ("GET", ["v1", "jobs", name, "executions"]) => runs::executions(core, request, name),
        ("DELETE", ["v1", "jobs", name, "executions"]) if is_new => runs::delete_executions(core, request, name).await,
        ("GET", ["v1", "jobs", name, "executions", key]) => runs::execution(core, request, name, key),
        _ => return unknown(),
    };
    reply.from(core, request.node)
}

fn unknown() -> Reply {
    let headers = vec![(CONTENT_TYPE.to_owned(), "text/plain".to_owned())];
    Reply { status: 404, headers, body: b"404 page not found".to_vec() }
}

/// gin's answer to a slash too many.
fn redirect(request: &Request) -> Reply {
    let target = request.path.trim_end_matches('/');
    if request.method != "GET" {
        return Reply::empty(307).with(LOCATION, target);
    }
    let body = format!("<a href=\"{target}\">Moved Permanently</a>.\n\n").into_bytes();
    let headers = vec![(CONTENT_TYPE.to_owned(), "text/html; charset=utf-8".to_owned())];
    Reply { status: 301, headers, body }.with(LOCATION, target)
}

/// Undoes percent-encoding, and in a query `+` for a blank.
fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let hex = text.get(index + 1..index + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                decoded.push(value);
                index += 2;
            }
            (b'+', _) if plus => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

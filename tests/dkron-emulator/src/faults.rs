//! Each of Dkron's traps, and of a network's, as a switch: which requests it hits, how often, and whether it has.

use std::fmt;
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Any request: answered as by a node that knows no leader. The list is 200 `[]`, `/v1/leader` 500 `null`, a POST 500, a
    /// DELETE 404.
    NoLeader,
    /// An upsert: 503, as while Dkron is paused (FACTS 14).
    Paused,
    /// Any request: this answer in place of Dkron's, and nothing applied. A gateway's 502 in HTML, a 503, a 429.
    Answer {
        /// The status.
        status: u16,
        /// Headers, `content-type` and `retry-after` among them.
        headers: Vec<(String, String)>,
        /// The body as it is.
        body: String,
    },
    /// A write, but not the barrier: 500 `context deadline exceeded`, and nothing applied (FACTS 15).
    NotAppliedBut500,
    /// Any request: accepted, and never answered. The connection stays open.
    Hang,
    /// Any request: the connection is reset before anything is applied.
    ResetUnapplied,

    /// An upsert, but not the barrier: 201 with its echo, and nothing stored (FACTS 16).
    Swallow,
    /// An upsert of a job that is there, or a delete: acknowledged, and undone this much later by a run that had read the job
    /// before (FACTS 16b). A deleted job comes back stored, but not scheduled (FACTS 16c).
    RunInFlight {
        /// Counted from the answer.
        after: Duration,
    },
    /// The barrier of FACTS 4: stored and answered 201, as by a Dkron that does not look for the parent.
    StoreBarrier,

    /// A write that succeeds, but not the barrier: applied, and then 500 `error reading from server: EOF` (FACTS 15).
    AppliedBut500,
    /// Any request: applied, and the connection is reset without an answer.
    ResetApplied,
    /// Any request with a body in its answer: the connection is reset after so many bytes of it.
    ResetMid {
        /// Bytes of the body that are sent before.
        after: usize,
    },
    /// The same, but closed in good order: shorter than its `Content-Length`.
    CloseMid {
        /// Bytes of the body that are sent before.
        after: usize,
    },
    /// Any request with a body in its answer: only so many bytes of it, with a `Content-Length` that agrees.
    Cut {
        /// Bytes of the body that are left.
        to: usize,
    },
    /// A list: its last jobs missing, as valid JSON, with an `X-Total-Count` that still counts them.
    ShortList {
        /// How many are missing.
        missing: usize,
    },
    /// The list: another `X-Total-Count`.
    WrongCount {
        /// The wrong number.
        count: usize,
    },
    /// The list: no `X-Total-Count`.
    NoCount,
    /// Any request with a body in its answer: sent in small pieces, with a pause before each.
    Trickle {
        /// Bytes in a piece.
        piece: usize,
        /// The pause.
        every: Duration,
    },
    /// Any request: 200 and a JSON list of that many bytes, most of them blanks, of no announced length.
    Gigantic {
        /// How many bytes.
        bytes: u64,
    },

    /// The list: small jobs, of that many bytes in all, of no announced length; `X-Total-Count` says how many there should be.
    Flood {
        /// How many bytes.
        bytes: u64,
    },

    /// Any request: looked at only after this time.
    Delay(Duration),
}

impl Fault {
    /// A gateway's answer when it reaches no Dkron: 502 with an HTML page.
    pub fn bad_gateway() -> Self {
        Self::Answer {
            status: 502,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
                .to_owned(),
        }
    }

    /// 503 with `Retry-After` in seconds.
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        Self::Answer {
            status: 503,
            headers: vec![("retry-after".to_owned(), retry_after_seconds.to_string())],
            body: "upstream connect error".to_owned(),
        }
    }

    /// 429 with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        Self::Answer {
            status: 429,
            headers: vec![("retry-after".to_owned(), retry_after_seconds.to_string())],
            body: "slow down".to_owned(),
        }
    }

    /// When it strikes. A request meets at most one fault of each stage, so that two faults for one request each come in turn.
    fn stage(&self) -> Stage {
        match self {
            Self::Delay(_) => Stage::Arrival,
            Self::NoLeader
            | Self::Paused
            | Self::Answer { .. }
            | Self::NotAppliedBut500
            | Self::Hang
            | Self::ResetUnapplied => Stage::Instead,
            Self::Swallow | Self::RunInFlight { .. } | Self::StoreBarrier => Stage::Applying,
            Self::AppliedBut500
            | Self::ResetApplied
            | Self::ResetMid { .. }
            | Self::CloseMid { .. }
            | Self::Cut { .. }
            | Self::ShortList { .. }
            | Self::WrongCount { .. }
            | Self::NoCount
            | Self::Trickle { .. }
            | Self::Gigantic { .. }
            | Self::Flood { .. } => Stage::Answering,
        }
    }

    /// Whether it has an effect on such a request; only then is it used up.
    fn concerns(&self, target: &Target<'_>) -> bool {
        match self {
            Self::Paused => target.is_upsert(),
            // A missing parent is the one error that is not swallowed.
            Self::Swallow => target.is_upsert() && !target.is_barrier,
            Self::StoreBarrier => target.is_upsert() && target.is_barrier,
            Self::RunInFlight { .. } => target.job_is_there && (target.is_upsert() || target.is_delete()),
            Self::NotAppliedBut500 => target.is_write() && !target.is_barrier,
            Self::AppliedBut500 => target.is_write() && !target.is_barrier && target.answer.is_success,
            Self::ShortList { .. } | Self::WrongCount { .. } | Self::NoCount | Self::Flood { .. } => {
                target.method == "GET" && target.path == "/v1/jobs" && target.answer.is_success
            }
            Self::ResetMid { .. } | Self::CloseMid { .. } | Self::Cut { .. } | Self::Trickle { .. } => {
                target.answer.has_body
            }
            Self::NoLeader
            | Self::Answer { .. }
            | Self::Hang
            | Self::ResetUnapplied
            | Self::ResetApplied
            | Self::Gigantic { .. }
            | Self::Delay(_) => true,
        }
    }
}

/// The stages of a request at which faults strike, one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Arrival,
    Instead,
    Applying,
    Answering,
}

/// A request as faults see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) job: Option<&'a str>,
    pub(crate) node: usize,
    pub(crate) is_barrier: bool,
    pub(crate) job_is_there: bool,
    pub(crate) answer: Prepared,
}

/// What Dkron is about to answer, as faults see it; nothing yet at the stages before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prepared {
    pub(crate) is_success: bool,
    pub(crate) has_body: bool,
}

impl Target<'_> {
    pub(crate) fn is_upsert(&self) -> bool {
        match self.method {
            "POST" | "PATCH" => self.path == "/v1/jobs",
            "PUT" => self.path.starts_with("/v1/jobs/"),
            _ => false,
        }
    }

    fn is_delete(&self) -> bool {
        self.method == "DELETE" && self.path.starts_with("/v1/jobs/") && !self.path.ends_with("/executions")
    }

    fn is_write(&self) -> bool {
        matches!(self.method, "POST" | "PUT" | "PATCH" | "DELETE")
    }
}

/// A fault, the requests that it is for, and how often it strikes: once, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    /// `None` for always.
    left: Option<u32>,
    spared: u32,
    method: Option<String>,
    path: Option<String>,
    job: Option<String>,
    node: Option<usize>,
    but_barrier: bool,
}

impl Rule {
    /// Strikes the next request that the fault is for.
    pub fn new(fault: Fault) -> Self {
        Self { fault, left: Some(1), spared: 0, method: None, path: None, job: None, node: None, but_barrier: false }
    }

    /// Strikes the next `count` of them.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { left: Some(count), ..self }
    }

    /// Strikes each of them until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    /// Spares the first `count` of them.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        Self { spared: count, ..self }
    }

    /// Only this method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Only this path, without its query; `/v1/jobs/*` for each path below `/v1/jobs/`.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Only requests that name this job, in the path or in the body.
    #[must_use]
    pub fn job(self, name: &str) -> Self {
        Self { job: Some(name.to_owned()), ..self }
    }

    /// Only requests that reach this node, from 0.
    #[must_use]
    pub fn node(self, node: usize) -> Self {
        Self { node: Some(node), ..self }
    }

    /// Not the barrier, for a fault that would strike it as well.
    #[must_use]
    pub fn but_barrier(self) -> Self {
        Self { but_barrier: true, ..self }
    }

    fn matches(&self, stage: Stage, target: &Target<'_>) -> bool {
        self.fault.stage() == stage
            && self.left != Some(0)
            && self.fault.concerns(target)
            && self.method.as_deref().is_none_or(|method| method == target.method)
            && self.path.as_deref().is_none_or(|path| match path.strip_suffix('*') {
                Some(prefix) => target.path.starts_with(prefix),
                None => target.path == path,
            })
            && self.job.as_deref().is_none_or(|job| Some(job) == target.job)
            && self.node.is_none_or(|node| node == target.node)
            && !(self.but_barrier && target.is_barrier)
    }
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self::new(fault)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)?;
        match self.left {
            Some(left) => write!(f, ", {left} left")?,
            None => f.write_str(", always")?,
        }
        if self.spared > 0 {
            write!(f, ", after {}", self.spared)?;
        }
        for (name, value) in [("method", &self.method), ("path", &self.path), ("job", &self.job)] {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        if let Some(node) = self.node {
            write!(f, ", node {node}")?;
        }
        f.write_str(if self.but_barrier { ", but not the barrier" } else { "" })
    }
}

/// The rules that are in force, in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules that have a count and have not used it up.
    pub(crate) fn pending(&self) -> Vec<String> {
        self.rules.iter().filter(|rule| rule.left.is_some_and(|left| left > 0)).map(ToString::to_string).collect()
    }

    /// The fault that a request meets at a stage; the first rule that matches counts it.
    pub(crate) fn take(&mut self, stage: Stage, target: &Target<'_>) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.matches(stage, target))?;
        if rule.spared > 0 {
            rule.spared -= 1;
            return None;
        }
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
        }
        self.rules.retain(|rule| rule.left != Some(0));
        Some(fault)
    }
}

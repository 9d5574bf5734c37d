//! What can go wrong between us and Dkron.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use super::Phase;

/// Why one request did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The host's name has no address.
    #[error("the name `{host}` does not resolve: {cause}")]
    Name {
        /// The host.
        host: String,
        /// The resolver's words.
        cause: String,
    },
    /// No connection, or no answer on it.
    #[error("{request}: {cause}")]
    Broken {
        /// `GET /v1/jobs`.
        request: String,
        /// The innermost cause.
        cause: String,
    },
    /// No whole answer in the time for one request.
    #[error("{request}: no whole answer within {}", seconds(*.limit))]
    Timeout {
        /// `GET /v1/jobs`.
        request: String,
        /// The limit of one request.
        limit: Duration,
    },
    /// An answer with a status that says no.
    #[error("{request} answered {status}{}", if body.is_empty() { String::new() } else { format!(": {body}") })]
    Status {
        /// `GET /v1/jobs`.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// An answer that is none of Dkron's: HTML of a gateway, cut or foreign JSON.
    #[error(
        "{request} answered {status} with something that is not Dkron's: {problem}{}",
        if body.is_empty() { String::new() } else { format!("; it begins with `{body}`") }
    )]
    NotDkron {
        /// `GET /v1/jobs`.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        problem: String,
        /// The beginning of the body.
        body: String,
    },
    /// A list that is shorter than its own count. A longer one is not read to its end: it is [`Failure::NotDkron`].
    #[error("GET /v1/jobs gave {got} jobs while its X-Total-Count says {said}")]
    Miscounted {
        /// Jobs in the list.
        got: usize,
        /// The count in the header.
        said: usize,
    },
    /// More bytes than such an answer can have.
    #[error("{request}: the answer is longer than {limit} bytes")]
    TooLong {
        /// `GET /v1/jobs`.
        request: String,
        /// The limit.
        limit: usize,
    },
    /// Another node than the leader answered a read.
    #[error("{request} was answered by `{whom}`, and the leader is `{leader}`")]
    NotLeader {
        /// `GET /v1/jobs`.
        request: String,
        /// Who answered.
        whom: String,
        /// Who should have.
        leader: String,
    },
    /// New jobs are paused (FACTS 14).
    #[error("Dkron is paused: it refuses every write until someone calls `POST /v1/unpause`")]
    Paused,
    /// The leader's scheduler has not started (FACTS 36, 37b).
    #[error("the leader `{leader}` does not run its scheduler: `scheduler_started` in its /debug/vars is 0")]
    NotScheduling {
        /// The leader's name.
        leader: String,
    },
    /// Two reads that should agree do not.
    #[error("two reads of the job list differ: Dkron is still being written to, or still loading")]
    Unsettled,
}

impl Failure {
    /// Whether the server has understood and says no: trying again gives the same. `404` is for the caller to judge.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status { status: 400..=499, .. }) && !self.is_busy()
    }

    /// Whether the server asks for patience.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Status { status: 408 | 425 | 429, .. })
    }

    /// Whether credentials are missing or wrong.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403 | 407, .. })
    }

    pub(crate) fn of_reqwest(request: &str, error: reqwest::Error, limit: Duration) -> Self {
        let request = request.to_owned();
        if error.is_timeout() {
            return Self::Timeout { request, limit };
        }
        // reqwest's own words name the URL, credentials and all, and say little; the innermost cause says what happened.
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Broken { request, cause: cause.to_string() }
    }
}

/// Why Dkron could not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The limit was reached.
    #[error(
        "gave up on Dkron at {url} after {}, {phase}: {}; {}",
        seconds(*.waited),
        last.as_ref().map_or_else(|| "no whole answer yet".to_owned(), ToString::to_string),
        remedy(*.phase, last.as_ref(), .blocking)
    )]
    TimedOut {
        /// Dkron's URL, without credentials.
        url: String,
        /// How long it was.
        waited: Duration,
        /// How far it got.
        phase: Phase,
        /// The last cause.
        last: Option<Failure>,
        /// In [`Phase::Scheduler`]: the requests after which the scheduler can start (FACTS 44).
        blocking: Vec<String>,
    },
    /// A proxy in front wants other credentials.
    #[error(
        "{0}; give the right credentials with `--header`, `--basic-auth-file`, `--bearer-token-file` or `--client-cert-file`"
    )]
    Denied(Failure),
    /// The barrier was stored, which no Dkron known does (FACTS 4).
    #[error(
        "Dkron accepted a job whose parent does not exist; {}; this is no Dkron that can be trusted",
        if *deleted { "the job is deleted again" } else { "and the job `dkron-jobs-barrier` could not be deleted again" }
    )]
    BarrierStored {
        /// Whether the stray job is gone again.
        deleted: bool,
    },
}

/// What whoever reads it can do about a wait that was given up.
fn remedy(phase: Phase, last: Option<&Failure>, blocking: &[String]) -> Cow<'static, str> {
    if !blocking.is_empty() {
        return Cow::Owned(format!(
            "this Dkron cannot read the schedules of some jobs, and starts no scheduler while it stores them; save the jobs with \
             `dkron-jobs backup`, then send it: {}",
            blocking.join("; ")
        ));
    }
    Cow::Borrowed(match (last, phase) {
        (Some(Failure::Name { .. }), _) => "correct `--dkron-url`, or see that the Service it names is there",
        (Some(Failure::Status { status: 300..=399, .. }), _) => {
            "redirects are not followed, since credentials would go with them: name in `--dkron-url` what it leads to"
        }
        (Some(Failure::Status { status: 408 | 425 | 429 | 502..=504, .. }), _) => {
            "see the log of the gateway or proxy that says so, or wait longer with `--wait-timeout`"
        }
        (Some(Failure::NotDkron { .. } | Failure::TooLong { .. }), _)
        | (Some(Failure::Status { status: 404, .. }), Phase::Reach) => {
            "see what answers there: `--dkron-url` may lead to something else, or to a gateway that does not reach Dkron"
        }
        (Some(Failure::Timeout { .. }) | None, _) => {
            "see whether Dkron is overloaded or cut off, or give it longer with `--request-timeout` and `--wait-timeout`"
        }
        (_, Phase::Reach) => "see that Dkron runs, and that `--dkron-url` and network policies let it be reached",
        (_, Phase::Leader) => {
            "see the logs of Dkron's servers: they elect one once more than half of them are up and see one another"
        }
        (_, Phase::Barrier | Phase::Scheduler) => "see the log of Dkron's leader, or wait longer with `--wait-timeout`",
        (_, Phase::Unpause) => "unpause it, or wait longer with `--wait-timeout`",
        (_, Phase::Read) => {
            "see the logs of Dkron's servers and of what stands before them, or wait longer with `--wait-timeout`"
        }
    })
}

/// A duration for people: `240s`, `1.5s`, `20ms`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

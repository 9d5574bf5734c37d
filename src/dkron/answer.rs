//! What Dkron answers, read with suspicion.

use jiff::Timestamp;
use serde::Deserialize;

use crate::job::LiveJob;
use crate::telemetry;

use super::Failure;
use super::list::{self, Collect, Early};

/// How much of a body is shown in an error.
const EXCERPT: usize = 160;
/// How many of its bytes that takes at most.
const EXCERPT_BYTES: usize = 4 * EXCERPT;

/// An answer, whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// `GET /v1/jobs`.
    pub(super) request: String,
    pub(super) status: u16,
    /// `X-Whom`: the node that answered (FACTS 5).
    pub(super) whom: Option<String>,
    /// `X-Total-Count`: the number of jobs in the list (FACTS 18).
    pub(super) total: Option<usize>,
    /// `Date`: what time it is on that node.
    pub(super) date: Option<Timestamp>,
    pub(super) body: Vec<u8>,
}

/// A member of the cluster as `/v1/leader` gives it (FACTS 2); the rest is of no use.
#[derive(Deserialize)]
pub(super) struct Member {
    #[serde(rename = "Name")]
    pub(super) name: String,
    #[serde(rename = "Tags", default)]
    tags: Tags,
}

#[derive(Default, Deserialize)]
struct Tags {
    #[serde(default)]
    version: Option<String>,
}

impl Member {
    /// The version of Dkron that it runs.
    pub(super) fn version(&self) -> Option<String> {
        self.tags.version.clone().filter(|version| !version.is_empty())
    }
}

/// The beginning of a body on one line. A proxy may say back what it was sent: our credentials are masked before it is cut, since
/// nobody knows a part of one.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let mut head = &body[..body.len().min(EXCERPT_BYTES)];
    if head.len() < body.len() {
        // Nor the last word, which may be cut.
        let end = head.iter().rposition(u8::is_ascii_whitespace).unwrap_or(head.len());
        head = &head[..end];
    }
    let text = telemetry::masked(&String::from_utf8_lossy(head));
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(EXCERPT) {
        words.truncate(end);
        words.push('…');
    }
    words
}

impl Answer {
    /// The answer, if its status is 200 or 201.
    pub(super) fn success(self) -> Result<Self, Failure> {
        match self.status {
            200 | 201 => Ok(self),
            _ => Err(self.refusal()),
        }
    }

    pub(super) fn refusal(&self) -> Failure {
        Failure::Status { request: self.request.clone(), status: self.status, body: self.excerpt() }
    }

    pub(super) fn not_dkron(&self, problem: &dyn std::fmt::Display) -> Failure {
        Failure::NotDkron {
            request: self.request.clone(),
            status: self.status,
            problem: problem.to_string(),
            body: self.excerpt(),
        }
    }

    /// The beginning of the body on one line.
    fn excerpt(&self) -> String {
        excerpt(&self.body)
    }

    /// The leader.
    pub(super) fn leader(&self) -> Result<Member, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_dkron(&error))
    }

    /// One job.
    pub(super) fn job(&self) -> Result<LiveJob, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| self.not_dkron(&error))
    }

    /// The jobs of a list; refuses one that is longer or shorter than its count (FACTS 3). `early` has read it while it came.
    pub(super) fn list<C: Collect>(&self, early: Early<C>) -> Result<C, Failure> {
        let said = self.total.ok_or_else(|| self.not_dkron(&"it has no X-Total-Count that is a number"))?;
        if let Some(collected) = early.finish(&self.body, said) {
            return Ok(collected);
        }
        let mut collected = C::default();
        match list::read(&self.body, said, &mut collected) {
            Ok(got) if got == said => Ok(collected),
            Ok(got) => Err(Failure::Miscounted { got, said }),
            Err(problem) => Err(self.not_dkron(&problem)),
        }
    }

    /// One job; `None` where there is none of that name.
    pub(super) fn found_job(&self) -> Result<Option<LiveJob>, Failure> {
        match self.status {
            200 => self.job().map(Some),
            404 => Ok(None),
            _ => Err(self.refusal()),
        }
    }

    /// Refuses a read that another node than the leader answered (FACTS 5).
    pub(super) fn by_leader(self, leader: &str) -> Result<Self, Failure> {
        match &self.whom {
            Some(whom) if whom == leader => Ok(self),
            Some(whom) => {
                let (whom, leader) = (whom.clone(), leader.to_owned());
                Err(Failure::NotLeader { request: self.request, whom, leader })
            }
            // A gateway's page, not another node's answer.
            None if self.status == 200 => Err(self.not_dkron(&"it has no X-Whom")),
            None => Err(self.refusal()),
        }
    }
}

//! What Dkron answers, read with suspicion.

use serde::Deserialize;

use crate::job::{Live, LiveJob, WireJob};

use super::Failure;

/// How much of a body is shown in an error.
const EXCERPT: usize = 160;

/// An answer, whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// `GET /v1/jobs`.
    pub(super) request: String,
    pub(super) status: u16,
    /// `X-Whom`: the node that answered (FACTS 5).
    pub(super) whom: Option<String>,
    /// `X-Total-Count`: the number of jobs in the list (FACTS 18).
    pub(super) total: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A member of the cluster as `/v1/leader` gives it; only its name is of use.
#[derive(Deserialize)]
struct Member {
    #[serde(rename = "Name")]
    name: String,
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

    fn not_dkron(&self, problem: &dyn std::fmt::Display) -> Failure {
        Failure::NotDkron {
            request: self.request.clone(),
            status: self.status,
            problem: problem.to_string(),
            body: self.excerpt(),
        }
    }

    /// The beginning of the body on one line.
    fn excerpt(&self) -> String {
        let head = &self.body[..self.body.len().min(4 * EXCERPT)];
        let text = String::from_utf8_lossy(head);
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = words.char_indices().nth(EXCERPT) {
            words.truncate(end);
            words.push('…');
        }
        words
    }

    /// The leader's name.
    pub(super) fn leader(&self) -> Result<String, Failure> {
        serde_json::from_slice::<Member>(&self.body).map(|member| member.name).map_err(|error| self.not_dkron(&error))
    }

    /// One job.
    pub(super) fn job(&self) -> Result<LiveJob, Failure> {
        serde_json::from_slice::<WireJob<'_>>(&self.body).map(LiveJob::from).map_err(|error| self.not_dkron(&error))
    }

    /// The whole list, checked against its count (FACTS 3).
    pub(super) fn jobs(&self) -> Result<Live, Failure> {
        let jobs = jobs(&self.body).map_err(|error| self.not_dkron(&error))?;
        let Some(said) = &self.total else { return Err(self.not_dkron(&"it has no X-Total-Count")) };
        if said.parse() != Ok(jobs.len()) {
            return Err(Failure::Miscounted { got: jobs.len(), said: said.clone() });
        }
        Ok(jobs.into_iter().collect())
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

/// Reads a list of jobs as `GET /v1/jobs` gives it.
///
/// # Errors
/// serde's words, with line and column, when it is not a list of Dkron's jobs.
pub fn jobs(body: &[u8]) -> Result<Vec<LiveJob>, serde_json::Error> {
    // One at a time into the smaller form: the whole list is never there in both.
    struct Jobs(Vec<LiveJob>);
    impl<'de> Deserialize<'de> for Jobs {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Jobs;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list of jobs")
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Jobs, A::Error> {
                    let mut jobs = Vec::new();
                    while let Some(job) = list.next_element::<WireJob<'_>>()? {
                        jobs.push(job.into());
                    }
                    Ok(Jobs(jobs))
                }
            }
            deserializer.deserialize_seq(Visitor)
        }
    }
    serde_json::from_slice(body).map(|Jobs(jobs)| jobs)
}

//! Running a job now, and waiting for what comes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use backon::BackoffBuilder;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::conn::LIST;
use super::error::seconds;
use super::trust::{Reading, Trusted};
use super::{Failure, backoff};

/// One attempt of a run, as `/v1/jobs/:job/executions` gives it (FACTS 24).
#[derive(Debug, Clone, Deserialize)]
struct Execution {
    started_at: Timestamp,
    finished_at: Timestamp,
    success: bool,
    #[serde(default)]
    output: String,
    #[serde(default)]
    node_name: String,
    #[serde(default)]
    attempt: u32,
}

impl Execution {
    fn key(&self) -> (Timestamp, u32, String) {
        (self.started_at, self.attempt, self.node_name.clone())
    }

    /// Go writes "not yet" as the first second of year 1.
    fn is_finished(&self) -> bool {
        self.finished_at >= self.started_at
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Whether Dkron counts it as a success.
    pub success: bool,
    /// From its start to its end.
    pub took: Duration,
    /// What it left as output, or nothing.
    pub output: String,
}

/// Why nothing is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Dkron does not run it.
    #[error("Dkron does not run it: {0}")]
    Refused(Failure),
    /// Its executions cannot be read.
    #[error("its executions cannot be read: {0}")]
    Unreadable(Failure),
    /// It has not ended.
    #[error("it has not ended within {}", seconds(*.0))]
    Late(Duration),
}

impl<C> Reading<C> {
    /// Runs a job now (FACTS 24) and waits until it has succeeded, or failed as often as it may.
    ///
    /// # Errors
    /// Dkron does not run it, or nothing is known of the run within `limit`.
    pub async fn run(&self, job: &str, retries: u32, limit: Duration) -> Result<Ran, RunError> {
        let trusted = &self.trusted;
        let before: BTreeSet<_> = executions(trusted, job).await?.iter().map(Execution::key).collect();
        let begun = Instant::now();
        let answer = trusted.conn.post(&format!("{LIST}/{job}/run"), &()).await.map_err(RunError::Refused)?;
        if !matches!(answer.status, 200 | 202) {
            return Err(RunError::Refused(answer.refusal()));
        }
        let mut delays = backoff().build();
        while begun.elapsed() < limit {
            let ended: Vec<_> = executions(trusted, job)
                .await?
                .into_iter()
                .filter(|execution| !before.contains(&execution.key()) && execution.is_finished())
                .collect();
            let last = ended.iter().max_by_key(|execution| execution.attempt);
            let is_last = |execution: &&Execution| execution.success || execution.attempt > retries;
            if let Some(execution) = ended.iter().find(|execution| execution.success).or(last.filter(is_last)) {
                let took = execution.finished_at.duration_since(execution.started_at);
                return Ok(Ran {
                    success: execution.success,
                    took: Duration::try_from(took).unwrap_or_default(),
                    output: execution.output.clone(),
                });
            }
            sleep(delays.next().unwrap_or_default()).await;
        }
        Err(RunError::Late(limit))
    }
}

async fn executions(trusted: &Trusted, job: &str) -> Result<Vec<Execution>, RunError> {
    let read = async {
        let answer = trusted.get(&format!("{LIST}/{job}/executions")).await?;
        // Dkron has no list for a job that never ran.
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let answer = answer.success()?;
        serde_json::from_slice::<Option<Vec<Execution>>>(&answer.body)
            .map(Option::unwrap_or_default)
            .map_err(|error| answer.not_dkron(&error))
    };
    read.await.map_err(RunError::Unreadable)
}

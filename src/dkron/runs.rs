//! Running jobs now, waiting for what comes of it, and reading executions.

use std::collections::BTreeSet;
use std::time::Duration;

use backon::BackoffBuilder;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::answer::Answer;
use super::conn::{Conn, LIST};
use super::error::seconds;
use super::trust::{Reading, Trusted};
use super::{Failure, backoff};

/// The executions in flight, on all servers.
pub(super) const BUSY: &str = "/v1/busy";

/// How long after an order in doubt a run must have begun: Dkron stores an execution when it starts it.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// One attempt of a run, as `/v1/jobs/:job/executions` and `/v1/busy` give it (FACTS 24).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Execution {
    #[serde(default)]
    id: String,
    #[serde(default)]
    pub(super) job_name: String,
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

    /// When it began, if it has not ended.
    pub(super) fn unfinished(&self) -> Option<Timestamp> {
        (!self.is_finished()).then_some(self.started_at)
    }

    /// When it ended and what it is called, if it failed.
    pub(super) fn failed(&self) -> Option<(Timestamp, &str)> {
        (self.is_finished() && !self.success && !self.id.is_empty()).then_some((self.finished_at, &self.id))
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Whether Dkron counts it as a success.
    pub success: bool,
    /// From its start to its end.
    pub took: Duration,
    /// What a failed one left as output; of one that succeeded it is not asked for.
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

/// Runs jobs, several at a time.
#[derive(Debug)]
pub struct Runner<'a> {
    trusted: &'a Trusted,
    /// Any node passes the order to run on to the leader, and answers only when the run is over.
    orders: Conn,
    /// One read at a time, over the one connection that is known to lead to the leader.
    reading: Mutex<()>,
    limit: Duration,
}

/// The executions that a job had at some moment: what is not among them is new.
#[derive(Debug, Clone, Default)]
pub struct Before(BTreeSet<(Timestamp, u32, String)>);

impl<C> Reading<C> {
    /// Runs jobs, and waits for each of them for at most `limit`.
    pub fn runner(&self, limit: Duration) -> Runner<'_> {
        Runner { trusted: &self.trusted, orders: self.trusted.conn.another(), reading: Mutex::new(()), limit }
    }
}

impl Runner<'_> {
    /// What a job has run until now.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn before(&self, job: &str) -> Result<Before, RunError> {
        let executions = self.executions(job).await.map_err(RunError::Unreadable)?;
        Ok(Before(executions.iter().map(Execution::key).collect()))
    }

    /// Runs a job now (FACTS 24) and waits until it has succeeded, or failed as often as it may.
    ///
    /// # Errors
    /// Dkron does not run it, or nothing is known of the run within the limit.
    pub async fn run(&self, job: &str, retries: u32) -> Result<Ran, RunError> {
        let before = self.before(job).await?;
        let path = format!("{LIST}/{job}/run");
        let order = self.orders.post(&path, b"null".to_vec());
        let wait = self.wait(job, retries, &before);
        tokio::pin!(wait);
        let doubt = tokio::select! {
            // The answer comes when the run and those of its children are over: no sooner than what is waited for, as a rule.
            ran = &mut wait => return ran,
            answer = order => match answer {
                Ok(answer) if matches!(answer.status, 200 | 202) => return wait.await,
                Ok(answer) if answer.status < 500 => return Err(RunError::Refused(answer.refusal())),
                // It may have begun all the same (FACTS 15), and is not ordered twice.
                Ok(answer) => answer.refusal(),
                // A run that is longer than a request may take, or a connection that broke: it may well have begun.
                Err(failure) => failure,
            },
        };
        tokio::select! {
            ran = &mut wait => ran,
            () = self.does_not_begin(job, &before) => Err(RunError::Refused(doubt)),
        }
    }

    /// Waits for a run that somebody else starts.
    ///
    /// # Errors
    /// There was none within the limit, or it cannot be read.
    pub async fn wait(&self, job: &str, retries: u32, before: &Before) -> Result<Ran, RunError> {
        let begun = Instant::now();
        let mut delays = backoff().build();
        loop {
            sleep(delays.next().unwrap_or_default()).await;
            let is_over = begun.elapsed() >= self.limit;
            match self.executions(job).await {
                Ok(executions) => {
                    if let Some(execution) = outcome(&executions, before, retries) {
                        return Ok(self.told(job, execution).await);
                    }
                }
                Err(failure) if failure.is_final() || is_over => return Err(RunError::Unreadable(failure)),
                // A run must not be lost for one answer that was.
                Err(_) => {}
            }
            if is_over {
                return Err(RunError::Late(self.limit));
            }
        }
    }

    /// Comes back once it is plain that no run has begun; never, if one has.
    async fn does_not_begin(&self, job: &str, Before(before): &Before) {
        sleep(BEGINS_WITHIN).await;
        let mut delays = backoff().build();
        loop {
            match self.executions(job).await {
                Ok(executions) if executions.iter().any(|new| !before.contains(&new.key())) => {
                    return std::future::pending().await;
                }
                Ok(_) => return,
                // Not plain yet; whoever waits for the run has a limit.
                Err(_) => sleep(delays.next().unwrap_or_default()).await,
            }
        }
    }

    async fn told(&self, job: &str, execution: &Execution) -> Ran {
        let mut output = String::new();
        if !execution.success && !execution.id.is_empty() {
            let _turn = self.reading.lock().await;
            let whole = self.trusted.get(&one(job, &execution.id)).await;
            output = whole.and_then(|answer| self::output(&answer)).unwrap_or_default();
        }
        let took = execution.finished_at.duration_since(execution.started_at);
        Ran { success: execution.success, took: Duration::try_from(took).unwrap_or_default(), output }
    }

    async fn executions(&self, job: &str) -> Result<Vec<Execution>, Failure> {
        let _turn = self.reading.lock().await;
        stored(&self.trusted.get(&without_output(job)).await?)
    }
}

/// The execution that ends the run: one that succeeded, or the last that may fail.
fn outcome<'e>(executions: &'e [Execution], Before(before): &Before, retries: u32) -> Option<&'e Execution> {
    let ended: Vec<_> = executions.iter().filter(|new| new.is_finished() && !before.contains(&new.key())).collect();
    let last = ended.iter().max_by_key(|execution| execution.attempt);
    let is_last = |execution: &&&Execution| execution.success || execution.attempt > retries;
    ended.iter().find(|execution| execution.success).or(last.filter(is_last)).copied()
}

/// The executions of a job. A hundred of them may have a quarter of a megabyte of output each.
pub(super) fn without_output(job: &str) -> String {
    format!("{LIST}/{job}/executions?output_size_limit=0")
}

/// One execution, with its output.
pub(super) fn one(job: &str, id: &str) -> String {
    format!("{LIST}/{job}/executions/{id}")
}

/// The executions of a job. An old Dkron has no list for one that never ran.
pub(super) fn stored(answer: &Answer) -> Result<Vec<Execution>, Failure> {
    if answer.status == 404 { Ok(Vec::new()) } else { list(answer) }
}

/// The output of one execution; nothing where it is gone, for which Dkron answers with nothing too.
pub(super) fn output(answer: &Answer) -> Result<String, Failure> {
    if answer.status == 404 || answer.body.is_empty() {
        return Ok(String::new());
    }
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    let execution: Execution = serde_json::from_slice(&answer.body).map_err(|error| answer.not_dkron(&error))?;
    Ok(execution.output)
}

/// A list of executions; Dkron writes an empty one as `null` at times.
pub(super) fn list(answer: &Answer) -> Result<Vec<Execution>, Failure> {
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    serde_json::from_slice::<Option<Vec<Execution>>>(&answer.body)
        .map(Option::unwrap_or_default)
        .map_err(|error| answer.not_dkron(&error))
}

//! Writing, where an answer is believed only if it cannot be wrong.
//!
//! A 5xx, a 429, a reset or a time-out may or may not have been applied (FACTS 15): the job is read, then it is decided.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::job::{Job, Live, LiveJob};
use crate::shutdown::Shutdown;

use super::answer::Answer;
use super::conn::Conn;
use super::trust::{Reading, Role, Trusted};
use super::{Dkron, Failure, WaitError, backoff};

/// How long a write in doubt may still be looked into once we were told to stop: Kubernetes kills after 30 s.
const STOPPING_GRACE: Duration = Duration::from_secs(10);

/// What came of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Dkron said so, or holds it.
    Accepted,
    /// Dkron refused, or never accepted; in its own words where it had some.
    Refused(String),
    /// Given up because we were told to stop: it may or may not have been applied.
    Stopped,
}

/// A run of writes to a Dkron that can be trusted.
pub struct Session<'a> {
    dkron: &'a Dkron,
    trusted: RefCell<Trusted>,
    /// One at a time asks for the leader again; the others then use what it found.
    renewing: tokio::sync::Mutex<()>,
    renewals: Cell<u64>,
    /// When Dkron last accepted anything: the clock of `--wait-timeout` while writing.
    accepted: Cell<Instant>,
    shutdown: &'a Shutdown,
}

impl<'a> Session<'a> {
    /// Goes on where `reading` ended. Once `shutdown` says stop, no write is tried again.
    pub fn new(dkron: &'a Dkron, reading: &Reading, shutdown: &'a Shutdown) -> Self {
        Self {
            dkron,
            trusted: RefCell::new(reading.trusted.clone()),
            renewing: tokio::sync::Mutex::new(()),
            renewals: Cell::new(0),
            accepted: Cell::new(Instant::now()),
            shutdown,
        }
    }

    /// Creates or replaces a job (FACTS 6).
    pub async fn put(&self, job: &Job) -> Written {
        let post = async |conn: Conn| {
            let answer = conn.post("/v1/jobs", job).await?;
            if answer.status == 201 { Ok(true) } else { Err(answer.refusal()) }
        };
        self.insist(&job.name, post, |live| live.is_some_and(|live| live.job == *job)).await
    }

    /// Deletes a job. One that is not there is deleted already.
    pub async fn delete(&self, name: &str) -> Written {
        let path = format!("/v1/jobs/{name}");
        let delete = async |conn: Conn| {
            let answer = conn.delete(&path).await?;
            match answer.status {
                200 => Ok(true),
                // Not there, no leader, or children: the answer is the same (FACTS 11).
                404 => Ok(false),
                _ => Err(answer.refusal()),
            }
        };
        self.insist(name, delete, |live| live.is_none()).await
    }

    /// Passes the barrier and reads all jobs anew.
    ///
    /// # Errors
    /// As [`Dkron::wait`].
    pub async fn read(&self) -> Result<Live, WaitError> {
        let reading = self.dkron.read(Role::Writer).await?;
        *self.trusted.borrow_mut() = reading.trusted;
        Ok(reading.live)
    }

    /// Tries a write until it is done, refused, or Dkron has accepted nothing for too long. `try_once` tells whether the
    /// answer settles it; `is_done` what the job must look like if it was applied after all.
    async fn insist<F>(
        &self,
        name: &str,
        try_once: impl Fn(Conn) -> F,
        is_done: impl Fn(Option<&LiveJob>) -> bool,
    ) -> Written
    where
        F: Future<Output = Result<bool, Failure>>,
    {
        let mut delays = backoff().build();
        let mut said = false;
        loop {
            let conn = self.trusted.borrow().conn.clone();
            let doubt = match try_once(conn).await {
                Ok(true) => return self.accept(),
                Ok(false) => None,
                Err(failure) if failure.is_final() => return Written::Refused(failure.to_string()),
                Err(failure) => Some(failure),
            };
            if let Some(failure) = &doubt {
                if said {
                    debug!(job = name, cause = %failure, "trying again");
                } else {
                    info!(job = name, cause = %failure, "in doubt; reading the job before trying again");
                    said = true;
                }
            }
            let look = tokio::select! {
                look = self.look(name) => look,
                () = self.out_of_grace() => return Written::Stopped,
            };
            let (live, cause) = match look {
                Ok(live) if is_done(live.as_ref()) => return self.accept(),
                Ok(live) => (live, doubt),
                Err(failure) => (None, Some(failure)),
            };
            if let Some(live) = &live
                && cause.is_none()
                && !live.dependents.is_empty()
            {
                let children = live.dependents.join("`, `");
                return Written::Refused(format!("Dkron deletes no job with children, and `{children}` still is one"));
            }
            let cause =
                cause.map_or_else(|| "Dkron answered 404 and still holds the job".to_owned(), |f| f.to_string());
            if self.accepted.get().elapsed() >= self.dkron.wait_timeout {
                return Written::Refused(format!(
                    "{cause}; Dkron has accepted nothing for {}s (`--wait-timeout`)",
                    self.dkron.wait_timeout.as_secs()
                ));
            }
            if self.shutdown.is_stopping() {
                return Written::Stopped;
            }
            sleep(delays.next().unwrap_or_default()).await;
        }
    }

    fn accept(&self) -> Written {
        self.accepted.set(Instant::now());
        Written::Accepted
    }

    async fn out_of_grace(&self) {
        let _ = self.shutdown.stopping().await;
        sleep(STOPPING_GRACE).await;
    }

    /// One job as the leader has it, after the barrier.
    async fn look(&self, name: &str) -> Result<Option<LiveJob>, Failure> {
        let before = self.renewals.get();
        let turn = self.renewing.lock().await;
        // Somebody else may have asked while we waited for our turn; a barrier passed since then is as good for us.
        if self.renewals.get() == before {
            let trusted = self.dkron.trusted().await.map_err(|error| match error {
                WaitError::TimedOut { last: Some(failure), .. } | WaitError::Denied(failure) => failure,
                other => Failure::Broken { request: format!("GET /v1/jobs/{name}"), cause: other.to_string() },
            })?;
            *self.trusted.borrow_mut() = trusted;
            self.renewals.set(before + 1);
        }
        drop(turn);
        let trusted = self.trusted.borrow().clone();
        let answer = trusted.get(&format!("/v1/jobs/{name}")).await?;
        found(&answer)
    }
}

fn found(answer: &Answer) -> Result<Option<LiveJob>, Failure> {
    match answer.status {
        200 => answer.job().map(Some),
        404 => Ok(None),
        _ => Err(answer.refusal()),
    }
}

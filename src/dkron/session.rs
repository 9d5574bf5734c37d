//! Writing, where an answer is believed only if it cannot be wrong.
//!
//! A 5xx, a 429, a reset or a time-out may or may not have been applied (FACTS 15): the job is read, then it is decided. It may also
//! be the first sign of another leader, which stores what is written and does not schedule it for ten seconds (FACTS 36, 37): no
//! further write goes out until Dkron is trusted again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info};

use crate::job::{Job, Live, LiveJob, Mismatch};
use crate::report;
use crate::shutdown::Shutdown;

use super::conn::{Conn, LIST};
use super::error::seconds;
use super::health::{LOOKS_APART, cannot_compare};
use super::trust::{PARENT_NOT_FOUND, Phase, READS_APART, Reading, SURELY_SCHEDULES, Scheduling, Trusted};
use super::{Dkron, Failure, WaitError, backoff};

/// How often a scheduler that could be asked before is asked until it counts as hidden.
const HIDDEN_TRIES: usize = 4;

/// What came of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Dkron said so, or holds it.
    Accepted,
    /// Dkron refused, or never accepted; in its own words where it had some.
    Refused(String),
    /// Refused for want of its parent, in Dkron's words (FACTS 10).
    NoParent(String),
    /// It was not applied, and is not tried (again); why.
    NotDone(String),
    /// Given up because we were told to stop: it may or may not have been applied.
    Stopped,
}

/// A run of writes to a Dkron that can be trusted.
pub struct Session<'a> {
    dkron: &'a Dkron,
    trusted: RefCell<Trusted>,
    /// The pool that writes go through; reads have a connection of their own, since a Service may give each connection another
    /// node, and only the leader's reads count.
    writer: RefCell<Conn>,
    /// One at a time looks: whoever waits can use what the one before found.
    looking: tokio::sync::Mutex<()>,
    /// The number of the last renewal of `trusted` that was begun, and of the last that came to its end.
    begun: Cell<u64>,
    renewed: Cell<u64>,
    /// How many answers were doubtful, and how many of them lie before the last time that Dkron was trusted.
    doubts: Cell<u64>,
    settled: Cell<u64>,
    /// Whether writes wait until the leader surely schedules, which is logged once.
    waits: Cell<bool>,
    /// Whether that has been waited for before.
    waited: Cell<bool>,
    /// The leader whose scheduler was last seen to run, or whose scheduler could not be asked.
    running: RefCell<Running>,
    /// Counts how often it was not sure that the same scheduler ran on.
    epoch: Cell<u64>,
    /// When Dkron last accepted anything: the clock of `--wait-timeout` while writing.
    accepted: Cell<Instant>,
    /// Why nothing is tried any more, once Dkron could not be trusted again in time.
    lost: RefCell<Option<WaitError>>,
    shutdown: &'a Shutdown,
}

/// A leader whose scheduler was seen to run, or could not be asked.
#[derive(Debug, Clone)]
struct Running {
    leader: String,
    /// `memstats.TotalAlloc`: a smaller one means that the process restarted (FACTS 37c).
    allocated: Option<u64>,
}

impl Running {
    /// Whether `now` is the same process.
    fn goes_on_as(&self, now: &Self) -> bool {
        let same_process = match (self.allocated, now.allocated) {
            (Some(before), Some(now)) => before <= now,
            // Where the scheduler cannot be asked the leader's name must do.
            (None, None) => true,
            _ => false,
        };
        same_process && self.leader == now.leader
    }

    fn of(trusted: &Trusted) -> Self {
        let allocated = match &trusted.scheduling {
            Scheduling::Seen(scheduler, _) => scheduler.allocated,
            Scheduling::Hidden(_) | Scheduling::NotAsked => None,
        };
        Self { leader: trusted.leader.clone(), allocated }
    }
}

/// What is known of the jobs that were written, once Dkron was read again.
pub struct Proof {
    /// What Dkron stores.
    pub live: Live,
    /// The leader's name.
    pub leader: String,
    /// [`Session::epoch`]: what was written in an earlier one was written while the scheduler was perhaps not running.
    pub epoch: u64,
    /// The jobs that the scheduler has otherwise than they are stored; `None` where that cannot be told.
    pub mismatched: Option<BTreeMap<Arc<str>, Mismatch>>,
    /// Why what the scheduler said could not be compared, in words.
    pub problem: Option<String>,
    /// When the scheduler was asked.
    pub seen: Instant,
}

impl<'a> Session<'a> {
    /// Goes on where `reading` ended. Once `shutdown` says stop, no write is tried again.
    pub fn new(dkron: &'a Dkron, reading: &Reading, shutdown: &'a Shutdown) -> Self {
        Self {
            dkron,
            trusted: RefCell::new(reading.trusted.clone()),
            writer: RefCell::new(reading.trusted.conn.another()),
            looking: tokio::sync::Mutex::new(()),
            begun: Cell::new(0),
            renewed: Cell::new(0),
            doubts: Cell::new(0),
            settled: Cell::new(0),
            waits: Cell::new(false),
            waited: Cell::new(false),
            running: RefCell::new(Running::of(&reading.trusted)),
            epoch: Cell::new(0),
            accepted: Cell::new(Instant::now()),
            lost: RefCell::new(None),
            shutdown,
        }
    }

    /// Creates or replaces a job (FACTS 6).
    pub async fn put(&self, job: &Job) -> Written {
        let post = async |conn: Conn| {
            let answer = conn.post(LIST, job.body().into_bytes()).await?;
            if answer.status == 201 { Ok(true) } else { Err(answer.refusal()) }
        };
        self.insist(&job.name, post, |live| live.is_some_and(|live| live.job == *job)).await
    }

    /// Deletes a job. One that is not there is deleted already.
    pub async fn delete(&self, name: &str) -> Written {
        let path = format!("{LIST}/{name}");
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

    /// Deletes a job's executions (FACTS 33b).
    pub async fn forget(&self, name: &str) -> Written {
        let path = format!("{LIST}/{name}/executions");
        let delete = async |conn: Conn| {
            let answer = conn.delete(&path).await?;
            if answer.status == 200 { Ok(true) } else { Err(answer.refusal()) }
        };
        // Nothing in the job shows it: in doubt it is sent again, which harms nothing, unless the job is gone (FACTS 33b).
        self.insist(name, delete, |live| live.is_none()).await
    }

    /// Trusts Dkron again, reads all jobs as [`Dkron::read`], and compares them with the leader's scheduler. A Dkron that was given
    /// up gets one more chance of one request's length.
    ///
    /// # Errors
    /// As [`Dkron::wait`].
    pub async fn prove(&self) -> Result<Proof, WaitError> {
        let limit = if self.lost.borrow().is_some() { self.least() } else { self.dkron.wait_timeout };
        let doubts = self.doubts.get();
        let was_seen = matches!(self.trusted.borrow().scheduling, Scheduling::Seen(..));
        let mut tries = 1;
        let Reading { live, trusted, .. } = loop {
            let reading = self.dkron.read_within(limit).await?;
            // A scheduler that could be asked before is asked again: one bad answer must not make every write doubtful.
            if !was_seen || tries == HIDDEN_TRIES || !matches!(reading.trusted.scheduling, Scheduling::Hidden(_)) {
                break reading;
            }
            tries += 1;
            sleep(LOOKS_APART).await;
        };
        let (compared, seen) = match &trusted.scheduling {
            Scheduling::Seen(scheduler, seen) => (trusted.compare(scheduler, live.definitions()), *seen),
            Scheduling::Hidden(_) | Scheduling::NotAsked => (Err(""), trusted.found),
        };
        let leader = trusted.leader.clone();
        let problem = compared.as_ref().err().filter(|problem| !problem.is_empty());
        let problem = problem.map(|problem| cannot_compare(&leader, problem));
        self.trust(trusted, doubts);
        Ok(Proof { live, leader, epoch: self.epoch(), mismatched: compared.ok(), problem, seen })
    }

    /// Which of these jobs the scheduler has otherwise than they are stored, by one request, and whether it is the same process still:
    /// after a signal there is no time for more. `None` where that cannot be told.
    pub async fn mismatched_now<'j>(
        &self,
        jobs: impl Iterator<Item = &'j Job> + Clone,
    ) -> Option<(BTreeMap<Arc<str>, Mismatch>, bool)> {
        let trusted = self.trusted.borrow().clone();
        let look = async {
            let scheduler = trusted.scheduler().await.ok().filter(|scheduler| scheduler.started)?;
            let now = Running { leader: trusted.leader.clone(), allocated: scheduler.allocated };
            Some((trusted.compare(&scheduler, jobs).ok()?, self.running.borrow().goes_on_as(&now)))
        };
        tokio::select! {
            answer = timeout(LOOKS_APART, look) => answer.ok().flatten(),
            () = self.shutdown.out_of_grace() => None,
        }
    }

    /// Counts the doubts: what was written in one epoch, the last one, was written while one and the same scheduler ran.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// The limit of waiting.
    pub fn wait_timeout(&self) -> Duration {
        self.dkron.wait_timeout
    }

    /// Why nothing is tried any more, if Dkron was given up.
    pub fn given_up(&self) -> Option<WaitError> {
        self.lost.borrow().clone()
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
        if let Some(error) = &*self.lost.borrow() {
            return Written::NotDone(self.hopeless(error));
        }
        let mut delays = backoff().build();
        let mut said = false;
        loop {
            tokio::select! {
                biased;
                ready = self.ready() => {
                    if let Err(error) = ready {
                        return Written::Refused(error.to_string());
                    }
                }
                signal = self.shutdown.stopping() => {
                    return Written::NotDone(format!("stopped by {}", signal.name()));
                }
            }
            let writer = self.writer.borrow().clone();
            let doubt = match try_once(writer).await {
                Ok(true) => return self.accept(),
                Ok(false) => None,
                Err(failure) if failure.is_final() => return self.refused(failure),
                Err(failure) => Some(failure),
            };
            if let Some(failure) = &doubt {
                self.doubts.set(self.doubts.get() + 1);
                if said {
                    debug!(job = name, cause = %failure, "trying again");
                } else {
                    info!(job = name, cause = %failure, "in doubt; reading the job before trying again");
                    said = true;
                }
            }
            let look = tokio::select! {
                look = self.look(name) => look,
                () = self.shutdown.out_of_grace() => return Written::Stopped,
            };
            let live = match look {
                Ok(live) if is_done(live.as_ref()) => return self.accept(),
                Ok(live) => live,
                Err(error) => {
                    let first = doubt.map(|failure| format!("{failure}; then ")).unwrap_or_default();
                    let last = if self.left().is_zero() { format!("; {}", self.impatience()) } else { String::new() };
                    return Written::Refused(format!("{first}{error}{last}"));
                }
            };
            if let Some(live) = &live
                && doubt.is_none()
                && !live.dependents.is_empty()
            {
                let children = live.dependents.join("`, `");
                return Written::Refused(format!(
                    "Dkron deletes no job with children, and `{children}` still names it as parent"
                ));
            }
            if self.left().is_zero() {
                let cause =
                    doubt.map_or_else(|| "Dkron answered 404 and still holds the job".to_owned(), |f| f.to_string());
                return Written::Refused(format!("{cause}; {}", self.impatience()));
            }
            tokio::select! {
                () = sleep(delays.next().unwrap_or_default()) => {}
                signal = self.shutdown.stopping() => {
                    return Written::NotDone(format!("stopped by {}", signal.name()));
                }
            }
        }
    }

    fn accept(&self) -> Written {
        self.accepted.set(Instant::now());
        Written::Accepted
    }

    /// Returns once a write may go out: after a doubtful answer Dkron is trusted again first. Where the leader's scheduler cannot be
    /// asked, a leader must have been there for a while.
    async fn ready(&self) -> Result<(), WaitError> {
        if self.is_in_doubt() {
            let _turn = self.looking.lock().await;
            if let Some(error) = &*self.lost.borrow() {
                return Err(error.clone());
            }
            while self.is_in_doubt() {
                self.renew().await?;
            }
        }
        let hidden = {
            let trusted = self.trusted.borrow();
            matches!(trusted.scheduling, Scheduling::Hidden(_)).then_some(trusted.found + SURELY_SCHEDULES)
        };
        if let Some(until) = hidden.filter(|until| *until > Instant::now()) {
            if !self.waits.replace(true) {
                info!(
                    wait_ms = until.duration_since(Instant::now()).as_millis(),
                    "the leader's scheduler cannot be asked; waiting until it surely runs before anything is written"
                );
            }
            sleep_until(until).await;
            self.waits.set(false);
            // Dkron had no write to accept meanwhile. Only once: a write that is never accepted must come to an end.
            if !self.waited.replace(true) {
                self.accepted.set(Instant::now());
            }
        }
        Ok(())
    }

    /// Whether an answer was doubtful since Dkron was last trusted.
    fn is_in_doubt(&self) -> bool {
        self.settled.get() < self.doubts.get()
    }

    /// Goes on with a Dkron that was found to be trusted; `doubts` is how many there were when that was begun.
    fn trust(&self, mut trusted: Trusted, doubts: u64) {
        let running = Running::of(&trusted);
        let asked = running.allocated.is_some();
        // A doubtful answer may mean a restart, which the leader's name alone does not show.
        let same = self.running.replace(running.clone()).goes_on_as(&running) && !(asked && self.is_in_doubt());
        if !same {
            self.epoch.set(self.epoch.get() + 1);
        } else if !self.is_in_doubt() {
            // It was seen before.
            trusted.found = self.trusted.borrow().found;
        }
        // Connections to a node that died may still look open: writes begin anew as well.
        self.writer.replace(trusted.conn.another());
        self.trusted.replace(trusted);
        self.settled.set(doubts);
    }

    /// What is left of `--wait-timeout` since Dkron last accepted anything.
    fn left(&self) -> Duration {
        self.dkron.wait_timeout.saturating_sub(self.accepted.get().elapsed())
    }

    /// The time that a look gets in any case.
    fn least(&self) -> Duration {
        self.dkron.request_timeout.min(self.dkron.wait_timeout)
    }

    /// What Dkron, or a proxy in front of it, has understood and will not do.
    fn refused(&self, failure: Failure) -> Written {
        match failure {
            Failure::Status { status: 404, ref body, .. } if body == PARENT_NOT_FOUND => {
                Written::NoParent(failure.to_string())
            }
            // No other write would fare better.
            Failure::Status { status: 401 | 407, .. } => {
                let error = WaitError::Denied(failure);
                self.lost.replace(Some(error.clone()));
                Written::Refused(error.to_string())
            }
            Failure::Status { status: 403, .. } => Written::Refused(WaitError::Denied(failure).to_string()),
            _ => Written::Refused(failure.to_string()),
        }
    }

    /// Why nothing is tried any more, in short.
    fn hopeless(&self, error: &WaitError) -> String {
        match error {
            WaitError::TimedOut { .. } => self.impatience(),
            WaitError::Denied(_) => "Dkron wants other credentials".to_owned(),
            WaitError::BarrierStored { .. } => "it is no Dkron that can be trusted".to_owned(),
        }
    }

    fn impatience(&self) -> String {
        format!("Dkron has accepted nothing for {} (`--wait-timeout`)", seconds(self.dkron.wait_timeout))
    }

    /// One job as the leader has it, after a barrier that was sent after this call.
    ///
    /// # Errors
    /// Dkron could not be trusted again in time; nothing is tried any more then.
    async fn look(&self, name: &str) -> Result<Option<LiveJob>, WaitError> {
        let path = format!("{LIST}/{name}");
        let mut seen = self.begun.get();
        let mut delays = backoff().build();
        loop {
            let turn = self.looking.lock().await;
            if let Some(error) = &*self.lost.borrow() {
                return Err(error.clone());
            }
            // A barrier that somebody else sent after our write is as good as our own.
            if self.renewed.get() <= seen {
                self.renew().await?;
            }
            seen = self.begun.get();
            let trusted = self.trusted.borrow().clone();
            let failure = match trusted.get(&path).await.and_then(|answer| answer.found_job()) {
                Ok(live) => return Ok(live),
                Err(failure) => failure,
            };
            debug!(job = name, cause = %failure, "reading the job again");
            drop(turn);
            if self.left().is_zero() {
                let (url, waited) = (report::shown_url(&self.dkron.url), self.dkron.wait_timeout);
                return Err(WaitError::TimedOut {
                    url,
                    waited,
                    phase: Phase::Read,
                    last: Some(failure),
                    blocking: Vec::new(),
                });
            }
            sleep(delays.next().unwrap_or_default()).await;
        }
    }

    /// Finds the leader again and passes the barrier, or gives Dkron up.
    async fn renew(&self) -> Result<(), WaitError> {
        let (number, doubts) = (self.begun.get() + 1, self.doubts.get());
        self.begun.set(number);
        match self.dkron.trusted_within(self.left().max(self.least())).await {
            Ok(trusted) => {
                if !trusted.direct {
                    // A follower may lag: it is given time to catch up (FACTS 5).
                    sleep(READS_APART).await;
                }
                self.trust(trusted, doubts);
                self.renewed.set(number);
                Ok(())
            }
            Err(error) => {
                self.lost.replace(Some(error.clone()));
                Err(error)
            }
        }
    }
}

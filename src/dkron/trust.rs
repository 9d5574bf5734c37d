//! Waiting until Dkron can be trusted, and reading what it holds only then.
//!
//! A restarted Dkron answers with a part of its jobs for a while (FACTS 3), a follower with an old state (FACTS 5), and
//! `/health` says nothing (FACTS 1). So: a leader, then the barrier (FACTS 4), then the leader's scheduler (FACTS 36, 37), then a
//! read from that leader, counted.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::job::{Job, Live, LiveJob, Scheduler, printable};
use crate::report;
use crate::schedule::Schedule;

use super::answer::Answer;
use super::conn::{Conn, LIST, addresses};
use super::list::{Collect, Early};
use super::version::{KNOWS_AFTER, release};
use super::{Dkron, Failure, WaitError, backoff};

/// Connections that are opened in search of the leader behind one address before two equal reads must do.
const LEADER_TRIES: usize = 32;
/// How long that search and each of its tries may take: one node that hangs must not hide the others.
const SEARCH: Duration = Duration::from_secs(10);
const SEARCH_TRY: Duration = Duration::from_secs(2);
/// How far apart two reads must lie whose agreement is to mean something.
pub(super) const READS_APART: Duration = Duration::from_millis(500);
/// How often one question is asked.
const TRIES: usize = 4;
/// The barrier's job, and the parent that must never exist.
const BARRIER: &str = "dkron-jobs-barrier";
const BARRIER_PARENT: &str = "dkron-jobs-barrier-parent-that-never-exists";
/// The state machine's words for a missing parent (FACTS 4).
pub(super) const PARENT_NOT_FOUND: &str = "specified parent job not found";

/// Who leads (FACTS 2).
pub(super) const LEADER: &str = "/v1/leader";
/// What the leader's process says of itself (FACTS 37c).
const VARS: &str = "/debug/vars";
/// How long after it was first seen a leader schedules what is written to it, where its scheduler cannot be asked: it waits 10 s for
/// the answer of a server that is gone (FACTS 36).
pub(super) const SURELY_SCHEDULES: Duration = Duration::from_secs(15);

/// What Dkron is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To read jobs: a paused Dkron is read with two equal reads, and its scheduler does not matter.
    Reader,
    /// To read jobs and what its scheduler has of them; a scheduler that does not run is reported.
    Observer,
    /// The same, once the scheduler runs.
    Checker,
    /// To write, once it is not paused and the scheduler runs.
    Writer,
}

/// How far waiting got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It does not answer yet.
    Reach,
    /// It answers, and has no leader.
    Leader,
    /// It has a leader that has not applied its whole log yet.
    Barrier,
    /// It refuses writes.
    Unpause,
    /// Its leader does not schedule jobs yet: what is written now is stored and not scheduled (FACTS 37).
    Scheduler,
    /// Its list of jobs is not to be had whole.
    Read,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reach => "waiting for it to answer",
            Self::Leader => "waiting for a leader",
            Self::Barrier => "waiting for the leader to have all its jobs",
            Self::Unpause => "waiting for it to be unpaused",
            Self::Scheduler => "waiting for the leader's scheduler to start",
            Self::Read => "waiting for its whole list of jobs",
        })
    }
}

/// What was read from a Dkron that can be trusted.
#[derive(Debug)]
pub struct Reading<C = Live> {
    /// All jobs.
    pub live: C,
    /// What is to be said about how they were read.
    pub warnings: Vec<String>,
    /// The version that Dkron's leader says it has.
    pub version: Option<String>,
    /// What time it was when the list was read, by Dkron's own clock.
    pub now: Option<Timestamp>,
    pub(super) trusted: Trusted,
}

/// A Dkron whose leader has applied its whole log.
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    pub(super) conn: Conn,
    pub(super) leader: String,
    pub(super) version: Option<String>,
    /// Whether `conn` leads to the leader. It does not where one address hides several nodes and always gives the same.
    pub(super) direct: bool,
    paused: bool,
    /// When this leader was found.
    pub(super) found: Instant,
    pub(super) scheduling: Scheduling,
}

/// What is known of the leader's scheduler.
#[derive(Debug, Clone)]
pub(super) enum Scheduling {
    /// It was not asked.
    NotAsked,
    /// What it said, and when.
    Seen(Arc<Scheduler>, Instant),
    /// It cannot be asked: only followers are reached, or a gateway hides it. Why, in words.
    Hidden(String),
}

/// Why one attempt ended, and where.
struct Stop {
    phase: Phase,
    failure: Failure,
}

enum Attempt {
    Again(Stop),
    Give(WaitError),
}

impl Dkron {
    /// Waits until Dkron can be trusted: reachable, a leader, the barrier passed, not paused, its scheduler running.
    ///
    /// # Errors
    /// A [`WaitError`] that names the phase and the last cause when `wait_timeout` is over, or what will not get better by waiting.
    pub async fn wait(&self) -> Result<(), WaitError> {
        self.trusted_within(self.wait_timeout).await.map(drop)
    }

    /// Waits like [`Dkron::wait`], then reads all jobs from the leader.
    ///
    /// # Errors
    /// As [`Dkron::wait`].
    pub async fn read<C: Collect>(&self, role: Role) -> Result<Reading<C>, WaitError> {
        self.repeat(self.wait_timeout, async |at| self.trust_and_read(role, at).await).await
    }

    /// The same for a writer, within `limit`.
    pub(super) async fn read_within(&self, limit: Duration) -> Result<Reading, WaitError> {
        self.repeat(limit, async |at| self.trust_and_read(Role::Writer, at).await).await
    }

    pub(super) async fn trusted_within(&self, limit: Duration) -> Result<Trusted, WaitError> {
        self.repeat(limit, async |at| self.trust(Role::Writer, at).await).await
    }

    /// Tries until it works or the limit is reached, with backoff; each phase is said once. An attempt notes how far it got.
    async fn repeat<T>(
        &self,
        limit: Duration,
        attempt: impl AsyncFn(&Cell<Phase>) -> Result<T, Attempt>,
    ) -> Result<T, WaitError> {
        let start = Instant::now();
        let url = report::shown_url(&self.url);
        let last: Cell<Option<Stop>> = Cell::new(None);
        let at = Cell::new(Phase::Reach);
        let tries = async {
            let mut delays = backoff().build();
            let mut said = None;
            loop {
                at.set(Phase::Reach);
                let stop = match attempt(&at).await {
                    Ok(done) => {
                        if said.is_some() {
                            info!(url, waited_ms = start.elapsed().as_millis(), "Dkron can be trusted");
                        }
                        return Ok(done);
                    }
                    Err(Attempt::Give(error)) => return Err(error),
                    Err(Attempt::Again(stop)) => stop,
                };
                if stop.failure.is_denied() {
                    return Err(WaitError::Denied(stop.failure));
                }
                if said < Some(stop.phase) {
                    info!(url, cause = %stop.failure, "{}", stop.phase);
                    said = Some(stop.phase);
                } else {
                    debug!(url, cause = %stop.failure, "{}", stop.phase);
                }
                last.set(Some(stop));
                sleep(delays.next().unwrap_or_default()).await;
            }
        };
        if let Ok(result) = timeout_at(start + limit, tries).await {
            return result;
        }
        let last = last.into_inner();
        let phase = last.as_ref().map_or(at.get(), |stop| stop.phase);
        let blocking = if phase == Phase::Scheduler { self.blocking_jobs().await } else { Vec::new() };
        Err(WaitError::TimedOut { url, waited: limit, phase, last: last.map(|stop| stop.failure), blocking })
    }

    /// One attempt: find the leader, pass the barrier, see its scheduler run.
    async fn trust(&self, role: Role, at: &Cell<Phase>) -> Result<Trusted, Attempt> {
        let mut trusted = self.find_leader().await.map_err(Attempt::Again)?;
        at.set(Phase::Barrier);
        match barrier(&trusted.conn).await? {
            Barrier::Passed => {}
            Barrier::Paused if role != Role::Writer => trusted.paused = true,
            Barrier::Paused => return Err(Phase::Unpause.stop(Failure::Paused)),
        }
        if role == Role::Reader {
            return Ok(trusted);
        }
        at.set(Phase::Scheduler);
        trusted.scheduling = trusted.ask_scheduler().await.map_err(|failure| Phase::Scheduler.stop(failure))?;
        match &trusted.scheduling {
            Scheduling::Seen(scheduler, _) if !scheduler.started && role != Role::Observer => {
                Err(Phase::Scheduler.stop(Failure::NotScheduling { leader: trusted.leader }))
            }
            _ => Ok(trusted),
        }
    }

    /// The requests that take away the jobs that keep the leader's scheduler from starting, because this Dkron cannot read their
    /// schedules (FACTS 44). Nothing where that cannot be found out.
    async fn blocking_jobs(&self) -> Vec<String> {
        let read = async {
            let trusted = self.find_leader().await.ok()?;
            let (live, _) = trusted.list::<Live>().await.ok()?;
            Some(blocking(&live, trusted.version.as_deref()))
        };
        timeout(self.request_timeout, read).await.ok().flatten().unwrap_or_default()
    }

    async fn trust_and_read<C: Collect>(&self, role: Role, at: &Cell<Phase>) -> Result<Reading<C>, Attempt> {
        let trusted = self.trust(role, at).await?;
        at.set(Phase::Read);
        let mut warnings = Vec::new();
        let read = async || trusted.list::<C>().await;
        let (mut live, mut now) = read().await.map_err(|failure| Phase::Read.stop(failure))?;
        if trusted.direct {
            // Who led before and leads no longer gives an old list under its own name.
            trusted.still_leads().await.map_err(|failure| Phase::Read.stop(failure))?;
        }
        if trusted.paused || !trusted.direct {
            sleep(READS_APART).await;
            let (again, then) = read().await.map_err(|failure| Phase::Read.stop(failure))?;
            if !again.agrees(&live) {
                return Err(Phase::Read.stop(Failure::Unsettled));
            }
            (live, now) = (again, then);
            if trusted.paused {
                warnings
                    .push("Dkron is paused, so it cannot prove that it has all its jobs; two reads agreed".to_owned());
            }
            if !trusted.direct {
                warnings.push(format!(
                    "the leader `{}` could not be reached behind {}; two reads from another node agreed",
                    trusted.leader,
                    report::shown_url(&self.url)
                ));
            }
        }
        match &trusted.scheduling {
            Scheduling::Seen(scheduler, _) if !scheduler.started => warnings.push(format!(
                "the scheduler is not running: the leader `{}` runs no job, and what it schedules was not compared with what it stores",
                trusted.leader
            )),
            Scheduling::Hidden(why) => warnings.push(format!(
                "what the leader `{}` schedules could not be compared with what it stores: its /debug/vars cannot be read: {why}",
                trusted.leader
            )),
            Scheduling::Seen(..) | Scheduling::NotAsked => {}
        }
        for warning in &warnings {
            warn!("{warning}");
        }
        Ok(Reading { live, warnings, version: trusted.version.clone(), now, trusted })
    }

    /// A connection to the leader: each address behind the name is asked, then new connections are opened, since one
    /// address may stand for several nodes.
    async fn find_leader(&self) -> Result<Trusted, Stop> {
        let limit = self.request_timeout;
        let addresses = addresses(&self.url, limit).await.map_err(|failure| Stop { phase: Phase::Reach, failure })?;
        let ask = async |address| {
            let conn = Conn::new(self, address)?;
            let answer = conn.get(LEADER).await?.success()?;
            let member = answer.leader()?;
            let (version, leader) = (member.version(), member.name);
            let direct = answer.whom.as_deref() == Some(leader.as_str());
            let (found, scheduling) = (Instant::now(), Scheduling::NotAsked);
            Ok::<_, Failure>(Trusted { conn, leader, version, direct, paused: false, found, scheduling })
        };
        let mut best: Option<Trusted> = None;
        let mut answering = Vec::new();
        let mut worst: Option<Stop> = None;
        let mut asked: FuturesUnordered<_> =
            addresses.iter().map(async |&address| (address, ask(address).await)).collect();
        // The whole of it at first; once a node has named a leader, those that are silent still are not waited for long.
        let mut until = Instant::now() + limit;
        while let Ok(Some((address, result))) = timeout_at(until, asked.next()).await {
            match result {
                Ok(trusted) if trusted.direct => return Ok(trusted),
                Ok(trusted) => {
                    until = until.min(Instant::now() + SEARCH_TRY);
                    answering.push(address);
                    best = Some(trusted);
                }
                Err(failure) => {
                    let phase = match failure {
                        Failure::Status { status: 500, .. } => Phase::Leader,
                        _ => Phase::Reach,
                    };
                    let rank = |phase: Phase, failure: &Failure| (failure.is_denied(), phase);
                    if worst.as_ref().is_none_or(|w| rank(w.phase, &w.failure) <= rank(phase, &failure)) {
                        worst = Some(Stop { phase, failure });
                    }
                }
            }
        }
        let no_answer =
            || Stop { phase: Phase::Reach, failure: Failure::Timeout { request: format!("GET {LEADER}"), limit } };
        let Some(best) = best else { return Err(worst.unwrap_or_else(no_answer)) };
        let search = async {
            for address in answering.iter().cycle().take(LEADER_TRIES) {
                if let Ok(Ok(trusted)) = timeout(SEARCH_TRY, ask(*address)).await
                    && trusted.direct
                {
                    return Some(trusted);
                }
            }
            None
        };
        Ok(timeout(SEARCH, search).await.ok().flatten().unwrap_or(best))
    }
}

impl Trusted {
    /// A read: of the leader's state, unless the leader itself cannot be reached.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        let answer = self.conn.get(path).await?;
        if self.direct { answer.by_leader(&self.leader) } else { Ok(answer) }
    }

    /// Asks until there is an answer that `read` understands, a few times.
    pub(super) async fn ask<T>(&self, path: &str, read: impl Fn(&Answer) -> Result<T, Failure>) -> Result<T, Failure> {
        a_few_times(async || self.get(path).await.and_then(|answer| read(&answer))).await
    }

    /// All jobs, counted, and when that was; as [`Trusted::get`].
    pub(super) async fn list<C: Collect>(&self) -> Result<(C, Option<Timestamp>), Failure> {
        let mut early = Early::new();
        let answer = self.conn.list(&mut early).await?;
        let answer = if self.direct { answer.by_leader(&self.leader)? } else { answer }.success()?;
        Ok((answer.list(early)?, answer.date))
    }

    /// Asks the leader for its scheduler. That it cannot be asked is an answer too, as long as the leader is still the same.
    ///
    /// # Errors
    /// The leader is gone, or another one leads.
    async fn ask_scheduler(&self) -> Result<Scheduling, Failure> {
        let hidden = if self.direct {
            match self.scheduler().await {
                Ok(scheduler) => return Ok(Scheduling::Seen(Arc::new(scheduler), Instant::now())),
                Err(failure) => failure.to_string(),
            }
        } else {
            format!("only other servers than the leader `{}` can be reached", self.leader)
        };
        self.still_leads().await?;
        Ok(Scheduling::Hidden(hidden))
    }

    /// The leader's `/debug/vars`. No failure holds anything of the body, which begins with the server's command line.
    pub(super) async fn scheduler(&self) -> Result<Scheduler, Failure> {
        let once = async || {
            let mut answer = self.conn.get_long(VARS).await?;
            let body = std::mem::take(&mut answer.body);
            let answer = answer.success()?.by_leader(&self.leader)?;
            Scheduler::parse(&body).map_err(|problem| answer.not_dkron(&problem))
        };
        // All tries together have the time of one: a leader that hangs must not hide the next one for long.
        let limit = self.conn.request_timeout();
        let late = Failure::Timeout { request: format!("GET {VARS}"), limit };
        timeout(limit, a_few_times(once)).await.unwrap_or(Err(late))
    }

    /// Whether the same node still leads.
    pub(super) async fn still_leads(&self) -> Result<(), Failure> {
        let now = self.conn.get(LEADER).await?.success()?.leader()?.name;
        if now == self.leader {
            return Ok(());
        }
        Err(Failure::NotLeader { request: format!("GET {LIST}"), whom: self.leader.clone(), leader: now })
    }
}

/// Asks until there is an answer, or one that will not change.
async fn a_few_times<T>(ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut delays = backoff().build();
    let mut tries = 1;
    loop {
        match ask().await {
            Err(failure) if tries < TRIES && !failure.is_final() => {
                tries += 1;
                sleep(delays.next().unwrap_or_default()).await;
            }
            result => return result,
        }
    }
}

/// The requests that take away the jobs whose schedules a Dkron of this version cannot read. One with children is posted instead: a
/// Dkron 4.0.9 that is asked to delete such a child answers 404, deletes it, and then never deletes the parent (FACTS 44).
fn blocking(live: &Live, version: Option<&str>) -> Vec<String> {
    let knows_after = version.and_then(release).is_some_and(|release| release >= KNOWS_AFTER);
    let unreadable = |job: &Job| {
        let is_readable = Schedule::parse(&job.schedule, &job.name, &job.timezone).is_ok();
        // Dkron reads the schedule only of what it schedules.
        let is_scheduled = !job.disabled && job.parent().is_none();
        is_scheduled && !(is_readable && (knows_after || !job.is_after()))
    };
    let is_parent = |name: &str| live.jobs.values().any(|live| live.job.parent() == Some(name));
    let request = |live: &LiveJob| {
        let name = printable(&live.job.name);
        if live.dependents.is_empty() && !is_parent(&live.job.name) {
            format!("DELETE /v1/jobs/{name}")
        } else {
            format!("POST /v1/jobs with job `{name}` and its schedule changed to `@manually`, since it has children")
        }
    };
    live.jobs.values().filter(|live| unreadable(&live.job)).map(request).collect()
}

impl Phase {
    fn stop(self, failure: Failure) -> Attempt {
        Attempt::Again(Stop { phase: self, failure })
    }
}

enum Barrier {
    Passed,
    Paused,
}

/// Sends what only a leader that has applied its whole log can refuse in this way (FACTS 4). It changes nothing.
async fn barrier(conn: &Conn) -> Result<Barrier, Attempt> {
    let job: Value = json!({
        "name": BARRIER,
        "parent_job": BARRIER_PARENT,
        "schedule": "@manually",
        "disabled": true,
        "executor": "http",
        "executor_config": {},
    });
    let answer = conn.post(LIST, job.to_string().into_bytes()).await.map_err(|failure| Phase::Barrier.stop(failure))?;
    match answer.status {
        404 if answer.body.trim_ascii() == PARENT_NOT_FOUND.as_bytes() => Ok(Barrier::Passed),
        503 => match conn.get("/v1/pause").await {
            Ok(pause) if pause.body.windows(4).any(|word| word == b"true") => Ok(Barrier::Paused),
            // A gateway's 503, or a pause that is over already.
            _ => Err(Phase::Barrier.stop(answer.refusal())),
        },
        201 => {
            let deleted = conn.delete(&format!("/v1/jobs/{BARRIER}")).await.is_ok_and(|answer| answer.status == 200);
            Err(Attempt::Give(WaitError::BarrierStored { deleted }))
        }
        _ => Err(Phase::Barrier.stop(answer.refusal())),
    }
}

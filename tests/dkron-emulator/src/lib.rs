//! A Dkron 4.1 or 4.0 for tests: our own, in this process, on loopback.
//!
//! [`Emulator::start`] gives a server that answers as the recordings of a real Dkron 4.1.2 or 4.0.9 do, really schedules, and
//! really sends its http jobs. Each of Dkron's traps, and of a network's, is a switch: see [`Fault`], [`Rule`] and the methods of
//! [`Emulator`]. The handle is synchronous; the server has a thread of its own.
//!
//! | module | what it is |
//! |---|---|
//! | `job`, `moment`, `store` | a job, the rules by which Dkron refuses and stores one, executions |
//! | `schedule`, `runs` | what is due, runs and their children and retries |
//! | `executor`, `shell` | the http executor, and the shell executor for those who ask for it |
//! | `cluster`, `version` | nodes, leader, lag, replay, and which Dkron each node is |
//! | `routes` | the HTTP API, one file a family |
//! | `faults`, `wire` | what goes wrong, and how |
//! | `journal` | what reached the API |
//! | `core`, `server`, `control` | the shared state, a request's way, start and restart |

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a server: sockets, threads and the clock are its business"
)]

mod cluster;
mod control;
mod core;
mod executor;
mod faults;
mod job;
mod journal;
mod json;
mod moment;
mod options;
mod routes;
mod runs;
mod schedule;
mod server;
mod shell;
mod store;
mod version;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::faults::{Fault, Rule};
pub use self::journal::Request;
pub use self::options::{ENCRYPT_KEY, Options, RestartOptions};
pub use self::version::Version;

use self::cluster::{Cluster, Leadership};
use self::control::{Command, Listeners};
use self::core::Core;
use self::job::{Invalid, Job, ZERO};
use self::store::{Execution, SetError};

/// A running Dkron. Dropping it closes every connection and ends its thread.
pub struct Emulator {
    core: Arc<Core>,
    nodes: Vec<SocketAddr>,
    balancer: Option<SocketAddr>,
    commands: Option<tokio::sync::mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// Dkron's refusal of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 404, or 500 where Dkron crashes on it.
    pub status: u16,
    /// Its words.
    pub message: String,
}

impl Emulator {
    /// Binds the addresses and serves them from a new thread.
    ///
    /// # Errors
    /// An address that cannot be bound, or a thread or runtime that cannot be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let listeners = Listeners::bind(&options)?;
        let nodes = listeners.node_addresses()?;
        let balancer = listeners.balancer_address()?;
        let servers =
            nodes.iter().zip(options.versions()).map(|(address, version)| (address.ip().to_string(), version));
        let cluster = Cluster::new(servers.collect(), options.lag);
        let core = Arc::new(Core::new(cluster, options));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let served = Arc::clone(&core);
        let thread = std::thread::Builder::new().name("dkron-emulator".to_owned()).spawn(move || {
            runtime.block_on(control::keep(served, listeners, receiver));
            // Dropping the runtime drops every task, and with it every connection.
        })?;
        Ok(Self { core, nodes, balancer, commands: Some(sender), thread: Some(thread) })
    }

    /// Where to reach it: the balancer where there is one, else the first node. `http://`, host and port.
    pub fn url(&self) -> String {
        self.balancer.map_or_else(|| self.node_url(0), |address| format!("http://{address}"))
    }

    /// Where to reach one node, from 0.
    pub fn node_url(&self, node: usize) -> String {
        format!("http://{}", self.nodes[node])
    }

    /// The addresses of the nodes.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// The node that leads, from 0; `None` while none is known.
    pub fn leader(&self) -> Option<usize> {
        self.core.lock().cluster.leader()
    }

    /// Makes another node the leader. It has every acknowledged write; its scheduler starts anew, and with it each `@every`.
    pub fn set_leader(&self, node: usize) {
        self.core.lock().elect(node);
        self.core.wake.notify_one();
    }

    /// Takes the leader away until `set_leader`, as after a restart without a quorum: lists are empty, `/v1/leader` and writes
    /// are 500, nothing runs (FACTS 2, 5).
    pub fn lose_leader(&self) {
        let state = &mut *self.core.lock();
        state.cluster.depose(true, &mut state.store);
    }

    /// Takes the leader away for an election: lists are as they were, writes are 500, and after `election` the node leads.
    pub fn change_leader(&self, node: usize, election: Duration) {
        {
            let state = &mut *self.core.lock();
            state.cluster.depose(false, &mut state.store);
        }
        self.command(|done| Command::Elect { node, election, done });
    }

    /// Refuses upserts on every node with 503, or no longer (FACTS 14).
    pub fn set_paused(&self, paused: bool) {
        for node in &mut self.core.lock().cluster.nodes {
            node.paused = paused;
        }
    }

    /// From now on followers apply each write this much later than the leader (FACTS 5).
    pub fn set_lag(&self, lag: Duration) {
        let state = &mut *self.core.lock();
        state.cluster.set_lag(lag, &mut state.store);
    }

    /// From now on `Date` in each answer is this far ahead of the clock, or behind it: jobs are scheduled by the old one still, as
    /// where a machine's clock jumps.
    pub fn set_clock(&self, ahead: SignedDuration) {
        self.core.lock().clock_ahead = ahead;
    }

    /// The stored jobs, by name.
    pub fn jobs(&self) -> Vec<Value> {
        self.core.lock().store.jobs().values().map(|stored| to_json(stored.job.as_ref())).collect()
    }

    /// How many jobs are stored.
    pub fn job_count(&self) -> usize {
        self.core.lock().store.jobs().len()
    }

    /// A stored job.
    pub fn job(&self, name: &str) -> Option<Value> {
        self.core.lock().store.get(name).map(|job| to_json(job.as_ref()))
    }

    /// Puts a job into the store, as a hand in the UI would: by the same rules, but past the journal, the faults and a pause.
    ///
    /// # Errors
    /// Dkron's refusal.
    pub fn put(&self, job: &Value) -> Result<(), Refusal> {
        let job = self.read(job)?;
        self.core.lock().upsert(job).map_err(|SetError::NoParent| Refusal {
            status: 404,
            message: "specified parent job not found".to_owned(),
        })?;
        self.core.wake.notify_one();
        Ok(())
    }

    /// Puts `count` jobs `job-00000`, `job-00001`, … that run once a day.
    pub fn load(&self, count: usize) {
        for number in 0..count {
            let job = json!({
                "name": format!("job-{number:05}"),
                "displayname": format!("Refresh of cache {number}"),
                "schedule": format!("{} {} {} * * *", number % 60, number / 60 % 60, number / 3600 % 24),
                "executor": "http",
                "executor_config": {
                    "method": "POST",
                    "url": format!("http://cache-manager.shop.svc.cluster.local:8080/refresh/{number}"),
                    "headers": "[\"Content-Type: application/json\"]",
                    "body": format!("{{\"cache\":\"cache-{number}\",\"scope\":\"all\"}}"),
                    "timeout": "30",
                    "expectCode": "200",
                },
                "tags": { "server": "true:1" },
                "metadata": { "team": "shop" },
            });
            let put = self.put(&job);
            debug_assert_eq!(put, Ok(()), "a job without a parent and with a good schedule is accepted");
        }
    }

    /// Deletes a job as a hand would; whether it was there and had no dependents.
    pub fn delete(&self, name: &str) -> bool {
        self.core.lock().delete(name).is_ok()
    }

    /// Switches a job off or on as a hand in the UI would; whether it was there.
    pub fn toggle(&self, name: &str) -> bool {
        let mut state = self.core.lock();
        let Some(job) = state.store.get(name) else {
            return false;
        };
        let job = Job { disabled: !job.disabled, ..Job::clone(job) };
        let stored = state.upsert(job).is_ok();
        self.core.wake.notify_one();
        stored
    }

    /// Whether the scheduler holds a job: one that came back after its delete is stored, and not scheduled (FACTS 16c).
    pub fn is_scheduled(&self, name: &str) -> bool {
        self.core.lock().scheduler().is_some_and(|scheduler| scheduler.next(name).is_some())
    }

    /// Whether the leader's scheduler has started: what its `/debug/vars` says.
    pub fn is_scheduling(&self) -> bool {
        self.core.lock().scheduler().is_some_and(|scheduler| scheduler.is_started())
    }

    /// From now on, a new leader's scheduler starts this much later than its reading of the jobs (FACTS 36, 37).
    pub fn set_scheduler_delay(&self, delay: Duration) {
        self.core.lock().lateness.wait = options::signed(delay);
    }

    /// From now on, a new leader takes this long to add its jobs to the scheduler (FACTS 37b).
    pub fn set_scheduler_load(&self, load: Duration) {
        self.core.lock().lateness.load = options::signed(load);
    }

    /// A job's executions, newest first, as `/v1/jobs/:job/executions` gives them.
    pub fn executions(&self, name: &str) -> Vec<Value> {
        let state = self.core.lock();
        let zone = state.store.get(name).map_or(jiff::tz::TimeZone::UTC, |job| job.zone());
        state.store.executions(name).rev().map(|execution| to_json(&execution.to_wire(&zone, Some(false)))).collect()
    }

    /// Leaves a job as a Dkron does that was killed in mid-run an hour ago: an execution that never finished, `next` in the past.
    /// With `concurrency: forbid` a 4.0 never runs it again by schedule, a 4.1 once four hours have passed (FACTS 24c, 34).
    pub fn stick(&self, name: &str) {
        let state = &mut *self.core.lock();
        let started_at =
            Timestamp::now().saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::UNIX_EPOCH);
        state.store.set_execution(&Execution {
            job_name: name.to_owned(),
            started_at,
            finished_at: *ZERO,
            success: false,
            output: String::new(),
            node_name: state.cluster.nodes[0].name.clone(),
            group: i64::try_from(started_at.as_nanosecond()).unwrap_or_default(),
            attempt: 1,
        });
        state.store.set_next(name, started_at.saturating_add(SignedDuration::from_secs(60)).unwrap_or(started_at));
    }

    /// Makes a job's `next`, and its executions that have not ended, this much older than they are.
    pub fn age(&self, name: &str, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.core.lock().store.age(name, by);
    }

    /// Leaves a stored job scheduled with another schedule, as a late scheduler does that had read the job before (FACTS 37).
    ///
    /// # Errors
    /// Dkron's refusal of that schedule.
    pub fn misschedule(&self, name: &str, schedule: &str) -> Result<(), Refusal> {
        self.schedule_as(name, &json!({ "schedule": schedule }))
    }

    /// Leaves a job in the scheduler as the stored one with these fields changed: `{"timezone": "UTC"}`, `{"disabled": false}`,
    /// `{"tags": {}}`. Where it is then off, or a child, the scheduler does not hold it. A job that is not stored is scheduled with
    /// these fields alone.
    ///
    /// # Errors
    /// Dkron's refusal of such a job.
    pub fn schedule_as(&self, name: &str, fields: &Value) -> Result<(), Refusal> {
        let mut job = self.job(name).unwrap_or_else(|| json!({ "name": name }));
        for (field, value) in fields.as_object().into_iter().flatten() {
            job[field] = value.clone();
        }
        let job = self.read(&job)?;
        if let Some(scheduler) = self.core.lock().scheduler() {
            // Its schedule has just been read.
            let _read = scheduler.add(&Arc::new(job.stored()), Timestamp::now());
        }
        self.core.wake.notify_one();
        Ok(())
    }

    /// Leaves a job as a run does that wrote it back after its delete: stored, not scheduled, `next` an hour past (FACTS 16c).
    pub fn unschedule(&self, name: &str) {
        let state = &mut *self.core.lock();
        if let Some(scheduler) = state.scheduler() {
            scheduler.remove(name);
        }
        let past = Timestamp::now().saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::UNIX_EPOCH);
        state.store.set_next(name, past);
    }

    /// Ends the process of an executor on a node, until the node's restart: each of its runs there fails, and `/health` of a 4.1
    /// says so (FACTS 22b, 32). `http` or `shell`.
    pub fn exit_executor(&self, node: usize, executor: &str) {
        self.core.lock().cluster.nodes[node].exited.insert(executor.to_owned());
    }

    /// Sets a fault; it strikes after those set before it.
    pub fn inject(&self, rule: impl Into<Rule>) {
        self.core.lock().faults.add(rule.into());
    }

    /// The faults that have a count and have not used it up: a test that set them asserts that there is none left.
    pub fn pending_faults(&self) -> Vec<String> {
        self.core.lock().faults.pending()
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.core.lock().faults.clear();
    }

    /// The requests that reached the API since the start or the last `clear_journal`.
    pub fn journal(&self) -> Vec<Request> {
        self.core.lock().journal.requests().to_vec()
    }

    /// How many of them asked for a change: POST, PUT, PATCH and DELETE, except the barrier.
    pub fn writes(&self) -> usize {
        self.core.lock().journal.requests().iter().filter(|request| request.is_write()).count()
    }

    /// Empties the journal.
    pub fn clear_journal(&self) {
        self.core.lock().journal.clear();
    }

    /// Stops answering, and comes up again replaying its log slowly (FACTS 3). Returns once all connections are closed; runs in
    /// flight have died, and their executions stay unfinished (FACTS 24c).
    pub fn restart(&self, options: RestartOptions) {
        self.command(|done| Command::Restart { options, done });
    }

    /// Whether a node is down or replays its log.
    pub fn is_replaying(&self) -> bool {
        let cluster = &self.core.lock().cluster;
        cluster.is_replaying() || cluster.leadership() == Leadership::Replaying
    }

    /// Waits until every node is up and has replayed its log; whether that was so within `limit`.
    pub fn wait_until_replayed(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        while self.is_replaying() || self.leader().is_none() {
            if begun.elapsed() > limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Closes every connection and ends the server's thread.
    pub fn stop(self) {
        drop(self);
    }

    /// A job that Dkron accepts.
    fn read(&self, job: &Value) -> Result<Job, Refusal> {
        let refused = |message: String| Refusal { status: 400, message };
        let version = self.core.lock().cluster.version();
        let job = Job::from_body(job.to_string().as_bytes()).map_err(refused)?;
        job.validate(version).map_err(|invalid| match invalid {
            Invalid::Because(message) => refused(message),
            Invalid::Crash => Refusal { status: 500, message: String::new() },
        })?;
        Ok(job)
    }

    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let (done, wait) = mpsc::channel();
        if let Some(commands) = &self.commands
            && commands.send(command(done)).is_ok()
        {
            // An error is a server that has stopped: nothing to wait for.
            let _stopped = wait.recv();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The server ends when nobody can command it any more.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the server's has been printed; a second one in a drop would hide it.
            let _panicked = thread.join();
        }
    }
}

fn to_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

//! What the threads share: one state behind one lock, which nobody holds over an `await`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use crate::cluster::{Cluster, Leadership};
use crate::faults::Faults;
use crate::job::Job;
use crate::journal::Journal;
use crate::options::Options;
use crate::schedule::{Lateness, Scheduler};
use crate::store::{DeleteError, Execution, SetError, Store};
use crate::version::Version;

/// How often something that waits for a replay looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

pub(crate) struct Core {
    state: Mutex<State>,
    /// Wakes the scheduler: something is due earlier than it thinks.
    pub(crate) wake: Notify,
    /// Between a run's reading and its writing back of a job.
    pub(crate) run_window: Duration,
    /// Names that the http executor resolves.
    pub(crate) hosts: HashMap<String, SocketAddr>,
    /// Whether shell jobs really run.
    pub(crate) shell: bool,
    /// The `--encrypt` of each node's command line.
    pub(crate) encrypt_key: String,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) cluster: Cluster,
    /// How long an execution that never ended blocks a `forbid`, from 4.1 on (FACTS 34).
    pub(crate) stale_after: SignedDuration,
    /// How late the scheduler of the next leader is.
    pub(crate) lateness: Lateness,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    /// Executions in flight, by their key: what `/v1/busy` lists.
    pub(crate) active: HashMap<String, Execution>,
    /// Runs so far, for spreading them over the servers.
    pub(crate) runs: usize,
    /// How far the clock in each answer's `Date` is ahead.
    pub(crate) clock_ahead: SignedDuration,
    tasks: Vec<AbortHandle>,
}

impl Core {
    pub(crate) fn new(cluster: Cluster, options: Options) -> Self {
        let mut state = State {
            store: Store::default(),
            cluster,
            stale_after: options.stale_after,
            lateness: Lateness::default(),
            faults: Faults::default(),
            journal: Journal::default(),
            active: HashMap::new(),
            runs: 0,
            clock_ahead: SignedDuration::ZERO,
            tasks: Vec::new(),
        };
        state.cluster.start_views(&mut state.store);
        state.start_scheduler();
        state.lateness = options.lateness;
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            run_window: options.run_window,
            hosts: options.hosts.into_iter().collect(),
            shell: options.shell,
            encrypt_key: options.encrypt_key,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a leader has applied its whole log; `false` at once where there is none (FACTS 4).
    pub(crate) async fn leader_ready(&self) -> bool {
        loop {
            match self.lock().cluster.leadership() {
                Leadership::None => return false,
                Leadership::Ready(_) => return true,
                Leadership::Replaying => {}
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts a task that dies when Dkron does.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = tokio::spawn(future);
        let tasks = &mut self.lock().tasks;
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
        task
    }
}

impl State {
    /// The leader's scheduler, where there is a leader.
    pub(crate) fn scheduler(&mut self) -> Option<&mut Scheduler> {
        if self.cluster.scheduler()?.starts_again(Timestamp::now()) {
            self.start_scheduler();
        }
        self.cluster.scheduler()
    }

    /// An upsert as the leader carries it out: stored, then scheduled anew.
    ///
    /// # Errors
    /// The parent does not exist.
    pub(crate) fn upsert(&mut self, job: Job) -> Result<(), SetError> {
        let now = Timestamp::now();
        let name = job.name.clone();
        self.store.set_job(job, true, now)?;
        if let (Some(job), Some(scheduler)) = (self.store.get(&name), self.cluster.scheduler()) {
            // Its schedule was read when it was validated.
            let _read = scheduler.add(job, now);
        }
        Ok(())
    }

    /// A delete as the leader carries it out.
    ///
    /// # Errors
    /// It is not there, or has dependents.
    pub(crate) fn delete(&mut self, name: &str) -> Result<Arc<Job>, DeleteError> {
        let job = self.store.delete(name, Timestamp::now())?;
        if let Some(scheduler) = self.scheduler() {
            scheduler.remove(name);
        }
        Ok(job)
    }

    /// A new leader, and its scheduler.
    pub(crate) fn elect(&mut self, node: usize) {
        self.cluster.elect(node, &mut self.store);
        self.store.keep_only(|job, jobs| self.cluster.keeps(node, job, jobs));
        self.start_scheduler();
    }

    /// The scheduler of a leader that has read its log.
    pub(crate) fn start_scheduler(&mut self) {
        if self.cluster.version() >= Version::V4_1 {
            let names: Vec<String> = self.store.jobs().keys().cloned().collect();
            for name in names {
                self.end_stale(&name);
            }
        }
        self.cluster.start_scheduler(&self.store, self.lateness);
    }

    /// All runs die in mid-air; their executions stay unfinished (FACTS 24c).
    pub(crate) fn kill_runs(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.active.clear();
    }

    /// A scheduled job's `concurrency: forbid`: an unfinished execution, in the store or in flight, blocks it. From 4.1 on one
    /// that is too old and in flight nowhere is ended first (FACTS 24c, 34).
    pub(crate) fn is_blocked(&mut self, name: &str) -> bool {
        if self.active.values().any(|execution| execution.job_name == name) {
            return true;
        }
        if self.cluster.version() >= Version::V4_1 {
            self.end_stale(name);
        }
        self.store.executions(name).any(Execution::is_unfinished)
    }

    fn end_stale(&mut self, name: &str) {
        let now = Timestamp::now();
        let stale: Vec<Execution> = self
            .store
            .executions(name)
            .filter(|execution| execution.is_unfinished() && !self.active.contains_key(&execution.key()))
            .filter(|execution| now.duration_since(execution.started_at) > self.stale_after)
            .cloned()
            .collect();
        for execution in stale {
            let output =
                format!("{}\nExecution marked as failed: detected as stale (not active on any node)", execution.output);
            self.store.finish_execution(&Execution { finished_at: now, success: false, output, ..execution });
        }
    }
}

//! Runs: by schedule, by hand, after a parent, again after a failure.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::core::{Core, State};
use crate::executor::{self, Outcome};
use crate::job::{Job, ZERO};
use crate::shell;
use crate::store::Execution;
use crate::version::Version;

/// How a stream that broke begins its output; a 4.0 does not try such a run again.
const BROKEN_STREAM: &str = "grpc: Error on execution streaming, agent connection was abruptly terminated";

/// The unit of Dkron's pause before a retry.
const RETRY_UNIT: Duration = Duration::from_millis(500);

/// Which try of which group of executions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    group: i64,
    attempt: u64,
    /// A retry stays on its node.
    node: Option<usize>,
}

impl Try {
    pub(crate) fn first() -> Self {
        let group = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or_default();
        Self { group, attempt: 1, node: None }
    }
}

/// Starts what is due, for ever.
pub(crate) async fn keep_schedule(core: Arc<Core>) {
    loop {
        let now = Timestamp::now();
        let (due, next) = {
            let mut state = core.lock();
            state.scheduler().map_or_else(Default::default, |scheduler| (scheduler.take_due(now), scheduler.next_due()))
        };
        for job in due {
            let running = Arc::clone(&core);
            core.spawn(async move { run_if_runnable(running, &job).await });
        }
        let pause = next.map_or(Duration::from_hours(1), |next| {
            Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.wake.notified() => {}
        }
    }
}

/// A run by schedule or after a parent: only where the job, as the caller knows it, may run now.
async fn run_if_runnable(core: Arc<Core>, job: &Arc<Job>) {
    let runnable = {
        let mut state = core.lock();
        let runnable = is_runnable(&mut state, job);
        if let Some(scheduler) = state.scheduler().filter(|_| runnable) {
            scheduler.show(job);
        }
        runnable
    };
    if runnable {
        run(core, job.name.clone(), Try::first()).await;
    }
}

fn is_runnable(state: &mut State, job: &Job) -> bool {
    let now = Timestamp::now();
    !job.disabled
        && job.starts_at.is_none_or(|start| start.at <= now)
        && job.expires_at.is_none_or(|end| now <= end.at)
        && !(job.concurrency == "forbid" && state.is_blocked(&job.name))
}

/// The answer to a run: the job as it was read before.
type Answer = Pin<Box<dyn Future<Output = Option<Job>> + Send>>;

/// Runs a job on the nodes that its tags name, and waits for all of them and for its children. `None` where it is not there,
/// not scheduled, or no node matches.
///
/// The job is read, given its `next`, and written back whole: what was posted in between is lost (FACTS 16b).
pub(crate) fn run(core: Arc<Core>, name: String, this: Try) -> Answer {
    Box::pin(async move {
        let mut job = {
            let mut state = core.lock();
            let job = prepare(&mut state, &name)?;
            if core.run_window.is_zero() {
                write_back(&mut state, &job);
            }
            job
        };
        if !core.run_window.is_zero() {
            tokio::time::sleep(core.run_window).await;
            write_back(&mut core.lock(), &job);
        }
        let nodes = targets(&mut core.lock(), &job, this);
        if nodes.is_empty() {
            return None;
        }
        let mut executions = JoinSet::new();
        for node in nodes {
            executions.spawn(execute(Arc::clone(&core), node, job.clone(), this));
        }
        while executions.join_next().await.is_some() {}
        job = job.stored();
        Some(job)
    })
}

fn prepare(state: &mut State, name: &str) -> Option<Job> {
    let mut job = Job::clone(state.store.get(name)?);
    if job.parent_job.is_empty() {
        job.next = state.scheduler()?.next(name)?.into();
    }
    Some(job)
}

fn write_back(state: &mut State, job: &Job) {
    if job.parent_job.is_empty() {
        // A job without a parent cannot be refused.
        let _stored = state.store.set_job(job.clone(), true, Timestamp::now());
    }
}

/// The live nodes whose tags are the job's; `"server": "true:1"` takes one of them (FACTS 22d).
fn targets(state: &mut State, job: &Job, this: Try) -> Vec<usize> {
    if let Some(node) = this.node {
        return if state.cluster.nodes[node].down { Vec::new() } else { vec![node] };
    }
    let mut at_most = usize::MAX;
    let mut wanted = Vec::new();
    for (tag, value) in job.tags.iter().flatten() {
        let mut parts = value.split(':');
        wanted.push((tag, parts.next().unwrap_or_default()));
        if let (Some(count), None) = (parts.next(), parts.next()) {
            at_most = at_most.min(count.parse().unwrap_or(0));
        }
    }
    let mut nodes: Vec<usize> = (0..state.cluster.nodes.len())
        .filter(|node| !state.cluster.nodes[*node].down)
        .filter(|node| {
            let tags = state.cluster.tags(*node);
            wanted.iter().all(|(tag, value)| tags.get(tag.as_str()).and_then(|found| found.as_str()) == Some(value))
        })
        .collect();
    if nodes.len() > at_most {
        state.runs += 1;
        let turn = state.runs % nodes.len();
        nodes.rotate_left(turn);
        nodes.truncate(at_most);
    }
    nodes
}

async fn execute(core: Arc<Core>, node: usize, job: Job, this: Try) {
    let mut execution = {
        let mut state = core.lock();
        let execution = Execution {
            job_name: job.name.clone(),
            started_at: Timestamp::now(),
            finished_at: *ZERO,
            success: false,
            output: String::new(),
            node_name: state.cluster.nodes[node].name.clone(),
            group: this.group,
            attempt: this.attempt,
        };
        state.store.set_execution(&execution);
        state.active.insert(execution.key(), execution.clone());
        execution
    };
    let exited = core.lock().cluster.nodes[node].exited.contains(&job.executor);
    match job.executor.as_str() {
        "" => {
            execution.output = format!(
                "{BROKEN_STREAM}: rpc error: code = Unknown desc = grpc_agent: No executor defined, nothing to do"
            );
        }
        "http" | "shell" if exited => execution.end(Outcome::exited()),
        "http" => execution.end(executor::execute(&core, node, &job).await),
        "shell" if core.shell => execution.end(shell::execute(&job).await),
        _ => "grpc_agent: Specified executor is not present".clone_into(&mut execution.output),
    }
    execution.finished_at = Timestamp::now();
    done(core, execution, node).await;
}

/// Counts a finished execution; then tries again, or runs the children, or deletes an ephemeral job.
async fn done(core: Arc<Core>, execution: Execution, node: usize) {
    let finished = {
        let mut state = core.lock();
        state.active.remove(&execution.key());
        state.store.finish_execution(&execution)
    };
    let Some(job) = finished else { return };
    // A stream that broke is tried again from 4.1 on.
    let is_tried_again = core.lock().cluster.version() >= Version::V4_1 || !execution.output.starts_with(BROKEN_STREAM);
    if !execution.success && execution.attempt < job.retries + 1 && is_tried_again {
        let attempt = execution.attempt + 1;
        tokio::time::sleep(backoff(&execution, attempt)).await;
        run(core, job.name.clone(), Try { group: execution.group, attempt, node: Some(node) }).await;
        return;
    }
    if job.status != "success" {
        return;
    }
    for name in job.dependent_jobs.iter().flatten() {
        let child = core.lock().store.get(name).cloned();
        // Dkron gives up on the rest where a child is gone.
        let Some(child) = child else { return };
        Box::pin(run_if_runnable(Arc::clone(&core), &child)).await;
    }
    if job.ephemeral {
        // It may have been deleted meanwhile, or have got a child.
        let _deleted = core.lock().delete(&job.name);
    }
}

/// The time so far in halves of a second, as a power of two, and the number of tries: in halves of a second.
fn backoff(execution: &Execution, attempt: u64) -> Duration {
    let so_far = Timestamp::now().duration_since(execution.started_at).as_millis() / 500;
    let power = u64::try_from(so_far).ok().and_then(u64::checked_ilog2);
    power.map_or(Duration::ZERO, |power| {
        RETRY_UNIT.saturating_mul(u32::try_from(u64::from(power) + attempt).unwrap_or(u32::MAX))
    })
}

//! Runs and their executions.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{LOCATION, Reply, Request, TOTAL_COUNT};
use crate::core::Core;
use crate::runs::{self, Try};
use crate::store::{Execution, ExecutionOnWire};
use crate::version::Version;

/// Runs a job, and answers when it has finished, with the job as it was before (FACTS 24).
pub(super) async fn run(core: &Arc<Core>, request: &Request, name: &str) -> Reply {
    if request.leaderless || !core.leader_ready().await {
        return Reply::empty(404);
    }
    // A task of its own: the run goes on when the caller hangs up.
    let job = core.spawn(runs::run(Arc::clone(core), name.to_owned(), Try::first())).await;
    match job {
        Ok(Some(job)) => request.json(200, &job).with(LOCATION, request.uri.clone()),
        _ => Reply::empty(404),
    }
}

/// Newest first; `output_size_limit` keeps the end of each output.
pub(super) fn executions(core: &Core, request: &Request, name: &str) -> Reply {
    let state = &mut *core.lock();
    let job = state.cluster.job(request.node, name, &mut state.store);
    let Some(job) = job.filter(|_| !request.leaderless) else {
        return Reply::empty(404);
    };
    let mut executions: Vec<Execution> = state.store.executions(name).cloned().collect();
    match request.get("_sort") {
        Some("id" | "started_at") => executions.sort_by_key(|execution| execution.started_at),
        Some("finished_at") => executions.sort_by_key(|execution| execution.finished_at),
        Some("attempt") => executions.sort_by_key(|execution| execution.attempt),
        _ => {}
    }
    if request.get("_order").is_none_or(|order| order == "DESC") {
        executions.reverse();
    }
    let limit = request.get("output_size_limit").and_then(|limit| limit.parse::<usize>().ok());
    let zone = job.zone();
    let list: Vec<ExecutionOnWire<'_>> = executions
        .iter_mut()
        .map(|execution| {
            let too_long = limit.and_then(|limit| execution.output.len().checked_sub(limit)).filter(|over| *over > 0);
            if let Some(mut from) = too_long {
                while !execution.output.is_char_boundary(from) {
                    from += 1;
                }
                execution.output.drain(..from);
            }
            execution.to_wire(&zone, Some(too_long.is_some()))
        })
        .collect();
    request.json(200, &list).with(TOTAL_COUNT, list.len().to_string())
}

/// Deletes a job's executions; a job or a leader that is not there is a 500 (FACTS 33b). A leader of 4.0 does not know this request.
pub(super) async fn delete_executions(core: &Arc<Core>, request: &Request, name: &str) -> Reply {
    if request.leaderless || !core.leader_ready().await || core.lock().cluster.version() < Version::V4_1 {
        return Reply::empty(500);
    }
    let job = core.lock().store.delete_executions(name);
    job.map_or_else(|| Reply::empty(500), |job| request.json(200, job.as_ref()))
}

/// One execution, its instants in UTC; an unknown one is a 404 (FACTS 33d). A 4.0 gives the job's zone, and for an unknown one a 200
/// without a body.
pub(super) fn execution(core: &Core, request: &Request, name: &str, key: &str) -> Reply {
    let state = &mut *core.lock();
    let job = state.cluster.job(request.node, name, &mut state.store);
    let Some(job) = job.filter(|_| !request.leaderless) else {
        return Reply::empty(404);
    };
    let is_old = state.cluster.nodes[request.node].version < Version::V4_1;
    let (zone, missing) = if is_old { (job.zone(), 200) } else { (TimeZone::UTC, 404) };
    match state.store.executions(name).find(|execution| execution.key() == key) {
        Some(execution) => request.json(200, &execution.to_wire(&zone, None)),
        None => Reply::empty(missing),
    }
}

/// The executions in flight, oldest first.
pub(super) fn busy(core: &Core, request: &Request) -> Reply {
    let mut active: Vec<Execution> = core.lock().active.values().cloned().collect();
    active.sort_by_key(|execution| execution.started_at);
    let list: Vec<ExecutionOnWire<'_>> =
        active.iter().map(|execution| execution.to_wire(&TimeZone::UTC, None)).collect();
    request.json(200, &list).with(TOTAL_COUNT, list.len().to_string())
}

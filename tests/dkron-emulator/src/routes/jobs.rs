//! `/v1/jobs`: list, read, upsert, toggle, delete.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use dkron_jobs::schedule::ScheduleError;
use jiff::Timestamp;

use super::{LOCATION, Reply, Request, TOTAL_COUNT};
use crate::core::{Core, State};
use crate::faults::{Fault, Stage};
use crate::job::{Invalid, Job};
use crate::json::First;
use crate::runs::{self, Try};
use crate::store::SetError;
use crate::version::Version;

/// `metadata[k]=v`, `q`, `status`, `disabled`, `_sort`, `_order`, `_start`, `_end`; the count is of all matches (FACTS 18).
pub(super) fn list(core: &Core, request: &Request) -> Reply {
    let mut jobs = if request.leaderless {
        Vec::new()
    } else {
        let state = &mut *core.lock();
        state.cluster.jobs(request.node, &mut state.store)
    };
    jobs.retain(|job| matches(job, request));
    let by = request.get("_sort").filter(|by| *by != "id" && *by != "name");
    if let Some(by) = by {
        let Some(compare) = order(by) else {
            // No such index.
            return Reply::empty(500);
        };
        jobs.sort_by(compare);
    }
    if request.get("_order") == Some("DESC") {
        jobs.reverse();
    }
    let count = jobs.len();
    let number = |key: &str| request.get(key).map(|text| text.parse::<i64>().unwrap_or(0));
    let start = number("_start").unwrap_or(0);
    let end = number("_end").map_or(count, |end| usize::try_from(end).unwrap_or(0).min(count));
    match usize::try_from(start).ok().and_then(|start| jobs.get(start..end)) {
        Some(page) => {
            let page: Vec<&Job> = page.iter().map(Arc::as_ref).collect();
            request.json(200, &page).with(TOTAL_COUNT, count.to_string())
        }
        // Dkron's slice panics, after the count.
        None => Reply::empty(500).with(TOTAL_COUNT, count.to_string()),
    }
}

fn matches(job: &Job, request: &Request) -> bool {
    let metadata = request.query.iter().filter_map(|(key, value)| {
        key.strip_prefix("metadata[").and_then(|key| key.strip_suffix(']')).map(|key| (key, value))
    });
    let mut metadata = metadata.peekable();
    let status = request.get("status").unwrap_or_default();
    let text = request.get("q").unwrap_or_default();
    let disabled = request.get("disabled").unwrap_or_default();
    (metadata.peek().is_none()
        || job.metadata.as_ref().is_some_and(|has| metadata.all(|(key, value)| has.get(key) == Some(value))))
        && (text.is_empty() || job.name.contains(text) || job.displayname.contains(text))
        && (disabled.is_empty() || job.disabled.to_string() == disabled)
        && (status.is_empty() || (status == "untriggered" && job.status.is_empty()) || job.status == status)
}

type Compare = fn(&Arc<Job>, &Arc<Job>) -> Ordering;

/// The indexes of Dkron's store.
fn order(by: &str) -> Option<Compare> {
    Some(match by {
        "displayname" => |left, right| left.displayname.cmp(&right.displayname),
        "schedule" => |left, right| left.schedule.cmp(&right.schedule),
        "success_count" => |left, right| left.success_count.cmp(&right.success_count),
        "error_count" => |left, right| left.error_count.cmp(&right.error_count),
        "last_success" => |left, right| left.last_success.cmp(&right.last_success),
        "last_error" => |left, right| left.last_error.cmp(&right.last_error),
        "next" => |left, right| left.next.cmp(&right.next),
        _ => return None,
    })
}

pub(super) fn get(core: &Core, request: &Request, name: &str) -> Reply {
    let job = {
        let state = &mut *core.lock();
        state.cluster.job(request.node, name, &mut state.store)
    };
    match job {
        Some(job) if !request.leaderless => request.json(200, job.as_ref()),
        _ => Reply::empty(404),
    }
}

/// `POST` and `PATCH /v1/jobs` and `PUT /v1/jobs/:job` are one (FACTS 6). The answer is the posted job, not the stored one.
pub(super) async fn upsert(core: &Arc<Core>, request: &Request) -> Reply {
    let (version, paused) = {
        let node = &core.lock().cluster.nodes[request.node];
        (node.version, node.paused)
    };
    if paused {
        return Reply::paused();
    }
    let job = match &request.upsert {
        Some(Ok(First::Object(fields))) => Job::from_fields(fields, "allow"),
        Some(Err(error)) => Err(error.clone()),
        _ => Job::from_body(&request.body),
    };
    let mut job = match job {
        Ok(job) => job,
        Err(error) => return Reply::text(400, &format!("Unable to parse payload: {error}.")),
    };
    if version >= Version::V4_1 {
        job.id.clone_from(&job.name);
    }
    match job.validate(version) {
        Ok(()) => {}
        Err(Invalid::Because(error)) => return Reply::text(400, &format!("Job validation failed: {error}.")),
        Err(Invalid::Crash) => return Reply::empty(500),
    }
    if request.leaderless || !core.leader_ready().await {
        return Reply::text(500, "failed to exit idle mode: passthrough: received empty target in Build()");
    }
    // A leader of an older version cannot schedule what this node accepts (FACTS 43).
    let led_by = core.lock().cluster.version();
    if let Err(ScheduleError::Schedule(words)) = job.read_schedule(led_by) {
        return Reply::text(500, &words);
    }
    let before = core.lock().store.get(&job.name).cloned();
    match request.fault(core, Stage::Applying) {
        Some(Fault::Swallow) => {}
        Some(Fault::StoreBarrier) => {
            core.lock().store.put(job.clone());
        }
        fault => {
            if core.lock().upsert(job.clone()) == Err(SetError::NoParent) {
                return Reply::text(404, "specified parent job not found");
            }
            core.wake.notify_one();
            if let (Some(Fault::RunInFlight { after }), Some(before)) = (fault, before) {
                undo_later(core, Job::clone(&before), after);
            }
        }
    }
    if request.has("runoncreate") {
        drop(core.spawn(runs::run(Arc::clone(core), job.name.clone(), Try::first())));
    }
    request.json(201, &job).with(LOCATION, format!("{}/{}", request.uri, job.name))
}

/// What a run does that had read the job before: it writes it back whole, and schedules nothing.
fn undo_later(core: &Arc<Core>, before: Job, after: Duration) {
    let undoing = Arc::clone(core);
    drop(core.spawn(async move {
        tokio::time::sleep(after).await;
        // The parent may be gone by now; then the run's write is lost as well.
        let _refused = undoing.lock().store.set_job(before, true, Timestamp::now());
    }));
}

/// Reads the job from this node's own copy, and writes it back whole.
pub(super) async fn toggle(core: &Arc<Core>, request: &Request, name: &str) -> Reply {
    let job = {
        let state = &mut *core.lock();
        state.cluster.job(request.node, name, &mut state.store)
    };
    let Some(job) = job else {
        return Reply::empty(404);
    };
    let job = Job { disabled: !job.disabled, ..Job::clone(&job) };
    if request.leaderless || !core.leader_ready().await || core.lock().upsert(job.clone()).is_err() {
        return Reply::empty(422);
    }
    core.wake.notify_one();
    request.json(200, &job).with(LOCATION, request.uri.clone())
}

/// 404 without a word for a job that is missing, has dependents, or finds no leader (FACTS 11).
pub(super) async fn delete(core: &Arc<Core>, request: &Request, name: &str) -> Reply {
    if request.leaderless || !core.leader_ready().await {
        return Reply::empty(404);
    }
    let fault = request.fault(core, Stage::Applying);
    let deleted = State::delete(&mut core.lock(), name);
    match deleted {
        Ok(job) => {
            if let Some(Fault::RunInFlight { after }) = fault {
                undo_later(core, Job::clone(&job), after);
            }
            request.json(200, job.as_ref())
        }
        Err(_) => Reply::empty(404),
    }
}

//! `POST /v1/restore`: a file of jobs, all of which must be valid (FACTS 24b).

use std::sync::Arc;

use serde_json::Value;

use super::{Reply, Request};
use crate::core::Core;
use crate::job::Job;
use crate::version::Version;

/// Sets jobs one after another, parents before children; a pause does not matter. Failures stand inside a string of a 200.
pub(super) async fn restore(core: &Arc<Core>, request: &Request) -> Reply {
    let Some(file) = file(request) else {
        return Reply::empty(404);
    };
    let Some(jobs) = read(file) else {
        return Reply::empty(400);
    };
    let version = core.lock().cluster.nodes[request.node].version;
    let Some(order) = parents_first(&jobs, version) else {
        return Reply::empty(400);
    };
    let has_leader = !request.leaderless && core.leader_ready().await;
    let mut failed = Vec::new();
    let mut lines = Vec::new();
    for job in order {
        if failed.contains(&job.parent_job) {
            // Dkron does not try the children of what failed, and says nothing of them.
            failed.push(job.name.clone());
            continue;
        }
        let set = has_leader && core.lock().upsert(job.clone()).is_ok();
        if set {
            lines.push(format!("success create {}", job.name));
        } else {
            failed.push(job.name.clone());
            lines.push(format!("fail create {}", job.name));
        }
    }
    core.wake.notify_one();
    let text = String::from_utf8(crate::json::encode(&lines, false)).unwrap_or_default();
    request.json(200, &text)
}

/// The part named `file` of a form.
fn file(request: &Request) -> Option<&[u8]> {
    let boundary = request.content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let body = request.body.as_ref();
    let mut rest = body;
    while let Some(at) = find(rest, boundary.as_bytes()) {
        let part = &rest[at + boundary.len()..];
        let end = find(part, format!("\r\n{boundary}").as_bytes()).unwrap_or(part.len());
        let blank = find(&part[..end], b"\r\n\r\n")?;
        if String::from_utf8_lossy(&part[..blank]).contains("name=\"file\"") {
            return Some(&part[blank + 4..end]);
        }
        rest = &part[end..];
    }
    None
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}

/// All jobs, or none where one has a value of a wrong type. Here `concurrency` has no default.
fn read(file: &[u8]) -> Option<Vec<Job>> {
    let values: Vec<Value> = serde_json::from_slice(file).ok()?;
    values
        .into_iter()
        .map(|value| match value {
            Value::Object(fields) => Job::from_fields(&fields.into_iter().collect::<Vec<_>>(), "").ok(),
            _ => None,
        })
        .collect()
}

/// Each job without a parent, in order, followed by its children; `None` where one is invalid, or its parent is not in the file.
fn parents_first(jobs: &[Job], version: Version) -> Option<Vec<&Job>> {
    fn push<'a>(jobs: &'a [Job], job: &'a Job, order: &mut Vec<&'a Job>) {
        order.push(job);
        for child in jobs.iter().filter(|child| child.parent_job == job.name) {
            push(jobs, child, order);
        }
    }
    if jobs.iter().any(|job| job.validate(version).is_err()) {
        return None;
    }
    let mut order = Vec::with_capacity(jobs.len());
    for job in jobs.iter().filter(|job| job.parent_job.is_empty()) {
        push(jobs, job, &mut order);
    }
    // A parent that is missing, or a cycle of parents.
    (order.len() == jobs.len()).then_some(order)
}

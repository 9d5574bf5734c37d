//! Health, leader, members, pause, and what the process says of itself.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use serde_json::{Value, json};

use super::{CONTENT_TYPE, Reply, Request, TOTAL_COUNT};
use crate::core::Core;
use crate::version::Version;

/// 200 as soon as the socket is open: neither leader nor data (FACTS 1). A 4.1 also says whether this node leads, and is 503 when
/// an executor has exited (FACTS 32).
pub(super) fn health(core: &Core, request: &Request) -> Reply {
    let cluster = &core.lock().cluster;
    let node = &cluster.nodes[request.node];
    if node.version < Version::V4_1 {
        return request.json(200, &json!({ "status": "healthy" }));
    }
    let leads = cluster.leader() == Some(request.node) && !request.leaderless;
    let issues: Vec<String> =
        node.exited.iter().map(|executor| format!("plugin executor-{executor} has exited")).collect();
    if issues.is_empty() {
        request.json(200, &json!({ "leader": leads, "status": "healthy" }))
    } else {
        request.json(503, &json!({ "issues": issues, "leader": leads, "status": "unhealthy" }))
    }
}

/// The runs of the last days, this one last (FACTS 33c).
pub(super) fn stats(core: &Core, request: &Request) -> Reply {
    let days = request.get("days").and_then(|days| days.parse::<i64>().ok()).filter(|days| *days > 0).unwrap_or(30);
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let state = core.lock();
    let days: Vec<Stat> = (0..days.min(MAX_DAYS))
        .rev()
        .filter_map(|back| today.checked_sub(back.days()).ok())
        .map(|day| {
            let (success_count, failed_count) = state.store.stats(day);
            Stat { date: format!("{day}T00:00:00Z"), success_count, failed_count }
        })
        .collect();
    request.json(200, &Stats { stats: days })
}

/// More days are not given.
const MAX_DAYS: i64 = 365;

/// In the order in which Dkron writes its fields.
#[derive(Serialize)]
struct Stat {
    date: String,
    success_count: u64,
    failed_count: u64,
}

#[derive(Serialize)]
struct Stats {
    stats: Vec<Stat>,
}

pub(super) fn index(core: &Core, request: &Request) -> Reply {
    let cluster = &core.lock().cluster;
    let body = json!({
        "agent": { "name": cluster.nodes[request.node].name, "version": cluster.nodes[request.node].version.number() },
        "serf": {
            "coordinate_resets": "0",
            "encrypted": "false",
            "event_queue": "0",
            "event_time": "1",
            "failed": "0",
            "health_score": "0",
            "intent_queue": "0",
            "left": "0",
            "member_time": "1",
            "members": cluster.nodes.len().to_string(),
            "query_queue": "0",
            "query_time": "1",
        },
        "tags": cluster.tags(request.node),
    });
    request.json(200, &body)
}

pub(super) fn members(core: &Core, request: &Request) -> Reply {
    let cluster = &core.lock().cluster;
    let members: Vec<Value> = (0..cluster.nodes.len())
        .map(|node| {
            let mut member = cluster.member(node);
            let (status, text) = if cluster.nodes[node].down { (4, "failed") } else { (1, "alive") };
            member["Status"] = status.into();
            member["id"] = random_id().into();
            member["statusText"] = text.into();
            member
        })
        .collect();
    request.json(200, &members).with(TOTAL_COUNT, members.len().to_string())
}

/// A new one for each answer, as in Dkron.
fn random_id() -> String {
    let (high, low) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let hex = format!("{high:016x}{low:016x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// 500 with the text `null` until a leader is known (FACTS 2).
pub(super) fn leader(core: &Core, request: &Request) -> Reply {
    let cluster = &core.lock().cluster;
    match cluster.leader().filter(|_| !request.leaderless) {
        Some(leader) => request.json(200, &cluster.member(leader)),
        None => Reply::text(500, "null"),
    }
}

pub(super) fn is_leader(core: &Core, request: &Request) -> Reply {
    let leads = core.lock().cluster.leader() == Some(request.node) && !request.leaderless;
    if leads { request.json(200, &"I am a leader") } else { request.json(404, &"I am a follower") }
}

pub(super) fn pause_status(core: &Core, request: &Request) -> Reply {
    request.json(200, &json!({ "paused": core.lock().cluster.nodes[request.node].paused }))
}

/// Of this node alone.
pub(super) fn set_paused(core: &Core, request: &Request, paused: bool) -> Reply {
    core.lock().cluster.nodes[request.node].paused = paused;
    request.json(200, &json!({ "paused": paused }))
}

/// Go's `expvar`: texts one after another, and no JSON that was written as a whole. Entries and memory are those of this node's
/// process; a follower's scheduler has never started, or has stopped and still shows what it held (FACTS 5, 37c).
pub(super) fn vars(core: &Core, request: &Request) -> Reply {
    let state = &mut *core.lock();
    let nodes = state.cluster.nodes.len();
    let node = &mut state.cluster.nodes[request.node];
    node.scheduler.advance(Timestamp::now());
    let (started, entries) = if request.leaderless {
        (false, "{}".to_owned())
    } else {
        (node.scheduler.is_started(), node.scheduler.inspect())
    };
    let command_line = json!([
        "dkron",
        "agent",
        "--server",
        format!("--node-name={}", node.name),
        format!("--bootstrap-expect={nodes}"),
        format!("--encrypt={}", core.encrypt_key),
    ]);
    let total = node.process.total_alloc();
    let memory = json!({
        "Alloc": 12_582_912,
        "TotalAlloc": total,
        "Sys": 33_554_432,
        "Lookups": 0,
        "Mallocs": total / 64,
        "Frees": total / 65,
        "HeapAlloc": 12_582_912,
        "NumGC": total / 4_194_304,
        "EnableGC": true,
        "DebugGC": false,
        "BySize": [{ "Size": 0, "Mallocs": 0, "Frees": 0 }, { "Size": 8, "Mallocs": total / 640, "Frees": total / 650 }],
    });
    let text = format!(
        "{{\n\"cmdline\": {command_line},\n\"cron_entries\": {entries},\n\"memstats\": {memory},\n\"node\": \"{}\",\n\
         \"scheduler_started\": {}\n}}\n",
        node.name,
        u8::from(started)
    );
    Reply {
        status: 200,
        headers: vec![(CONTENT_TYPE.to_owned(), "application/json; charset=utf-8".to_owned())],
        body: text.into_bytes(),
    }
}

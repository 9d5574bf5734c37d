//! The emulator against the recordings of a real Dkron 4.0.9 and 4.1.2: the same answers, value for value.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "waits for runs, compares instants with now, and fails where a test fails"
)]

use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options, Version};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{self, Answer};

/// How far a recorded instant of "now" or "in an hour" may be from this one.
const AROUND_NOW: SignedDuration = SignedDuration::from_hours(2);

/// The day of the 4.1.2 recording, which stands in its statistics.
const RECORDED_ON: Date = date(2026, 11, 30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    scenario: String,
    request: Asked,
    response: Answered,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    path: String,
    content_type: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    x_total_count: Option<String>,
    x_whom: Option<String>,
    body: Value,
    body_is: String,
}

/// The recordings of one version.
struct Recorded {
    version: Version,
    exchanges: &'static str,
    schedules: &'static str,
}

const V4_0: Recorded = Recorded {
    version: Version::V4_0,
    exchanges: include_str!("../data/exchanges.ndjson"),
    schedules: include_str!("../data/schedules.ndjson"),
};

const V4_1: Recorded = Recorded {
    version: Version::V4_1,
    exchanges: include_str!("../data/exchanges-4.1.2.ndjson"),
    schedules: include_str!("../data/schedules-4.1.2.ndjson"),
};

#[test]
fn every_recorded_exchange_of_4_0() {
    // From here on the recorded store holds the cycle of two parents that could not be deleted any more (FACTS 10).
    let with_cycle = |scenario: &str| scenario == "metadata-filter";
    assert_eq!(play_all(&V4_0, with_cycle), 129);
}

#[test]
fn every_recorded_exchange_of_4_1() {
    // Each scenario was recorded on a new server.
    assert_eq!(play_all(&V4_1, |_| false), 189);
}

/// Plays all scenarios, each on an emulator of its own, and counts the exchanges: it fails where one differs.
fn play_all(recorded: &Recorded, begins_cycle: impl Fn(&str) -> bool) -> usize {
    let exchanges: Vec<Exchange> = recorded.exchanges.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let start = |options: Options| Emulator::start(options.version(recorded.version)).unwrap();
    // Recorded jobs ask the Dkron on port 8080 itself; here they ask this one.
    let target = start(Options::new());
    let mut agreed = 0;
    let mut differences = Vec::new();
    let mut has_cycle = false;
    for scenario in exchanges.chunk_by(|left, right| left.scenario == right.scenario) {
        let name = scenario[0].scenario.as_str();
        let options = Options::new();
        // The one job that nobody answers asks another port.
        let options = if name == "run-that-fails" { options } else { options.host("127.0.0.1", target.addresses()[0]) };
        let emulator = start(options);
        has_cycle |= begins_cycle(name);
        if has_cycle {
            make_cycle(&emulator.url());
        }
        if name == "health-plugin-exited" {
            emulator.exit_executor(0, "http");
        }
        let mut newest = String::new();
        for (number, exchange) in scenario.iter().enumerate() {
            wait_for_the_runs(&emulator, exchange);
            let found = play(&emulator.url(), exchange, &mut newest);
            if found.is_empty() {
                agreed += 1;
            }
            differences.extend(found.into_iter().map(|difference| {
                let Asked { method, path, .. } = &exchange.request;
                format!("{name} {}: {method} {path}: {difference}", number + 1)
            }));
        }
    }
    assert!(differences.is_empty(), "{agreed} of {} agree\n{}", exchanges.len(), differences.join("\n"));
    agreed
}

/// What Dkron said to a schedule.
#[derive(Deserialize)]
struct Verdict {
    name: String,
    schedule: String,
    status: u16,
    error: Option<String>,
    posted_at: Option<Timestamp>,
    next: Option<String>,
    timezone: Option<String>,
}

#[test]
fn every_recorded_schedule_of_4_0() {
    assert_eq!(post_all(&V4_0), 106);
}

#[test]
fn every_recorded_schedule_of_4_1() {
    assert_eq!(post_all(&V4_1), 157);
}

/// The verdicts as the API gives them; that each `next` is right from the recorded instant, `schedule.rs` proves.
fn post_all(recorded: &Recorded) -> usize {
    let emulator = Emulator::start(Options::new().version(recorded.version)).unwrap();
    let mut agreed = 0;
    for line in recorded.schedules.lines() {
        let recorded: Verdict = serde_json::from_str(line).unwrap();
        let job = json!({
            "name": recorded.name,
            "schedule": moved(&recorded.schedule, recorded.posted_at),
            "timezone": recorded.timezone.unwrap_or_default(),
            "executor": "http",
            // It must not run: some of these are due each second.
            "disabled": true,
        });
        let answer = http::post(&emulator.url(), &job);
        let error = (answer.status != 201).then(|| answer.text());
        assert_eq!((answer.status, error), (recorded.status, recorded.error), "{line}");
        if let Some(next) = recorded.next {
            let stored = emulator.job(&recorded.name).unwrap()["next"].as_str().unwrap().to_owned();
            let never = "0001-01-01T00:00:00Z";
            assert_eq!(stored == never, next == never, "{line}: {stored}");
            assert!(emulator.delete(&recorded.name));
        }
        agreed += 1;
    }
    agreed
}

/// A schedule whose instant lies around that of the recording, as far from now as it lay from then.
fn moved(schedule: &str, posted_at: Option<Timestamp>) -> String {
    let Some(posted_at) = posted_at else { return schedule.to_owned() };
    let words = schedule.split(' ').map(|word| match word.parse::<Timestamp>() {
        Ok(instant) if instant.duration_since(posted_at).abs() < SignedDuration::from_hours(48) => {
            (Timestamp::now() + instant.duration_since(posted_at)).to_string()
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn make_cycle(url: &str) {
    for job in [
        r#"{"name": "x", "schedule": "@every 1h", "executor": "http", "executor_config": {"method": "GET", "url": "http://127.0.0.1:9/x"}}"#,
        r#"{"name": "y", "schedule": "", "parent_job": "x", "executor": "http", "executor_config": {"method": "GET", "url": "http://127.0.0.1:9/x"}}"#,
        r#"{"name": "x", "schedule": "", "parent_job": "y", "executor": "http", "executor_config": {"method": "GET", "url": "http://127.0.0.1:9/x"}}"#,
    ] {
        assert_eq!(http::ask(url, "POST", "/v1/jobs", job).status, 201);
    }
}

/// The recording waited two or three seconds for runs that a request had started: here, for as many as it then saw.
fn wait_for_the_runs(emulator: &Emulator, exchange: &Exchange) {
    let Some(name) = exchange.request.path.strip_prefix("/v1/jobs/").and_then(|rest| rest.split(['/', '?']).next())
    else {
        return;
    };
    let body = &exchange.response.body;
    let count = |job: &Value| Some(job["success_count"].as_u64()? + job["error_count"].as_u64()?);
    let runs = body.as_array().map(|runs| runs.len() as u64).or_else(|| count(body)).unwrap_or(0);
    let begun = Instant::now();
    while emulator.job(name).is_some_and(|job| count(&job) < Some(runs)) && begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    if exchange.scenario.starts_with("after") {
        // A run too many would come at once.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks, and keeps the id of the newest execution that is listed.
fn play(url: &str, exchange: &Exchange, newest: &mut String) -> Vec<String> {
    let Asked { method, path, content_type, body } = &exchange.request;
    // The recorded id is that of the newest execution in the list before.
    let path = match path.rsplit_once("/executions/") {
        Some((job, id)) if id.ends_with("-d1") => format!("{job}/executions/{newest}"),
        _ => path.clone(),
    };
    let answer = http::send(
        url,
        method,
        &path,
        content_type.as_deref().unwrap_or_default(),
        body.as_deref().unwrap_or_default(),
    );
    match answer {
        Ok(answer) => {
            if path.contains("/executions?") || path.ends_with("/executions") {
                let listed = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
                let ids = listed.as_array().into_iter().flatten().filter_map(|execution| execution["id"].as_str());
                newest.clear();
                newest.extend(ids.max());
            }
            compare(&exchange.response, &answer)
        }
        Err(error) => vec![format!("no answer: {error}")],
    }
}

fn compare(recorded: &Answered, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    if recorded.status != answer.status {
        differences.push(format!("status {} and not {}: {}", answer.status, recorded.status, answer.text()));
    }
    let headers = [
        ("content-type", &recorded.content_type),
        ("location", &recorded.location),
        ("x-total-count", &recorded.x_total_count),
        ("x-whom", &recorded.x_whom),
    ];
    for (name, recorded) in headers {
        let found = answer.header(name);
        if found != *recorded {
            differences.push(format!("{name} {found:?} and not {recorded:?}"));
        }
    }
    if answer.header("date").is_none() {
        differences.push("no date".to_owned());
    }
    match recorded.body_is.as_str() {
        "json" => match serde_json::from_slice(&answer.body) {
            Ok(found) => compare_values("", &recorded.body, &found, &mut differences),
            Err(error) => differences.push(format!("no JSON ({error}): {}", answer.text())),
        },
        "text" if recorded.body == answer.text() => {}
        "text" => differences.push(format!("body {:?} and not {}", answer.text(), recorded.body)),
        other => panic!("a body of an unknown kind: {other}"),
    }
    differences
}

fn compare_values(at: &str, recorded: &Value, found: &Value, differences: &mut Vec<String>) {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => {
            for (key, value) in recorded {
                match found.get(key) {
                    Some(found) => compare_values(&format!("{at}.{key}"), value, found, differences),
                    None => differences.push(format!("{at}.{key} is missing")),
                }
            }
            let more = found.keys().filter(|key| !recorded.contains_key(*key));
            differences.extend(more.map(|key| format!("{at}.{key} is too much")));
        }
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            for (index, (recorded, found)) in recorded.iter().zip(found).enumerate() {
                compare_values(&format!("{at}[{index}]"), recorded, found, differences);
            }
        }
        _ if recorded == found || same_shape(at, recorded, found) => {}
        _ => differences.push(format!("{at} {found} and not {recorded}")),
    }
}

/// What differs from run to run: instants near the recording's, identifiers, and groups of executions. And the version of the
/// recorded 4.0.9, which was built without one.
fn same_shape(at: &str, recorded: &Value, found: &Value) -> bool {
    let digits = |text: &str| -> String { text.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect() };
    let key = at.rsplit('.').next();
    match (recorded, found) {
        (Value::String(recorded), Value::String(found)) if key == Some("id") && recorded.len() > 20 => {
            digits(recorded) == digits(found)
        }
        (Value::String(recorded), Value::String(found)) if key == Some("version") && recorded == "devel" => {
            found == Version::V4_0.number()
        }
        (Value::String(recorded), Value::String(found)) if key == Some("date") => {
            let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
            let back = |from: Date, text: &str| {
                let day = text.strip_suffix("T00:00:00Z").and_then(|day| day.parse::<Date>().ok());
                day.map(|day| from.duration_since(day))
            };
            back(RECORDED_ON, recorded) == back(today, found) && recorded.len() == found.len()
        }
        (Value::String(recorded), Value::String(found)) if recorded.starts_with("2026-") => {
            let whole_seconds = |text: &str| !text.contains('.');
            let instant = found.parse::<Timestamp>();
            instant.is_ok_and(|instant| instant.duration_since(Timestamp::now()).abs() < AROUND_NOW)
                && whole_seconds(recorded) == whole_seconds(found)
        }
        (Value::Number(recorded), Value::Number(found)) if key == Some("group") => {
            digits(&recorded.to_string()) == digits(&found.to_string())
        }
        _ => false,
    }
}

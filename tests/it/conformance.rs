//! The emulator against the recordings of a real Dkron 4.0.9: the same answers, value for value.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "waits for runs, compares instants with now, and fails where a test fails"
)]

use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{self, Answer};

/// How far a recorded instant of "now" or "in an hour" may be from this one.
const AROUND_NOW: SignedDuration = SignedDuration::from_hours(2);

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

#[test]
fn every_recorded_exchange() {
    let exchanges: Vec<Exchange> =
        include_str!("../data/exchanges.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exchanges.len(), 129);

    // The recorded job of `runoncreate` asks Dkron's own `/health` on port 8080; here it asks this one.
    let target = Emulator::start(Options::new()).unwrap();
    let mut agreed = 0;
    let mut differences = Vec::new();
    let mut has_cycle = false;
    for scenario in exchanges.chunk_by(|left, right| left.scenario == right.scenario) {
        let emulator = Emulator::start(Options::new().host("127.0.0.1", target.addresses()[0])).unwrap();
        // From here on the recorded store holds the cycle of two parents that could not be deleted any more (FACTS 10).
        has_cycle |= scenario[0].scenario == "metadata-filter";
        if has_cycle {
            make_cycle(&emulator.url());
        }
        for (number, exchange) in scenario.iter().enumerate() {
            wait_for_the_run(&emulator, exchange);
            let found = play(&emulator.url(), exchange);
            if found.is_empty() {
                agreed += 1;
            }
            differences.extend(found.into_iter().map(|difference| {
                let Asked { method, path, .. } = &exchange.request;
                format!("{} {}: {method} {path}: {difference}", exchange.scenario, number + 1)
            }));
        }
    }
    assert!(differences.is_empty(), "{agreed} of 129 agree\n{}", differences.join("\n"));
    assert_eq!(agreed, 129);
}

/// What Dkron said to a schedule.
#[derive(Deserialize)]
struct Verdict {
    name: String,
    schedule: String,
    status: u16,
    error: Option<String>,
    next: Option<String>,
    timezone: Option<String>,
}

/// The verdicts as the API gives them; that each `next` is right from the recorded instant, `schedule.rs` proves.
#[test]
fn every_recorded_schedule() {
    let emulator = Emulator::start(Options::new()).unwrap();
    let mut agreed = 0;
    for line in include_str!("../data/schedules.ndjson").lines() {
        let recorded: Verdict = serde_json::from_str(line).unwrap();
        let job = json!({
            "name": recorded.name,
            "schedule": recorded.schedule,
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
    assert_eq!(agreed, 106);
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

/// The recording waited two seconds after `runoncreate`: here, for what it then saw.
fn wait_for_the_run(emulator: &Emulator, exchange: &Exchange) {
    let runs = exchange.response.body["success_count"].as_i64().unwrap_or(0);
    let begun = Instant::now();
    while exchange.scenario == "runoncreate"
        && emulator.job("a").is_some_and(|job| job["success_count"].as_i64() < Some(runs))
        && begun.elapsed() < Duration::from_secs(5)
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn play(url: &str, exchange: &Exchange) -> Vec<String> {
    let Asked { method, path, content_type, body } = &exchange.request;
    let answer =
        http::send(url, method, path, content_type.as_deref().unwrap_or_default(), body.as_deref().unwrap_or_default());
    match answer {
        Ok(answer) => compare(&exchange.response, &answer),
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

/// What differs from run to run: instants near the recording's, identifiers, and groups of executions.
fn same_shape(at: &str, recorded: &Value, found: &Value) -> bool {
    let digits = |text: &str| -> String { text.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect() };
    let key = at.rsplit('.').next();
    match (recorded, found) {
        (Value::String(recorded), Value::String(found)) if key == Some("id") && recorded.len() > 20 => {
            digits(recorded) == digits(found)
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

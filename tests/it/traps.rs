//! What lint's rules are about really happens: on the emulator, and on a real Dkron where there is one. Each job that is run
//! here is one that lint names.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it waits for runs, and talks to Dkron without the tool"
)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::emulator_runs::Target;
use crate::http;
use crate::server::Server;

/// Runs a job with this configuration to its end.
fn run(server: &Server, config: &Value) -> Value {
    let seen = finished(server).len();
    put(server, "a", "@manually", config);
    let answer = http::ask(&server.node_url(0), "POST", "/v1/jobs/a/run", "");
    assert!(matches!(answer.status, 200 | 202), "{}", answer.status);
    let begun = Instant::now();
    loop {
        let mut executions = finished(server);
        if executions.len() > seen {
            executions.sort_by_key(|execution| execution["started_at"].to_string());
            return executions.remove(seen);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not end: {config}");
        sleep(Duration::from_millis(50));
    }
}

fn finished(server: &Server) -> Vec<Value> {
    let answer = http::get(&server.node_url(0), "/v1/jobs/a/executions");
    let executions = if answer.status == 200 { answer.json() } else { json!([]) };
    let list = executions.as_array().cloned().unwrap_or_default();
    list.into_iter().filter(|execution| execution["finished_at"] != "0001-01-01T00:00:00Z").collect()
}

fn put(server: &Server, name: &str, schedule: &str, config: &Value) {
    server.put(&json!({
        "name": name, "schedule": schedule, "executor": "http", "executor_config": config, "tags": {"server": "true:1"},
    }));
}

/// What lint says to what Dkron holds.
fn named(server: &Server) -> Vec<String> {
    let cli = Cli::new().dkron(server.url()).env("JOBS_LOG_LEVEL", "warn");
    let ran = cli.run(&["lint", "--live", "--output", "json"]);
    let report = ran.json();
    let rules = report["notes"].as_array().expect("a list").iter();
    rules.map(|note| note["rule"].as_str().expect("a rule").to_owned()).collect()
}

#[test]
fn what_the_http_executor_makes_of_it() {
    let server = Server::start();
    let good = Target::start("200 OK");
    let missing = Target::start("404 Not Found");
    let (good_url, missing_url) = (good.url(), missing.url());
    let base = json!({"method": "GET", "url": good_url, "expectCode": "200"});
    let with = |key: &str, value: &str| {
        let mut config = base.clone();
        config[key] = value.into();
        config
    };
    let without = |key: &str| {
        let mut config = base.clone();
        config.as_object_mut().expect("a map").remove(key);
        config
    };
    for (rule, config, success, says) in [
        // A refresh that failed is a success.
        ("expect-code-missing", json!({"method": "GET", "url": missing_url}), true, "ok"),
        ("unknown-executor-key", json!({"method": "GET", "url": missing_url, "expect_code": "200"}), true, "ok"),
        // And one that did not fail is none.
        ("expect-code-never-matches", with("expectCode", "2xx"), false, "does not match the expected code"),
        ("executor-config-missing", without("method"), false, "method is empty"),
        ("executor-config-missing", without("url"), false, "url is empty"),
        ("url-invalid", with("url", "http//cache-manager/refresh"), false, "Get"),
        ("headers-not-a-list", with("headers", "{\"X-A\": \"b\"}"), true, "parsing headers failed"),
        ("timeout-not-seconds", with("timeout", "5m"), true, "using default value of 30"),
        ("debug-leaks-config", with("debug", "false"), true, "\"debug\":\"false\""),
        ("header-value-cut", with("headers", "[\"X-Ref: http://here\"]"), true, "ok"),
    ] {
        let execution = run(&server, &config);
        assert_eq!(execution["success"], success, "{rule}: {execution}");
        let output = execution["output"].as_str().unwrap_or_default();
        assert!(output.contains(says), "{rule}: {output}");
        assert!(named(&server).iter().any(|named| named == rule), "{rule}: {:?}", named(&server));
    }
    let sent = good.requests().pop().expect("a request");
    assert!(sent.contains("X-Ref: http\r\n"), "{sent}");
    // An executor that is not there is taken, and fails.
    server.put(&json!({"name": "a", "schedule": "@manually", "executor": "htpp", "tags": {"server": "true:1"}}));
    assert!(named(&server).contains(&"unknown-executor".to_owned()));
    // Nothing is wrong now, and the run after the next still succeeds.
    assert_eq!(run(&server, &base)["success"], true);
    assert_eq!(named(&server), Vec::<String>::new());
    if !server.is_ours("traps::what_the_http_executor_makes_of_it") {
        return;
    }
    // One header without a colon, and the node's next run of another job fails. Dkron says so from 4.1 on (FACTS 32).
    assert_eq!(run(&server, &with("headers", "[\"no colon\"]"))["success"], false);
    assert!(named(&server).contains(&"header-without-colon".to_owned()));
    assert_eq!(run(&server, &base)["success"], false);
    let health = http::get(&server.node_url(0), "/health");
    let is_told = server.version().starts_with("4.1.");
    assert_eq!(health.status, if is_told { 503 } else { 200 }, "{}", health.text());
    assert!(!is_told || health.text().contains("plugin executor-http has exited"), "{}", health.text());
}

#[test]
fn what_the_scheduler_makes_of_it() {
    let server = Server::start();
    let target = Target::start("200 OK");
    let config = json!({"method": "GET", "url": target.url(), "expectCode": "200", "timeout": "1"});
    for (name, schedule) in [("nothing", "@every 0s"), ("less", "@every -1h"), ("parts", "@every 500ms")] {
        put(&server, name, schedule, &config);
    }
    put(&server, "never", "0 0 0 30 2 *", &config);
    put(&server, "past", "@at 2020-01-01T00:00:00Z", &config);
    let mut rules = named(&server);
    rules.sort();
    let expected = [
        "schedule-every-second",
        "schedule-every-second",
        "schedule-every-second",
        "schedule-never-runs",
        "schedule-never-runs",
    ];
    assert_eq!(rules, expected);
    assert_eq!(server.job("never").expect("a job")["next"], "0001-01-01T00:00:00Z");
    sleep(Duration::from_millis(4_500));
    for name in ["nothing", "less", "parts"] {
        let runs = http::get(&server.node_url(0), &format!("/v1/jobs/{name}/executions")).json();
        let runs = runs.as_array().map_or(0, Vec::len);
        assert!((3..=6).contains(&runs), "{name} ran {runs} times in four seconds and a half");
    }
    for name in ["never", "past"] {
        let answer = http::get(&server.node_url(0), &format!("/v1/jobs/{name}/executions"));
        let runs = if answer.status == 200 { answer.json().as_array().map_or(0, Vec::len) } else { 0 };
        assert_eq!(runs, 0, "{name}");
    }
}

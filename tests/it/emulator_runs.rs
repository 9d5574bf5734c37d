//! The emulator's runs: it really schedules, and really sends, by the http executor's rules.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a target for http jobs, waiting for runs, and failing where a test fails"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options, RestartOptions};
use serde_json::{Value, json};

use crate::emulator::{eventually, job, start, with};
use crate::http;

/// What a target of http jobs got, and what it answers.
pub(crate) struct Target {
    address: SocketAddr,
    got: Arc<Mutex<Vec<String>>>,
}

impl Target {
    pub(crate) fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&got);
        // Ends with the process: it blocks in `accept`.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = [0; 4096];
                let mut read = 0;
                while !bytes[..read].windows(4).any(|window| window == b"\r\n\r\n") {
                    read += stream.read(&mut bytes[read..]).unwrap();
                }
                seen.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").as_bytes()).unwrap();
            }
        });
        Self { address, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/refresh", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn job(&self, name: &str, schedule: &str) -> Value {
        json!({
            "name": name,
            "schedule": schedule,
            "executor": "http",
            "executor_config": { "method": "GET", "url": self.url(), "expectCode": "200" },
        })
    }
}

#[test]
fn a_real_run_in_flight_undoes_an_update() {
    let target = Target::start("200 OK");
    let emulator = Emulator::start(Options::new().run_window(Duration::from_millis(500))).unwrap();
    emulator.put(&target.job("a", "@manually")).unwrap();
    let url = emulator.url();
    let run = std::thread::spawn(move || http::ask(&url, "POST", "/v1/jobs/a/run", "").status);
    std::thread::sleep(Duration::from_millis(150));
    http::post(&emulator.url(), &with(target.job("a", "@manually"), "owner", "new"));
    assert_eq!(emulator.job("a").unwrap()["owner"], "new");
    assert_eq!(run.join().unwrap(), 200);
    assert_eq!(emulator.job("a").unwrap()["owner"], "");
}

#[test]
fn it_schedules_and_an_upsert_restarts_every() {
    let target = Target::start("200 OK");
    let emulator = start();
    emulator.put(&target.job("untouched", "@every 2s")).unwrap();
    emulator.put(&target.job("posted", "@every 2s")).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(http::post(&emulator.url(), &target.job("posted", "@every 2s")).status, 201);
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut runs = emulator.executions("untouched");
    // One may be under way just now.
    runs.retain(|run| run["finished_at"] != "0001-01-01T00:00:00Z");
    assert!(runs.len() >= 2, "{} runs in 5 s", runs.len());
    assert!(runs.iter().all(|run| run["success"] == true && run["output"] == "ok"), "{runs:?}");
    assert_eq!(emulator.executions("posted"), [json!(null); 0], "a job that is posted all the time never runs");
    assert!(target.requests()[0].contains("User-Agent: Go-http-client/1.1"));
}

#[test]
fn the_http_executor() {
    let good = Target::start("200 OK");
    let missing = Target::start("404 Not Found");
    let emulator = Emulator::start(Options::new().host("cache-manager.shop.svc", good.address)).unwrap();
    let run = |config: Value| -> Value {
        emulator.put(&with(job("a"), "executor_config", config)).unwrap();
        assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/a/run", "").status, 200);
        emulator.executions("a").remove(0)
    };
    let ends = |config: Value, success: bool, output: &str| {
        let execution = run(config.clone());
        assert_eq!(execution["success"], success, "{config}: {execution}");
        let found = execution["output"].as_str().unwrap_or_default();
        assert!(found.contains(output), "{config}: {found}");
    };
    ends(json!({ "method": "GET", "url": missing.url() }), true, "ok");
    ends(json!({ "method": "GET", "url": missing.url(), "expectCode": "200,404" }), true, "ok");
    ends(
        json!({ "method": "GET", "url": missing.url(), "expectCode": "2xx" }),
        false,
        "does not match the expected code",
    );
    ends(json!({ "method": "GET", "url": good.url(), "expectBody": "^o.$" }), true, "ok");
    ends(json!({ "method": "GET", "url": good.url(), "expectBody": "no" }), false, "did not match the expected body");
    ends(
        json!({ "method": "GET", "url": good.url(), "headers": "{\"a\": \"b\"}" }),
        true,
        "Error: parsing headers failed",
    );
    ends(json!({ "method": "GET", "url": good.url(), "timeout": "30s" }), true, "using default value of 30");
    ends(
        json!({ "method": "GET", "url": good.url(), "debug": "false" }),
        true,
        "Config: map[string]string{\"debug\":\"false\"",
    );
    ends(json!({ "method": "GET", "url": "http://127.0.0.1:1/" }), false, "connection refused");
    ends(json!({ "method": "GET", "url": "http://example.com/" }), false, "no such host");
    ends(json!({ "method": "GET", "url": "http://cache-manager.shop.svc:8080/x" }), true, "ok");
    ends(json!({ "method": "GET" }), false, "url is empty");

    ends(
        json!({ "method": "POST", "url": good.url(), "headers": "[\"X-Ref: http://here\", \"Host: other\"]" }),
        true,
        "ok",
    );
    let sent = good.requests().pop().unwrap();
    assert!(sent.starts_with("POST /refresh HTTP/1.1\r\n") && sent.contains("X-Ref: http\r\n"), "{sent}");
    assert!(sent.contains(&format!("Host: {}\r\n", good.address)), "{sent}");

    ends(json!({ "method": "GET", "url": good.url(), "headers": "[\"no colon\"]" }), false, "EOF");
    ends(json!({ "method": "GET", "url": good.url() }), false, "connection refused");
    assert_eq!(http::get(&emulator.url(), "/v1/leader").status, 200);
    emulator.restart(RestartOptions::new().replay(Duration::ZERO).leader_after(Duration::ZERO));
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    ends(json!({ "method": "GET", "url": good.url() }), true, "ok");
}

#[test]
fn a_timeout_ends_a_run() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = start();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let config = json!({ "method": "GET", "url": url, "timeout": "1" });
    emulator.put(&with(job("a"), "executor_config", config)).unwrap();
    let base = emulator.url();
    let run = std::thread::spawn(move || http::ask(&base, "POST", "/v1/jobs/a/run", "").status);
    eventually("it is busy", || http::get(&emulator.url(), "/v1/busy").header("x-total-count").unwrap() == "1");
    assert_eq!(emulator.executions("a")[0]["finished_at"], "0001-01-01T00:00:00Z");
    assert_eq!(run.join().unwrap(), 200);
    let output = emulator.executions("a")[0]["output"].to_string();
    assert!(output.contains("context deadline exceeded"), "{output}");
    assert_eq!(http::get(&emulator.url(), "/v1/busy").json(), json!([]));
}

#[test]
fn children_run_after_their_parent_and_retries_after_a_failure() {
    let target = Target::start("200 OK");
    let emulator = start();
    let parent = with(target.job("p", "@manually"), "dependent_jobs", json!(["c"]));
    emulator.put(&parent).unwrap();
    emulator.put(&with(target.job("c", ""), "parent_job", "p")).unwrap();
    assert_eq!(emulator.job("p").unwrap()["dependent_jobs"], json!(["c", "c"]));
    assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/p/run", "").status, 200);
    assert_eq!(emulator.executions("c").len(), 2, "posted dependents run the child twice");

    let failing = with(with(job("f"), "retries", 2), "executor", "nope");
    emulator.put(&failing).unwrap();
    assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/f/run", "").status, 200);
    let attempts: Vec<_> = emulator.executions("f").iter().map(|run| run["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [3, 2, 1]);
    assert_eq!((emulator.job("f").unwrap()["status"].as_str(), emulator.writes()), (Some("failed"), 2));
}

#[test]
fn a_run_needs_a_node_of_its_tags_and_an_enabled_job() {
    let target = Target::start("200 OK");
    let emulator = Emulator::start(Options::new().nodes(3)).unwrap();
    let run = |name: &str| http::ask(&emulator.url(), "POST", &format!("/v1/jobs/{name}/run"), "").status;
    for (name, tags, status, runs) in [
        ("everywhere", json!({}), 200, 3),
        ("one", json!({ "server": "true:1" }), 200, 1),
        ("nowhere", json!({ "server": "false" }), 404, 0),
    ] {
        emulator.put(&with(target.job(name, "@manually"), "tags", tags)).unwrap();
        assert_eq!((run(name), emulator.executions(name).len()), (status, runs), "{name}");
    }
    emulator.put(&with(target.job("off", "@manually"), "disabled", true)).unwrap();
    assert_eq!(run("off"), 404);
}

#[test]
fn forbid_sticks_after_a_kill_in_mid_run() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::start("200 OK");
    let emulator = start();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let config = json!({ "method": "GET", "url": url });
    let stuck = with(with(with(job("a"), "executor_config", config), "concurrency", "forbid"), "schedule", "@every 1s");
    emulator.put(&stuck).unwrap();
    eventually("it runs", || emulator.executions("a").len() == 1);
    emulator.restart(RestartOptions::new().replay(Duration::ZERO).leader_after(Duration::ZERO));
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    let well = with(target.job("a", "@every 1s"), "concurrency", "forbid");
    assert_eq!(http::post(&emulator.url(), &well).status, 201);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(emulator.executions("a").len(), 1, "it never runs again");
    assert_eq!(http::get(&emulator.url(), "/v1/busy").json(), json!([]));
    let next: jiff::Timestamp = emulator.job("a").unwrap()["next"].as_str().unwrap().parse().unwrap();
    assert!(next < jiff::Timestamp::now());

    assert!(emulator.delete("a"));
    emulator.put(&well).unwrap();
    eventually("it runs", || emulator.executions("a").iter().any(|run| run["success"] == true));
}

#[test]
fn stuck_and_unscheduled_at_a_word() {
    let emulator = start();
    let job = with(with(job("a"), "schedule", "@every 1s"), "concurrency", "forbid");
    emulator.put(&job).unwrap();
    emulator.stick("a");
    let past = || emulator.job("a").unwrap()["next"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(past() < jiff::Timestamp::now());
    assert_eq!(emulator.executions("a")[0]["finished_at"], "0001-01-01T00:00:00Z");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(emulator.executions("a").len(), 1);

    emulator.put(&with(job.clone(), "name", "b")).unwrap();
    assert!(emulator.is_scheduled("b"));
    emulator.unschedule("b");
    assert!(!emulator.is_scheduled("b"));
}

#[test]
fn a_stuck_parent_heals_once_its_child_is_parked() {
    let target = Target::start("200 OK");
    let emulator = start();
    let url = emulator.url();
    let parent = with(target.job("p", "@every 1s"), "concurrency", "forbid");
    let child = with(target.job("c", ""), "parent_job", "p");
    let parked = target.job("c", "@manually");
    emulator.put(&parent).unwrap();
    emulator.put(&child).unwrap();
    eventually("both have run", || emulator.executions("c").iter().any(|run| run["success"] == true));
    emulator.stick("p");
    assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/p", "").status, 404, "it has a child");

    let runs = emulator.executions("c").len();
    assert_eq!(http::post(&url, &parked).status, 201);
    assert_eq!(emulator.job("p").unwrap()["dependent_jobs"], json!(null));
    assert!(emulator.executions("c").len() >= runs, "a parked child keeps its history");
    assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/p", "").status, 200);
    assert_eq!((http::post(&url, &parent).status, http::post(&url, &child).status), (201, 201));
    assert_eq!(emulator.job("p").unwrap()["dependent_jobs"], json!(["c"]));
    eventually("the parent runs", || emulator.executions("p").iter().any(|run| run["success"] == true));
}

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

use dkron_emulator::{Emulator, Options, RestartOptions, Version};
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

#[test]
fn an_execution_that_never_ended_blocks_forbid_until_it_is_stale() {
    let target = Target::start("200 OK");
    for (version, heals) in [(Version::V4_1, true), (Version::V4_0, false)] {
        let hour = Duration::from_hours(1);
        let emulator = Emulator::start(Options::new().version(version).stale_after(hour)).unwrap();
        emulator.put(&with(target.job("a", "@every 1s"), "concurrency", "forbid")).unwrap();
        emulator.stick("a");
        emulator.age("a", Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(2200));
        let runs = emulator.executions("a");
        assert_eq!(runs.len() > 1, heals, "{version:?}");
        if heals {
            let ended = runs.last().unwrap();
            assert_eq!(ended["success"], false);
            let words = "\nExecution marked as failed: detected as stale (not active on any node)";
            assert_eq!(ended["output"], words);
            assert_ne!(ended["finished_at"], "0001-01-01T00:00:00Z");
            assert_eq!(emulator.job("a").unwrap()["error_count"], 1);
        }
    }
    // Within that time a restart cleans nothing; past it a leader ends it at once, whenever the job is due.
    let emulator = start();
    emulator.put(&with(target.job("a", "@yearly"), "concurrency", "forbid")).unwrap();
    emulator.stick("a");
    for (older, finished) in [(2, false), (2, true)] {
        emulator.age("a", Duration::from_hours(older));
        emulator.set_leader(0);
        assert_eq!(emulator.executions("a")[0]["finished_at"] != "0001-01-01T00:00:00Z", finished);
    }
}

#[test]
fn deleting_executions_heals_forbid_and_keeps_the_rest() {
    let target = Target::start("200 OK");
    let emulator = start();
    let url = emulator.url();
    emulator.put(&with(target.job("a", "@every 1s"), "concurrency", "forbid")).unwrap();
    eventually("it has run", || emulator.job("a").unwrap()["success_count"] == 1);
    emulator.stick("a");
    let answer = http::ask(&url, "DELETE", "/v1/jobs/a/executions", "");
    assert_eq!((answer.status, answer.json()["success_count"].as_i64()), (200, Some(0)));
    eventually("it runs again", || emulator.job("a").unwrap()["success_count"].as_i64() > Some(0));
    assert_eq!(emulator.writes(), 1);
    assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/nobody/executions", "").status, 500);
}

#[test]
fn an_executor_that_has_exited_is_in_health_until_a_restart() {
    let target = Target::start("200 OK");
    let emulator = Emulator::start(Options::new().nodes(2)).unwrap();
    let health = |node: usize| {
        let answer = http::get(&emulator.node_url(node), "/health");
        (answer.status, answer.text())
    };
    assert_eq!(health(0), (200, "{\"leader\":true,\"status\":\"healthy\"}".to_owned()));
    assert_eq!(health(1), (200, "{\"leader\":false,\"status\":\"healthy\"}".to_owned()));
    // A header without a colon ends it.
    let mut broken = target.job("broken", "@manually");
    broken["executor_config"]["headers"] = "[\"no colon\"]".into();
    broken["tags"] = json!({ "port": "6869" });
    emulator.put(&broken).unwrap();
    assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/broken/run", "").status, 200);
    emulator.exit_executor(0, "shell");
    let issue = |executor: &str, leader: bool| {
        let text = json!({ "issues": [format!("plugin executor-{executor} has exited")], "leader": leader, "status": "unhealthy" });
        (503, text.to_string())
    };
    assert_eq!((health(0), health(1)), (issue("shell", true), issue("http", false)));
    emulator.restart(RestartOptions::new());
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    assert_eq!((health(0).0, health(1).0), (200, 200));

    let old = Emulator::start(Options::new().version(Version::V4_0)).unwrap();
    old.exit_executor(0, "http");
    assert_eq!(http::get(&old.url(), "/health").text(), "{\"status\":\"healthy\"}");
}

#[test]
fn one_execution_by_its_id() {
    for (version, zone, missing) in [(Version::V4_1, "Z", 404), (Version::V4_0, "+09:00", 200)] {
        let emulator = Emulator::start(Options::new().version(version)).unwrap();
        let url = emulator.url();
        emulator.put(&with(with(job("a"), "timezone", "Asia/Tokyo"), "executor", "nope")).unwrap();
        assert_eq!(http::ask(&url, "POST", "/v1/jobs/a/run", "").status, 200);
        let id = emulator.executions("a")[0]["id"].as_str().unwrap().to_owned();
        let one = http::get(&url, &format!("/v1/jobs/a/executions/{id}")).json();
        assert_eq!(one["id"], id);
        assert!(one["started_at"].as_str().unwrap().ends_with(zone), "{version:?}: {one}");
        let unknown = http::get(&url, "/v1/jobs/a/executions/nope");
        assert_eq!((unknown.status, unknown.text().as_str()), (missing, ""), "{version:?}");
    }
}

#[test]
fn retries_of_a_stream_that_broke() {
    for (version, runs) in [(Version::V4_1, 2), (Version::V4_0, 1)] {
        let emulator = Emulator::start(Options::new().version(version)).unwrap();
        emulator.put(&with(with(job("a"), "retries", 1), "executor", "")).unwrap();
        assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/a/run", "").status, 200);
        assert_eq!(emulator.executions("a").len(), runs, "{version:?}");
    }
}

#[test]
fn the_shell_executor() {
    let emulator = Emulator::start(Options::new().shell()).unwrap();
    let run = |config: Value| {
        let job = json!({ "name": "a", "schedule": "@manually", "executor": "shell", "executor_config": config });
        emulator.put(&job).unwrap();
        assert_eq!(http::ask(&emulator.url(), "POST", "/v1/jobs/a/run", "").status, 200);
        let run = emulator.executions("a").remove(0);
        (run["success"].as_bool().unwrap(), run["output"].as_str().unwrap_or_default().to_owned())
    };
    let is = |success: bool, output: &str| (success, output.to_owned());
    // Each as a real Dkron 4.1.2 answered it.
    let config = json!({ "command": "echo $FOO $ENV_JOB_NAME; pwd; exit 3", "shell": "true", "env": "FOO=bar,X=y", "cwd": "/usr" });
    assert_eq!(run(config), is(false, "exit status 3\nbar a\n/usr\n"));
    assert_eq!(run(json!({ "command": "echo a >&2; echo b", "shell": "true" })), is(true, "a\nb\n"));
    assert_eq!(run(json!({ "command": "echo \"a  b\" c\\ d 'e f' $HOME" })), is(true, "a  b c d e f $HOME\n"));
    assert_eq!(run(json!({ "command": "echo a; echo b" })), is(true, "a\n"));
    assert_eq!(run(json!({ "command": "echo \"a" })), is(false, "invalid command line string\n"));
    assert_eq!(run(json!({ "command": "" })), is(false, "shell: Command missing\n"));
    let missing = "exec: \"nosuchprog\": executable file not found in $PATH\n";
    assert_eq!(run(json!({ "command": "nosuchprog a" })), is(false, missing));
    assert_eq!(run(json!({ "command": "kill -9 $$", "shell": "1" })), is(false, "signal: killed\n"));
    let begun = Instant::now();
    let killed =
        "signal: killed\nshell: Job 'sleep 30; echo x' execution time exceeding defined timeout 1s. Job was killed";
    assert_eq!(run(json!({ "command": "sleep 30; echo x", "shell": "true", "timeout": "1s" })), is(false, killed));
    assert!(begun.elapsed() < Duration::from_secs(10), "its children are killed, too");

    let other = start();
    other.put(&json!({ "name": "a", "schedule": "@manually", "executor": "shell", "executor_config": {} })).unwrap();
    assert_eq!(http::ask(&other.url(), "POST", "/v1/jobs/a/run", "").status, 200);
    assert_eq!(other.executions("a")[0]["success"], false, "only where it was asked for");
}

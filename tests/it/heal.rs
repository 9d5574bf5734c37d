//! Healing, through the binary: a Dkron that was killed in mid-run does not run those jobs any more, until `apply` heals them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Fault, RestartOptions, Rule};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::report::conforms;
use crate::rig::{Rig, child, job};
use crate::server::Server;

/// What http jobs call: it holds their requests without an answer until it is opened.
struct Gate {
    address: SocketAddr,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let open = Arc::new(AtomicBool::new(false));
        let (is_open, held) = (Arc::clone(&open), Mutex::new(Vec::<TcpStream>::new()));
        // Ends with the process: it blocks in `accept`.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if is_open.load(Ordering::SeqCst) {
                    // The request fits into one segment.
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                } else {
                    held.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
                }
            }
        });
        Self { address, open }
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    fn job(&self, name: &str, schedule: &str, concurrency: &str) -> Value {
        json!({
            "name": name, "schedule": schedule, "concurrency": concurrency, "executor": "http", "tags": {"server": "true:1"},
            "executor_config": {"method": "GET", "url": format!("http://{}/", self.address), "timeout": "3", "expectCode": "200"},
        })
    }

    /// A job that a killed Dkron leaves stuck.
    fn forbid(&self, name: &str) -> Value {
        self.job(name, "@every 2s", "forbid")
    }

    fn child(&self, name: &str, parent: &str) -> Value {
        let mut job = self.job(name, "", "allow");
        job["parent_job"] = parent.into();
        job
    }
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        thread::sleep(Duration::from_millis(50));
    }
}

fn executions(server: &Server, name: &str) -> Vec<Value> {
    server.get(&format!("/v1/jobs/{name}/executions")).as_array().cloned().unwrap_or_default()
}

fn succeeded(server: &Server, name: &str) -> bool {
    executions(server, name).iter().any(|execution| execution["success"] == true)
}

fn mentions(list: &Value, name: &str) -> usize {
    let name = format!("`{name}`");
    list.as_array()
        .expect("a list")
        .iter()
        .filter(|text| text.as_str().is_some_and(|text| text.contains(&name)))
        .count()
}

fn report<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["jobs"].as_array().expect("jobs").iter().find(|job| job["name"] == name).expect("the job")
}

const STUCK: [&str; 5] = ["alone", "by-hand", "mixed", "parent", "theirs"];

#[test]
#[expect(clippy::too_many_lines, reason = "one story, and each step needs what the step before left behind")]
fn a_dkron_killed_in_mid_run_runs_again() {
    let mut server = Server::start();
    if !server.is_ours("heal::a_dkron_killed_in_mid_run_runs_again") {
        return;
    }
    let gate = Gate::closed();
    let hour = Timestamp::now().to_zoned_datetime(TimeZone::UTC).hour();
    let text = |jobs: &[Value]| Value::from(jobs.to_vec()).to_string();
    let ours = [
        gate.forbid("alone"),
        gate.forbid("parent"),
        gate.child("a-child", "parent"),
        gate.child("z-child", "parent"),
        gate.child("deep", "a-child"),
        gate.forbid("mixed"),
    ];
    // Dkron gives it a `next` without a thought for its zone, and schedules it with one: it is late all day, and well.
    let mut zoned = gate.job("zoned", &format!("* * {hour},{} * * *", (hour + 1) % 24), "allow");
    zoned["timezone"] = "Asia/Tokyo".into();
    let documents: Vec<_> = ours.iter().chain([&zoned]).map(ToString::to_string).collect();
    let cli = Cli::new()
        .dkron(server.url())
        .env("JOBS_LOG_LEVEL", "warn")
        .env("JOBS_NO_LINT", "true")
        .file("jobs-templates/ours.yaml", documents.join("\n---\n"))
        .file("other/theirs.yaml", gate.forbid("theirs").to_string())
        .file("by-hand.json", text(&[gate.forbid("by-hand"), gate.child("child-by-hand", "mixed")]));
    let _ = cli.run(&["apply", "--release", "other", "--templates", "other"]).ok();
    let _ = cli.run(&["apply"]).ok();
    let _ = cli.run(&["restore", "by-hand.json"]).ok();
    eventually("all of them run", || server.get("/v1/busy").as_array().map(Vec::len) == Some(STUCK.len()));
    server.restart();
    let _ = cli.run(&["wait"]).ok();
    gate.open();
    server.wait_until_late(&STUCK);
    server.wait_until_late(&["zoned"]);
    for name in STUCK {
        assert_eq!(executions(&server, name).len(), 1, "{name} is stuck");
    }
    server.requests();

    // Everybody who looks is told, and nothing is written.
    let checked = cli.run(&["check", "--output", "json"]).exits(7).json();
    conforms(&checked);
    let planned = cli.run(&["plan", "--exit-code", "--output", "json"]).exits(3).json();
    // A 4.1 deletes executions instead of jobs, so that no child is in the way.
    let forgets = server.version().starts_with("4.1");
    let count = json!(if forgets { 3 } else { 2 });
    assert_eq!((&planned["summary"]["updated"], &planned["summary"]["healed"]), (&count, &count), "{planned:#}");
    let off = cli.run(&["apply", "--heal-stuck=false", "--output", "json"]).ok().json();
    assert_eq!((&off["summary"]["updated"], &off["summary"]["unchanged"]), (&json!(0), &json!(7)), "{off:#}");
    for name in ["alone", "mixed", "parent"] {
        assert_eq!((mentions(&checked["errors"], name), mentions(&off["warnings"], name)), (1, 1), "{name}");
    }
    for name in ["theirs", "by-hand"] {
        assert_eq!(mentions(&planned["warnings"], name), 1, "{name}: {planned:#}");
    }
    for name in ["mixed", "child-by-hand"] {
        assert_eq!(mentions(&planned["warnings"], name), usize::from(!forgets), "{planned:#}");
    }
    assert_eq!(server.writes(), Vec::<String>::new());

    let before: Vec<_> = STUCK.iter().chain(&["child-by-hand"]).map(|name| server.job(name)).collect();
    let applied = cli.run(&["apply", "--drift", "keep", "--prune=false", "--output", "json"]).ok().json();
    conforms(&applied);
    assert_eq!((&applied["summary"]["updated"], &applied["summary"]["healed"]), (&count, &count), "{applied:#}");
    let parent = report(&applied, "parent");
    assert_eq!(
        (&parent["action"], &parent["outcome"], &parent["changes"]),
        (&json!("update"), &json!("done"), &json!([]))
    );
    let why = parent["reasons"][0].as_str().expect("a reason");
    let how = if forgets {
        "never ended; its executions are deleted, with their history"
    } else {
        "never ended; deleted and created again, `a-child`, `z-child` set aside meanwhile"
    };
    assert!(why.starts_with("stuck since 20") && why.ends_with(how), "{why}");
    let mut writes = server.writes();
    writes.sort();
    let forgotten = ["alone", "mixed", "parent"].map(|name| format!("DELETE /v1/jobs/{name}/executions"));
    let anew = [
        "DELETE /v1/jobs/alone",
        "DELETE /v1/jobs/parent",
        "POST /v1/jobs a-child",
        "POST /v1/jobs a-child",
        "POST /v1/jobs alone",
        "POST /v1/jobs parent",
        "POST /v1/jobs z-child",
        "POST /v1/jobs z-child",
    ]
    .map(str::to_owned);
    assert_eq!(writes, if forgets { forgotten.to_vec() } else { anew.to_vec() });

    for name in ["alone", "parent", "a-child", "z-child", "deep"] {
        eventually(&format!("{name} runs again"), || succeeded(&server, name));
    }
    let after: Vec<_> = STUCK.iter().chain(&["child-by-hand"]).map(|name| server.job(name)).collect();
    for (before, after) in before.iter().zip(&after).filter(|(job, _)| {
        let is_healed = |job: &Value| {
            ["alone", "parent", "mixed", "child-by-hand"][..if forgets { 4 } else { 2 }]
                .iter()
                .any(|name| job["name"] == *name)
        };
        job.as_ref().is_some_and(|job| !is_healed(job))
    }) {
        assert_eq!(before, after, "what is not healed is left alone");
    }
    let mut dependents =
        server.job("parent").expect("the parent")["dependent_jobs"].as_array().expect("children").clone();
    dependents.sort_by_key(Value::to_string);
    assert_eq!(dependents, ["a-child", "z-child"], "each stands there once");
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(server.writes(), Vec::<String>::new(), "the next run has nothing to do");

    if forgets {
        eventually("mixed runs again", || succeeded(&server, "mixed"));
        let _ = cli.run(&["check"]).ok();
        return;
    }
    // The child that was in the way goes: the last one is healed.
    let ran = cli.run(&["check"]).exits(7);
    assert!(ran.stdout.contains("error: job `mixed` does not run as it is stored: stuck since 20"), "{ran}");
    server.delete("child-by-hand");
    let healed = cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!(healed["summary"]["healed"], 1, "{healed:#}");
    eventually("mixed runs again", || succeeded(&server, "mixed"));
    let _ = cli.run(&["check"]).ok();
}

/// A job that an execution an hour ago blocks.
fn forbid(rig: &Rig, name: &str) {
    rig.cli.write(&format!("jobs-templates/{name}.yaml"), format!("concurrency: forbid\n{}", job(name, "1")));
}

/// The requests of the last run.
fn requests(rig: &Rig) -> Vec<String> {
    let journal = rig.emulator.journal();
    rig.emulator.clear_journal();
    journal.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}

#[test]
fn nothing_more_is_asked_where_nothing_is_late() {
    let rig = Rig::applied(&["a", "b"]);
    forbid(&rig, "c");
    rig.cli.write("jobs-templates/d.yaml", job("d", "1").replace("@yearly", "@manually"));
    rig.cli.write("jobs-templates/e.yaml", format!("disabled: true\n{}", job("e", "1")));
    rig.cli.write("jobs-templates/f.yaml", child("f", "a"));
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.clear_journal();
    let _ = rig.cli.run(&["apply"]).ok();
    let ordinary = requests(&rig);
    assert_eq!(ordinary, ["GET /v1/leader", "POST /v1/jobs", "GET /debug/vars", "GET /v1/jobs", "GET /v1/leader"]);
    // An old `next` after a restart of a job that nothing can block.
    for name in ["a", "b", "d", "e", "f"] {
        rig.emulator.age(name, Duration::from_hours(24 * 400));
    }
    let _ = rig.cli.run(&["apply"]).ok();
    assert_eq!(requests(&rig), ordinary);
    // What is in flight is asked for once, and the executions of each job that `forbid` may block.
    rig.emulator.age("c", Duration::from_hours(24 * 400));
    let _ = rig.cli.run(&["apply"]).ok();
    let asked = requests(&rig);
    assert_eq!(asked[..5], ordinary[..]);
    assert_eq!(asked[5..], ["GET /v1/busy", "GET /v1/jobs/c/executions?output_size_limit=0"]);
}

#[test]
fn a_job_that_is_not_scheduled_is_posted_once() {
    let rig = Rig::applied(&["a", "b"]);
    rig.emulator.unschedule("a");
    let ran = rig.cli.run(&["check"]).exits(7);
    assert!(ran.stdout.contains("error: job `a` does not run as it is stored: not scheduled: "), "{ran}");
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    conforms(&ran);
    let count = |key: &str| ran["summary"][key].clone();
    assert_eq!(["updated", "rescheduled", "healed"].map(count), [json!(1), json!(1), json!(0)], "{ran:#}");
    assert!(rig.emulator.is_scheduled("a"));
    assert_eq!((rig.writes_of("a"), rig.writes_of("b")), (1, 0));
    // Its `next` lies in the past until it runs, and posting it again would put that off (FACTS 7).
    let _ = rig.cli.run(&["apply"]).ok();
    let _ = rig.cli.run(&["check"]).ok();
    assert_eq!(rig.writes_of("a"), 1);
}

#[test]
fn a_run_in_flight_is_not_taken_for_stuck() {
    let gate = Gate::closed();
    let rig = Rig::new(&[]);
    let mut slow = gate.forbid("slow");
    slow["executor_config"]["timeout"] = "60".into();
    rig.cli.write("jobs-templates/slow.yaml", slow.to_string());
    let _ = rig.cli.run(&["apply"]).ok();
    eventually("it runs", || rig.emulator.executions("slow").len() == 1);
    // For longer than it may, and still it is in flight: `/v1/busy` says so.
    rig.emulator.age("slow", Duration::from_secs(90));
    rig.emulator.clear_journal();
    let ran = rig.cli.run(&["apply"]).ok();
    assert!(ran.stdout.contains("nothing to do"), "{ran}");
    // Nobody lists it after a change of leaders, and it may still be running on another node.
    rig.emulator.restart(RestartOptions::new());
    rig.emulator.age("slow", Duration::from_secs(90));
    let unfinished = || rig.emulator.executions("slow")[0]["started_at"].clone();
    assert!(unfinished().is_string());
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.age("slow", Duration::from_hours(1));
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!(ran["summary"]["healed"], 1, "{ran:#}");
}

#[test]
fn what_cannot_be_found_out_is_said_and_keeps_nothing_from_being_done() {
    let rig = Rig::applied(&["a"]);
    forbid(&rig, "c");
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.stick("c");
    for path in ["/v1/busy", "/debug/vars", "/v1/jobs/c/executions"] {
        let blocked = || Rule::new(Fault::bad_gateway()).method("GET").path(path);
        rig.emulator.inject(blocked().always());
        rig.change("a");
        let ran = rig.cli.run(&["apply", "--heal-stuck=false", "--output", "json"]).ok().json();
        let said = ran["warnings"].to_string();
        assert!(said.contains(&format!("could not be told: GET {path} answered 502")) || path != "/v1/busy", "{ran:#}");
        assert!(said.contains("answered 502"), "{ran:#}");
        assert_eq!(rig.version("a"), "2");
        rig.cli.write("jobs-templates/a.yaml", job("a", "1"));
        let _ = rig.cli.run(&["apply", "--heal-stuck=false"]).ok();
        rig.emulator.clear_faults();
        // Three bad answers are no reason to give up.
        rig.emulator.inject(blocked().times(3));
        let ran = rig.cli.run(&["check"]).exits(7);
        assert!(!ran.stdout.contains("could not be told"), "{ran}");
        rig.struck();
    }
}

//! `status` through the binary: what it says of jobs in every state, and how it ends.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options};
use jiff::{SignedDuration, Timestamp};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};
use crate::http;
use crate::openmetrics;
use crate::rig::{Rig, signal};
use crate::server::Server;

const SCHEMA: &str = include_str!("../../schemas/status.schema.json");
const TABLE: &str = "name,soft_ttl,hard_ttl,enabled\nfresh,300,600,true\nlate,300,600,true\nstale,300,600,true\nnew,300,600,true\nstuck,300,600,true\nidle,300,600,true\nnobody,300,600,true\nunwanted,300,600,false\n";

pub(crate) fn validator() -> Validator {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
    jsonschema::draft202012::new(&schema).expect("the schema can be used")
}

/// A status as a run printed it, which must be what the schema says.
#[track_caller]
fn status(ran: &Ran) -> Value {
    let status = ran.json();
    let errors: Vec<_> = validator().iter_errors(&status).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{status:#}");
    status
}

#[track_caller]
fn of<'s>(status: &'s Value, part: &str, name: &str) -> &'s Value {
    let list = status[part].as_array().expect("a list");
    list.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {status:#}"))
}

fn states(status: &Value, part: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    status[part].as_array().expect("a list").iter().map(|entry| (text(&entry["name"]), text(&entry["state"]))).collect()
}

fn ago(seconds: i64) -> String {
    Timestamp::now().saturating_sub(SignedDuration::from_secs(seconds)).expect("an instant").to_string()
}

/// A job that does not run during a test, and whose last success was so many seconds ago: Dkron keeps what is posted (FACTS 8).
fn aged(name: &str, age: Option<i64>) -> Value {
    json!({
        "name": format!("refresh-{name}"), "schedule": "0 0 0 1 1 *", "executor": "http",
        "executor_config": {"method": "GET", "url": "http://127.0.0.1:9/x", "timeout": "3"},
        "metadata": {"cache_param": name}, "last_success": age.map(ago), "success_count": 7,
    })
}

/// A target that takes connections and never answers.
fn silence() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    (listener, url)
}

#[test]
fn one_job_in_each_state() {
    let mut server = Server::start();
    if !server.is_ours("status::one_job_in_each_state") {
        return;
    }
    let (_silent, url) = silence();
    let mut stuck = aged("stuck", Some(100));
    stuck["schedule"] = "@every 2s".into();
    stuck["concurrency"] = "forbid".into();
    stuck["executor_config"]["url"] = url.into();
    server.put(&stuck);
    let cli = Cli::new().dkron(server.url()).file("cache_param.csv", TABLE);
    fs::remove_dir(cli.path("jobs-templates")).expect("an empty folder");
    let begun = Instant::now();
    while server.get("/v1/busy").as_array().is_none_or(Vec::is_empty) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not run");
        thread::sleep(Duration::from_millis(50));
    }
    let args = ["status", "--data", "cache_param=cache_param.csv", "--output", "json"];
    let running = status(&cli.run(&args).exits(7));
    let job = of(&running, "jobs", "refresh-stuck");
    assert_eq!((&job["state"], &job["timeout_seconds"]), (&json!("fresh"), &json!(3)), "{job:#}");
    assert!(job["running_seconds"].as_i64().is_some_and(|seconds| seconds <= 5), "{job:#}");
    server.restart();
    let _ = cli.run(&["wait"]).ok();
    server.wait_until_late(&["refresh-stuck"]);

    for (name, age) in [("fresh", Some(100)), ("late", Some(400)), ("stale", Some(4000)), ("new", None)] {
        server.put(&aged(name, age));
    }
    let mut off = aged("idle", Some(4000));
    off["disabled"] = true.into();
    server.put(&off);
    let ran = cli.run(&args).exits(7);
    let told = status(&ran);
    let is = |part: &str, name: &str| of(&told, part, name)["state"].as_str().expect("a state").to_owned();
    let jobs = ["stuck", "stale", "late", "new", "fresh", "idle"].map(|name| is("jobs", &format!("refresh-{name}")));
    assert_eq!(jobs, ["stuck", "stale", "late", "never", "fresh", "off"], "{told:#}");
    let order: Vec<_> = states(&told, "jobs").into_iter().map(|(_, state)| state).collect();
    assert_eq!(order, jobs, "the worst first");
    let caches = ["stale", "nobody", "idle", "late", "new", "fresh", "unwanted"].map(|name| is("caches", name));
    assert_eq!(caches, ["stale", "stale", "stale", "late", "never", "fresh", "off"], "{told:#}");
    let note = |name: &str| of(&told, "caches", name)["notes"][0].clone();
    assert_eq!(note("idle"), "not refreshed: its job `refresh-idle` is switched off");
    assert_eq!(note("nobody"), "not refreshed: no job is for it");
    let stuck = of(&told, "jobs", "refresh-stuck");
    assert!(stuck["notes"][0].as_str().is_some_and(|note| note.starts_with("stuck since 20")), "{stuck:#}");
    let late = of(&told, "jobs", "refresh-late");
    let age = late["age_seconds"].as_i64().expect("an age");
    assert!((399..460).contains(&age), "{late:#}");
    assert_eq!((&late["soft_ttl_seconds"], &late["hard_ttl_seconds"]), (&json!(300), &json!(600)));
    assert_eq!((&late["drift"], &late["successes"]), (&json!("unknown"), &json!(7)));
    assert!(told["warnings"][0].as_str().is_some_and(|warning| warning.contains("drift is not known")), "{told:#}");

    let text = cli.run(&args[..3]).exits(7);
    for words in ["6 jobs: 1 stuck, 1 stale, 1 late, 1 never run with success, 1 fresh, 1 off", "never ended"] {
        assert!(text.stdout.contains(words), "{words}: {text}");
    }
    let metrics = cli.run(&["status", "--output", "openmetrics", args[1], args[2]]).exits(7);
    let families = openmetrics::parse(&metrics.stdout).unwrap_or_else(|error| panic!("{error}\n{metrics}"));
    let value = |family: &str, labels: &[(&str, &str)]| {
        let wanted = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        families[family].get(&labels.iter().map(wanted).collect()).copied()
    };
    // A scrape and a Pushgateway set these two themselves.
    for label in families.values().flat_map(|samples| samples.keys()).flat_map(|labels| labels.keys()) {
        assert!(!["job", "instance"].contains(&label.as_str()), "{metrics}");
    }
    let labels = [("job_name", "refresh-stuck"), ("cache", "stuck")];
    assert_eq!(value("dkron_jobs_stuck", &labels), Some(1.0), "{metrics}");
    assert_eq!(value("dkron_jobs_up", &[]), Some(1.0));
    assert_eq!(value("dkron_jobs_failing", &[]), Some(1.0));
    assert_eq!(value("dkron_jobs_soft_ttl_seconds", &labels), Some(300.0));
    assert_eq!(value("dkron_jobs_successes", &[("job_name", "refresh-late"), ("cache", "late")]), Some(7.0));
    for (state, is) in [("late", 1.0), ("fresh", 0.0), ("stale", 0.0)] {
        assert_eq!(value("dkron_jobs_state", &[("job_name", "refresh-late"), ("state", state)]), Some(is));
    }
    assert_eq!(value("dkron_jobs_cache_state", &[("cache", "nobody"), ("state", "stale")]), Some(1.0));

    // Who only wants to know of the good ones is not told of the others.
    let good = status(&cli.run(&[&args[..], &["--only", "refresh-fresh", "--only", "*-late"]].concat()).ok());
    assert_eq!(good["summary"]["jobs"]["all"], 2, "{good:#}");
    assert_eq!(
        states(&good, "caches"),
        [("late", "late"), ("fresh", "fresh")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let nobody = cli.run(&[&args[..], &["--only", "nothing"]].concat()).exits(2);
    assert!(status(&nobody)["errors"][0].as_str().is_some_and(|error| error.contains("no job is called")), "{nobody}");
}

/// Dkron runs a child when its parent has succeeded, so it is of no use to a cache while that is switched off.
#[test]
fn a_cache_whose_job_runs_after_one_that_is_switched_off() {
    let server = Server::start();
    let mut parent = aged("first", Some(100));
    parent["disabled"] = true.into();
    server.put(&parent);
    let mut child = aged("accounts", Some(100));
    child["parent_job"] = "refresh-first".into();
    child["schedule"] = "".into();
    server.put(&child);
    let cli = Cli::new().dkron(server.url()).file("t.csv", "name,soft_ttl,hard_ttl\naccounts,300,600\n");
    fs::remove_dir(cli.path("jobs-templates")).expect("an empty folder");
    let told = status(&cli.run(&["status", "--data", "cache_param=t.csv", "--output", "json"]).ok());
    let cache = of(&told, "caches", "accounts");
    let note = "not refreshed: its job `refresh-accounts` runs after `refresh-first`, which is switched off";
    assert_eq!((&cache["state"], &cache["notes"]), (&json!("unrefreshed"), &json!([note])), "{told:#}");
}

#[test]
fn what_is_fresh_exits_0_and_drift_is_told() {
    let server = Server::start();
    let template = |name: &str, retries: u32| {
        let mut job = aged(name, None);
        job["retries"] = retries.into();
        job.as_object_mut().expect("an object").retain(|key, _| !["last_success", "success_count"].contains(&&**key));
        job["metadata"]["soft_ttl"] = "5m".into();
        job.to_string()
    };
    let cli = Cli::new().dkron(server.url());
    for name in ["same", "edited", "changed"] {
        cli.write(&format!("jobs-templates/{name}.yaml"), template(name, 1));
    }
    // A job that runs once a year keeps no cache fresh, and lint says so: it shall not run meanwhile.
    let _ = cli.run(&["apply", "--no-lint"]).ok();
    for name in ["refresh-same", "refresh-edited", "refresh-changed"] {
        server.edit(name, |job| job["last_success"] = ago(60).into());
    }
    server.edit("refresh-edited", |job| job["retries"] = 5.into());
    cli.write("jobs-templates/changed.yaml", template("changed", 2));
    cli.write("jobs-templates/created.yaml", template("created", 2));
    let mut theirs = aged("theirs", Some(10));
    theirs["metadata"] = json!({"soft_ttl": "soon"});
    server.put(&theirs);
    server.requests();
    let told = status(&cli.run(&["status", "--output", "json"]).ok());
    let of = |name: &str| {
        let job = of(&told, "jobs", &format!("refresh-{name}"));
        (job["state"].as_str().expect("a state").to_owned(), job["drift"].as_str().expect("a drift").to_owned())
    };
    for (name, state, drift) in [
        ("same", "fresh", "none"),
        ("edited", "fresh", "edited"),
        ("changed", "fresh", "template_changed"),
        ("created", "missing", "create"),
        ("theirs", "untimed", "not_ours"),
    ] {
        assert_eq!(of(name), (state.to_owned(), drift.to_owned()), "{name}");
    }
    assert_eq!(told["summary"]["drifted"], 3);
    assert_eq!(told["caches"], json!([]), "no table is known");
    assert_eq!(server.writes(), Vec::<String>::new());
    // One list, one look at what runs, and nothing more where nothing failed and nothing is late.
    let _ = cli.run(&["status"]).ok();
    let asked = server.requests();
    let mut paths: Vec<_> =
        asked.iter().filter(|line| !line.contains("/v1/leader") && !line.contains("barrier")).collect();
    paths.sort();
    assert_eq!(paths, ["GET /debug/vars", "GET /health", "GET /v1/busy", "GET /v1/jobs", "GET /v1/members"]);
}

/// The real Dkron computes `next` without the job's time zone.
#[test]
fn the_next_run_is_in_the_jobs_own_time_zone() {
    let server = Server::start();
    let job = |name: &str, schedule: &str, zone: &str| json!({"name": name, "schedule": schedule, "timezone": zone, "executor": "shell"});
    server.put(&job("tokyo", "0 0 3 * * *", "Asia/Tokyo"));
    server.put(&job("utc", "0 0 3 * * *", ""));
    server.put(&job("every", "@every 5h", ""));
    server.put(&job("hand", "@manually", ""));
    let mut child = job("child", "", "");
    child["parent_job"] = "hand".into();
    server.put(&child);
    let told = status(&Cli::new().dkron(server.url()).run(&["status", "--output", "json"]).ok());
    let next = |name: &str| of(&told, "jobs", name)["next"].clone();
    let at = |name: &str| next(name)["at"].as_str().expect("an instant").parse::<Timestamp>().expect("an instant");
    assert_eq!(at("tokyo").strftime("%H:%M").to_string(), "18:00");
    assert_eq!(at("utc").strftime("%H:%M").to_string(), "03:00");
    assert!(at("tokyo") > Timestamp::now() && at("utc") > Timestamp::now());
    assert_eq!(next("every")["by"], "dkron");
    let left = at("every").duration_since(Timestamp::now()).as_secs();
    assert!((17_900..=18_000).contains(&left), "{left}");
    assert_eq!(next("hand"), json!({"by": "hand"}));
    assert_eq!(next("child"), json!({"by": "parent", "parent": "hand"}));
}

#[test]
fn what_failed_last_is_told_and_masked() {
    let server = Server::start();
    let job = |name: &str| {
        json!({
            "name": name, "schedule": "@yearly", "executor": "http", "tags": {"server": "true:1"},
            "executor_config": {"method": "GET", "url": "http://127.0.0.1:9/hunter22", "timeout": "3"},
            "metadata": {"soft_ttl": "60"},
        })
    };
    let mut fails = job("fails");
    fails["last_success"] = ago(30).into();
    server.put(&fails);
    server.put(&job("fails-hunter22"));
    for name in ["fails", "fails-hunter22"] {
        let ran = http::ask(&server.node_url(0), "POST", &format!("/v1/jobs/{name}/run"), "");
        assert_eq!(ran.status, 200);
    }
    let begun = Instant::now();
    let failed = |name: &str| server.job(name).is_some_and(|job| job["error_count"] == 1);
    while !failed("fails") || !failed("fails-hunter22") {
        assert!(begun.elapsed() < Duration::from_secs(20), "they do not fail");
        thread::sleep(Duration::from_millis(50));
    }
    let cli = Cli::new().dkron(server.url()).env("JOBS_VAR_PIN", "hunter22").env("JOBS_TERMINATION_LOG", "last");
    for output in ["text", "json", "openmetrics"] {
        let ran = cli.run(&["status", "--secret-var", "pin", "--output", output]).ok();
        let last = fs::read_to_string(cli.path("last")).expect("last words");
        assert!(![&ran.stdout, &ran.stderr, &last].iter().any(|text| text.contains("hunter22")), "{ran}{last}");
        match output {
            "text" => assert!(ran.stdout.contains("***") && ran.stdout.contains("ago: "), "{ran}"),
            "json" => {
                let told = status(&ran);
                let job = of(&told, "jobs", "fails");
                assert_eq!((&job["failed"], &job["state"]), (&json!(true), &json!("fresh")), "{job:#}");
                let error = job["error"].as_str().expect("a line");
                assert!(error.contains("127.0.0.1:9/***") && error.contains("refused"), "{error}");
                assert_eq!(of(&told, "jobs", "fails-***")["failed"], true);
                assert_eq!(told["summary"]["failed"], 2);
            }
            _ => {
                openmetrics::parse(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"));
            }
        }
    }
}

#[test]
fn many_failures_are_asked_about_only_so_far() {
    let rig = Rig::new(&[]);
    for number in 0..25 {
        let mut job = aged(&format!("{number:02}"), None);
        job["last_error"] = ago(100 - number).into();
        rig.emulator.put(&job).expect("a job");
    }
    let told = status(&rig.cli.run(&["status", "--output", "json"]).ok());
    let asked: Vec<_> =
        rig.emulator.journal().into_iter().filter(|request| request.path.contains("/executions")).collect();
    assert_eq!(asked.len(), 20);
    assert!(asked[0].path.starts_with("/v1/jobs/refresh-24/executions"), "the newest first");
    let warnings = told["warnings"].to_string();
    assert!(warnings.contains("25 jobs failed last; only the 20"), "{warnings}");
}

#[test]
fn a_paused_dkron_is_looked_at_and_one_that_is_not_there_is_told_of() {
    let rig = Rig::new(&[]);
    rig.emulator.put(&aged("one", Some(1))).expect("a job");
    rig.emulator.set_paused(true);
    let told = status(&rig.cli.run(&["status", "--output", "json"]).ok());
    assert!(told["warnings"].to_string().contains("paused"), "{told:#}");
    assert_eq!(told["summary"]["jobs"]["all"], 1);

    let away = |output: &str| {
        let args = ["status", "--dkron-url", "http://127.0.0.1:9", "--wait-timeout", "1s", "--output", output];
        Cli::new().run(&args).exits(4)
    };
    let told = status(&away("json"));
    assert_eq!((&told["at"], told["errors"].as_array().map(Vec::len)), (&Value::Null, Some(1)), "{told:#}");
    let metrics = away("openmetrics");
    let families = openmetrics::parse(&metrics.stdout).unwrap_or_else(|error| panic!("{error}\n{metrics}"));
    assert_eq!(families.len(), 1, "{metrics}");
    assert_eq!(families["dkron_jobs_up"].values().copied().collect::<Vec<_>>(), [0.0]);
    assert_eq!(away("text").stdout, "");
}

#[test]
fn only_status_has_openmetrics_and_intervals_are_durations() {
    let ran = Cli::new().run(&["plan", "--output", "openmetrics"]).exits(2);
    assert!(ran.stderr.contains("`plan` has the forms"), "{ran}");
    let ran = Cli::new().env("JOBS_STATUS_WATCH", "often").run(&["status"]).exits(2);
    assert!(ran.stderr.contains("JOBS_STATUS_WATCH: `often` is no duration"), "{ran}");
    let ran = Cli::new().run(&["status", "--cache-key", "metadata."]).exits(2);
    assert!(ran.stderr.contains("--cache-key"), "{ran}");
}

/// Reads lines until one has these words.
#[track_caller]
fn until(reader: &mut impl BufRead, words: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).expect("output is text");
        assert!(read > 0, "it ended before `{words}`: {seen}");
        seen.push_str(&line);
        if line.contains(words) {
            return seen;
        }
    }
}

#[test]
fn watching_goes_on_until_a_signal() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let rig = Rig::new(&[]);
        rig.emulator.put(&aged("one", Some(1))).expect("a job");
        let mut child = rig.cli.spawn(&["status", "--watch=200ms"]);
        let mut reader = BufReader::new(child.stdout.take().expect("its output"));
        until(&mut reader, "1 job: ");
        rig.emulator.put(&aged("two", None)).expect("a job");
        let seen = until(&mut reader, "2 jobs: ");
        assert!(!seen.contains('\u{1b}'), "blocks one after the other, without moving a cursor: {seen}");
        signal(&child, name);
        reader.read_to_string(&mut String::new()).expect("output is text");
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
    }
    let rig = Rig::new(&[]);
    let mut child = rig.cli.spawn(&["status", "--watch=200ms", "--output=json"]);
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for _ in 0..3 {
        let line = lines.next().expect("one more").expect("text");
        assert!(validator().is_valid(&serde_json::from_str(&line).expect("one status a line")), "{line}");
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

#[test]
fn watching_outlives_a_dkron_that_is_away() {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let port = emulator.addresses()[0].port();
    emulator.put(&aged("one", Some(1))).expect("a job");
    let cli = Cli::new().dkron(&emulator.url());
    let mut child = cli.spawn(&["status", "--watch=200ms", "--wait-timeout=1s", "--output=json"]);
    let mut reader = BufReader::new(child.stdout.take().expect("its output"));
    until(&mut reader, "refresh-one");
    drop(emulator);
    until(&mut reader, "gave up on Dkron");
    let emulator = Emulator::start(Options::new().port(port)).expect("an emulator");
    emulator.put(&aged("two", Some(1))).expect("a job");
    until(&mut reader, "refresh-two");
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

/// Whoever watches ends it by going away, whether Dkron is there or not.
#[test]
fn watching_ends_when_the_reader_has_gone() {
    let rig = Rig::new(&[]);
    let nowhere =
        ["status", "--watch=200ms", "--output=json", "--dkron-url=http://127.0.0.1:9", "--wait-timeout=300ms"];
    for args in [&nowhere[..3], &nowhere[..2], &nowhere[..]] {
        let mut child = rig.cli.spawn(args);
        let mut reader = BufReader::new(child.stdout.take().expect("its output"));
        reader.read_line(&mut String::new()).expect("a line");
        drop(reader);
        let limit = Instant::now() + Duration::from_secs(10);
        let code = loop {
            match child.try_wait().expect("it can be asked") {
                Some(status) => break status.code(),
                None if Instant::now() > limit => {
                    signal(&child, "TERM");
                    panic!("{args:?} goes on");
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        assert_eq!(code, Some(0), "{args:?}");
    }
    for args in [&["status", "--output", "json", "--nonsense"][..], &["status", "--output", "json", "--only", "["]] {
        let ran = rig.cli.run(args).exits(2);
        assert!(
            validator().is_valid(&ran.json()) && ran.json()["errors"].as_array().is_some_and(|e| e.len() == 1),
            "{ran}"
        );
    }
}

/// On a terminal it is drawn over itself, and no line is longer or further down than the terminal has room for.
#[test]
fn a_terminal_is_drawn_over_and_never_overrun() {
    let rig = Rig::new(&[]);
    for number in 0..60 {
        rig.emulator.put(&aged(&format!("{number:02}-{}", "x".repeat(80)), Some(number))).expect("a job");
    }
    rig.cli.write(
        "cache_param.csv",
        (0..60).fold("name,soft_ttl\n".to_owned(), |mut rows, number| {
            writeln!(rows, "cache-{number},60").expect("a string");
            rows
        }),
    );
    let args = ["status", "--watch=300ms", "--data", "cache_param=cache_param.csv"];
    let ran = rig.cli.run_on_a_terminal_of(24, 80, 3, &args);
    let screens: Vec<_> = ran.stdout.split("\u{1b}[H").skip(1).collect();
    assert!(screens.len() > 2, "{ran}");
    for screen in &screens[..screens.len() - 1] {
        assert!(screen.ends_with("\u{1b}[J"), "{screen}");
        let lines: Vec<_> = screen.lines().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(lines.len() <= 24, "{lines:#?}");
        for line in &lines {
            assert!(line.trim_end().chars().count() <= 80, "{line}");
        }
        assert!(lines.iter().filter(|line| line.contains("more that are no worse")).count() >= 1, "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("60 jobs: ")), "{lines:#?}");
    }
}

#[test]
fn ten_thousand_jobs() {
    let rig = Rig::new(&[]);
    rig.emulator.load(10_000);
    let (ran, took) = rig.timed(&["status", "--output", "json"]);
    assert_eq!(status(&ran.ok())["summary"]["jobs"]["all"], 10_000);
    assert!(took < Duration::from_secs(20), "{took:?}");
    let ran = rig.cli.run(&["status", "--output", "openmetrics"]).ok();
    openmetrics::parse(&ran.stdout).expect("it is OpenMetrics");
}

//! `@after` and schedules that only a later Dkron knows, from templates, files and live lists, and the versions that may be given them.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use dkron_emulator::{Fault, Rule};
use dkron_jobs::dkron::{Member, Status, TooOld, knows_after};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};
use crate::report::conforms;
use crate::server::{Server, skip};
use crate::shelf::{self, SHELF};

/// To come for as long as these tests are run.
const AFTER: &str = "@after 2099-01-01T00:00:00Z <PT2H";
/// What no Dkron knows yet.
const NEWER: &str = "@sunrise Europe/Paris";
const ALLOW: [&str; 2] = ["--allow", "schedule-invalid"];

/// A Dkron of this version: the emulator says that it is one, and a real one of another version is left out.
fn of(version: &str, test: &str) -> Option<Server> {
    let server = Server::start();
    if server.emulator().is_some() {
        lists(&server, &[("d1", version, "true", 1)]);
        return Some(server);
    }
    let is = server.get("/v1/leader")["Tags"]["version"].as_str().unwrap_or_default().to_owned();
    let release = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    if release(&is) == release(version) {
        return Some(server);
    }
    skip(test, &format!("it is about Dkron {version}, and this one is {is}"));
    None
}

/// Has the emulator answer `/v1/members` with these members: name, version, tag `server`, Serf's status.
fn lists(server: &Server, members: &[(&str, &str, &str, u8)]) {
    let member = |(name, version, server, status): &(&str, &str, &str, u8)| json!({"Name": name, "Tags": {"server": server, "version": version}, "Status": status});
    answers(server, "/v1/members", Value::Array(members.iter().map(member).collect()).to_string(), members.len());
}

/// Has the emulator's leader answer this path with this body.
fn answers(server: &Server, path: &str, body: String, count: usize) {
    let emulator = server.emulator().expect("the emulator");
    let leader = server.get("/v1/leader")["Name"].as_str().expect("a leader").to_owned();
    let headers = [("content-type", "application/json"), ("x-whom", &leader), ("x-total-count", &count.to_string())];
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    emulator.clear_faults();
    emulator.inject(Rule::new(Fault::Answer { status: 200, headers, body }).always().method("GET").path(path));
}

fn cli(server: &Server) -> Cli {
    Cli::new()
        .dkron(server.url())
        .env("JOBS_NAMESPACE", "shop")
        .env("JOBS_RELEASE", "main")
        .env("JOBS_LOG_LEVEL", "error")
}

fn template(name: &str, schedule: &str, version: u8) -> String {
    format!(
        "name: {name}\nschedule: '{schedule}'\nexecutor_config: {{method: GET, url: 'http://127.0.0.1:9/x'}}\nmetadata: {{version: '{version}'}}\n"
    )
}

fn job(name: &str, schedule: &str, parent: &str) -> Value {
    json!({
        "name": name, "schedule": schedule, "parent_job": parent, "executor": "http", "tags": {"server": "true:1"},
        "executor_config": {
            "method": "GET", "url": "http://api.shop.svc.cluster.local/x", "timeout": "3", "expectCode": "200",
        },
    })
}

/// So many seconds from now, to the second.
fn from_now(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(at.as_second()).expect("an instant").to_string()
}

#[track_caller]
fn report(cli: &Cli, args: &[&str], exit: i32) -> Value {
    let report = cli.run(&[args, &["--output", "json"]].concat()).exits(exit).json();
    conforms(&report);
    report
}

/// All lists of texts in a report, as one text.
fn told(report: &Value) -> String {
    let texts = ["warnings", "errors"].map(|key| report[key].as_array().cloned().unwrap_or_default());
    let jobs = report["jobs"].as_array().cloned().unwrap_or_default();
    let errors = jobs.iter().filter_map(|job| job["error"].as_str().map(str::to_owned));
    let texts = texts.concat();
    texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).chain(errors).collect::<Vec<_>>().join("\n")
}

fn members_asked(server: &Server) -> usize {
    server.requests().iter().filter(|line| line.ends_with("/v1/members")).count()
}

#[test]
fn a_job_with_after_is_written_once_and_then_left_alone() {
    let Some(server) = of("4.1.2", "after::a_job_with_after_is_written_once_and_then_left_alone") else { return };
    let cli = cli(&server).file("jobs-templates/plain.yaml", template("plain", "@yearly", 1));
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(members_asked(&server), 0, "there is no `@after`");

    // One to come, and one within its grace period, which runs at once.
    let running = format!("@after {} <PT2H", from_now(-60));
    cli.write("jobs-templates/later.yaml", template("later", AFTER, 1));
    cli.write("jobs-templates/now.yaml", template("now", &running, 1));
    let planned = report(&cli, &["plan"], 0);
    assert_eq!(planned["summary"]["created"], 2);
    for rule in ["after-runs-twice", "after-runs-again"] {
        assert!(told(&planned).contains(rule), "{planned:#}");
    }
    server.requests();
    let applied = report(&cli, &["apply"], 0);
    assert_eq!(applied["summary"]["created"], 2);
    assert!(!applied.to_string().contains("runs again if"), "a new job has not run: {applied:#}");
    assert_eq!(members_asked(&server), 1);
    assert_eq!(server.job("later").expect("it is there")["next"], "2099-01-01T00:00:00Z");

    // `next` lies in the past from now on, and nothing ails: nothing is asked and nothing is posted.
    if let Some(emulator) = server.emulator() {
        emulator.age("now", Duration::from_hours(1));
    } else {
        thread::sleep(Duration::from_secs(3));
    }
    server.requests();
    assert_eq!(report(&cli, &["apply"], 0)["summary"]["unchanged"], 3);
    let requests = server.requests();
    let _ = cli.run(&["check"]).ok();
    assert!(!requests.iter().any(|line| line.ends_with("/v1/members") || line.ends_with("/v1/busy")), "{requests:?}");
    let status = cli.run(&["status", "--output", "json"]).ok().json();
    let jobs = status["jobs"].as_array().expect("jobs");
    let next = |name: &str| &jobs.iter().find(|job| job["name"] == name).expect("it is listed")["next"];
    assert_eq!(next("later"), &json!({"by": "schedule", "at": "2099-01-01T00:00:00Z"}));
    assert_eq!(next("now"), &json!({"by": "never"}), "not again by itself");

    // A change posts it, and the plan says what that means.
    cli.write("jobs-templates/now.yaml", template("now", &running, 2));
    let changed = report(&cli, &["plan"], 0);
    assert_eq!(changed["summary"]["updated"], 1);
    let reasons = json!(["the template changed", "runs again if the grace period of its `@after` has not ended"]);
    let item = |name: &str| changed["jobs"].as_array().expect("jobs").iter().find(|job| job["name"] == name).cloned();
    assert_eq!(item("now").expect("it is listed")["reasons"], reasons);
    assert_eq!(item("later").expect("it is listed")["reasons"], json!([]));
    let _ = cli.run(&["apply"]).ok();

    // So does an adoption, but not a job that is switched off.
    server.edit("later", |job| job["metadata"] = json!({"version": "1"}));
    let adopted = report(&cli, &["plan"], 0);
    assert!(adopted.to_string().contains("made by hand before; adopted\",\"runs again if"), "{adopted}");
    server.edit("later", |job| job["disabled"] = json!(true));
    let adopted = report(&cli, &["plan"], 0);
    assert!(!adopted.to_string().contains("runs again if"), "{adopted}");
}

#[test]
fn an_older_dkron_is_not_given_an_after() {
    let Some(server) = of("4.0.9", "after::an_older_dkron_is_not_given_an_after") else { return };
    let cli = cli(&server)
        .file("jobs-templates/plain.yaml", template("plain", "@yearly", 1))
        .file("jobs-templates/later.yaml", template("later", AFTER, 1))
        .file("jobs.ndjson", [job("a", "@yearly", "").to_string(), job("b", AFTER, "").to_string()].join("\n"));
    let says = |ran: &Ran| {
        for word in ["`@after` needs Dkron 4.1", "has 4.0.9", "nothing was written", "another schedule: `"] {
            assert!(ran.stderr.contains(word), "{word} {ran}");
        }
    };
    says(&cli.run(&["apply"]).exits(5));
    says(&cli.run(&["plan"]).exits(5));
    says(&cli.run(&["clone", "jobs.ndjson", "--from-namespace", "shop", "--to-namespace", "test"]).exits(5));
    assert_eq!(server.writes(), Vec::<String>::new());
    let told = report(&cli, &["apply"], 5);
    assert!(told["errors"][0].as_str().is_some_and(|error| error.contains("`later`")), "{told:#}");

    // The disaster is the one thing that must go on.
    let restored = report(&cli, &["restore", "jobs.ndjson"], 1);
    assert_eq!((&restored["summary"]["created"], server.names()), (&json!(1), vec!["a".to_owned()]), "{restored:#}");
    assert!(restored["errors"][0].as_str().is_some_and(|error| error.contains("job `b` was not restored")));
}

#[test]
fn recovery_onto_an_older_dkron_restores_the_rest() {
    let Some(server) = of("4.0.9", "after::recovery_onto_an_older_dkron_restores_the_rest") else { return };
    let cli =
        cli(&server).env("JOBS_BACKUPS", SHELF).file("jobs-templates/plain.yaml", template("plain", "@yearly", 1));
    let saved = [
        job("once", AFTER, ""),
        job("then", "", "once"),
        job("and-then", "", "then"),
        job("other", "@yearly", ""),
        job("gone", "@at 2020-01-01T00:00:00Z", ""),
    ];
    shelf::put(&cli, Timestamp::now(), "shop", &saved);
    let planned = report(&cli, &["plan"], 0);
    assert_eq!((&planned["summary"]["created"], planned["errors"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    let applied = report(&cli, &["apply"], 1);
    assert_eq!(server.names(), ["gone", "other", "plain"], "{applied:#}");
    let errors = told(&applied);
    for name in ["`once` was not restored: `@after` needs", "`then` was not restored: its parent", "`and-then` was not"]
    {
        assert!(errors.contains(name), "{name}\n{errors}");
    }
    // It is named as long as it is not there.
    let missing = report(&cli, &["apply", "--restore", "missing"], 1);
    assert!(told(&missing).contains("`once` was not restored"), "{missing:#}");
}

#[test]
fn a_cluster_of_two_versions_counts_as_the_older() {
    let server = Server::start();
    if server.emulator().is_none() {
        return skip("after::a_cluster_of_two_versions_counts_as_the_older", "only the emulator's members can be set");
    }
    let cli = cli(&server).file("jobs-templates/later.yaml", template("later", AFTER, 1));
    let new = ("d1", "4.1.2", "true", 1);
    for (old, words) in [
        (("d2", "4.0.9", "true", 1), "the server `d2` has 4.0.9"),
        // One that has failed may come back.
        (("d2", "4.0.9", "true", 4), "the server `d2` has 4.0.9"),
        (("d2", "devel", "true", 1), "the server `d2` says that its version is `devel`"),
    ] {
        lists(&server, &[new, old]);
        let ran = cli.run(&["apply"]).exits(5);
        assert!(ran.stderr.contains(words), "{ran}");
    }
    answers(&server, "/v1/members", "<html>".to_owned(), 0);
    let ran = cli.run(&["apply"]).exits(5);
    assert!(ran.stderr.contains("the versions of the servers cannot be read: GET /v1/members"), "{ran}");
    assert_eq!(server.writes(), Vec::<String>::new());

    // A job that waits for the cut-over.
    lists(&server, &[new, ("d2", "4.0.9", "true", 1)]);
    server
        .put(&json!({"name": "waits", "schedule": AFTER, "disabled": true, "executor": "http", "executor_config": {}}));
    server.writes();
    let ran = cli.run(&["enable", "--only", "waits"]).exits(5);
    assert!(ran.stderr.contains("another schedule: `waits`"), "{ran}");
    assert_eq!(server.writes(), Vec::<String>::new());

    // An agent keeps no jobs, and a server that has left is none.
    lists(&server, &[new, ("agent", "4.0.9", "", 1), ("left", "4.0.9", "true", 3)]);
    let _ = cli.run(&["enable", "--only", "waits"]).ok();
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(server.names(), ["later", "waits"]);
}

#[test]
fn which_members_know_after() {
    let member = |name: &str, version: Option<&str>, is_server: bool, status: Status| Member {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        is_server,
        status,
        tags: BTreeMap::new(),
    };
    let alive = |name: &str, version: &str| member(name, Some(version), true, Status::Alive);
    let too_old =
        |name: &str, version: &str| Err(TooOld::Server { name: name.to_owned(), version: version.to_owned() });
    let unclear = |said: &str| Err(TooOld::Unclear { name: "b".to_owned(), said: said.to_owned() });
    for version in ["4.1.0", "4.1", "v4.1.2", "4.1-beta1", "4.10.0", "5.0.0"] {
        assert_eq!(knows_after(&[alive("a", version)]), Ok(()), "{version}");
    }
    for version in ["4.0.9", "4.0", "3.2.7", "v4.0.0-rc1"] {
        assert_eq!(knows_after(&[alive("a", version), alive("c", "4.1.2")]), too_old("a", version));
    }
    assert_eq!(knows_after(&[alive("a", "3.2.7"), alive("b", "4.0.9")]), too_old("a", "3.2.7"), "the oldest is named");
    for (version, said) in [(Some("devel"), "`devel`"), (Some("4"), "`4`"), (Some("4.x"), "`4.x`"), (None, "nothing")] {
        let cluster = [alive("a", "4.1.2"), member("b", version, true, Status::Alive)];
        assert_eq!(knows_after(&cluster), unclear(said), "{version:?}");
    }
    for (status, counts) in [
        (Status::Alive, true),
        (Status::Leaving, true),
        (Status::Failed, true),
        (Status::Unknown, true),
        (Status::Left, false),
    ] {
        let cluster = [alive("a", "4.1.2"), member("c", Some("4.0.9"), true, status)];
        assert_eq!(knows_after(&cluster).is_err(), counts, "{status:?}");
    }
    assert_eq!(knows_after(&[alive("a", "4.1.2"), member("c", Some("4.0.9"), false, Status::Alive)]), Ok(()));
    assert_eq!(knows_after(&[]), Err(TooOld::NoServer));
    assert_eq!(knows_after(&[member("c", Some("4.1.2"), false, Status::Alive)]), Err(TooOld::NoServer));
}

/// A backup with each kind of schedule that 4.1 may hold, and one that only a later Dkron would know.
fn a_mixed_backup() -> Vec<Value> {
    let mut zone = job("zone", "0 0 3 * * *", "");
    zone["timezone"] = json!("Mars/Olympus");
    vec![
        job("after", AFTER, ""),
        job("after-child", "", "after"),
        job("after-past", "@after 2020-01-01T00:00:00Z <PT2H", ""),
        job("at", "@at 2099-01-01T00:00:00Z", ""),
        job("at-past", "@at 2020-01-01T00:00:00Z", ""),
        job("every", "@every 24h", ""),
        job("newer", NEWER, ""),
        job("newer-child", "", "newer"),
        zone,
    ]
}

#[test]
fn a_backup_with_unknown_schedules_is_restored_as_far_as_the_server_takes_it() {
    let Some(server) = of("4.1.2", "after::a_backup_with_unknown_schedules_is_restored_as_far_as_the_server_takes_it")
    else {
        return;
    };
    let cli = cli(&server).env("JOBS_BACKUPS", SHELF);
    shelf::put(&cli, Timestamp::now(), "shop", &a_mixed_backup());
    let restored = report(&cli, &["restore"], 1);
    assert_eq!(server.names(), ["after", "after-child", "after-past", "at", "at-past", "every"], "{restored:#}");
    let count = |key: &str| restored["summary"][key].clone();
    assert_eq!((count("created"), count("failed"), count("skipped")), (json!(6), json!(2), json!(1)), "{restored:#}");
    let told = told(&restored);
    // What it means is said before, and Dkron's own words after.
    assert!(told.contains("job `newer`: its `schedule` is not one that this version of dkron-jobs knows"), "{told}");
    assert!(told.contains("job `zone`: its `timezone` is not one that this version"), "{told}");
    assert!(
        told.contains(&format!(
            "400: Job validation failed: can't parse job schedule: unrecognized descriptor: {NEWER}"
        )),
        "{told}"
    );
    assert!(told.contains("its parent `newer` could not be written"), "{told}");
    // What stands is left alone, and named again is what does not.
    server.writes();
    assert_eq!(report(&cli, &["restore"], 1)["summary"]["unchanged"], 6);

    // The way of a disaster is the same.
    server.clear();
    let cli = cli.file("jobs-templates/plain.yaml", template("plain", "@yearly", 1));
    let applied = report(&cli, &["apply"], 1);
    assert_eq!(
        server.names(),
        ["after", "after-child", "after-past", "at", "at-past", "every", "plain"],
        "{applied:#}"
    );
}

#[test]
fn a_backup_with_unknown_schedules_is_cloned_and_imported_whole() {
    let lines: Vec<_> = a_mixed_backup().iter().map(ToString::to_string).collect();
    let cli = Cli::new()
        .env("JOBS_NAMESPACE", "shop")
        .env("JOBS_RELEASE", "main")
        .env("JOBS_LOG_LEVEL", "error")
        .file("jobs.ndjson", lines.join("\n"));
    let names = |text: &str| {
        let name = |line: &str| {
            let job: Value = serde_json::from_str(line).expect("a job");
            job["name"].as_str().expect("a name").to_owned()
        };
        let mut names: Vec<_> = text.lines().map(name).collect();
        names.sort();
        names
    };
    let all = names(&lines.join("\n"));

    let ran = cli
        .run(&[
            "clone",
            "jobs.ndjson",
            "--from-namespace",
            "shop",
            "--to-namespace",
            "test",
            "--to-file",
            "copy.ndjson",
        ])
        .ok();
    assert!(ran.stdout.contains("job `newer`: its `schedule` is not one that this version"), "{ran}");
    let copy = std::fs::read_to_string(cli.path("copy.ndjson")).expect("the copies");
    assert_eq!(names(&copy), all);
    assert_eq!(copy.matches("http://api.test.svc.cluster.local/x").count(), all.len());
    assert!(copy.contains(NEWER) && copy.contains("Mars/Olympus"), "{copy}");

    let ran = cli.run(&["import", "jobs.ndjson", "--to", "imported"]).ok();
    assert!(ran.stdout.contains("`newer`: its `schedule` is not one that this version of dkron-jobs knows"), "{ran}");
    assert!(ran.stdout.contains("`dkron-jobs plan --templates imported --allow schedule-invalid` shows"), "{ran}");
    let render = ["render", "--templates", "imported"];
    let refused = cli.run(&render).exits(2);
    assert!(refused.stderr.contains(NEWER) && refused.stderr.contains("Mars/Olympus"), "{refused}");
    let rendered = cli.run(&[&render[..], &ALLOW].concat()).ok();
    assert_eq!(names(&rendered.stdout), all);

    // What is known needs no allowance, and none is named.
    let known: Vec<_> =
        lines.iter().filter(|line| !line.contains("newer") && !line.contains("Mars")).cloned().collect();
    cli.write("known.ndjson", known.join("\n"));
    let ran = cli.run(&["import", "known.ndjson", "--to", "known"]).ok();
    assert!(!ran.stdout.contains("--allow"), "{ran}");
    assert_eq!(names(&cli.run(&["render", "--templates", "known"]).ok().stdout).len(), 6);
}

#[test]
fn a_template_with_an_unknown_schedule_is_written_where_that_is_allowed() {
    let server = Server::start();
    let cli = cli(&server)
        .file("jobs-templates/newer.yaml", template("newer", NEWER, 1))
        .file("jobs-templates/plain.yaml", template("plain", "@yearly", 1));
    for command in ["render", "plan", "apply", "check", "status"] {
        let ran = cli.run(&[command]).exits(2);
        assert!(ran.stderr.contains(NEWER), "{ran}");
    }
    let linted = cli.run(&["lint"]).exits(6);
    assert!(linted.stdout.contains("schedule-invalid"), "{linted}");
    assert_eq!(server.writes(), Vec::<String>::new());

    let allowed = |command: &str, exit: i32| cli.run(&[&[command], &ALLOW[..]].concat()).exits(exit);
    let linted = allowed("lint", 0);
    assert!(linted.stdout.contains("1 allowed"), "{linted}");
    assert!(allowed("render", 0).stdout.contains(NEWER));
    let planned = allowed("plan", 0);
    assert!(planned.stdout.contains("2 to create"), "{planned}");
    // This Dkron does not know it either, and says so itself.
    let applied = allowed("apply", 1);
    assert!(applied.stdout.contains("unrecognized descriptor"), "{applied}");
    assert_eq!(server.names(), ["plain"]);
    let _ = allowed("check", 3);
    let _ = allowed("status", 0);

    // No Dkron knows these.
    for (schedule, words) in [("", "empty spec string"), ("TZ=UTC", "Dkron crashes")] {
        cli.write("jobs-templates/newer.yaml", template("newer", schedule, 1));
        let ran = allowed("plan", 2);
        assert!(ran.stderr.contains(words), "{ran}");
        cli.write("jobs.ndjson", job("newer", schedule, "").to_string());
        let ran = cli.run(&["restore", "jobs.ndjson"]).exits(1);
        assert!(ran.stderr.contains(words), "{ran}");
    }
}

#[test]
fn a_live_list_with_an_unknown_schedule_is_read() {
    let server = Server::start();
    if server.emulator().is_none() {
        return skip("after::a_live_list_with_an_unknown_schedule_is_read", "no Dkron of today can hold such a job");
    }
    let mut newer = job("newer", NEWER, "");
    newer["next"] = json!("2099-03-01T06:00:00Z");
    let mut past = job("past", NEWER, "");
    past["next"] = json!("2020-03-01T06:00:00Z");
    answers(&server, "/v1/jobs", json!([newer, past]).to_string(), 2);
    let cli = cli(&server);
    let ran = cli.run(&["import", "--to", "imported"]).ok();
    assert!(ran.stdout.contains("--allow schedule-invalid"), "{ran}");
    let rendered = cli.run(&[&["render", "--templates", "imported"], &ALLOW[..]].concat()).ok();
    assert_eq!(rendered.lines().len(), 2);
    let linted = cli.run(&["lint", "--live", "--output", "json"]).ok().json();
    let notes = linted["notes"].as_array().expect("notes");
    let invalid: Vec<_> = notes.iter().filter(|note| note["rule"] == "schedule-invalid").collect();
    assert!(invalid.len() == 2 && invalid.iter().all(|note| note["severity"] == "warning"), "{linted:#}");
    // Dkron says when it runs, and a `next` that has passed is no ailment.
    let status = cli.run(&[&["status", "--templates", "imported", "--output", "json"], &ALLOW[..]].concat()).json();
    let jobs = status["jobs"].as_array().expect("jobs");
    let next = |name: &str| &jobs.iter().find(|job| job["name"] == name).expect("it is listed")["next"];
    assert_eq!(next("newer"), &json!({"by": "dkron", "at": "2099-03-01T06:00:00Z"}));
    assert_eq!(next("past"), &json!({"by": "never"}));
    server.requests();
    let _ = cli.run(&[&["plan", "--templates", "imported"], &ALLOW[..]].concat()).ok();
    let requests = server.requests();
    assert!(!requests.is_empty() && !requests.iter().any(|line| line.ends_with("/v1/busy")), "{requests:?}");
}

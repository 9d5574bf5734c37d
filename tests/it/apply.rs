//! `apply`, `plan` and `wait` against a server: what a user sees, what Dkron holds afterwards, and what was sent.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Cli, repository};
use crate::server::{Server, skip};

/// A template of one http job.
fn job(name: &str, schedule: &str, url: &str) -> String {
    format!(
        "name: {name}\nschedule: '{schedule}'\nexecutor: http\nexecutor_config: {{method: GET, url: '{url}'}}\nmetadata: {{scope: test}}\n"
    )
}

/// Templates that render `count` jobs.
fn many(cli: Cli, count: usize) -> Cli {
    let rows: Vec<_> = (0..count).map(|i| format!("many-{i:05}\n")).collect();
    cli.file("jobs-templates/data/many.csv", format!("name\n{}", rows.concat())).file(
        "jobs-templates/many.yaml",
        format!("for_each: many\n{}", job("'{{ item.name }}'", "@hourly", "http://127.0.0.1:9/x")),
    )
}

fn stamp(job: &Value, key: &str) -> Value {
    job["metadata"][format!("dkron-jobs.{key}")].clone()
}

#[test]
fn the_shipped_set_is_created_and_then_left_alone() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).env("JOBS_TEMPLATES", repository().join("jobs-templates"));
    let plan = cli.run(&["plan", "--exit-code"]).exits(3);
    assert_eq!(server.writes(), Vec::<String>::new(), "a plan writes nothing");
    assert!(
        plan.stdout.ends_with("plan of default/dkron-jobs: 14 to create, 0 to update, 0 to delete, 0 unchanged\n"),
        "{plan}"
    );
    let applied = cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["unchanged"]), (&json!(14), &json!(0)));
    assert_eq!(server.writes().len(), 14);
    assert_eq!(server.jobs().len(), 14);
    let again = cli.run(&["apply"]).ok();
    assert_eq!(
        again.stdout,
        "apply of default/dkron-jobs: nothing to do: 0 created, 0 updated, 0 deleted, 14 unchanged\n"
    );
    assert_eq!(server.writes(), Vec::<String>::new(), "an unchanged apply writes nothing");
    let _ = cli.run(&["plan", "--exit-code"]).ok();
}

#[test]
fn what_is_stored_is_what_was_rendered_and_a_stamp() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).env("JOBS_NAMESPACE", "prod").env("JOBS_RELEASE", "caches").file(
        "jobs-templates/a.yaml",
        "
name: parent
schedule: '@every 1h'
timezone: Europe/Paris
displayname: <A & B>
retries: 2
executor: http
executor_config: {method: POST, url: 'http://x/?a=1&b=<2>', body: {q: \"}{ \\u2028 é\"}, headers: {X: y}}
metadata: {a: '1'}
processors: {log: {forward: true}}
expires_at: '2099-01-31T09:00:00+01:00'
---
name: a-child
parent_job: parent
disabled: true
executor: http
executor_config: {method: GET, url: 'http://x/'}
",
    );
    let _ = cli.run(&["apply"]).ok();
    let parent = server.job("parent").expect("the parent");
    assert_eq!(parent["dependent_jobs"], json!(["a-child"]));
    assert_eq!(parent["displayname"], "<A & B>");
    assert_eq!(parent["executor_config"]["body"], "{\"q\":\"}{ \u{2028} é\"}");
    assert_eq!(parent["executor_config"]["headers"], "[\"X: y\"]");
    assert_eq!(parent["expires_at"], "2099-01-31T08:00:00Z");
    assert_eq!(parent["processors"], json!({"log": {"forward": "true"}}));
    assert_eq!(stamp(&parent, "owner"), "prod/caches");
    assert_eq!(stamp(&parent, "job"), "parent");
    assert_eq!(stamp(&parent, "disabled"), "false");
    assert!(stamp(&parent, "digest").as_str().is_some_and(|digest| digest.starts_with("v1:")), "{parent}");
    let child = server.job("a-child").expect("the child");
    assert_eq!((&child["disabled"], &stamp(&child, "disabled")), (&json!(true), &json!("true")));
    let _ = cli.run(&["plan", "--exit-code"]).ok();
}

#[test]
fn a_changed_template_changes_only_its_own_job() {
    let server = Server::start();
    let cli = Cli::new()
        .dkron(server.url())
        .file("jobs-templates/a.yaml", job("a", "@every 1h", "http://x/1"))
        .file("jobs-templates/b.yaml", job("b", "@every 1h", "http://x/1"));
    let _ = cli.run(&["apply"]).ok();
    server.writes();
    cli.write("jobs-templates/b.yaml", job("b", "@every 2h", "http://x/2"));
    insta::assert_snapshot!(cli.run(&["plan"]).ok(), @r"
    exit code: 0
    ----- stdout -----
    ~ b  the template changed
        schedule             @every 1h -> @every 2h
        executor_config.url  http://x/1 -> http://x/2

    plan of default/dkron-jobs: 0 to create, 1 to update, 0 to delete, 1 unchanged
    ----- stderr -----
    ");
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(server.writes(), ["POST /v1/jobs b"]);
    assert_eq!(server.job("b").expect("b")["schedule"], "@every 2h");
    // Renamed: the new one comes before the old one goes.
    cli.write("jobs-templates/b.yaml", job("c", "@every 2h", "http://x/2"));
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(server.writes(), ["POST /v1/jobs c", "DELETE /v1/jobs/b"]);
    assert_eq!(server.names(), ["a", "c"]);
}

#[test]
fn an_operators_hand_is_kept_and_an_edit_put_back() {
    let server = Server::start();
    let cli = Cli::new()
        .dkron(server.url())
        .file("jobs-templates/a.yaml", job("a", "@every 1h", "http://x/1"))
        .file("jobs-templates/b.yaml", job("b", "@every 1h", "http://x/1"));
    let _ = cli.run(&["apply"]).ok();
    server.toggle("a");
    server.edit("b", |job| job["schedule"] = json!("@every 3h"));
    let kept = cli.run(&["apply", "--drift", "keep"]).ok();
    assert_eq!(server.job("b").expect("b")["schedule"], "@every 3h", "{kept}");
    insta::assert_snapshot!(cli.run(&["apply"]).ok(), @r"
    exit code: 0
    ----- stdout -----
    = a  disabled by hand; kept disabled
    ~ b  edited by hand; put back
        schedule  @every 3h -> @every 1h

    apply of default/dkron-jobs: 0 created, 1 updated, 0 deleted, 1 unchanged, 1 kept disabled
    ----- stderr -----
    ");
    assert_eq!(server.job("a").expect("a")["disabled"], true);
    assert_eq!(server.job("b").expect("b")["schedule"], "@every 1h");
    let _ = cli.run(&["apply", "--keep-disabled=false"]).ok();
    assert_eq!(server.job("a").expect("a")["disabled"], false);
}

#[test]
fn families_come_and_go_in_order() {
    let server = Server::start();
    let child = |name: &str, parent: &str| {
        format!(
            "name: {name}\nparent_job: {parent}\nexecutor: http\nexecutor_config: {{method: GET, url: 'http://x/'}}\n"
        )
    };
    let cli =
        Cli::new().dkron(server.url()).file("jobs-templates/keep.yaml", job("keep", "@every 1h", "http://x/1")).file(
            "jobs-templates/t.yaml",
            [child("a", "b"), child("b", "c"), job("c", "@every 1h", "http://x/")].join("---\n"),
        );
    let _ = cli.run(&["apply"]).ok();
    let created = server.writes();
    let place = |writes: &[String], name: &str| writes.iter().position(|line| line.ends_with(name)).expect("a write");
    assert!(
        place(&created, " c") < place(&created, " b") && place(&created, " b") < place(&created, " a"),
        "{created:?}"
    );
    // A hand-made child of ours keeps its parent.
    server.put(
        &json!({"name": "by-hand", "parent_job": "c", "executor": "shell", "executor_config": {"command": "true"}}),
    );
    cli.remove("jobs-templates/t.yaml");
    let applied = cli.run(&["apply", "--force"]).ok();
    assert_eq!(server.writes(), ["DELETE /v1/jobs/a", "DELETE /v1/jobs/b"], "{applied}");
    assert!(applied.stdout.contains("job `c` is no longer wanted but stays"), "{applied}");
    assert_eq!(server.names(), ["by-hand", "c", "keep"]);
}

#[test]
fn the_guard_and_another_owner_stop_everything() {
    let server = Server::start();
    let cli =
        many(Cli::new().dkron(server.url()), 20).file("jobs-templates/one.yaml", job("one", "@every 1h", "http://x/1"));
    let _ = cli.run(&["apply"]).ok();
    server.writes();
    cli.remove("jobs-templates/many.yaml");
    let refused = cli.run(&["apply"]).exits(5);
    assert!(refused.stderr.contains("would delete 20 of the 21 jobs of this release (95 %)"), "{refused}");
    cli.remove("jobs-templates/one.yaml");
    let refused = cli.run(&["apply"]).exits(5);
    assert!(refused.stderr.contains("no job at all while Dkron holds 21"), "{refused}");
    // Nothing goes, and nothing is to be refused then.
    let kept = cli.run(&["apply", "--prune=false"]).ok();
    assert!(kept.stdout.contains("nothing to do: 0 created, 0 updated, 0 deleted, 21 unchanged"), "{kept}");
    cli.write("jobs-templates/one.yaml", job("one", "@every 2h", "http://x/1"));
    let refused = cli.run(&["apply", "--release", "other"]).exits(5);
    assert!(refused.stderr.contains("job `one` belongs to `default/dkron-jobs`"), "{refused}");
    assert_eq!(server.writes(), Vec::<String>::new());
    let _ = cli.run(&["apply", "--allow-deletes", "20"]).ok();
    assert_eq!(server.names(), ["one"]);
    let _ = cli.run(&["apply", "--release", "other", "--take-ownership=default/dkron-jobs"]).ok();
    assert_eq!(stamp(&server.job("one").expect("one"), "owner"), "default/other");
    // Letting go of all that is ours is no less than deleting it.
    let left = job("one", "@every 2h", "http://x/1").replace("scope: test", "scope: test, dkron-jobs.prune: 'false'");
    cli.write("jobs-templates/one.yaml", left);
    let _ = cli.run(&["apply", "--release", "other"]).ok();
    cli.remove("jobs-templates/one.yaml");
    let refused = cli.run(&["apply", "--release", "other"]).exits(5);
    assert!(refused.stderr.contains("no job at all while Dkron holds 1"), "{refused}");
    assert_eq!(stamp(&server.job("one").expect("one"), "owner"), "default/other");
    let _ = cli.run(&["apply", "--release", "other", "--allow-deletes", "1"]).ok();
    assert_eq!(stamp(&server.job("one").expect("one"), "owner"), Value::Null);
}

#[test]
fn never_is_an_instant_too() {
    // The emulator's clock does not reach that far: what a real Dkron answers, as it was seen.
    let body = json!([
        {"name": "a", "expires_at": "9999-12-31T23:59:59Z", "next": "0001-01-01T00:00:00Z"},
        {"name": "b", "starts_at": "9999-12-31T00:00:00Z", "next": "9999-12-31T23:59:59Z", "expires_at": null},
        {"name": "c", "expires_at": "soon"},
    ]);
    let jobs = dkron_jobs::dkron::decode_jobs(body.to_string().as_bytes()).expect("jobs");
    let jobs: Vec<_> = jobs.jobs.into_iter().map(|(_, job)| job).collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[0].job.clone().expires_at, Some(jiff::Timestamp::MAX));
    assert_eq!((jobs[0].next, jobs[1].job.clone().starts_at), (None, Some(jiff::Timestamp::MAX)));
    assert_eq!(jobs[2].job.clone().expires_at, None);
    let template = format!("{}expires_at: 9999-12-31T23:59:59Z\n", job("a", "@every 1h", "http://x/1"));
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).file("jobs-templates/a.yaml", template);
    let _ = cli.run(&["apply"]).ok();
    let _ = cli.run(&["plan", "--exit-code"]).ok();
}

#[test]
fn bad_input_writes_nothing() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).file("jobs-templates/a.yaml", job("a", "@every 1h", "http://x/1"));
    let runs = [
        cli.run(&["apply", "--var", "broken"]).exits(2),
        cli.run(&["apply", "--dkron-url", "dkron:8080"]).exits(2),
        cli.run(&["apply", "--templates", "nowhere"]).exits(2),
        cli.run(&["apply", "--data", "t=nowhere.csv"]).exits(2),
        cli.run(&["apply", "--drift", "maybe", "--prune=perhaps", "--wait-timeout", "soon"]).exits(2),
        cli.run(&["apply", "--no-such-flag"]).exits(2),
    ];
    cli.write("jobs-templates/b.yaml", "name: b\nschedule: nonsense");
    let broken = cli.run(&["apply"]).exits(2);
    cli.write("jobs-templates/b.yaml", "name: b\nparent_job: nobody");
    let orphan = cli.run(&["apply"]).exits(2);
    cli.write("jobs-templates/b.yaml", "name: b\nparent_job: c\n---\nname: c\nparent_job: b");
    let circle = cli.run(&["apply"]).exits(2);
    assert_eq!(server.writes(), Vec::<String>::new());
    assert_eq!(server.jobs(), Vec::<Value>::new());
    let said: String = runs.iter().chain([&broken, &orphan, &circle]).map(|ran| ran.stderr.as_str()).collect();
    insta::assert_snapshot!("bad_input", said);
}

/// What counts as lower-case is not always a lower-case letter: modifiers, numbers, marks, circled letters.
#[test]
fn a_name_is_legal_where_dkron_takes_it() {
    let server = Server::start();
    for (characters, legal) in [("aß0ж_𝒶ǆﬀ-ⅎꭰ", true), ("AªⁿʰͅⅰⓐǅЖㄱ١ ./:", false)] {
        for character in characters.chars() {
            let name = format!("name-{character}");
            assert_eq!(dkron_jobs::job::Job::name_problem(&name).is_none(), legal, "{name}");
            let answer = crate::http::post(&server.node_url(0), &json!({"name": name, "schedule": "@yearly"}));
            assert_eq!(answer.status, if legal { 201 } else { 400 }, "{name}: {}", answer.text());
        }
    }
}

#[test]
fn an_every_job_keeps_firing_under_repeated_applies() {
    let server = Server::start();
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a target");
    let url = format!("http://{}/x", target.local_addr().expect("its address"));
    let hits = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&hits);
    thread::spawn(move || {
        for stream in target.incoming().flatten() {
            let mut stream = stream;
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let cli = Cli::new().dkron(server.url()).file("jobs-templates/a.yaml", job("a", "@every 5s", &url));
    let _ = cli.run(&["apply"]).ok();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        let _ = cli.run(&["apply"]).ok();
        thread::sleep(Duration::from_secs(2));
    }
    let fired = hits.load(std::sync::atomic::Ordering::Relaxed);
    assert!((3..=5).contains(&fired), "fired {fired} times in 20 s");
    assert_eq!(server.writes(), ["POST /v1/jobs a"]);
}

#[test]
fn right_after_a_restart_nothing_is_missing() {
    if std::env::var_os("DKRON_URL").is_some() {
        return skip("right_after_a_restart_nothing_is_missing", "a Dkron that is not ours is not restarted");
    }
    let mut server = Server::start();
    let cli = many(Cli::new().dkron(&server.node_url(0)).env("DKRON_WAIT_TIMEOUT", "60s"), 1500);
    let _ = cli.run(&["apply"]).ok();
    for _ in 0..3 {
        server.restart();
        let plan = cli.run(&["plan", "--output", "json"]).ok().json();
        assert_eq!(plan["summary"]["unchanged"], 1500, "{}", plan["summary"]);
    }
}

#[test]
fn a_paused_dkron_is_read_and_waited_for() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).file("jobs-templates/a.yaml", job("a", "@every 1h", "http://x/1"));
    server.pause(true);
    let plan = cli.run(&["plan"]).ok();
    assert!(plan.stdout.contains("warning: Dkron is paused"), "{plan}");
    let gave_up = cli.run(&["apply", "--wait-timeout", "1s"]).exits(4);
    assert!(gave_up.stderr.contains("Dkron is paused"), "{gave_up}");
    let child = cli.spawn(&["apply"]);
    thread::sleep(Duration::from_millis(700));
    server.pause(false);
    let applied = cli.finish(child).ok();
    assert!(applied.stderr.contains("is paused"), "{applied}");
    assert_eq!(server.names(), ["a"]);
}

#[test]
fn three_nodes_are_read_from_their_leader() {
    let Some(server) = Server::start_three("three_nodes_are_read_from_their_leader") else { return };
    let cli = many(
        Cli::new().env("DKRON_WAIT_TIMEOUT", "30s").file("jobs-templates/a.yaml", job("a", "@every 1h", "http://x/1")),
        50,
    );
    for node in 0..3 {
        // Whatever node is named, what is decided is decided on the leader's list or on two equal reads.
        let cli_node = |args: &[&str]| {
            let url = server.node_url(node);
            let mut all = args.to_vec();
            all.extend(["--dkron-url", url.as_str()]);
            cli.run(&all)
        };
        let _ = cli_node(&["wait"]).ok();
        let applied = cli_node(&["apply", "--output", "json"]).ok().json();
        let created = if node == 0 { 51 } else { 0 };
        assert_eq!(applied["summary"]["created"], created, "node {node}: {}", applied["summary"]);
    }
}

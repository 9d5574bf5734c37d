//! Writing, proving what was written, and being stopped, while everything goes wrong that can.

use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Fault, Options, Rule};
use serde_json::{Value, json};

use crate::cli::Ran;
use crate::rig::{Rig, child, job, many, signal, tidy};

/// Longer than anything here may take that is not told to wait.
const SOON: Duration = Duration::from_secs(8);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn refusal() -> Fault {
    Fault::Answer { status: 400, headers: Vec::new(), body: "Job validation failed: it is Monday.".to_owned() }
}

/// Writes to one job, the barrier aside.
fn to(name: &str, fault: Fault) -> Rule {
    Rule::new(fault).method("POST").job(name)
}

fn deletes_of(name: &str, fault: Fault) -> Rule {
    Rule::new(fault).method("DELETE").job(name)
}

/// What the report says of one job: outcome and error.
#[track_caller]
fn of(ran: &Ran, name: &str) -> String {
    let report = ran.json();
    let jobs = report["jobs"].as_array().expect("jobs");
    let job = jobs.iter().find(|job| job["name"] == name).unwrap_or_else(|| panic!("no {name}: {ran}"));
    let error = job["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    tidy(&format!("{} {}{error}", job["action"].as_str().expect("an action"), job["outcome"].as_str().expect("one")))
}

/// A count of the report's summary.
fn sum(ran: &Ran, key: &str) -> u64 {
    ran.json()["summary"][key].as_u64().expect("a count")
}

/// An `apply` that must succeed soon.
#[track_caller]
fn applies(rig: &Rig, args: &[&str]) -> Ran {
    let mut all = vec!["apply", "--output", "json"];
    all.extend(args);
    let (ran, took) = rig.timed(&all);
    assert!(took < SOON, "{took:?}: {ran}");
    ran.ok()
}

#[test]
fn nothing_is_read_more_often_than_it_must_be() {
    let rig = Rig::new(&["a", "b"]);
    let _ = applies(&rig, &[]);
    assert_eq!(rig.count("GET", "/v1/jobs"), 2, "created: read for the plan, and to prove it");
    rig.emulator.clear_journal();
    let _ = applies(&rig, &[]);
    assert_eq!((rig.count("GET", "/v1/jobs"), rig.emulator.writes()), (1, 0), "nothing to do: read once");
    rig.change("a");
    rig.emulator.clear_journal();
    let start = Instant::now();
    let _ = applies(&rig, &[]);
    assert!(start.elapsed() >= millis(1500), "{:?}", start.elapsed());
    assert_eq!((rig.count("GET", "/v1/jobs"), rig.emulator.writes()), (3, 1), "updated: looked at once more");
    rig.drop_job("a");
    rig.emulator.clear_journal();
    let _ = applies(&rig, &[]);
    assert_eq!((rig.count("GET", "/v1/jobs"), rig.emulator.writes()), (3, 1), "deleted: looked at once more");
    rig.settled();
}

#[test]
fn a_swallowed_write_is_written_again_and_proven() {
    let rig = Rig::new(&["a", "b", "c"]);
    rig.cli.write("jobs-templates/kid.yaml", child("kid", "b"));
    rig.emulator.inject(to("a", Fault::Swallow));
    // A child finds no parent when the parent's write was swallowed: both are written again.
    rig.emulator.inject(to("b", Fault::Swallow).times(2));
    let ran = applies(&rig, &[]);
    assert_eq!(rig.names(), ["a", "b", "c", "kid"]);
    assert_eq!(["a", "b", "c", "kid"].map(|name| rig.writes_of(name)), [2, 3, 1, 3]);
    assert_eq!(sum(&ran, "created"), 4);
    insta::assert_snapshot!(ran.json()["warnings"].to_string(), @r#"["3 writes did not stand in Dkron (`a`, `b`, `kid`); written again","2 writes did not stand in Dkron (`b`, `kid`); written again"]"#);
    rig.settled();
    // An update, too.
    rig.change("a");
    rig.emulator.inject(to("a", Fault::Swallow));
    let _ = applies(&rig, &[]);
    assert_eq!(rig.version("a"), "2");
    rig.settled();
}

#[test]
fn what_is_swallowed_again_and_again_is_a_failure() {
    let rig = Rig::applied(&["a", "b"]);
    rig.change("a");
    rig.cli.write("jobs-templates/c.yaml", job("c", "1"));
    rig.cli.write("jobs-templates/kid.yaml", child("kid", "c"));
    for name in ["a", "c"] {
        rig.emulator.inject(to(name, Fault::Swallow).always());
    }
    let (ran, took) = rig.timed(&["apply", "--output", "json"]);
    assert!(took < SOON, "{took:?}");
    let ran = ran.exits(1);
    insta::assert_snapshot!(["a", "c", "kid"].map(|name| of(&ran, name)).join("\n"), @r"
    update failed: Dkron accepted it, 3 more times too, and does not hold it so: it differs in `metadata.version`
    create failed: Dkron accepted it, 3 more times too, and does not hold it so: it is not there
    create failed: Dkron accepted it, 3 more times too, and does not hold it so: it is not there
    ");
    assert_eq!([rig.writes_of("a"), rig.writes_of("c"), rig.writes_of("b")], [4, 4, 0], "once and three rounds");
    rig.emulator.clear_faults();
    let _ = applies(&rig, &[]);
    rig.settled();
}

#[test]
fn a_run_in_flight_does_not_undo_an_update_or_a_delete() {
    let rig = Rig::applied(&["keep", "upd", "gone"]);
    rig.change("upd");
    rig.drop_job("gone");
    rig.emulator.inject(to("upd", Fault::RunInFlight { after: millis(700) }));
    rig.emulator.inject(deletes_of("gone", Fault::RunInFlight { after: millis(700) }));
    let ran = applies(&rig, &[]);
    assert_eq!((rig.version("upd").as_str(), rig.names()), ("2", vec!["keep".to_owned(), "upd".to_owned()]));
    assert_eq!([rig.writes_of("upd"), rig.writes_of("gone"), rig.writes_of("keep")], [2, 2, 0]);
    assert_eq!((sum(&ran, "updated"), sum(&ran, "deleted")), (1, 1));
    thread::sleep(millis(800));
    rig.settled();
    // Undone each time: that is no success.
    rig.change("keep");
    rig.emulator.inject(to("keep", Fault::RunInFlight { after: millis(0) }).always());
    let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1);
    insta::assert_snapshot!(of(&ran, "keep"), @"update failed: Dkron accepted it, 3 more times too, and does not hold it so: it differs in `metadata.version`");
    rig.emulator.clear_faults();
    let _ = applies(&rig, &[]);
    rig.drop_job("upd");
    rig.emulator.inject(deletes_of("upd", Fault::RunInFlight { after: millis(0) }).always());
    let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1);
    insta::assert_snapshot!(of(&ran, "upd"), @"delete failed: Dkron accepted it, 3 more times too, and does not hold it so: it is still there");
    rig.emulator.clear_faults();
    let _ = applies(&rig, &[]);
    rig.settled();
}

#[test]
fn a_doubtful_answer_is_decided_by_reading() {
    // How often each write is sent: not again where it was applied.
    let table: [(Fault, usize); 8] = [
        (Fault::AppliedBut500, 1),
        (Fault::ResetApplied, 1),
        (Fault::NotAppliedBut500, 2),
        (Fault::ResetUnapplied, 2),
        (Fault::Hang, 2),
        (Fault::bad_gateway(), 2),
        (Fault::unavailable(1), 2),
        (Fault::too_many_requests(1), 2),
    ];
    let names: Vec<String> = (0..table.len()).map(|number| format!("j-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rig = Rig::new(&names);
    rig.cli.write("jobs-templates/stays.yaml", job("stays", "1"));
    let counts = |rig: &Rig| names.iter().map(|name| rig.writes_of(name)).collect::<Vec<_>>();
    let expected: Vec<usize> = table.iter().map(|(_, writes)| *writes).collect();
    let args = ["--request-timeout", "1s", "--force"];

    let inject = |rule: fn(&str, Fault) -> Rule| {
        rig.emulator.clear_journal();
        for (name, (fault, _)) in names.iter().zip(&table) {
            rig.emulator.inject(rule(name, fault.clone()));
        }
    };
    inject(to);
    let ran = applies(&rig, &args);
    rig.struck();
    assert_eq!((counts(&rig), sum(&ran, "created")), (expected.clone(), 9), "creates");
    let doubts = ran.stderr.matches("in doubt; reading the job before trying again").count();
    assert_eq!(doubts, table.len(), "each is said once: {ran}");

    for name in &names {
        rig.change(name);
    }
    inject(to);
    let ran = applies(&rig, &args);
    rig.struck();
    assert_eq!((counts(&rig), sum(&ran, "updated")), (expected.clone(), 8), "updates");
    assert!(names.iter().all(|name| rig.version(name) == "2"));

    for name in &names {
        rig.drop_job(name);
    }
    inject(deletes_of);
    let ran = applies(&rig, &args);
    rig.struck();
    assert_eq!((counts(&rig), sum(&ran, "deleted")), (expected, 8), "deletes");
    assert_eq!(rig.names(), ["stays"]);
    rig.settled();
}

#[test]
fn a_job_that_cannot_be_read_is_not_written_blindly() {
    let rig = Rig::applied(&["a"]);
    rig.change("a");
    rig.emulator.inject(to("a", Fault::AppliedBut500));
    rig.emulator.inject(Rule::new(Fault::bad_gateway()).method("GET").path("/v1/jobs/a").times(3));
    let _ = applies(&rig, &[]);
    assert_eq!(rig.writes_of("a"), 1);
    rig.settled();
}

#[test]
fn a_refused_job_fails_in_dkrons_words_and_stops_no_other() {
    let rig = Rig::new(&["a", "b", "c"]);
    rig.cli.write("jobs-templates/kid.yaml", child("kid", "b"));
    rig.cli.write("jobs-templates/grandkid.yaml", child("grandkid", "kid"));
    rig.emulator.inject(to("b", refusal()));
    let ran = rig.cli.run(&["apply"]).exits(1);
    insta::assert_snapshot!(tidy(&ran.to_string()), @r"
    exit code: 1
    ----- stdout -----
    + a  not there yet
        @yearly  GET  http://[dkron]/x
    + b  not there yet
        @yearly  GET  http://[dkron]/x
        failed: POST /v1/jobs answered 400: Job validation failed: it is Monday.
    + c  not there yet
        @yearly  GET  http://[dkron]/x
    + grandkid  not there yet
        kid  GET  http://[dkron]/x
        skipped: not done: its parent `kid` could not be written
    + kid  not there yet
        b  GET  http://[dkron]/x
        skipped: not done: its parent `b` could not be written

    error: not all of it is done: mend what the causes name, and run it again; what stands already is left alone
    apply of default/dkron-jobs: 2 created, 0 updated, 0 deleted, 0 unchanged, 1 failed, 2 skipped
    ----- stderr -----
    ");
    assert_eq!(rig.names(), ["a", "c"]);
    assert_eq!(rig.writes_of("b"), 1, "a refusal is final");
    let _ = applies(&rig, &[]);
    rig.settled();
}

#[test]
fn a_failed_create_keeps_the_old_name() {
    let rig = Rig::applied(&["old", "other"]);
    rig.drop_job("old");
    rig.cli.write("jobs-templates/new.yaml", job("new", "1"));
    // Refused, swallowed, or not to be proven: whatever it is, the old one stays.
    rig.emulator.inject(to("new", refusal()));
    let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1);
    insta::assert_snapshot!([of(&ran, "new"), of(&ran, "old")].join("\n"), @r"
    create failed: POST /v1/jobs answered 400: Job validation failed: it is Monday.
    delete skipped: not done: nothing is deleted after a failed write
    ");
    rig.struck();
    rig.emulator.inject(to("new", Fault::Swallow).always());
    let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1);
    assert_eq!(of(&ran, "old"), "delete skipped: not done: nothing is deleted after a failed write");
    rig.emulator.clear_faults();
    rig.emulator.inject(Rule::new(Fault::NoCount).method("GET").path("/v1/jobs").after(1).always());
    let (ran, took) = rig.timed(&["apply", "--output", "json", "--wait-timeout", "1s"]);
    assert!(took < SOON, "{took:?}");
    let ran = ran.exits(4);
    insta::assert_snapshot!([of(&ran, "new"), of(&ran, "old")].join("\n"), @r"
    create failed: accepted, but Dkron could not be read afterwards to prove it
    delete skipped: not done: Dkron could not be read to prove the writes before it
    ");
    assert_eq!((sum(&ran, "created"), sum(&ran, "deleted"), sum(&ran, "failed")), (0, 0, 1), "{ran}");
    assert_eq!((rig.names(), rig.writes_of("old")), (vec!["new".into(), "old".into(), "other".into()], 0));
    rig.emulator.clear_faults();
    let _ = applies(&rig, &[]);
    assert_eq!(rig.names(), ["new", "other"]);
    rig.settled();
}

#[test]
fn a_404_on_a_delete_is_read_back() {
    let rig = Rig::applied(&["keep", "leaderless", "taken", "parent"]);
    for name in ["leaderless", "taken", "parent"] {
        rig.drop_job(name);
    }
    rig.emulator.inject(deletes_of("leaderless", Fault::NoLeader).times(2));
    for name in ["taken", "parent"] {
        rig.emulator.inject(deletes_of(name, Fault::Delay(millis(700))));
    }
    let applying = rig.cli.spawn(&["apply", "--output", "json", "--force"]);
    // While their deletes are on the way, one job goes by another hand and the other gets a child.
    while rig.writes_of("parent") + rig.writes_of("taken") < 2 {
        thread::sleep(millis(5));
    }
    assert!(rig.emulator.delete("taken"));
    let by_hand = json!({"name": "by-hand", "parent_job": "parent", "executor": "shell"});
    rig.emulator.put(&by_hand).expect("a child");
    let ran = rig.cli.finish(applying).exits(1);
    assert_eq!((of(&ran, "taken"), of(&ran, "leaderless")), ("delete done".to_owned(), "delete done".to_owned()));
    insta::assert_snapshot!(of(&ran, "parent"), @"delete failed: Dkron deletes no job with children, and `by-hand` still names it as parent");
    assert_eq!(["parent", "taken", "leaderless"].map(|name| rig.writes_of(name)), [1, 1, 3]);
    assert_eq!(rig.names(), ["by-hand", "keep", "parent"]);
    rig.struck();
}

#[test]
fn patience_ends_for_one_job_without_ending_for_the_others() {
    let rig = Rig::new(&["a", "b", "c"]);
    rig.cli.write("jobs-templates/kid.yaml", child("kid", "c"));
    rig.emulator.inject(to("b", Fault::NotAppliedBut500).always());
    let (ran, took) = rig.timed(&["apply", "--output", "json", "--wait-timeout", "1s"]);
    assert!(took >= millis(1000) && took < Duration::from_secs(4), "{took:?}");
    let ran = ran.exits(1);
    insta::assert_snapshot!(of(&ran, "b"), @"create failed: POST /v1/jobs answered 500: context deadline exceeded; Dkron has accepted nothing for 1s (`--wait-timeout`)");
    assert_eq!(rig.names(), ["a", "c", "kid"]);
    rig.emulator.clear_faults();
    let _ = applies(&rig, &[]);
    rig.settled();
}

#[test]
fn a_dkron_that_is_lost_is_given_up_once_for_all_jobs() {
    for silent in [false, true] {
        let rig = Rig::new(&[]);
        many(&rig.cli, 100);
        rig.emulator.inject(Rule::new(Fault::Delay(millis(50))).method("POST").but_barrier().always());
        let args =
            ["apply", "--output", "json", "--wait-timeout", "2s", "--request-timeout", "1s", "--concurrency", "4"];
        let start = Instant::now();
        let applying = rig.cli.spawn(&args);
        while rig.emulator.job_count() < 8 {
            thread::sleep(millis(5));
        }
        if silent {
            rig.emulator.inject(Rule::new(Fault::Hang).always());
        } else {
            rig.emulator.lose_leader();
        }
        let ran = rig.cli.finish(applying).exits(4);
        // One --wait-timeout, a request before it and two after it.
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        assert_eq!(sum(&ran, "created"), 0, "none is proven: {ran}");
        assert_eq!(sum(&ran, "failed") + sum(&ran, "skipped"), 100);
        assert!(sum(&ran, "failed") < 30, "those in hand fail, the rest is not tried: {}", sum(&ran, "failed"));
        let last = of(&ran, "m-099");
        insta::allow_duplicates! { insta::assert_snapshot!(last, @"create skipped: not done: Dkron has accepted nothing for 2s (`--wait-timeout`)"); }
        rig.emulator.clear_faults();
        rig.emulator.set_leader(0);
        let _ = applies(&rig, &[]);
        assert_eq!(rig.emulator.job_count(), 100);
        rig.settled();
    }
}

#[test]
fn a_new_leader_in_mid_apply_loses_nothing() {
    let rig = Rig::with(Options::new().nodes(3).balancer().lag(millis(300)), &[]);
    many(&rig.cli, 120);
    rig.emulator.inject(Rule::new(Fault::Delay(millis(30))).method("POST").but_barrier().always());
    let applying = rig.cli.spawn(&["apply", "--output", "json"]);
    for (count, leader) in [(20, 1), (70, 2)] {
        while rig.emulator.job_count() < count {
            thread::sleep(millis(5));
        }
        rig.emulator.change_leader(leader, millis(700));
    }
    let ran = rig.cli.finish(applying).ok();
    assert_eq!((sum(&ran, "created"), rig.emulator.job_count()), (120, 120));
    rig.settled();
}

#[test]
fn a_pause_in_mid_apply_is_waited_for() {
    let rig = Rig::new(&[]);
    many(&rig.cli, 40);
    rig.emulator.inject(Rule::new(Fault::Delay(millis(30))).method("POST").but_barrier().always());
    let applying = rig.cli.spawn(&["apply", "--output", "json", "--concurrency", "2"]);
    while rig.emulator.job_count() < 4 {
        thread::sleep(millis(5));
    }
    rig.emulator.set_paused(true);
    thread::sleep(millis(800));
    let held = rig.emulator.job_count();
    assert!(held < 40);
    rig.emulator.set_paused(false);
    let ran = rig.cli.finish(applying).ok();
    assert!(ran.stderr.contains("waiting for it to be unpaused"), "{ran}");
    assert_eq!((sum(&ran, "created"), rig.emulator.job_count()), (40, 40));
    rig.settled();
}

#[test]
fn credentials_that_end_in_mid_apply_end_it() {
    let rig = Rig::new(&[]);
    many(&rig.cli, 30);
    let denied = Fault::Answer { status: 401, headers: Vec::new(), body: String::new() };
    rig.emulator.inject(Rule::new(denied).method("POST").but_barrier().after(4).always());
    let (ran, took) = rig.timed(&["apply", "--output", "json", "--concurrency", "1"]);
    assert!(took < SOON, "{took:?}");
    let ran = ran.exits(1);
    assert_eq!((sum(&ran, "created"), sum(&ran, "failed"), sum(&ran, "skipped")), (4, 1, 25), "{ran}");
    insta::assert_snapshot!([of(&ran, "m-004"), of(&ran, "m-005")].join("\n"), @r"
    create failed: POST /v1/jobs answered 401; give the right credentials with `--header`, `--basic-auth-file`, `--bearer-token-file` or `--client-cert-file`
    create skipped: not done: Dkron wants other credentials
    ");
    assert_eq!(rig.emulator.writes(), 5);
}

#[test]
fn no_more_writes_are_under_way_than_were_asked_for() {
    let rig = Rig::new(&[]);
    many(&rig.cli, 9);
    rig.emulator.inject(Rule::new(Fault::Delay(millis(200))).method("POST").but_barrier().always());
    let _ = applies(&rig, &["--concurrency", "3"]);
    let mut at: Vec<Instant> =
        rig.emulator.journal().iter().filter(|request| request.is_write()).map(|request| request.at).collect();
    at.sort_unstable();
    assert_eq!(at.len(), 9);
    // The fourth begins when one of the first three is done.
    assert!(at.windows(4).all(|four| four[3] - four[0] >= millis(195)), "{at:?}");
    assert!(at[2] - at[0] < millis(190), "three at a time: {at:?}");
}

/// Starts an `apply` of 30 jobs, two at a time and slowly, and waits until some are stored.
fn slow_apply(rig: &Rig) -> std::process::Child {
    many(&rig.cli, 30);
    rig.emulator.inject(Rule::new(Fault::Delay(millis(300))).method("POST").but_barrier().always());
    let applying = rig.cli.spawn(&["apply", "--output", "json", "--concurrency", "2"]);
    while rig.emulator.job_count() < 4 {
        thread::sleep(millis(5));
    }
    applying
}

#[test]
fn a_signal_lets_the_write_in_hand_be_finished_and_reports_the_rest() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let rig = Rig::new(&[]);
        let applying = slow_apply(&rig);
        let start = Instant::now();
        signal(&applying, name);
        let ran = rig.cli.finish(applying).exits(code);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        let stored = rig.names();
        let report = ran.json();
        let done: Vec<&str> = report["jobs"]
            .as_array()
            .expect("jobs")
            .iter()
            .filter(|job| job["outcome"] == "done")
            .filter_map(|job| job["name"].as_str())
            .collect();
        assert_eq!(done, stored, "what is said to be done is stored, and nothing else");
        assert!((4..12).contains(&stored.len()), "{stored:?}");
        assert_eq!(sum(&ran, "skipped"), 30 - stored.len() as u64);
        assert_eq!(of(&ran, "m-029"), format!("create skipped: not done: stopped by SIG{name}"));
        assert_eq!(report["errors"], json!([format!("stopped by SIG{name}")]));
        rig.emulator.clear_faults();
        rig.emulator.clear_journal();
        let _ = applies(&rig, &[]);
        assert_eq!(rig.emulator.writes(), 30 - stored.len(), "the next run does the rest");
        rig.settled();
    }
}

#[test]
fn a_second_signal_aborts() {
    for (second, code) in [("TERM", 143), ("INT", 130)] {
        let rig = Rig::new(&["a"]);
        rig.emulator.inject(to("a", Fault::Hang).always());
        let applying = rig.cli.spawn(&["apply"]);
        while rig.writes_of("a") == 0 {
            thread::sleep(millis(5));
        }
        signal(&applying, "TERM");
        thread::sleep(millis(300));
        let start = Instant::now();
        signal(&applying, second);
        let ran = rig.cli.finish(applying).exits(code);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(ran.stdout, "", "no report: it was aborted");
    }
}

#[test]
fn a_signal_ends_trying_again_and_proving() {
    let rig = Rig::new(&["a"]);
    rig.emulator.inject(to("a", Fault::NotAppliedBut500).always());
    let applying = rig.cli.spawn(&["apply", "--output", "json"]);
    while rig.writes_of("a") < 2 {
        thread::sleep(millis(5));
    }
    signal(&applying, "TERM");
    let ran = rig.cli.finish(applying).exits(143);
    assert_eq!(of(&ran, "a"), "create skipped: not done: stopped by SIGTERM");
    rig.emulator.clear_faults();
    // In doubt, and nothing is to be read: said after a while, well before Kubernetes kills.
    rig.emulator.inject(to("a", Fault::ResetApplied));
    rig.emulator.inject(Rule::new(Fault::bad_gateway()).method("GET").path("/v1/jobs/a").always());
    let applying = rig.cli.spawn(&["apply", "--output", "json"]);
    while rig.count("GET", "/v1/jobs/a") < 4 {
        thread::sleep(millis(5));
    }
    let start = Instant::now();
    signal(&applying, "TERM");
    let ran = rig.cli.finish(applying).exits(143);
    assert!(start.elapsed() < Duration::from_secs(13), "{:?}", start.elapsed());
    insta::assert_snapshot!(of(&ran, "a"), @"create failed: in doubt: stopped before it was known whether it was applied");
    rig.emulator.clear_faults();
    // While an update is waited upon to stay.
    rig.change("a");
    rig.emulator.clear_journal();
    let applying = rig.cli.spawn(&["apply"]);
    while rig.count("GET", "/v1/jobs") < 2 {
        thread::sleep(millis(5));
    }
    thread::sleep(millis(100));
    let start = Instant::now();
    signal(&applying, "TERM");
    let ran = rig.cli.finish(applying).exits(143);
    assert!(start.elapsed() < millis(1000), "{:?}", start.elapsed());
    assert!(ran.stdout.contains("before Dkron was read again to prove the writes"), "{ran}");
    rig.settled();
}

#[test]
fn the_last_words_fit_and_begin_with_the_counts() {
    let rig = Rig::new(&["good"]);
    many(&rig.cli, 200);
    let why = format!("Job validation failed: é{}", "ü".repeat(100));
    rig.emulator.inject(to("good", Fault::Delay(millis(1))));
    let refused = Fault::Answer { status: 400, headers: Vec::new(), body: why };
    rig.emulator.inject(Rule::new(refused).method("POST").but_barrier().after(1).always());
    let last = rig.cli.path("last");
    let ran = rig.cli.run(&["apply", "--concurrency", "1", "--termination-log", "last"]).exits(1);
    let words = std::fs::read(&last).expect("last words");
    assert!((4000..=4096).contains(&words.len()), "{}", words.len());
    let words = String::from_utf8(words).expect("no character is cut");
    let first: Vec<&str> = words.lines().take(3).collect();
    assert_eq!(
        first[0],
        "apply of default/dkron-jobs: 1 created, 0 updated, 0 deleted, 0 unchanged, 200 failed".replace("of ", ""),
        "{ran}"
    );
    assert!(first[1].contains("run it again"), "{words}");
    assert!(first[2].starts_with("m-000: POST /v1/jobs answered 400: Job validation failed: éüü"), "{words}");
    // Whatever ends it, something is said, and standard output is a report.
    let endings: [(&[&str], i32); 3] = [
        (&["apply", "--output", "json", "--drift", "maybe", "--termination-log", "last"], 2),
        (&["plan", "--output", "json", "--templates", "nowhere", "--termination-log", "last"], 2),
        (&["apply", "--output", "json", "--data", "t=http://u:sesame@:x", "--termination-log", "last"], 1),
    ];
    for (args, code) in endings {
        let ran = rig.cli.run(args).exits(code);
        let report: Value = ran.json();
        let words = std::fs::read_to_string(&last).expect("last words");
        assert_eq!(report["errors"], json!([words]), "{ran}");
        assert!(!ran.to_string().contains("sesame") && !words.contains("sesame"), "{ran}");
    }
}

#[test]
fn two_appliers_at_once_converge() {
    let rig = Rig::applied(&["keep", "gone", "upd"]);
    rig.change("upd");
    rig.drop_job("gone");
    many(&rig.cli, 60);
    rig.cli.write("jobs-templates/kid.yaml", child("kid", "m-000"));
    rig.emulator.inject(Rule::new(Fault::Delay(millis(10))).but_barrier().always());
    let two = [rig.cli.spawn(&["apply"]), rig.cli.spawn(&["apply"])];
    for child in two {
        let _ = rig.cli.finish(child).ok();
    }
    assert_eq!((rig.emulator.job_count(), rig.version("upd").as_str()), (63, "2"));
    assert!(rig.emulator.writes() <= 2 * 63, "{}", rig.emulator.writes());
    rig.settled();
}

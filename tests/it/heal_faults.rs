//! Healing that does not go well: refused, swallowed, undone or cut short in the middle, a job is never lost out of sight.

use std::time::{Duration, Instant};

use dkron_emulator::{Fault, Options, Rule, Version};
use serde_json::{Value, json};

use crate::rig::{Rig, child, job, signal};

/// A stuck parent with two children and one job after it; nothing in the journal. A Dkron 4.0, which must delete the parent.
fn stuck() -> Rig {
    stuck_on(Version::V4_0)
}

fn stuck_on(version: Version) -> Rig {
    let rig = Rig::with(Options::new().version(version), &["z-other"]);
    rig.cli.write("jobs-templates/parent.yaml", format!("concurrency: forbid\n{}", job("parent", "1")));
    rig.cli.write("jobs-templates/a-child.yaml", child("a-child", "parent"));
    rig.cli.write("jobs-templates/b-child.yaml", child("b-child", "parent"));
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.stick("parent");
    rig.emulator.clear_journal();
    rig
}

fn posts_of(name: &str, fault: Fault) -> Rule {
    Rule::new(fault).method("POST").job(name)
}

fn deletes_of(name: &str, fault: Fault) -> Rule {
    Rule::new(fault).method("DELETE").job(name)
}

fn refusal() -> Fault {
    Fault::Answer { status: 400, headers: Vec::new(), body: "Job validation failed: no.".to_owned() }
}

/// The parent and its children are as they should be, and the parent is not stuck.
#[track_caller]
fn healed(rig: &Rig) {
    let parent = rig.emulator.job("parent").expect("the parent");
    let mut children = parent["dependent_jobs"].as_array().cloned().unwrap_or_default();
    children.sort_by_key(Value::to_string);
    assert_eq!(children, [json!("a-child"), json!("b-child")], "each child once");
    assert_eq!(rig.emulator.executions("parent"), Vec::<Value>::new(), "what blocked it is gone");
    for name in ["a-child", "b-child"] {
        let child = rig.emulator.job(name).expect("a child");
        assert_eq!((&child["parent_job"], &child["schedule"]), (&json!("parent"), &json!("")), "{name}");
        assert!(child["metadata"].get("dkron-jobs.parked").is_none(), "{child}");
    }
    rig.settled();
    let _ = rig.cli.run(&["check"]).ok();
}

/// What the report says of the parent.
fn outcome(report: &Value) -> String {
    let job = report["jobs"].as_array().expect("jobs").iter().find(|job| job["name"] == "parent").expect("the parent");
    format!("{}: {}", job["outcome"].as_str().unwrap_or_default(), job["error"].as_str().unwrap_or_default())
}

#[test]
fn doubt_and_lost_writes_are_looked_into_at_each_step() {
    let faults = [Fault::AppliedBut500, Fault::NotAppliedBut500, Fault::ResetApplied, Fault::ResetUnapplied];
    for fault in faults {
        let rig = stuck();
        for rule in ["a-child", "parent"].map(|name| posts_of(name, fault.clone())) {
            rig.emulator.inject(rule);
        }
        rig.emulator.inject(deletes_of("parent", fault.clone()));
        // The second post of a child puts it back.
        rig.emulator.inject(posts_of("b-child", fault).after(1));
        let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
        assert_eq!(ran["summary"]["healed"], 1, "{ran:#}");
        healed(&rig);
    }
}

#[test]
fn where_all_servers_are_4_1_only_executions_are_deleted() {
    let rig = stuck_on(Version::V4_1);
    rig.emulator.inject(Rule::new(Fault::NotAppliedBut500).method("DELETE").path("/v1/jobs/parent/executions"));
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!(ran["summary"]["healed"], 1, "{ran:#}");
    assert_eq!(rig.count("DELETE", "/v1/jobs/parent/executions"), 2, "once more after the doubtful answer");
    assert_eq!(rig.writes_of("a-child") + rig.writes_of("b-child"), 0, "no child is in the way");
    healed(&rig);
    // What changes is posted before.
    rig.emulator.stick("parent");
    rig.cli.write("jobs-templates/parent.yaml", format!("concurrency: forbid\n{}", job("parent", "2")));
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!(ran["summary"]["healed"], 1, "{ran:#}");
    assert_eq!(rig.version("parent"), "2");
    healed(&rig);
    // One server that is older keeps the way that works on both.
    let rig = Rig::with(Options::new().nodes(3).node_version(2, Version::V4_0), &[]);
    rig.cli.write("jobs-templates/parent.yaml", format!("concurrency: forbid\n{}", job("parent", "1")));
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.stick("parent");
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!(ran["summary"]["healed"], 1, "{ran:#}");
    assert_eq!((rig.count("DELETE", "/v1/jobs/parent"), rig.count("DELETE", "/v1/jobs/parent/executions")), (1, 0));
}

#[test]
fn what_was_swallowed_is_written_again() {
    for swallowed in [posts_of("parent", Fault::Swallow), posts_of("b-child", Fault::Swallow).after(1)] {
        let rig = stuck();
        rig.emulator.inject(swallowed);
        let _ = rig.cli.run(&["apply"]).ok();
        healed(&rig);
    }
    // A child that was not set aside, though it was acknowledged, keeps its parent from being deleted: the next run begins again.
    let rig = stuck();
    rig.emulator.inject(posts_of("a-child", Fault::Swallow));
    let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1).json();
    let why = outcome(&ran);
    assert!(
        why.starts_with("failed: not healed: it could not be deleted: Dkron deletes no job with children"),
        "{why}"
    );
    assert_eq!(rig.emulator.job("b-child").expect("a child")["parent_job"], "parent", "put back");
    let _ = rig.cli.run(&["apply"]).ok();
    healed(&rig);
}

#[test]
fn what_a_run_in_flight_undoes_is_written_again() {
    for undone in ["parent", "b-child"] {
        let rig = stuck();
        rig.emulator.inject(posts_of(undone, Fault::RunInFlight { after: Duration::from_millis(700) }).after(1));
        rig.emulator.inject(deletes_of("parent", Fault::RunInFlight { after: Duration::from_millis(700) }));
        let _ = rig.cli.run(&["apply"]).ok();
        rig.emulator.clear_faults();
        healed(&rig);
    }
}

#[test]
fn a_step_that_is_refused_is_told_and_the_next_run_ends_it() {
    let cases: [(Rule, &str); 4] = [
        (posts_of("b-child", refusal()), "failed: not healed: its child `b-child` could not be set aside: "),
        (deletes_of("parent", refusal()), "failed: not healed: it could not be deleted: "),
        (posts_of("parent", refusal()), "failed: deleted to be healed, and it could not be created again: "),
        (posts_of("a-child", refusal()).after(1), "failed: healed, and its child `a-child` is still set aside, "),
    ];
    for (rule, told) in cases {
        let rig = stuck();
        rig.emulator.inject(rule);
        let ran = rig.cli.run(&["apply", "--output", "json"]).exits(1).json();
        let why = outcome(&ran);
        assert!(why.starts_with(told) && why.contains("Job validation failed: no."), "{why}");
        rig.struck();
        // A reconcile is enough.
        let _ = rig.cli.run(&["apply", "--drift", "keep", "--prune=false"]).ok();
        healed(&rig);
    }
}

/// Waits until a request of this kind has arrived.
fn arrived(rig: &Rig, method: &str, name: &str, times: usize) {
    let begun = Instant::now();
    let count = || {
        let journal = rig.emulator.journal();
        journal.iter().filter(|request| request.method == method && request.job.as_deref() == Some(name)).count()
    };
    while count() < times {
        assert!(begun.elapsed() < Duration::from_secs(10), "{method} {name} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The steps of healing: their requests, and which of the kind they are.
const STEPS: [(&str, &str, usize); 6] = [
    ("POST", "a-child", 1),
    ("POST", "b-child", 1),
    ("DELETE", "parent", 1),
    ("POST", "parent", 1),
    ("POST", "a-child", 2),
    ("POST", "b-child", 2),
];

#[test]
fn killed_at_any_step_the_next_run_ends_it() {
    for (method, name, times) in STEPS {
        let rig = stuck();
        let skip = u32::try_from(times - 1).expect("a small number");
        rig.emulator.inject(Rule::new(Fault::Hang).method(method).job(name).after(skip));
        let mut applying = rig.cli.spawn(&["apply"]);
        arrived(&rig, method, name, times);
        applying.kill().expect("a run to kill");
        applying.wait().expect("its end");
        rig.struck();
        let _ = rig.cli.run(&["apply", "--drift", "keep", "--prune=false"]).ok();
        healed(&rig);
    }
}

#[test]
fn a_signal_ends_no_healing_half_way() {
    for (method, name, times) in STEPS {
        let rig = stuck();
        rig.cli.write("jobs-templates/z-stuck.yaml", format!("concurrency: forbid\n{}", job("z-stuck", "1")));
        let skip = u32::try_from(times - 1).expect("a small number");
        let slow = Rule::new(Fault::Delay(Duration::from_millis(300))).method(method).job(name).after(skip);
        // In doubt too: told to stop, it still tries again.
        let fault = Rule::new(Fault::NotAppliedBut500).method(method).job(name).after(skip);
        rig.emulator.inject(slow);
        rig.emulator.inject(fault);
        let applying = rig.cli.spawn(&["apply", "--output", "json"]);
        arrived(&rig, method, name, times);
        signal(&applying, "TERM");
        let ran = rig.cli.finish(applying).exits(143).json();
        let why = outcome(&ran);
        let parent = rig.emulator.job("parent").expect("never lost");
        let aside =
            ["a-child", "b-child"].map(|name| rig.emulator.job(name).expect("a child")["parent_job"] != "parent");
        assert_eq!(aside, [false, false], "{method} {name} {times}: {why}");
        // Before the delete it is given up, and told; from there on it is ended.
        let before = rig.emulator.executions("parent").len() == 1;
        assert_eq!(before, why.contains("not done: stopped by SIGTERM"), "{method} {name} {times}: {why} {parent}");
        assert!(before || why == "done: ", "{why}");
        assert!(!before || times == 1 && (name != "parent" || method == "DELETE"), "{why}");
        rig.struck();
        let _ = rig.cli.run(&["apply"]).ok();
        healed(&rig);
    }
}

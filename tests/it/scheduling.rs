//! What Dkron schedules, compared with what it stores, through the binary on the emulator (FACTS 36 to 37c, 44).

use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Fault, Options, RestartOptions, Rule, Version};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::rig::{Rig, job, signal};

const SECOND: Duration = Duration::from_secs(1);
/// What a write waits for where the scheduler cannot be asked.
const SURE: Duration = Duration::from_secs(15);

/// Jobs whose scheduler has something else than is stored: `late` is not there, `old` has another schedule, `off` runs still.
fn differing() -> Rig {
    let rig = Rig::new(&["fine", "late", "old"]);
    rig.cli.write("jobs-templates/off.yaml", format!("disabled: true\n{}", job("off", "1")));
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.unschedule("late");
    rig.emulator.misschedule("old", "@hourly").expect("a schedule");
    rig.emulator.schedule_as("off", &json!({ "disabled": false })).expect("a job");
    rig.emulator.clear_journal();
    rig
}

fn summary(report: &Value, key: &str) -> u64 {
    report["summary"][key].as_u64().unwrap_or_else(|| panic!("{report:#}"))
}

#[test]
fn a_job_that_is_scheduled_otherwise_is_named_and_posted_once() {
    let rig = differing();
    let planned = rig.cli.run(&["plan", "--exit-code", "--output", "json"]).exits(3).json();
    assert_eq!((summary(&planned, "rescheduled"), summary(&planned, "updated")), (3, 3), "{planned:#}");
    let checked = rig.cli.run(&["check"]).exits(7);
    for (name, words) in [
        ("late", "not scheduled: Dkron stores it, but its scheduler does not have it"),
        ("old", "scheduled differently: Dkron's scheduler has another schedule or other tags than are stored"),
        ("off", "scheduled differently: it is switched off, but Dkron's scheduler still runs it"),
    ] {
        assert!(
            checked.stdout.contains(&format!("error: job `{name}` does not run as it is stored: {words}")),
            "{checked}"
        );
    }
    let status = rig.cli.run(&["status", "--output", "json"]).exits(7).json();
    assert_eq!(status["summary"]["jobs"]["not_scheduled"], 1, "{status:#}");
    assert_eq!(status["summary"]["jobs"]["scheduled_differently"], 2, "{status:#}");
    let metrics = rig.cli.run(&["status", "--output", "openmetrics"]).exits(7).stdout;
    for line in ["dkron_jobs_not_scheduled{job_name=\"late\"", "dkron_jobs_scheduled_differently{job_name=\"old\""] {
        assert!(metrics.lines().any(|metric| metric.starts_with(line) && metric.ends_with("} 1")), "{metrics}");
    }
    assert_eq!(rig.emulator.writes(), 0, "nothing was written so far");
    let applied = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert_eq!((summary(&applied, "rescheduled"), summary(&applied, "healed")), (3, 0), "{applied:#}");
    assert_eq!(["fine", "late", "old"].map(|name| rig.writes_of(name)), [0, 1, 1]);
    assert!(rig.emulator.is_scheduled("late") && rig.emulator.is_scheduled("old") && !rig.emulator.is_scheduled("off"));
    assert_eq!(rig.emulator.job("off").expect("the job")["schedule"], "@yearly");
    let _ = rig.cli.run(&["check"]).ok();
    rig.settled();
}

#[test]
fn without_healing_it_is_only_reported() {
    let rig = differing();
    let applied = rig.cli.run(&["apply", "--heal-stuck=false", "--output", "json"]).ok().json();
    assert_eq!((summary(&applied, "rescheduled"), summary(&applied, "updated")), (0, 0), "{applied:#}");
    let warnings = applied["warnings"].to_string();
    for name in ["late", "old", "off"] {
        assert!(warnings.contains(&format!("job `{name}` does not run as it is stored")), "{warnings}");
    }
    assert_eq!(rig.emulator.writes(), 0);
}

#[test]
fn where_an_edit_is_kept_what_is_stored_is_posted() {
    let rig = Rig::applied(&["a"]);
    let mut edited = rig.emulator.job("a").expect("the job");
    edited["schedule"] = "@daily".into();
    rig.emulator.put(&edited).expect("a good job");
    rig.emulator.misschedule("a", "@yearly").expect("a schedule");
    let applied = rig.cli.run(&["apply", "--drift", "keep", "--output", "json"]).ok().json();
    assert_eq!(summary(&applied, "rescheduled"), 1, "{applied:#}");
    assert_eq!(rig.emulator.job("a").expect("the job")["schedule"], "@daily");
    let _ = rig.cli.run(&["check", "--drift", "keep"]).ok();
}

#[test]
fn a_job_of_another_owner_is_only_reported() {
    let rig = Rig::applied(&["a"]);
    rig.emulator.put(&json!({ "name": "by-hand", "schedule": "@daily", "executor": "http" })).expect("a good job");
    rig.emulator.unschedule("by-hand");
    let ran = rig.cli.run(&["apply", "--output", "json"]).ok().json();
    assert!(
        ran["warnings"]
            .to_string()
            .contains("job `by-hand`, which this release does not own, does not run as it is stored"),
        "{ran:#}"
    );
    assert_eq!(rig.emulator.writes(), 0);
}

#[test]
fn a_difference_that_does_not_last_is_none() {
    let rig = Rig::applied(&["a"]);
    rig.emulator.unschedule("a");
    let applying = rig.cli.spawn(&["plan", "--exit-code"]);
    // Somebody else's write reaches the scheduler a moment after the store.
    std::thread::sleep(Duration::from_millis(500));
    rig.emulator.put(&rig.emulator.job("a").expect("the job")).expect("a good job");
    let _ = rig.cli.finish(applying).ok();
}

#[test]
fn nothing_is_written_before_the_scheduler_runs() {
    let rig = Rig::applied(&["a", "b"]);
    rig.emulator.set_scheduler_delay(3 * SECOND);
    rig.emulator.restart(RestartOptions::new());
    rig.change("a");
    let (ran, took) = rig.timed(&["apply"]);
    let ran = ran.ok();
    assert!(took >= 2 * SECOND, "{took:?}");
    assert!(ran.stderr.contains("waiting for the leader's scheduler to start"), "{ran}");
    let _ = rig.cli.run(&["check"]).ok();
}

/// Where the scheduler does not start at all.
fn stopped() -> Rig {
    let rig = Rig::applied(&["a"]);
    rig.emulator.set_scheduler_delay(Duration::from_hours(1));
    rig.emulator.restart(RestartOptions::new());
    assert!(rig.emulator.wait_until_replayed(10 * SECOND));
    rig
}

#[test]
fn while_the_scheduler_does_not_run_each_command_says_so() {
    let rig = stopped();
    rig.emulator.clear_journal();
    let short = ["--wait-timeout", "1s"];
    let with = |command: &[&'static str]| [command, &short].concat();
    for (command, code) in [(&["apply"][..], 4), (&["wait"], 4), (&["check"], 7)] {
        let ran = rig.cli.run(&with(command)).exits(code);
        let words = "waiting for the leader's scheduler to start: the leader `d1` does not run its scheduler";
        assert!(ran.stderr.contains(words), "{ran}");
    }
    let ran = rig.cli.run(&with(&["status"])).exits(7);
    assert!(ran.stdout.contains("warning: the scheduler is not running"), "{ran}");
    let metrics = rig.cli.run(&with(&["status", "--output", "openmetrics"])).exits(7).stdout;
    assert!(metrics.contains("dkron_jobs_scheduler_running 0\n"), "{metrics}");
    let ran = rig.cli.run(&with(&["plan", "--exit-code"])).ok();
    assert!(ran.stdout.contains("warning: the scheduler is not running"), "{ran}");
    let ran = rig.cli.run(&with(&["backup", "--backups", "saved"])).ok();
    assert!(ran.stdout.contains("warning: the scheduler is not running"), "{ran}");
    assert_eq!(rig.emulator.writes(), 0);
}

#[test]
fn a_signal_ends_the_wait_for_the_scheduler() {
    let rig = stopped();
    rig.change("a");
    let applying = rig.cli.spawn(&["apply", "--log-format", "json"]);
    std::thread::sleep(SECOND);
    let begun = Instant::now();
    signal(&applying, "TERM");
    let ran = rig.cli.finish(applying).exits(143);
    assert!(begun.elapsed() < 2 * SECOND, "{ran}");
    assert_eq!(rig.version("a"), "1");
}

#[test]
fn the_jobs_that_keep_the_scheduler_from_starting_are_named_with_what_ends_it() {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let far = "@after 2099-01-01T00:00:00Z <PT1H";
    emulator.put(&json!({ "name": "once", "schedule": far, "executor": "http" })).expect("a good job");
    emulator.put(&json!({ "name": "then", "parent_job": "once", "executor": "http" })).expect("a good job");
    emulator.put(&json!({ "name": "alone", "schedule": far, "executor": "http" })).expect("a good job");
    emulator.put(&json!({ "name": "daily", "schedule": "@daily", "executor": "http" })).expect("a good job");
    emulator.restart(RestartOptions::new().version(Version::V4_0).from_snapshot());
    assert!(emulator.wait_until_replayed(10 * SECOND));
    let cli = Cli::new().dkron(&emulator.url());
    let ran = cli.run(&["wait", "--wait-timeout", "1s"]).exits(4);
    let requests =
        "then send it: DELETE /v1/jobs/alone; POST /v1/jobs with job `once` and its schedule changed to `@manually`";
    assert!(ran.stderr.contains(requests), "{ran}");
    assert!(emulator.delete("alone"));
    emulator.put(&json!({ "name": "once", "schedule": "@manually", "executor": "http" })).expect("a good job");
    let _ = cli.run(&["wait", "--wait-timeout", "20s"]).ok();
}

#[test]
fn a_hidden_scheduler_is_a_warning_and_delays_the_first_write() {
    let rig = Rig::applied(&["a"]);
    let hidden = Fault::Answer { status: 403, headers: Vec::new(), body: "no such page".to_owned() };
    rig.emulator.inject(Rule::new(hidden).path("/debug/vars").always());
    let words = "schedules could not be compared with what it stores: its /debug/vars cannot be read";
    let (ran, took) = rig.timed(&["apply"]);
    assert!(ran.ok().stdout.contains(words) && took < 5 * SECOND, "{took:?}");
    let _ = rig.cli.run(&["check"]).ok();
    rig.change("a");
    let (ran, took) = rig.timed(&["apply"]);
    let ran = ran.ok();
    assert!(took + SECOND >= SURE && took < SURE + 10 * SECOND, "{took:?}: {ran}");
    assert_eq!((rig.version("a"), rig.writes_of("a")), ("2".to_owned(), 1));
}

#[test]
fn what_cannot_be_compared_is_one_warning_and_no_write() {
    let without = "{\n\"cmdline\": [],\n\"memstats\": {\"TotalAlloc\":1},\n\"scheduler_started\": 1\n}\n";
    let other = "{\n\"cmdline\": [],\n\"cron_entries\": {\"a\": {\"at\": \"@daily\"}},\n\"memstats\": {\"TotalAlloc\":1},\n\"scheduler_started\": 1\n}\n";
    for body in [without, other] {
        let rig = Rig::applied(&["a"]);
        let headers = vec![("X-Whom".to_owned(), "d1".to_owned())];
        let vars = Fault::Answer { status: 200, headers, body: body.to_owned() };
        rig.emulator.inject(Rule::new(vars).path("/debug/vars").always());
        for command in [["apply", "--output=json"], ["plan", "--output=json"], ["check", "--output=json"]] {
            let ran = rig.cli.run(&command).ok().json();
            let warnings = ran["warnings"].as_array().expect("warnings");
            assert_eq!(warnings.len(), 1, "{ran:#}");
            assert!(warnings[0].as_str().is_some_and(|text| text.contains("could not be compared")), "{ran:#}");
        }
        assert_eq!(rig.emulator.writes(), 0);
    }
}

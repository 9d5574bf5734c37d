//! The emulator's scheduler: what is stored and not scheduled, what a late one loses, and what `/debug/vars` shows of it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "waits, and fails where a test fails")]

use std::time::Duration;

use dkron_emulator::{ENCRYPT_KEY, Emulator, Fault, Options, RestartOptions, Rule, Version};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::emulator::{eventually, job, start, with};
use crate::emulator_runs::Target;
use crate::http;

/// The text of `/debug/vars`.
fn vars(url: &str) -> String {
    let answer = http::get(url, "/debug/vars");
    assert_eq!(answer.status, 200);
    answer.text()
}

/// One of its lines, without its name and its comma.
fn line(text: &str, name: &str) -> String {
    let start = format!("\"{name}\": ");
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&start)).collect();
    assert_eq!(lines.len(), 1, "{name} in {text}");
    lines[0].strip_suffix(',').unwrap_or(lines[0]).to_owned()
}

fn entries(url: &str) -> String {
    line(&vars(url), "cron_entries")
}

fn started(url: &str) -> bool {
    line(&vars(url), "scheduler_started") == "1"
}

fn total_alloc(url: &str) -> u64 {
    let memory: Value = serde_json::from_str(&line(&vars(url), "memstats")).unwrap();
    memory["TotalAlloc"].as_u64().unwrap()
}

/// The entry of one job.
fn entry(url: &str, name: &str) -> Option<String> {
    let entries: Value = serde_json::from_str(&entries(url)).unwrap();
    entries[name].as_str().map(str::to_owned)
}

fn every(name: &str, schedule: &str) -> Value {
    with(job(name), "schedule", schedule)
}

#[test]
fn vars_are_a_text_with_a_secret_and_sorted_entries() {
    let emulator = start();
    let url = emulator.url();
    assert_eq!(entries(&url), "{}");
    emulator.put(&with(every("b", "~ ~ * * * *"), "tags", json!({ "z": "a b:c", "server": "true:1" }))).unwrap();
    emulator.put(&every("a", "TZ=Europe/Paris 0 0 12 * * *")).unwrap();
    emulator.put(&with(every("off", "@every 1h"), "disabled", true)).unwrap();
    emulator.put(&with(job("child"), "parent_job", "a")).unwrap();
    let answer = http::get(&url, "/debug/vars");
    assert_eq!(answer.header("x-whom").as_deref(), Some("d1"));
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json; charset=utf-8"));
    let text = answer.text();
    let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once("\": ")?.0)).collect();
    assert_eq!(names, ["\"cmdline", "\"cron_entries", "\"memstats", "\"node", "\"scheduler_started"]);
    assert!(
        text.starts_with("{\n\"cmdline\": [\"dkron\",\"agent\",") && text.ends_with("\"scheduler_started\": 1\n}\n")
    );
    assert!(line(&text, "cmdline").contains(&format!("\"--encrypt={ENCRYPT_KEY}\"")), "{text}");
    assert_eq!(
        line(&text, "cron_entries"),
        "{\"a\": \"Job: a, scheduled at: TZ=Europe/Paris 0 0 12 * * *, tags:map[]\", \
         \"b\": \"Job: b, scheduled at: ~ ~ * * * *, tags:map[server:true:1 z:a b:c]\"}"
    );
    answer.json();

    emulator.put(&with(job("quoted"), "tags", json!({ "a": "say \"x\" \\ y" }))).unwrap();
    let text = vars(&url);
    assert!(
        text.contains("\"quoted\": \"Job: quoted, scheduled at: @manually, tags:map[a:say \"x\" \\ y]\"}"),
        "{text}"
    );
    assert!(serde_json::from_str::<Value>(&text).is_err(), "nothing in an entry is escaped");

    let own = Emulator::start(Options::new().encrypt_key("own-key")).unwrap();
    assert!(line(&vars(&own.url()), "cmdline").contains("--encrypt=own-key"));
}

#[test]
fn vars_can_be_hidden() {
    let emulator = start();
    for status in [403, 404] {
        let hidden = Fault::Answer { status, headers: Vec::new(), body: "hidden".to_owned() };
        emulator.inject(Rule::new(hidden).path("/debug/vars").always());
        assert_eq!(http::get(&emulator.url(), "/debug/vars").status, status);
        assert_eq!(http::get(&emulator.url(), "/v1/leader").status, 200);
        emulator.clear_faults();
    }
}

#[test]
fn memory_only_grows_until_a_restart() {
    let emulator = start();
    let url = emulator.url();
    let mut before = total_alloc(&url);
    for _ in 0..3 {
        let now = total_alloc(&url);
        assert!(now > before);
        before = now;
    }
    emulator.restart(RestartOptions::new());
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    assert!(total_alloc(&url) < before);
}

#[test]
fn a_child_is_shown_from_its_first_run_on() {
    let target = Target::start("200 OK");
    let emulator = start();
    let url = emulator.url();
    emulator.put(&target.job("p", "@manually")).unwrap();
    emulator.put(&with(target.job("c", ""), "parent_job", "p")).unwrap();
    assert_eq!(entry(&url, "c"), None);
    assert_eq!(http::ask(&url, "POST", "/v1/jobs/p/run", "").status, 200);
    assert_eq!(entry(&url, "c").unwrap(), "Job: c, scheduled at: , tags:map[]");
    assert!(!emulator.is_scheduled("c"));
    assert!(emulator.delete("c"));
    assert!(entry(&url, "c").is_some(), "it is shown without a stored job");
    emulator.restart(RestartOptions::new());
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    assert_eq!(entry(&url, "c"), None, "another process");
}

/// How often each job of that name was asked for at the target.
fn runs(emulator: &Emulator, name: &str) -> usize {
    emulator.executions(name).len()
}

#[test]
fn what_is_written_before_a_late_scheduler_starts_is_stored_and_not_scheduled() {
    let target = Target::start("200 OK");
    let delay = Duration::from_millis(1500);
    let emulator = Emulator::start(Options::new().nodes(3).scheduler_delay(delay)).unwrap();
    let every_second = |name: &str| target.job(name, "@every 1s");
    for name in ["changed", "off", "deleted", "same"] {
        emulator.put(&every_second(name)).unwrap();
    }
    emulator.put(&target.job("zone", "0 0 12 * * *")).unwrap();
    assert!(emulator.is_scheduling(), "the first leader is not late");

    emulator.set_leader(1);
    let (old, new) = (emulator.node_url(0), emulator.node_url(1));
    assert!(!emulator.is_scheduling() && !started(&new));
    assert_eq!(entries(&new), "{}", "a process that never led");
    assert!(!started(&old) && entry(&old, "changed").is_some(), "the old leader still shows what it held");
    assert_eq!(http::get(&new, "/v1/leader").json()["Name"], "d2");
    assert_eq!(http::post(&new, &with(job("barrier"), "parent_job", "nobody")).status, 404);
    let written = [
        target.job("changed", "@yearly"),
        with(every_second("off"), "disabled", true),
        with(target.job("zone", "0 0 12 * * *"), "timezone", "Asia/Tokyo"),
        every_second("created"),
    ];
    for job in &written {
        assert_eq!(http::post(&new, job).status, 201);
    }
    assert_eq!(http::ask(&new, "DELETE", "/v1/jobs/deleted", "").status, 200);
    assert!(entry(&new, "changed").unwrap().contains("@yearly"), "until the start, what was written");
    assert!(entry(&new, "created").is_some() && emulator.is_scheduled("created"));
    assert_eq!(entry(&new, "off"), None);
    let before = runs(&emulator, "same");

    eventually("it starts", || started(&new));
    assert_eq!(runs(&emulator, "same"), before, "nothing ran meanwhile");
    assert!(entry(&new, "changed").unwrap().contains("@every 1s"), "from then on, what was read before");
    assert!(entry(&new, "off").is_some() && entry(&new, "deleted").is_some());
    assert_eq!(entry(&new, "created"), None);
    assert!(!emulator.is_scheduled("created"));
    let before = ["changed", "off", "deleted", "created"].map(|name| runs(&emulator, name));
    eventually("the others run", || runs(&emulator, "same") > 1);
    std::thread::sleep(Duration::from_millis(1200));
    let after = ["changed", "off", "deleted", "created"].map(|name| runs(&emulator, name));
    assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");
    assert_eq!(after[2..], [0, 0], "a deleted job does not run, and neither does a created one");
    let stored = emulator.job("changed").unwrap();
    assert_eq!(stored["schedule"], "@yearly", "the store has what was written");
    assert_eq!(emulator.job("off").unwrap()["disabled"], true);

    for job in &written {
        assert_eq!(http::post(&new, job).status, 201);
    }
    assert!(entry(&new, "changed").unwrap().contains("@yearly"), "the next upsert is scheduled");
    assert_eq!(entry(&new, "off"), None);
    eventually("the created one runs", || runs(&emulator, "created") > 0);
}

#[test]
fn a_scheduler_that_is_still_loading_undoes_writes_to_what_it_has_not_added() {
    let emulator = start();
    let url = emulator.url();
    emulator.load(100);
    emulator.set_scheduler_load(Duration::from_secs(2));
    emulator.restart(RestartOptions::new().leader_after(Duration::ZERO).replay(Duration::ZERO));
    eventually("half of them are added", || {
        http::send(&url, "GET", "/health", "", "").is_ok() && emulator.is_scheduled("job-00050")
    });
    assert!(!started(&url));
    for job in [every("job-00000", "@yearly"), every("job-00099", "@yearly"), every("new", "@yearly")] {
        assert_eq!(http::post(&url, &job).status, 201);
    }
    eventually("it starts", || started(&url));
    assert!(entry(&url, "job-00000").unwrap().contains("@yearly"), "it had been added before");
    assert!(entry(&url, "job-00099").unwrap().contains("39 1 0 * * *"), "it is added as it was read");
    assert!(entry(&url, "new").is_some(), "a created job stays");
    assert_eq!(emulator.job("job-00099").unwrap()["schedule"], "@yearly");
}

#[test]
fn single_jobs_scheduled_differently() {
    let target = Target::start("200 OK");
    let emulator = start();
    let url = emulator.url();
    for name in ["a", "b", "c"] {
        emulator.put(&target.job(name, "@yearly")).unwrap();
    }
    emulator.misschedule("a", "@every 1s").unwrap();
    assert_eq!(emulator.job("a").unwrap()["schedule"], "@yearly");
    assert_eq!(entry(&url, "a").unwrap(), "Job: a, scheduled at: @every 1s, tags:map[]");
    eventually("it runs on the schedule that is held", || runs(&emulator, "a") > 0);

    emulator.schedule_as("b", &json!({ "tags": { "x": "y" }, "timezone": "Asia/Tokyo" })).unwrap();
    assert_eq!(entry(&url, "b").unwrap(), "Job: b, scheduled at: @yearly, tags:map[x:y]");
    emulator.schedule_as("c", &json!({ "disabled": true })).unwrap();
    assert_eq!(entry(&url, "c"), None);
    assert_eq!(emulator.job("c").unwrap()["disabled"], false);
    emulator.put(&with(target.job("off", "@every 1s"), "disabled", true)).unwrap();
    emulator.schedule_as("off", &json!({ "disabled": false })).unwrap();
    eventually("it runs although it is off", || runs(&emulator, "off") > 0);
    emulator.schedule_as("gone", &json!({ "schedule": "@daily" })).unwrap();
    assert!(entry(&url, "gone").is_some() && emulator.job("gone").is_none());
    assert_eq!(emulator.misschedule("a", "nonsense").unwrap_err().status, 400);

    assert_eq!(http::post(&url, &target.job("a", "@yearly")).status, 201);
    assert_eq!(entry(&url, "a").unwrap(), "Job: a, scheduled at: @yearly, tags:map[]");
}

/// `@after` an instant this far from now.
fn after(from_now: SignedDuration, grace: &str) -> String {
    format!("@after {} <{grace}", Timestamp::now() + from_now)
}

#[test]
fn after_runs_twice_at_its_instant_and_once_more_after_each_upsert_within_its_grace() {
    let target = Target::start("200 OK");
    let emulator = start();
    let url = emulator.url();
    let schedule = after(SignedDuration::from_millis(700), "PT1H");
    let instant = schedule.split(' ').nth(1).unwrap().parse::<Timestamp>().unwrap();
    let job = target.job("a", &schedule);
    assert_eq!(http::post(&url, &job).status, 201);
    let next = || emulator.job("a").unwrap()["next"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(next(), instant);
    eventually("it runs", || runs(&emulator, "a") > 0);
    let settled = |count: usize| {
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(runs(&emulator, "a"), count);
    };
    settled(2);
    assert_eq!(next(), instant, "it stays in the past");
    assert!(entry(&url, "a").unwrap().contains("scheduled at: @after "), "its entry stays");

    assert_eq!(http::post(&url, &job).status, 201);
    settled(3);
    assert!(emulator.toggle("a") && emulator.toggle("a"));
    settled(4);
    emulator.restart(RestartOptions::new());
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    settled(5);
    emulator.set_leader(0);
    settled(6);

    let past = target.job("a", &after(-SignedDuration::from_hours(2), "PT1H"));
    assert_eq!(http::post(&url, &past).status, 201);
    settled(6);
    assert_eq!(next().to_string(), "0001-01-01T00:00:00Z");
    let once = with(target.job("once", &after(-SignedDuration::from_secs(1), "PT1H")), "ephemeral", true);
    assert_eq!(http::post(&url, &once).status, 201);
    eventually("it is deleted after its run", || emulator.job("once").is_none());
}

#[test]
fn a_4_0_knows_no_after() {
    let emulator = Emulator::start(Options::new().version(Version::V4_0)).unwrap();
    let refused = http::post(&emulator.url(), &every("a", "@after 2099-01-01T00:00:00Z <PT2H"));
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (
            400,
            "Job validation failed: can't parse job schedule: unrecognized descriptor: @after 2099-01-01T00:00:00Z <PT2H."
        )
    );
    assert_eq!(http::get(&emulator.url(), "/v1/leader").json()["Tags"]["version"], "4.0.9");
}

#[test]
fn what_a_4_0_cannot_read_is_gone_or_keeps_its_scheduler_from_starting() {
    let emulator = start();
    let url = emulator.url();
    let minute = Duration::from_mins(1);
    emulator.put(&every("after", "@after 2099-01-01T00:00:00Z <PT2H")).unwrap();
    emulator.put(&with(job("child"), "parent_job", "after")).unwrap();
    emulator.put(&every("plain", "@every 1h")).unwrap();
    let back = |version, options: RestartOptions| {
        emulator.restart(options.version(version));
        assert!(emulator.wait_until_replayed(minute));
    };
    back(Version::V4_0, RestartOptions::new());
    assert_eq!(http::get(&url, "/v1/jobs").names(), ["plain"]);
    assert!(started(&url));
    back(Version::V4_1, RestartOptions::new());
    assert_eq!(http::get(&url, "/v1/jobs").names(), ["after", "child", "plain"]);

    back(Version::V4_0, RestartOptions::new().from_snapshot());
    assert_eq!(http::get(&url, "/v1/jobs").names(), ["after", "child", "plain"]);
    assert_eq!(http::get(&url, "/v1/leader").json()["Tags"]["version"], "4.0.9");
    assert_eq!(http::post(&url, &with(job("barrier"), "parent_job", "nobody")).status, 404);
    assert_eq!(http::post(&url, &every("new", "@every 1h")).status, 201);
    std::thread::sleep(Duration::from_millis(100));
    assert!(!started(&url), "no job runs at all");
    for name in ["child", "after"] {
        assert_eq!(http::ask(&url, "DELETE", &format!("/v1/jobs/{name}"), "").status, 200);
    }
    eventually("it starts once they are deleted", || started(&url));
    assert!(entry(&url, "plain").is_some() && entry(&url, "new").is_some());
}

#[test]
fn nodes_of_two_versions() {
    let options = Options::new().nodes(3).node_version(2, Version::V4_0);
    let emulator = Emulator::start(options).unwrap();
    let [new, _, old] = [0, 1, 2].map(|node| emulator.node_url(node));
    let members = http::get(&new, "/v1/members").json();
    let versions: Vec<&str> =
        members.as_array().unwrap().iter().map(|member| member["Tags"]["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["4.1.2", "4.1.2", "4.0.9"]);
    let late = every("late", "@after 2099-01-01T00:00:00Z <PT2H");
    assert_eq!(http::post(&old, &late).status, 400);
    assert_eq!(http::post(&new, &late).status, 201);
    assert_eq!(http::get(&new, "/v1/jobs").names(), ["late"]);
    assert!(http::get(&old, "/v1/jobs").names().is_empty());
    assert_eq!(http::ask(&old, "DELETE", "/v1/jobs/late/executions", "").status, 404);
    assert_eq!(http::ask(&new, "DELETE", "/v1/jobs/late/executions", "").status, 200);
    emulator.set_leader(2);
    assert_eq!(emulator.job_count(), 0, "it is gone once an older one leads");
    assert_eq!(http::post(&new, &late).status, 500);
    emulator.set_leader(1);
    assert_eq!(emulator.job_count(), 1);
}

//! What the leader's scheduler holds, read from `/debug/vars` and compared with stored jobs. Data in, data out.

use dkron_jobs::job::{Job, Mismatch, Scheduler};

use crate::sequences::JobExt;

/// A document as Go's expvar writes it.
fn document(entries: &[(&str, &str)], started: &str, allocated: u64) -> String {
    let entries: Vec<_> = entries.iter().map(|(name, entry)| format!("\"{name}\": \"{entry}\"")).collect();
    format!(
        "{{\n\"cmdline\": [\"dkron\",\"agent\",\"--encrypt=kJ4\"],\n\"cron_entries\": {{{}}},\n\"memstats\": \
         {{\"Alloc\":1,\"TotalAlloc\":{allocated},\"Sys\":3}},\n\"scheduler_started\": {started}\n}}\n",
        entries.join(", ")
    )
}

fn entry(name: &str, schedule: &str, tags: &str) -> (String, String) {
    (name.to_owned(), format!("Job: {name}, scheduled at: {schedule}, tags:map[{tags}]"))
}

fn scheduler(entries: &[(String, String)]) -> Scheduler {
    let entries: Vec<_> = entries.iter().map(|(name, entry)| (name.as_str(), entry.as_str())).collect();
    Scheduler::parse(document(&entries, "1", 7).as_bytes()).expect("a document")
}

fn compare(scheduler: &Scheduler, jobs: &[Job]) -> Vec<(String, Mismatch)> {
    let jobs = jobs.to_vec();
    let found = scheduler.compare(jobs.iter()).expect("entries of the known form");
    found.into_iter().map(|(job, mismatch)| (job.name.to_string(), mismatch)).collect()
}

fn job(name: &str, schedule: &str) -> Job {
    Job::new(name).with(|job| {
        job.schedule = schedule.into();
        job.tags = [("server".to_owned(), "true:1".to_owned())].into_iter().collect();
    })
}

#[test]
fn whether_it_runs_and_what_it_has_allocated() {
    for (started, runs) in [("1", true), ("0", false)] {
        let read = Scheduler::parse(document(&[], started, 123).as_bytes()).expect("a document");
        assert_eq!((read.started, read.allocated), (runs, Some(123)));
    }
}

#[test]
fn a_document_that_does_not_say_whether_it_runs_is_an_error_without_its_text() {
    for body in
        ["", "{}", "<html>--encrypt=kJ4</html>", "{\n\"cmdline\": [\"--encrypt=kJ4\"],\n\"cron_entries\": {}\n}\n"]
    {
        let error = Scheduler::parse(body.as_bytes()).expect_err("it says nothing");
        assert_eq!(error, "it has no `scheduler_started`", "{body}");
    }
    let read = Scheduler::parse(document(&[], "1", 1).as_bytes()).expect("a document");
    assert!(!format!("{read:?}").contains("kJ4"), "{read:?}");
}

#[test]
fn a_job_is_compared_with_its_entry() {
    let held = scheduler(&[
        entry("changed", "@hourly", "server:true:1"),
        entry("off", "@every 2s", "server:true:1"),
        entry("retagged", "@every 2s", "server:true:3"),
        entry("same", "@every 2s", "server:true:1"),
    ]);
    let jobs = [
        job("changed", "@every 2s"),
        job("missing", "@every 2s"),
        job("off", "@every 2s").with(|job| job.disabled = true),
        job("off-and-gone", "@every 2s").with(|job| job.disabled = true),
        job("retagged", "@every 2s"),
        job("same", "@every 2s"),
    ];
    let expected = [
        ("changed", Mismatch::ScheduledDifferently),
        ("missing", Mismatch::NotScheduled),
        ("off", Mismatch::StillScheduled),
        ("retagged", Mismatch::ScheduledDifferently),
    ];
    assert_eq!(compare(&held, &jobs), expected.map(|(name, mismatch)| (name.to_owned(), mismatch)));
}

#[test]
fn a_childs_entry_proves_nothing() {
    let child = |name: &str| job(name, "@every 2s").with(|job| job.parent_job = "p".into());
    let held = scheduler(&[entry("old", "@hourly", ""), entry("p", "@every 2s", "server:true:1")]);
    assert_eq!(compare(&held, &[child("new"), child("old"), job("p", "@every 2s")]), []);
}

#[test]
fn a_name_that_begins_with_another_is_another_job() {
    let held = scheduler(&[entry("ab", "@every 2s", "server:true:1")]);
    assert_eq!(compare(&held, &[job("a", "@every 2s")]), [("a".to_owned(), Mismatch::NotScheduled)]);
}

#[test]
fn tags_that_make_the_document_invalid_json_are_compared_as_text() {
    let strange = [
        ("quote", "a\"b", "k:a\"b server:true:1"),
        ("backslash", r"a\b", r"k:a\b server:true:1"),
        (
            "line",
            "a\n\"scheduler_started\": 0\n\"memstats\": {\"TotalAlloc\":9}",
            "k:a\n\"scheduler_started\": 0\n\"memstats\": {\"TotalAlloc\":9} server:true:1",
        ),
        (
            "like-an-entry",
            "\", \"x\": \"Job: x, scheduled at: @daily, tags:map[]",
            "k:\", \"x\": \"Job: x, scheduled at: @daily, tags:map[] server:true:1",
        ),
        ("two-or-one", "b c:d", "k:b c:d server:true:1"),
    ];
    for (name, tag, text) in strange {
        let held = scheduler(&[
            entry("a", "@hourly", "server:true:1"),
            entry(name, "@every 2s", text),
            entry("z", "@daily", "server:true:1"),
        ]);
        assert_eq!((held.started, held.allocated), (true, Some(7)), "{name}");
        let tagged = job(name, "@every 2s").with(|job| {
            job.tags.insert("k".into(), tag.into());
        });
        assert_eq!(compare(&held, &[job("a", "@hourly"), tagged, job("z", "@daily")]), [], "{name}");
        assert_eq!(
            compare(&held, &[job(name, "@every 2s"), job("z", "@hourly")]),
            [(name.to_owned(), Mismatch::ScheduledDifferently), ("z".to_owned(), Mismatch::ScheduledDifferently)],
        );
    }
}

#[test]
fn tags_are_written_in_the_order_of_their_keys() {
    let held = scheduler(&[entry("a", "TZ=Europe/Paris 0 ~ * * * *", "B:2 a:1 é:3")]);
    let tagged = job("a", "TZ=Europe/Paris 0 ~ * * * *").with(|job| {
        job.tags =
            [("é", "3"), ("a", "1"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    });
    assert_eq!(compare(&held, &[tagged]), []);
    let held = scheduler(&[entry("a", "@daily", "")]);
    assert_eq!(compare(&held, &[job("a", "@daily").with(|job| job.tags = [].into_iter().collect())]), []);
}

#[test]
fn what_has_no_entries_of_the_known_form_cannot_be_compared() {
    let jobs = [job("a", "@daily"), job("b", "@daily")];
    let without = "{\n\"cmdline\": [],\n\"memstats\": {\"TotalAlloc\":1},\n\"scheduler_started\": 1\n}\n";
    let without = Scheduler::parse(without.as_bytes()).expect("a document");
    assert_eq!(without.compare(jobs.iter()), Err("it has no `cron_entries`"));

    let other = document(&[("a", "a at @daily"), ("b", "b at @daily")], "1", 1);
    let other = Scheduler::parse(other.as_bytes()).expect("a document");
    assert_eq!(other.compare(jobs.iter()), Err("no entry in its `cron_entries` has the known form"));

    // None at all is an answer: the scheduler has no job.
    let empty = Scheduler::parse(document(&[], "1", 1).as_bytes()).expect("a document");
    assert_eq!(empty.compare(jobs.iter()).expect("it has entries").len(), 2);
}

//! Which jobs Dkron does not run any more: what it says about a job, and what follows from it. Data in, data out.

use dkron_jobs::job::{Job, LiveJob, Stuck};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::model::stored;
use crate::sequences::{JobExt, refresh};

fn now() -> Timestamp {
    "2026-03-04T12:00:00Z".parse().expect("an instant")
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// A job whose next run should have begun so many seconds ago.
fn due(job: &Job, seconds: i64) -> LiveJob {
    LiveJob { next: Some(ago(seconds)), ..stored(job) }
}

fn forbid() -> Job {
    refresh("prices").with(|job| job.concurrency = "forbid".into())
}

fn timeout(job: Job, timeout: &str) -> Job {
    job.with(|job| {
        job.executor_config.insert("timeout".into(), timeout.into());
    })
}

#[test]
fn late_is_a_minute_after_the_next_run() {
    let job = refresh("prices");
    for (seconds, is_late) in [(-3600, false), (0, false), (60, false), (61, true), (100_000, true)] {
        assert_eq!(due(&job, seconds).is_late(now()), is_late, "{seconds} s");
    }
    assert!(!LiveJob { next: None, ..stored(&job) }.is_late(now()));
}

type Edit = fn(&mut Job, Option<Timestamp>);

#[test]
fn what_need_not_run_is_never_late() {
    let at = |offset: i64| Some(now() + offset.seconds());
    let cases: [(&str, Edit, i64, bool); 11] = [
        ("as it is", |_, _| {}, 0, true),
        ("switched off", |job, _| job.disabled = true, 0, false),
        ("a child", |job, _| job.parent_job = "p".into(), 0, false),
        ("by hand", |job, _| job.schedule = "@manually".into(), 0, false),
        ("once", |job, _| job.schedule = "@at 2026-03-04T11:00:00Z".into(), 0, false),
        ("once, within its grace period", |job, _| job.schedule = "@after 2026-03-04T11:00:00Z <P1D".into(), 0, false),
        ("by a schedule that we do not know", |job, _| job.schedule = "@sunrise".into(), 0, false),
        ("expired", |job, at| job.expires_at = at, -1, false),
        ("not expired", |job, at| job.expires_at = at, 1, true),
        ("not begun", |job, at| job.starts_at = at, 1, false),
        ("begun", |job, at| job.starts_at = at, -61, true),
    ];
    for (what, edit, offset, is_late) in cases {
        let job = refresh("prices").with(|job| edit(job, at(offset)));
        assert_eq!(due(&job, 100).is_late(now()), is_late, "{what}");
    }
}

#[test]
fn stuck_is_what_an_old_execution_blocks() {
    let late = due(&timeout(forbid(), "20"), 100);
    let stuck = |job: &LiveJob, began: &[i64]| {
        let unfinished: Vec<_> = began.iter().map(|&began| ago(began)).collect();
        job.stuck(&unfinished, now())
    };
    let since = |began| Some(Stuck { since: ago(100), began: ago(began) });
    assert_eq!(stuck(&late, &[200]), since(200));
    // The clocks of two nodes may be ten seconds apart.
    assert_eq!(stuck(&late, &[31]), since(31));
    assert_eq!(stuck(&late, &[30]), None, "it may still be running");
    assert_eq!(stuck(&late, &[4000, 5]), None, "the newer one may still be running");
    assert_eq!(stuck(&late, &[]), None);
    assert_eq!(stuck(&due(&forbid(), 60), &[200]), None, "it is not late");
    assert_eq!(stuck(&due(&refresh("prices"), 100), &[200]), None, "it blocks nothing");
}

#[test]
fn a_run_may_take_as_long_as_its_executor_lets_it() {
    let shell = |text: &str| timeout(forbid(), text).with(|job| job.executor = "shell".into());
    let cases = [
        (forbid(), 30),
        (timeout(forbid(), "5"), 5),
        (timeout(forbid(), "300"), 300),
        // What is no number counts as not given, and 0 is no limit.
        (timeout(forbid(), "300s"), 30),
        (timeout(forbid(), "0"), 3600),
        (timeout(forbid(), "-1"), 3600),
        (shell("2m30s"), 150),
        (shell("90s"), 90),
        (shell(""), 3600),
        (shell("soon"), 3600),
        // Go's durations, and no others.
        (shell("0.5h5m"), 2100),
        (shell("1m 30s"), 3600),
        (shell("1.5m"), 90),
    ];
    for (job, limit) in cases {
        let after = |seconds| due(&job, 100).stuck(&[ago(seconds)], now());
        let seen = (after(limit + 10).is_some(), after(limit + 11).is_some());
        assert_eq!(seen, (false, true), "{:?} {:?}", job.executor, job.executor_config.get("timeout"));
    }
}

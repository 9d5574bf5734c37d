//! How a status is judged and shown, as data: no server and no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use anstream::adapter::strip_str;
use dkron_jobs::cache::{Caches, DEFAULT_KEY, Key};
use dkron_jobs::job::{History, Job, Mismatch, Stuck};
use dkron_jobs::plan::{Drift as Revert, Policy, TakeOwnership, plan};
use dkron_jobs::render::{Source, TableFormat};
use dkron_jobs::report::Masker;
use dkron_jobs::status::{Drift, JobStatus, Look, Next, Screen, State, Status, write_down};
use dkron_jobs::table::Table;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::model::{Dkron, default_policy, desired};
use crate::openmetrics;
use crate::status::validator;

fn now() -> Timestamp {
    "2026-03-04T12:00:00Z".parse().expect("an instant")
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// What is looked at.
struct Scene {
    dkron: Dkron,
    running: BTreeMap<String, Timestamp>,
    outputs: BTreeMap<Arc<str>, String>,
    caches: Option<Caches>,
    scheduler_runs: Option<bool>,
    nodes: BTreeMap<String, Vec<String>>,
}

impl Scene {
    fn new(table: &str) -> Self {
        let source = Source { file: "cache_param.csv".to_owned(), text: table.to_owned() };
        let caches =
            (!table.is_empty()).then(|| Caches::of(&Table::parse(&source, TableFormat::Csv, None).expect("a table")));
        Self {
            dkron: Dkron::default(),
            running: BTreeMap::new(),
            outputs: BTreeMap::new(),
            caches,
            scheduler_runs: Some(true),
            nodes: BTreeMap::new(),
        }
    }

    /// Adds a job for a cache, with the age of its last success.
    fn job(&mut self, name: &str, cache: &str, age: Option<i64>, edit: impl FnOnce(&mut Job)) {
        let mut job = Job::new(name);
        job.schedule = "0 */5 * * * *".into();
        job.metadata.insert("cache_param".to_owned(), cache.to_owned());
        edit(&mut job);
        self.dkron.put(&job).expect("parents come first");
        self.history(name, History { last_success: age.map(ago), ..History::default() });
    }

    fn history(&mut self, name: &str, history: History) {
        self.dkron.live.jobs.get_mut(name).expect("a job").history = history;
    }

    fn look(&self, masker: &Masker, plan: Option<&dkron_jobs::plan::Plan>) -> Status {
        let look = Look {
            owner: "shop/main",
            dkron: ("http://dkron:8080/", Some("4.0.9")),
            now: now(),
            live: &self.dkron.live,
            scheduler_runs: self.scheduler_runs,
            nodes: &self.nodes,
            running: &self.running,
            outputs: &self.outputs,
            plan,
            caches: self.caches.as_ref(),
            key: &Key::parse(DEFAULT_KEY).expect("a key"),
            only: None,
        };
        Status::new(&look, [], masker)
    }

    fn seen(&self) -> Status {
        self.look(&Masker::default(), None)
    }
}

#[track_caller]
fn job<'s>(status: &'s Status, name: &str) -> &'s JobStatus {
    status.jobs.iter().find(|job| job.name == name).expect("the job")
}

#[track_caller]
fn cache(status: &Status, name: &str) -> State {
    status.caches.iter().find(|cache| cache.name == name).expect("the cache").state
}

#[test]
fn ages_are_held_to_the_ttls_to_the_second() {
    for (hard, age, state) in [
        ("600", 0, State::Fresh),
        ("600", -5, State::Fresh),
        ("600", 300, State::Fresh),
        ("600", 301, State::Late),
        ("600", 600, State::Late),
        ("600", 601, State::Stale),
        // Without a hard TTL nothing is known to be left after the soft one, and one below it is no sooner.
        ("", 301, State::Stale),
        ("10", 300, State::Fresh),
        ("10", 301, State::Stale),
    ] {
        let mut scene = Scene::new(&format!("name,soft_ttl,hard_ttl\nc,300,{hard}\n"));
        scene.job("by-row", "c", Some(age), |_| {});
        scene.job("by-metadata", "", Some(age), |job| {
            job.metadata.insert("soft_ttl".to_owned(), "5m".to_owned());
            job.metadata.insert("hard_ttl".to_owned(), hard.to_owned());
        });
        let status = scene.seen();
        let each = [job(&status, "by-row").state, job(&status, "by-metadata").state, cache(&status, "c")];
        assert_eq!(each, [state; 3], "hard {hard:?}, age {age}");
        assert_eq!(status.is_failing(), state == State::Stale);
    }
}

#[test]
fn a_cache_is_as_fresh_as_its_freshest_job() {
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
    scene.job("often", "c", Some(10), |_| {});
    scene.job("daily", "c", Some(80_000), |_| {});
    let status = scene.seen();
    assert_eq!((cache(&status, "c"), job(&status, "often").state), (State::Fresh, State::Fresh));
    // Somebody else does its work: it is not the fault that it would be alone.
    assert_eq!(job(&status, "daily").state, State::Late);
    assert_eq!(job(&status, "daily").notes, ["older than its cache may be, which `often` keeps fresh"]);
    assert!(!status.is_failing());
    scene.history("often", History::default());
    assert!(scene.seen().is_failing());
}

#[test]
fn a_cache_that_nobody_refreshes_is_good_until_its_hard_ttl() {
    for (age, state) in [(Some(10), State::Unrefreshed), (Some(601), State::Stale), (None, State::Stale)] {
        let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
        scene.job("off", "c", age, |job| job.disabled = true);
        let status = scene.seen();
        assert_eq!((cache(&status, "c"), job(&status, "off").state), (state, State::Off), "{age:?}");
        assert_eq!(status.is_failing(), state == State::Stale);
        assert_eq!(job(&status, "off").notes, [] as [&str; 0]);
    }
    // Nobody keeps it fresh: neither a job that is off for another one, nor one for a row that is wanted by nobody for itself.
    let mut scene = Scene::new("name,soft_ttl,hard_ttl,enabled\nc,300,600,true\nd,300,600,false\n");
    scene.job("off-late", "c", Some(80_000), |job| job.disabled = true);
    scene.job("off-soon", "c", Some(10), |job| job.disabled = true);
    scene.job("unwanted", "d", Some(80_000), |job| job.disabled = true);
    scene.job("runs", "d", Some(80_000), |_| {});
    let status = scene.seen();
    assert!(status.jobs.iter().all(|job| job.notes.is_empty()), "{:?}", status.jobs);
    assert_eq!(job(&status, "runs").state, State::Stale);
    // Just installed is no fault.
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
    scene.job("new", "c", None, |_| {});
    assert_eq!(cache(&scene.seen(), "c"), State::Never);
    assert!(!scene.seen().is_failing());
    // A row that cannot be understood is told of, and hides no other.
    let scene = Scene::new("name,soft_ttl,hard_ttl\nc,soon,600\nd,300,\n");
    let status = scene.seen();
    assert_eq!((status.caches.len(), status.warnings.len()), (1, 1), "{status:?}");
}

#[test]
fn a_job_that_is_not_scheduled_as_stored_fails_whatever_its_age() {
    for (mismatch, state, words) in [
        (Mismatch::NotScheduled, State::NotScheduled, "a is not scheduled"),
        (Mismatch::ScheduledDifferently, State::ScheduledDifferently, "a is scheduled differently"),
        (Mismatch::StillScheduled, State::ScheduledDifferently, "a is scheduled differently"),
    ] {
        let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
        scene.job("a", "c", Some(10), |job| job.disabled = mismatch == Mismatch::StillScheduled);
        scene.dkron.live.mismatched.insert("a".into(), mismatch);
        let status = scene.seen();
        assert_eq!(job(&status, "a").state, state);
        assert_eq!(job(&status, "a").notes, [mismatch.to_string()]);
        assert!(status.is_failing());
        assert!(status.brief(1000).contains(words), "{}", status.brief(1000));
    }
}

#[test]
fn a_scheduler_that_does_not_run_fails() {
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
    scene.job("a", "c", Some(10), |_| {});
    for (runs, fails) in [(None, false), (Some(true), false), (Some(false), true)] {
        scene.scheduler_runs = runs;
        let status = scene.seen();
        assert_eq!((status.is_failing(), status.scheduler_running), (fails, runs));
        assert_eq!(status.brief(1000).contains("the scheduler is not running"), fails);
    }
}

#[test]
fn a_node_with_an_issue_fails_and_is_named() {
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
    scene.job("a", "c", Some(10), |_| {});
    scene.nodes.insert("d1".to_owned(), Vec::new());
    assert!(!scene.seen().is_failing());
    scene.nodes.insert("d2".to_owned(), vec!["plugin executor-http has exited".to_owned()]);
    let status = scene.seen();
    assert!(status.is_failing());
    let words = "node d2 is unhealthy: plugin executor-http has exited";
    assert!(status.brief(1000).contains(words), "{}", status.brief(1000));
}

#[test]
fn stuck_is_worse_than_any_age_and_off_hides_it() {
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n");
    scene.job("stuck", "c", Some(10), |_| {});
    let (since, began) = (now(), now());
    scene.dkron.live.stuck.insert("stuck".into(), Stuck { since, began });
    let status = scene.seen();
    assert_eq!(job(&status, "stuck").state, State::Stuck);
    assert!(status.is_failing());
    assert!(status.brief(1000).contains("stuck is stuck"), "{}", status.brief(1000));
    assert_eq!(status.brief(20).len(), 20);
}

#[test]
fn the_next_run_is_computed() {
    let next = |edit: fn(&mut Job)| {
        let mut scene = Scene::new("");
        scene.job("j", "", None, edit);
        job(&scene.seen(), "j").next.clone()
    };
    let at = |text: &str| Next::Schedule { at: text.parse().expect("an instant") };
    assert_eq!(next(|_| {}), at("2026-03-04T12:05:00Z"));
    assert_eq!(next(|job| job.disabled = true), Next::Never);
    assert_eq!(next(|job| job.starts_at = "2026-03-05T00:00:00Z".parse().ok()), at("2026-03-05T00:00:00Z"));
    assert_eq!(next(|job| job.expires_at = "2026-03-04T12:05:00Z".parse().ok()), at("2026-03-04T12:05:00Z"));
    assert_eq!(next(|job| job.expires_at = "2026-03-04T12:04:59Z".parse().ok()), Next::Never);
    assert_eq!(next(|job| job.schedule = "@at 2026-01-01T00:00:00Z".to_owned()), Next::Never);
    assert_eq!(next(|job| job.schedule = "0 0 0 30 2 *".to_owned()), Next::Never);
    assert_eq!(next(|job| job.schedule = "@manually".to_owned()), Next::Hand);
    // Clocks go forward in New York on the 8th.
    let new_york = next(|job| {
        job.schedule = "0 0 9 9 3 *".to_owned();
        job.timezone = "America/New_York".to_owned();
    });
    assert_eq!(new_york, at("2026-03-09T13:00:00Z"));
}

#[test]
fn every_drift_has_its_word() {
    let mut scene = Scene::new("");
    let stamp =
        |owner: &'static str| move |job: &mut Job| *job = job.stamped(&dkron_jobs::job::Owner::parse(owner), false);
    scene.job("same", "", None, stamp("shop/main"));
    scene.job("edited", "", None, |job| {
        stamp("shop/main")(job);
        job.retries = 3;
    });
    scene.job("template", "", None, stamp("shop/main"));
    scene.job("both", "", None, |job| {
        stamp("shop/main")(job);
        job.retries = 3;
    });
    scene.job("by-hand", "", None, |_| {});
    scene.job("others", "", None, stamp("shop/other"));
    scene.job("gone", "", None, stamp("shop/main"));
    let wanted = ["same", "edited", "template", "both", "by-hand", "others", "new"].map(|name| {
        let mut job = Job::new(name);
        job.schedule = "0 */5 * * * *".to_owned();
        job.metadata.insert("cache_param".to_owned(), String::new());
        if ["template", "both", "others"].contains(&name) {
            job.retries = 1;
        }
        job
    });
    let policy = Policy { take_ownership: TakeOwnership::Any, drift: Revert::Keep, ..default_policy("shop/main") };
    let plan = plan(&desired(wanted), &scene.dkron.live, &policy).expect("a plan");
    scene.job("theirs", "", None, |_| {});
    let status = scene.look(&Masker::default(), Some(&plan));
    for (name, drift) in [
        ("same", Drift::None),
        ("edited", Drift::Edited),
        ("template", Drift::TemplateChanged),
        ("both", Drift::Both),
        ("by-hand", Drift::Adopt),
        ("others", Drift::Adopt),
        ("gone", Drift::Delete),
        ("new", Drift::Create),
        ("theirs", Drift::NotOurs),
    ] {
        assert_eq!(job(&status, name).drift, drift, "{name}");
    }
    assert_eq!(status.summary.drifted, 7);
    assert_eq!((job(&status, "new").state, job(&scene.seen(), "same").drift), (State::Missing, Drift::Unknown));
}

/// Everything at once, hostile texts among it.
fn everything() -> (Scene, Masker) {
    let mut scene = Scene::new("name,soft_ttl,hard_ttl\nc,300,600\n\"a\"\"\\b\",300,600\nhunter22,60,\n");
    scene.job("refresh-hunter22", "hunter22", Some(10), |job| job.timezone = "Asia/Tokyo".into());
    scene.job("refresh-***", "a\"\\b", Some(10), |_| {});
    scene.job("failed", "c", Some(400), |job| job.executor = "http".into());
    scene.history("failed", History { last_success: Some(ago(400)), last_error: Some(ago(20)), ..History::default() });
    let long = format!("\n  \u{1b}[2Jno {}\nsecond hunter22", "x".repeat(500));
    scene.outputs.insert("failed".into(), long);
    scene.job("secrets", "c", Some(400), |_| {});
    scene.history("secrets", History { last_error: Some(ago(5)), ..History::default() });
    scene.outputs.insert("secrets".into(), "{\n\"access_token\": \"abc\",\n\"pin\": \"hunter22\"}".to_owned());
    scene.running.insert("failed".to_owned(), now() - SignedDuration::from_secs(90));
    (scene, Masker::new(["hunter22".to_owned()]))
}

#[test]
fn what_is_shown_is_masked_and_cannot_move_a_cursor() {
    let (scene, masker) = everything();
    let status = scene.look(&masker, None);
    let json = serde_json::to_value(&status).expect("JSON");
    let errors: Vec<_> = validator().iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{json:#}");
    let mut metrics = Vec::new();
    write_down(&status, &mut metrics).expect("memory");
    let metrics = String::from_utf8(metrics).expect("text");
    let families = openmetrics::parse(&metrics).unwrap_or_else(|error| panic!("{error}\n{metrics}"));
    assert_eq!(families["dkron_jobs_state"].len(), 4 * State::OF_JOBS.len());
    assert!(families["dkron_jobs_cache_state"].keys().any(|labels| labels["cache"] == "a\"\\b"), "{metrics}");
    for width in [1, 40, 80, 160] {
        let mut text = Vec::new();
        status.write_text(&mut text, Screen { width, height: None }).expect("memory");
        let text = strip_str(&String::from_utf8(text).expect("text")).to_string();
        assert!(
            ![&text, &metrics, &json.to_string(), &status.brief(4096)]
                .iter()
                .any(|text| text.contains("hunter22") || text.contains("abc"))
        );
        assert!(!text.contains('\u{1b}'), "{text}");
        if width == 160 {
            assert!(text.contains("running for 1m 30s, longer than its timeout of 30s"), "{text}");
            assert!(text.contains("failed 20s ago: \\u{1b}[2Jno xxx"), "{text}");
            assert!(text.contains(r#""access_token":"***""#), "{text}");
        }
    }
    let error = job(&status, "failed").error.clone().expect("a line");
    assert_eq!(error.chars().count(), 201, "{error}");
    // Two names that look the same once they are masked are told apart.
    let names: Vec<_> = status.jobs.iter().map(|job| job.name.as_str()).collect();
    assert!(names.contains(&"refresh-***") && names.contains(&"refresh-*** (2)"), "{names:?}");
}

/// Each key that is printed is in the schema, and none may be left out.
#[test]
fn the_schema_is_tight() {
    let (scene, masker) = everything();
    let good = serde_json::to_value(scene.look(&masker, None)).expect("JSON");
    let mut checked = 0;
    for pointer in ["", "/summary", "/summary/jobs", "/summary/caches", "/jobs/0", "/caches/0", "/jobs/0/next"] {
        let keys: Vec<String> =
            good.pointer(pointer).and_then(Value::as_object).expect("an object").keys().cloned().collect();
        let broken = |edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut bad = good.clone();
            edit(bad.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object"));
            assert!(!validator().is_valid(&bad), "{pointer}: {bad:#}");
        };
        for key in &keys {
            broken(&|object| drop(object.remove(key)));
            broken(&|object| object[key] = Value::from(vec![Value::from(vec![1])]));
            checked += 1;
        }
        broken(&|object| drop(object.insert("unknown".to_owned(), Value::Null)));
    }
    assert!(checked > 50, "{checked}");
}

/// However little room there is, no more lines are drawn than there are.
#[test]
fn tables_keep_to_the_screen() {
    let mut scene = Scene::new(&(0..40).fold("name,soft_ttl\n".to_owned(), |rows, n| format!("{rows}c{n},60\n")));
    for number in 0..40 {
        scene.job(&format!("refresh-{number}"), &format!("c{number}"), Some(number * 3), |_| {});
    }
    let status = scene.seen();
    for height in 12..100 {
        let mut text = Vec::new();
        status.write_text(&mut text, Screen { width: 60, height: Some(height) }).expect("memory");
        let text = strip_str(&String::from_utf8(text).expect("text")).to_string();
        assert!(text.lines().count() < height, "{height}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        assert!(text.contains("40 jobs: 19 stale, 21 fresh"), "{text}");
    }
}

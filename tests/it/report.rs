//! The report: its JSON form is what `schemas/report.schema.json` says and nothing else, its counts are right, and its text
//! can be shown anywhere.

use anstream::adapter::strip_str;
use dkron_jobs::job::{Job, Owner, StringMap};
use dkron_jobs::plan::{Drift, Item, Plan, Policy, TakeOwnership, plan};
use dkron_jobs::report::{Masker, Outcome, Report, Style};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::model::{Dkron, default_policy, desired, text};

const SCHEMA: &str = include_str!("../../schemas/report.schema.json");
const OURS: &str = "shop/main";
const STYLE: Style = Style { value_width: 40 };

fn schema() -> (Value, Validator) {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
    let validator = jsonschema::draft202012::new(&schema).expect("the schema can be used");
    (schema, validator)
}

/// A report as a run printed it must be what the schema says.
#[track_caller]
pub(crate) fn conforms(report: &Value) {
    let (_, validator) = schema();
    let errors: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{report:#}");
}

/// A plan with every action and every reason in it.
fn everything() -> Plan {
    let mut dkron = Dkron::default();
    let put = |dkron: &mut Dkron, name: &str, owner: Option<&str>, edit: fn(&mut Job)| {
        let mut job = named(name);
        if let Some(owner) = owner {
            job = job.stamped(&Owner::parse(owner), false);
        }
        edit(&mut job);
        dkron.put(&job).expect("parents come first");
    };
    put(&mut dkron, "same", Some(OURS), |_| {});
    put(&mut dkron, "changed", Some(OURS), |_| {});
    put(&mut dkron, "edited", Some(OURS), |job| job.retries = 3);
    put(&mut dkron, "off", Some(OURS), |job| job.disabled = true);
    put(&mut dkron, "hand-made", None, |job| drop(job.processors.insert("log".to_owned(), StringMap::new())));
    put(&mut dkron, "taken", Some("shop/old"), |job| job.ephemeral = true);
    put(&mut dkron, "gone", Some(OURS), |_| {});
    put(&mut dkron, "parent", Some(OURS), |_| {});
    put(&mut dkron, "child-by-hand", None, |job| job.parent_job = "parent".into());
    let mut changed = named("changed");
    changed.expires_at = Some("2030-01-01T00:00:00Z".parse().expect("it is an instant"));
    changed.executor_config.insert("headers".to_owned(), r#"["Authorization: x"]"#.to_owned());
    let same = ["same", "edited", "off", "hand-made", "taken", "new"].map(named);
    let policy = Policy { drift: Drift::Keep, take_ownership: TakeOwnership::Any, ..default_policy(OURS) };
    plan(&desired(same.into_iter().chain([changed])), &dkron.live, &policy).expect("nothing stands in its way")
}

fn named(name: &str) -> Job {
    let mut job = Job::new(name);
    job.schedule = "@hourly".into();
    job
}

/// What reports are made of.
struct Ran {
    plan: Plan,
    owner: Owner,
    masker: Masker,
    outcomes: [Vec<Outcome>; 3],
}

impl Ran {
    fn new() -> Self {
        let plan = everything();
        let writes =
            [Outcome::Done, Outcome::Failed("500".to_owned()), Outcome::Skipped("its parent failed".to_owned())];
        let outcomes = writes.map(|write| {
            let of = |item: &Item| if item.change.is_write() { write.clone() } else { Outcome::Unchanged };
            plan.items.iter().map(of).collect()
        });
        Self { plan, owner: Owner::parse(OURS), masker: Masker::default(), outcomes }
    }

    fn reports(&self) -> Vec<Report<'_>> {
        let Self { plan, owner, masker, outcomes } = self;
        let mut reports = vec![Report::of_plan("plan", plan, owner, masker)];
        reports.extend(outcomes.iter().map(|outcomes| Report::new("apply", plan, outcomes, owner, masker)));
        let errors = ["no leader".to_owned(), "no luck".to_owned()];
        reports.push(Report::of_errors("apply", owner, errors, masker));
        reports
    }
}

#[test]
fn every_report_is_what_the_schema_says() {
    for report in Ran::new().reports() {
        conforms(&serde_json::to_value(&report).expect("a report has a JSON form"));
    }
}

/// Everything an object of the report says must be in the schema, and the other way round: an unknown key, a missing key, a key
/// under another name and a value of another type are each refused, in every object there is.
#[test]
fn the_schema_is_tight() {
    let (_, validator) = schema();
    let mut checked = 0;
    for report in Ran::new().reports() {
        let json = serde_json::to_value(&report).expect("a report has a JSON form");
        for pointer in objects(&json, "") {
            let keys: Vec<String> =
                json.pointer(&pointer).and_then(Value::as_object).expect("it is an object").keys().cloned().collect();
            let refused = |what: &str, edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut broken = json.clone();
                edit(broken.pointer_mut(&pointer).and_then(Value::as_object_mut).expect("it is an object"));
                assert!(!validator.is_valid(&broken), "{what} at `{pointer}` passes");
            };
            refused("an unknown key", &|object| drop(object.insert("surplus".to_owned(), json!(1))));
            for key in keys {
                refused(&format!("`{key}` missing"), &|object| drop(object.remove(&key)));
                refused(&format!("`{key}` of another type"), &|object| drop(object.insert(key.clone(), json!([[]]))));
                refused(&format!("`{key}` renamed"), &|object| {
                    let value = object.remove(&key).expect("the key is there");
                    object.insert(format!("{key}2"), value);
                });
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "only {checked} keys were tried");
}

/// The pointers of all objects of fixed shape: all but the values of changes.
fn objects(value: &Value, pointer: &str) -> Vec<String> {
    match value {
        Value::Object(map) if !pointer.ends_with("/from") && !pointer.ends_with("/to") => {
            let below = map.iter().flat_map(|(key, value)| objects(value, &format!("{pointer}/{key}")));
            std::iter::once(pointer.to_owned()).chain(below).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().flat_map(|(index, value)| objects(value, &format!("{pointer}/{index}"))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (_, validator) = schema();
    let report = serde_json::to_value(&Ran::new().reports()[1]).expect("a report has a JSON form");
    for (pointer, value) in [
        ("/command", json!("clone-of-plan")),
        ("/summary/created", json!(-1)),
        ("/jobs/0/action", json!("replace")),
        ("/jobs/0/outcome", json!("failed")),
        ("/jobs/0/outcome", json!("unchanged")),
        ("/jobs/0/error", json!("an error, and yet done")),
        ("/jobs/0/changes/0/to", json!({"a": 1})),
        ("/jobs/0/changes/0/from", json!(1.5)),
    ] {
        let mut broken = report.clone();
        *broken.pointer_mut(pointer).expect("the place is there") = value.clone();
        assert!(!validator.is_valid(&broken), "{pointer}: {value} passes");
    }
}

#[test]
fn every_field_of_the_schema_is_described() {
    let (schema, _) = schema();
    let mut places = vec![&schema];
    places.extend(schema["$defs"].as_object().expect("it has definitions").values());
    for (name, field) in places.iter().filter_map(|place| place["properties"].as_object()).flatten() {
        let described = field.get("description").is_some()
            || schema.pointer(&target(field)).is_some_and(|to| to.get("description").is_some());
        assert!(described, "`{name}` has no description");
    }
}

fn target(field: &Value) -> String {
    field["$ref"].as_str().unwrap_or_default().trim_start_matches('#').to_owned()
}

#[test]
fn every_job_is_counted_once() {
    for report in Ran::new().reports() {
        let s = report.summary;
        assert_eq!(
            s.created + s.updated + s.deleted + s.unchanged + s.failed + s.skipped,
            report.jobs.iter().count(),
            "{report:?}"
        );
    }
    let ran = Ran::new();
    let reports = ran.reports();
    let counts = |report: &Report<'_>| serde_json::to_string(&report.summary).expect("it has a JSON form");
    insta::assert_snapshot!(counts(&reports[0]), @r#"{"created":1,"updated":3,"deleted":1,"unchanged":4,"failed":0,"skipped":0,"restored":0,"adopted":1,"kept_disabled":1,"healed":0,"rescheduled":0}"#);
    insta::assert_snapshot!(counts(&reports[2]), @r#"{"created":0,"updated":0,"deleted":0,"unchanged":4,"failed":5,"skipped":0,"restored":0,"adopted":0,"kept_disabled":1,"healed":0,"rescheduled":0}"#);
    assert!(
        reports[1].is_success() && !reports[2].is_success() && !reports[3].is_success() && !reports[4].is_success()
    );
    assert!(reports[0].has_changes() && !reports[4].has_changes());
}

#[test]
fn the_text_shows_what_the_json_says() {
    let text = text(&Ran::new().reports()[0], STYLE);
    insta::assert_snapshot!(strip_str(&text), @r#"
    ~ changed  the template changed
        executor_config.headers  (none) -> ["Authorization: ***"]
        expires_at               (none) -> 2030-01-01T00:00:00Z
    = edited  edited by hand; left as it is
        retries  3 (template: 0)
    - gone  no template wants it any more
    ~ hand-made  made by hand before; adopted
        processors.log  {} -> (none)
    + new  not there yet
        @hourly
    = off  disabled by hand; kept disabled
    = parent  no template wants it any more; stays, since it has children that stay
    ~ taken  taken over from shop/old
        ephemeral  true -> false

    warning: job `parent` is no longer wanted but stays: `child-by-hand` is still its child
    plan of shop/main: 1 to create, 3 to update, 1 to delete, 4 unchanged, 1 adopted, 1 kept disabled
    "#);
    assert!(text.contains("\u{1b}["), "it is coloured");
}

#[test]
fn the_last_words_begin_with_the_counts_and_fit() {
    let ran = Ran::new();
    let report = &ran.reports()[2];
    let words = report.brief(4096);
    insta::assert_snapshot!(words, @r"
    apply shop/main: 0 created, 0 updated, 0 deleted, 4 unchanged, 5 failed, 1 kept disabled
    changed: 500
    gone: 500
    hand-made: 500
    new: 500
    taken: 500
    ");
    for limit in 0..words.len() {
        let cut = report.brief(limit);
        assert!(cut.len() <= limit && words.starts_with(&cut));
    }
    let masker = Masker::default();
    let none = Report::of_errors("apply", &Owner::parse("a/é"), [], &masker);
    assert_eq!(none.brief(9), "apply a/");
}

/// Metadata, and what a gateway answers, are anybody's text: it must not reach a terminal as it is.
#[test]
fn nothing_from_outside_can_steer_a_terminal() {
    let mut dkron = Dkron::default();
    let evil = "a\u{1b}[2J\r\n\u{202e}b\u{61c}\u{7}";
    let mut job = named("edited");
    job = job.stamped(&Owner::parse(OURS), false);
    job.metadata.insert(evil.to_owned(), evil.to_owned());
    dkron.put(&job).expect("it has no parent");
    let mut job = named("taken");
    job = job.stamped(&Owner::parse(evil), false);
    dkron.put(&job).expect("it has no parent");
    let mut job = named("copy");
    job = job.stamped(&Owner::parse(OURS), false);
    job.stamp.as_mut().expect("a stamp").job = evil.to_owned();
    dkron.put(&job).expect("it has no parent");
    let policy = default_policy(OURS);
    let plan = plan(&desired(["edited", "taken"].map(named)), &dkron.live, &policy).expect("it is the same");
    let outcomes = [Outcome::Failed(evil.to_owned()), Outcome::Unchanged];
    let masker = Masker::default();
    let mut report = Report::new("apply", &plan, &outcomes, &policy.owner, &masker);
    report.errors.push(evil.to_owned());
    for text in [strip_str(&text(&report, STYLE)).to_string(), report.brief(4096)] {
        assert!(text.contains("\\u{1b}[2J"), "{text}");
        let steering = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{61c}');
        assert!(!text.contains(steering), "{text:?}");
    }
    assert_eq!(text(&report, STYLE).matches("\u{1b}[2J").count(), 0);
}

#[test]
fn a_long_value_is_cut_to_where_it_differs() {
    let long = |end: &str| format!("http://cache-manager:8080/{}/{end}", "x".repeat(80));
    let mut dkron = Dkron::default();
    let mut job = named("a");
    job.executor_config.insert("url".to_owned(), long("?token=one"));
    job.executor_config.insert("body".to_owned(), long("end-one"));
    job = job.stamped(&Owner::parse(OURS), false);
    dkron.put(&job).expect("it has no parent");
    let mut job = named("a");
    job.executor_config.insert("url".to_owned(), long("?token=two"));
    job.executor_config.insert("body".to_owned(), long("end-two"));
    let plan = plan(&desired([job]), &dkron.live, &default_policy(OURS)).expect("it is ours");
    let text = text(&Report::of_plan("plan", &plan, &Owner::parse(OURS), &Masker::default()), STYLE);
    insta::assert_snapshot!(strip_str(&text), @r"
    ~ a  the template changed
        executor_config.body  …xxxxx/end-one -> …xxxxx/end-two
        executor_config.url   …?token=*** -> …?token=*** (secret changed)

    plan of shop/main: 0 to create, 1 to update, 0 to delete, 0 unchanged
    ");
}

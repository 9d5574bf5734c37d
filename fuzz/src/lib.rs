//! What any bytes must keep to, whoever made them: libFuzzer (`fuzz_targets/`) or the tests (`tests/it/fuzzed.rs`).
//!
//! A panic is a finding: one of the program's own, or one of the assertions here.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a target fails by panicking")]
#![allow(unreachable_pub, reason = "the tests have it as a module of theirs")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dkron_jobs::dkron::decode_jobs;
use dkron_jobs::job::{Desired, Job, Live, LiveJob, Owner};
use dkron_jobs::plan::{Drift, Policy, TakeOwnership, plan};
use dkron_jobs::render::{Context, Problem, Source, Sources, TableFormat, Var, examine, to_yaml, values};
use dkron_jobs::schedule::Schedule;
use dkron_jobs::snapshot::{Lines, Manifest, Packing, Reader, Record};
use dkron_jobs::table::Table;
use jiff::Timestamp;
use serde_json::Value;

/// A template file; the same bytes as a data table and as a file of variables.
pub fn templates(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source { file: "any.yaml".to_owned(), text: text.to_owned() };
    for format in [TableFormat::Csv, TableFormat::Json, TableFormat::Yaml] {
        match Table::parse(&source, format, None) {
            Ok(table) => assert!(!table.rows().is_empty(), "a table without rows is none"),
            Err(problem) => is_told(&problem, text),
        }
    }
    if let Err(problem) = values(&source) {
        is_told(&problem, text);
    }
    let rows =
        Source { file: "cache_param.csv".to_owned(), text: "name,soft_ttl,hard_ttl\na,300,600\nb,60,\n".to_owned() };
    let table = Table::parse(&rows, TableFormat::Csv, None).expect("a table");
    let sources = Sources { templates: vec![source], tables: BTreeMap::from([("cache_param".to_owned(), table)]) };
    let context = Context {
        namespace: "shop".to_owned(),
        release: "main".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        name_prefix: String::new(),
        vars: BTreeMap::from([("region".to_owned(), Var { value: Value::from("eu"), secret: false })]),
        allow_unknown_schedules: false,
    };
    let rendered = examine(&sources, &context);
    rendered.problems.iter().for_each(|problem| is_told(problem, text));
    assert_eq!(examine(&sources, &context).desired, rendered.desired, "the same templates, the same jobs");
    for (name, wanted) in &rendered.desired.jobs {
        let job = wanted.job.clone();
        assert_eq!(*job.name, **name, "a job goes by its name");
        // What else is wrong with a job may keep Dkron's own refusal from being said: then that is.
        let refusal = job.refusal().or_else(|| job.unknown_time());
        let is_good = refusal.is_none() || !rendered.problems.is_empty();
        assert!(is_good, "Dkron would refuse `{name}`, and nobody says so: {refusal:?}");
        comes_back(&wanted.job);
        assert!(to_yaml(&job).starts_with("---\nname: "), "{}", to_yaml(&job));
    }
}

/// What is wrong is said in words, on one line, and where there is a place it is one of the text.
fn is_told(problem: &Problem, text: &str) {
    assert!(!problem.message().is_empty() && !problem.file().is_empty(), "{problem:?}");
    assert!(!problem.one_line().contains('\n'), "{}", problem.one_line());
    if let Some((line, column)) = problem.position() {
        assert!(line >= 1 && line <= text.matches('\n').count() + 1, "{problem:?}");
        assert!(column >= 1 && column <= text.chars().count() + 1, "{problem:?}");
    }
}

/// A job that is sent is the same when it is read again.
fn comes_back(job: &Job) {
    let text = serde_json::to_string(job).expect("a job has a JSON form");
    let live = decode_jobs(format!("[{text}]").as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let read: Vec<_> = live.jobs.values().map(|live| &live.job).collect();
    assert_eq!(read, [job], "{text}");
}

/// A backup, and its manifest.
pub fn backups(bytes: &[u8]) {
    let (records, _) = read(bytes);
    let mut lines = Lines::default();
    for record in &records {
        comes_back(&record.live.job);
        let text = serde_json::to_string(&record.live.job).expect("a job has a JSON form");
        lines.add(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    let text = lines.parents_first().collect::<Vec<_>>().concat();
    let (again, problems) = read(&text);
    let jobs = |records: &[Record]| -> BTreeMap<Arc<str>, Job> {
        records.iter().map(|record| (record.live.job.name.clone(), record.live.job.clone())).collect()
    };
    assert_eq!((jobs(&again), problems), (jobs(&records), Vec::new()), "what is saved again");
    if let Ok(manifest) = Manifest::parse(bytes) {
        let text = manifest.to_text();
        let again = Manifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(again.to_text(), text, "a manifest that is written again");
    }
    let _ = Packing::of_bytes(bytes);
}

fn read(bytes: &[u8]) -> (Vec<Record>, Vec<String>) {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    for (record, number) in Reader::default().read(&"any.ndjson".into(), bytes).zip(1..) {
        match record {
            Ok(record) => {
                assert!(record.line >= 1 && record.line <= lines, "{record:?}");
                records.push(record);
            }
            Err(problem) => {
                assert!(problem.line >= 1 && problem.line <= lines, "{problem:?}");
                assert!(problem.offset <= bytes.len() as u64, "{problem:?}");
                assert_eq!(problem.number, number, "they are counted");
                problems.push(problem.to_string());
            }
        }
    }
    (records, problems)
}

/// Dkron's list of jobs, and one job of it.
pub fn answers(bytes: &[u8]) {
    if let Ok(live) = serde_json::from_slice::<LiveJob>(bytes) {
        comes_back(&live.job);
    }
    match decode_jobs(bytes) {
        Err(words) => assert!(!words.is_empty() && !words.contains('\n'), "{words:?}"),
        Ok(live) => is_planned(&live),
    }
    if let Ok(Value::Array(list)) = serde_json::from_slice(bytes) {
        let names = |list: &[Value]| list.iter().map(|job| job["name"].as_str().map(str::to_owned)).collect();
        let names: Option<BTreeSet<String>> = names(&list);
        if let (Ok(live), Some(names)) = (decode_jobs(bytes), names) {
            let found: BTreeSet<_> = live.jobs.keys().map(ToString::to_string).collect();
            assert_eq!(found, names, "no job of a list is passed over");
        }
    }
}

/// Jobs that nobody of us wants are left alone; those that are wanted as they are, too.
fn is_planned(live: &Live) {
    let policy = Policy {
        owner: Owner::new("shop", "main"),
        drift: Drift::Revert,
        keep_disabled: true,
        prune: true,
        allow_deletes: 0,
        force: true,
        take_ownership: TakeOwnership::No,
        heal_stuck: true,
    };
    for (name, live) in &live.jobs {
        assert_eq!(name, &live.job.name, "a job goes by its name");
        comes_back(&live.job);
    }
    let Ok(plan) = plan(&Desired::default(), live, &policy) else { return };
    for item in &plan.items {
        let stamp = live.jobs.get(&item.name).and_then(|live| live.job.own_stamp());
        let is_ours = stamp.is_some_and(|stamp| stamp.owner == policy.owner);
        assert!(is_ours || !item.change.is_write(), "`{}` is not ours: {:?}", item.name, item.change);
    }
}

/// A schedule, and after a line break a time zone.
pub fn schedules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, zone) = text.split_once('\n').unwrap_or((text, ""));
    let schedule = match Schedule::parse(text, "name", zone) {
        Ok(schedule) => schedule,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{text:?} in {zone:?}");
            return;
        }
    };
    assert_eq!(Schedule::parse(text, "name", zone).as_ref(), Ok(&schedule), "the same text, the same schedule");
    let mut runs = 0;
    for after in [-62_135_596_800, 0, 1_774_746_000, 1_792_000_000, 253_402_300_799] {
        let mut after = Timestamp::from_second(after).unwrap_or(Timestamp::MAX);
        for _ in 0..3 {
            let Some(next) = schedule.next(after) else { break };
            assert!(next > after, "{text:?} in {zone:?} runs at {next} after {after}");
            runs += 1;
            after = next;
        }
    }
    if let Some(gaps) = schedule.gaps() {
        assert!(gaps.shortest.as_secs() > 0 && gaps.shortest <= gaps.worst, "{text:?} in {zone:?}: {gaps:?}");
        assert!(runs > 0, "{text:?} in {zone:?} has {gaps:?} between runs, and none");
    }
    assert!(!schedule.is_manual() || runs == 0, "{text:?} is for hands only, and runs");
}

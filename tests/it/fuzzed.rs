//! The fuzz targets of `fuzz/`, run for a while without libFuzzer: on random bytes, and on real files with something wrong anywhere in
//! them. 10,000 cases of each, or `PROPTEST_CASES`.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::repository;
use crate::laws::law;
use crate::mutations::{made, mutated};
use crate::server::note;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// No input of this size may take longer, in this build.
const LIMIT: Duration = Duration::from_secs(10);

/// Gives a target random bytes, and these files after something has happened to them.
fn fuzz(name: &str, target: fn(&[u8]), files: &[Vec<u8>]) {
    assert!(!files.is_empty(), "there is nothing to begin with");
    let (count, slowest) = (Cell::new(0_u32), Cell::new(Duration::ZERO));
    let timed = |bytes: &[u8]| {
        let start = Instant::now();
        target(bytes);
        count.set(count.get() + 1);
        slowest.set(slowest.get().max(start.elapsed()));
        assert!(start.elapsed() < LIMIT, "it takes {:?}", start.elapsed());
    };
    for file in files {
        timed(file);
    }
    law(vec(any::<u8>(), 0..120), |bytes| {
        timed(&bytes);
        Ok(())
    });
    law(mutated(3), |case| {
        timed(&made(&case, files));
        Ok(())
    });
    note("TEST_FIGURES", &format!("fuzz target {name}: {} cases, the slowest took {:?}", count.get(), slowest.get()));
}

/// The files of a folder of the repository whose names end like this.
fn folder(path: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(repository().join(path)).expect("a folder of the repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e))).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file of the repository")).collect()
}

/// What was recorded of a real Dkron.
fn recorded(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Each list of jobs that a real Dkron gave.
fn lists() -> Vec<Vec<Value>> {
    let answers = recorded(include_str!("../data/exchanges.ndjson"));
    answers.iter().filter_map(|exchange| exchange["response"]["body"].as_array().cloned()).collect()
}

#[test]
fn template_files() {
    let mut files = folder("jobs-templates", &["yaml"]);
    files.extend(folder("jobs-templates/data", &["csv", "json", "yaml"]));
    files.push(
        b"- {name: a, schedule: '@yearly', executor: http, executor_config: {url: \"http://h/{{ vars.region }}\"}}\n"
            .to_vec(),
    );
    files.push(b"for_each: cache_param\nname: 'r-{{ item.name }}'\nwhen: '{{ item.soft_ttl > 60 }}'\nschedule: '{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}'\nexecutor: http\nexecutor_config: {method: POST, url: \"{{ service('c', 80) }}/x\", body: {a: [1]}, headers: {X-A: b}}\n".to_vec());
    fuzz("templates", targets::templates, &files);
}

#[test]
fn backup_files() {
    let lines = |jobs: &Vec<Value>| jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into_bytes();
    let mut files: Vec<_> = lists().iter().map(lines).filter(|file| !file.is_empty()).collect();
    files.push(
        json!({
            "format_version": 1, "time": "2026-01-01T00:00:00.000Z", "namespace": "shop", "release": "main", "source": "http://d",
            "count": 1, "sha256": "00", "size": 2,
        })
        .to_string()
        .into_bytes(),
    );
    fuzz("backups", targets::backups, &files);
}

#[test]
fn answers_of_dkron() {
    let mut files: Vec<_> = lists().into_iter().map(|jobs| Value::from(jobs).to_string().into_bytes()).collect();
    let jobs = lists().into_iter().flatten().take(20);
    files.extend(jobs.map(|job| job.to_string().into_bytes()));
    fuzz("answers", targets::answers, &files);
}

#[test]
fn schedule_texts() {
    let asked = recorded(include_str!("../data/schedules.ndjson"));
    let mut files: Vec<_> =
        asked.iter().filter_map(|line| Some(line["schedule"].as_str()?.as_bytes().to_vec())).collect();
    files.extend(["0 30 2 29 2 *\nEurope/Paris", "* * * * * *\nAsia/Kolkata", "@every 1h30m\n"].map(Into::into));
    fuzz("schedules", targets::schedules, &files);
}

//! Backups as data: reading and writing them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use dkron_jobs::job::{Job, LiveJob};
use dkron_jobs::snapshot::{Flaw, Lines, Problem, Reader, Record};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::laws::law;

/// Everything that is in these files, bad pieces skipped.
fn read_files(files: &[(&str, &[u8])]) -> (Vec<Record>, Vec<Problem>) {
    let mut reader = Reader::default();
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        for record in reader.read(&(*name).into(), bytes) {
            match record {
                Ok(record) => records.push(record),
                Err(problem) => problems.push(problem),
            }
        }
    }
    (records, problems)
}

fn read(text: &str) -> (Vec<Record>, Vec<Problem>) {
    read_files(&[("jobs.ndjson", text.as_bytes())])
}

fn lines(jobs: &[Value]) -> Lines {
    let mut lines = Lines::default();
    for job in jobs {
        lines.add(job.to_string().as_bytes()).expect("a job");
    }
    lines
}

fn text(lines: &Lines) -> String {
    lines.parents_first().map(|line| str::from_utf8(line).expect("text")).collect()
}

/// What the backup script of old makes of Dkron's list.
fn by_the_old_script(jobs: &[Value]) -> String {
    let concatenated: String = jobs.iter().map(Value::to_string).collect();
    concatenated.replace("}{", "}\n{") + "\n"
}

#[test]
fn what_the_server_owns_is_dropped_and_the_rest_is_read() {
    let job = json!({
        "name": "a", "id": "a", "schedule": "@every 1h", "next": "2026-11-24T08:19:00Z", "success_count": 7, "status": "success",
        "dependent_jobs": ["b"], "executor": "shell", "executor_config": {"command": "}{"}, "unknown": [1.50],
    });
    let (records, problems) = read(&format!("{job}\n"));
    assert_eq!(problems, []);
    // Fields that we do not know are kept as they are, and so is the whole job in a backup, but for its children.
    assert_eq!(records[0].live.unknown, [("unknown".into(), json!([1.50]))]);
    let saved: Value = serde_json::from_str(&text(&lines(std::slice::from_ref(&job)))).expect("a line is JSON");
    let without_children =
        job.as_object().expect("an object").clone().into_iter().filter(|(key, _)| key != "dependent_jobs");
    assert_eq!(saved, without_children.collect::<Value>());
    let posted = serde_json::to_value(&records[0].live.job).expect("JSON");
    let want = json!({
        "name": "a", "schedule": "@every 1h", "concurrency": "allow", "executor": "shell", "executor_config": {"command": "}{"},
    });
    assert_eq!(posted, want);
}

#[test]
fn a_piece_that_is_no_job_says_where_and_why() {
    let text = "{\"name\":\"a\",\"schedule\":\"@daily\"}\n{\"schedule\":\"@daily\"}\n{\"name\":\"b\",\"executor_config\":\"pass\\\"word\"}\nrubbish\n{\"name\":\"c\",\"retries\":-1}{\"name\":\"A b\"}\n{\"name\":\"a\",\"schedule\":\"@daily\"}\n{\"name\":{}}\n{\"name\":\"d\",}\n{\"name\":\"e\",\"name\":\"e\"}\n{\"name\":\"f\"}\n{\"name\":\"g\",\"schedule\":\"@daily\",\"timezone\":\"Mars\"}\n{\"name\":\"h\",\"schedule\":\"@daily\",\"concurrency\":\"no\"}\n{\"name\":\"i\",\"schedule\":\"@daily\",\"expires_at\":\"soon\"}\n{\"name\":\"j\",\"parent_job\":\"j\"}\n{\"name\":\"k\",\"schedule\":\"@daily\",\"executor\":\"shell\",\"executor_config\":{\"timeout\":\"30\"}}\n{\"name\":\"l\",\"schedule\":\"@daily\",\"retries\":\"2\"}\n";
    let (records, problems) = read_files(&[
        ("x.ndjson", text.as_bytes()),
        ("y.ndjson", b"[{\"name\":\"a\",\"schedule\":\"@daily\"},{\"name\":\"z\",\"parent_job\":\"a\"}]"),
    ]);
    assert_eq!(records.iter().map(|record| &*record.live.job.name).collect::<Vec<_>>(), ["a", "g", "z"]);
    insta::assert_snapshot!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    x.ndjson: job 2, which begins in line 2 (byte 33): name cannot be empty
    x.ndjson: job 3, which begins in line 3 (byte 55): this is no job of Dkron's: `b`, field `executor_config`: invalid type: string, expected a map of strings
    x.ndjson: job 4, which begins in line 4 (byte 99): no JSON object begins here
    x.ndjson: job 5, which begins in line 5 (byte 107): this is no job of Dkron's: `c`, field `retries`: invalid value: integer, expected a whole number from 0 to 4294967295
    x.ndjson: job 6, which begins in line 5 (byte 132): Dkron refuses the name `A b`: name contains illegal character 'A'
    x.ndjson: job 7, which begins in line 6 (byte 147): `a` is already in line 1 of x.ndjson; keep one of the two
    x.ndjson: job 8, which begins in line 7 (byte 180): this is no job of Dkron's: field `name`: invalid type: map, expected a string
    x.ndjson: job 9, which begins in line 8 (byte 192): this is no job of Dkron's: trailing comma
    x.ndjson: job 10, which begins in line 9 (byte 206): this is no job of Dkron's: `e`, duplicate field `name`
    x.ndjson: job 11, which begins in line 10 (byte 230): Dkron refuses `f`, field `schedule`: can't parse job schedule: empty spec string
    x.ndjson: job 13, which begins in line 12 (byte 294): Dkron refuses `h`, field `concurrency`: invalid concurrency policy value, use "allow" or "forbid"
    x.ndjson: job 14, which begins in line 13 (byte 346): this is no job of Dkron's: `i`, field `expires_at`: this is no instant such as `2030-01-31T09:00:00Z`
    x.ndjson: job 15, which begins in line 14 (byte 399): Dkron refuses `j`, field `parent_job`: the job can not have itself as parent
    x.ndjson: job 16, which begins in line 15 (byte 429): Dkron refuses `k`, field `executor_config.timeout`: Error parsing job timeout value
    x.ndjson: job 17, which begins in line 16 (byte 516): this is no job of Dkron's: `l`, field `retries`: invalid type: string, expected a whole number from 0 to 4294967295
    y.ndjson: job 1, which begins in line 1 (byte 1): `a` is already in line 1 of x.ndjson; keep one of the two
    "#);
    assert!(matches!(&problems[15].flaw, Flaw::Twice { name, file, line: 1 } if name == "a" && file == "x.ndjson"));
}

#[test]
fn jobs_are_written_as_they_were_given() {
    let mut lines = Lines::default();
    lines
        .add("{\n  \"z\": 1.50, \"name\": \"a\",\r\n \"dependent_jobs\": [\"b\"], \"n\": 12345678901234567890123, \"t\": {\"u\": \"\\u003c \\n\"}, \"dependent_jobs\": []\n}".as_bytes())
        .expect("a job");
    assert_eq!(
        text(&lines),
        "{\"z\":1.50,\"name\":\"a\",\"n\":12345678901234567890123,\"t\":{\"u\": \"\\u003c \\n\"}}\n"
    );
    for (bad, words) in [
        ("{\"name\":\"a\"}", "two jobs have the name `a`"),
        ("{\"name\":\"\"}", "a job has no name"),
        ("{}", "a job has no name"),
        ("{\"name\":7}", "the field `name` of a job is no text"),
        ("{\"name\":\"b\",\"name\":\"c\"}", "a job has the field `name` twice"),
        ("[]", "invalid type: sequence, expected a JSON object at line 1 column 0"),
    ] {
        assert_eq!(lines.add(bad.as_bytes()), Err(words.to_owned()));
    }
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_circle_and_a_missing_parent_lose_no_job() {
    let job = |name: &str, parent: &str| json!({"name": name, "parent_job": parent, "schedule": "@daily"});
    let jobs =
        [job("a", "b"), job("b", "c"), job("c", "a"), job("d", "nobody"), job("e", "a"), job("g", "h"), job("h", "")];
    let names: Vec<_> =
        read(&text(&lines(&jobs))).0.into_iter().map(|record| record.live.job.name.to_string()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), jobs.len(), "{names:?}");
    let at = |name: &str| names.iter().position(|other| other == name);
    assert!(at("a") < at("e") && at("h") < at("g"), "{names:?}");
}

/// Jobs as a Dkron may hold them: some have others of them as parents, and their texts are what parsers fall over.
fn jobs() -> impl Strategy<Value = Vec<Value>> {
    let piece = select(vec![
        "}{",
        "}",
        "{",
        "\n",
        "\\",
        "\"",
        "\r\n",
        "\u{2028}",
        "é",
        "x",
        "{\"a\":1}{\"b\":2}",
        "}\n{",
        "\u{0}",
        "[",
        ",",
    ]);
    let words = vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    vec((words.clone(), words, any::<bool>(), option::of(0..8_usize), 0..4_u32), 0..8).prop_map(|jobs| {
        let count = jobs.len();
        let job = |(index, (body, tag, disabled, parent, retries)): (usize, (String, String, bool, Option<usize>, u32))| {
            // Parents sort behind their children, and circles are among them.
            let parent = parent.filter(|&parent| parent < count && parent != index).map(|parent| format!("job-{parent}"));
            json!({
                "id": format!("job-{index}"), "name": format!("job-{index}"), "schedule": "@manually", "disabled": disabled,
                "parent_job": parent.unwrap_or_default(), "retries": retries, "tags": {"t": tag}, "metadata": null,
                "executor": "http", "executor_config": {"body": body}, "dependent_jobs": ["job-1"], "next": "2026-11-24T08:19:00Z",
            })
        };
        jobs.into_iter().enumerate().map(job).collect()
    })
}

fn by_name(jobs: impl IntoIterator<Item = Job>) -> BTreeMap<String, Job> {
    jobs.into_iter().map(|job| (job.name.to_string(), job)).collect()
}

#[test]
fn every_form_of_a_backup_gives_back_every_job() {
    law(jobs(), |jobs| {
        let live = |job: &Value| serde_json::from_str::<LiveJob>(&job.to_string()).expect("a job").job;
        let want = by_name(jobs.iter().map(live));
        let ours = text(&lines(&jobs));
        let forms = [
            ours.clone(),
            by_the_old_script(&jobs),
            Value::Array(jobs.clone()).to_string(),
            serde_json::to_string_pretty(&jobs).expect("JSON"),
            jobs.iter().map(Value::to_string).collect(),
        ];
        for form in forms {
            let (records, problems) = read(&form);
            prop_assert_eq!(problems, []);
            prop_assert_eq!(by_name(records.into_iter().map(|record| record.live.job.clone())), want.clone());
        }
        prop_assert_eq!(ours.lines().count(), jobs.len());
        prop_assert!(!ours.contains("dependent_jobs"));
        for (line, job) in ours.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).map(|line| {
            let job = jobs.iter().find(|job| job["name"] == line["name"]).expect("one of the jobs");
            (line, job)
        }) {
            let mut want = job.clone();
            want.as_object_mut().expect("an object").remove("dependent_jobs");
            prop_assert_eq!(line, want, "everything else stands as it was given");
        }
        // A parent that is in no circle comes first.
        let (records, _) = read(&ours);
        let names: Vec<_> = records.iter().map(|record| &*record.live.job.name).collect();
        for (index, record) in records.iter().enumerate() {
            let in_circle = |name: &str| {
                let mut at = name;
                (0..want.len()).any(|_| {
                    at = want.get(at).and_then(Job::parent).unwrap_or_default();
                    at == name
                })
            };
            if let Some(parent) = record.live.job.parent()
                && !in_circle(&record.live.job.name)
            {
                prop_assert!(names[..index].contains(&parent), "{} before {}", record.live.job.name, parent);
            }
        }
        Ok(())
    });
}

/// What can happen to a file: a byte changed, some taken out, some put in twice, the end cut off.
#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Cut(Index, usize),
    Twice(Index, usize),
    End(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, length)| Damage::Cut(at, length)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, length)| Damage::Twice(at, length)),
        any::<Index>().prop_map(Damage::End),
    ]
}

#[test]
fn a_damaged_file_never_panics_and_a_damaged_line_costs_no_other() {
    law((jobs(), any::<bool>(), vec(damage(), 1..4)), |(jobs, old_script, damages)| {
        let whole = if old_script { by_the_old_script(&jobs) } else { text(&lines(&jobs)) };
        let mut bytes = whole.clone().into_bytes();
        for damage in &damages {
            let length = bytes.len();
            match damage {
                _ if length == 0 => {}
                Damage::Byte(at, byte) => bytes[at.index(length)] = *byte,
                Damage::Cut(at, cut) => {
                    let at = at.index(length);
                    bytes.drain(at..length.min(at + cut));
                }
                Damage::Twice(at, more) => {
                    let at = at.index(length);
                    let again = bytes[at..length.min(at + more)].to_vec();
                    bytes.splice(at..at, again);
                }
                Damage::End(at) => bytes.truncate(at.index(length)),
            }
        }
        let (records, problems) = read_files(&[("jobs.ndjson", &bytes)]);
        // Jobs whose whole line is still there, on lines of its own, are read, unless one of their name came before.
        let kept: BTreeSet<_> = records.iter().map(|record| record.live.job.name.to_string()).collect();
        let twice = |name: &str| problems.iter().any(|problem| problem.to_string().contains(&format!("`{name}`")));
        if !old_script {
            let lines: BTreeSet<&[u8]> = whole.as_bytes().split_inclusive(|&byte| byte == b'\n').collect();
            let left: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
            for line in left.into_iter().filter(|line| lines.contains(line)) {
                let job: Value = serde_json::from_slice(line).expect("a line that was not damaged");
                let name = job["name"].as_str().expect("a name");
                prop_assert!(kept.contains(name) || twice(name), "{name} is lost: {problems:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn the_old_script_does_what_these_tests_think() {
    let jobs: Vec<_> = ["}{", "a}\n{b", "{}{}{}", "\u{2028}\\\"é}{", "plain"]
        .into_iter()
        .enumerate()
        .map(|(index, body)| json!({"name": format!("job-{index}"), "schedule": "@daily", "executor_config": {"body": body}, "tags": null}))
        .collect();
    let folder = tempfile::TempDir::new().expect("a folder");
    fs::write(folder.path().join("jobs"), Value::Array(jobs.clone()).to_string()).expect("written");
    // As it stands in the brief, but for where the list comes from.
    let script =
        r#"jq -r '.[] | @base64' < jobs | base64 --decode | sed -E "s/\}\{/\}\n\{/g" >> backup; echo "" >> backup"#;
    let script = format!("set -o pipefail; command -v jq || exit 77; {script}");
    match Command::new("bash").args(["-c", &script]).current_dir(&folder).output() {
        Ok(ran) if ran.status.success() => {}
        Ok(ran) if ran.status.code() != Some(77) => panic!("{}", String::from_utf8_lossy(&ran.stderr)),
        _ => return eprintln!("skipped: the old script needs bash and jq"),
    }
    let backup = fs::read_to_string(folder.path().join("backup")).expect("a backup");
    assert_eq!(backup, by_the_old_script(&jobs));
    let (records, problems) = read(&backup);
    assert_eq!((records.len(), problems), (jobs.len(), vec![]));
    for (record, job) in records.iter().zip(&jobs) {
        assert_eq!(
            record.live.job.clone().executor_config.get("body").map(String::as_str),
            job["executor_config"]["body"].as_str()
        );
    }
    assert_eq!(records.iter().map(|record| record.mended).collect::<Vec<_>>(), [true, false, true, true, false]);
}

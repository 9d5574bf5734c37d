//! Backups as data: reading, writing, naming, judging, rotating and guarding them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use dkron_jobs::job::{Job, LiveJob, WireJob};
use dkron_jobs::snapshot::{
    Entry, Fault, Flaw, Keep, Lines, Listing, Manifest, ManifestError, Packing, Problem, Read, Reader, Record, Shape,
    Sum, data_of, expired, file_name, is_ours, manifest_name, shrinks, time_of,
};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::laws::law;

const LIMIT: usize = 1 << 20;

/// Everything that is in these files, bad pieces skipped.
fn read_files(files: &[(&str, &str)]) -> (Vec<Record>, Vec<Problem>, Vec<Read>) {
    let (mut records, mut problems, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut take = |taken: Result<Record, Problem>| -> Result<(), Infallible> {
        match taken {
            Ok(record) => records.push(record),
            Err(problem) => problems.push(problem),
        }
        Ok(())
    };
    let mut names = files.iter().map(|(name, _)| (*name).to_owned());
    let mut reader = Reader::new(names.next().expect("a file"), LIMIT);
    for (_, text) in files {
        for chunk in text.as_bytes().chunks(11) {
            let Ok(()) = reader.push(chunk, &mut take);
        }
        let Ok(read) = reader.finish(names.next(), &mut take);
        reads.push(read);
    }
    (records, problems, reads)
}

fn read(text: &str) -> (Vec<Record>, Vec<Problem>) {
    let (records, problems, _) = read_files(&[("jobs.ndjson", text)]);
    (records, problems)
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
    let posted = serde_json::to_value(&records[0].live.job.unpack()).expect("JSON");
    let want = json!({
        "name": "a", "schedule": "@every 1h", "concurrency": "allow", "executor": "shell", "executor_config": {"command": "}{"},
    });
    assert_eq!(posted, want);
}

#[test]
fn a_piece_that_is_no_job_says_where_and_why() {
    let text = "{\"name\":\"a\",\"schedule\":\"@daily\"}\n{\"schedule\":\"@daily\"}\n{\"name\":\"b\",\"executor_config\":\"pass\\\"word\"}\nrubbish\n{\"name\":\"c\",\"retries\":-1}{\"name\":\"A b\"}\n{\"name\":\"a\",\"schedule\":\"@daily\"}\n{\"name\":{}}\n{\"name\":\"d\",}\n{\"name\":\"e\",\"name\":\"e\"}\n{\"name\":\"f\"}\n{\"name\":\"g\",\"schedule\":\"@daily\",\"timezone\":\"Mars\"}\n{\"name\":\"h\",\"schedule\":\"@daily\",\"concurrency\":\"no\"}\n{\"name\":\"i\",\"schedule\":\"@daily\",\"expires_at\":\"soon\"}\n";
    let (records, problems, reads) = read_files(&[
        ("x.ndjson", text),
        ("y.ndjson", "[{\"name\":\"a\",\"schedule\":\"@daily\"},{\"name\":\"z\",\"parent_job\":\"a\"}]"),
    ]);
    assert_eq!(records.iter().map(|record| &**record.live.job.name()).collect::<Vec<_>>(), ["a", "z"]);
    insta::assert_snapshot!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    x.ndjson: job 2, which begins in line 2 (byte 33): name cannot be empty
    x.ndjson: job 3, which begins in line 3 (byte 55): this is no job of Dkron's: `b`, field `executor_config`: invalid type: string, expected a map of strings
    x.ndjson: job 4, which begins in line 4 (byte 99): no JSON object begins here
    x.ndjson: job 5, which begins in line 5 (byte 107): this is no job of Dkron's: `c`, field `retries`: invalid value: integer `-1`, expected a whole number from 0
    x.ndjson: job 6, which begins in line 5 (byte 132): Dkron refuses the name `A b`: name contains illegal character 'A'
    x.ndjson: job 7, which begins in line 6 (byte 147): `a` is already in line 1 of x.ndjson; keep one of the two
    x.ndjson: job 8, which begins in line 7 (byte 180): this is no job of Dkron's: field `name`: invalid type: map, expected a string
    x.ndjson: job 9, which begins in line 8 (byte 192): this is no job of Dkron's: trailing comma
    x.ndjson: job 10, which begins in line 9 (byte 206): this is no job of Dkron's: `e`, duplicate field `name`
    x.ndjson: job 11, which begins in line 10 (byte 230): Dkron refuses `f`, field `schedule`: can't parse job schedule: empty spec string
    x.ndjson: job 12, which begins in line 11 (byte 243): Dkron refuses `g`, field `timezone`: unknown time zone Mars
    x.ndjson: job 13, which begins in line 12 (byte 294): Dkron refuses `h`, field `concurrency`: invalid concurrency policy value, use "allow" or "forbid"
    x.ndjson: job 14, which begins in line 13 (byte 346): this is no job of Dkron's: `i`, field `expires_at`: this is no instant such as `2030-01-31T09:00:00Z`
    y.ndjson: job 1, which begins in line 1 (byte 1): `a` is already in line 1 of x.ndjson; keep one of the two
    "#);
    assert_eq!(reads[0], Read { shape: Shape::Sequence, jobs: 1, mended: 0, problems: 13 });
    assert_eq!(reads[1], Read { shape: Shape::Array { closed: true }, jobs: 1, mended: 0, problems: 1 });
    assert!(matches!(&problems[13].flaw, Flaw::Twice { name, file, line: 1 } if name == "a" && file == "x.ndjson"));
}

#[test]
fn the_first_problem_can_be_the_last() {
    let mut taken = 0;
    let ended = Reader::new("jobs.ndjson", LIMIT).push(
        b"{\"name\":\"a\",\"schedule\":\"@daily\"}\n{}\n{\"name\":\"b\"}\n",
        &mut |record| {
            taken += 1;
            record.map(drop)
        },
    );
    assert_eq!(taken, 2);
    assert_eq!(ended.expect_err("a problem").line, 2);
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
        ("[]", "invalid type: sequence, expected a job, which is a JSON object at line 1 column 0"),
    ] {
        assert_eq!(lines.add(bad.as_bytes()), Err(words.to_owned()));
    }
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_circle_and_a_missing_parent_lose_no_job() {
    let job = |name: &str, parent: &str| json!({"name": name, "parent_job": parent, "schedule": "@daily"});
    let jobs = [
        job("a", "b"),
        job("b", "c"),
        job("c", "a"),
        job("d", "nobody"),
        job("e", "a"),
        job("f", "f"),
        job("g", "h"),
        job("h", ""),
    ];
    let names: Vec<_> =
        read(&text(&lines(&jobs))).0.into_iter().map(|record| record.live.job.name().to_string()).collect();
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
    jobs.into_iter().map(|job| (job.name.clone(), job)).collect()
}

#[test]
fn every_form_of_a_backup_gives_back_every_job() {
    law(jobs(), |jobs| {
        let live = |job: &Value| {
            LiveJob::from(serde_json::from_str::<WireJob<'_>>(&job.to_string()).expect("a job")).job.unpack()
        };
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
            prop_assert_eq!(by_name(records.into_iter().map(|record| record.live.job.unpack())), want.clone());
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
        let names: Vec<_> = records.iter().map(|record| &**record.live.job.name()).collect();
        for (index, record) in records.iter().enumerate() {
            let in_circle = |name: &str| {
                let mut at = name;
                (0..want.len()).any(|_| {
                    at = want.get(at).and_then(Job::parent).unwrap_or_default();
                    at == name
                })
            };
            if let Some(parent) = record.live.job.parent()
                && !in_circle(record.live.job.name())
            {
                prop_assert!(names[..index].contains(&parent), "{} before {}", record.live.job.name(), parent);
            }
        }
        Ok(())
    });
}

/// An instant of November 2026.
fn at(day: i64, hour: i64) -> Timestamp {
    let first: Timestamp = "2026-11-01T00:00:00.007Z".parse().expect("an instant");
    first + SignedDuration::from_hours((day - 1) * 24 + hour)
}

#[test]
fn names_tell_the_time_and_sort_as_it_does() {
    let time: Timestamp = "2026-11-24T08:19:00.1239Z".parse().expect("an instant");
    assert_eq!(file_name(time, Packing::Plain), "backup-dkron_20261124T081900.123Z.ndjson");
    for packing in Packing::ALL {
        let name = file_name(time, packing);
        assert_eq!(time_of(&name), "2026-11-24T08:19:00.123Z".parse().ok());
        assert_eq!(Packing::of_name(&name), packing);
        assert!(is_ours(&name) && is_ours(&manifest_name(&name)));
        assert_eq!(data_of(&manifest_name(&name)), Some(name.as_str()));
    }
    for strange in [
        "backup-dkron_2026-11-24-T08-19",
        "backup-dkron_20261124T081900.123Z.ndjson.zip",
        "backup-dkron_20261124T081900.1Z.ndjson",
        "backup-dkron_20261324T081900.123Z.ndjson",
        "my-backup-dkron_20261124T081900.123Z.ndjson",
        "backup-dkron_20261124T081900.123Z.ndjson.manifest.json.manifest.json",
    ] {
        assert_eq!(time_of(strange), None, "{strange}");
        assert!(!is_ours(strange), "{strange}");
    }
    assert_eq!(Packing::of_bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Packing::Zstd);
    assert_eq!(Packing::of_bytes(&[0x1f, 0x8b, 8]), Packing::Gzip);
    assert_eq!(Packing::of_bytes(b"{\"a\""), Packing::Plain);
}

fn manifest(time: Timestamp, namespace: &str, count: u64) -> Manifest {
    let mut sum = Sum::default();
    sum.add(b"some ");
    sum.add(b"bytes");
    Manifest::new(time, namespace, "main", "http://dkron:8080", Some("4.0.9"), count).of(sum)
}

#[test]
fn a_manifest_says_what_it_is_about() {
    let manifest = manifest(at(24, 8), "shop", 44);
    insta::assert_snapshot!(manifest.to_text(), @r#"
    {
      "format_version": 1,
      "time": "2026-11-24T08:00:00.007Z",
      "namespace": "shop",
      "release": "main",
      "source": "http://dkron:8080",
      "dkron": "4.0.9",
      "count": 44,
      "sha256": "0d22cdcc10e6d049dbe1af5123d50873fdfc1a4f58306e58cb6241be9472014d",
      "size": 10
    }
    "#);
    assert_eq!(Manifest::parse(manifest.to_text().as_bytes()).as_ref(), Ok(&manifest));
    let mut same = Sum::default();
    same.add(b"some bytes");
    assert!(manifest.fits(same.clone()));
    same.add(b"!");
    assert!(!manifest.fits(same));
    let newer = manifest.to_text().replace("\"format_version\": 1", "\"format_version\": 2, \"count\": \"many\"");
    assert_eq!(Manifest::parse(newer.as_bytes()), Err(ManifestError::Newer(2)));
    assert!(ManifestError::Newer(2).to_string().contains("use the newer dkron-jobs"));
    for broken in ["", "{}", "{\"format_version\":1}", "{\"format_version\":0}", "[]", "{\"format_version\":1"] {
        assert!(matches!(Manifest::parse(broken.as_bytes()), Err(ManifestError::Broken(_))), "{broken}");
    }
}

/// A folder: good backups by time and namespace, and whatever else is added.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, u64>,
    manifests: BTreeMap<String, Result<Vec<u8>, String>>,
}

impl Folder {
    fn good(&mut self, time: Timestamp, namespace: &str, count: u64) -> String {
        let name = file_name(time, Packing::Plain);
        self.files.insert(name.clone(), 10);
        self.manifest(&name, manifest(time, namespace, count).to_text());
        name
    }

    fn manifest(&mut self, file: &str, text: String) {
        self.files.insert(manifest_name(file), text.len() as u64);
        self.manifests.insert(manifest_name(file), Ok(text.into_bytes()));
    }

    fn listing(&self) -> Listing {
        Listing::new(&self.files, &self.manifests)
    }
}

#[test]
fn the_newest_good_one_is_the_newest_by_its_manifest() {
    let mut folder = Folder::default();
    assert_eq!(folder.listing().newest_good(None), None);
    let first = folder.good(at(1, 0), "shop", 1);
    let other = folder.good(at(2, 0), "bank", 2);
    // Its name says the third, and its manifest the first.
    let renamed = file_name(at(3, 0), Packing::Gzip);
    folder.files.insert(renamed.clone(), 10);
    folder.manifest(&renamed, manifest(at(1, 1), "shop", 3).to_text());
    let torn = file_name(at(4, 0), Packing::Zstd);
    folder.files.insert(torn.clone(), 10);
    let short = folder.good(at(5, 0), "shop", 5);
    folder.files.insert(short.clone(), 9);
    let newer = folder.good(at(6, 0), "shop", 6);
    folder.manifest(&newer, "{\"format_version\": 2}".to_owned());
    let lost = folder.good(at(7, 0), "shop", 7);
    folder.files.remove(&lost);
    let locked = folder.good(at(8, 0), "shop", 8);
    folder.manifests.insert(manifest_name(&locked), Err("permission denied".to_owned()));
    folder.files.insert("notes.txt".to_owned(), 10);
    folder.files.insert("backup-dkron_2026-11-24-T08-19".to_owned(), 10);

    let listing = folder.listing();
    let faults: BTreeMap<_, _> =
        listing.entries.iter().map(|entry| (entry.file.clone(), entry.fault.clone())).collect();
    let want = BTreeMap::from([
        (first, None),
        (other.clone(), None),
        (renamed.clone(), None),
        (torn, Some(Fault::NoManifest)),
        (short, Some(Fault::Size { is: 9, said: 10 })),
        (newer, Some(Fault::Manifest(ManifestError::Newer(2)))),
        (lost, Some(Fault::NoFile)),
        (locked, Some(Fault::Unreadable("permission denied".to_owned()))),
    ]);
    assert_eq!(faults, want);
    let newest = |namespace| listing.newest_good(namespace).map(|entry| entry.file.clone());
    assert_eq!(newest(None), Some(other));
    assert_eq!(newest(Some("shop")), Some(renamed));
    assert_eq!(newest(Some("nobody")), None);
}

#[test]
fn rotation_keeps_the_newest_and_one_a_day() {
    let mut folder = Folder::default();
    let mut names = BTreeMap::new();
    for day in 1..=10 {
        for hour in [1, 13] {
            names.insert((day, hour), folder.good(at(day, hour), "shop", 1));
        }
    }
    let kept = |folder: &Folder, keep, now| {
        let gone = expired(&folder.listing(), "shop", keep, now);
        let kept: Vec<_> = names.iter().filter(|(_, name)| !gone.contains(name)).map(|(&at, _)| at).collect();
        kept
    };
    assert_eq!(kept(&folder, Keep { newest: 3, days: 4 }, at(10, 20)), [(7, 13), (8, 13), (9, 13), (10, 1), (10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 1, days: 0 }, at(10, 20)), [(10, 13)]);
    // The newest good one stays whatever is asked for, and days in which none was made count.
    assert_eq!(kept(&folder, Keep { newest: 0, days: 0 }, at(10, 20)), [(10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 0, days: 3 }, at(11, 0)), [(9, 13), (10, 13)]);
    assert_eq!(kept(&folder, Keep { newest: 0, days: 3 }, at(28, 0)), [(10, 13)]);
    // A clock that was ahead: its backups count as today's.
    assert_eq!(kept(&folder, Keep { newest: 0, days: 1 }, at(8, 20)), [(8, 13), (9, 13), (10, 13)]);
    let gone = expired(&folder.listing(), "shop", Keep { newest: 19, days: 0 }, at(10, 20));
    assert_eq!(gone, [manifest_name(&names[&(1, 1)]), names[&(1, 1)].clone()], "the manifest goes first");
}

#[test]
fn rotation_takes_only_what_is_its_own() {
    let mut folder = Folder::default();
    let others = folder.good(at(1, 0), "bank", 1);
    let torn_old = file_name(at(1, 1), Packing::Plain);
    folder.files.insert(torn_old.clone(), 3);
    let short = folder.good(at(1, 2), "shop", 1);
    folder.files.insert(short.clone(), 9);
    let newer_format = folder.good(at(1, 3), "shop", 1);
    folder.manifest(&newer_format, "{\"format_version\": 2}".to_owned());
    folder.files.insert("backup-dkron_2026-11-01-T04-00".to_owned(), 3);
    let keep = Keep { newest: 1, days: 0 };
    assert_eq!(expired(&folder.listing(), "shop", keep, at(9, 0)), [""; 0], "without a good one nothing goes");
    let oldest = folder.good(at(2, 0), "shop", 1);
    folder.good(at(9, 0), "shop", 1);
    let torn_new = file_name(at(9, 1), Packing::Plain);
    folder.files.insert(torn_new, 3);
    let want = [torn_old.clone(), manifest_name(&short), short.clone(), manifest_name(&oldest), oldest];
    assert_eq!(expired(&folder.listing(), "shop", keep, at(9, 2)), want);
    assert_eq!(expired(&folder.listing(), "shop", Keep { newest: 2, days: 0 }, at(9, 2)), want[..3]);
    // Somebody may still be writing it.
    assert!(!expired(&folder.listing(), "shop", keep, at(1, 2) - SignedDuration::from_mins(1)).contains(&torn_old));
    assert_eq!(expired(&folder.listing(), "bank", keep, at(9, 2)), [""; 0], "{others} is its newest");
}

#[test]
fn the_newest_good_one_survives_every_rotation() {
    let backups = vec((0..40_i64, 0..24_i64, select(vec!["shop", "bank"]), 0..4_u8), 0..20);
    law((backups, 0..5_usize, 0..5_u32, 0..45_i64), |(backups, newest, days, now)| {
        let mut folder = Folder::default();
        for (day, hour, namespace, broken) in backups {
            let name = folder.good(at(day, hour), namespace, 1);
            match broken {
                0 => drop(folder.files.insert(name, 3)),
                1 => {
                    folder.files.remove(&manifest_name(&name));
                    folder.manifests.remove(&manifest_name(&name));
                }
                _ => {}
            }
        }
        let before = folder.listing();
        for name in expired(&before, "shop", Keep { newest, days }, at(now, 0)) {
            prop_assert!(folder.files.remove(&name).is_some(), "{name} was there");
            folder.manifests.remove(&name);
            let between = folder.listing();
            for namespace in [None, Some("shop"), Some("bank")] {
                prop_assert_eq!(between.newest_good(namespace), before.newest_good(namespace));
            }
        }
        let left = folder.listing();
        prop_assert_eq!(left.good(Some("bank")).count(), before.good(Some("bank")).count());
        prop_assert!(left.good(Some("shop")).count() >= newest.min(before.good(Some("shop")).count()));
        Ok(())
    });
}

#[test]
fn a_list_that_is_suddenly_small_is_refused() {
    let newest = |count| {
        let mut folder = Folder::default();
        folder.good(at(1, 0), "shop", count);
        folder.listing().entries.into_iter().next()
    };
    let refused = |new, old: Option<Entry>| shrinks(new, old.as_ref()).is_err();
    assert!(!refused(0, None));
    for (new, old, is) in [
        (0, 0, false),
        (0, 1, true),
        (1, 11, false),
        (1, 12, true),
        (5, 16, true),
        (8, 16, false),
        (7, 16, false),
        (50, 100, false),
        (49, 100, true),
        (1500, 1500, false),
        (2000, 1500, false),
    ] {
        assert_eq!(refused(new, newest(old)), is, "{new} after {old}");
    }
    let words = shrinks(3, newest(1500).as_ref()).expect_err("refused").to_string();
    for word in ["3 jobs", "1500", "backup-dkron_20261101T000000.007Z.ndjson", "`--force`"] {
        assert!(words.contains(word), "{words}");
    }
}

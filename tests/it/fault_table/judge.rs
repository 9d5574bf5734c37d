//! What every cell must show: nothing lost, nothing doubled, nothing unsaid; and its golden text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use dkron_emulator::Request;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::Ran;
use crate::recover::families_are_whole;
use crate::rig::tidy;

use super::strike::Strike;
use super::world::{References, Run, World};

/// More memory than any answer of theirs may cost.
const PEAK_KIB: u64 = 64 << 10;

/// What is written twice, lost, or there without anybody's having wanted it.
#[track_caller]
pub(super) fn nothing_is_lost(world: &World, strike: &Strike, references: &References) {
    let (before, wanted) = (references.before(world.column), references.wanted(world.column));
    let rival = strike.rival.map(|rival| &references.rivals[rival]);
    let now = world.jobs();
    let names: BTreeSet<&String> = before.keys().chain(wanted.keys()).chain(now.keys()).collect();
    for name in names {
        let allowed = [Some(before), Some(wanted), rival].into_iter().flatten().map(|jobs| jobs.get(name));
        let found = now.get(name);
        let allowed: Vec<_> = allowed.collect();
        assert!(allowed.contains(&found), "{name} is {found:?}, and should be one of {allowed:?}");
    }
    families_are_whole(&world.emulator.jobs());
}

/// What the command was to change is changed.
#[track_caller]
pub(super) fn is_done(world: &World, references: &References, ran: &Ran) {
    let (before, wanted) = (references.before(world.column), references.wanted(world.column));
    let now = world.jobs();
    for name in before.keys().chain(wanted.keys()).filter(|name| before.get(*name) != wanted.get(*name)) {
        assert_eq!(now.get(name), wanted.get(name), "{name}: {ran}");
    }
}

/// No job is written more often than it may be, none is run twice, and no question is put for ever.
#[track_caller]
pub(super) fn nothing_is_doubled(journal: &[Request], strike: &Strike) {
    for (kind, count) in kinds(journal) {
        let most = match kind.as_str() {
            run if run.ends_with("/run") => 1,
            write if write.contains('`') => strike.writes,
            _ => strike.reads,
        };
        assert!(count <= most, "{kind}: {count} times, and {most} are enough");
    }
}

/// A command that does not end well says what it waited for or did, the last cause, and what to do.
#[track_caller]
pub(super) fn nothing_is_unsaid(run: &Run, code: i32) {
    let Run { ran, peak_kib, .. } = run;
    assert!(*peak_kib < PEAK_KIB, "{peak_kib} KiB of memory");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for word in ["Err(", "Some(", "Os {", "Error {", "Failure::", "reqwest::", "hyper::", "hyper_util::", "panicked"] {
        assert!(!said.contains(word), "`{word}` is no word for people: {ran}");
    }
    match code {
        4 => {
            let given_up = said.lines().find_map(|line| line.split_once("gave up on Dkron at "));
            let (_, given_up) = given_up.unwrap_or_else(|| panic!("no word of giving up: {ran}"));
            let (phase, cause) = given_up
                .split_once(", waiting for ")
                .and_then(|(_, rest)| rest.split_once(": "))
                .unwrap_or_else(|| panic!("no phase: {ran}"));
            let (cause, remedy) = cause.rsplit_once("; ").unwrap_or_else(|| panic!("no remedy: {ran}"));
            assert!(!phase.is_empty() && !cause.is_empty() && remedy.contains(' '), "{ran}");
        }
        1 => {
            assert!(said.contains("failed: "), "no cause: {ran}");
            assert!(said.contains("run it again"), "no remedy: {ran}");
        }
        _ => {}
    }
}

/// A backup is whole or it is not there; one that was killed may leave a piece without a manifest.
#[track_caller]
pub(super) fn backups_are_whole(world: &World, strike: &Strike, code: Option<i32>, references: &References) {
    let files = world.backups();
    // What is still being written has another name.
    let whole: Vec<_> = files
        .iter()
        .filter(|file| file.starts_with("backup-dkron_"))
        .filter_map(|file| file.strip_suffix(".manifest.json"))
        .collect();
    for name in &whole {
        let read = |file: &str| fs::read(world.cli.path("backups").join(file)).expect("a file of a backup");
        let manifest: Value = serde_json::from_slice(&read(&format!("{name}.manifest.json"))).expect("a manifest");
        let text = read(name);
        let lines: Vec<Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a job"))
            .collect();
        let sum: String = Sha256::digest(&text).iter().fold(String::new(), |mut sum, byte| {
            write!(sum, "{byte:02x}").expect("a string");
            sum
        });
        assert_eq!((&manifest["count"], &manifest["sha256"]), (&lines.len().into(), &sum.into()), "{name}");
        let names: BTreeSet<_> = lines.iter().filter_map(|job| job["name"].as_str()).collect();
        let before: BTreeSet<_> = references.before(world.column).keys().map(String::as_str).collect();
        if strike.rival.is_none() {
            assert_eq!(names, before, "{name}");
        }
    }
    if strike.signal.is_none() {
        let expected = usize::from(world.column.name == "backup" && code == Some(0));
        assert_eq!((whole.len(), files.len()), (expected, 2 * expected), "{files:?}");
    }
}

/// The requests, by kind: writes by the job that they name.
fn kinds(journal: &[Request]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for request in journal {
        let path = request.path.split('?').next().unwrap_or_default();
        let kind = match (request.method.as_str(), path, request.job.as_deref()) {
            ("POST", "/v1/jobs", Some("dkron-jobs-barrier")) => "POST /v1/jobs, the barrier".to_owned(),
            ("POST", "/v1/jobs", Some(job)) => format!("POST /v1/jobs of `{job}`"),
            ("DELETE", _, Some(job)) => format!("DELETE of `{job}`"),
            (method, path, _) => format!("{method} {path}"),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

/// What the cell's golden text says.
pub(super) fn told(strike: &Strike, run: &Run, codes: &[i32], journal: &[Request]) -> String {
    let mut text = String::new();
    let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
    writeln!(text, "exit code {}", codes.join(" or ")).expect("a string");
    if strike.counted {
        let kinds = kinds(journal);
        if kinds.is_empty() {
            text += "no request reached Dkron\n";
        }
        for (kind, count) in kinds {
            // How often an execution is asked for is a matter of time in any case.
            let by_the_clock = kind.ends_with("/executions");
            let count = if by_the_clock { format!("at most {}", strike.reads) } else { count.to_string() };
            writeln!(text, "{kind}: {count}").expect("a string");
        }
    } else {
        let (reads, writes) = (strike.reads, strike.writes);
        writeln!(text, "requests by the clock: at most {reads} of a kind, at most {writes} to write one job")
            .expect("a string");
    }
    if codes.len() > 1 {
        return text;
    }
    let is_verdict =
        |line: &&str| ["failed:", "skipped:", "warning:", "error:"].iter().any(|word| line.starts_with(word));
    for line in run.ran.stdout.lines().map(str::trim).filter(is_verdict) {
        if strike.worded || line.starts_with("failed:") || line.starts_with("error:") {
            writeln!(text, "stdout> {}", steady(line)).expect("a string");
        }
    }
    for line in run.ran.stderr.lines().filter(|line| strike.worded || line.starts_with("error:")) {
        writeln!(text, "stderr> {}", steady(line)).expect("a string");
    }
    text
}

/// A line without what is another each time: ports, times, names of backups.
fn steady(line: &str) -> String {
    let mut line = tidy(line.trim());
    for (mark, end) in [("backup-dkron_", ".ndjson"), ("took_ms=", ""), ("dkron.test:", "")] {
        let Some(at) = line.find(mark).map(|at| at + mark.len()) else { continue };
        let rest = &line[at..];
        let stop = if end.is_empty() { rest.find(|c: char| !c.is_ascii_digit()) } else { rest.find(end) };
        let stop = stop.unwrap_or(rest.len());
        line.replace_range(at..at + stop, "[…]");
    }
    // What was left of a limit, unlike the limit itself, is no whole number of seconds.
    let words = line.split(' ').map(|word| {
        let number = word.trim_end_matches(',').strip_suffix('s').filter(|number| number.contains('.'));
        if number.is_some_and(|number| number.parse::<f64>().is_ok()) { "[…]s," } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

//! Killed at any instant, a backup is whole or no good one, and what a restore has begun the next one ends.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::recover::{definitions, families_are_whole};
use crate::server::Server;

/// How many jobs there are: a third of them parents, each with a child and a grandchild.
const JOBS: usize = 300;

/// How often a run is killed: 20 times, or 100 where `PROPTEST_CASES` asks for long runs.
pub(crate) fn kills() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() { 100 } else { 20 }
}

/// A share of the whole, another one each time, spread evenly however many are taken.
pub(crate) fn share(round: u32) -> f64 {
    (f64::from(round) * 0.618_033_988_75).fract()
}

fn job(name: &str, parent: &str) -> Value {
    json!({
        "name": name, "parent_job": parent, "schedule": if parent.is_empty() { "@yearly" } else { "" }, "executor": "http",
        "executor_config": {"method": "POST", "url": "http://127.0.0.1:9/x", "body": format!("}}{{ {}", "x".repeat(200))},
    })
}

/// Families whose names sort against their order.
fn families(prefix: &str, count: usize) -> Vec<Value> {
    let family = |number: usize| {
        let [parent, child, last] = ["z", "m", "a"].map(|name| format!("{prefix}{name}-{number:03}"));
        [job(&parent, ""), job(&child, &parent), job(&last, &child)]
    };
    (0..count / 3).flat_map(family).collect()
}

fn is_killed(mut child: Child) -> bool {
    child.kill().expect("a run to kill");
    child.wait().expect("its end").signal() == Some(9)
}

#[test]
fn a_killed_backup_is_never_taken_for_good() {
    let cli = Cli::new().env("JOBS_BACKUPS", "backups").env("DKRON_WAIT_TIMEOUT", "20s");
    cli.write("jobs.json", Value::from(families("", JOBS)).to_string());
    let (mut killed, mut torn) = (0, 0);
    let before = {
        let server = Server::start();
        let url = ["--dkron-url", server.url()];
        let _ = cli.run(&["restore", "jobs.json", url[0], url[1]]).ok();
        let start = Instant::now();
        let _ = cli.run(&["backup", url[0], url[1]]).ok();
        let whole = start.elapsed();
        for round in 0..kills() {
            let child = cli.spawn(&["backup", url[0], url[1]]);
            let delay = if round % 2 == 0 {
                whole.mul_f64(share(round))
            } else {
                // The short while in which something is written is met only by looking for it.
                let files = files(&cli).len();
                let start = Instant::now();
                while files == self::files(&cli).len() && start.elapsed() < Duration::from_secs(20) {}
                whole.mul_f64(share(round) / 20.0)
            };
            thread::sleep(delay);
            killed += usize::from(is_killed(child));
            torn += usize::from(are_whole(&cli) < files(&cli).len());
        }
        let _ = cli.run(&["backup", url[0], url[1]]).ok();
        definitions(&server.jobs())
    };
    assert!(killed > kills() as usize / 4, "only {killed} runs were killed in time");
    assert!(torn > 0, "no kill left anything half-written");
    // The newest of all that are there, and some are half-written.
    let server = Server::start();
    let restored = cli.run(&["restore", "--output", "json", "--dkron-url", server.url()]).ok().json();
    assert_eq!(restored["summary"]["created"], JOBS, "{}", restored["summary"]);
    assert_eq!(definitions(&server.jobs()), before);
}

fn files(cli: &Cli) -> BTreeSet<String> {
    let entries = fs::read_dir(cli.path("backups")).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

/// What counts as good is good, and the rest was interrupted. How many files the good ones have.
fn are_whole(cli: &Cli) -> usize {
    let verified = cli.run(&["backup", "verify", "--output", "json"]);
    let mut good = 0;
    for backup in verified.json()["backups"].as_array().expect("a list") {
        if backup["good"] == true {
            good += 1;
            assert_eq!(backup["count"], JOBS, "{backup}");
            let text = fs::read_to_string(cli.path("backups").join(backup["file"].as_str().expect("a name")));
            let lines = text.expect("a backup").lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
            assert_eq!(lines.expect("whole lines").len(), JOBS, "{backup}");
        } else {
            assert_eq!(backup["why"], "it has no manifest, so it was interrupted", "{backup}");
        }
    }
    let listed = verified.json()["backups"].as_array().map_or(0, Vec::len);
    let _ = verified.exits(i32::from(good < listed));
    2 * good
}

#[test]
fn what_a_killed_restore_has_begun_the_next_one_ends() {
    let cli = Cli::new().env("DKRON_WAIT_TIMEOUT", "20s");
    let jobs = families("", JOBS);
    cli.write("jobs.json", Value::from(jobs.clone()).to_string());
    let server = Server::start();
    let args = ["restore", "jobs.json", "--output", "json", "--dkron-url", server.url()];
    let start = Instant::now();
    let _ = cli.run(&args).ok();
    let whole = start.elapsed();
    let wanted = definitions(&server.jobs());
    let (mut killed, mut halfway) = (0, 0);
    for round in 0..kills() {
        server.clear();
        let child = cli.spawn(&args);
        thread::sleep(whole.mul_f64(share(round)));
        killed += usize::from(is_killed(child));
        // What is still on its way arrives, most of it.
        thread::sleep(Duration::from_millis(50));
        let there = server.names();
        halfway += usize::from(!there.is_empty() && there.len() < JOBS);
        let found = definitions(&server.jobs());
        assert!(found.iter().all(|(name, job)| wanted.get(name) == Some(job)), "something else than was saved");
        drop(server.writes());
        let next = cli.run(&args).ok().json();
        let count = |what: &str| next["summary"][what].as_u64().and_then(|count| usize::try_from(count).ok());
        assert_eq!(count("created").zip(count("unchanged")).map(|(a, b)| a + b), Some(JOBS), "{}", next["summary"]);
        assert!(count("unchanged") >= Some(there.len()), "{}", next["summary"]);
        let again: Vec<_> = server
            .writes()
            .into_iter()
            .filter(|write| there.iter().any(|name| write.ends_with(&format!(" {name}"))))
            .collect();
        assert_eq!(again, Vec::<String>::new(), "what was there is left alone");
        let after = server.jobs();
        assert_eq!(definitions(&after), wanted);
        families_are_whole(&after);
    }
    assert!(killed > kills() as usize / 4, "only {killed} runs were killed in time");
    assert!(halfway > 0, "no kill came halfway");
}

/// Disaster recovery is to run the hook again, also when the hook itself was killed.
#[test]
fn what_a_killed_recovery_has_begun_the_next_one_ends() {
    const BY_HAND: usize = 240;
    const OURS: usize = 60;
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).env("JOBS_BACKUPS", "backups");
    let rows: Vec<_> = (0..OURS).map(|number| format!("ours-{number:03}")).collect();
    cli.write("jobs-templates/data/ours.csv", format!("name\n{}\n", rows.join("\n")));
    cli.write(
        "jobs-templates/ours.yaml",
        "for_each: ours\nname: '{{ item.name }}'\nschedule: '@yearly'\nexecutor: http\nexecutor_config: {method: GET, url: 'http://127.0.0.1:9/x'}\n",
    );
    let _ = cli.run(&["apply"]).ok();
    let mut by_hand = families("hand-", BY_HAND);
    by_hand.extend([job("a-child-by-hand", "ours-030"), job("0-grandchild-by-hand", "a-child-by-hand")]);
    cli.write("by-hand.json", Value::from(by_hand.clone()).to_string());
    let _ = cli.run(&["restore", "by-hand.json"]).ok();
    let _ = cli.run(&["backup"]).ok();
    let wanted = definitions(&server.jobs());
    let mut halfway = 0;
    for part in [1, 2, 3, 4, 5] {
        server.clear();
        let child = cli.spawn(&["apply", "--restore", "when-empty"]);
        let start = Instant::now();
        while server.names().len() * 6 < wanted.len() * part && start.elapsed() < Duration::from_secs(20) {}
        if is_killed(child) {
            halfway += usize::from(server.names().len() < wanted.len());
        }
        thread::sleep(Duration::from_millis(200));
        let _ = cli.run(&["apply", "--restore", "when-empty"]).ok();
        let after = server.jobs();
        assert_eq!(definitions(&after), wanted, "killed after {part}/6");
        families_are_whole(&after);
    }
    assert!(halfway > 2, "only {halfway} runs were killed halfway");
    drop(server.writes());
    let _ = cli.run(&["apply", "--restore", "when-empty"]).ok();
    assert_eq!(server.writes(), Vec::<String>::new());
}

//! What is posted must not change: stamps in Dkrons of today hold digests of it, and another digest would make every job an edited one.
//!
//! `tests/cases/golden` was written by the build of commit `d7e109f`:
//! `GOLDEN_BIN=path/to/that/dkron-jobs cargo test --test it golden::`. Without `GOLDEN_BIN`, this build must post the same. The
//! plans of `sequences` are there as JSON too, written in the same way by the commit before the planner was rebuilt.

use std::fmt::Write;
use std::fs;

use dkron_emulator::{Emulator, Options};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::cli::{BINARY, Cli, repository};
use crate::dice::Dice;

/// How many generated jobs there are, and of how many of them the whole body is kept.
const JOBS: usize = 1000;
const WHOLE: usize = 40;

/// The bodies of all posts of a first apply, by the names of the jobs.
fn posted(cli: Cli) -> Vec<(String, String)> {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let cli = cli.dkron(&emulator.url());
    let program = std::env::var("GOLDEN_BIN").unwrap_or_else(|_| BINARY.to_owned());
    let _ = cli.finish(cli.spawn_build(&program, &["apply", "--output", "json"])).ok();
    let mut bodies: Vec<_> = emulator
        .journal()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path == "/v1/jobs" && !request.is_barrier)
        .map(|request| {
            // JSON objects have no order: the keys are sorted here.
            let body: Value = serde_json::from_slice(&request.body).expect("a body is JSON");
            (request.job.expect("a job has a name"), body.to_string())
        })
        .collect();
    bodies.sort();
    bodies
}

/// Compares with the golden file, or writes it.
pub(crate) fn check(name: &str, text: &str) {
    let path = repository().join("tests/cases/golden").join(name);
    if std::env::var_os("GOLDEN_BIN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of the golden files");
        fs::write(&path, text).expect("a golden file");
        return;
    }
    let golden = fs::read_to_string(&path).expect("a golden file");
    let line = golden.lines().zip(text.lines()).find(|(golden, now)| golden != now);
    assert_eq!(line, None, "{name}: the first line that differs, as it was and as it is");
    assert_eq!(golden.len(), text.len(), "{name}");
}

fn lines(bodies: &[(String, String)]) -> String {
    bodies.iter().flat_map(|(_, body)| [body, "\n"]).collect()
}

#[test]
fn the_shipped_jobs_are_posted_as_ever() {
    let bodies = posted(Cli::new().env("JOBS_TEMPLATES", repository().join("jobs-templates")));
    assert_eq!(bodies.len(), 14);
    check("shipped.ndjson", &lines(&bodies));
}

#[test]
fn generated_jobs_are_posted_as_ever() {
    let mut dice = Dice(19);
    let documents: Vec<_> = (0..JOBS).map(|number| document(&mut dice, number).to_string()).collect();
    let bodies = posted(Cli::new().file("jobs-templates/generated.yaml", documents.join("\n---\n")));
    assert_eq!(bodies.len(), JOBS);
    check("generated.ndjson", &lines(&bodies[..WHOLE]));
    let mut sums = String::new();
    for (name, body) in &bodies {
        let job: Value = serde_json::from_str(body).expect("a body is JSON");
        let digest = job["metadata"]["dkron-jobs.digest"].as_str().expect("a digest");
        let sum = Sha256::digest(body);
        let sum = sum[..8].iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        });
        writeln!(sums, "{sum} {digest} {name}").expect("a string takes everything");
    }
    check("generated.sums", &sums);
}

/// Texts that JSON, YAML and Go each write in their own way.
const TEXTS: [&str; 14] = [
    "",
    "plain",
    "two words",
    "a \"quoted\" one",
    "back\\slash",
    "line\nbreak",
    "tab\tand \u{1}\u{8}\u{c}\u{1f}",
    "naïve Привет 你好 🦀",
    "<html> & 'more'",
    "\u{7f}\u{80}\u{2028}\u{2029}",
    "1.0",
    "true",
    "{\"json\": [1, 2.50, null]}",
    " blanks ",
];
const SCHEDULES: [&str; 6] = ["@every 5m", "0 */5 * * * *", "@hourly", "@manually", "~ 15 4 * * *", "30 0 0 1 JAN SUN"];

fn map(dice: &mut Dice, prefix: &str) -> Value {
    let mut map = Map::new();
    for _ in 0..dice.below(4) {
        // Keys in no order, and one of which another is the beginning.
        let key = format!("{prefix}{}", ["b", "a", "é", "a-1", "Z", "_"][dice.below(6)]);
        map.insert(key, json!(TEXTS[dice.below(TEXTS.len())]));
    }
    map.into()
}

/// A job's template with some of all fields.
fn document(dice: &mut Dice, number: usize) -> Value {
    let mut job = json!({ "name": format!("job-{number:04}") });
    if number > 0 && dice.percent(10) {
        job["parent_job"] = json!(format!("job-{:04}", dice.below(number)));
    }
    if job.get("parent_job").is_none() || dice.percent(50) {
        job["schedule"] = json!(SCHEDULES[dice.below(SCHEDULES.len())]);
    }
    for field in ["displayname", "owner", "owner_email"] {
        if dice.percent(40) {
            job[field] = json!(TEXTS[dice.below(TEXTS.len())]);
        }
    }
    if dice.percent(30) {
        job["timezone"] = json!(["UTC", "Europe/Paris", "Asia/Kolkata"][dice.below(3)]);
    }
    let executor = ["http", "shell", "kafka"][dice.below(3)];
    job["executor"] = json!(executor);
    job["executor_config"] = match executor {
        "http" => json!({
            "method": "POST",
            "url": format!("http://cache-manager:8080/refresh/{number}?q={}", dice.below(99)),
            "headers": { "Content-Type": "application/json", "X-Number": number },
            "body": { "text": TEXTS[dice.below(TEXTS.len())], "list": [1, 2.5, true, null] },
        }),
        "shell" => json!({ "command": format!("/bin/true {number}"), "timeout": "30s" }),
        _ => json!({ "brokerAddress": "kafka:9092", "message": TEXTS[dice.below(TEXTS.len())] }),
    };
    if dice.percent(50) {
        job["tags"] = map(dice, "");
    }
    if dice.percent(60) {
        job["metadata"] = map(dice, "m.");
    }
    if dice.percent(20) {
        job["processors"] = json!({ "log": { "forward": "true" }, "files": map(dice, "") });
    }
    if dice.percent(40) {
        job["retries"] = json!(dice.below(5));
    }
    for field in ["disabled", "ephemeral"] {
        if dice.percent(20) {
            job[field] = json!(true);
        }
    }
    if dice.percent(20) {
        job["concurrency"] = json!(["allow", "forbid"][dice.below(2)]);
    }
    if dice.percent(15) {
        job["starts_at"] = json!(format!("2026-01-{:02}T08:00:00+02:00", 1 + dice.below(28)));
    }
    if dice.percent(15) {
        job["expires_at"] = json!(["9999-12-31T23:59:59Z", "2040-02-29T12:30:00.123456789Z"][dice.below(2)]);
    }
    job
}

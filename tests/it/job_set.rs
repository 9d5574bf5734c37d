//! Forty-four jobs with everything in them that saving and bringing back can damage.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use serde_json::{Value, json};

/// How many there are.
pub(crate) const COUNT: usize = 44;
/// What only the server may set, written down here once more: the program's own list is under test.
const SERVER_FIELDS: [&str; 8] =
    ["id", "next", "status", "success_count", "error_count", "last_success", "last_error", "dependent_jobs"];
/// Generations whose names sort against their order.
const FAMILIES: usize = 5;

/// The job to run, and those that run after it, each once; each calls the path of its own name.
pub(crate) const RUNS: [&str; 4] = ["z-run", "k-first-after", "k-second-after", "c-last-of-all"];

/// What stands in bodies.
const TEXTS: [&str; 13] = [
    "}{",
    "{\"a\":{}}{\"b\":{}}",
    "}{}{}{ }{",
    "}\n{",
    "}}}{{{",
    "first line\nsecond line\r\nthird\n",
    "C:\\dir\\new \\\\ \\n \\u2028 \\\" \\",
    "line\u{2028}paragraph\u{2029}next\u{85}line",
    "<a href='x'>&amp;</a> & < >",
    "\t\u{1}\u{1f}\u{7f}\"'`$(x) ${y} %s #{z} {{ q }}",
    "é ü ß λ 日本 🙂 e\u{301} \u{feff}",
    "",
    "{\"in\":\"{\\\"deeper\\\":\\\"}{\\\"}\"}",
];

/// The jobs in an order in which Dkron takes them: parents before their children. Jobs that run call `target`.
pub(crate) fn jobs(target: &str) -> Vec<Value> {
    let mut jobs = families();
    jobs.extend(running(target));
    jobs.extend(TEXTS.iter().enumerate().map(|(index, text)| {
        let long = if index == 0 { format!("{}}}{{{}", "x".repeat(20_000), "y".repeat(20_000)) } else { String::new() };
        let mut job = job(&format!("text-{index:02}"));
        job["executor_config"]["body"] = json!(format!("{text}{long}"));
        job
    }));
    jobs.extend(odd_ones());
    assert_eq!(jobs.len(), COUNT);
    jobs
}

/// A job without what the server owns.
pub(crate) fn definition(mut job: Value) -> Value {
    let fields = job.as_object_mut().expect("a job");
    for field in SERVER_FIELDS {
        fields.remove(field);
    }
    job
}

fn job(name: &str) -> Value {
    json!({
        "name": name, "schedule": "@yearly", "executor": "http",
        "executor_config": {"method": "POST", "url": "http://127.0.0.1:9/x?a=1&b=<2>", "headers": "[\"X-A: }{\"]"},
    })
}

fn child(name: &str, parent: &str) -> Value {
    let mut job = job(name);
    job["parent_job"] = json!(parent);
    job["schedule"] = json!("");
    job
}

fn families() -> Vec<Value> {
    let mut jobs = Vec::new();
    for family in 0..FAMILIES {
        let [parent, middle, last] = ["y-parent", "m-child", "b-grandchild"].map(|name| format!("{name}-{family}"));
        jobs.push(job(&parent));
        jobs.push(child(&middle, &parent));
        jobs.push(child(&last, &middle));
    }
    jobs.push(child("a-second-child", "y-parent-0"));
    let mut off = child("a-disabled-child", "y-parent-0");
    off["disabled"] = json!(true);
    jobs.push(off);
    jobs
}

fn running(target: &str) -> [Value; 4] {
    let [first, middle, other, last] = RUNS;
    let mut all = [job(first), child(middle, first), child(other, first), child(last, middle)];
    for job in &mut all {
        let url = format!("{target}/{}", job["name"].as_str().expect("a name"));
        job["executor_config"] = json!({"method": "GET", "url": url, "expectCode": "200"});
    }
    all[0]["schedule"] = json!("@manually");
    all
}

fn odd_ones() -> [Value; 10] {
    let with = |name: &str, fields: Value| {
        let mut job = job(name);
        job.as_object_mut().expect("a job").extend(fields.as_object().expect("fields").clone());
        job
    };
    [
        with("disabled", json!({"disabled": true, "displayname": "}{ <b>off</b>\nand so on"})),
        with("disabled-manually", json!({"disabled": true, "schedule": "@manually"})),
        with("manually", json!({"schedule": "@manually", "metadata": {"}{": "}{", "": "empty", "\u{2028}": "\\"}})),
        with("once", json!({"schedule": "@at 2099-01-31T09:00:00+01:00"})),
        with("starts", json!({"starts_at": "2098-06-01T00:00:00.5+02:00", "expires_at": "2099-12-31T23:59:59Z"})),
        with(
            "processed",
            json!({"processors": {"log": {"forward": "true"}, "files": {"log_dir": "C:\\}{"}, "none": {}}}),
        ),
        with(
            "stamped",
            json!({"metadata": {
                "dkron-jobs.owner": "other/release", "dkron-jobs.job": "stamped", "dkron-jobs.digest": "v0:00",
                "dkron-jobs.disabled": "false",
            }}),
        ),
        with(
            "every-field",
            json!({
                "schedule": "0 30 3 * * mon", "timezone": "Europe/Paris", "owner": "O'Hara & }{", "owner_email": "o@x.test",
                "retries": 3, "concurrency": "forbid", "tags": {"no-such-tag": "}{:1"},
            }),
        ),
        with("ephemeral", json!({"ephemeral": true, "schedule": "@manually"})),
        with("été-ß-λ_0", json!({"displayname": "🙂"})),
    ]
}

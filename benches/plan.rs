//! How long it takes to decide, beside what cannot be avoided, as ratios from one run. No server: data in, data out.
//!
//! `cargo bench --bench plan`. Live jobs are given as the bytes of Dkron's own list; a plan is made of them and of the jobs that the
//! shipped template renders. Beside it stands the parse of the same bytes by `serde_json`.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::allow_attributes,
    dead_code,
    reason = "a benchmark"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dkron_jobs::dkron::decode_jobs;
use dkron_jobs::job::Desired;
use dkron_jobs::plan::plan;
use dkron_jobs::render::{Context, Source, Sources, TableFormat, render};
use dkron_jobs::table::Table;
use serde_json::{Value, json};

use crate::measure::{Ratio, table};
use crate::model::default_policy;

mod measure;
#[path = "../tests/it/model.rs"]
mod model;

/// How many jobs on each side: the smaller set shows whether time grows as the jobs do.
const SIZES: [usize; 2] = [5_000, 50_000];
const ROUNDS: usize = 9;
/// Whose the jobs are.
const OWNER: &str = "shop/caches";
/// Of this many jobs one differs.
const CHANGED: usize = 100;

fn main() {
    let mut took = Vec::new();
    for jobs in SIZES {
        let desired = desired(jobs);
        let list = list(&desired);
        let policy = default_policy(OWNER);
        let mut ratio = Ratio::default();
        for _ in 0..ROUNDS {
            ratio.bare.push(timed(|| drop(black_box(serde_json::from_slice::<Value>(&list).expect("JSON")))));
            ratio.ours.push(timed(|| {
                let live = decode_jobs(&list).expect("a list of jobs");
                let plan = plan(&desired, &live, &policy).expect("a plan");
                assert_eq!(plan.writes.iter().map(Vec::len).sum::<usize>(), jobs / CHANGED);
                drop(black_box(plan));
            }));
        }
        let fastest = ratio.ours.iter().min().expect("a round");
        took.push(fastest.as_secs_f64() / jobs as f64);
        println!(
            "{jobs} jobs against {jobs}, {} bytes of Dkron's list, every {CHANGED}th differs, medians of {ROUNDS}",
            list.len()
        );
        println!("  decode and plan / serde_json's parse:   {}", ratio.show("at most 4.0"));
    }
    let [few, many] = SIZES;
    println!("  {:<40}{:.2}  (1 is linear)", format!("time a job at {many} / at {few}:"), took[1] / took[0]);
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// What the shipped template renders.
fn desired(jobs: usize) -> Desired {
    let source = |file: &str, text: &str| Source { file: file.to_owned(), text: text.to_owned() };
    let rows = Table::parse(&source("cache_param.csv", &table(jobs)), TableFormat::Csv, None).expect("a table");
    let sources = Sources {
        templates: vec![source("cache-refresh.yaml", include_str!("../jobs-templates/cache-refresh.yaml"))],
        tables: [("cache_param".to_owned(), rows)].into(),
    };
    let context = Context {
        namespace: "shop".to_owned(),
        release: "caches".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        name_prefix: String::new(),
        vars: BTreeMap::new(),
        allow_unknown_schedules: false,
    };
    render(&sources, &context).expect("jobs")
}

/// The list that Dkron gives of them: with all fields of its own, and each [`CHANGED`]th edited.
fn list(desired: &Desired) -> Vec<u8> {
    let owner = default_policy(OWNER).owner;
    let all = desired.jobs.values().enumerate().map(|(index, wanted)| {
        let stamped = wanted.job.stamped(&owner, wanted.job.disabled);
        let mut job = serde_json::to_value(stamped.clone()).expect("JSON");
        let fields = job.as_object_mut().expect("an object");
        let own = json!({
            "id": fields["name"], "success_count": 12, "error_count": 0, "last_success": "2026-11-24T10:00:00Z",
            "last_error": null, "next": "2026-11-24T10:05:00Z", "status": "success", "dependent_jobs": null,
            "processors": null, "owner": "", "owner_email": "", "parent_job": "", "ephemeral": false, "expires_at": null,
        });
        fields.extend(own.as_object().expect("an object").clone());
        if index % CHANGED == 0 {
            fields.insert("retries".to_owned(), 9.into());
        }
        job
    });
    serde_json::to_vec(&all.collect::<Vec<_>>()).expect("JSON")
}

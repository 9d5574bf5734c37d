//! Two builds of dkron-jobs side by side: `DKRON_JOBS_BASE` names the other one, `DKRON_JOBS_BIN` this one where it is not cargo's.
//!
//! `cargo bench --bench builds` runs on the emulator, or on a real Dkron when `DKRON_BIN` names its binary. For each form of the
//! templates one build installs the jobs, and then the two take turns with an unchanged apply, which must find nothing to do. Each
//! figure is a ratio of medians (wall time) or of sums (CPU time); instructions are counted by callgrind where there is valgrind.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a benchmark, which shares the servers of the tests"
)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::measure::{median, peak, templates};
use crate::server::Server;

#[path = "../tests/it/http.rs"]
mod http;
mod measure;
#[path = "../tests/it/server.rs"]
mod server;

/// What a build took.
#[derive(Default)]
struct Taken {
    wall: Vec<Duration>,
    /// In clock ticks.
    cpu: u64,
}

fn main() {
    let Some(base) = std::env::var_os("DKRON_JOBS_BASE") else {
        println!("two builds side by side: skipped, DKRON_JOBS_BASE names no other build");
        return;
    };
    let ours = std::env::var_os("DKRON_JOBS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_dkron-jobs").into());
    for (what, folder, jobs, rounds) in [
        ("1,500 jobs as documents", documents(1500), 1500, 21),
        ("1,500 jobs as one `for_each`", templates(1500), 1500, 21),
        ("10,000 jobs as one `for_each`", templates(10_000), 10_000, 9),
    ] {
        side_by_side(what, folder.path(), &[&ours, &base], jobs, rounds);
    }
}

fn side_by_side(what: &str, folder: &Path, builds: &[&OsString; 2], jobs: usize, rounds: usize) {
    let server = Server::start();
    let url = server.node_url(0);
    let args = ["apply", "--dkron-url", &url, "--output", "json"];
    apply(folder, builds[0], &args, jobs);
    let mut taken = [Taken::default(), Taken::default()];
    let mut get = Vec::new();
    for round in 0..rounds {
        // The second to run finds warm caches, so the two take turns in running first.
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (start, ticks) = (Instant::now(), children_ticks());
            apply(folder, builds[side], &args, 0);
            taken[side].wall.push(start.elapsed());
            taken[side].cpu += children_ticks() - ticks;
        }
        let start = Instant::now();
        assert_eq!(http::get(&url, "/v1/jobs").status, 200);
        get.push(start.elapsed());
    }
    let [ours, base] = &mut taken;
    let (wall, base_wall, get) = (median(&mut ours.wall), median(&mut base.wall), median(&mut get));
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!("{what} on {}: an unchanged apply, this build / the other", server.name());
    println!("  wall time:     {:.2}  ({wall:.1?} / {base_wall:.1?})", ratio(wall, base_wall));
    println!(
        "  CPU time:      {:.2}  ({} / {} ticks in {rounds} runs)",
        ours.cpu as f64 / base.cpu as f64,
        ours.cpu,
        base.cpu
    );
    match builds.map(|build| instructions(folder, build, &args)) {
        [Some(ours), Some(base)] => {
            println!(
                "  instructions:  {:.2}  ({} / {} million)",
                ours as f64 / base as f64,
                ours / 1_000_000,
                base / 1_000_000
            );
        }
        _ => println!("  instructions:  not counted, there is no valgrind"),
    }
    println!("  wall time / one GET /v1/jobs:  {:.2}, the other {:.2}", ratio(wall, get), ratio(base_wall, get));
    println!("  peak memory, this build:  {:.1} MiB", f64::from(peak(folder, &args)) / 1024.0);
}

fn apply(folder: &Path, build: &OsString, args: &[&str], created: usize) {
    let ran = command(folder, build, args).output().expect("the build runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("a report");
    let summary = &report["summary"];
    assert_eq!(
        (&summary["created"], &summary["updated"], &summary["failed"]),
        (&created.into(), &0.into(), &0.into()),
        "{summary}"
    );
}

fn command(folder: &Path, program: &OsString, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// The CPU time of all children that have ended, in clock ticks (fields `cutime` and `cstime` of proc(5)).
fn children_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("a kernel with /proc");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

fn instructions(folder: &Path, build: &OsString, args: &[&str]) -> Option<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(build).args(args);
    let ran = valgrind.current_dir(folder).stdin(Stdio::null()).output().ok()?;
    let told = String::from_utf8_lossy(&ran.stderr);
    told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// So many jobs, each a document of its own with nothing to fill in.
fn documents(jobs: usize) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::create_dir(folder.path().join("jobs-templates")).expect("a folder");
    let mut text = String::new();
    for job in 0..jobs {
        let (second, minutes) = (job % 60, 5 + job % 7);
        write!(
            text,
            "---
name: refresh-cache-{job:05}
displayname: Refresh cache-{job:05}
schedule: \"{second} */{minutes} * * * *\"
timezone: UTC
executor: http
executor_config:
  method: POST
  url: http://cache-manager.shop.svc.cluster.local:8080/refresh/cache-{job:05}
  headers:
    Content-Type: application/json
  body:
    cache: cache-{job:05}
    scope: scope-{}
retries: 1
metadata:
  cache_param: cache-{job:05}
  soft_ttl: \"{}\"
",
            job % 5,
            600 + job % 7 * 300,
        )
        .expect("a string takes everything");
    }
    fs::write(folder.path().join("jobs-templates/jobs.yaml"), text).expect("a template file");
    folder
}

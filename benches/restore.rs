//! How much memory fifty thousand jobs take, and how long `restore` takes beside the script that people used before.
//!
//! `cargo bench --bench restore` measures memory on the emulator, and the time there too, or on a real Dkron when `DKRON_BIN` names
//! its binary.
//!
//! - the peak of resident memory of a restore of 50,000 jobs into an empty Dkron, of an apply of 50,000 unchanged ones, and of a
//!   backup of them;
//! - the restore of 44 jobs beside the old script with the same jobs on the same server. The script loses some of them, and damages
//!   one: what it takes less for that is given to it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::allow_attributes,
    dead_code,
    reason = "a benchmark, which shares the servers of the tests"
)]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options};
use tempfile::TempDir;

use crate::measure::{Ratio, binary, peak, templates, within};
use crate::server::Server;

#[path = "../tests/it/http.rs"]
mod http;
#[path = "../tests/it/job_set.rs"]
mod job_set;
mod measure;
#[path = "../tests/it/old_script.rs"]
mod old_script;
#[path = "../tests/it/server.rs"]
mod server;

/// How many jobs must be restored within [`MEMORY`].
const JOBS: usize = 50_000;
/// In MiB; the unchanged apply, too: 96 for the first 10,000 jobs, and 8 KiB for each beyond.
const MEMORY: u32 = 96 + 40_000 * 8 / 1024;
/// Rounds of the two restores, taken in turn.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let fits = memory();
    match old_script::missing_tool() {
        Some(tool) => println!("restore beside the old script: skipped, there is no {tool} here"),
        None => speed(),
    }
    if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether all peaks are within their limits.
fn memory() -> bool {
    let folder = templates(JOBS);
    let start = || Emulator::start(Options::new()).expect("an emulator");
    let emulator = start();
    let at = emulator.url();
    run(folder.path(), &["apply", "--dkron-url", &at]);
    assert_eq!(emulator.job_count(), JOBS);
    let backup = peak(folder.path(), &["backup", "--backups", "backups", "--compress", "zstd", "--dkron-url", &at]);
    let unchanged = peak(folder.path(), &["apply", "--dkron-url", &at]);
    drop(emulator);
    let emulator = start();
    let at = emulator.url();
    let restore = peak(folder.path(), &["restore", "--backups", "backups", "--dkron-url", &at]);
    assert_eq!(emulator.job_count(), JOBS);
    let again = peak(folder.path(), &["restore", "--backups", "backups", "--dkron-url", &at]);
    println!("{JOBS} jobs on the emulator, peak memory");
    println!("  backup:                                 {:.1} MiB", f64::from(backup) / 1024.0);
    let peaks = [
        ("restore into an empty Dkron", restore),
        ("restore where all of them are there", again),
        ("unchanged apply", unchanged),
    ];
    peaks.into_iter().fold(true, |fits, (what, peak)| within(what, peak, MEMORY) && fits)
}

fn speed() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut server = Server::start();
    for job in job_set::jobs("http://127.0.0.1:9") {
        server.put(&job);
    }
    let file = old_script::backup(&server.node_url(0), folder.path());
    let name = file.to_str().expect("a name that is text");
    let mut times = Ratio::default();
    for _ in 0..ROUNDS {
        // A parent that lists children which the script has lost can never be deleted again: after it, a Dkron is of no use.
        drop(server);
        server = Server::start();
        let url = server.node_url(0);
        times.ours.push(timed(|| run(folder.path(), &["restore", name, "--dkron-url", &url])));
        assert_eq!(server.names().len(), job_set::COUNT, "nothing is lost");
        server.clear();
        times.bare.push(timed(|| old_script::restore(&url, folder.path(), &file)));
        assert!(server.names().len() < job_set::COUNT, "the script loses some");
    }
    println!("{} jobs on {}, medians", job_set::COUNT, server.name());
    println!("  old script / restore:                   {}", times.inverse().show("at least 5"));
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn run(folder: &Path, args: &[&str]) {
    let ran = binary(folder, args).output().expect("the binary runs");
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
}

//! What the benchmarks share: the binary as a user runs it, the peak of its memory, and ratios of two sides.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The times of two sides of a comparison.
#[derive(Default)]
pub(crate) struct Ratio {
    pub(crate) ours: Vec<Duration>,
    pub(crate) bare: Vec<Duration>,
}

impl Ratio {
    /// The other way round.
    pub(crate) fn inverse(self) -> Self {
        Self { ours: self.bare, bare: self.ours }
    }

    /// The ratio of the medians, its limit, and both.
    pub(crate) fn show(mut self, limit: &str) -> String {
        let (ours, bare) = (median(&mut self.ours), median(&mut self.bare));
        let ratio = ours.as_secs_f64() / bare.as_secs_f64();
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        format!("{ratio:.2}  ({limit}; {:.1} ms / {:.1} ms)", ms(ours), ms(bare))
    }
}

pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The shipped template, over a table with so many rows.
pub(crate) fn templates(jobs: usize) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs-templates/cache-refresh.yaml");
    let to = folder.path().join("jobs-templates");
    fs::create_dir_all(to.join("data")).expect("folders");
    fs::copy(from, to.join("cache-refresh.yaml")).expect("the shipped template");
    fs::write(to.join("data/cache_param.csv"), table(jobs)).expect("a table");
    folder
}

/// A table of caches with so many rows.
pub(crate) fn table(jobs: usize) -> String {
    let mut table = "name,soft_ttl,hard_ttl,scope,enabled\n".to_owned();
    for row in 0..jobs {
        writeln!(table, "cache-{row:05},{},7200,scope-{},true", 600 + row % 7 * 300, row % 5).expect("a string");
    }
    table
}

/// The binary in this folder: the one cargo has just built, or another build that `DKRON_JOBS_BIN` names, as the image's.
pub(crate) fn binary(folder: &Path, args: &[&str]) -> Command {
    let mut command =
        Command::new(env::var_os("DKRON_JOBS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_dkron-jobs").into()));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Prints a peak of memory beside its limit in MiB; whether it is within.
pub(crate) fn within(what: &str, kib: u32, limit: u32) -> bool {
    println!("  {:<40}{:.1} MiB  (at most {limit})", format!("{what}:"), f64::from(kib) / 1024.0);
    kib <= limit * 1024
}

/// The peak of a run's resident memory, in KiB.
pub(crate) fn peak(folder: &Path, args: &[&str]) -> u32 {
    let mut child = binary(folder, args).stdout(Stdio::null()).spawn().expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("its state").is_none() {
        // The high-water mark only grows once the program is loaded: the last look before the end is the peak, but for what came
        // within a millisecond.
        let high = fs::read_to_string(&status).unwrap_or_default();
        let kib = high.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.unwrap_or(peak);
        thread::sleep(Duration::from_millis(1));
    }
    let ran = child.wait_with_output().expect("its end");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    peak
}

//! The emulator as a program, where a test cluster has no image of a real Dkron: one server, its jobs kept in a folder.
//!
//! It is started as a Dkron is: `dkron-emulator agent --http-addr=:8080 --data-dir=/data --encrypt=… …`; what it does not know it
//! ignores. Its own flags are `--dkron-version=4.0` for another Dkron than 4.1, and `--shell` to really run shell jobs, which it
//! does only where nobody but this machine can post one: with `--http-addr=127.0.0.1:…`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a program: arguments, files, the clock and a word on standard error are its business"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use dkron_emulator::{Emulator, Options, Version};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// How often the jobs are saved when they have changed.
const SAVE_EVERY: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dkron-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let option = |name: &str| {
        let mut values = std::env::args().filter_map(|arg| Some(arg.strip_prefix(name)?.strip_prefix('=')?.to_owned()));
        values.next_back()
    };
    let address = option("--http-addr").unwrap_or_else(|| ":8080".to_owned());
    let (host, port) = address.rsplit_once(':').unwrap_or(("", &address));
    let port = port.parse().map_err(|_| io::Error::other(format!("`--http-addr={address}` names no port")))?;
    let mut options = Options::new().port(port);
    let is_local = ["127.0.0.1", "localhost"].contains(&host);
    if !is_local {
        options = options.everywhere();
    }
    if std::env::args().any(|arg| arg == "--shell") {
        if !is_local {
            return Err(io::Error::other(
                "`--shell` needs `--http-addr=127.0.0.1:PORT`: whoever can post a job runs it",
            ));
        }
        options = options.shell();
    }
    if let Some(number) = option("--dkron-version") {
        let version = Version::of(&number);
        let unknown = || io::Error::other(format!("`--dkron-version={number}` is not emulated: `4.0` and `4.1` are"));
        options = options.version(version.ok_or_else(unknown)?);
    }
    if let Some(key) = option("--encrypt") {
        options = options.encrypt_key(&key);
    }
    let file = option("--data-dir").map(|folder| PathBuf::from(folder).join("emulator-jobs.json"));
    let emulator = Emulator::start(options)?;
    if let Some(file) = &file {
        load(&emulator, file)?;
    }
    eprintln!("dkron-emulator: no real Dkron; answering on port {port} with {} jobs", emulator.job_count());
    let mut saved = emulator.jobs();
    // The first process of a container is not ended by SIGTERM unless it listens to it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = signal(SignalKind::terminate())?;
        loop {
            let last = timeout(SAVE_EVERY, stop.recv()).await.is_ok();
            let jobs = emulator.jobs();
            if let Some(file) = file.as_ref().filter(|_| jobs != saved) {
                save(&jobs, file)?;
                saved = jobs;
            }
            if last {
                return Ok(());
            }
        }
    })
}

/// Puts the saved jobs in, parents before their children.
fn load(emulator: &Emulator, file: &Path) -> io::Result<()> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let mut left: Vec<Value> = serde_json::from_slice(&text)?;
    // The server's own: its children add themselves again (FACTS 9).
    for job in left.iter_mut().filter_map(Value::as_object_mut) {
        job.remove("dependent_jobs");
    }
    while !left.is_empty() {
        let before = left.len();
        left.retain(|job| emulator.put(job).is_err());
        if left.len() == before {
            return Err(io::Error::other(format!("{} of the saved jobs are refused", left.len())));
        }
    }
    Ok(())
}

/// Whole or not at all: a container may be killed at any time.
fn save(jobs: &[Value], file: &Path) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec(jobs)?)?;
    fs::rename(&new, file)
}

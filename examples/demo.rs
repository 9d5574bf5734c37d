//! The whole tool in twenty seconds, with nothing installed: an embedded Dkron, a stand-in cache-manager, and `jobs-templates/`.
//!
//! `cargo run --example demo` uses the emulator of the tests; with `DKRON_URL`, a real Dkron on this machine. `-- --keep` leaves it
//! running, and `-- --empty` gives an empty one to try own templates on. Everything shown is what the binary prints: each step is one call of `dkron_jobs::command::run`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a demonstration for people, with servers of its own"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use axum::Router;
use axum::extract::{Request, State};
use dkron_emulator::{Emulator, Options};
use dkron_jobs::dkron::Tls;
use dkron_jobs::exit::ExitCode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

const STEP: Style = AnsiColor::Cyan.on_default().bold();
/// The table's TTLs are divided by this, so that there is something to see.
const FASTER: u64 = 60;
/// How long the refreshes are watched.
const WATCHED: Duration = Duration::from_secs(5);
/// The first port tried, Dkron's own, and how many after it.
const PORTS: std::ops::Range<u16> = 8080..8100;
/// The hosts that `service('cache-manager', 8080)` names, in the demo's namespace and in the one of `docs/first-steps.md`.
const CACHE_MANAGERS: [&str; 2] = ["cache-manager.demo.svc.cluster.local", "cache-manager.shop.svc.cluster.local"];

/// Requests by path.
type Refreshes = Arc<Mutex<BTreeMap<String, usize>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    if has("--empty") {
        return empty().await;
    }
    let keep = has("--keep");
    let start = Instant::now();
    let (target, refreshes) = cache_manager().await?;
    let real = std::env::var("DKRON_URL").ok();
    let emulator = if real.is_none() { Some(emulator(target)?) } else { None };
    let url = emulator.as_ref().map(Emulator::url).or(real.clone()).unwrap_or_default();
    // A real Dkron may hold jobs of the same names.
    let prefix = if real.is_some() { "demo-" } else { "" };
    let demo = Demo { folder: templates(real.is_some().then_some(target))?, url, prefix };

    step(&format!("A Dkron at {}, and a cache-manager that counts. What would the templates do?", demo.url));
    demo.run(&["plan"]).await?;
    step("Do it.");
    demo.run(&["apply"]).await?;
    step("Once more, as each release does: nothing is sent.");
    demo.run(&["apply"]).await?;
    step(&format!("The refreshes run ({FASTER} times faster than the table says):"));
    watch(&refreshes).await;
    step("Someone switches a job off in the UI. The next release keeps it so.");
    toggle(&demo.url, &format!("{prefix}refresh-tickets")).await?;
    demo.run(&["apply"]).await?;
    step("A template changes: the reference data every hour, no longer every two.");
    demo.edit("reference-data.yaml", "0 */2 * * *", "0 * * * *")?;
    demo.run(&["plan"]).await?;
    demo.run(&["apply"]).await?;
    step("The refreshes go on, but for the job that is off:");
    watch(&refreshes).await;
    if real.is_some() && !keep {
        step("This Dkron is a real one: what the demo made is taken away again.");
        fs::create_dir(demo.folder.path().join("nothing"))?;
        demo.run(&["apply", "--templates", "nothing", "--force"]).await?;
    }
    step(&format!("That was it, in {} s.", start.elapsed().as_secs()));
    println!(
        "Your own first template: docs/first-steps.md. It begins with an empty Dkron, `cargo run --example demo -- --empty`."
    );
    if keep {
        println!("{} goes on until you press Ctrl-C; its jobs are at {}/v1/jobs", demo.url, demo.url);
        println!(
            "They belong to demo/dkron-jobs: `export DKRON_URL={} JOBS_NAMESPACE=demo` to work on them.",
            demo.url
        );
        until_stopped().await?;
    }
    Ok(())
}

/// Until Ctrl-C, or until it is ended otherwise: a run of the program listens to both signals, and so they do nothing by themselves.
async fn until_stopped() -> Result<(), Box<dyn Error>> {
    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = end.recv() => {}
    }
    Ok(())
}

/// A Dkron with nothing in it, for somebody's own templates, and a cache-manager in namespace `shop` that answers.
async fn empty() -> Result<(), Box<dyn Error>> {
    let (target, _) = cache_manager().await?;
    let emulator = emulator(target)?;
    println!("An empty Dkron at {}, until you press Ctrl-C. In another terminal:", emulator.url());
    println!("  export DKRON_URL={} JOBS_NAMESPACE=shop", emulator.url());
    println!("and go on with docs/first-steps.md.");
    until_stopped().await
}

struct Demo {
    folder: TempDir,
    url: String,
    prefix: &'static str,
}

impl Demo {
    /// Runs a command as a user would, in the folder with the templates.
    async fn run(&self, args: &[&str]) -> Result<(), Box<dyn Error>> {
        std::env::set_current_dir(self.folder.path())?;
        anstream::println!("{STEP}$ dkron-jobs {}{STEP:#}", args.join(" "));
        let env = [
            ("DKRON_URL", self.url.as_str()),
            ("JOBS_NAMESPACE", "demo"),
            ("JOBS_NAME_PREFIX", self.prefix),
            ("JOBS_LOG_FORMAT", "plain"),
            // Of TTLs so short that a second attempt misses them; the table's own are long enough.
            ("JOBS_LINT_ALLOW", "refresh-may-miss-hard-ttl"),
        ];
        let env = env.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let args = std::iter::once("dkron-jobs").chain(args.iter().copied()).map(OsString::from).collect();
        match dkron_jobs::command::run(args, env).await {
            ExitCode::Done => Ok(()),
            other => Err(format!("exit code {}: {}", other.number(), other.meaning()).into()),
        }
    }

    fn edit(&self, file: &str, from: &str, to: &str) -> Result<(), Box<dyn Error>> {
        let path = self.folder.path().join("jobs-templates").join(file);
        fs::write(&path, fs::read_to_string(&path)?.replace(from, to))?;
        Ok(())
    }
}

fn step(text: &str) {
    anstream::println!("\n{STEP}# {text}{STEP:#}");
}

/// Dkron's own port, or the next free one.
fn emulator(target: SocketAddr) -> Result<Emulator, Box<dyn Error>> {
    let start = |port| {
        let options = CACHE_MANAGERS.iter().fold(Options::new().port(port), |options, host| options.host(host, target));
        Emulator::start(options)
    };
    let mut last = None;
    for port in PORTS {
        match start(port) {
            Ok(emulator) => return Ok(emulator),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| "no port to try".into(), Into::into))
}

/// The repository's templates, and its sample table with shorter TTLs. Where no emulator finds the cache-manager by its name, its
/// address stands in the templates.
fn templates(address: Option<SocketAddr>) -> Result<TempDir, Box<dyn Error>> {
    let folder = TempDir::new()?;
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs-templates");
    let to = folder.path().join("jobs-templates");
    fs::create_dir_all(to.join("data"))?;
    for entry in fs::read_dir(&from)?.flatten().filter(|entry| entry.path().is_file()) {
        let mut text = fs::read_to_string(entry.path())?;
        if let Some(address) = address {
            text = text.replace("{{ service('cache-manager', 8080) }}", &format!("http://{address}"));
        }
        fs::write(to.join(entry.file_name()), text)?;
    }
    let mut table = String::new();
    for line in fs::read_to_string(from.join("data/cache_param.csv"))?.lines() {
        let cells: Vec<_> = line.split(',').map(faster).collect();
        table.push_str(&cells.join(","));
        table.push('\n');
    }
    fs::write(to.join("data/cache_param.csv"), table)?;
    Ok(folder)
}

/// A number of seconds, so many times shorter; anything else as it is.
fn faster(cell: &str) -> String {
    cell.parse::<u64>().map_or_else(|_| cell.to_owned(), |seconds| (seconds / FASTER).max(1).to_string())
}

/// Answers everything with 200 and counts it.
async fn cache_manager() -> Result<(SocketAddr, Refreshes), Box<dyn Error>> {
    let refreshes = Refreshes::default();
    let app = Router::new().fallback(count).with_state(Arc::clone(&refreshes));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, refreshes))
}

async fn count(State(refreshes): State<Refreshes>, request: Request) {
    *refreshes.lock().unwrap_or_else(PoisonError::into_inner).entry(request.uri().path().to_owned()).or_default() += 1;
}

/// Shows what comes in for a while.
async fn watch(refreshes: &Refreshes) {
    refreshes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    sleep(WATCHED).await;
    let seen = refreshes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (path, times) in &seen {
        println!("  {times:>3} x {path}");
    }
    println!("  {} requests in {} s", seen.values().sum::<usize>(), WATCHED.as_secs());
}

async fn toggle(url: &str, job: &str) -> Result<(), Box<dyn Error>> {
    println!("$ curl -X POST {url}/v1/jobs/{job}/toggle");
    let client = reqwest::Client::builder().tls_backend_preconfigured(Tls::new(None, None)?.config()).build()?;
    client.post(format!("{url}/v1/jobs/{job}/toggle")).send().await?.error_for_status()?;
    Ok(())
}

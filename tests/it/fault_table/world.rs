//! A Dkron for one cell: jobs of ours, of another release and of nobody, and the binary that is pointed at it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Child;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options, RestartOptions};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};
use crate::recover::definitions;

use super::columns::{COLUMNS, Column};

/// What clients own of each job, by name.
pub(super) type Jobs = BTreeMap<String, Value>;

/// Limits that nothing here reaches that is not told to.
pub(super) const AMPLE: Limits = Limits { wait: Duration::from_secs(20), request: Duration::from_secs(10) };
/// How long something that must happen in a run is waited for.
const HAPPENS: Duration = Duration::from_secs(15);
/// How often a run's memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// `--wait-timeout` and `--request-timeout`.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) wait: Duration,
    pub(super) request: Duration,
}

/// What was there before and what is to be there after, made by runs in which nothing goes wrong.
pub(super) struct References {
    seed: Jobs,
    applied: Jobs,
    /// By column.
    wanted: BTreeMap<&'static str, Jobs>,
    /// What a second applier wants, of the same owner and of another.
    pub(super) rivals: [Jobs; 2],
}

/// A run that has ended.
pub(super) struct Run {
    pub(super) ran: Ran,
    pub(super) took: Duration,
    /// The most memory that it had, as far as it was seen.
    pub(super) peak_kib: u64,
}

pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) cli: Cli,
    pub(super) column: &'static Column,
}

fn template(name: &str, version: &str) -> String {
    format!(
        "name: {name}\nschedule: '@yearly'\nexecutor: http\nexecutor_config: {{method: GET, url: \"{{{{ service('api', 8080) }}}}/{name}\"}}\nmetadata: {{version: '{version}'}}\n"
    )
}

fn folder(cli: &Cli, folder: &str, jobs: &[(&str, &str)]) {
    for (name, version) in jobs {
        cli.write(&format!("{folder}/{name}.yaml"), template(name, version));
    }
    let kid = template("kid", "1").replace("schedule: '@yearly'", "parent_job: par");
    cli.write(&format!("{folder}/par.yaml"), format!("{}---\n{kid}", template("par", "1")));
    let ping = format!(
        "name: ping\nschedule: '@manually'\nexecutor: http\nexecutor_config: {{method: GET, url: '{}'}}\n",
        target()
    );
    cli.write(&format!("{folder}/ping.yaml"), ping);
}

/// Where the one job that is run calls: a server that says yes to everything.
fn target() -> &'static str {
    static URL: LazyLock<String> = LazyLock::new(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/ping", listener.local_addr().expect("its address"));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // A caller that has gone wants no answer.
                let _gone = stream.read(&mut [0; 4096]);
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        url
    });
    &URL
}

/// The folder of one user: templates old and new, those of others, and a file to restore.
fn cli() -> Cli {
    let cli = Cli::new().env("JOBS_NAMESPACE", "shop").env("JOBS_RESTORE", "never");
    folder(&cli, "old", &[("keep", "1"), ("upd", "1"), ("gone", "1")]);
    folder(&cli, "jobs-templates", &[("keep", "1"), ("upd", "2"), ("new", "1")]);
    // Another hand on the same release, and another release.
    folder(&cli, "rival-0", &[("keep", "3"), ("upd", "1"), ("gone", "1"), ("extra", "1")]);
    for name in ["rival-a", "rival-b"] {
        cli.write(&format!("rival-1/{name}.yaml"), template(name, "1"));
    }
    cli.write("theirs/theirs.yaml", template("theirs", "1"));
    cli
}

impl References {
    /// Runs everything once on a Dkron in which all is well.
    pub(super) fn new() -> Self {
        let (cli, emulator) = (cli(), Emulator::start(Options::new()).expect("an emulator"));
        let cli = cli.dkron(&emulator.url());
        emulator
            .put(&json!({"name": "by-hand", "schedule": "@yearly", "executor": "shell", "executor_config": {"command": "true"}}))
            .expect("a job");
        let _ = cli.run(&["apply", "--release", "other", "--templates", "theirs"]).ok();
        let _ = cli.run(&["apply", "--templates", "old"]).ok();
        let seed = definitions(&emulator.jobs());
        let _ = cli.run(&["apply"]).ok();
        let applied = definitions(&emulator.jobs());
        let mut references = Self { seed, applied, wanted: BTreeMap::new(), rivals: [Jobs::new(), Jobs::new()] };
        let wanted = COLUMNS.iter().map(|column| {
            let world = World::new(column, Options::new(), &references);
            let _ = world.run(&world.emulator.url(), AMPLE).ran.exits(column.code);
            (column.name, definitions(&world.emulator.jobs()))
        });
        references.wanted = wanted.collect();
        let rivals = [0, 1].map(|rival| {
            let world = World::new(&COLUMNS[0], Options::new(), &references);
            let _ = world.rival(rival).ok();
            definitions(&world.emulator.jobs())
        });
        references.rivals = rivals;
        references
    }

    /// What is there before this command.
    pub(super) fn before(&self, column: &Column) -> &Jobs {
        if column.applied { &self.applied } else { &self.seed }
    }

    /// What is there after it, if all goes well.
    pub(super) fn wanted(&self, column: &Column) -> &Jobs {
        &self.wanted[column.name]
    }
}

impl World {
    pub(super) fn new(column: &'static Column, options: Options, references: &References) -> Self {
        let emulator = Emulator::start(options).expect("an emulator");
        let (children, first): (Vec<_>, Vec<_>) = references
            .before(column)
            .values()
            .partition(|job| job["parent_job"].as_str().is_some_and(|parent| !parent.is_empty()));
        for job in first.into_iter().chain(children) {
            emulator.put(job).expect("a job as Dkron gave it");
        }
        let cli = cli();
        if column.name == "restore" {
            let mut saved = references.seed["upd"].clone();
            saved["metadata"]["version"] = json!("9");
            let plain = |name: &str, parent: &str| {
                let mut job = references.seed["by-hand"].clone();
                job["name"] = json!(name);
                job["parent_job"] = json!(parent);
                job
            };
            let lines = [plain("back-a", ""), plain("back-b", "back-a"), saved].map(|job| format!("{job}\n"));
            cli.write("saved.ndjson", lines.concat());
        }
        emulator.clear_journal();
        Self { emulator, cli, column }
    }

    /// The command with everything that it needs to know.
    fn args(&self, url: &str, limits: Limits) -> Vec<String> {
        let mut args = (self.column.args)(url);
        let millis = |limit: Duration| format!("{}ms", limit.as_millis());
        for (flag, value) in [
            ("--dkron-url", url.to_owned()),
            ("--wait-timeout", millis(limits.wait)),
            ("--request-timeout", millis(limits.request)),
        ] {
            args.extend([flag.to_owned(), value]);
        }
        args
    }

    /// Starts the command.
    pub(super) fn spawn(&self, url: &str, limits: Limits) -> Child {
        let args = self.args(url, limits);
        self.cli.spawn(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same where names are found in the file `hosts`, and nowhere else.
    fn spawn_with_names(&self, url: &str, limits: Limits) -> Child {
        let args = self.args(url, limits);
        let script =
            "mount --bind hosts /etc/hosts && mount --bind nsswitch /etc/nsswitch.conf || exit 99; exec \"$0\" \"$@\"";
        self.cli.write("nsswitch", "hosts: files\n");
        self.cli.spawn_under(
            "unshare",
            &["--map-root-user", "--mount", "sh", "-c", script],
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// Runs the command to its end.
    pub(super) fn run(&self, url: &str, limits: Limits) -> Run {
        self.watch(self.spawn(url, limits), Instant::now(), HAPPENS * 4)
    }

    /// The same while something happens.
    pub(super) fn run_while(
        &self,
        url: &str,
        limits: Limits,
        named: bool,
        most: Duration,
        meanwhile: impl FnOnce() + Send,
    ) -> Run {
        let start = Instant::now();
        let child = if named { self.spawn_with_names(url, limits) } else { self.spawn(url, limits) };
        thread::scope(|scope| {
            let happens = scope.spawn(meanwhile);
            let run = self.watch(child, start, most);
            happens.join().expect("what happens meanwhile happens");
            run
        })
    }

    /// Looks at a run until it ends; one that takes longer than it may is ended.
    pub(super) fn watch(&self, mut child: Child, start: Instant, most: Duration) -> Run {
        let mut peak_kib = 0;
        while child.try_wait().expect("a run of ours").is_none() {
            // It only grows, but for the first moment: before the program is loaded it is that of this test.
            peak_kib = peak(child.id()).unwrap_or(peak_kib);
            if start.elapsed() > most {
                child.kill().expect("a run of ours");
                let ran = self.cli.finish(child);
                panic!("it has not ended within {most:?}: {ran}");
            }
            thread::sleep(LOOK);
        }
        let took = start.elapsed();
        Run { ran: self.cli.finish(child), took, peak_kib }
    }

    /// Another applier: of the same owner (0), or of another (1).
    pub(super) fn rival(&self, rival: usize) -> Ran {
        let templates = format!("rival-{rival}");
        let release = ["dkron-jobs", "rival"][rival];
        let url = self.emulator.url();
        self.cli.run(&["apply", "--templates", &templates, "--release", release, "--dkron-url", &url])
    }

    /// Whether the binary can be given names of its own.
    pub(super) fn has_names(references: &References) -> bool {
        let world = Self::new(&COLUMNS[0], Options::new(), references);
        world.cli.write("hosts", "127.0.0.1 dkron.test\n");
        let ran = world.watch(world.spawn_with_names(&world.named_url(), AMPLE), Instant::now(), HAPPENS).ran;
        ran.code == Some(0)
    }

    /// The first node under a name that only the file `hosts` may know.
    pub(super) fn named_url(&self) -> String {
        format!("http://dkron.test:{}", self.emulator.addresses()[0].port())
    }

    /// The port of the first node at an address where nobody listens.
    pub(super) fn refusing_url(&self) -> String {
        format!("http://127.0.0.9:{}", self.emulator.addresses()[0].port())
    }

    /// Waits for what must happen in a run.
    pub(super) fn until(&self, what: &str, happened: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !happened(self) {
            assert!(start.elapsed() < HAPPENS, "{}: {what} does not come", self.column.name);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the first write, or, where none comes, for the list or the barrier.
    pub(super) fn until_mid_run(&self) {
        let writes = self.column.writes();
        self.until("the middle of the run", |world| {
            world.emulator.journal().iter().any(|request| match request.path.as_str() {
                _ if writes => request.is_write(),
                "/v1/jobs" => request.method == "GET" || world.column.name == "wait",
                _ => false,
            })
        });
    }

    /// A restart with this replay; returns once nobody listens any more.
    pub(super) fn restart(&self, node: Option<usize>, down: u64, leader_after: u64, replay: u64) {
        let millis = Duration::from_millis;
        let options =
            RestartOptions::new().down(millis(down)).leader_after(millis(leader_after)).replay(millis(replay));
        self.emulator.restart(match node {
            Some(node) => options.node(node),
            None => options,
        });
    }

    /// Puts everything right again.
    pub(super) fn heal(&self) {
        self.emulator.clear_faults();
        self.emulator.set_paused(false);
        self.emulator.set_clock(SignedDuration::ZERO);
        self.until("the end of a restart", |world| !world.emulator.is_replaying());
        if self.emulator.leader().is_none() {
            self.emulator.set_leader(0);
        }
        self.emulator.set_scheduler_delay(Duration::ZERO);
        if !self.emulator.is_scheduling() {
            self.emulator.set_leader(0);
        }
    }

    /// What Dkron holds.
    pub(super) fn jobs(&self) -> Jobs {
        definitions(&self.emulator.jobs())
    }

    /// The names in the folder of backups.
    pub(super) fn backups(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cli.path("backups")).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
        names.sort_unstable();
        names
    }
}

/// The most memory that a process has had.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

//! Servers, templates, the program and the target, and the judgement of what ran.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Cli, Ran};
use crate::server::{Cluster, said};

use super::jobs::{Schedules, Want, not_as_written, not_in_entries};
use super::program;
use super::target::Target;

/// Jobs that run do so each so many seconds.
const EACH: u64 = 3;
/// The longest until servers have a leader whose scheduler runs: a new one may wait ten seconds for the one that is gone.
const SETTLED: Duration = Duration::from_mins(1);
/// Runs that were begun before may still come so long.
const IN_FLIGHT: Duration = Duration::from_secs(4);
/// How long runs are counted, and how many of four must have come: the machine may have more to do.
const WINDOW: Duration = Duration::from_secs(12);
const RUNS: usize = 2;
/// How often the count begins again because the leader changed in it.
const COUNTS: usize = 5;

pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) version: String,
    schedules: Schedules,
    cli: Cli,
    target: Target,
}

/// How an apply ended.
pub(super) struct Applied {
    pub(super) ran: Ran,
    pub(super) took: Duration,
}

/// What is not as written: jobs by their runs, and by the entries of the leader's scheduler.
pub(super) struct Verdict {
    pub(super) leader: usize,
    pub(super) wrong: Vec<String>,
    pub(super) entries: Vec<Shown>,
}

/// A job's name, and what the scheduler shows of it.
pub(super) type Shown = (String, Value);

impl Site {
    /// Servers that hold these jobs and run them so.
    pub(super) fn start(binary: &str, nodes: usize, jobs: &[Want]) -> Self {
        let cluster = Cluster::start(binary, nodes);
        let version = cluster.version();
        said(&format!("a real Dkron {version} (DKRON_BIN)"));
        let target = Target::start();
        let cli = Cli::new().env("DKRON_WAIT_TIMEOUT", "120s");
        let site = Self { cluster, version, schedules: Schedules::each(EACH), cli, target };
        site.make(jobs);
        site
    }

    /// Makes the servers hold and run these jobs while nothing happens to them.
    pub(super) fn make(&self, jobs: &[Want]) {
        self.write(jobs);
        let leader = self.settled();
        let applied = self.finish(self.apply(leader));
        assert_eq!(applied.ran.code, Some(0), "{}", applied.ran);
        let start = Instant::now();
        loop {
            let wrong = self.entries(self.settled(), jobs);
            if wrong.is_empty() {
                return;
            }
            assert!(start.elapsed() < SETTLED, "while nothing happens: {wrong:?}");
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Gives the templates these jobs.
    pub(super) fn write(&self, jobs: &[Want]) {
        self.schedules.write(&self.cli, &self.target, jobs);
    }

    /// Starts an apply through one node.
    pub(super) fn apply(&self, node: usize) -> (Child, Instant) {
        self.run(&program(), &["apply"], node)
    }

    /// Starts a build of the program with one node.
    pub(super) fn run(&self, program: &str, args: &[&str], node: usize) -> (Child, Instant) {
        let url = self.cluster.url(node);
        (self.cli.spawn_build(program, &[args, &["--dkron-url", &url]].concat()), Instant::now())
    }

    /// Runs a command to its end.
    pub(super) fn command(&self, args: &[&str], node: usize) -> Ran {
        self.finish(self.run(&program(), args, node)).ran
    }

    pub(super) fn finish(&self, (child, start): (Child, Instant)) -> Applied {
        let ran = self.cli.finish(child);
        Applied { ran, took: start.elapsed() }
    }

    /// Waits for a leader whose scheduler runs.
    pub(super) fn settled(&self) -> usize {
        let start = Instant::now();
        loop {
            if let Some(leader) = self.cluster.scheduling_leader() {
                return leader;
            }
            assert!(start.elapsed() < SETTLED, "no leader's scheduler runs within {SETTLED:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Counts runs for a while in which one leader schedules.
    pub(super) fn judge(&self, jobs: &[Want]) -> Verdict {
        for _ in 0..COUNTS {
            let leader = self.settled();
            thread::sleep(IN_FLIGHT);
            let start = Instant::now();
            thread::sleep(WINDOW);
            if self.cluster.scheduling_leader() != Some(leader) {
                continue;
            }
            let wrong = not_as_written(jobs, &self.target.count(start), RUNS);
            return Verdict { leader, wrong, entries: self.entries(leader, jobs) };
        }
        panic!("the leader changed in each of {COUNTS} counts");
    }

    /// The jobs that the scheduler shows differently, or not at all, or shows though they are off.
    pub(super) fn entries(&self, leader: usize, jobs: &[Want]) -> Vec<Shown> {
        let vars = self.cluster.vars(leader).expect("the leader shows its scheduler");
        not_in_entries(&self.schedules, jobs, &vars)
    }
}

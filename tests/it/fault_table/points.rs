//! Another leader, or a restart, at every point of an apply, and each time a scheduler that starts late. Whenever it comes, each job runs
//! as written afterwards: runs are counted at a target. `DKRON_JOBS_BIN` names another build of the program.

use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Fault, Options, RestartOptions, Rule};

use crate::cli::{Cli, Ran};
use crate::http;
use crate::scheduled::jobs::{Schedules, Want, When, many, not_as_written, not_in_entries};
use crate::scheduled::program;
use crate::scheduled::target::Target;

/// How many points are tried at once: they mostly wait.
const AT_ONCE: usize = 16;
/// How long each request takes, so that there is time to strike between two.
const SLOW: Duration = Duration::from_millis(30);
/// How late the scheduler starts: longer than the program takes to see a new leader.
const LATE: Duration = Duration::from_millis(1500);
/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long runs that were begun before may still come, and how long runs are counted.
const IN_FLIGHT: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_millis(3500);

#[derive(Clone, Copy, Debug)]
enum Strike {
    /// The next node leads after a short election, and the old leader follows.
    Election,
    /// All nodes end as in a crash and read their log again.
    Restart,
}

#[test]
fn at_every_point_of_an_apply() {
    let points = Rig::new().undisturbed();
    assert!(points > 20, "an apply of {points} requests");
    let todo: Vec<_> = (0..=points).flat_map(|point| [(point, Strike::Election), (point, Strike::Restart)]).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&(point, strike)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = Rig::new().struck(point, strike);
                    if !found.is_empty() {
                        let found = format!("{strike:?} after {point} of {points} requests: {found:?}");
                        wrong.lock().expect("no panic while it is held").push(found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while it is held");
    assert!(wrong.is_empty(), "{} of {} points:\n{}", wrong.len(), todo.len(), wrong.join("\n"));
}

struct Rig {
    emulator: Emulator,
    target: Target,
    cli: Cli,
    schedules: Schedules,
    /// What the templates want, and the rest.
    written: Vec<Want>,
    gone: Vec<Want>,
}

impl Rig {
    /// Three nodes that run jobs as they were, and templates that want others.
    fn new() -> Self {
        let emulator = Emulator::start(Options::new().nodes(3).balancer()).expect("an emulator");
        let (target, schedules) = (Target::start(), Schedules::each(1));
        let cli = Cli::new().dkron(&emulator.url()).env("DKRON_WAIT_TIMEOUT", "60s");
        let moved = [
            many("slow", 3, When::Rarely),
            many("fast", 2, When::Often),
            many("here", 1, When::Here),
            many("elsewhere", 1, When::Elsewhere),
        ]
        .concat();
        let (on, gone) = (many("on", 2, When::Often), many("gone", 1, When::Often));
        let off: Vec<_> = many("off", 1, When::Often).iter().map(Want::switched).collect();
        schedules.write(&cli, &target, &[&moved[..], &on, &off, &gone].concat());
        let switched = on.iter().chain(&off).map(Want::switched);
        let written: Vec<_> =
            moved.iter().map(Want::moved).chain(switched).chain(many("new", 2, When::Often)).collect();
        let rig = Self { emulator, target, cli, schedules, written, gone };
        let _ = rig.cli.run(&["apply"]).ok();
        rig.schedules.write(&rig.cli, &rig.target, &rig.written);
        rig.emulator.clear_journal();
        rig.emulator.inject(Rule::new(Fault::Delay(SLOW)).always());
        rig
    }

    fn apply(&self) -> Child {
        self.cli.spawn_build(&program(), &["apply"])
    }

    /// How many requests an apply makes to which nothing happens.
    fn undisturbed(&self) -> usize {
        let ran = self.cli.finish(self.apply()).ok();
        let wrong = self.judge(&ran);
        assert!(wrong.is_empty(), "while nothing happens: {wrong:?}");
        self.emulator.journal().len()
    }

    /// An apply that is struck after so many requests; what is wrong afterwards.
    fn struck(&self, point: usize, strike: Strike) -> Vec<String> {
        self.emulator.set_scheduler_delay(LATE);
        let mut child = self.apply();
        while self.emulator.journal().len() < point && child.try_wait().expect("a run of this test").is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        match strike {
            Strike::Election => self.emulator.change_leader(1, Duration::from_millis(150)),
            Strike::Restart => {
                let millis = Duration::from_millis;
                let options = RestartOptions::new().down(millis(100)).leader_after(millis(100)).replay(millis(200));
                self.emulator.restart(options);
            }
        }
        let ran = self.cli.finish(child);
        let mut wrong = self.judge(&ran);
        if ran.code != Some(0) {
            wrong.push(ran.to_string());
        }
        wrong
    }

    /// What does not run as written, is not scheduled so, or is left to be done.
    fn judge(&self, ran: &Ran) -> Vec<String> {
        self.emulator.clear_faults();
        let start = Instant::now();
        while !(self.emulator.is_scheduling() && self.emulator.wait_until_replayed(Duration::ZERO)) {
            assert!(start.elapsed() < PATIENCE, "the scheduler starts: {ran}");
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(IN_FLIGHT);
        let start = Instant::now();
        thread::sleep(WINDOW);
        let gone: Vec<_> = self.gone.iter().map(Want::switched).collect();
        let mut wrong = not_as_written(&[&self.written[..], &gone].concat(), &self.target.count(start), 1);
        let leader = self.emulator.leader().expect("a leader");
        let vars = http::get(&self.emulator.node_url(leader), "/debug/vars").json();
        let shown = not_in_entries(&self.schedules, &self.written, &vars);
        wrong.extend(shown.iter().map(|(name, entry)| format!("the scheduler shows `{name}` as {entry}")));
        let plan = self.cli.run(&["plan", "--exit-code"]);
        if plan.code != Some(0) {
            wrong.push(plan.to_string());
        }
        wrong
    }
}

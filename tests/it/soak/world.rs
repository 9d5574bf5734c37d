//! One Dkron, the two releases that apply to it, and what it must hold.

use std::fmt::Write;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Cli, Ran};
use crate::dice::Dice;
use crate::scheduled::jobs::Schedules;
use crate::scheduled::target::Target;
use crate::server::{Server, note};

use super::model::{Digests, Held, Jobs, Rules, Wants, applied, recovered};

/// The owners of the two releases, and what their jobs' names begin with; a few names are wanted by both.
const RELEASES: [(&str, &str, usize); 2] = [("dkron-jobs", "a", 24), ("other", "b", 10)];
const SHARED: usize = 5;

pub(super) struct Release {
    name: &'static str,
    pub(super) cli: Cli,
    pub(super) wants: Wants,
    /// All names that its templates may have.
    pub(super) names: Vec<String>,
}

impl Release {
    /// Writes a template, or takes it away where none is wanted any more.
    pub(super) fn write(&self, name: &str) {
        let file = format!("jobs-templates/{name}.json");
        match self.wants.get(name) {
            None => self.cli.remove(&file),
            Some(want) => {
                let mut job = want.def.clone();
                job["name"] = json!(name);
                job["disabled"] = json!(want.disabled);
                self.cli.write(&file, job.to_string());
            }
        }
    }
}

pub(super) struct World {
    seed: u64,
    runs: u64,
    pub(super) dice: Dice,
    pub(super) server: Server,
    /// Some jobs run each second, on the emulator: a run in hand of a real one could undo what a hand does.
    pub(super) schedules: Schedules,
    pub(super) target: Target,
    pub(super) releases: [Release; 2],
    /// What Dkron holds.
    pub(super) jobs: Jobs,
    /// What was saved last.
    pub(super) saved: Option<Jobs>,
    /// Where, for both releases.
    pub(super) backups: String,
    _folder: TempDir,
    digests: Digests,
    /// How many applies there were: clean ones, those that were to be refused, those that something happened to …
    counts: [u64; 3],
    /// How many jobs were seen to run, or not to run, as they are written.
    pub(super) watched: usize,
    /// … and those of them that were left halfway.
    pub(super) halfway: u64,
    story: String,
}

/// Stories of several worlds do not mix.
static TELLING: Mutex<()> = Mutex::new(());

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _turn = TELLING.lock();
            note("SOAK_STORY", &format!("the soak with seed {}:\n{}", self.seed, self.story));
        }
    }
}

impl World {
    pub(super) fn new(seed: u64, runs: u64) -> Self {
        let mut dice = Dice(seed);
        let server = Server::start_for_soak(dice.percent(50));
        let releases = RELEASES.map(|(name, letter, count)| {
            let names = (0..count).map(|number| format!("{letter}-{number:02}"));
            let names = names.chain((0..SHARED).map(|number| format!("s-{number}"))).collect();
            let cli = Cli::new()
                .dkron(&server.node_url(0))
                .env("DKRON_WAIT_TIMEOUT", "60s")
                .env("DKRON_REQUEST_TIMEOUT", "2s")
                .env("JOBS_RELEASE", name);
            Release { name, cli, wants: Wants::new(), names }
        });
        let folder = TempDir::new().expect("a temporary folder");
        let mut world = Self {
            backups: folder.path().display().to_string(),
            _folder: folder,
            seed,
            runs,
            dice,
            server,
            schedules: Schedules::each(1),
            target: Target::start(),
            releases,
            jobs: Jobs::new(),
            saved: None,
            digests: Digests::default(),
            counts: [0; 3],
            watched: 0,
            halfway: 0,
            story: String::new(),
        };
        for _ in 0..12 {
            world.add_template(0);
        }
        world
    }

    pub(super) fn tell(&mut self, what: &str) {
        writeln!(self.story, "{what}").expect("a string takes everything");
    }

    pub(super) fn run(mut self) -> String {
        let start = Instant::now();
        for run in 1..=self.runs {
            self.tell(&format!("--- {run}"));
            let is_disturbed = self.dice.percent(40);
            // Where there is little to write, nothing is ever left halfway.
            for _ in 0..self.dice.below(if is_disturbed { 16 } else { 5 }) {
                self.change();
            }
            self.apply(is_disturbed);
        }
        let [clean, refused, disturbed] = self.counts;
        format!(
            "{}: a soak of {} applies in {} s with SOAK_SEED={}: {clean} clean, {refused} refused, {disturbed} disturbed, \
             {} of them left halfway; the runs of {} jobs were counted",
            self.server.name(),
            self.runs,
            start.elapsed().as_secs(),
            self.seed,
            self.halfway,
            self.watched,
        )
    }

    /// One apply of one release, whatever happens during it; then Dkron holds what it must, and a plan is empty.
    fn apply(&mut self, is_disturbed: bool) {
        let which = usize::from(self.dice.percent(20));
        let is_lost = self.dice.percent(5) && self.saved.is_some();
        if is_lost {
            self.tell("everything is gone");
            self.server.clear();
            self.jobs.clear();
        }
        let mut rules = Rules {
            owner: format!("default/{}", self.releases[which].name),
            keeps_drift: self.dice.percent(25),
            prunes: is_lost || self.dice.percent(90),
            keeps_disabled: self.dice.percent(90),
            takes: false,
        };
        let mut wanted = self.expected(which, &rules, is_lost);
        if wanted.is_none() && self.dice.percent(50) {
            rules.takes = true;
            wanted = self.expected(which, &rules, is_lost);
        }
        let args = args(&rules, is_lost.then_some(&self.backups));
        self.tell(&args.join(" "));
        if is_disturbed {
            self.counts[2] += 1;
            self.disturbed(which, &args, wanted.as_ref());
            wanted = self.expected(which, &rules, is_lost);
        } else {
            self.counts[usize::from(wanted.is_none())] += 1;
        }
        drop(self.server.writes());
        let ran = self.releases[which].cli.run(&words(&args));
        let is_done = wanted.is_some();
        self.check_clean(ran, wanted);
        if is_done {
            self.is_scheduled_so(which);
            if self.dice.percent(15) {
                self.runs_so(which);
            }
        }
        let plan = [&["plan", "--exit-code", "--dkron-url", self.server.url()][..], &words(&args)[1..]].concat();
        let ran = self.releases[which].cli.run(&plan);
        let code = if self.jobs_are_as_wanted(which, &rules, is_lost) { 0 } else { 5 };
        let ran = ran.exits(code);
        assert_eq!(self.server.writes(), Vec::<String>::new(), "a plan writes: {ran}");
    }

    fn jobs_are_as_wanted(&self, which: usize, rules: &Rules, is_lost: bool) -> bool {
        self.expected(which, rules, is_lost)
            .inspect(|jobs| assert_eq!(jobs, &self.jobs, "the model is settled"))
            .is_some()
    }

    fn expected(&self, which: usize, rules: &Rules, is_lost: bool) -> Option<Jobs> {
        let wants = &self.releases[which].wants;
        match self.saved.as_ref().filter(|_| is_lost) {
            Some(saved) => recovered(&self.jobs, saved, wants, rules),
            None => applied(&self.jobs, wants, rules),
        }
    }

    /// What came of an apply that nothing happened to.
    fn check_clean(&mut self, ran: Ran, wanted: Option<Jobs>) {
        let before = std::mem::take(&mut self.jobs);
        self.jobs = self.look();
        let Some(wanted) = wanted else {
            let ran = ran.exits(5);
            same(&self.jobs, &before, &ran);
            return;
        };
        let ran = ran.ok();
        same(&self.jobs, &wanted, &ran);
        let is_new = |name: &&String| !before.contains_key(*name);
        let created = wanted.keys().filter(is_new).count();
        let deleted = before.keys().filter(|name| !wanted.contains_key(*name)).count();
        let updated = wanted.iter().filter(|(name, job)| before.get(*name).is_some_and(|was| was != *job)).count();
        let said = ran.json()["summary"].clone();
        let said = ["created", "updated", "deleted", "failed", "skipped"].map(|what| said[what].as_u64());
        let done = [created, updated, deleted, 0, 0].map(|count| u64::try_from(count).ok());
        assert_eq!(said, done, "what it says it did: {ran}");
    }

    /// What Dkron holds.
    pub(super) fn look(&mut self) -> Jobs {
        let jobs = self.server.settled_jobs();
        let named = |job: &Value| job["name"].as_str().expect("a name").to_owned();
        jobs.iter().map(|job| (named(job), self.digests.held(job))).collect()
    }

    /// Notes what a hand has just made of a job.
    pub(super) fn look_at(&mut self, name: &str) {
        let job = self.server.job(name).expect("a job that was just written");
        let held: Held = self.digests.held(&job);
        self.jobs.insert(name.to_owned(), held);
    }
}

fn args(rules: &Rules, backups: Option<&String>) -> Vec<String> {
    let mut args = vec!["apply".to_owned(), "--output=json".to_owned()];
    args.extend(rules.keeps_drift.then(|| "--drift=keep".to_owned()));
    args.extend((!rules.prunes).then(|| "--prune=false".to_owned()));
    args.extend((!rules.keeps_disabled).then(|| "--keep-disabled=false".to_owned()));
    args.extend(rules.takes.then(|| "--take-ownership".to_owned()));
    if let Some(backups) = backups {
        args.extend(["--restore=when-empty".to_owned(), format!("--backups={backups}")]);
    }
    args
}

pub(super) fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Both hold the same jobs, and where not, only what differs is said.
#[track_caller]
pub(super) fn same(found: &Jobs, wanted: &Jobs, ran: &Ran) {
    let mut differ = String::new();
    for name in found.keys().chain(wanted.keys().filter(|name| !found.contains_key(*name))) {
        let (found, wanted) = (found.get(name), wanted.get(name));
        if found != wanted {
            writeln!(differ, "`{name}` is {found:?}, and must be {wanted:?}").expect("a string takes everything");
        }
    }
    assert!(differ.is_empty(), "{differ}{ran}");
}

//! An emulator, the binary that is pointed at it, and what every test of faults asserts at its end.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Options};

use crate::cli::{Cli, Ran};

/// Emulator and binary.
pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    pub(crate) cli: Cli,
}

impl Rig {
    /// One node, and a folder of templates with these jobs, each in a file of its own.
    pub(crate) fn new(jobs: &[&str]) -> Self {
        Self::with(Options::new(), jobs)
    }

    pub(crate) fn with(options: Options, jobs: &[&str]) -> Self {
        let emulator = Emulator::start(options).expect("an emulator");
        let cli = Cli::new().dkron(&emulator.url());
        for name in jobs {
            cli.write(&file(name), job(name, "1"));
        }
        Self { emulator, cli }
    }

    /// The same with jobs that Dkron holds already, and nothing else.
    pub(crate) fn applied(jobs: &[&str]) -> Self {
        let rig = Self::new(jobs);
        let _ = rig.cli.run(&["apply"]).ok();
        rig.emulator.clear_journal();
        rig
    }

    /// Gives a job's template another definition.
    pub(crate) fn change(&self, name: &str) {
        self.cli.write(&file(name), job(name, "2"));
    }

    /// Takes a job's template away.
    pub(crate) fn drop_job(&self, name: &str) {
        self.cli.remove(&file(name));
    }

    /// Runs the binary and says how long it took.
    pub(crate) fn timed(&self, args: &[&str]) -> (Ran, Duration) {
        let start = Instant::now();
        let ran = self.cli.run(args);
        (ran, start.elapsed())
    }

    /// The names that Dkron holds.
    pub(crate) fn names(&self) -> Vec<String> {
        self.emulator.jobs().iter().filter_map(|job| job["name"].as_str().map(str::to_owned)).collect()
    }

    /// The version of a job's template that Dkron holds.
    pub(crate) fn version(&self, name: &str) -> String {
        self.emulator.job(name).expect("the job")["metadata"]["version"].as_str().expect("a version").to_owned()
    }

    /// How often a job was posted or deleted.
    pub(crate) fn writes_of(&self, name: &str) -> usize {
        let journal = self.emulator.journal();
        journal.iter().filter(|request| request.method != "GET" && request.job.as_deref() == Some(name)).count()
    }

    /// The journal's requests of one kind: `GET /v1/jobs`.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let journal = self.emulator.journal();
        journal.iter().filter(|request| request.method == method && request.path == path).count()
    }

    /// All faults have struck, and the next plan is empty.
    #[track_caller]
    pub(crate) fn settled(&self) {
        self.struck();
        let ran = self.cli.run(&["plan", "--exit-code"]).ok();
        assert!(ran.stdout.contains("nothing to do"), "{ran}");
    }

    /// All faults have struck.
    #[track_caller]
    pub(crate) fn struck(&self) {
        assert_eq!(self.emulator.pending_faults(), Vec::<String>::new());
    }
}

fn file(name: &str) -> String {
    format!("jobs-templates/{name}.yaml")
}

/// A template of one job.
pub(crate) fn job(name: &str, version: &str) -> String {
    format!(
        "name: {name}\nschedule: '@yearly'\nexecutor: http\nexecutor_config: {{method: GET, url: 'http://127.0.0.1:9/x'}}\nmetadata: {{version: '{version}'}}\n"
    )
}

/// Templates for so many jobs more: `m-000`, `m-001` and so on.
pub(crate) fn many(cli: &Cli, count: usize) {
    let names: Vec<String> = (0..count).map(|number| format!("m-{number:03}")).collect();
    cli.write("jobs-templates/data/many.csv", format!("name\n{}\n", names.join("\n")));
    cli.write("jobs-templates/many.yaml", format!("for_each: many\n{}", job("'{{ item.name }}'", "1")));
}

/// A template of one child.
pub(crate) fn child(name: &str, parent: &str) -> String {
    format!("parent_job: {parent}\n{}", job(name, "1")).replace("schedule: '@yearly'\n", "")
}

/// A log or an error without addresses and durations, which are others each time.
pub(crate) fn tidy(text: &str) -> String {
    let marks = [("127.0.0.", "[dkron]"), ("waited_ms=", "waited_ms=[…]")];
    let mut tidied = String::new();
    let mut rest = text;
    while let Some((at, (mark, instead))) =
        marks.iter().filter_map(|mark| Some((rest.find(mark.0)?, mark))).min_by_key(|(at, _)| *at)
    {
        tidied.push_str(&rest[..at]);
        tidied.push_str(instead);
        rest = rest[at + mark.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        // The port; a colon without one belongs to the sentence.
        if let Some(port) = rest.strip_prefix(':').filter(|port| port.starts_with(|c: char| c.is_ascii_digit())) {
            rest = port.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    tidied + rest
}

/// Sends a signal to a run.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "SIG{name} is not sent");
}

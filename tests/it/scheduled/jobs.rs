//! Jobs of which seconds are enough to tell how they are scheduled.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::Cli;

use super::target::Target;

/// The zone in which it is now one of the hours of a job with a zone, and one in which it is not for half a day.
pub(crate) const HERE: &str = "Asia/Tokyo";
pub(crate) const ELSEWHERE: &str = "America/New_York";
/// How many hours a test may take.
const HOURS: i8 = 8;

/// When a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Each few seconds.
    Often,
    /// Once a day from when it is scheduled, so never in a test.
    Rarely,
    /// Each few seconds, by a schedule whose hours are now in the job's zone.
    Here,
    /// Never in a test: the same schedule in a zone where its hours are not now.
    Elsewhere,
}

/// A job as the templates have it.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) disabled: bool,
    /// Another one with each change. The job calls it, so that a run of an old definition is seen.
    version: usize,
}

impl Want {
    pub(super) fn new(name: String, when: When) -> Self {
        Self { name, when, disabled: false, version: 1 }
    }

    /// The other schedule, or the same in the other zone.
    pub(crate) fn moved(&self) -> Self {
        let when = match self.when {
            When::Often => When::Rarely,
            When::Rarely => When::Often,
            When::Here => When::Elsewhere,
            When::Elsewhere => When::Here,
        };
        Self { when, version: self.version + 1, ..self.clone() }
    }

    /// Switched off, or on.
    pub(crate) fn switched(&self) -> Self {
        Self { disabled: !self.disabled, version: self.version + 1, ..self.clone() }
    }

    /// Whether it runs each few seconds; if not, never.
    pub(crate) fn runs(&self) -> bool {
        !self.disabled && matches!(self.when, When::Often | When::Here)
    }

    /// What the target sees of a run.
    fn path(&self) -> String {
        format!("/{}/{}", self.name, self.version)
    }
}

/// So many jobs of one kind, each with a name of its own.
pub(crate) fn many(kind: &str, count: usize, when: When) -> Vec<Want> {
    (0..count).map(|number| Want::new(format!("{kind}-{number:02}"), when)).collect()
}

/// The schedules of one test.
pub(crate) struct Schedules {
    pub(crate) often: String,
    pub(crate) zoned: String,
}

impl Schedules {
    /// Often is each so many seconds.
    pub(crate) fn each(seconds: u64) -> Self {
        let now = Timestamp::now().in_tz(HERE).expect("a zone");
        let hours: Vec<_> = (0..HOURS).map(|more| ((now.hour() + more) % 24).to_string()).collect();
        Self { often: format!("@every {seconds}s"), zoned: format!("*/{seconds} * {} * * *", hours.join(",")) }
    }

    fn schedule(&self, when: When) -> &str {
        match when {
            When::Often => &self.often,
            When::Rarely => "@every 24h",
            When::Here | When::Elsewhere => &self.zoned,
        }
    }

    /// The template, and the table of jobs that it reads.
    pub(crate) fn write(&self, cli: &Cli, target: &Target, jobs: &[Want]) {
        let template = "for_each: jobs\nname: '{{ item.name }}'\nschedule: '{{ item.schedule }}'\ntimezone: '{{ item.timezone }}'\n\
                        disabled: '{{ item.disabled }}'\nexecutor: http\nexecutor_config: {method: GET, url: '{{ item.url }}'}\n";
        let rows: Vec<_> = jobs.iter().map(|want| self.row(target, want)).collect();
        cli.write("jobs-templates/jobs.yaml", template);
        cli.write("jobs-templates/data/jobs.json", Value::from(rows).to_string());
    }

    fn row(&self, target: &Target, want: &Want) -> Value {
        let timezone = match want.when {
            When::Often | When::Rarely => "",
            When::Here => HERE,
            When::Elsewhere => ELSEWHERE,
        };
        json!({
            "name": want.name, "schedule": self.schedule(want.when), "timezone": timezone, "disabled": want.disabled,
            "url": format!("{}{}", target.url(), want.path()),
        })
    }

    /// What the leader's scheduler shows of it. A zone is not in it.
    fn entry(&self, want: &Want) -> Option<String> {
        let schedule = self.schedule(want.when);
        (!want.disabled).then(|| format!("Job: {}, scheduled at: {schedule}, tags:map[server:true:1]", want.name))
    }
}

/// What does not run as written, by the calls of each path in a time in which each job that runs must have run so often.
pub(crate) fn not_as_written(jobs: &[Want], calls: &BTreeMap<String, usize>, least: usize) -> Vec<String> {
    let wrong = jobs.iter().filter_map(|want| {
        let of_job = format!("/{}/", want.name);
        let all: usize = calls.iter().filter(|(path, _)| path.starts_with(&of_job)).map(|(_, count)| count).sum();
        let own = calls.get(&want.path()).copied().unwrap_or(0);
        let is_right = if want.runs() { own >= least && own == all } else { all == 0 };
        (!is_right).then(|| format!("{want:?} ran {all} times, {own} of them as it is written"))
    });
    wrong.collect()
}

/// What the leader's `cron_entries` show differently, or not at all, or show though it is off: the job, and what is shown.
pub(crate) fn not_in_entries(schedules: &Schedules, jobs: &[Want], vars: &Value) -> Vec<(String, Value)> {
    let entries = &vars["cron_entries"];
    let differs = |want: &&Want| entries[&want.name].as_str() != schedules.entry(want).as_deref();
    jobs.iter().filter(differs).map(|want| (want.name.clone(), entries[&want.name].clone())).collect()
}

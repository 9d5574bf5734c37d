//! Jobs of which seconds are enough to tell how they are scheduled.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The zone in which it is now one of the hours of a job with a zone, and one in which it is not for half a day.
const HERE: &str = "Asia/Tokyo";
const ELSEWHERE: &str = "America/New_York";
/// How many hours a test may take.
const HOURS: i8 = 8;

/// When a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Each three seconds.
    Often,
    /// Once a day from when it is scheduled, so never in a test.
    Rarely,
    /// Each three seconds, by a schedule whose hours are now in the job's zone.
    Here,
    /// Never in a test: the same schedule in a zone where its hours are not now.
    Elsewhere,
}

/// A job as the templates have it.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) name: String,
    pub(super) when: When,
    pub(super) disabled: bool,
    /// Another one with each change. The job calls it, so that a run of an old definition is seen.
    version: usize,
}

impl Want {
    pub(super) fn new(name: String, when: When) -> Self {
        Self { name, when, disabled: false, version: 1 }
    }

    /// The other schedule, or the same in the other zone.
    pub(super) fn moved(&self) -> Self {
        let when = match self.when {
            When::Often => When::Rarely,
            When::Rarely => When::Often,
            When::Here => When::Elsewhere,
            When::Elsewhere => When::Here,
        };
        Self { when, version: self.version + 1, ..self.clone() }
    }

    /// Switched off, or on.
    pub(super) fn switched(&self) -> Self {
        Self { disabled: !self.disabled, version: self.version + 1, ..self.clone() }
    }

    /// Whether it runs each three seconds; if not, never.
    pub(super) fn runs(&self) -> bool {
        !self.disabled && matches!(self.when, When::Often | When::Here)
    }

    /// What the target sees of a run.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.name, self.version)
    }
}

/// The schedules of one test.
pub(super) struct Schedules {
    zoned: String,
}

impl Schedules {
    pub(super) fn new() -> Self {
        let now = Timestamp::now().in_tz(HERE).expect("a zone");
        let hours: Vec<_> = (0..HOURS).map(|more| ((now.hour() + more) % 24).to_string()).collect();
        Self { zoned: format!("*/3 * {} * * *", hours.join(",")) }
    }

    fn schedule(&self, when: When) -> &str {
        match when {
            When::Often => "@every 3s",
            When::Rarely => "@every 24h",
            When::Here | When::Elsewhere => &self.zoned,
        }
    }

    /// A row of the table that the template reads.
    pub(super) fn row(&self, want: &Want) -> Value {
        let timezone = match want.when {
            When::Often | When::Rarely => "",
            When::Here => HERE,
            When::Elsewhere => ELSEWHERE,
        };
        json!({
            "name": want.name, "schedule": self.schedule(want.when), "timezone": timezone, "disabled": want.disabled,
            "path": want.path(),
        })
    }

    /// What the leader's scheduler shows of it. A zone is not in it.
    pub(super) fn entry(&self, want: &Want) -> Option<String> {
        let schedule = self.schedule(want.when);
        (!want.disabled).then(|| format!("Job: {}, scheduled at: {schedule}, tags:map[server:true:1]", want.name))
    }
}

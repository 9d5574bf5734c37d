//! A Dkron job in canonical form, and what is known of it on either side of a plan.
//!
//! Two definitions are the same exactly when their [`Job`]s are equal: server-owned fields are not in it, absent, `null` and
//! `{}` are one thing (FACTS 17), defaults are filled in (FACTS 6) and instants are instants, not texts.

mod diff;
mod fields;
mod health;
mod history;
pub(crate) mod http;
mod order;
mod packed;
mod printable;
mod scheduled;
mod set;
mod stamp;
mod wire;

use std::collections::BTreeMap;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use jiff::{SignedDuration, Timestamp};
use litemap::LiteMap;

use crate::schedule::{Schedule, ScheduleError, go_duration};

use self::http::{HTTP, TIMEOUT};

pub use self::diff::{Change, diff};
pub use self::fields::{Fields, Pairs};
pub use self::health::Stuck;
pub use self::history::History;
pub use self::order::generations;
pub use self::packed::{Packed, Pool};
pub(crate) use self::printable::is_unprintable;
pub use self::printable::{json_words, printable};
pub use self::scheduled::{Mismatch, Scheduler};
pub use self::set::{Desired, JobMap, Live, LiveJob, Origin, Scope, Wanted, by_name};
pub use self::stamp::{Compared, Owner, PRUNE_KEY, STAMP_KEYS, Stamp, digest};
pub use self::wire::{FIELDS, SERVER_FIELDS, WireJob, instant};

/// Dkron's maps of strings: tags, metadata and plugin configurations (FACTS 12).
pub type StringMap = LiteMap<String, String>;

/// The default of `concurrency`, and what Dkron means by the empty string (FACTS 6, 12).
pub const CONCURRENCY_ALLOW: &str = "allow";
/// The other value of `concurrency`: no run begins while another has not ended.
pub(crate) const CONCURRENCY_FORBID: &str = "forbid";
/// What to do about a name that Dkron refuses.
pub(crate) const NAME_REMEDY: &str =
    "a name has lower-case letters, digits, `_` and `-` only; `{{ item.name | lower }}` helps";
/// What to do about a schedule that Dkron refuses.
pub(crate) const SCHEDULE_REMEDY: &str =
    "Dkron wants six fields, seconds first (`0 */5 * * * *`), or `@every 5m`, `@hourly`, `@manually`";
/// What to do about a time zone that Dkron refuses.
pub(crate) const TIMEZONE_REMEDY: &str = "write a zone of the tz database, such as `Europe/Paris`";
/// The executor of commands.
const SHELL: &str = "shell";

/// The definition of one job: every field a client owns, none that the server owns (FACTS 8).
///
/// Field names are those of Dkron's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique in a Dkron; lower-case letters, digits, `_` and `-` (FACTS 12).
    pub name: String,
    /// What the UI shows instead of the name; empty for none.
    pub displayname: String,
    /// IANA time zone of the schedule; empty for the server's own.
    pub timezone: String,
    /// When to run (FACTS 19); may be empty for a child.
    pub schedule: String,
    /// A free text of Dkron's, not the owner in our stamp.
    pub owner: String,
    /// Where Dkron mails notifications.
    pub owner_email: String,
    /// Stored but not scheduled.
    pub disabled: bool,
    /// Which nodes run it: `{"server": "true:1"}` is one server (FACTS 22d).
    pub tags: StringMap,
    /// Free key-values; our stamp is among them.
    pub metadata: StringMap,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// The job after whose runs this one runs; empty for none.
    pub parent_job: String,
    /// Output processors by name.
    pub processors: BTreeMap<String, StringMap>,
    /// `allow` or `forbid`.
    pub concurrency: String,
    /// The plugin that runs it: `http`, `shell`, …
    pub executor: String,
    /// The plugin's configuration.
    pub executor_config: StringMap,
    /// Deleted by Dkron after the first success.
    pub ephemeral: bool,
    /// Not run before.
    pub starts_at: Option<Timestamp>,
    /// Not run after.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// A job with this name and Dkron's own defaults everywhere else (FACTS 6).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            displayname: String::new(),
            timezone: String::new(),
            schedule: String::new(),
            owner: String::new(),
            owner_email: String::new(),
            disabled: false,
            tags: StringMap::new(),
            metadata: StringMap::new(),
            retries: 0,
            parent_job: String::new(),
            processors: BTreeMap::new(),
            concurrency: CONCURRENCY_ALLOW.to_owned(),
            executor: String::new(),
            executor_config: StringMap::new(),
            ephemeral: false,
            starts_at: None,
            expires_at: None,
        }
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&str> {
        (!self.parent_job.is_empty()).then_some(self.parent_job.as_str())
    }

    /// Why Dkron would refuse this name, in its own words (FACTS 12); `None` when it would not.
    pub fn name_problem(name: &str) -> Option<String> {
        if name.is_empty() {
            return Some("name cannot be empty".to_owned());
        }
        // Not `char::is_lowercase`, which has modifiers and numbers (ª, ⁿ, ⅰ) that Go's `\p{Ll}` has not. Letters
        // that are newer than Dkron's Unicode (15.0) are for Dkron to refuse.
        let categories = CodePointMapData::<GeneralCategory>::new();
        let legal =
            |c: char| matches!(c, '0'..='9' | '_' | '-') || categories.get(c) == GeneralCategory::LowercaseLetter;
        name.chars().find(|&c| !legal(c)).map(|c| format!("name contains illegal character '{c}'"))
    }
}

impl Fields<'_> {
    /// The field of this job that every Dkron would refuse, if there is one, and Dkron's words, in its order (FACTS 12). A
    /// schedule or time zone that we do not know is not refused: see [`Fields::unknown_time`].
    pub fn refusal(&self) -> Option<(&'static str, String)> {
        if let Some(words) = Job::name_problem(self.name) {
            return Some(("name", words));
        }
        if self.parent_job == self.name {
            return Some(("parent_job", "the job can not have itself as parent".to_owned()));
        }
        if let Some(Err(error)) = self.parsed_schedule()
            && (self.schedule.is_empty() || error == ScheduleError::Crash)
        {
            return Some(("schedule", error.to_string()));
        }
        if ![CONCURRENCY_ALLOW, CONCURRENCY_FORBID].contains(&self.concurrency) {
            return Some(("concurrency", "invalid concurrency policy value, use \"allow\" or \"forbid\"".to_owned()));
        }
        self.has_bad_shell_timeout().then(|| ("executor_config.timeout", "Error parsing job timeout value".to_owned()))
    }

    /// The schedule or time zone that we do not know, and the words in which the versions of Dkron that we know refuse it. A
    /// later one may take it, so the server decides.
    pub fn unknown_time(&self) -> Option<(&'static str, String)> {
        if let Some(Err(error)) = self.parsed_schedule() {
            return Some(("schedule", error.to_string()));
        }
        // Dkron looks at the zone whether the schedule needs one or not; only six fields do.
        let zone = Schedule::parse("0 0 0 * * *", self.name, self.timezone);
        zone.err().map(|error| ("timezone", error.to_string()))
    }

    /// What its schedule comes to, the job's time zone left aside; `None` for a child without one (FACTS 10).
    fn parsed_schedule(&self) -> Option<Result<Schedule, ScheduleError>> {
        let has_none = self.schedule.is_empty() && self.parent().is_some();
        (!has_none).then(|| Schedule::parse(self.schedule, self.name, ""))
    }

    /// Whether it is a job of the shell executor whose `timeout` is no duration of Go's: of all others Dkron looks at none.
    pub(crate) fn has_bad_shell_timeout(&self) -> bool {
        let timeout = self.executor_config.get(TIMEOUT).unwrap_or_default();
        self.executor == SHELL && !timeout.is_empty() && go_duration(timeout).is_err()
    }

    /// How long one attempt may take; `None` for as long as it likes.
    pub fn timeout(&self) -> Option<SignedDuration> {
        let timeout = self.executor_config.get(TIMEOUT);
        match self.executor {
            HTTP | "grpc" => http::timeout(timeout),
            // No limit where there is none.
            _ => timeout
                .and_then(|timeout| go_duration(timeout).ok())
                .map(SignedDuration::from_nanos)
                .filter(SignedDuration::is_positive),
        }
    }
}

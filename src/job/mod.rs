//! A Dkron job in canonical form, and what is known of it on either side of a plan.
//!
//! Two definitions are the same exactly when their [`Job`]s are equal: server-owned fields are not in it, absent, `null` and
//! `{}` are one thing (FACTS 17), defaults are filled in (FACTS 6) and instants are instants, not texts.

mod definition;
mod diff;
mod health;
mod history;
pub(crate) mod http;
mod order;
mod printable;
mod read;
mod scheduled;
mod set;
mod stamp;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use jiff::SignedDuration;

use crate::schedule::{Schedule, ScheduleError, go_duration};

use self::http::{HTTP, TIMEOUT};

pub use self::definition::{Concurrency, Definition, Leaf, Place, StringMap, instant};
pub use self::diff::Difference;
pub use self::health::Stuck;
pub use self::history::History;
pub use self::order::generations;
pub(crate) use self::printable::is_unprintable;
pub(crate) use self::printable::json_escape;
pub use self::printable::{LineStyle, json_words, printable, printable_lines};
pub use self::read::{FIELDS, SERVER_FIELDS, odd_instant};
pub use self::scheduled::{Mismatch, Scheduler};
pub use self::set::{Desired, JobMap, Live, LiveJob, Origin, Scope, Wanted, by_name};
pub use self::stamp::{Compared, Owner, PRUNE_KEY, STAMP_KEYS, Stamp};

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

/// One job: what a client says about it. What the server says is in [`LiveJob`].
///
/// A clone is cheap: it shares the definition until one of the two is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique in a Dkron; lower-case letters, digits, `_` and `-` (FACTS 12).
    pub name: Arc<str>,
    /// What the digest in the stamp covers, together with the name.
    pub definition: Arc<Definition>,
    /// Stored but not scheduled: the switch that operators use.
    pub disabled: bool,
    /// Who keeps the job, and what was written last.
    pub stamp: Option<Stamp>,
}

/// A job has the fields of its definition.
impl Deref for Job {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
}

impl DerefMut for Job {
    fn deref_mut(&mut self) -> &mut Definition {
        Arc::make_mut(&mut self.definition)
    }
}

impl Job {
    /// A job with this name and Dkron's own defaults everywhere else (FACTS 6).
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), definition: Arc::default(), disabled: false, stamp: None }
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&str> {
        (!self.parent_job.is_empty()).then_some(self.parent_job.as_str())
    }

    /// The same job, switched off or on.
    #[must_use]
    pub fn with_disabled(&self, disabled: bool) -> Self {
        Self { disabled, ..self.clone() }
    }

    /// Whether two jobs have the same definition, `disabled` and stamp left aside.
    pub fn same_definition(&self, other: &Self) -> bool {
        self.name == other.name && self.definition == other.definition
    }

    /// Whether two jobs differ in their stamps at most.
    pub fn same_but_stamp(&self, other: &Self) -> bool {
        self.same_definition(other) && self.disabled == other.disabled
    }

    /// Whether its schedule is an `@after`, which Dkron takes from 4.1 on only.
    pub fn is_after(&self) -> bool {
        self.schedule.starts_with("@after ")
    }

    /// Whether posting it makes Dkron run it at once while its grace period lasts, whether it has run before or not (FACTS 41). So
    /// it must not be posted without need.
    pub fn runs_on_post(&self) -> bool {
        !self.disabled && self.parent().is_none() && self.is_after()
    }

    /// Whether an execution that has not ended keeps all others from beginning (FACTS 24c).
    pub fn forbids_overlap(&self) -> bool {
        self.concurrency == Concurrency::Forbid
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

    /// The field of this job that every Dkron would refuse, if there is one, and Dkron's words, in its order (FACTS 12). A
    /// schedule or time zone that we do not know is not refused: see [`Job::unknown_time`].
    pub fn refusal(&self) -> Option<(&'static str, String)> {
        if let Some(words) = Self::name_problem(&self.name) {
            return Some(("name", words));
        }
        if *self.parent_job == *self.name {
            return Some(("parent_job", "the job can not have itself as parent".to_owned()));
        }
        if let Some(Err(error)) = self.parsed_schedule()
            && (self.schedule.is_empty() || error == ScheduleError::Crash)
        {
            return Some(("schedule", error.to_string()));
        }
        if matches!(self.concurrency, Concurrency::Unknown(_)) {
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
        let zone = Schedule::parse("0 0 0 * * *", &self.name, &self.timezone);
        zone.err().map(|error| ("timezone", error.to_string()))
    }

    /// What its schedule comes to, the job's time zone left aside; `None` for a child without one (FACTS 10).
    fn parsed_schedule(&self) -> Option<Result<Schedule, ScheduleError>> {
        let has_none = self.schedule.is_empty() && self.parent().is_some();
        (!has_none).then(|| Schedule::parse(&self.schedule, &self.name, ""))
    }

    /// Whether it is a job of the shell executor whose `timeout` is no duration of Go's: of all others Dkron looks at none.
    pub(crate) fn has_bad_shell_timeout(&self) -> bool {
        let timeout = self.executor_config.get(TIMEOUT).map_or("", String::as_str);
        self.executor == SHELL && !timeout.is_empty() && go_duration(timeout).is_err()
    }

    /// How long one attempt may take; `None` for as long as it likes.
    pub fn timeout(&self) -> Option<SignedDuration> {
        let timeout = self.executor_config.get(TIMEOUT).map(String::as_str);
        match self.executor.as_str() {
            HTTP | "grpc" => http::timeout(timeout),
            // No limit where there is none.
            _ => timeout
                .and_then(|timeout| go_duration(timeout).ok())
                .map(SignedDuration::from_nanos)
                .filter(SignedDuration::is_positive),
        }
    }
}

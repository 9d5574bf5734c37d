//! Dkron's schedule dialect (FACTS 19, 20): what it refuses and in which words, when a job runs, and how far apart runs lie.
//!
//! One module for rendering, the emulator of the tests, and everything that reasons about freshness. Instants come in as
//! arguments and time zones from the compiled-in database: nothing here reads a clock or the host.
//!
//! Dkron hands schedules to robfig/cron v3.0.1, whose arithmetic around daylight saving has its own ways (it can skip a run,
//! and where midnight does not exist it can run on a day that was not asked for). They are kept, because they are what
//! happens; `tests/it/schedule.rs` says which.

mod after;
mod at;
mod cron;
mod duration;
mod fields;
mod gaps;
mod parse;
mod quote;
mod refresh;
mod zone;

use jiff::{SignedDuration, Timestamp};

pub use self::after::After;
use self::cron::Cron;
pub(crate) use self::duration::parse as go_duration;
pub use self::gaps::Gaps;
pub use self::refresh::{RefreshError, allowed_interval, refresh_schedule, stagger};

/// A schedule that Dkron accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Kind);

/// The kinds of schedule that Dkron knows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Six fields, or a name for them such as `@hourly`.
    Cron(Cron),
    /// `@every`: whole seconds from the last start of Dkron or write of the job, at least one; and what was written.
    Every { delay: SignedDuration, said: SignedDuration },
    /// `@at`: once. `None` for `@manually`, which Dkron keeps as an instant long past.
    Once(Option<Timestamp>),
    /// `@after`: once, with a grace period (FACTS 38).
    After(After),
}

/// Whose schedules are read: each version of Dkron knows its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Dkron 4.0, which has no `@after`.
    V4_0,
    /// Dkron 4.1.
    V4_1,
}

/// Why Dkron refuses a schedule, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// `can't parse job schedule: …`
    #[error("can't parse job schedule: {0}")]
    Schedule(String),
    /// `unknown time zone …`
    #[error("{0}")]
    Timezone(String),
    /// The one schedule that Dkron has no words for: it panics, and answers 500 with an empty body (recorded).
    #[error("Dkron crashes on a schedule that is only a time zone: write the six fields after it, parted by a blank")]
    Crash,
}

impl Schedule {
    /// Reads a schedule as Dkron 4.1 does for a job of this name (`~` depends on it) and time zone (empty: the server's, taken
    /// as UTC).
    ///
    /// As in Dkron, the schedule is judged before the time zone, and the zone counts only for six fields without a zone of
    /// their own: not for `@daily`. An empty schedule is refused; that a child may have one (FACTS 10) is for callers to know.
    ///
    /// # Errors
    /// Dkron's own refusal.
    pub fn parse(schedule: &str, name: &str, timezone: &str) -> Result<Self, ScheduleError> {
        Self::parse_as(Dialect::V4_1, schedule, name, timezone)
    }

    /// The same as that version of Dkron does it.
    ///
    /// # Errors
    /// That version's own refusal.
    pub fn parse_as(dialect: Dialect, schedule: &str, name: &str, timezone: &str) -> Result<Self, ScheduleError> {
        parse::job(dialect, schedule, name, timezone).map(Self)
    }

    /// The first run after this instant that comes by itself; `None` for never. For `@after` that is its instant, while it is to
    /// come: what a post within its grace period does is in [`Schedule::next_when_posted`].
    ///
    /// `@every` counts from the instant given, as Dkron does from its own start and from each write of the job (FACTS 7).
    /// Six fields that match no second of this year and the next five never run, says robfig/cron. Instants beyond the year
    /// 9999 are none.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Cron(cron) => cron.next(whole_second(after)).and_then(|second| Timestamp::from_second(second).ok()),
            Kind::Every { delay, .. } => {
                let second = whole_second(after).checked_add(delay.as_secs())?;
                Timestamp::from_second(second).ok()
            }
            Kind::Once(instant) | Kind::After(After { at: instant, .. }) => instant.filter(|instant| *instant > after),
        }
    }

    /// The first run of a job that is posted, switched on or loaded by Dkron at this instant: for `@after` within its grace
    /// period a nanosecond later (FACTS 39, 41), and [`Schedule::next`] otherwise.
    pub fn next_when_posted(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::After(after) if after.runs_at_once(now) => now.checked_add(SignedDuration::from_nanos(1)).ok(),
            _ => self.next(now),
        }
    }

    /// What `@after` says; `None` for other schedules.
    pub fn after(&self) -> Option<&After> {
        match &self.0 {
            Kind::After(after) => Some(after),
            Kind::Cron(_) | Kind::Every { .. } | Kind::Once(_) => None,
        }
    }

    /// Whether it comes again and again by itself: `@at`, `@after` and `@manually` do not.
    pub fn repeats(&self) -> bool {
        match &self.0 {
            Kind::Cron(_) | Kind::Every { .. } => true,
            Kind::Once(_) | Kind::After(_) => false,
        }
    }

    /// The oldest version of Dkron that takes it.
    pub fn dialect(&self) -> Dialect {
        if self.after().is_some() { Dialect::V4_1 } else { Dialect::V4_0 }
    }

    /// What `@every` says, which Dkron takes for a second where it is less than one (FACTS 20); `None` for other schedules.
    pub fn every(&self) -> Option<SignedDuration> {
        match &self.0 {
            Kind::Every { said, .. } => Some(*said),
            Kind::Cron(_) | Kind::Once(_) | Kind::After(_) => None,
        }
    }

    /// The instant that `@at` names; `None` for other schedules.
    pub fn once(&self) -> Option<Timestamp> {
        match &self.0 {
            Kind::Once(instant) => *instant,
            Kind::Cron(_) | Kind::Every { .. } | Kind::After(_) => None,
        }
    }

    /// Whether it is `@manually`.
    pub fn is_manual(&self) -> bool {
        self.0 == Kind::Once(None)
    }

    /// The seconds of the day at which it runs, from midnight UTC, where every day is like every other; `None` where not, and for
    /// what is no six fields.
    pub fn seconds_of_day(&self) -> Option<impl Iterator<Item = u32>> {
        match &self.0 {
            Kind::Cron(cron) => cron.seconds_of_day(),
            Kind::Every { .. } | Kind::Once(_) | Kind::After(_) => None,
        }
    }

    /// Whether two runs may lie less than a minute apart; it takes no walk over the years.
    pub(crate) fn may_run_twice_a_minute(&self) -> bool {
        match &self.0 {
            Kind::Cron(cron) => cron.seconds.values().nth(1).is_some(),
            Kind::Every { .. } => true,
            Kind::Once(_) | Kind::After(_) => false,
        }
    }

    /// The gaps between runs; `None` where there are no two runs.
    ///
    /// For six fields they are exact over all runs from the start of 2026 to the end of 2053 in the schedule's time zone: 28
    /// years, in which every weekday meets every date and every year brings its changes of clock. 2100, which is no leap
    /// year, lies outside, so that the worst gap of `0 0 0 29 2 *` is four years.
    pub fn gaps(&self) -> Option<Gaps> {
        match &self.0 {
            Kind::Cron(cron) => gaps::of(cron),
            Kind::Every { delay, .. } => Some(Gaps { shortest: *delay, worst: *delay }),
            Kind::Once(_) | Kind::After(_) => None,
        }
    }
}

/// Whether Dkron runs a job at this instant that it is to run from one on and up to another one; a run at either is one.
pub fn within(at: Timestamp, starts: Option<Timestamp>, ends: Option<Timestamp>) -> bool {
    starts.is_none_or(|starts| starts <= at) && ends.is_none_or(|ends| at <= ends)
}

/// A time as people say it, exactly: `5m`, `1h 30m`, `366d`.
pub fn spoken(time: SignedDuration) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    if time.subsec_nanos() != 0 || !time.is_positive() {
        return format!("{time:#}");
    }
    let mut rest = time.as_secs();
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

/// The second an instant lies in, counted from 1970, rounding down before it too.
fn whole_second(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

//! A job in Dkron's own JSON, and the rules by which Dkron refuses one. Our own types, so that a mistake of the program under
//! test does not cancel out here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use dkron_jobs::schedule::{Schedule, ScheduleError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use crate::json::{Decoder, First, Strings};
use crate::moment::Moment;
use crate::version::Version;

/// What Go writes for a time that was never set.
pub(crate) static ZERO: LazyLock<Timestamp> =
    LazyLock::new(|| Timestamp::from_second(-62_135_596_800).unwrap_or(Timestamp::UNIX_EPOCH));

/// `[^\p{Ll}0-9_-]`: what may not stand in a name (FACTS 12).
static ILLEGAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\p{Ll}0-9_-]").ok());

/// The fields of Dkron's job, in the order in which it writes them.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "`parent_job` is Dkron's name")]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) displayname: String,
    pub(crate) timezone: String,
    pub(crate) schedule: String,
    pub(crate) owner: String,
    pub(crate) owner_email: String,
    pub(crate) success_count: i64,
    pub(crate) error_count: i64,
    pub(crate) last_success: Option<Moment>,
    pub(crate) last_error: Option<Moment>,
    pub(crate) disabled: bool,
    pub(crate) tags: Option<Strings>,
    pub(crate) metadata: Option<Strings>,
    pub(crate) retries: u64,
    pub(crate) dependent_jobs: Option<Vec<String>>,
    pub(crate) parent_job: String,
    pub(crate) processors: Option<BTreeMap<String, Option<Strings>>>,
    pub(crate) concurrency: String,
    pub(crate) executor: String,
    pub(crate) executor_config: Option<Strings>,
    pub(crate) status: String,
    pub(crate) next: Moment,
    pub(crate) ephemeral: bool,
    pub(crate) starts_at: Option<Moment>,
    pub(crate) expires_at: Option<Moment>,
}

impl Job {
    fn empty(concurrency: &str) -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            displayname: String::new(),
            timezone: String::new(),
            schedule: String::new(),
            owner: String::new(),
            owner_email: String::new(),
            success_count: 0,
            error_count: 0,
            last_success: None,
            last_error: None,
            disabled: false,
            tags: None,
            metadata: None,
            retries: 0,
            dependent_jobs: None,
            parent_job: String::new(),
            processors: None,
            concurrency: concurrency.to_owned(),
            executor: String::new(),
            executor_config: None,
            status: String::new(),
            next: Moment::from(*ZERO),
            ephemeral: false,
            starts_at: None,
            expires_at: None,
        }
    }

    /// Reads the first JSON value of a body, as the API does: `concurrency` defaults to `allow`.
    ///
    /// # Errors
    /// Go's words.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, String> {
        match First::read(body)? {
            First::Object(fields) => Self::from_fields(&fields, "allow"),
            First::Null => Ok(Self::empty("allow")),
            First::Other(kind) => Err(format!("json: cannot unmarshal {kind} into Go value of type dkron.Job")),
        }
    }

    /// Reads a job's fields; a field that Dkron does not know is ignored (FACTS 6).
    ///
    /// # Errors
    /// Go's words for the first value of a wrong type.
    pub(crate) fn from_fields(fields: &[(String, Value)], concurrency: &str) -> Result<Self, String> {
        let mut job = Self::empty(concurrency);
        let mut go = Decoder::default();
        for (key, value) in fields {
            let field = key.to_lowercase();
            let field = field.as_str();
            match field {
                "id" => go.string(field, value, &mut job.id),
                "name" => go.string(field, value, &mut job.name),
                "displayname" => go.string(field, value, &mut job.displayname),
                "timezone" => go.string(field, value, &mut job.timezone),
                "schedule" => go.string(field, value, &mut job.schedule),
                "owner" => go.string(field, value, &mut job.owner),
                "owner_email" => go.string(field, value, &mut job.owner_email),
                "success_count" => go.signed(field, value, &mut job.success_count),
                "error_count" => go.signed(field, value, &mut job.error_count),
                "last_success" => nullable_time(&mut go, value, &mut job.last_success),
                "last_error" => nullable_time(&mut go, value, &mut job.last_error),
                "disabled" => go.bool(field, value, &mut job.disabled),
                "tags" => go.strings(field, "map[string]string", value, &mut job.tags),
                "metadata" => go.strings(field, "map[string]string", value, &mut job.metadata),
                "retries" => go.unsigned(field, value, &mut job.retries),
                "dependent_jobs" => go.list(field, value, &mut job.dependent_jobs),
                "parent_job" => go.string(field, value, &mut job.parent_job),
                "processors" => processors(&mut go, value, &mut job.processors),
                "concurrency" => go.string(field, value, &mut job.concurrency),
                "executor" => go.string(field, value, &mut job.executor),
                "executor_config" => {
                    go.strings(field, "plugin.ExecutorPluginConfig", value, &mut job.executor_config);
                }
                "status" => go.string(field, value, &mut job.status),
                "next" => {
                    let mut next = Some(job.next);
                    time(&mut go, value, &mut next, false);
                    job.next = next.unwrap_or(job.next);
                }
                "ephemeral" => go.bool(field, value, &mut job.ephemeral),
                "starts_at" => nullable_time(&mut go, value, &mut job.starts_at),
                "expires_at" => nullable_time(&mut go, value, &mut job.expires_at),
                _ => {}
            }
        }
        go.problem.map_or(Ok(job), Err)
    }

    /// The job as it comes back from the store: `id` is the name, empty maps are `null`, processors are not (FACTS 17).
    pub(crate) fn stored(mut self) -> Self {
        self.id.clone_from(&self.name);
        for map in [&mut self.tags, &mut self.metadata, &mut self.executor_config] {
            if map.as_ref().is_some_and(BTreeMap::is_empty) {
                *map = None;
            }
        }
        for moment in [&mut self.last_success, &mut self.last_error, &mut self.starts_at, &mut self.expires_at]
            .into_iter()
            .flatten()
        {
            *moment = moment.utc();
        }
        self.next = self.next.utc();
        if self.dependent_jobs.as_ref().is_some_and(Vec::is_empty) {
            self.dependent_jobs = None;
        }
        let processors = self.processors.get_or_insert_default();
        for config in processors.values_mut() {
            config.get_or_insert_default();
        }
        self
    }

    /// Dkron's validation, in its order and its words.
    ///
    /// # Errors
    /// Why it refuses the job.
    pub(crate) fn validate(&self, version: Version) -> Result<(), Invalid> {
        if self.name.is_empty() {
            return Err("name cannot be empty".to_owned().into());
        }
        if let Some(illegal) = ILLEGAL.as_ref().and_then(|pattern| pattern.find(&self.name)) {
            return Err(format!("name contains illegal character '{}'", illegal.as_str()).into());
        }
        if self.parent_job == self.name {
            return Err("the job can not have itself as parent".to_owned().into());
        }
        self.read_schedule(version)?;
        if !["allow", "forbid", ""].contains(&self.concurrency.as_str()) {
            return Err("invalid concurrency policy value, use \"allow\" or \"forbid\"".to_owned().into());
        }
        if !self.timezone.is_empty()
            && let Err(error @ ScheduleError::Timezone(_)) = Schedule::parse("0 0 0 * * *", &self.name, &self.timezone)
        {
            return Err(error.into());
        }
        if self.executor == "shell" && !self.config("timeout").is_empty() && !is_go_duration(self.config("timeout")) {
            return Err("Error parsing job timeout value".to_owned().into());
        }
        Ok(())
    }

    /// A child may have an empty schedule (FACTS 10).
    ///
    /// # Errors
    /// This version's refusal.
    pub(crate) fn read_schedule(&self, version: Version) -> Result<(), ScheduleError> {
        if self.schedule.is_empty() && !self.parent_job.is_empty() {
            return Ok(());
        }
        version.parse(&self.schedule, &self.name, "").map(drop)
    }

    /// A value of `executor_config`, empty where it has none: Go does not tell the two apart.
    pub(crate) fn config(&self, key: &str) -> &str {
        self.executor_config.as_ref().and_then(|config| config.get(key)).map_or("", String::as_str)
    }

    /// `next` as Dkron computes it when a schedule is new: without the job's time zone, which only the scheduler sees.
    pub(crate) fn first_run(&self, now: Timestamp) -> Timestamp {
        if let Some(start) = self.starts_at.filter(|start| now < start.at) {
            return start.at;
        }
        if self.schedule.is_empty() {
            return *ZERO;
        }
        Schedule::parse(&self.schedule, &self.name, "")
            .ok()
            .and_then(|schedule| schedule.next_when_posted(now))
            .unwrap_or(*ZERO)
    }

    /// The zone in which Dkron writes the instants of its executions.
    pub(crate) fn zone(&self) -> TimeZone {
        TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC)
    }
}

/// How Dkron refuses a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// In these words.
    Because(String),
    /// It panics, and answers 500 without a word.
    Crash,
}

impl From<String> for Invalid {
    fn from(words: String) -> Self {
        Self::Because(words)
    }
}

impl From<ScheduleError> for Invalid {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Crash => Self::Crash,
            other => Self::Because(other.to_string()),
        }
    }
}

fn nullable_time(go: &mut Decoder, value: &Value, into: &mut Option<Moment>) {
    time(go, value, into, true);
}

/// RFC 3339; where `short` is set also `2006-01-02T15:04`, which the UI sends.
fn time(go: &mut Decoder, value: &Value, into: &mut Option<Moment>, short: bool) {
    match value {
        Value::Null => {}
        Value::String(text) => match Moment::parse(text, short) {
            Some(moment) => *into = Some(moment),
            None => go.keep(|| {
                format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\"")
            }),
        },
        _ => go.keep(|| "Time.UnmarshalJSON: input is not a JSON string".to_owned()),
    }
}

fn processors(go: &mut Decoder, value: &Value, into: &mut Option<BTreeMap<String, Option<Strings>>>) {
    match value {
        Value::Null => {}
        Value::Object(pairs) => {
            let map = into.get_or_insert_default();
            for (name, config) in pairs {
                let mut strings = None;
                go.strings("processors", "plugin.Config", config, &mut strings);
                map.insert(name.clone(), strings);
            }
        }
        other => go.refuse_kind(other, "processors", "map[string]plugin.Config"),
    }
}

/// Whether Go's `time.ParseDuration` takes it: the schedule module reads the same durations.
fn is_go_duration(text: &str) -> bool {
    Schedule::parse(&format!("@every {text}"), "a", "").is_ok()
}

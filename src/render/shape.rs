//! From a filled-in template to a job: shapes that people write to shapes that Dkron takes, and safe defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Range;

use jiff::Timestamp;

use crate::job::http::{self, EXPECT_CODE, HTTP, TIMEOUT};
use crate::job::{
    self, Concurrency, Definition, Job, NAME_REMEDY, Origin, SCHEDULE_REMEDY, STAMP_KEYS, StringMap, TIMEZONE_REMEDY,
    Wanted,
};
use crate::json::{write_list, write_object, write_text};
use crate::schedule::{Schedule, ScheduleError};

use super::Context;
use super::draft::{Filled, FilledKind};
use super::problem::{Problem, Text};
use super::yaml::Key;

/// One server runs the job, and not each node of the cluster (FACTS 22d).
pub(crate) const ONE_SERVER: (&str, &str) = ("server", "true:1");

/// Makes the job, or says everything that is wrong with it; there is none where something is wrong already.
pub(super) fn shape(
    text: &Text,
    at: &Range<usize>,
    fields: Vec<(&Key, Filled<'_>)>,
    context: &Context,
    problems: &mut Vec<Problem>,
) -> Option<Wanted> {
    let mut shaper = Shaper {
        text,
        problems,
        secret_fields: BTreeSet::new(),
        seen: Seen::default(),
        job: Job::new(""),
        allow_unknown_schedules: context.allow_unknown_schedules,
    };
    for (key, value) in fields {
        shaper.field(key, value, &context.name_prefix);
    }
    shaper.finish(at);
    let Shaper { secret_fields, job, .. } = shaper;
    let (line, _) = text.line_column(at.start);
    let origin = Origin { file: text.file().clone(), line };
    problems.is_empty().then_some(Wanted { job, secret_fields, origin })
}

struct Shaper<'a> {
    text: &'a Text,
    problems: &'a mut Vec<Problem>,
    secret_fields: BTreeSet<String>,
    seen: Seen,
    job: Job,
    allow_unknown_schedules: bool,
}

/// What the template said something about, and where, as far as anything depends on it.
#[derive(Default)]
struct Seen {
    name: Option<Range<usize>>,
    parent: Option<Range<usize>>,
    schedule: Option<Range<usize>>,
    timezone: Option<Range<usize>>,
    utc: bool,
    tags: bool,
    executor: bool,
    /// Fields that could not be filled in, by their paths.
    broken: BTreeSet<String>,
    /// The values in `executor_config`, those set to null among them.
    config: BTreeMap<String, Range<usize>>,
}

impl Shaper<'_> {
    fn problem(&mut self, at: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(self.text.problem(at, message, remedy));
    }

    /// What Dkron would refuse.
    fn refused(
        &mut self,
        (rule, field): (&'static str, &'static str),
        at: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let problem = self.text.problem(at, message, remedy);
        self.problems.push(problem.with_verdict(rule, &self.job.name, field));
    }

    fn field(&mut self, key: &Key, value: Filled<'_>, prefix: &str) {
        let at = value.at.clone();
        let field = key.text.as_str();
        let with_prefix = |name: String| if name.is_empty() { name } else { format!("{prefix}{name}") };
        let mut definition = mem::take(&mut *self.job);
        // Named one by one, so that a new field that no template can set does not compile.
        let Definition {
            displayname,
            timezone,
            schedule,
            owner,
            owner_email,
            parent_job,
            executor,
            tags,
            metadata,
            retries,
            processors,
            concurrency,
            executor_config,
            ephemeral,
            starts_at,
            expires_at,
        } = &mut definition;
        match field {
            "name" => {
                self.job.name = with_prefix(self.plain(field, value)).into();
                self.seen.name = Some(at);
            }
            "disabled" => self.job.disabled = self.bool(field, value),
            "parent_job" => {
                *parent_job = with_prefix(self.plain(field, value));
                self.seen.parent = Some(at);
            }
            "schedule" => {
                self.seen.utc = value.utc;
                *schedule = self.plain(field, value);
                self.seen.schedule = Some(at);
            }
            "timezone" => {
                *timezone = self.plain(field, value);
                self.seen.timezone = Some(at);
            }
            "displayname" => *displayname = self.string(field, value),
            "owner" => *owner = self.string(field, value),
            "owner_email" => *owner_email = self.string(field, value),
            "executor" => {
                *executor = self.plain(field, value);
                self.seen.executor = true;
            }
            "concurrency" => match self.plain(field, value).as_str().into() {
                Concurrency::Unknown(word) => self.problem(
                    at,
                    format!("`concurrency` is `{word}`, and Dkron knows only `allow` and `forbid`"),
                    "write `allow`; `forbid` sticks when Dkron dies in mid-run: for ever on 4.0, for four hours from 4.1 on",
                ),
                known => *concurrency = known,
            },
            "ephemeral" => *ephemeral = self.bool(field, value),
            "retries" => {
                let text = self.plain(field, value);
                match text.trim() {
                    "" => {}
                    number => match number.parse() {
                        Ok(number) => *retries = number,
                        Err(_) => self.problem(
                            at,
                            format!("`retries` is `{text}`, and Dkron wants a whole number, 0 or more"),
                            "write a number, such as `2`",
                        ),
                    },
                }
            }
            "starts_at" => *starts_at = self.instant(field, value),
            "expires_at" => *expires_at = self.instant(field, value),
            "tags" => {
                self.seen.tags = true;
                *tags = self.map(field, value);
            }
            "metadata" => *metadata = self.metadata(value),
            "executor_config" => *executor_config = self.executor_config(value),
            "processors" => *processors = self.processors(value),
            // Anything else has been refused when the template was compiled.
            _ => {}
        }
        *self.job = definition;
    }

    /// A text of one value; a number or a bool becomes its text.
    fn string(&mut self, field: &str, value: Filled<'_>) -> String {
        if value.secret {
            self.secret_fields.insert(field.to_owned());
        }
        match value.kind {
            FilledKind::Null => String::new(),
            FilledKind::Broken => {
                self.seen.broken.insert(field.to_owned());
                String::new()
            }
            FilledKind::Bool(bool) => bool.to_string(),
            FilledKind::Number(text) | FilledKind::String(text) => text,
            FilledKind::List(_) | FilledKind::Map(_) => {
                self.problem(
                    value.at,
                    format!("`{field}` is one text in Dkron, and this is a list or a map"),
                    "write a text; only `body` and `headers` of the http executor may be written as lists and maps",
                );
                String::new()
            }
        }
    }

    /// A text that decides how the job runs, and is shown everywhere: no place for a secret.
    fn plain(&mut self, field: &str, value: Filled<'_>) -> String {
        if value.secret {
            self.problem(
                value.at.clone(),
                format!("`{field}` reads a secret, and it cannot be masked there"),
                "use secrets in `executor_config`, `metadata` and other maps only",
            );
            // Nothing more is said of its text.
            return self.string(field, Filled { kind: FilledKind::Broken, ..value });
        }
        self.string(field, value)
    }

    fn bool(&mut self, field: &str, value: Filled<'_>) -> bool {
        let at = value.at.clone();
        let text = self.plain(field, value);
        match text.trim() {
            "true" => true,
            "false" | "" => false,
            _ => {
                let message = format!("`{field}` is `{text}`, which is neither `true` nor `false`");
                self.problem(at, message, "write one of the two");
                false
            }
        }
    }

    fn instant(&mut self, field: &str, value: Filled<'_>) -> Option<Timestamp> {
        let at = value.at.clone();
        let text = self.plain(field, value);
        if text.is_empty() {
            return None;
        }
        let instant = job::instant(&text);
        if instant.is_none() {
            let message = format!("`{field}` is `{text}`, and Dkron wants an instant with its zone (RFC 3339)");
            self.problem(at, message, "write it as `2026-01-31T08:00:00Z`");
        }
        instant
    }

    /// A map of strings; keys set to null are left out.
    fn map(&mut self, field: &str, value: Filled<'_>) -> StringMap {
        match value.kind {
            FilledKind::Null | FilledKind::Broken => StringMap::new(),
            FilledKind::Map(map) => map
                .into_iter()
                .filter(|(_, value)| !matches!(value.kind, FilledKind::Null))
                .map(|(key, value)| (key.text.clone(), self.string(&format!("{field}.{}", key.text), value)))
                .collect(),
            _ => {
                self.problem(value.at, format!("`{field}` is a map of texts"), "write `key: value` lines below it");
                StringMap::new()
            }
        }
    }

    fn metadata(&mut self, value: Filled<'_>) -> StringMap {
        if let FilledKind::Map(map) = &value.kind {
            for (key, _) in map {
                if STAMP_KEYS.contains(&key.text.as_str()) {
                    self.problem(
                        key.at.clone(),
                        format!("`{}` belongs to the stamp, which is written for you", key.text),
                        "take it away",
                    );
                }
            }
        }
        self.map("metadata", value)
    }

    fn processors(&mut self, value: Filled<'_>) -> BTreeMap<String, StringMap> {
        let mut processors = BTreeMap::new();
        match value.kind {
            FilledKind::Null | FilledKind::Broken => {}
            FilledKind::Map(map) => {
                for (key, value) in map {
                    let config = self.map(&format!("processors.{}", key.text), value);
                    processors.insert(key.text.clone(), config);
                }
            }
            _ => self.problem(
                value.at,
                "`processors` is a map of processors with their configuration",
                "write `log: {forward: true}` below it",
            ),
        }
        processors
    }

    fn executor_config(&mut self, value: Filled<'_>) -> StringMap {
        let mut config = StringMap::new();
        let map = match value.kind {
            FilledKind::Null | FilledKind::Broken => return config,
            FilledKind::Map(map) => map,
            _ => {
                self.problem(value.at, "`executor_config` is a map of texts", "write `key: value` lines below it");
                return config;
            }
        };
        for (key, mut value) in map {
            self.seen.config.insert(key.text.clone(), value.at.clone());
            let field = format!("executor_config.{}", key.text);
            value.secret = value.has_secret();
            let text = match (key.text.as_str(), &value.kind) {
                (_, FilledKind::Null) => continue,
                ("body", FilledKind::List(_) | FilledKind::Map(_)) => {
                    let mut json = String::new();
                    self.json(&value, &mut json);
                    self.string(&field, Filled { kind: FilledKind::String(json), ..value })
                }
                ("headers", FilledKind::List(_) | FilledKind::Map(_)) => {
                    let list = self.headers(&value);
                    self.string(&field, Filled { kind: FilledKind::String(list), ..value })
                }
                _ => self.string(&field, value),
            };
            config.insert(key.text.clone(), text);
        }
        config
    }

    /// The JSON list of `Name: value` that Dkron wants (FACTS 22), from a map or a list.
    fn headers(&mut self, value: &Filled<'_>) -> String {
        let mut list = Vec::new();
        match &value.kind {
            FilledKind::Map(map) => {
                for (key, value) in map {
                    if !matches!(value.kind, FilledKind::Null) {
                        let text = self.string("executor_config.headers", value.clone());
                        list.push(format!("{}: {text}", key.text));
                    }
                }
            }
            FilledKind::List(headers) => {
                for header in headers {
                    let text = self.string("executor_config.headers", header.clone());
                    list.push(text);
                }
            }
            _ => {}
        }
        serde_json::Value::from(list).to_string()
    }

    /// Compact JSON in the order of the template.
    fn json(&mut self, value: &Filled<'_>, out: &mut String) {
        match &value.kind {
            FilledKind::Null | FilledKind::Broken => out.push_str("null"),
            FilledKind::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            FilledKind::Number(text) => match json_number(text) {
                Some(number) => out.push_str(&number),
                None => self.problem(
                    value.at.clone(),
                    format!("`{text}` is no number that JSON has"),
                    "quote it if it is meant as a text",
                ),
            },
            FilledKind::String(text) => write_text(out, text),
            FilledKind::List(list) => write_list(out, list, |out, value| self.json(value, out)),
            FilledKind::Map(map) => {
                let members = map.iter().map(|(key, value)| (key.text.as_str(), value));
                write_object(out, members, |out, value| self.json(value, out));
            }
        }
    }

    /// What depends on several fields: defaults, and what Dkron would refuse.
    fn finish(&mut self, whole: &Range<usize>) {
        match self.seen.name.clone() {
            None => self.problem(whole.start..whole.start, "this job has no name", "add `name: …`"),
            Some(_) if self.is_broken(&["name"]) => {}
            Some(at) => {
                if let Some(problem) = Job::name_problem(&self.job.name) {
                    self.refused(("name-invalid", "name"), at, problem, NAME_REMEDY);
                }
            }
        }
        if !self.job.parent_job.is_empty() && *self.job.parent_job == *self.job.name {
            let at = self.seen.parent.clone().unwrap_or(whole.start..whole.start);
            let remedy = "name another job in `parent_job`, or none";
            self.refused(("parent-cycle", "parent_job"), at, "the job is its own parent", remedy);
        }
        if !self.seen.tags {
            self.job.tags.insert(ONE_SERVER.0.to_owned(), ONE_SERVER.1.to_owned());
        }
        if !self.seen.executor && self.job.executor_config.contains_key("url") {
            HTTP.clone_into(&mut self.job.executor);
        }
        let schedule = self.schedule(whole);
        if self.job.executor == HTTP {
            self.http(schedule.as_ref());
        }
        if let Some(at) = self.seen.config.get(TIMEOUT).cloned()
            && self.job.has_bad_shell_timeout()
        {
            let message = "the shell executor's `timeout` is no duration, and Dkron refuses the job";
            self.problem(at, message, "write a number with its unit: `timeout: 30s`");
        }
    }

    fn is_broken(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.seen.broken.contains(*field))
    }

    fn schedule(&mut self, whole: &Range<usize>) -> Option<Schedule> {
        if self.seen.utc {
            match (&self.seen.timezone, self.job.timezone.as_str()) {
                (None, _) => "UTC".clone_into(&mut self.job.timezone),
                (Some(_), "UTC" | "Etc/UTC" | "") => {}
                (Some(at), _) => self.problem(
                    at.clone(),
                    "`refresh_schedule()` counts in UTC, where no hour is skipped; another time zone breaks its promise",
                    "take `timezone` away, or write the schedule by hand",
                ),
            }
        }
        if self.is_broken(&["schedule", "timezone", "name"]) || self.seen.name.is_none() {
            return None;
        }
        // A child runs after its parent and needs none.
        let has_parent = !self.job.parent_job.is_empty() || self.is_broken(&["parent_job"]);
        if self.job.schedule.is_empty() && has_parent {
            return None;
        }
        let Some(at) = self.seen.schedule.clone() else {
            let remedy = "add `schedule: …` (`@manually` for never by itself), or `parent_job: …`";
            let message = "this job has neither a schedule nor a parent";
            self.refused(("schedule-invalid", "schedule"), whole.start..whole.start, message, remedy);
            return None;
        };
        match Schedule::parse(&self.job.schedule, &self.job.name, &self.job.timezone) {
            Ok(schedule) => Some(schedule),
            // A later Dkron may know it. None takes an empty one, nor one that it crashes on.
            Err(ScheduleError::Schedule(_) | ScheduleError::Timezone(_))
                if self.allow_unknown_schedules && !self.job.schedule.is_empty() =>
            {
                None
            }
            Err(error @ (ScheduleError::Schedule(_) | ScheduleError::Crash)) => {
                self.refused(("schedule-invalid", "schedule"), at, error.to_string(), SCHEDULE_REMEDY);
                None
            }
            Err(error @ ScheduleError::Timezone(_)) => {
                let at = self.seen.timezone.clone().unwrap_or(at);
                self.refused(("schedule-invalid", "timezone"), at, error.to_string(), TIMEZONE_REMEDY);
                None
            }
        }
    }

    fn http(&mut self, schedule: Option<&Schedule>) {
        let silent = |key: &str| !self.seen.config.contains_key(key);
        let (timeout, expect_code) = (silent(TIMEOUT), silent(EXPECT_CODE.0));
        if timeout {
            self.job.executor_config.insert(TIMEOUT.to_owned(), http::fitting_timeout(schedule));
        }
        if expect_code {
            self.job.executor_config.insert(EXPECT_CODE.0.to_owned(), EXPECT_CODE.1.to_owned());
        }
    }
}

/// A YAML number as JSON writes it: as it stands where that is JSON, else as the integer it means.
fn json_number(text: &str) -> Option<String> {
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Some(text.to_owned());
    }
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => (text.strip_prefix('+').unwrap_or(text), 10),
    };
    u64::from_str_radix(digits, radix).ok().map(|number| number.to_string())
}

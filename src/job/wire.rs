//! JSON as Dkron speaks it, to and from [`Job`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CONCURRENCY_ALLOW, Job, LiveJob, Packed, StringMap, stamp};

/// The fields of a definition, by their names in Dkron's API.
pub const FIELDS: [&str; 18] = [
    "name",
    "displayname",
    "timezone",
    "schedule",
    "owner",
    "owner_email",
    "disabled",
    "tags",
    "metadata",
    "retries",
    "parent_job",
    "processors",
    "concurrency",
    "executor",
    "executor_config",
    "ephemeral",
    "starts_at",
    "expires_at",
];

/// Fields that only the server may set; they are dropped on reading and never sent (FACTS 8, 9).
pub const SERVER_FIELDS: [&str; 8] =
    ["id", "next", "status", "success_count", "error_count", "last_success", "last_error", "dependent_jobs"];

/// A job as Dkron's API gives it. Every field may be absent or `null`; unknown ones are ignored, as Dkron does (FACTS 6).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct WireJob {
    name: String,
    displayname: Option<String>,
    timezone: Option<String>,
    schedule: Option<String>,
    owner: Option<String>,
    owner_email: Option<String>,
    disabled: Option<bool>,
    tags: Option<StringMap>,
    metadata: Option<StringMap>,
    retries: Option<u32>,
    parent_job: Option<String>,
    processors: Option<BTreeMap<String, Option<StringMap>>>,
    concurrency: Option<String>,
    executor: Option<String>,
    executor_config: Option<StringMap>,
    ephemeral: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    starts_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient")]
    expires_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient")]
    next: Option<Timestamp>,
    dependent_jobs: Option<Vec<String>>,
}

impl From<WireJob> for LiveJob {
    fn from(mut wire: WireJob) -> Self {
        let next = wire.next.filter(set);
        let dependents = wire.dependent_jobs.take().unwrap_or_default();
        Self { job: Packed::new(&wire.into()), next, dependents }
    }
}

impl From<WireJob> for Job {
    fn from(wire: WireJob) -> Self {
        let concurrency = wire.concurrency.filter(|c| !c.is_empty());
        Self {
            name: wire.name,
            displayname: wire.displayname.unwrap_or_default(),
            timezone: wire.timezone.unwrap_or_default(),
            schedule: wire.schedule.unwrap_or_default(),
            owner: wire.owner.unwrap_or_default(),
            owner_email: wire.owner_email.unwrap_or_default(),
            disabled: wire.disabled.unwrap_or_default(),
            tags: wire.tags.unwrap_or_default(),
            metadata: wire.metadata.unwrap_or_default(),
            retries: wire.retries.unwrap_or_default(),
            parent_job: wire.parent_job.unwrap_or_default(),
            processors: wire
                .processors
                .unwrap_or_default()
                .into_iter()
                .map(|(name, config)| (name, config.unwrap_or_default()))
                .collect(),
            concurrency: concurrency.unwrap_or_else(|| CONCURRENCY_ALLOW.to_owned()),
            executor: wire.executor.unwrap_or_default(),
            executor_config: wire.executor_config.unwrap_or_default(),
            ephemeral: wire.ephemeral.unwrap_or_default(),
            starts_at: wire.starts_at.filter(set),
            expires_at: wire.expires_at.filter(set),
        }
    }
}

/// An instant as Dkron writes it. People write "never" as the last day of the year 9999, whose end lies beyond what a
/// [`Timestamp`] holds: it is the last one then, on both sides of a comparison. `None` for what is no instant: one odd
/// job of somebody else's must not keep all others from being read.
pub fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.starts_with("9999-12-3").then_some(Timestamp::MAX))
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().and_then(instant))
}

/// Go writes "no instant" as the first second of year 1.
fn set(instant: &Timestamp) -> bool {
    instant.as_second() > GO_ZERO_TIME_SECONDS
}

/// `0001-01-01T00:00:00Z` in seconds since 1970.
const GO_ZERO_TIME_SECONDS: i64 = -62_135_596_800;

/// The body to post: what the client owns, defaults left out (Dkron fills them in, FACTS 6), keys in one fixed order.
impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        View { job: self, disabled: self.disabled, keep: |_| true }.serialize(serializer)
    }
}

/// The definition without `disabled` and without the stamp: what the stamp's digest is about.
pub(super) fn digest_view(job: &Job) -> impl Serialize {
    View { job, disabled: false, keep: |key| !stamp::STAMP_KEYS.contains(&key) }
}

struct View<'a> {
    job: &'a Job,
    disabled: bool,
    keep: fn(&str) -> bool,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let job = self.job;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &job.name)?;
        for (key, text) in [
            ("displayname", &job.displayname),
            ("timezone", &job.timezone),
            ("schedule", &job.schedule),
            ("owner", &job.owner),
            ("owner_email", &job.owner_email),
            ("parent_job", &job.parent_job),
            ("executor", &job.executor),
        ] {
            if !text.is_empty() {
                map.serialize_entry(key, text)?;
            }
        }
        if self.disabled {
            map.serialize_entry("disabled", &true)?;
        }
        if !job.tags.is_empty() {
            map.serialize_entry("tags", &Strings(&job.tags))?;
        }
        let metadata: BTreeMap<_, _> = job.metadata.iter().filter(|(key, _)| (self.keep)(key)).collect();
        if !metadata.is_empty() {
            map.serialize_entry("metadata", &metadata)?;
        }
        if job.retries > 0 {
            map.serialize_entry("retries", &job.retries)?;
        }
        if !job.processors.is_empty() {
            let processors: BTreeMap<_, _> = job.processors.iter().map(|(name, map)| (name, Strings(map))).collect();
            map.serialize_entry("processors", &processors)?;
        }
        map.serialize_entry("concurrency", &job.concurrency)?;
        if !job.executor_config.is_empty() {
            map.serialize_entry("executor_config", &Strings(&job.executor_config))?;
        }
        if job.ephemeral {
            map.serialize_entry("ephemeral", &true)?;
        }
        for (key, instant) in [("starts_at", job.starts_at), ("expires_at", job.expires_at)] {
            if let Some(instant) = instant {
                map.serialize_entry(key, &instant.to_string())?;
            }
        }
        map.end()
    }
}

/// JSON of what always has a JSON form: strings, numbers, bools and maps of strings.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let written = serde_json::to_writer(&mut bytes, value);
    debug_assert!(written.is_ok(), "a job always has a JSON form");
    bytes
}

/// A map as a JSON object also where it is empty, which [`StringMap`] itself would write as a list.
struct Strings<'a>(&'a StringMap);

impl Serialize for Strings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

//! JSON as Dkron speaks it, to and from [`Job`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{CONCURRENCY_ALLOW, Job, LiveJob, Packed, STAMP_KEYS, STAMP_PREFIX, StringMap};

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
/// Texts are borrowed from the JSON where it has no escapes in them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct WireJob<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    displayname: Option<Text<'a>>,
    timezone: Option<Text<'a>>,
    schedule: Option<Text<'a>>,
    owner: Option<Text<'a>>,
    owner_email: Option<Text<'a>>,
    disabled: Option<bool>,
    tags: Option<Pairs<'a>>,
    metadata: Option<Pairs<'a>>,
    retries: Option<u32>,
    parent_job: Option<Text<'a>>,
    processors: Option<BTreeMap<String, Option<Pairs<'a>>>>,
    concurrency: Option<Text<'a>>,
    executor: Option<Text<'a>>,
    executor_config: Option<Pairs<'a>>,
    ephemeral: Option<bool>,
    starts_at: Option<Instant>,
    expires_at: Option<Instant>,
    next: Option<Instant>,
    dependent_jobs: Option<Vec<String>>,
}

impl From<WireJob<'_>> for LiveJob {
    fn from(wire: WireJob<'_>) -> Self {
        Self {
            job: wire.view().pack(),
            next: wire.next.and_then(Instant::set),
            dependents: wire.dependent_jobs.unwrap_or_default(),
        }
    }
}

impl From<WireJob<'_>> for Job {
    fn from(wire: WireJob<'_>) -> Self {
        let view = wire.view();
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self {
            name: view.name.to_owned(),
            displayname: view.displayname.to_owned(),
            timezone: view.timezone.to_owned(),
            schedule: view.schedule.to_owned(),
            owner: view.owner.to_owned(),
            owner_email: view.owner_email.to_owned(),
            disabled: view.disabled,
            tags: map(&view.tags),
            metadata: map(&view.metadata),
            retries: view.retries,
            parent_job: view.parent_job.to_owned(),
            processors: view.processors.iter().map(|(name, config)| ((*name).to_owned(), map(config))).collect(),
            concurrency: view.concurrency.to_owned(),
            executor: view.executor.to_owned(),
            executor_config: map(&view.executor_config),
            ephemeral: view.ephemeral,
            starts_at: view.starts_at,
            expires_at: view.expires_at,
        }
    }
}

impl WireJob<'_> {
    /// The field that should hold an instant and does not, if there is one. Reading takes it for none: one odd job of somebody
    /// else's must not keep all others from being read.
    pub fn odd_instant(&self) -> Option<&'static str> {
        let is_odd = |instant: Option<Instant>| instant.is_some_and(|Instant(instant)| instant.is_none());
        let fields = [("starts_at", self.starts_at), ("expires_at", self.expires_at)];
        fields.into_iter().find_map(|(field, instant)| is_odd(instant).then_some(field))
    }

    /// The definition, in canonical form.
    fn view(&self) -> View<'_> {
        fn text<'t>(text: Option<&'t Text<'_>>) -> &'t str {
            text.map_or("", |Text(text)| text)
        }
        fn pairs<'p>(pairs: Option<&'p Pairs<'_>>) -> Vec<(&'p str, &'p str)> {
            let list = pairs.map_or(&[][..], |Pairs(list)| list);
            list.iter().map(|(Text(key), Text(value))| (&**key, &**value)).collect()
        }
        View {
            name: &self.name.0,
            displayname: text(self.displayname.as_ref()),
            timezone: text(self.timezone.as_ref()),
            schedule: text(self.schedule.as_ref()),
            owner: text(self.owner.as_ref()),
            owner_email: text(self.owner_email.as_ref()),
            disabled: self.disabled.unwrap_or_default(),
            tags: pairs(self.tags.as_ref()),
            metadata: pairs(self.metadata.as_ref()),
            retries: self.retries.unwrap_or_default(),
            parent_job: text(self.parent_job.as_ref()),
            processors: self
                .processors
                .iter()
                .flatten()
                .map(|(name, config)| (&**name, pairs(config.as_ref())))
                .collect(),
            concurrency: match text(self.concurrency.as_ref()) {
                "" => CONCURRENCY_ALLOW,
                said => said,
            },
            executor: text(self.executor.as_ref()),
            executor_config: pairs(self.executor_config.as_ref()),
            ephemeral: self.ephemeral.unwrap_or_default(),
            starts_at: self.starts_at.and_then(Instant::set),
            expires_at: self.expires_at.and_then(Instant::set),
        }
    }
}

/// A string, borrowed where the JSON has no escape in it.
#[derive(Debug, Clone, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A map of strings by its keys in order, each once; of two equal keys the later counts, as everywhere in JSON.
#[derive(Debug, Clone, Default)]
struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                // Go writes them sorted; anybody else may not.
                if !pairs.is_sorted_by(|(Text(a), _), (Text(b), _)| a < b) {
                    pairs.reverse();
                    pairs.sort_by(|(Text(a), _), (Text(b), _)| a.cmp(b));
                    pairs.dedup_by(|(Text(a), _), (Text(b), _)| a == b);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// An instant as Dkron writes it. People write "never" as the last day of the year 9999, whose end lies beyond what a
/// [`Timestamp`] holds: it is the last one then, on both sides of a comparison. `None` for what is no instant: one odd
/// job of somebody else's must not keep all others from being read.
pub fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.starts_with("9999-12-3").then_some(Timestamp::MAX))
}

/// A text that is an instant, or one that is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant(Option<Timestamp>);

impl Instant {
    /// The instant. Go writes "no instant" as the first second of year 1.
    pub(super) fn set(self) -> Option<Timestamp> {
        self.0.filter(|instant| instant.as_second() > GO_ZERO_TIME_SECONDS)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|Text(text)| Self(instant(&text)))
    }
}

/// `0001-01-01T00:00:00Z` in seconds since 1970.
const GO_ZERO_TIME_SECONDS: i64 = -62_135_596_800;

/// The body to post: what the client owns, defaults left out (Dkron fills them in, FACTS 6), keys in one fixed order.
impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        View::of(self).serialize(serializer)
    }
}

/// The fields of a job in canonical form, borrowed from wherever they are; maps in the order of their keys.
pub(super) struct View<'a> {
    name: &'a str,
    displayname: &'a str,
    timezone: &'a str,
    schedule: &'a str,
    owner: &'a str,
    owner_email: &'a str,
    disabled: bool,
    tags: Vec<(&'a str, &'a str)>,
    metadata: Vec<(&'a str, &'a str)>,
    retries: u32,
    parent_job: &'a str,
    processors: Vec<(&'a str, Vec<(&'a str, &'a str)>)>,
    concurrency: &'a str,
    executor: &'a str,
    executor_config: Vec<(&'a str, &'a str)>,
    ephemeral: bool,
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl<'a> View<'a> {
    pub(super) fn of(job: &'a Job) -> Self {
        fn pairs(map: &StringMap) -> Vec<(&str, &str)> {
            map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
        }
        Self {
            name: &job.name,
            displayname: &job.displayname,
            timezone: &job.timezone,
            schedule: &job.schedule,
            owner: &job.owner,
            owner_email: &job.owner_email,
            disabled: job.disabled,
            tags: pairs(&job.tags),
            metadata: pairs(&job.metadata),
            retries: job.retries,
            parent_job: &job.parent_job,
            processors: job.processors.iter().map(|(name, config)| (name.as_str(), pairs(config))).collect(),
            concurrency: &job.concurrency,
            executor: &job.executor,
            executor_config: pairs(&job.executor_config),
            ephemeral: job.ephemeral,
            starts_at: job.starts_at,
            expires_at: job.expires_at,
        }
    }

    /// Takes `disabled` and the stamp out: what is left is the definition that the stamp's digest is about.
    fn into_definition(mut self) -> (Self, bool, Vec<(&'a str, &'a str)>) {
        let (stamp, metadata) =
            self.metadata.iter().partition(|(key, _)| key.starts_with(STAMP_PREFIX) && STAMP_KEYS.contains(key));
        self.metadata = metadata;
        let disabled = std::mem::take(&mut self.disabled);
        (self, disabled, stamp)
    }

    /// The canonical JSON of the definition alone.
    pub(super) fn definition(self) -> Vec<u8> {
        json(&self.into_definition().0)
    }

    /// The whole job in little memory.
    pub(super) fn pack(self) -> Packed {
        let (definition, disabled, stamp) = self.into_definition();
        let parent = Some(definition.parent_job).filter(|parent| !parent.is_empty());
        Packed::of(definition.name, parent, json(&definition), &stamp, disabled)
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        for (key, text) in [
            ("displayname", self.displayname),
            ("timezone", self.timezone),
            ("schedule", self.schedule),
            ("owner", self.owner),
            ("owner_email", self.owner_email),
            ("parent_job", self.parent_job),
            ("executor", self.executor),
        ] {
            if !text.is_empty() {
                map.serialize_entry(key, text)?;
            }
        }
        if self.disabled {
            map.serialize_entry("disabled", &true)?;
        }
        if !self.tags.is_empty() {
            map.serialize_entry("tags", &Strings(&self.tags))?;
        }
        if !self.metadata.is_empty() {
            map.serialize_entry("metadata", &Strings(&self.metadata))?;
        }
        if self.retries > 0 {
            map.serialize_entry("retries", &self.retries)?;
        }
        if !self.processors.is_empty() {
            let processors: BTreeMap<_, _> = self.processors.iter().map(|(name, map)| (name, Strings(map))).collect();
            map.serialize_entry("processors", &processors)?;
        }
        map.serialize_entry("concurrency", self.concurrency)?;
        if !self.executor_config.is_empty() {
            map.serialize_entry("executor_config", &Strings(&self.executor_config))?;
        }
        if self.ephemeral {
            map.serialize_entry("ephemeral", &true)?;
        }
        for (key, instant) in [("starts_at", self.starts_at), ("expires_at", self.expires_at)] {
            if let Some(instant) = instant {
                map.serialize_entry(key, &instant.to_string())?;
            }
        }
        map.end()
    }
}

/// Pairs of strings as a JSON object.
pub(super) struct Strings<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl Serialize for Strings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// JSON of what always has a JSON form: strings, numbers, bools and maps of strings.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let written = serde_json::to_writer(&mut bytes, value);
    debug_assert!(written.is_ok(), "a job always has a JSON form");
    bytes
}

//! JSON as Dkron speaks it, read into [`Job`] and [`LiveJob`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer};

use crate::sort;

use super::{CONCURRENCY_ALLOW, Fields, Job, LiveJob, Pairs};

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

/// A job as Dkron's API gives it. Every field may be absent, and all but `name` may be `null`; unknown ones are ignored, as
/// Dkron does (FACTS 6). Texts are borrowed from the JSON where it has no escapes in them.
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
    tags: Option<Entries<'a>>,
    metadata: Option<Entries<'a>>,
    retries: Option<Whole<u32>>,
    parent_job: Option<Text<'a>>,
    processors: Option<BTreeMap<String, Option<Entries<'a>>>>,
    concurrency: Option<Text<'a>>,
    executor: Option<Text<'a>>,
    executor_config: Option<Entries<'a>>,
    ephemeral: Option<bool>,
    starts_at: Option<Instant>,
    expires_at: Option<Instant>,
    next: Option<Instant>,
    dependent_jobs: Option<Vec<String>>,
}

impl From<WireJob<'_>> for LiveJob {
    fn from(wire: WireJob<'_>) -> Self {
        Self {
            job: wire.fields().pack(),
            next: wire.next.and_then(Instant::set),
            dependents: wire.dependent_jobs.unwrap_or_default(),
        }
    }
}

impl From<WireJob<'_>> for Job {
    fn from(wire: WireJob<'_>) -> Self {
        Self::from(&wire.fields())
    }
}

impl From<&Fields<'_>> for Job {
    fn from(fields: &Fields<'_>) -> Self {
        let map = |pairs: &Pairs<'_>| pairs.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self {
            name: fields.name.to_owned(),
            displayname: fields.displayname.to_owned(),
            timezone: fields.timezone.to_owned(),
            schedule: fields.schedule.to_owned(),
            owner: fields.owner.to_owned(),
            owner_email: fields.owner_email.to_owned(),
            disabled: fields.disabled,
            tags: map(&fields.tags),
            metadata: map(&fields.metadata),
            retries: fields.retries,
            parent_job: fields.parent_job.to_owned(),
            processors: fields.processors.iter().map(|(name, config)| ((*name).to_owned(), map(config))).collect(),
            concurrency: fields.concurrency.to_owned(),
            executor: fields.executor.to_owned(),
            executor_config: map(&fields.executor_config),
            ephemeral: fields.ephemeral,
            starts_at: fields.starts_at,
            expires_at: fields.expires_at,
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
    pub(crate) fn fields(&self) -> Fields<'_> {
        fn text<'t>(text: Option<&'t Text<'_>>) -> &'t str {
            text.map_or("", |Text(text)| text)
        }
        fn pairs<'p>(entries: Option<&'p Entries<'_>>) -> Pairs<'p> {
            entries.into_iter().flat_map(Entries::iter).collect()
        }
        Fields {
            name: &self.name.0,
            displayname: text(self.displayname.as_ref()),
            timezone: text(self.timezone.as_ref()),
            schedule: text(self.schedule.as_ref()),
            owner: text(self.owner.as_ref()),
            owner_email: text(self.owner_email.as_ref()),
            disabled: self.disabled.unwrap_or_default(),
            tags: pairs(self.tags.as_ref()),
            metadata: pairs(self.metadata.as_ref()),
            retries: self.retries.map_or(0, |Whole(retries)| retries),
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
struct Entries<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Entries<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(Text(key), Text(value))| (&**key, &**value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                // Go writes them sorted; anybody else may not.
                sort::last_of_each(&mut pairs, |(Text(a), _), (Text(b), _)| a.cmp(b));
                Ok(Entries(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A whole number: whoever reads that there is none is told so, and not the name of a type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: TryFrom<i64> + TryFrom<u64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<T: TryFrom<i64> + TryFrom<u64>> de::Visitor<'_> for Visitor<T> {
            type Value = Whole<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(if T::try_from(-1_i64).is_ok() {
                    "a whole number"
                } else {
                    "a whole number from 0 to 4294967295"
                })
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole<T>, E> {
                T::try_from(number).map(Whole).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole<T>, E> {
                T::try_from(number).map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_i64(Visitor(PhantomData))
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

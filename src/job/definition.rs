//! The definition of a job: what a client says about it, and what the digest in the stamp covers.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use litemap::LiteMap;
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Job;

/// Dkron's maps of strings: tags, metadata and plugin configurations (FACTS 12).
pub type StringMap = LiteMap<String, String>;

/// Every field of a job that a client owns, without the name, the switch and the stamp. Names and defaults are Dkron's (FACTS 6).
///
/// Absent, `null` and empty are the same (FACTS 17). The order of the fields is the order in which the digest covers them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// What the UI shows instead of the name; empty for none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub displayname: String,
    /// IANA time zone of the schedule; empty for the server's own.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub timezone: String,
    /// When to run (FACTS 19); may be empty for a child.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// Free text; not the owner in the stamp.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Where Dkron mails notifications.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub owner_email: String,
    /// The job after whose runs this one runs; empty for none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub parent_job: String,
    /// The plugin that runs it: `http`, `shell`, …
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub executor: String,
    /// Which nodes run it: `{"server": "true:1"}` is one server (FACTS 22d).
    #[serde(deserialize_with = "map", skip_serializing_if = "LiteMap::is_empty")]
    pub tags: StringMap,
    /// Free key-values, without the stamp.
    #[serde(deserialize_with = "map", skip_serializing_if = "LiteMap::is_empty")]
    pub metadata: StringMap,
    /// How often a failed run is tried again.
    #[serde(deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Output processors by name.
    #[serde(deserialize_with = "maps", serialize_with = "write_maps", skip_serializing_if = "BTreeMap::is_empty")]
    pub processors: BTreeMap<String, StringMap>,
    /// Whether runs may overlap.
    pub concurrency: Concurrency,
    /// The plugin's configuration.
    #[serde(deserialize_with = "map", skip_serializing_if = "LiteMap::is_empty")]
    pub executor_config: StringMap,
    /// Deleted by Dkron after the first success.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// Not run before.
    #[serde(deserialize_with = "set_instant", skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Not run after.
    #[serde(deserialize_with = "set_instant", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Whether a run may begin while another has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// It may: `allow`, and what Dkron means by the empty string (FACTS 6, 12).
    #[default]
    Allow,
    /// It may not: `forbid`.
    Forbid,
    /// A word that Dkron refuses.
    Unknown(String),
}

impl Concurrency {
    /// Dkron's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Allow => "allow",
            Self::Forbid => "forbid",
            Self::Unknown(word) => word,
        }
    }
}

impl From<&str> for Concurrency {
    fn from(word: &str) -> Self {
        match word {
            "" | "allow" => Self::Allow,
            "forbid" => Self::Forbid,
            _ => Self::Unknown(word.to_owned()),
        }
    }
}

impl Serialize for Concurrency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Concurrency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(or_default::<String, D>(deserializer)?.as_str().into())
    }
}

/// The place of a value in a job: a field, a key where the field is a map, and a second key for `processors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The field's name in Dkron's API.
    pub field: &'static str,
    /// The key in a map, or the processor's name.
    pub key: Option<&'a str>,
    /// The key in a processor's configuration.
    pub option: Option<&'a str>,
}

/// The path in Dkron's names: `schedule`, `executor_config.url`, `processors.log.forward`.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        [self.key, self.option].into_iter().flatten().try_for_each(|key| write!(f, ".{key}"))
    }
}

/// A value at a [`Place`].
#[derive(Debug)]
pub enum Leaf<'a> {
    /// A text, which may be changed.
    Text(&'a mut String),
    /// What is no text: a switch, a number, an instant.
    Value(Value),
    /// A map, before its values.
    Map,
}

impl Job {
    /// Visits every value of the job but the stamp, in the order in which differences are shown.
    pub fn walk(&mut self, mut visit: impl FnMut(Place<'_>, Leaf<'_>)) {
        fn map(map: &mut StringMap, field: &'static str, visit: &mut impl FnMut(Place<'_>, Leaf<'_>)) {
            visit(Place { field, key: None, option: None }, Leaf::Map);
            for (key, value) in map.iter_mut() {
                visit(Place { field, key: Some(key), option: None }, Leaf::Text(value));
            }
        }
        let disabled = self.disabled;
        // Named one by one, so that a new field that is forgotten here does not compile.
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
        } = &mut **self;
        let visit = &mut visit;
        let at = |field| Place { field, key: None, option: None };
        let instant = |instant: &Option<Timestamp>| Leaf::Value(instant.map(|instant| instant.to_string()).into());
        visit(at("displayname"), Leaf::Text(displayname));
        visit(at("schedule"), Leaf::Text(schedule));
        visit(at("timezone"), Leaf::Text(timezone));
        visit(at("parent_job"), Leaf::Text(parent_job));
        visit(at("disabled"), Leaf::Value(disabled.into()));
        visit(at("executor"), Leaf::Text(executor));
        map(executor_config, "executor_config", visit);
        visit(at("concurrency"), Leaf::Value(concurrency.as_str().into()));
        visit(at("retries"), Leaf::Value((*retries).into()));
        map(tags, "tags", visit);
        map(metadata, "metadata", visit);
        visit(at("processors"), Leaf::Map);
        for (name, config) in processors {
            let place = Place { key: Some(name), ..at("processors") };
            visit(place, Leaf::Map);
            for (option, value) in config.iter_mut() {
                visit(Place { option: Some(option), ..place }, Leaf::Text(value));
            }
        }
        visit(at("owner"), Leaf::Text(owner));
        visit(at("owner_email"), Leaf::Text(owner_email));
        visit(at("ephemeral"), Leaf::Value((*ephemeral).into()));
        visit(at("starts_at"), instant(starts_at));
        visit(at("expires_at"), instant(expires_at));
    }

    /// Visits every text of the job as [`Job::walk`], to read it. A job is copied for it.
    pub fn texts(&self, mut visit: impl FnMut(Place<'_>, &str)) {
        self.clone().walk(|place, leaf| {
            if let Leaf::Text(text) = leaf {
                visit(place, text);
            }
        });
    }
}

/// An instant as Dkron writes it. People write "never" as the last day of the year 9999, whose end lies beyond what a
/// [`Timestamp`] holds: it is the last one then, on both sides of a comparison. `None` for what is no instant.
pub fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.starts_with("9999-12-3").then_some(Timestamp::MAX))
}

/// `0001-01-01T00:00:00Z` in seconds since 1970: Go writes it for "no instant".
const GO_ZERO_TIME_SECONDS: i64 = -62_135_596_800;

/// An instant that is set. What is no instant counts as none: one odd job of somebody else must not keep all others from being read.
pub(super) fn set_instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(instant).filter(|instant| instant.as_second() > GO_ZERO_TIME_SECONDS))
}

/// `null` is the default.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StringMap, D::Error> {
    Ok(or_default::<Strings, D>(deserializer)?.0)
}

fn maps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, StringMap>, D::Error> {
    let maps: BTreeMap<String, Option<Strings>> = or_default(deserializer)?;
    Ok(maps.into_iter().map(|(name, map)| (name, map.unwrap_or_default().0)).collect())
}

/// A `LiteMap` writes itself as a list where it is empty.
fn write_maps<S: Serializer>(maps: &BTreeMap<String, StringMap>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(maps.iter().map(|(name, map)| (name, map.iter().collect::<BTreeMap<_, _>>())))
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::<Whole>::deserialize(deserializer)?.map_or(0, |Whole(number)| number))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A map of strings; of two equal keys the later counts, as everywhere in JSON. An error says what was expected without a type's name.
#[derive(Default)]
struct Strings(StringMap);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Strings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Strings, A::Error> {
                let mut map = StringMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    map.insert(key, value);
                }
                Ok(Strings(map))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A whole number. An error says so, without a type's name.
struct Whole(u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 4294967295")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                number.try_into().map(Whole).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                number.try_into().map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_i64(Visitor)
    }
}

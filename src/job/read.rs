//! The one reader and the one writer of a job's JSON, as Dkron's API and files of jobs have it.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::de::value::CowStrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::Value;

use super::definition::{instant, set_instant};
use super::{Definition, Job, LiveJob};

/// Fields that only the server may set; they are dropped on reading and never sent (FACTS 8, 9).
pub const SERVER_FIELDS: [&str; 8] =
    ["id", "next", "status", "success_count", "error_count", "last_success", "last_error", "dependent_jobs"];

/// The fields that a client may set, by their names in Dkron's API: name and switch, and those of the [`Definition`].
pub static FIELDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut fields = vec!["name", "disabled"];
    // It fails once it has noted the fields; there is nothing to read.
    let _ = Definition::deserialize(FieldNames(&mut fields));
    fields
});

/// Which field should hold an instant and holds another text, if one does. [`LiveJob`] takes it for none.
pub fn odd_instant(job: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Instants<'a> {
        #[serde(borrow)]
        starts_at: Option<Cow<'a, str>>,
        #[serde(borrow)]
        expires_at: Option<Cow<'a, str>>,
    }
    let Instants { starts_at, expires_at } = serde_json::from_slice(job).ok()?;
    let fields = [("starts_at", starts_at), ("expires_at", expires_at)];
    fields.into_iter().find_map(|(field, text)| text.is_some_and(|text| instant(&text).is_none()).then_some(field))
}

/// All of the client's fields, defaults other than `concurrency` left out (FACTS 6), the stamp among the metadata.
impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            disabled: bool,
            #[serde(flatten)]
            definition: Cow<'a, Definition>,
        }
        let mut definition = Cow::Borrowed(&**self);
        if let Some(stamp) = &self.stamp {
            definition.to_mut().metadata.extend(stamp.metadata());
        }
        Body { name: &self.name, disabled: self.disabled, definition }.serialize(serializer)
    }
}

impl Job {
    /// What is posted to have this job, as JSON.
    pub fn body(&self) -> String {
        // Texts, numbers and maps with texts as keys are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The canonical JSON that the digest is made of: the name and the definition.
    pub(super) fn canonical(&self) -> String {
        #[derive(Serialize)]
        struct Canonical<'a> {
            name: &'a str,
            #[serde(flatten)]
            definition: &'a Definition,
        }
        serde_json::to_string(&Canonical { name: &self.name, definition: self }).unwrap_or_default()
    }
}

/// Every field may be absent, and all but `name` may be `null`. Fields that nobody knows are kept by their names.
impl<'de> Deserialize<'de> for LiveJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut live = Self::from(Job::new(""));
        let mut definition = Definition::deserialize(Split { from: deserializer, live: &mut live })?;
        live.job.stamp = super::Stamp::take(&mut definition.metadata);
        live.job.definition = definition.into();
        Ok(live)
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LiveJob::deserialize(deserializer).map(|live| live.job)
    }
}

impl LiveJob {
    /// Takes a value that belongs to no definition.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" if !self.job.name.is_empty() => return Err(de::Error::duplicate_field("name")),
            "name" => self.job.name = map.next_value::<Cow<'_, str>>()?.into(),
            "disabled" => self.job.disabled = map.next_value::<Option<bool>>()?.unwrap_or_default(),
            "next" => self.next = map.next_value_seed(Instant)?,
            // Only `status` looks at these: an odd one must keep no job from being read.
            "last_success" => self.history.last_success = set_instant(map.next_value::<Value>()?).unwrap_or_default(),
            "last_error" => self.history.last_error = set_instant(map.next_value::<Value>()?).unwrap_or_default(),
            "success_count" => self.history.successes = map.next_value::<Value>()?.as_u64().unwrap_or_default(),
            "error_count" => self.history.errors = map.next_value::<Value>()?.as_u64().unwrap_or_default(),
            "dependent_jobs" => self.dependents = map.next_value::<Option<_>>()?.unwrap_or_default(),
            _ if SERVER_FIELDS.contains(&key) => drop(map.next_value::<de::IgnoredAny>()?),
            _ => self.unknown.push((key.into(), map.next_value::<Value>()?)),
        }
        Ok(())
    }
}

/// When Dkron means to run a job next.
struct Instant;

impl<'de> DeserializeSeed<'de> for Instant {
    type Value = Option<jiff::Timestamp>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        set_instant(deserializer)
    }
}

/// Gives a [`Definition`] its fields, and all others to a [`LiveJob`], in one pass over the JSON.
struct Split<'l, D> {
    from: D,
    live: &'l mut LiveJob,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Split<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.from.deserialize_map(SplitVisitor { fields, visitor, live: self.live })
    }

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.from.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct SplitVisitor<'l, V> {
    fields: &'static [&'static str],
    visitor: V,
    live: &'l mut LiveJob,
}

impl<'de, V: de::Visitor<'de>> de::Visitor<'de> for SplitVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a job")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = SplitMap { fields: self.fields, map, live: self.live };
        self.visitor.visit_map(map)
    }
}

struct SplitMap<'l, A> {
    fields: &'static [&'static str],
    map: A,
    live: &'l mut LiveJob,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for SplitMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
        while let Some(Key(key)) = self.map.next_key()? {
            if self.fields.contains(&&*key) {
                let key: CowStrDeserializer<'_, A::Error> = key.into_deserializer();
                return seed.deserialize(key).map(Some);
            }
            self.live.take(&key, &mut self.map)?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Notes which fields a struct has, and reads nothing.
struct FieldNames<'f>(&'f mut Vec<&'static str>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(fields);
        Err(Self::Error::custom("nothing to read"))
    }

    fn deserialize_any<V: de::Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, LiveJob};
    use crate::job::History;

    #[test]
    fn odd_words_of_the_server_keep_no_job_from_being_read() {
        let json =
            r#"{"name": "a", "success_count": "many", "error_count": -1, "last_success": 7, "last_error": "soon"}"#;
        let live: LiveJob = serde_json::from_str(json).expect("a job");
        assert_eq!((&*live.job.name, live.history), ("a", History::default()));
    }

    #[test]
    fn the_fields_are_those_of_name_switch_and_definition() {
        assert_eq!(FIELDS[..3], ["name", "disabled", "displayname"]);
        assert_eq!(FIELDS.len(), 18);
    }
}

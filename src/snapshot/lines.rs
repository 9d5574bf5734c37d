//! Jobs as Dkron gave them, as lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::job::{LiveJob, generations};

/// The one field of Dkron's that must not come back (FACTS 9).
const LEFT_OUT: &str = "dependent_jobs";

/// The lines of a backup. Each job stays as it was given, key by key and digit by digit, but for `dependent_jobs` and line breaks.
#[derive(Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    jobs: Vec<Line>,
    by_name: HashMap<Box<str>, usize>,
}

#[derive(Debug)]
struct Line {
    at: Range<usize>,
    parent: Option<Box<str>>,
}

impl Lines {
    /// Takes one job, a JSON object.
    ///
    /// # Errors
    /// Why it cannot be a line: it is no object, or has no name or another's.
    pub fn add(&mut self, object: &[u8]) -> Result<(), String> {
        let fields: Fields<'_> = serde_json::from_slice(object).map_err(|error| error.to_string())?;
        let name = fields.text("name")?.filter(|name| !name.is_empty()).ok_or("a job has no name")?;
        let parent = fields.text("parent_job")?.filter(|parent| !parent.is_empty());
        if self.by_name.insert(name.as_str().into(), self.jobs.len()).is_some() {
            return Err(format!("two jobs have the name `{name}`"));
        }
        let start = self.text.len();
        self.text.push(b'{');
        let kept = fields.0.iter().filter(|(key, _)| key != LEFT_OUT);
        for (index, (key, value)) in kept.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            // Writing into memory cannot fail, and a string always has a JSON form.
            let written = serde_json::to_writer(&mut self.text, key);
            debug_assert!(written.is_ok(), "a string always has a JSON form");
            self.text.push(b':');
            append(&mut self.text, value.get());
        }
        self.text.extend_from_slice(b"}\n");
        self.jobs.push(Line { at: start..self.text.len(), parent: parent.map(Into::into) });
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether two lists hold the same definitions, whatever has run since.
    pub fn same_definitions(&self, other: &Self) -> bool {
        self.jobs.len() == other.jobs.len()
            && self.by_name.keys().all(|name| match (self.job(name), other.job(name)) {
                (Some(one), Some(two)) => one.job == two.job,
                _ => false,
            })
    }

    fn job(&self, name: &str) -> Option<LiveJob> {
        let line = self.jobs.get(*self.by_name.get(name)?)?;
        serde_json::from_slice(self.text.get(line.at.clone())?).ok()
    }

    /// All lines, each with its line break: parents before their children (FACTS 10), else as they were given. Jobs in a circle of
    /// parents, which Dkron accepts (FACTS 10), and those whose parent is not there count as having none.
    pub fn parents_first(&self) -> impl Iterator<Item = &[u8]> {
        let parent = |job: usize| {
            let parent = self.jobs.get(job)?.parent.as_deref()?;
            self.by_name.get(parent).copied()
        };
        let order = generations(&(0..self.jobs.len()).collect::<Vec<_>>(), parent);
        order.into_iter().flatten().filter_map(|job| self.text.get(self.jobs.get(job)?.at.clone()))
    }
}

/// A value without line breaks. They stand only between tokens, where they mean nothing.
fn append(text: &mut Vec<u8>, value: &str) {
    text.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
}

/// A key, which need not be copied unless something in it is escaped.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of an object in their order, values as they stand.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Fields<'_> {
    fn text(&self, field: &str) -> Result<Option<String>, String> {
        let mut found = self.0.iter().filter(|(key, _)| key == field);
        let value = found.next();
        if found.next().is_some() {
            return Err(format!("a job has the field `{field}` twice"));
        }
        let Some((_, value)) = value else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|_| format!("the field `{field}` of a job is no text"))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a job, which is a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(32));
                while let Some((Key(key), value)) = map.next_entry()? {
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

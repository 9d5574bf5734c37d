//! The fields of a job, borrowed from wherever they are, and their one canonical JSON.

use std::convert::Infallible;
use std::fmt::Write;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Job, Packed, STAMP_KEYS, StringMap};

/// The fields of a job in canonical form, as those of a [`Job`], borrowed from wherever they are.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "they are the fields of `Job`")]
pub struct Fields<'a> {
    pub name: &'a str,
    pub displayname: &'a str,
    pub timezone: &'a str,
    pub schedule: &'a str,
    pub owner: &'a str,
    pub owner_email: &'a str,
    pub disabled: bool,
    pub tags: Pairs<'a>,
    pub metadata: Pairs<'a>,
    pub retries: u32,
    pub parent_job: &'a str,
    pub processors: Vec<(&'a str, Pairs<'a>)>,
    pub concurrency: &'a str,
    pub executor: &'a str,
    pub executor_config: Pairs<'a>,
    pub ephemeral: bool,
    pub starts_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

impl<'a> Fields<'a> {
    /// Those of a job that is at hand.
    pub fn of(job: &'a Job) -> Self {
        fn pairs(map: &StringMap) -> Pairs<'_> {
            Pairs(map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect())
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
        let is_stamp = |(key, _): &(&str, &str)| STAMP_KEYS.contains(key);
        let (stamp, metadata) = self.metadata.0.into_iter().partition(is_stamp);
        self.metadata = Pairs(metadata);
        let disabled = std::mem::take(&mut self.disabled);
        (self, disabled, stamp)
    }

    /// The other way round: a definition with its switch and its stamp.
    pub(super) fn with(mut self, disabled: bool, stamp: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        self.disabled = disabled;
        let definition = self.metadata.0.len();
        self.metadata.0.extend(stamp);
        if self.metadata.0.len() > definition {
            self.metadata.0.sort_unstable();
        }
        self
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&'a str> {
        Some(self.parent_job).filter(|parent| !parent.is_empty())
    }

    /// The canonical JSON of the definition alone.
    pub(super) fn definition(self) -> String {
        self.into_definition().0.json()
    }

    /// The whole job in little memory.
    pub(super) fn pack(self) -> Packed {
        let (definition, disabled, stamp) = self.into_definition();
        Packed::of(definition.name, definition.parent(), definition.json(), &stamp, disabled)
    }

    /// All that is not Dkron's default, and `concurrency`, in one fixed order.
    fn each<E>(&self, mut say: impl FnMut(&'static str, Said<'_>) -> Result<(), E>) -> Result<(), E> {
        say("name", Said::Text(self.name))?;
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
                say(key, Said::Text(text))?;
            }
        }
        if self.disabled {
            say("disabled", Said::Yes)?;
        }
        for (key, map) in [("tags", &self.tags), ("metadata", &self.metadata)] {
            if !map.is_empty() {
                say(key, Said::Map(map))?;
            }
        }
        if self.retries > 0 {
            say("retries", Said::Number(self.retries))?;
        }
        if !self.processors.is_empty() {
            say("processors", Said::Maps(&self.processors))?;
        }
        say("concurrency", Said::Text(self.concurrency))?;
        if !self.executor_config.is_empty() {
            say("executor_config", Said::Map(&self.executor_config))?;
        }
        if self.ephemeral {
            say("ephemeral", Said::Yes)?;
        }
        for (key, instant) in [("starts_at", self.starts_at), ("expires_at", self.expires_at)] {
            if let Some(instant) = instant {
                say(key, Said::Text(&instant.to_string()))?;
            }
        }
        Ok(())
    }

    /// The same as JSON. It is what serde makes of it, in two thirds of the instructions: it is asked for of each job, on both
    /// sides of a plan.
    pub(super) fn json(&self) -> String {
        let mut out = String::with_capacity(1024);
        let mut before = '{';
        let Ok(()) = self.each(|key, said| {
            out.push(before);
            before = ',';
            text(&mut out, key);
            out.push(':');
            said.json(&mut out);
            Ok::<_, Infallible>(())
        });
        out.push('}');
        out
    }
}

/// What a field says.
enum Said<'f> {
    Text(&'f str),
    Yes,
    Number(u32),
    Map(&'f Pairs<'f>),
    Maps(&'f [(&'f str, Pairs<'f>)]),
}

impl Said<'_> {
    fn json(&self, out: &mut String) {
        match self {
            Self::Text(said) => text(out, said),
            Self::Yes => out.push_str("true"),
            // Writing to a string does not fail.
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Map(map) => object(out, map.iter(), text),
            Self::Maps(maps) => {
                let maps = maps.iter().map(|(name, map)| (*name, map));
                object(out, maps, |out, map| object(out, map.iter(), text));
            }
        }
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Yes => serializer.serialize_bool(true),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Map(map) => map.serialize(serializer),
            Self::Maps(maps) => serializer.collect_map(maps.iter().map(|(name, map)| (name, map))),
        }
    }
}

/// The body to post: what the client owns, defaults other than `concurrency` left out (Dkron fills them in, FACTS 6), keys in
/// one fixed order.
impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.each(|key, said| map.serialize_entry(key, &said))?;
        map.end()
    }
}

/// As its [`Fields`].
impl Serialize for Job {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::of(self).serialize(serializer)
    }
}

/// A map of strings, in the order of its keys.
#[derive(Debug, Clone)]
pub struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        // There are hardly ever more than a dozen of them.
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// Each key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// In the order of the keys.
impl<'a> FromIterator<(&'a str, &'a str)> for Pairs<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let pairs: Vec<_> = pairs.into_iter().collect();
        debug_assert!(pairs.is_sorted(), "whoever gives them has them in order");
        Self(pairs)
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn object<'a, V>(out: &mut String, pairs: impl Iterator<Item = (&'a str, V)>, mut value: impl FnMut(&mut String, V)) {
    let mut before = '{';
    for (key, said) in pairs {
        out.push(before);
        before = ',';
        text(out, key);
        out.push(':');
        value(out, said);
    }
    if before == '{' {
        out.push('{');
    }
    out.push('}');
}

/// A text in quotes, with the escapes of `serde_json`: the digests in all stamps are made of them.
fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        // Part of a longer character, or nothing that JSON writes in another way.
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

//! What differs between two definitions, field by field.

use std::iter;

use serde::Serialize;
use serde_json::Value;

use super::{Fields, Job, Pairs, stamp};

/// One field that differs. Maps are compared key by key: `executor_config.url`, `metadata.scope`, `processors.log.forward`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field's path in Dkron's own names.
    pub field: String,
    /// What is live; `null` when the field is not there.
    pub from: Value,
    /// What it becomes; `null` when the field goes away.
    pub to: Value,
}

/// All differences from `live` to `desired` in a fixed order, the stamp left aside.
pub fn diff(live: &Job, desired: &Job) -> Vec<Change> {
    diff_fields(&Fields::of(live), &Fields::of(desired))
}

/// As [`diff`].
pub(super) fn diff_fields(live: &Fields<'_>, desired: &Fields<'_>) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    changes.value("displayname", live.displayname, desired.displayname);
    changes.value("schedule", live.schedule, desired.schedule);
    changes.value("timezone", live.timezone, desired.timezone);
    changes.value("parent_job", live.parent_job, desired.parent_job);
    changes.value("disabled", live.disabled, desired.disabled);
    changes.value("executor", live.executor, desired.executor);
    changes.map("executor_config", &live.executor_config, &desired.executor_config);
    changes.value("concurrency", live.concurrency, desired.concurrency);
    changes.value("retries", live.retries, desired.retries);
    changes.map("tags", &live.tags, &desired.tags);
    changes.map("metadata", &live.metadata, &desired.metadata);
    changes.processors(&live.processors, &desired.processors);
    changes.value("owner", live.owner, desired.owner);
    changes.value("owner_email", live.owner_email, desired.owner_email);
    changes.value("ephemeral", live.ephemeral, desired.ephemeral);
    let instant = |value: Option<jiff::Timestamp>| value.map(|t| t.to_string());
    changes.value("starts_at", instant(live.starts_at), instant(desired.starts_at));
    changes.value("expires_at", instant(live.expires_at), instant(desired.expires_at));
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn value<T: Into<Value> + PartialEq>(&mut self, field: &str, from: T, to: T) {
        if from != to {
            self.0.push(Change { field: field.to_owned(), from: from.into(), to: to.into() });
        }
    }

    fn map(&mut self, field: &str, from: &Pairs<'_>, to: &Pairs<'_>) {
        for (key, from, to) in both(from.iter(), to.iter()) {
            if from != to && !stamp::STAMP_KEYS.contains(&key) {
                self.value(&format!("{field}.{key}"), from, to);
            }
        }
    }

    fn processors(&mut self, from: &[(&str, Pairs<'_>)], to: &[(&str, Pairs<'_>)]) {
        fn named<'l, 'a>(list: &'l [(&'a str, Pairs<'a>)]) -> impl Iterator<Item = (&'a str, &'l Pairs<'a>)> {
            list.iter().map(|(name, config)| (*name, config))
        }
        for (name, from, to) in both(named(from), named(to)) {
            let field = format!("processors.{name}");
            match (from, to) {
                (Some(from), Some(to)) => self.map(&field, from, to),
                (from, to) => self.value(&field, from.map(object), to.map(object)),
            }
        }
    }
}

/// Each key of either side with both its values; both are in the order of their keys, and so is what comes.
fn both<'a, V>(
    from: impl Iterator<Item = (&'a str, V)>,
    to: impl Iterator<Item = (&'a str, V)>,
) -> impl Iterator<Item = (&'a str, Option<V>, Option<V>)> {
    let (mut from, mut to) = (from.peekable(), to.peekable());
    iter::from_fn(move || {
        let key = match (from.peek(), to.peek()) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((key, _)), None) | (None, Some((key, _))) => *key,
            (None, None) => return None,
        };
        let from = from.next_if(|(next, _)| *next == key).map(|(_, value)| value);
        let to = to.next_if(|(next, _)| *next == key).map(|(_, value)| value);
        Some((key, from, to))
    })
}

fn object(map: &Pairs<'_>) -> Value {
    map.iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

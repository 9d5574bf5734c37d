//! What differs between two definitions, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Job, StringMap, stamp};

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
    let mut changes = Changes(Vec::new());
    changes.value("displayname", live.displayname.as_str(), desired.displayname.as_str());
    changes.value("schedule", live.schedule.as_str(), desired.schedule.as_str());
    changes.value("timezone", live.timezone.as_str(), desired.timezone.as_str());
    changes.value("parent_job", live.parent_job.as_str(), desired.parent_job.as_str());
    changes.value("disabled", live.disabled, desired.disabled);
    changes.value("executor", live.executor.as_str(), desired.executor.as_str());
    changes.map("executor_config", &live.executor_config, &desired.executor_config);
    changes.value("concurrency", live.concurrency.as_str(), desired.concurrency.as_str());
    changes.value("retries", live.retries, desired.retries);
    changes.map("tags", &live.tags, &desired.tags);
    changes.map("metadata", &live.metadata, &desired.metadata);
    changes.processors(&live.processors, &desired.processors);
    changes.value("owner", live.owner.as_str(), desired.owner.as_str());
    changes.value("owner_email", live.owner_email.as_str(), desired.owner_email.as_str());
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

    fn map(&mut self, field: &str, from: &StringMap, to: &StringMap) {
        let keys: BTreeSet<_> = from.keys().chain(to.keys()).collect();
        for key in keys {
            if !stamp::STAMP_KEYS.contains(&key.as_str()) {
                self.value(&format!("{field}.{key}"), from.get(key).cloned(), to.get(key).cloned());
            }
        }
    }

    fn processors(&mut self, from: &BTreeMap<String, StringMap>, to: &BTreeMap<String, StringMap>) {
        let names: BTreeSet<_> = from.keys().chain(to.keys()).collect();
        for name in names {
            let field = format!("processors.{name}");
            match (from.get(name), to.get(name)) {
                (Some(from), Some(to)) => self.map(&field, from, to),
                (from, to) => self.value(&field, from.map(object), to.map(object)),
            }
        }
    }
}

fn object(map: &StringMap) -> Value {
    map.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
}

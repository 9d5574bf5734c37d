//! What differs between two jobs, value by value.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Job, Leaf};

/// One value that differs. Maps are compared key by key: `executor_config.url`, `metadata.scope`, `processors.log.forward`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path in Dkron's own names.
    pub field: String,
    /// What is live; `null` when the key is not there.
    pub from: Value,
    /// What it becomes; `null` when the key goes away.
    pub to: Value,
}

impl Job {
    /// All differences from this job to `desired`, in the order of [`Job::walk`]; name and stamp are left aside.
    pub fn diff(&self, desired: &Self) -> Vec<Difference> {
        let mut changes = Vec::new();
        for ((field, from), (_, to)) in values(self).into_iter().zip(values(desired)) {
            compare(field.to_owned(), Some(&from), Some(&to), &mut changes);
        }
        changes
    }

    /// All differences from a job with Dkron's own defaults; as [`Job::diff`].
    pub fn diff_from_defaults(&self) -> Vec<Difference> {
        Self::new(self.name.clone()).diff(self)
    }
}

/// Each field with its value, a map as an object.
fn values(job: &Job) -> Vec<(&'static str, Value)> {
    let mut values: Vec<(&'static str, Value)> = Vec::new();
    job.clone().walk(|place, leaf| {
        let value = match leaf {
            Leaf::Text(text) => Value::from(text.as_str()),
            Leaf::Value(value) => value,
            Leaf::Map => Value::Object(Map::new()),
        };
        if values.last().is_none_or(|(field, _)| *field != place.field) {
            values.push((place.field, Value::Null));
        }
        let Some((_, parent)) = values.last_mut() else { return };
        let at = [place.key, place.option].into_iter().flatten().fold(parent, |at, key| &mut at[key]);
        *at = value;
    });
    values
}

fn compare(field: String, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Difference>) {
    match (from, to) {
        (Some(Value::Object(from)), Some(Value::Object(to))) => {
            let keys: BTreeSet<_> = from.keys().chain(to.keys()).collect();
            for key in keys {
                compare(format!("{field}.{key}"), from.get(key), to.get(key), changes);
            }
        }
        _ if from == to => {}
        _ => changes.push(Difference {
            field,
            from: from.cloned().unwrap_or_default(),
            to: to.cloned().unwrap_or_default(),
        }),
    }
}

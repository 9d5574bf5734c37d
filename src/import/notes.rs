//! What people should know of what was imported.

use std::collections::BTreeSet;

use crate::job::{Job, printable};
use crate::lint::SCHEDULE_INVALID;
use crate::report::carries_secret;

/// One sentence each, in the order of the jobs.
pub(super) fn notes(jobs: &[Job]) -> Vec<String> {
    let names: BTreeSet<&str> = jobs.iter().map(|job| &*job.name).collect();
    let mut notes = Vec::new();
    for job in jobs {
        let name = printable(&job.name);
        if let Some(parent) = job.parent().filter(|parent| !names.contains(parent)) {
            notes.push(format!(
                "`{name}`: its parent `{}` is not among these jobs; it is kept, and must be there when this is applied",
                printable(parent)
            ));
        }
        if let Some((field, words)) = job.unknown_time() {
            notes.push(format!(
                "`{name}`: its `{field}` is not one that this version of dkron-jobs knows ({}); it is kept as it is, and the \
                 commands that read the templates need `--allow {}`",
                printable(&words),
                SCHEDULE_INVALID.id
            ));
        }
        for field in secrets(job) {
            notes.push(format!(
                "`{name}`: a secret stands in the template in clear, in `{}`; put it into a secret variable (`--vars-dir`)",
                printable(&field)
            ));
        }
    }
    notes
}

/// The fields whose values are masked wherever they are shown. Headers are named one by one.
pub(super) fn secrets(job: &Job) -> Vec<String> {
    let maps = [("executor_config", &job.executor_config), ("metadata", &job.metadata), ("tags", &job.tags)];
    let maps = maps.into_iter().map(|(field, map)| (field.to_owned(), map));
    let processors = job.processors.iter().map(|(name, map)| (format!("processors.{name}"), map));
    let mut fields = Vec::new();
    for (field, map) in maps.chain(processors) {
        for (key, text) in map {
            let field = format!("{field}.{key}");
            if !carries_secret(&field, text) {
                continue;
            }
            let headers: Vec<String> = match field.as_str() {
                "executor_config.headers" => serde_json::from_str(text).unwrap_or_default(),
                _ => Vec::new(),
            };
            let named: Vec<_> = headers
                .iter()
                .filter_map(|header| header.split_once(':'))
                .map(|(name, value)| (format!("{field}.{name}"), value))
                .filter(|(field, value)| carries_secret(field, value))
                .map(|(field, _)| field)
                .collect();
            if named.is_empty() {
                fields.push(field);
            } else {
                fields.extend(named);
            }
        }
    }
    fields
}

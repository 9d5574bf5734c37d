//! The texts of a job, and which of them may hold hosts.

use crate::job::Job;

/// The texts in which hosts are rewritten. Tags are not among them: they are compared with what a node says of itself.
pub(super) fn hosts(job: &mut Job) -> impl Iterator<Item = &mut String> {
    [&mut job.displayname, &mut job.owner, &mut job.owner_email]
        .into_iter()
        .chain(job.metadata.iter_mut().map(|(_, value)| value))
        .chain(job.executor_config.iter_mut().map(|(_, value)| value))
        .chain(job.processors.values_mut().flat_map(|config| config.iter_mut().map(|(_, value)| value)))
}

/// Every text of a job with its field's name. A map's key is a text of the field that it names.
pub(super) fn all(job: &Job) -> Vec<(String, &str)> {
    // Named one by one, so that a field added to `Job` and forgotten here does not compile.
    let Job {
        name,
        displayname,
        timezone,
        schedule,
        owner,
        owner_email,
        disabled: _,
        tags,
        metadata,
        retries: _,
        parent_job,
        processors,
        concurrency,
        executor,
        executor_config,
        ephemeral: _,
        starts_at: _,
        expires_at: _,
    } = job;
    let mut texts: Vec<_> = [
        ("name", name),
        ("displayname", displayname),
        ("timezone", timezone),
        ("schedule", schedule),
        ("parent_job", parent_job),
        ("executor", executor),
        ("concurrency", concurrency),
        ("owner", owner),
        ("owner_email", owner_email),
    ]
    .map(|(field, text)| (field.to_owned(), text.as_str()))
    .into();
    let maps = [("executor_config", executor_config), ("tags", tags), ("metadata", metadata)];
    for (field, map) in maps {
        for (key, value) in map.iter() {
            texts.extend([(format!("{field}.{key}"), key.as_str()), (format!("{field}.{key}"), value.as_str())]);
        }
    }
    for (processor, config) in processors {
        texts.push((format!("processors.{processor}"), processor.as_str()));
        for (key, value) in config.iter() {
            let field = format!("processors.{processor}.{key}");
            texts.extend([(field.clone(), key.as_str()), (field, value.as_str())]);
        }
    }
    texts
}

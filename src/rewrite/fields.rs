//! The texts of a job, and which of them may hold hosts.

use crate::job::{Job, Leaf};

/// Visits the texts in which hosts are rewritten. Tags are not among them: they are compared with what a node says of itself.
pub(super) fn hosts(job: &mut Job, mut visit: impl FnMut(&mut String)) {
    job.walk(|place, leaf| {
        let may_hold_hosts = matches!(
            place.field,
            "displayname" | "owner" | "owner_email" | "metadata" | "executor_config" | "processors"
        );
        if let Leaf::Text(text) = leaf
            && may_hold_hosts
        {
            visit(text);
        }
    });
}

/// Every text of a job with its field's path. A map's key is a text of the field that it names.
pub(super) fn all(job: &Job) -> Vec<(String, String)> {
    let mut texts = vec![("name".to_owned(), job.name.to_string())];
    job.clone().walk(|place, leaf| {
        let field = place.to_string();
        match leaf {
            Leaf::Text(text) => {
                if let Some(key) = place.option.or(place.key) {
                    texts.push((field.clone(), key.to_owned()));
                }
                texts.push((field, text.clone()));
            }
            Leaf::Map => texts.extend(place.key.map(|key| (field, key.to_owned()))),
            Leaf::Value(_) => {}
        }
    });
    if let Some(stamp) = &job.stamp {
        texts.extend(stamp.metadata().map(|(key, value)| (format!("metadata.{key}"), value)));
    }
    texts
}

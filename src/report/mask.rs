//! Keeps secrets out of everything that is shown.
//!
//! Three nets, because each has holes. A field whose template read a secret is masked whole, on both sides: what is live may
//! hold an older secret that nobody told us. Header names, URL parameters and keys that are known to carry secrets are masked by name. And
//! every secret value long enough to be told from chance is masked wherever it stands.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

use crate::job::{Change, Job, StringMap};

/// What stands in a secret's place.
pub const MASK: &str = "***";
/// What is added where masking would hide that the two sides differ.
const CHANGED: &str = " (changed)";

/// A shorter value is not looked for in texts: it would be found in words that have nothing to do with it.
const SHORTEST_VALUE: usize = 6;

/// Parts of names that carry secrets: of headers, of URL parameters, of configuration keys.
const SECRET_NAMES: [&str; 12] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "api-key",
    "api_key",
    "apikey",
    "private-key",
    "signature",
];

/// Masks secrets; knows the values of those that it was told.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    values: Vec<String>,
}

impl Masker {
    /// A masker for these secret values.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<_> = values.into_iter().filter(|value| value.len() >= SHORTEST_VALUE).collect();
        // The longest first: one secret may be part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    /// A text with every known secret value masked.
    pub fn text(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| {
            if text.contains(value.as_str()) { text.replace(value.as_str(), MASK) } else { text }
        })
    }

    /// Changes as they may be shown. A change stays visible as one, even where both sides are masked.
    pub fn changes(&self, changes: &[Change], secret_fields: &BTreeSet<String>) -> Vec<Change> {
        changes
            .iter()
            .map(|change| {
                let secret = is_secret(&change.field, secret_fields);
                let from = self.value(&change.field, &change.from, secret);
                let mut to = self.value(&change.field, &change.to, secret);
                if from == to
                    && let Value::String(text) = &mut to
                {
                    text.push_str(CHANGED);
                }
                Change { field: change.field.clone(), from, to }
            })
            .collect()
    }

    /// A definition as it may be shown.
    pub(super) fn job(&self, job: &Job, secret_fields: &BTreeSet<String>) -> Job {
        let mut job = job.clone();
        for (field, text) in [
            ("displayname", &mut job.displayname),
            ("timezone", &mut job.timezone),
            ("schedule", &mut job.schedule),
            ("owner", &mut job.owner),
            ("owner_email", &mut job.owner_email),
        ] {
            self.mask(field, text, secret_fields);
        }
        for (field, map) in
            [("tags", &mut job.tags), ("metadata", &mut job.metadata), ("executor_config", &mut job.executor_config)]
        {
            self.mask_map(field, map, secret_fields);
        }
        for (name, map) in &mut job.processors {
            self.mask_map(&format!("processors.{name}"), map, secret_fields);
        }
        job
    }

    fn mask_map(&self, field: &str, map: &mut StringMap, secret_fields: &BTreeSet<String>) {
        for (key, text) in map {
            self.mask(&format!("{field}.{key}"), text, secret_fields);
        }
    }

    fn mask(&self, field: &str, text: &mut String, secret_fields: &BTreeSet<String>) {
        *text = self.string(field, text, is_secret(field, secret_fields));
    }

    fn value(&self, field: &str, value: &Value, secret: bool) -> Value {
        match value {
            Value::String(text) => Value::String(self.string(field, text, secret)),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| {
                    let field = format!("{field}.{key}");
                    let secret = secret || is_secret(&field, &BTreeSet::new());
                    (key.clone(), self.value(&field, value, secret))
                })
                .collect(),
            Value::Null => Value::Null,
            _ if secret => Value::from(MASK),
            other => other.clone(),
        }
    }

    fn string(&self, field: &str, text: &str, secret: bool) -> String {
        if secret {
            return MASK.to_owned();
        }
        match field {
            "executor_config.headers" => self.text(&headers(text)),
            "executor_config.url" => self.text(&url(text)),
            _ => self.text(text),
        }
    }
}

/// Whether a field is masked whole: its template read a secret, or its last name says that it is one.
fn is_secret(field: &str, secret_fields: &BTreeSet<String>) -> bool {
    let known = secret_fields
        .iter()
        .any(|secret| field.strip_prefix(secret.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    let in_map = field.contains('.') && field.rsplit('.').next().is_some_and(secret_name);
    known || in_map
}

fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// The JSON list of `Name: value` (FACTS 22) with the values of secret names masked. What is no such list and
/// holds a secret name is masked whole.
fn headers(text: &str) -> String {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => {
            let list: Vec<_> = list
                .into_iter()
                .map(|header| match header.split_once(':') {
                    Some((name, _)) if secret_name(name) => format!("{name}: {MASK}"),
                    _ => header,
                })
                .collect();
            Value::from(list).to_string()
        }
        Err(_) if secret_name(text) => MASK.to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// A URL without its password and without the values of parameters with secret names; anything else as it is.
pub(crate) fn url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    let secret_parameter = url.query_pairs().any(|(name, _)| secret_name(&name));
    if url.password().is_none() && !secret_parameter {
        return text.to_owned();
    }
    if url.password().is_some() {
        // Refused only for URLs without a host, which have no password either.
        let _ = url.set_password(Some(MASK));
    }
    if secret_parameter {
        let pairs: Vec<_> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if secret_name(&name) { MASK.into() } else { value };
                (name.into_owned(), value.into_owned())
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.to_string()
}

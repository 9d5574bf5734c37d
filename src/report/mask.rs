//! Keeps secrets out of everything that is shown.
//!
//! Three nets, because each has holes. A field whose template read a secret is masked whole, on both sides: what is live may
//! hold an older secret that nobody told us. What is known to carry secrets is masked by its name: headers, URL parameters, a
//! URL's user, keys of JSON bodies and of configurations. And every secret value long enough to be told from chance is masked
//! wherever it stands, in whatever encoding.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memchr_iter;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::job::{Difference, Job, Leaf};

use super::find::find;
use super::named;
use super::names::{MASK, secret_name};

/// What is added to the new value where a masked part of it is another one …
pub(super) const SECRET_CHANGED: &str = " (secret changed)";
/// … and where both sides look the same for another reason, such as blanks in JSON that had to be written anew.
pub(super) const CHANGED: &str = " (changed)";

/// A shorter value is not looked for in texts: it would be found in words that have nothing to do with it.
const SHORTEST_VALUE: usize = 6;

/// Masks secrets; knows the values of those that it was told.
#[derive(Clone, Default)]
pub struct Masker {
    values: Vec<String>,
}

/// Says how many secrets there are, and none of them.
impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} values)", self.values.len())
    }
}

impl Masker {
    /// One that knows no value, as [`Masker::default`].
    pub const NONE: Self = Self { values: Vec::new() };

    /// One that knows these values as well.
    #[must_use]
    pub fn with(&self, values: impl IntoIterator<Item = String>) -> Self {
        Self::new(self.values.iter().cloned().chain(values))
    }

    /// A masker for these secret values.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<_> = values
            .into_iter()
            .filter(|value| value.len() >= SHORTEST_VALUE)
            .map(|value| {
                // A file's last line break is seldom meant, and templates trim it.
                let trimmed = value.trim();
                if trimmed.len() < SHORTEST_VALUE { value } else { trimmed.to_owned() }
            })
            .collect();
        values.sort_unstable();
        values.dedup();
        Self { values }
    }

    /// A text with every known secret value masked, and of every URL its user and what its parameters name a secret.
    pub fn text(&self, text: &str) -> String {
        let mut hidden = Vec::new();
        urls(self.values(text, &mut hidden), &mut hidden).into_owned()
    }

    /// What a run left as output, which may be anything: as [`Masker::text`], and of JSON also the values of keys that carry secrets.
    pub fn output(&self, output: &str) -> String {
        self.string("output", output, false, &mut Vec::new()).into_owned()
    }

    /// Changes as they may be shown. That a secret changed stays visible, even where both sides are masked.
    pub fn changes(&self, changes: &[Difference], secret_fields: &BTreeSet<String>) -> Vec<Difference> {
        changes
            .iter()
            .map(|change| {
                let (mut before, mut after) = (Vec::new(), Vec::new());
                let from = self.value(&change.field, &change.from, secret_fields, &mut before);
                let mut to = self.value(&change.field, &change.to, secret_fields, &mut after);
                let other_secret = !before.is_empty() && !after.is_empty() && before != after;
                if let Value::String(text) = &mut to {
                    if other_secret {
                        text.push_str(SECRET_CHANGED);
                    } else if from == text.as_str() {
                        text.push_str(CHANGED);
                    }
                }
                Difference { field: self.text(&change.field), from, to }
            })
            .collect()
    }

    /// A definition as it may be shown.
    pub fn job(&self, job: &Job, secret_fields: &BTreeSet<String>) -> Job {
        let mut job = job.clone();
        job.name = self.string("name", &job.name, is_secret("name", secret_fields), &mut Vec::new()).into();
        job.walk(|place, leaf| {
            if let Leaf::Text(text) = leaf {
                let field = place.to_string();
                *text = self.string(&field, text, is_secret(&field, secret_fields), &mut Vec::new()).into_owned();
            }
        });
        job
    }

    fn value(&self, field: &str, value: &Value, secret_fields: &BTreeSet<String>, hidden: &mut Vec<String>) -> Value {
        let secret = is_secret(field, secret_fields);
        match value {
            Value::String(text) => Value::String(self.string(field, text, secret, hidden).into_owned()),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| {
                    (self.text(key), self.value(&format!("{field}.{key}"), value, secret_fields, hidden))
                })
                .collect(),
            Value::Null => Value::Null,
            other if secret => Value::String(hide(&other.to_string(), hidden)),
            other => other.clone(),
        }
    }

    /// Masks one string; what was taken out of it goes to `hidden`. Most texts have nothing to hide, and are not copied.
    fn string<'t>(&self, field: &str, text: &'t str, secret: bool, hidden: &mut Vec<String>) -> Cow<'t, str> {
        if text.is_empty() {
            return Cow::Borrowed(text);
        }
        if secret {
            return Cow::Owned(hide(text, hidden));
        }
        let text = self.values(text, hidden);
        match field {
            "executor_config.headers" => urls(headers(text, hidden), hidden),
            "executor_config.url" => parameters(text, hidden),
            _ => {
                let text = json(text, hidden);
                let ranges = named::values(&text);
                urls(cut(text, &ranges, hidden), hidden)
            }
        }
    }

    /// Masks every known value. Where two overlap, what both cover goes.
    fn values<'t>(&self, text: &'t str, hidden: &mut Vec<String>) -> Cow<'t, str> {
        let mut ranges: Vec<_> = self.values.iter().flat_map(|value| find(text, value)).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        cut(Cow::Borrowed(text), &merged, hidden)
    }
}

/// Puts a mask in place of each of these ranges, which are in order and apart.
fn cut<'t>(text: Cow<'t, str>, ranges: &[Range<usize>], hidden: &mut Vec<String>) -> Cow<'t, str> {
    if ranges.is_empty() {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        shown.push_str(&text[at..range.start]);
        shown.push_str(&hide(&text[range.clone()], hidden));
        at = range.end;
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

fn hide(text: &str, hidden: &mut Vec<String>) -> String {
    hidden.push(text.to_owned());
    MASK.to_owned()
}

/// Whether a field is masked whole: its template read a secret, or its key says that it is one.
fn is_secret(field: &str, secret_fields: &BTreeSet<String>) -> bool {
    let known = secret_fields
        .iter()
        .any(|secret| field.strip_prefix(secret.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    known || field.split_once('.').is_some_and(|(_, key)| secret_name(key))
}

/// Whether a field's text has something in it that is masked wherever it is shown, by its name or its form.
pub(crate) fn carries_secret(field: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    if is_secret(field, &BTreeSet::new()) {
        return true;
    }
    // Most texts are seen not to without being taken apart: neither a user of a URL, nor a name, as it is or in disguise.
    let may = text.contains(['@', '\\', '%']) || text.contains("-u") || secret_name(text);
    let mut hidden = Vec::new();
    may && {
        Masker::default().string(field, text, false, &mut hidden);
        !hidden.is_empty()
    }
}

/// The JSON list of `Name: value` (FACTS 22) with the values of secret names masked. What is no such list and
/// holds a secret name is masked whole.
fn headers<'t>(text: Cow<'t, str>, hidden: &mut Vec<String>) -> Cow<'t, str> {
    let Ok(list) = serde_json::from_str::<Vec<String>>(&text) else {
        return if secret_name(&text) { Cow::Owned(hide(&text, hidden)) } else { text };
    };
    let mut masked = false;
    let list: Vec<_> = list
        .into_iter()
        .map(|header| match header.split_once(':') {
            Some((name, value)) if secret_name(name) => {
                masked = true;
                format!("{name}: {}", hide(value, hidden))
            }
            None if secret_name(&header) => {
                masked = true;
                hide(&header, hidden)
            }
            _ => header,
        })
        .collect();
    if masked { Cow::Owned(Value::from(list).to_string()) } else { text }
}

/// A JSON body with the values of secret keys masked; what is no JSON object or list as it is.
fn json<'t>(text: Cow<'t, str>, hidden: &mut Vec<String>) -> Cow<'t, str> {
    if !text.trim_start().starts_with(['{', '[']) {
        return text;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    let before = hidden.len();
    json_keys(&mut value, hidden);
    if hidden.len() > before { Cow::Owned(value.to_string()) } else { text }
}

fn json_keys(value: &mut Value, hidden: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if secret_name(key) && !value.is_null() {
                    *value = Value::String(hide(&value.to_string(), hidden));
                } else {
                    json_keys(value, hidden);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| json_keys(value, hidden)),
        _ => {}
    }
}

/// A URL as it may be shown: without its user and the values of parameters with secret names.
pub(super) fn url(text: &str) -> String {
    parameters(Cow::Borrowed(text), &mut Vec::new()).into_owned()
}

/// As [`url()`]; what was taken out goes to `hidden`. The text is cut, not parsed and written anew: what stays looks as it did.
fn parameters<'t>(text: Cow<'t, str>, hidden: &mut Vec<String>) -> Cow<'t, str> {
    if text.contains('@') && Url::parse(&text).is_err() {
        // No URL, so nobody can say where the user in it ends.
        return Cow::Owned(hide(&text, hidden));
    }
    let text = users(text, hidden);
    let ranges = secret_parameters(&text);
    cut(text, &ranges, hidden)
}

/// Where the values of a URL's secret parameters stand.
fn secret_parameters(url: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for part in url.split(['?', '#', '&', ';']) {
        let end = start + part.len();
        if let Some((name, value)) = part.split_once('=') {
            let name: String = form_urlencoded::parse(name.as_bytes()).map(|(name, _)| name).collect();
            if secret_name(&name) && !value.is_empty() && value != MASK {
                ranges.push(end - value.len()..end);
            }
        }
        start = end + 1;
    }
    ranges
}

/// A text with every URL in it as [`parameters`] shows it: the words of Dkron and of whom it calls hold some.
fn urls<'t>(text: Cow<'t, str>, hidden: &mut Vec<String>) -> Cow<'t, str> {
    let text = users(text, hidden);
    let mut ranges = Vec::new();
    for start in authorities(&text) {
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || "\\\"'<>`".contains(c)).unwrap_or(rest.len());
        // A URL in another's parameter is part of that one.
        if ranges.last().is_none_or(|last: &Range<usize>| last.end <= start) {
            let found = secret_parameters(&rest[..end]).into_iter();
            ranges.extend(found.map(|range| start + range.start..start + range.end));
        }
    }
    cut(text, &ranges, hidden)
}

/// A text of templates or variables, of which nothing may be understood yet, as it may be shown: what follows a name that says that
/// it is a secret, and the users of URLs, as so many stars. Every byte stays where it is, and so do expressions: they name secrets,
/// and hold none.
pub fn starred(text: &str) -> String {
    let mut ranges = user_ranges(text);
    ranges.extend(named::values(text));
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    for (at, separator) in text.match_indices([':', '=']) {
        let before = text[..at].trim_end_matches([' ', '\\', '"', '\'']);
        let name = &before[before.trim_end_matches(is_of_a_name).len()..];
        if !secret_name(name) {
            continue;
        }
        let start = at + separator.len();
        let value = text[start..].trim_start_matches([' ', '\t']);
        let start = start + (text[start..].len() - value.len());
        let quote = value.trim_start_matches('\\').chars().next().filter(|c| matches!(c, '"' | '\''));
        let opening = quote.map_or(0, |_| value.len() - value.trim_start_matches('\\').len() + 1);
        let ends = |c: char| match quote {
            Some(quote) => c == quote || c == '\n',
            None => matches!(c, '\n' | '"' | '\'' | ',' | '&' | '\\'),
        };
        let inside = &value[opening..];
        let length = inside.find(ends).unwrap_or(inside.len());
        ranges.push(start + opening..start + opening + length);
    }
    let mut shown = text.as_bytes().to_vec();
    for range in ranges {
        let mut depth = 0_usize;
        for index in range {
            let pair = text.as_bytes().get(index..index + 2);
            if matches!(pair, Some(b"{{" | b"{%")) {
                depth += 1;
            }
            let is_end = index > 0 && matches!(text.as_bytes().get(index - 1..=index), Some(b"}}" | b"%}"));
            if depth == 0 && !text.as_bytes()[index].is_ascii_whitespace() {
                shown[index] = b'*';
            } else if is_end {
                depth = depth.saturating_sub(1);
            }
        }
    }
    // Only whole characters were replaced.
    String::from_utf8_lossy(&shown).into_owned()
}

/// Where the authority of each URL in a text begins.
fn authorities(text: &str) -> impl Iterator<Item = usize> {
    const BEFORE: &[u8] = b"://";
    let bytes = text.as_bytes();
    memchr_iter(b':', bytes).filter(|&at| bytes[at..].starts_with(BEFORE)).map(|at| at + BEFORE.len())
}

/// A text without the user and password of any URL in it.
fn users<'t>(text: Cow<'t, str>, hidden: &mut Vec<String>) -> Cow<'t, str> {
    let ranges = user_ranges(&text);
    cut(text, &ranges, hidden)
}

/// Where they stand.
fn user_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for start in authorities(text) {
        let rest = &text[start..];
        let authority = rest.find(|c: char| c.is_whitespace() || "/?#\\\"'<>".contains(c)).unwrap_or(rest.len());
        if let Some(length) = rest[..authority].rfind('@') {
            ranges.push(start..start + length);
        }
    }
    ranges
}

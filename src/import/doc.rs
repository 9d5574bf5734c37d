//! A job as the document that a person would write for it.

use crate::job::http::{DEFAULT_TIMEOUT, EXPECT_CODE, HTTP, TIMEOUT, fitting_timeout};
use crate::job::{Concurrency, Definition, Job, StringMap};
use crate::render::ONE_SERVER;
use crate::schedule::Schedule;

use super::leaf::Leaf;
use super::node::{Entry, Node, Presence};
use super::{Given, hosts, json};

/// How much is made of a job's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Bodies and headers are opened, hosts are named by `service()`.
    Neat,
    /// Every text as it stands.
    Verbatim,
}

/// The name or parent in a template: render puts the prefix in front again.
pub(super) fn unprefixed<'n>(name: &'n str, given: &Given) -> &'n str {
    name.strip_prefix(given.name_prefix.as_str()).unwrap_or(name)
}

/// The document, its keys in the order that people expect.
pub(super) fn document(job: &Job, given: &Given, care: Care) -> Vec<Entry> {
    // Named one by one, so that a new field that is not imported does not compile.
    let Definition {
        displayname,
        timezone,
        schedule,
        owner,
        owner_email,
        parent_job,
        executor,
        tags,
        metadata,
        retries,
        processors,
        concurrency,
        executor_config,
        ephemeral,
        starts_at,
        expires_at,
    } = &**job;
    let mut doc = Document { given, care, entries: Vec::new() };
    doc.push("name", Node::text(unprefixed(&job.name, given)), Presence::Always);
    doc.text("displayname", displayname);
    doc.shape("schedule", schedule);
    doc.text("timezone", timezone);
    doc.shape("starts_at", &starts_at.map(|at| at.to_string()).unwrap_or_default());
    doc.shape("expires_at", &expires_at.map(|at| at.to_string()).unwrap_or_default());
    doc.shape("parent_job", unprefixed(parent_job, given));
    doc.optional("disabled", Node::Bool(job.disabled), !job.disabled);
    if executor.is_empty() && executor_config.contains_key("url") {
        doc.push("executor", Node::Null, Presence::Always);
    } else {
        doc.shape("executor", executor);
    }
    doc.map("executor_config", doc.executor_config(job));
    doc.optional("retries", Node::Number(retries.to_string()), *retries == 0);
    doc.optional("concurrency", Node::text(concurrency.as_str()), *concurrency == Concurrency::Allow);
    let one_server = tags.len() == 1 && tags.get(ONE_SERVER.0).is_some_and(|value| value == ONE_SERVER.1);
    if tags.is_empty() {
        doc.push("tags", Node::Null, Presence::Always);
    } else if !one_server {
        doc.map("tags", doc.strings(tags));
    }
    doc.map("metadata", doc.strings(metadata));
    let processors = processors.iter();
    let processors =
        processors.map(|(name, config)| Entry::new(name, Node::Map(doc.strings(config)), Presence::Always)).collect();
    doc.map("processors", processors);
    doc.text("owner", owner);
    doc.text("owner_email", owner_email);
    doc.optional("ephemeral", Node::Bool(*ephemeral), !ephemeral);
    doc.entries
}

struct Document<'a> {
    given: &'a Given,
    care: Care,
    entries: Vec<Entry>,
}

impl Document<'_> {
    fn push(&mut self, key: &str, node: Node, presence: Presence) {
        self.entries.push(Entry::new(key, node, presence));
    }

    fn optional(&mut self, key: &str, node: Node, is_default: bool) {
        self.push(key, node, if is_default { Presence::Default } else { Presence::Optional });
    }

    fn text(&mut self, key: &str, text: &str) {
        self.optional(key, Node::text(text), text.is_empty());
    }

    /// A text that is there or not in all jobs of one shape.
    fn shape(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.push(key, Node::text(text), Presence::Always);
        }
    }

    fn map(&mut self, key: &str, map: Vec<Entry>) {
        if !map.is_empty() {
            self.push(key, Node::Map(map), Presence::Always);
        }
    }

    fn strings(&self, map: &StringMap) -> Vec<Entry> {
        map.iter().map(|(key, text)| Entry::new(key, self.value(text), Presence::Always)).collect()
    }

    /// A value in a map of strings, where numbers and bools become strings.
    fn value(&self, text: &str) -> Node {
        let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
        match text {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            _ if is_number => Node::Number(text.to_owned()),
            _ => Node::Text(self.leaf(text)),
        }
    }

    fn leaf(&self, text: &str) -> Leaf {
        match self.care {
            Care::Neat => hosts::leaf(text, self.given),
            Care::Verbatim => Leaf::text(text),
        }
    }

    fn executor_config(&self, job: &Job) -> Vec<Entry> {
        let config = &job.executor_config;
        let first = ["method", "url", "command", "headers", "body", TIMEOUT, EXPECT_CODE.0];
        let others = config.keys().map(String::as_str).filter(|key| !first.contains(key));
        let is_http = job.executor == HTTP;
        let mut entries = Vec::new();
        for key in first.into_iter().chain(others) {
            let has_default = is_http && [TIMEOUT, EXPECT_CODE.0].contains(&key);
            let entry = match config.get(key) {
                None if has_default => Entry::new(key, Node::Null, Presence::Always),
                None => continue,
                Some(text) if has_default => {
                    let presence = if is_default(job, key, text) { Presence::Default } else { Presence::Optional };
                    Entry::new(key, self.value(text), presence)
                }
                Some(text) => Entry::new(key, self.config(key, text), Presence::Always),
            };
            entries.push(entry);
        }
        entries
    }

    fn config(&self, key: &str, text: &str) -> Node {
        let opened = match (key, self.care) {
            ("body", Care::Neat) => json::open(text),
            ("headers", Care::Neat) => headers(text),
            _ => None,
        };
        match opened {
            Some(node) => self.with_hosts(node),
            None => self.value(text),
        }
    }

    fn with_hosts(&self, node: Node) -> Node {
        match node {
            Node::Text(leaf) => Node::Text(leaf.as_text().map(|text| self.leaf(text)).unwrap_or(leaf)),
            Node::List(list) => Node::List(list.into_iter().map(|node| self.with_hosts(node)).collect()),
            Node::Map(map) => {
                Node::Map(map.into_iter().map(|entry| Entry { node: self.with_hosts(entry.node), ..entry }).collect())
            }
            other => other,
        }
    }
}

/// Whether `render` would fill just this text in where a template of the http executor is silent.
fn is_default(job: &Job, key: &str, text: &str) -> bool {
    match key {
        // The gaps between runs take a while to find, and few texts can be the default at all.
        TIMEOUT => {
            text.parse().is_ok_and(|seconds| (1..=DEFAULT_TIMEOUT).contains(&seconds)) && {
                let schedule = Schedule::parse(&job.schedule, &job.name, &job.timezone);
                fitting_timeout(schedule.ok().as_ref()) == text
            }
        }
        _ => text == EXPECT_CODE.1,
    }
}

/// Dkron's JSON list of `Name: value` as a map, or as a list where that is not exact.
fn headers(text: &str) -> Option<Node> {
    let list: Vec<String> = serde_json::from_str(text).ok()?;
    if serde_json::to_string(&list).ok().as_deref() != Some(text) || list.iter().any(|header| !header.contains(':')) {
        return None;
    }
    let mut map: Vec<Entry> = Vec::new();
    for header in &list {
        match header.split_once(": ") {
            Some((name, value)) if json::is_key(name) && map.iter().all(|entry| entry.key != name) => {
                map.push(Entry::new(name, Node::text(value), Presence::Always));
            }
            _ => return Some(Node::List(list.iter().map(Node::text).collect())),
        }
    }
    Some(Node::Map(map))
}

//! Jobs as Dkron gave them, as lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::job::{LiveJob, generations};
use crate::json::{Members, write_object};

/// The one field of Dkron's that must not come back (FACTS 9).
const LEFT_OUT: &str = "dependent_jobs";

/// The lines of a backup. Each job stays as it was given, key by key and digit by digit, but for `dependent_jobs` and line breaks.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    jobs: Vec<Line>,
    by_name: HashMap<Box<str>, usize>,
}

#[derive(Debug)]
struct Line {
    at: Range<usize>,
    parent: Option<Box<str>>,
}

impl Lines {
    /// Takes one job, a JSON object.
    ///
    /// # Errors
    /// Why it cannot be a line: it is no object, or has no name or another's.
    pub fn add(&mut self, object: &[u8]) -> Result<(), String> {
        let Members(members) = serde_json::from_slice(object).map_err(|error| error.to_string())?;
        let name = text(&members, "name")?.filter(|name| !name.is_empty()).ok_or("a job has no name")?;
        let parent = text(&members, "parent_job")?.filter(|parent| !parent.is_empty());
        if self.by_name.insert(name.as_str().into(), self.jobs.len()).is_some() {
            return Err(format!("two jobs have the name `{name}`"));
        }
        let start = self.text.len();
        let kept = members.iter().filter(|(key, _)| key != LEFT_OUT);
        // Line breaks stand only between tokens, where they mean nothing.
        write_object(&mut self.text, kept.map(|(key, value)| (&**key, value)), |out, value| {
            out.extend(value.get().split(['\n', '\r']));
        });
        self.text.push('\n');
        self.jobs.push(Line { at: start..self.text.len(), parent: parent.map(Into::into) });
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether two lists hold the same definitions, whatever has run since.
    pub fn same_definitions(&self, other: &Self) -> bool {
        self.jobs.len() == other.jobs.len()
            && self.by_name.keys().all(|name| match (self.job(name), other.job(name)) {
                (Some(one), Some(two)) => one.job == two.job,
                _ => false,
            })
    }

    fn job(&self, name: &str) -> Option<LiveJob> {
        let line = self.jobs.get(*self.by_name.get(name)?)?;
        serde_json::from_str(self.text.get(line.at.clone())?).ok()
    }

    /// All lines, each with its line break: parents before their children (FACTS 10), else as they were given. Jobs in a circle of
    /// parents, which Dkron accepts (FACTS 10), and those whose parent is not there count as having none.
    pub fn parents_first(&self) -> impl Iterator<Item = &[u8]> {
        let parent = |job: usize| {
            let parent = self.jobs.get(job)?.parent.as_deref()?;
            self.by_name.get(parent).copied()
        };
        let order = generations(&(0..self.jobs.len()).collect::<Vec<_>>(), parent);
        order.into_iter().flatten().filter_map(|job| Some(self.text.get(self.jobs.get(job)?.at.clone())?.as_bytes()))
    }
}

/// The text of a member, if there is one and it is not null.
fn text(members: &[(Cow<'_, str>, &RawValue)], field: &str) -> Result<Option<String>, String> {
    let mut found = members.iter().filter(|(key, _)| key == field);
    let value = found.next();
    if found.next().is_some() {
        return Err(format!("a job has the field `{field}` twice"));
    }
    let Some((_, value)) = value else { return Ok(None) };
    serde_json::from_str(value.get()).map_err(|_| format!("the field `{field}` of a job is no text"))
}

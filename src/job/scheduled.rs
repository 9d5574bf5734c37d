//! What Dkron's scheduler holds, compared with what Dkron stores.
//!
//! The two can differ: a job that is written while the leader's scheduler is not running is stored, and never runs as written
//! (FACTS 37, 37b). The leader's `/debug/vars` shows both whether the scheduler runs and what it holds (FACTS 37c).

use std::fmt;
use std::fmt::Write;

use memchr::memmem;

use super::Job;

/// How what the scheduler holds for a job differs from the stored job (FACTS 37c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// The job is enabled and the scheduler does not have it: it never runs.
    NotScheduled,
    /// The scheduler has the job with another schedule or other tags.
    ScheduledDifferently,
    /// The job is switched off and the scheduler still has it: it still runs.
    StillScheduled,
}

impl Mismatch {
    /// Whether the scheduler does not have the job at all.
    pub fn is_missing(self) -> bool {
        self == Self::NotScheduled
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotScheduled => "not scheduled: Dkron stores it, but its scheduler does not have it",
            Self::ScheduledDifferently => {
                "scheduled differently: Dkron's scheduler has another schedule or other tags than are stored"
            }
            Self::StillScheduled => "scheduled differently: it is switched off, but Dkron's scheduler still runs it",
        })
    }
}

/// The leader's `/debug/vars`, as far as it is needed.
///
/// The document is read as text and not as JSON: a tag with `"` or `\` in any job makes it invalid JSON (FACTS 37c). Nothing of it is
/// shown or logged, because it begins with the server's command line, which may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Scheduler {
    /// `scheduler_started` is 1: what is written now is scheduled too (FACTS 36, 37).
    pub started: bool,
    /// `memstats.TotalAlloc` in bytes. It only grows within one process, so a smaller value means a restart (FACTS 37c).
    pub allocated: Option<u64>,
    /// `cron_entries`; `None` where the document has none.
    entries: Option<Entries>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, allocated, entries: _ } = self;
        f.debug_struct("Scheduler").field("started", started).field("allocated", allocated).finish_non_exhaustive()
    }
}

/// `cron_entries`: its text, and where in it the entries of the known form begin, by name.
#[derive(Clone, PartialEq, Eq)]
struct Entries {
    text: Vec<u8>,
    /// Start and end of a name, and start of its entry.
    places: Vec<(usize, usize, usize)>,
}

/// Stands between a job's name and its entry.
const ENTRY: &[u8] = b"\": \"Job: ";
/// What follows the name within an entry.
const SCHEDULED_AT: &[u8] = b", scheduled at: ";
/// What follows the schedule.
const TAGS: &[u8] = b", tags:map[";

impl Scheduler {
    /// Reads the body of `/debug/vars`, which Go's `expvar` writes with one variable a line, sorted by name.
    ///
    /// # Errors
    /// It does not say whether the scheduler has started. The text holds nothing of the body.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        // What comes after `cron_entries` is looked for from the end: a tag may hold anything, line breaks too.
        let started =
            last(body, b"\n\"scheduler_started\": ").and_then(number).ok_or("it has no `scheduler_started`")?;
        let memory = memmem::rfind(body, b"\n\"memstats\": ");
        let allocated = memory.and_then(|at| {
            let memory = &body[at..];
            memmem::find(memory, b"\"TotalAlloc\":").and_then(|at| number(&memory[at + b"\"TotalAlloc\":".len()..]))
        });
        let begin = memmem::find(body, b"\n\"cron_entries\": {");
        let entries = begin.map(|begin| {
            let end = memory.filter(|end| *end > begin).unwrap_or(body.len());
            Entries::new(body[begin + b"\n\"cron_entries\": ".len()..end].to_vec())
        });
        Ok(Self { started: started == 1, allocated, entries })
    }

    /// Compares stored jobs with the scheduler, and gives those that differ, in the order of `jobs`.
    ///
    /// A job with a parent proves nothing: Dkron adds its entry at its first run and keeps it (FACTS 37c).
    ///
    /// # Errors
    /// Why nothing can be compared: this Dkron writes no entries, or writes them in a form that is not known.
    pub fn compare<'j>(
        &self,
        jobs: impl Iterator<Item = &'j Job> + Clone,
    ) -> Result<Vec<(&'j Job, Mismatch)>, &'static str> {
        let entries = self.entries.as_ref().ok_or("it has no `cron_entries`")?;
        if entries.places.is_empty() && jobs.clone().any(|job| entries.mentions(&job.name)) {
            return Err("no entry in its `cron_entries` has the known form");
        }
        let differs = |job: &'j Job| Some((job, entries.compare(job)?));
        Ok(jobs.filter(|job| job.parent().is_none()).filter_map(differs).collect())
    }
}

impl Entries {
    fn new(text: Vec<u8>) -> Self {
        let mut places: Vec<_> = memmem::find_iter(&text, ENTRY)
            .filter_map(|end| {
                let start = memchr::memrchr(b'"', &text[..end])? + 1;
                let name = &text[start..end];
                let rest = text[end + ENTRY.len()..].strip_prefix(name)?;
                let is_known = rest.starts_with(SCHEDULED_AT) && memmem::find(rest, TAGS).is_some();
                is_known.then_some((start, end, end + b"\": ".len()))
            })
            .collect();
        // Go sorts them; a tag that looks like an entry would stand in between.
        places.sort_by(|a, b| text[a.0..a.1].cmp(&text[b.0..b.1]));
        Self { text, places }
    }

    /// Whether a job has an entry, in whatever form.
    fn mentions(&self, name: &str) -> bool {
        memmem::find(&self.text, format!("\"{name}\": ").as_bytes()).is_some()
    }

    fn compare(&self, job: &Job) -> Option<Mismatch> {
        let name = job.name.as_bytes();
        let first = self.places.partition_point(|(start, end, _)| &self.text[*start..*end] < name);
        let mut found = self.places[first..].iter().take_while(|(start, end, _)| &self.text[*start..*end] == name);
        if job.disabled {
            return found.next().map(|_| Mismatch::StillScheduled);
        }
        let expected = entry(job);
        let mut mismatch = Mismatch::NotScheduled;
        for (_, _, at) in found {
            if self.text[*at..].starts_with(expected.as_bytes()) {
                return None;
            }
            mismatch = Mismatch::ScheduledDifferently;
        }
        Some(mismatch)
    }
}

/// A job's entry as Dkron writes it: `%v` of Go for the tags, keys sorted, nothing escaped. Entries are ambiguous to parse, so the
/// expected text is compared with what is there.
fn entry(job: &Job) -> String {
    let mut text = format!("\"Job: {}, scheduled at: {}, tags:map[", job.name, job.schedule);
    for (at, (key, value)) in job.tags.iter().enumerate() {
        let between = if at == 0 { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(text, "{between}{key}:{value}");
    }
    text.push_str("]\"");
    text
}

/// What follows the last place of a text.
fn last<'b>(body: &'b [u8], text: &[u8]) -> Option<&'b [u8]> {
    memmem::rfind(body, text).map(|at| &body[at + text.len()..])
}

/// The number that a text begins with.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

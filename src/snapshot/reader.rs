//! Jobs out of files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::job::{FIELDS, LiveJob, json_words, odd_instant};
use crate::json::{Cut, Objects, Reason};

use super::LONGEST_JOB;

/// A job and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The job as Dkron held it.
    pub live: LiveJob,
    /// The line it begins in, from 1.
    pub line: u64,
    /// Line breaks that the backup script of old had put into it were taken out.
    pub mended: bool,
}

/// A piece of a file that gives no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Which piece of the file it is, from 1.
    pub number: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// Where it begins, in bytes from the start of what the file unpacks to.
    pub offset: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Why a piece of a file gives no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It is no JSON object.
    Broken(Reason),
    /// It is an object, and no job.
    NoJob {
        /// The name of the job, if it has one.
        job: Option<String>,
        /// The field that cannot be read, if it is one.
        field: Option<String>,
        /// A decoder's words, without what the file holds there: it may be a secret.
        words: String,
    },
    /// Dkron would refuse it.
    Refused {
        /// The name of the job.
        name: String,
        /// The field that it would refuse.
        field: &'static str,
        /// Dkron's words (FACTS 12).
        words: String,
    },
    /// Another job of this name came before.
    Twice {
        /// The name.
        name: String,
        /// The other's file.
        file: String,
        /// The other's line.
        line: u64,
    },
}

/// Reads one file after another; a name that comes twice is a problem also when it does so in two files.
#[derive(Debug, Default)]
pub struct Reader {
    /// Where each job is: its file and its line.
    names: HashMap<Arc<str>, (Arc<str>, u64)>,
}

impl Reader {
    /// What a file with these bytes holds, unpacked: a record for each object, or what is wrong with it.
    pub fn read<'r>(
        &'r mut self,
        file: &'r Arc<str>,
        bytes: &'r [u8],
    ) -> impl Iterator<Item = Result<Record, Problem>> + use<'r> {
        Objects::new(bytes, LONGEST_JOB).map(move |Cut { number, offset, line, object }| {
            let record = object.map_err(Flaw::Broken).and_then(|object| {
                let live = job(&object)?;
                self.take(&live.job.name, (file.clone(), line))?;
                Ok(Record { live, line, mended: matches!(object, Cow::Owned(_)) })
            });
            record.map_err(|flaw| Problem { file: file.to_string(), number, line, offset, flaw })
        })
    }

    /// Takes a name for the job at this place, unless another job has it.
    fn take(&mut self, name: &Arc<str>, place: (Arc<str>, u64)) -> Result<(), Flaw> {
        match self.names.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(place);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let (file, line) = entry.get();
                Err(Flaw::Twice { name: name.to_string(), file: file.to_string(), line: *line })
            }
        }
    }
}

/// Reads one object. What only the server may set is dropped (FACTS 8).
fn job(bytes: &[u8]) -> Result<LiveJob, Flaw> {
    let live: LiveJob = serde_json::from_slice(bytes).map_err(|error| no_job(bytes, &error))?;
    let name = || live.job.name.to_string();
    if let Some(field) = odd_instant(bytes) {
        // Without it the job would run when it must not.
        let words = "this is no instant such as `2030-01-31T09:00:00Z`".to_owned();
        return Err(Flaw::NoJob { job: Some(name()), field: Some(field.to_owned()), words });
    }
    match live.job.refusal() {
        None => Ok(live),
        Some((field, words)) => Err(Flaw::Refused { name: name(), field, words }),
    }
}

/// Says which job and which field it is about, which the decoder does not.
fn no_job(bytes: &[u8], error: &serde_json::Error) -> Flaw {
    let object: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let job = object.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()).map(ToOwned::to_owned);
    let wrong = |field: &str| {
        let alone = object.get(field).map(|value| Map::from_iter([(field.to_owned(), value.clone())]))?;
        serde_json::from_str::<LiveJob>(&Value::Object(alone).to_string()).err()
    };
    let field = FIELDS.iter().copied().chain(["next", "dependent_jobs"]).find(|field| wrong(field).is_some());
    Flaw::NoJob { job, field: field.map(ToOwned::to_owned), words: without_values(&json_words(error)) }
}

/// serde's words without the text or number that it found, which may be a secret.
fn without_values(words: &str) -> String {
    for (kind, begin, end) in [("string", " \"", "\", "), ("integer", " `", "`, "), ("floating point", " `", "`, ")] {
        if let Some((before, _)) = words.split_once(&format!("{kind}{begin}"))
            && let Some((_, after)) = words.rsplit_once(end)
        {
            return format!("{before}{kind}, {after}");
        }
    }
    words.to_owned()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, number, line, offset, flaw } = self;
        write!(f, "{file}: job {number}, which begins in line {line} (byte {offset}): {flaw}")
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(reason) => reason.fmt(f),
            Self::NoJob { job, field, words } => {
                f.write_str("this is no job of Dkron's: ")?;
                if let Some(job) = job {
                    write!(f, "`{job}`, ")?;
                }
                if let Some(field) = field {
                    write!(f, "field `{field}`: ")?;
                }
                f.write_str(words)
            }
            Self::Refused { name, words, .. } if name.is_empty() => f.write_str(words),
            Self::Refused { name, field: "name", words } => write!(f, "Dkron refuses the name `{name}`: {words}"),
            Self::Refused { name, field, words } => write!(f, "Dkron refuses `{name}`, field `{field}`: {words}"),
            Self::Twice { name, file, line } => {
                write!(f, "`{name}` is already in line {line} of {file}; keep one of the two")
            }
        }
    }
}

impl std::error::Error for Problem {}

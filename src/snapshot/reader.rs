//! Jobs out of files, as they come.

use std::collections::HashMap;
use std::collections::hash_map;
use std::fmt;
use std::mem;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::job::{FIELDS, LiveJob, json_words, odd_instant};

use super::{Object, Objects, Piece, Reason, Shape};

/// A job and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The job as Dkron held it.
    pub live: LiveJob,
    /// Which one of the file it is, from 1.
    pub number: u64,
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

/// What one file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// How the objects stand in it.
    pub shape: Shape,
    /// Jobs that were handed out.
    pub jobs: u64,
    /// Those of them that line breaks were taken out of.
    pub mended: u64,
    /// Problems that were handed out.
    pub problems: u64,
}

/// Where a [`Reader`] hands out what it finds. It returns an error to stop at the first problem, and nothing to skip it.
pub type Take<'f, E> = dyn FnMut(Result<Record, Problem>) -> Result<(), E> + 'f;

/// Reads one file after another, chunk by chunk; a name that comes twice is a problem also when it does so in two files.
#[derive(Debug)]
pub struct Reader {
    limit: usize,
    objects: Objects,
    names: HashMap<Arc<str>, (usize, u64)>,
    files: Vec<String>,
    read: Read,
}

impl Reader {
    /// A reader of this file that takes no object longer than so many bytes.
    pub fn new(file: impl Into<String>, limit: usize) -> Self {
        Self { limit, objects: Objects::new(limit), names: HashMap::new(), files: vec![file.into()], read: Read::new() }
    }

    /// Takes the file's next bytes, unpacked.
    ///
    /// # Errors
    /// What `take` returned. The reader is of no use after it.
    pub fn push<E>(&mut self, chunk: &[u8], take: &mut Take<'_, E>) -> Result<(), E> {
        let Self { objects, names, files, read, .. } = self;
        objects.push(chunk, &mut |piece| take(record(piece, names, files, read)))
    }

    /// The end of the file, and the beginning of the next if there is one.
    ///
    /// # Errors
    /// What `take` returned.
    pub fn finish<E>(&mut self, next: Option<String>, take: &mut Take<'_, E>) -> Result<Read, E> {
        let objects = mem::replace(&mut self.objects, Objects::new(self.limit));
        let Self { names, files, read, .. } = self;
        let shape = objects.finish(&mut |piece| take(record(piece, names, files, read)))?;
        self.files.extend(next);
        Ok(Read { shape, ..mem::replace(&mut self.read, Read::new()) })
    }
}

impl Read {
    fn new() -> Self {
        Self { shape: Shape::Empty, jobs: 0, mended: 0, problems: 0 }
    }
}

fn record(
    piece: Piece<'_>,
    names: &mut HashMap<Arc<str>, (usize, u64)>,
    files: &[String],
    read: &mut Read,
) -> Result<Record, Problem> {
    let file = files.len().saturating_sub(1);
    let (Piece::Object(Object { number, offset, line, .. })
    | Piece::Broken(super::Broken { number, offset, line, .. })) = piece;
    let live = match piece {
        Piece::Broken(broken) => Err(Flaw::Broken(broken.reason)),
        Piece::Object(object) => job(object.bytes).and_then(|live| match names.entry(live.job.name.clone()) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert((file, line));
                read.mended += u64::from(object.mended);
                Ok(Record { live, number, line, mended: object.mended })
            }
            hash_map::Entry::Occupied(entry) => {
                let &(file, line) = entry.get();
                let file = files.get(file).cloned().unwrap_or_default();
                Err(Flaw::Twice { name: live.job.name.to_string(), file, line })
            }
        }),
    };
    *if live.is_ok() { &mut read.jobs } else { &mut read.problems } += 1;
    live.map_err(|flaw| Problem { file: files.get(file).cloned().unwrap_or_default(), number, line, offset, flaw })
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

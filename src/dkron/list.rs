//! A list of jobs, read as it arrives: it is never there as a whole, neither as text nor as values.

use crate::job::{Live, LiveJob};
use crate::snapshot::{LONGEST_JOB, Lines, Objects, Piece, Shape};

/// What a list is read into.
pub trait Collect {
    /// Takes one job's JSON.
    ///
    /// # Errors
    /// Why it is no job of Dkron's, in words.
    fn add(&mut self, job: &[u8]) -> Result<(), String>;

    /// Whether two readings hold the same definitions. What moves with each run says nothing about a list's age.
    fn agrees(&self, other: &Self) -> bool;
}

impl Collect for Live {
    fn add(&mut self, job: &[u8]) -> Result<(), String> {
        self.put(live_job(job)?);
        Ok(())
    }

    fn agrees(&self, other: &Self) -> bool {
        self.jobs.len() == other.jobs.len() && self.jobs.values().zip(other.jobs.values()).all(|(a, b)| a.job == b.job)
    }
}

impl Live {
    /// Adds a job. Dkron's list is in the order of the names; in any other it takes longer.
    fn put(&mut self, live: LiveJob) {
        if let Some((name, live)) = self.jobs.try_append(live.job.name.clone(), live) {
            self.jobs.insert(name, live);
        }
    }
}

/// As Dkron gave them.
impl Collect for Lines {
    fn add(&mut self, job: &[u8]) -> Result<(), String> {
        Self::add(self, job)
    }

    fn agrees(&self, other: &Self) -> bool {
        self.same_definitions(other)
    }
}

fn live_job(job: &[u8]) -> Result<LiveJob, String> {
    let read = match str::from_utf8(job) {
        // Looked at as a whole, so that it need not be text by text.
        Ok(text) => serde_json::from_str::<LiveJob>(text),
        // What is no text may stand where nobody reads it.
        Err(_) => serde_json::from_slice(job),
    };
    read.map_err(|error| error.to_string())
}

/// Reads `GET /v1/jobs` piece by piece.
pub(super) struct List<C> {
    objects: Objects,
    jobs: Jobs<C>,
}

struct Jobs<C> {
    collected: C,
    count: usize,
}

impl<C: Collect> List<C> {
    pub(super) fn new(empty: C) -> Self {
        Self { objects: Objects::new(LONGEST_JOB), jobs: Jobs { collected: empty, count: 0 } }
    }

    /// Takes the next bytes of a list that says it has `total` jobs: more are not kept, so that no answer fills the memory.
    ///
    /// # Errors
    /// What is wrong with the list, in words.
    pub(super) fn push(&mut self, chunk: &[u8], total: usize) -> Result<(), String> {
        self.objects.push(chunk, &mut |piece| self.jobs.take(&piece, total))
    }

    /// The jobs and their number.
    ///
    /// # Errors
    /// What is wrong with the list, in words.
    pub(super) fn finish(mut self) -> Result<(C, usize), String> {
        match self.objects.finish(&mut |piece| self.jobs.take(&piece, usize::MAX))? {
            Shape::Array { closed: true } => Ok((self.jobs.collected, self.jobs.count)),
            _ => Err("it is no JSON list".to_owned()),
        }
    }
}

impl<C: Collect> Jobs<C> {
    fn take(&mut self, piece: &Piece<'_>, total: usize) -> Result<(), String> {
        self.count += 1;
        if self.count > total {
            return Err(format!("it has more jobs than its X-Total-Count says, {total}"));
        }
        match piece {
            Piece::Object(object) => {
                self.collected.add(object.bytes).map_err(|error| format!("job {}: {error}", object.number))
            }
            Piece::Broken(broken) => Err(format!("byte {}: {}", broken.offset, broken.reason)),
        }
    }
}

/// Reads a list of jobs as `GET /v1/jobs` gives it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode_jobs(body: &[u8]) -> Result<Live, String> {
    let mut list = List::new(Live::default());
    list.push(body, usize::MAX)?;
    list.finish().map(|(live, _)| live)
}

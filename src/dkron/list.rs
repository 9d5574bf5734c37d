//! A list of jobs, read into whatever is needed of it.

use crate::job::{Live, LiveJob};
use crate::json::{Cut, Objects};
use crate::snapshot::{LONGEST_JOB, Lines};

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

/// Reads a list that says it has `total` jobs into `collected`: more are not read. Tells how many there are.
///
/// # Errors
/// What is wrong with the list, in words.
pub(super) fn read<C: Collect>(body: &[u8], total: usize, collected: &mut C) -> Result<usize, String> {
    let mut objects = Objects::new(body, LONGEST_JOB);
    let mut count = 0;
    for Cut { offset, object, .. } in &mut objects {
        count += 1;
        if count > total {
            return Err(format!("it has more jobs than its X-Total-Count says, {total}"));
        }
        let object = object.map_err(|reason| format!("byte {offset}: {reason}"))?;
        collected.add(&object).map_err(|error| format!("job {count}: {error}"))?;
    }
    if objects.is_array() { Ok(count) } else { Err("it is no JSON list".to_owned()) }
}

/// Reads a list of jobs as `GET /v1/jobs` gives it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode_jobs(body: &[u8]) -> Result<Live, String> {
    let mut live = Live::default();
    read(body, usize::MAX, &mut live).map(|_| live)
}

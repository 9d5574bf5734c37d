//! A list of jobs, read into whatever is needed of it.

use serde::de::DeserializeOwned;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::job::{Live, LiveJob};
use crate::json::{Cut, Objects};
use crate::snapshot::{LONGEST_JOB, Lines};

/// What a list is read into.
pub trait Collect: Default {
    /// One job, as it is read in one pass.
    type Item: DeserializeOwned;

    /// Takes one job.
    ///
    /// # Errors
    /// Why it is no job of Dkron's, in words.
    fn take(&mut self, item: Self::Item) -> Result<(), String>;

    /// Whether two readings hold the same definitions. What moves with each run says nothing about a list's age.
    fn agrees(&self, other: &Self) -> bool;
}

impl Collect for Live {
    type Item = LiveJob;

    /// Dkron's list is in the order of the names; in any other it takes longer.
    fn take(&mut self, item: LiveJob) -> Result<(), String> {
        if let Some((name, item)) = self.jobs.try_append(item.job.name.clone(), item) {
            self.jobs.insert(name, item);
        }
        Ok(())
    }

    fn agrees(&self, other: &Self) -> bool {
        self.jobs.len() == other.jobs.len() && self.jobs.values().zip(other.jobs.values()).all(|(a, b)| a.job == b.job)
    }
}

/// As Dkron gave them.
impl Collect for Lines {
    type Item = Box<RawValue>;

    fn take(&mut self, item: Box<RawValue>) -> Result<(), String> {
        Self::add(self, item.get().as_bytes())
    }

    fn agrees(&self, other: &Self) -> bool {
        self.same_definitions(other)
    }
}

/// A list that is read while it arrives, and while Dkron still sends the rest. It knows right lists only: what is wrong with another
/// one [`read`] tells.
pub(super) struct Early<C> {
    collected: C,
    count: usize,
    /// How far it has been read, in bytes.
    at: usize,
    /// How many bytes there must be before it is tried again: a job that is not whole yet is not tried for each of its pieces.
    enough: usize,
    next: Next,
}

/// What comes next in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Begin,
    FirstOrEnd,
    Element,
    CommaOrEnd,
    Nothing,
    /// It is not a right list.
    Wrong,
}

impl<C: Collect> Early<C> {
    pub(super) fn new() -> Self {
        Self { collected: C::default(), count: 0, at: 0, enough: 0, next: Next::Begin }
    }

    /// Reads what is whole in `body`, which has grown since, of a list that says it has `total` jobs.
    pub(super) fn read(&mut self, body: &[u8], total: usize) {
        while self.next != Next::Wrong && body.len() >= self.enough {
            let Some(byte) = body.get(self.at) else { return };
            self.next = match (self.next, byte) {
                (next, b' ' | b'\t' | b'\r' | b'\n') => next,
                (Next::Begin, b'[') => Next::FirstOrEnd,
                (Next::FirstOrEnd | Next::CommaOrEnd, b']') => Next::Nothing,
                (Next::CommaOrEnd, b',') => Next::Element,
                (Next::FirstOrEnd | Next::Element, b'{') => {
                    if self.element(&body[self.at..], total) {
                        continue;
                    }
                    return;
                }
                _ => Next::Wrong,
            };
            self.at += 1;
        }
    }

    /// Reads a job; whether it was whole.
    fn element(&mut self, rest: &[u8], total: usize) -> bool {
        let mut stream = Deserializer::from_slice(rest).into_iter();
        let taken = match stream.next() {
            Some(Err(error)) if error.is_eof() => {
                self.enough = self.at + 2 * rest.len();
                return false;
            }
            Some(Ok(item)) => self.collected.take(item).is_ok(),
            Some(Err(_)) | None => false,
        };
        self.count += 1;
        self.at += stream.byte_offset();
        let is_right = taken && self.count <= total && stream.byte_offset() <= LONGEST_JOB;
        self.next = if is_right { Next::CommaOrEnd } else { Next::Wrong };
        is_right
    }

    /// The jobs, if this is a whole list with as many as it says.
    pub(super) fn finish(mut self, body: &[u8], total: usize) -> Option<C> {
        self.enough = 0;
        self.read(body, total);
        (self.next == Next::Nothing && self.at == body.len() && self.count == total).then_some(self.collected)
    }
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
        let item = serde_json::from_slice(&object).map_err(|error| error.to_string());
        item.and_then(|item| collected.take(item)).map_err(|error| format!("job {count}: {error}"))?;
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

//! When jobs run in the 24 hours that are drawn.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::lint::{Subject, Subjects};
use crate::schedule::{Schedule, within};

use super::strip::DAY;

/// How far back the run before the day is looked for: longer than any TTL that means something, and a yearly job's last.
const HORIZON: i64 = 366 * DAY;
/// How many runs of different schedules are computed in all. Ten thousand jobs that run every five minutes, each at a second of
/// its own, need less than three million.
const MOST_RUNS: usize = 6_000_000;

/// The runs of one job in the day, in seconds from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// In order.
    pub(super) at: Rc<[i64]>,
    /// The last one before the day; negative.
    pub(super) before: Option<i64>,
    /// Whether Dkron counts them from its own start, so that they were counted from the day's.
    pub(super) every: bool,
    /// Whether there are more, which were too many to compute.
    pub(super) cut: bool,
}

/// A day, and the runs already found in it: many jobs have the same schedule.
pub(super) struct Day<'a> {
    pub(super) from: Timestamp,
    subjects: &'a Subjects<'a>,
    known: BTreeMap<(&'a str, &'a str, &'a str), Runs>,
    left: usize,
}

impl<'a> Day<'a> {
    /// The 24 hours from this instant, for these jobs.
    pub(super) fn new(from: Timestamp, subjects: &'a Subjects<'a>) -> Self {
        Self { from, subjects, known: BTreeMap::new(), left: MOST_RUNS }
    }

    /// The instant so many seconds from the day's start.
    pub(super) fn instant(&self, second: i64) -> Timestamp {
        self.from.saturating_add(SignedDuration::from_secs(second)).unwrap_or(self.from)
    }

    /// The runs of a job; of a child, those of the job that its family begins with. None where one of them is switched off.
    pub(super) fn runs(&mut self, subject: &'a Subject<'a>) -> Runs {
        let Some(root) = self.subjects.root(subject).filter(|_| subject.off.is_none()) else { return Runs::default() };
        let Some(Ok(schedule)) = &root.timing.schedule else { return Runs::default() };
        let name = if root.timing.is_by_name() { &**root.name } else { "" };
        let (from, left) = (self.from, &mut self.left);
        let key = (root.timing.said.as_str(), root.timing.timezone.as_str(), name);
        let runs = self.known.entry(key).or_insert_with(|| find(schedule, from, left)).clone();
        let (starts, ends) = root.limits();
        if starts.is_none() && ends.is_none() {
            return runs;
        }
        let within = |run: &i64| within(self.instant(*run), starts, ends);
        Runs { at: runs.at.iter().copied().filter(within).collect(), before: runs.before.filter(within), ..runs }
    }
}

fn find(schedule: &Schedule, from: Timestamp, left: &mut usize) -> Runs {
    let start = from.as_second();
    let next = |after: i64| Some(schedule.next(Timestamp::from_second(after).ok()?)?.as_second());
    let every = schedule.every().is_some();
    let mut at = Vec::new();
    let mut run = if every { Some(start) } else { next(start - 1) };
    while let Some(second) = run.filter(|second| *second < start + DAY) {
        if *left == 0 {
            break;
        }
        *left -= 1;
        at.push(second - start);
        run = next(second);
    }
    let cut = run.is_some_and(|second| second < start + DAY);
    let before = if every { None } else { last_before(&next, start).map(|last| last - start) };
    Runs { at: at.into(), before, every, cut }
}

/// The last run before an instant. Only the next one after an instant can be asked for, which never goes back as the instant
/// goes on: so the last instant whose next run is early enough is searched by halves.
fn last_before(next: &impl Fn(i64) -> Option<i64>, start: i64) -> Option<i64> {
    let early = |after: i64| next(after).filter(|run| *run < start);
    let (mut low, mut high) = (start - HORIZON, start - 1);
    let mut last = early(low)?;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match early(middle) {
            Some(run) => (low, last) = (middle.max(run - 1), run),
            None => high = middle,
        }
    }
    Some(last)
}

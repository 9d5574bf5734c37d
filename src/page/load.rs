//! How many runs call each target, minute by minute, and the seconds in which too many do at once.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use minijinja::Value;
use serde::Serialize;

use crate::report::MASK;
use crate::words::counted;

use super::day::Day;
use super::strip::{DAY, Strip, joined, steps};
use super::{Page, clock, count};

/// How many targets are drawn, and how many bytes of paths that may take; the first three are drawn in any case. The others are
/// lines of a table.
const DRAWN: usize = 20;
const DRAWN_FIRST: usize = 3;
const DRAWN_BYTES: usize = 24_000;
/// How many lines that table has at most.
const LISTED: usize = 200;
/// How many of a target's stampedes are named.
const NAMED: usize = 3;

const MINUTE: i64 = 60;

/// The targets, those with stampedes first, then by their busiest minute.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    drawn: Vec<Target>,
    listed: Vec<Target>,
    more: String,
    /// How many targets there are.
    targets: usize,
    /// How many seconds have a stampede, over all targets.
    #[serde(skip)]
    pub(super) stampedes: usize,
    /// More jobs than this in a second are one.
    limit: usize,
    /// How many jobs are switched on and call no URL by a schedule of their own.
    without: usize,
    /// How many runs there are in the day.
    #[serde(skip)]
    pub(super) runs: usize,
}

/// One target.
#[derive(Debug, Serialize)]
struct Target {
    name: String,
    jobs: String,
    runs: String,
    peak: usize,
    peak_shown: String,
    at: String,
    /// The area of the runs of each minute.
    area: Value,
    /// The minutes with a stampede.
    marks: Value,
    seconds: usize,
    seconds_shown: String,
    worst: String,
}

/// Jobs with the same runs, which are looked at once.
struct Same {
    at: Rc<[i64]>,
    jobs: usize,
    every: bool,
}

pub(super) fn load<'a>(page: &Page<'a>, day: &mut Day<'a>) -> Load {
    // By the target, and by where the runs lie in memory: jobs of the same schedule share them.
    let mut targets: BTreeMap<&str, BTreeMap<*const i64, Same>> = BTreeMap::new();
    let mut without = 0;
    for subject in page.shown().filter(|subject| !subject.disabled()) {
        let target = if subject.is_secret("executor_config.url") { Some(MASK) } else { subject.target.as_deref() };
        let Some(target) = target.filter(|_| subject.parent().is_none()) else {
            without += 1;
            continue;
        };
        let runs = day.runs(subject);
        let same = Same { at: runs.at.clone(), jobs: 0, every: runs.every };
        targets.entry(target).or_default().entry(runs.at.as_ptr()).or_insert(same).jobs += 1;
    }
    let limit = page.circumstances.stampede;
    let mut seconds = vec![0; usize::try_from(DAY).unwrap_or_default()];
    let mut all: Vec<_> = targets.iter().map(|(name, jobs)| Seen::of(name, jobs, limit, &mut seconds)).collect();
    all.sort_by_key(|seen| std::cmp::Reverse((seen.worst.first().map(|worst| worst.0), seen.peak.0)));
    let (targets, stampedes) = (all.len(), all.iter().map(|seen| seen.crowded.len()).sum());
    let runs = all.iter().map(|seen| seen.runs).sum();
    let mut rows: Vec<_> = all.iter().take(DRAWN + LISTED).map(|seen| seen.shown(day)).collect();
    let mut bytes = 0;
    let mut fits = |target: &Target| {
        bytes += target.area.as_str().map_or(0, str::len);
        bytes <= DRAWN_BYTES
    };
    let fit = rows.iter().take(DRAWN).take_while(|target| fits(target)).count();
    let mut listed = rows.split_off(fit.max(DRAWN_FIRST).min(rows.len()));
    listed.truncate(LISTED);
    let drawn = rows;
    let more = count(targets - drawn.len() - listed.len());
    Load { drawn, listed, more, targets, stampedes, limit, without, runs }
}

/// What was counted of one target.
struct Seen<'a> {
    name: &'a str,
    jobs: usize,
    runs: usize,
    minutes: Vec<usize>,
    /// The busiest minute: how many runs, and which.
    peak: (usize, i64),
    /// The seconds with too many jobs.
    crowded: Vec<i64>,
    /// The worst of them: how many jobs, and when.
    worst: Vec<(usize, i64)>,
}

impl<'a> Seen<'a> {
    /// `seconds` is nothing but zeros before and after: where the runs of each second of the day are counted.
    fn of(name: &'a str, jobs: &BTreeMap<*const i64, Same>, limit: usize, seconds: &mut [usize]) -> Self {
        let mut minutes = vec![0; usize::try_from(DAY / MINUTE).unwrap_or_default()];
        let add = |counts: &mut [usize], at: i64, jobs: usize| {
            if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
                *count += jobs;
            }
        };
        for same in jobs.values() {
            for second in same.at.iter() {
                add(&mut minutes, second / MINUTE, same.jobs);
                // `@every` counts from a start that nobody knows.
                if !same.every {
                    add(seconds, *second, same.jobs);
                }
            }
        }
        let mut worst: Vec<(usize, i64)> = Vec::new();
        for second in jobs.values().flat_map(|same| same.at.iter()) {
            let count = usize::try_from(*second).ok().and_then(|at| seconds.get_mut(at)).map(mem::take);
            worst.extend(count.filter(|count| *count > limit).map(|count| (count, *second)));
        }
        let mut crowded: Vec<_> = worst.iter().map(|(_, second)| *second).collect();
        crowded.sort_unstable();
        worst.sort_by_key(|(jobs, second)| (std::cmp::Reverse(*jobs), *second));
        worst.truncate(NAMED);
        let by_minute = minutes.iter().copied().zip((0..).step_by(60));
        let peak = by_minute.max_by_key(|(runs, at)| (*runs, std::cmp::Reverse(*at))).unwrap_or_default();
        Self {
            name,
            jobs: jobs.values().map(|same| same.jobs).sum(),
            runs: minutes.iter().sum(),
            minutes,
            peak,
            crowded,
            worst,
        }
    }

    fn shown(&self, day: &Day<'_>) -> Target {
        let minute = |second: &i64| (second - second % MINUTE, second - second % MINUTE + MINUTE);
        let worst: Vec<_> =
            self.worst.iter().map(|(jobs, second)| format!("{} at {}", count(*jobs), clock(day, *second))).collect();
        let marks = Strip::of(&joined(self.crowded.iter().map(minute), 1));
        Target {
            name: self.name.to_owned(),
            jobs: counted(count(self.jobs), "job"),
            runs: counted(count(self.runs), "run"),
            // A picture without a height is none.
            peak: self.peak.0.max(1),
            peak_shown: count(self.peak.0),
            at: clock(day, self.peak.1).chars().take(5).collect(),
            area: steps(&self.minutes),
            marks: marks.map_or(Value::UNDEFINED, |marks| Value::from_safe_string(marks.path("s", 4))),
            seconds: self.crowded.len(),
            seconds_shown: counted(count(self.crowded.len()), "second"),
            worst: worst.join(", "),
        }
    }
}

//! The timeline: a lane a cache, and one a job that keeps none.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::SignedDuration;
use minijinja::Value;
use serde::Serialize;

use crate::cache::{Covered, Ttl, Verdict};
use crate::lint::Subject;
use crate::schedule::spoken;
use crate::words::counted;

use super::day::{Day, Runs};
use super::strip::{DAY, Span, Strip, joined};
use super::{Chunk, Page, UNFOLDED, chunks, count};

/// How tall a lane is, in pixels.
const LANE: usize = 20;
/// How many lanes stand together: their picture, which cannot be cut, fits on a printed page.
const CHUNK: usize = 50;
/// How many bytes of lanes there may be. Ten thousand with a pattern need less; those of many runs at odd times are cut, the ones
/// that are kept fresh first.
const MOST_BYTES: usize = 2_400_000;

/// One lane.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lane {
    name: String,
    /// What is wrong with it, in a word or two.
    verdict: &'static str,
    /// For who rests the pointer on it, and for who cannot see the picture.
    title: String,
    /// The lane's paths, once its place is known.
    picture: Value,
    /// What is drawn, each over those before it: where the value is fresh, late and gone, and the runs.
    #[serde(skip)]
    strips: [(&'static str, Option<Strip>); 5],
    /// How much of the day is not covered by the soft TTL, and by the hard one, in seconds.
    #[serde(skip)]
    pub(super) uncovered: (i64, i64),
}

impl Lane {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        let strips = self.strips.iter().filter_map(|(_, strip)| strip.as_ref());
        2 * self.name.len() + 80 + strips.map(Strip::bytes).sum::<usize>()
    }

    /// Makes the picture, with the lane's middle at this height.
    fn draw(&mut self, y: usize) {
        let paths = self.strips.iter().filter_map(|(class, strip)| Some(strip.as_ref()?.path(class, y)));
        self.picture = Value::from_safe_string(paths.collect::<String>());
    }
}

/// Lanes that need somebody, then the others.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    pub(super) groups: Vec<Group>,
    /// The full hours: a path of grid lines, and labels with their place in percent.
    grid: Value,
    hours: Vec<(String, String)>,
    every: bool,
    cut: bool,
    lanes: usize,
    /// How many lanes are left out, if any.
    more: String,
}

/// Lanes under one heading.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    heading: &'static str,
    why: &'static str,
    chunks: Vec<Chunk<Lane>>,
}

/// All lanes; and of each cache of the coverage, in its order, for how long it is not covered.
pub(super) fn timeline<'a>(page: &Page<'a>, day: &mut Day<'a>) -> (Timeline, Vec<(i64, i64)>) {
    let (mut trouble, mut kept, mut unwanted, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut every, mut cut) = (false, false);
    let mut keeping: BTreeSet<&str> = BTreeSet::new();
    let mut uncovered = Vec::new();
    for covered in &page.findings.coverage {
        keeping.extend(covered.keepers.iter().map(|keeper| &*keeper.job));
        let keepers = covered.keepers.iter().filter_map(|keeper| page.subjects.get(&keeper.job));
        let all = keepers.map(|subject| day.runs(subject)).reduce(|a, b| both(&a, &b)).unwrap_or_default();
        (every, cut) = (every | all.every, cut | all.cut);
        let lane = of_cache(covered, &all);
        uncovered.push(lane.uncovered);
        match covered.verdict {
            Verdict::Kept => kept.push(lane),
            Verdict::NotWanted => unwanted.push(lane),
            Verdict::NoJob | Verdict::SwitchedOff | Verdict::TooSlow => trouble.push(lane),
        }
    }
    for subject in page.shown().filter(|subject| !keeping.contains(&**subject.name)) {
        let runs = day.runs(subject);
        (every, cut) = (every | runs.every, cut | runs.cut);
        let lane = of_job(subject, &runs);
        if lane.verdict == LATE { trouble.push(lane) } else { others.push(lane) }
    }
    trouble.sort_by_key(|lane: &Lane| std::cmp::Reverse((lane.uncovered.1, lane.uncovered.0)));
    let lanes = trouble.len() + kept.len() + unwanted.len() + others.len();
    let open = lanes <= UNFOLDED;
    let groups = [
        ("Not kept fresh", "Nothing refreshes them, or not often enough.", trouble, true),
        ("Kept fresh", "A job runs within the allowed interval.", kept, open),
        ("Not wanted", "The table says that no job need keep them.", unwanted, open),
        ("Jobs that keep no cache of the table", "Their runs only, and the TTLs in their own metadata.", others, open),
    ];
    let (mut bytes, mut more) = (0, 0);
    let mut groups = Vec::from(groups);
    for (.., lanes, _) in &mut groups {
        let mut fits = |lane: &Lane| {
            bytes += lane.bytes();
            bytes <= MOST_BYTES
        };
        let fit = lanes.iter().take_while(|lane| fits(lane)).count();
        more += lanes.len() - fit;
        lanes.truncate(fit);
    }
    let groups = groups.into_iter().filter(|(.., lanes, _)| !lanes.is_empty()).map(|(heading, why, lanes, open)| {
        let mut chunks = chunks(lanes, CHUNK, |lane| lane.name.clone(), open);
        for chunk in &mut chunks {
            for (index, lane) in chunk.rows.iter_mut().enumerate() {
                lane.draw(index * LANE + LANE / 2);
            }
        }
        Group { heading, why, chunks }
    });
    let groups = groups.collect();
    let (grid, hours) = axis(day);
    let more = if more > 0 { count(more) } else { String::new() };
    (Timeline { groups, grid, hours, every, cut, lanes, more }, uncovered)
}

/// What is said of a job's lane in which a TTL of its own runs out.
const LATE: &str = "late";

fn of_cache(covered: &Covered, runs: &Runs) -> Lane {
    let verdict = match covered.verdict {
        Verdict::Kept | Verdict::NotWanted => "",
        other => other.word(),
    };
    // A cache that nobody wants fresh is not late.
    let ttl = (covered.verdict != Verdict::NotWanted).then_some(covered.cache.ttl);
    lane(&covered.cache.name, verdict, covered.verdict.word(), ttl, runs)
}

fn of_job(subject: &Subject<'_>, runs: &Runs) -> Lane {
    let running = !runs.at.is_empty() || runs.before.is_some();
    // What is wrong with one is among the notes.
    let ttl = subject.own_ttl.as_deref().filter(|_| running).copied();
    let mut lane = lane(subject.name, "", "keeps no cache of the table", ttl, runs);
    if subject.off.is_some() {
        lane.verdict = Verdict::SwitchedOff.word();
    } else if lane.uncovered != (0, 0) {
        lane.verdict = LATE;
    }
    lane
}

fn lane(name: &str, verdict: &'static str, word: &str, ttl: Option<Ttl>, runs: &Runs) -> Lane {
    let (late, gone) = ttl.map_or_else(Default::default, |ttl| uncovered(ttl, runs));
    let total = |spans: &[Span]| spans.iter().map(|(from, to)| to - from.max(&0)).sum::<i64>();
    let uncovered = (total(&late) + total(&gone), total(&gone));
    let mut title = format!("{name}: {word}, {}", counted(count(runs.at.len()), "run"));
    for (seconds, what) in [(uncovered.0 - uncovered.1, "late"), (uncovered.1, "gone")] {
        if seconds > 0 {
            let _ = write!(title, ", {what} for {}", spoken(SignedDuration::from_secs(seconds)));
        }
    }
    let [single, dense] = Strip::of_runs(&runs.at);
    Lane {
        name: name.to_owned(),
        verdict,
        title,
        picture: Value::UNDEFINED,
        strips: [
            ("f", ttl.filter(|_| uncovered.0 < DAY).and_then(|_| Strip::of(&[(0, DAY)]))),
            ("l", Strip::of(&late)),
            ("x", Strip::of(&gone)),
            ("d", dense),
            ("t", single),
        ],
        uncovered,
    }
}

/// When the value is older than its soft TTL, and when it is older than its hard one. The first of either may begin before the
/// day: it keeps its length, so that it looks like those after it.
fn uncovered(ttl: Ttl, runs: &Runs) -> (Vec<Span>, Vec<Span>) {
    let (mut late, mut gone) = (Vec::new(), Vec::new());
    let starts = runs.before.into_iter().chain(runs.at.iter().copied());
    let ends = runs.at.iter().copied().chain([DAY]);
    if runs.before.is_none() {
        let first = (0, runs.at.first().copied().unwrap_or(DAY));
        // Nothing is there yet.
        if ttl.hard.is_some() { gone.push(first) } else { late.push(first) }
    }
    for (run, next) in starts.zip(ends.skip(usize::from(runs.before.is_none()))) {
        let soft = run.saturating_add(ttl.soft.as_secs());
        let hard = ttl.hard.map_or(i64::MAX, |hard| run.saturating_add(hard.as_secs()).max(soft));
        late.push((soft.min(next), hard.min(next)));
        gone.push((hard.min(next), next));
    }
    let within = |spans: Vec<Span>| {
        let within = spans.into_iter().filter(|(_, to)| *to > 0);
        joined(within.map(|(from, to)| if from < -DAY { (0, to) } else { (from, to) }), 1)
    };
    (within(late), within(gone))
}

/// The runs of two jobs as those of one.
fn both(a: &Runs, b: &Runs) -> Runs {
    let mut at: Vec<_> = a.at.iter().chain(b.at.iter()).copied().collect();
    at.sort_unstable();
    at.dedup();
    Runs { at: at.into(), before: a.before.max(b.before), every: a.every | b.every, cut: a.cut | b.cut }
}

/// A line each hour, and a label each three.
fn axis(day: &Day<'_>) -> (Value, Vec<(String, String)>) {
    let hour = 3_600;
    let mut grid = String::new();
    let mut hours = Vec::new();
    let first = (-day.from.as_second()).rem_euclid(hour);
    for second in (first..DAY).step_by(3_600) {
        let _ = write!(grid, "M{second} 0V{}", CHUNK * LANE);
        let of_day = (day.from.as_second() + second).rem_euclid(DAY) / hour;
        if of_day % 3 == 0 {
            // In hundredths of a percent, without a float.
            let place = second * 10_000 / DAY;
            hours.push((format!("{}.{:02}", place / 100, place % 100), format!("{of_day:02}:00")));
        }
    }
    (Value::from_safe_string(grid), hours)
}

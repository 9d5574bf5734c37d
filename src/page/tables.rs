//! The coverage of the caches and the jobs, row by row.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serialize;

use crate::cache::{Covered, Verdict};
use crate::lint::Subject;
use crate::report::MASK;
use crate::schedule::{spoken, within};

use super::day::Day;
use super::{Chunk, Page, ROWS, UNFOLDED, chunks, count};

/// How many of a cache's jobs are named.
const NAMED: usize = 3;
/// How many of a job's next runs are shown.
const NEXT: usize = 2;

/// A cache.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    soft: String,
    hard: String,
    allowed: String,
    jobs: String,
    worst: String,
    late: String,
    verdict: &'static str,
    good: bool,
    #[serde(skip)]
    rank: usize,
}

/// The caches: those that need somebody first.
pub(super) fn coverage(page: &Page<'_>, uncovered: &[(i64, i64)]) -> Vec<Chunk<Row>> {
    let mut rows: Vec<_> =
        page.findings.coverage.iter().zip(uncovered).map(|(covered, late)| row(covered, *late)).collect();
    rows.sort_by_key(|row| row.rank);
    let open = rows.len() <= UNFOLDED;
    chunks(rows, ROWS, |row| row.name.clone(), open)
}

fn row(covered: &Covered, (late, gone): (i64, i64)) -> Row {
    let seconds = |seconds: i64| spoken(jiff::SignedDuration::from_secs(seconds));
    let mut jobs: Vec<_> = covered
        .keepers
        .iter()
        .take(NAMED)
        .map(|keeper| if keeper.off.is_some() { format!("{} (off)", keeper.job) } else { keeper.job.to_string() })
        .collect();
    if covered.keepers.len() > NAMED {
        jobs.push(format!("{} more", count(covered.keepers.len() - NAMED)));
    }
    let ttl = covered.cache.ttl;
    Row {
        name: covered.cache.name.clone(),
        soft: spoken(ttl.soft),
        hard: ttl.hard.map_or_else(String::new, spoken),
        allowed: spoken(ttl.allowed_interval()),
        jobs: jobs.join(", "),
        worst: covered.worst_gap().map_or_else(String::new, spoken),
        late: match (late, gone) {
            (0, 0) => String::new(),
            (late, 0) => format!("{} late", seconds(late)),
            (late, gone) if late == gone => format!("{} gone", seconds(gone)),
            (late, gone) => format!("{} late, {} gone", seconds(late - gone), seconds(gone)),
        },
        verdict: covered.verdict.word(),
        good: matches!(covered.verdict, Verdict::Kept | Verdict::NotWanted),
        rank: match covered.verdict {
            Verdict::NoJob => 0,
            Verdict::SwitchedOff => 1,
            Verdict::TooSlow => 2,
            Verdict::Kept => 3,
            Verdict::NotWanted => 4,
        },
    }
}

/// A job.
#[derive(Debug, Serialize)]
pub(super) struct JobRow {
    name: String,
    schedule: String,
    /// The parent, of a child.
    after: String,
    timezone: String,
    next: String,
    target: String,
    off: bool,
}

/// The jobs by name.
pub(super) fn jobs(page: &Page<'_>, day: &Day<'_>) -> Vec<Chunk<JobRow>> {
    let rows: Vec<_> = page.shown().map(|subject| job(subject, day.from)).collect();
    let open = rows.len() <= UNFOLDED;
    chunks(rows, ROWS, |row| row.name.clone(), open)
}

fn job(subject: &Subject<'_>, from: Timestamp) -> JobRow {
    let shown = |field: &str, text: &str| if subject.is_secret(field) { MASK.to_owned() } else { text.to_owned() };
    let url = "executor_config.url";
    JobRow {
        name: subject.name.to_string(),
        schedule: shown("schedule", &subject.timing.said),
        after: subject.parent().unwrap_or_default().to_owned(),
        timezone: shown("timezone", &subject.timing.timezone),
        next: if subject.is_secret("schedule") { MASK.to_owned() } else { next(subject, from) },
        target: subject.target.as_deref().map_or_else(|| subject.job().executor.clone(), |target| shown(url, target)),
        off: subject.disabled(),
    }
}

/// When it runs next, in words.
fn next(subject: &Subject<'_>, from: Timestamp) -> String {
    let schedule = match &subject.timing.schedule {
        _ if subject.disabled() => return "switched off".to_owned(),
        None => return "after its parent".to_owned(),
        Some(_) if subject.parent().is_some() => return "after its parent".to_owned(),
        Some(Err(_)) => return "known to Dkron only".to_owned(),
        Some(Ok(schedule)) => schedule,
    };
    if let Some(every) = schedule.every() {
        return format!("each {} from Dkron's start", spoken(every));
    }
    if schedule.is_manual() {
        return "by hand only".to_owned();
    }
    let mut runs = Vec::new();
    // A run at the first instant itself is one.
    let (starts, ends) = subject.limits();
    let begin = starts.map_or(from, |starts| starts.max(from));
    let mut at = begin.saturating_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(begin);
    while let Some(run) = schedule.next(at).filter(|run| within(*run, starts, ends)) {
        runs.push(instant(run, from));
        at = run;
        if runs.len() == NEXT {
            break;
        }
    }
    if runs.is_empty() { "never".to_owned() } else { runs.join(" · ") }
}

/// The time of a run of the day, and the date of any other.
fn instant(at: Timestamp, from: Timestamp) -> String {
    let (at, from) = (Offset::UTC.to_datetime(at), Offset::UTC.to_datetime(from));
    let form = match (at.date() == from.date(), at.year() == from.year()) {
        (true, _) => "%H:%M:%S",
        (false, true) => "%-d %b %H:%M:%S",
        (false, false) => "%-d %b %Y %H:%M",
    };
    at.strftime(form).to_string()
}

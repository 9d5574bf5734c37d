//! How many jobs call the same target in the same second.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::schedule::Schedule;

use super::{Circumstances, Notes, Rule, Severity, Subject, Subjects};

pub(super) const RULES: &[&Rule] = &[&STAMPEDE];

const STAMPEDE: Rule = Rule {
    id: "stampede",
    severity: Severity::Warning,
    summary: "many jobs call one target in the same second",
    reason: "A cache-manager and the systems behind it get all of them at once, and nothing in between. `--stampede` says how many are too many; a week of runs is looked at.",
    remedy: "write `{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}`, which spreads jobs by their names, or `{{ stagger(60) }}` for the seconds",
    wrong: "for_each: cache_param\nname: \"refresh-{{ item.name }}\"\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: \"{{ item.name }}\"}",
    right: "for_each: cache_param\nname: \"refresh-{{ item.name }}\"\nschedule: \"{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: \"{{ item.name }}\"}",
};

/// A week without a change of clocks in most zones, from a Monday: each weekday's crowd is seen.
const WEEK: (Timestamp, SignedDuration) = (monday(), SignedDuration::from_hours(7 * 24));
/// The seconds of a day.
const DAY: i64 = 86_400;
/// How many runs of schedules that are not the same each day are looked at in all.
const MOST_RUNS: usize = 2_000_000;
/// How many jobs of a crowd are named, and given another second.
const NAMED: usize = 8;

const fn monday() -> Timestamp {
    // 2026-01-12T00:00:00Z.
    Timestamp::constant(1_768_176_000, 0)
}

/// The busiest second of a target.
struct Crowd {
    second: i64,
    jobs: usize,
    /// How many seconds of the week are too crowded.
    seconds: usize,
}

pub(super) fn look(subjects: &Subjects<'_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let mut targets: BTreeMap<&str, Vec<&Subject<'_>>> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| !subject.disabled() && subject.parent().is_none()) {
        if let Some(target) = subject.target.as_deref() {
            targets.entry(target).or_default().push(subject);
        }
    }
    targets.retain(|_, jobs| jobs.len() > circumstances.stampede);
    let mut left = MOST_RUNS;
    for (target, jobs) in targets {
        let Some(crowd) = crowd(&jobs, circumstances.stampede, &mut left) else { continue };
        let there: Vec<_> = jobs.iter().filter(|job| runs_at(job, crowd.second)).copied().collect();
        let Some(first) = there.first() else { continue };
        let target = if jobs.iter().any(|job| job.is_secret("executor_config.url")) {
            "one target (its URL is secret)".to_owned()
        } else {
            format!("`{target}`")
        };
        let message = format!(
            "{} jobs call {target} in the same second ({}; {} such second{} a week): {}",
            crowd.jobs,
            shown(crowd.second),
            crowd.seconds,
            if crowd.seconds == 1 { "" } else { "s" },
            listed(&there),
        );
        notes.add_with(&STAMPEDE, first, "schedule", message, proposal(&there));
    }
}

/// The most crowded second of a target; `None` where none is too crowded.
fn crowd(jobs: &[&Subject<'_>], limit: usize, left: &mut usize) -> Option<Crowd> {
    // What runs at the same times is looked at once.
    let mut same: BTreeMap<(&str, &str, &str), (&Schedule, usize)> = BTreeMap::new();
    for job in jobs {
        // `@every` counts from a start that nobody knows.
        let Some(Ok(schedule)) = &job.timing.schedule else { continue };
        if schedule.every().is_none() {
            let name = if job.timing.is_by_name() { &**job.name } else { "" };
            same.entry((&job.timing.said, &job.timing.timezone, name)).or_insert((schedule, 0)).1 += 1;
        }
    }
    if same.values().map(|(_, count)| count).sum::<usize>() <= limit {
        return None;
    }
    // Most schedules make every day like every other: one of them stands for the week.
    let mut each_day = vec![0_usize; 86_400];
    let mut runs: BTreeMap<i64, usize> = BTreeMap::new();
    let (from, week) = WEEK;
    for (schedule, count) in same.values() {
        if let Some(seconds) = schedule.seconds_of_day() {
            for second in seconds {
                each_day[second as usize] += count;
            }
            continue;
        }
        let mut at = from - SignedDuration::from_secs(1);
        while let Some(next) = schedule.next(at).filter(|next| *next < from + week && *left > 0) {
            *runs.entry(next.as_second()).or_default() += count;
            *left -= 1;
            at = next;
        }
    }
    let start = from.as_second();
    let in_day = |second: i64| usize::try_from((second - start) % DAY).unwrap_or_default();
    let days = each_day.iter().zip(start..).map(|(count, second)| (second, *count));
    let mixed = runs.iter().map(|(second, count)| (*second, count + each_day[in_day(*second)]));
    let crowded = |second: &(i64, usize)| second.1 > limit;
    // A second that each day is too crowded is so seven times; any other one when its week has it.
    let daily = each_day.iter().filter(|count| **count > limit).count() * 7;
    let others = mixed.clone().filter(crowded).filter(|(second, _)| each_day[in_day(*second)] <= limit).count();
    let (second, jobs) = days.chain(mixed).filter(crowded).max_by_key(|(second, count)| (*count, -second))?;
    Some(Crowd { second, jobs, seconds: daily + others })
}

fn runs_at(job: &Subject<'_>, second: i64) -> bool {
    let Some(Ok(schedule)) = &job.timing.schedule else { return false };
    let before = Timestamp::from_second(second - 1).ok();
    schedule.every().is_none()
        && before.and_then(|before| schedule.next(before)).is_some_and(|next| next.as_second() == second)
}

/// `MON 08:00:00 UTC`.
fn shown(second: i64) -> String {
    let Ok(at) = Timestamp::from_second(second) else { return String::new() };
    Offset::UTC.to_datetime(at).strftime("%a %H:%M:%S UTC").to_string()
}

fn listed(jobs: &[&Subject<'_>]) -> String {
    let mut list = jobs.iter().take(NAMED).map(|job| format!("`{}`", job.name)).collect::<Vec<_>>().join(", ");
    if jobs.len() > NAMED {
        let _ = write!(list, " and {} more", jobs.len() - NAMED);
    }
    list
}

/// The same schedules, each begun at a second of its own.
fn proposal(jobs: &[&Subject<'_>]) -> String {
    let one_second = |job: &&Subject<'_>| {
        let (second, rest) = job.timing.said.split_once(' ')?;
        Some((job.name.clone(), second.parse::<usize>().ok()?, rest.to_owned()))
    };
    let jobs: Vec<_> = jobs.iter().filter_map(one_second).collect();
    if jobs.is_empty() {
        return STAMPEDE.remedy.to_owned();
    }
    let apart = (60 / jobs.len()).max(1);
    let spread = jobs
        .iter()
        .enumerate()
        .take(NAMED)
        .map(|(index, (name, second, rest))| format!("`{name}`: `{} {rest}`", (second + index * apart) % 60));
    format!("{}; here: {}", STAMPEDE.remedy, spread.collect::<Vec<_>>().join(", "))
}

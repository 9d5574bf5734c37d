//! Caches and the jobs that keep them fresh: the rule of the brief, and who is missing.

use std::collections::BTreeMap;

use crate::cache::{self, BadTtl, Caches, Keeper, Tally, Ttl, Verdict, abandoned};
use crate::schedule::spoken;

use super::{Circumstances, Notes, Others, Rule, Severity, Subject, Subjects, Timing};

pub(super) const RULES: &[&Rule] =
    &[&SLOWER_THAN_SOFT_TTL, &MAY_MISS_HARD_TTL, &CACHE_WITHOUT_JOB, &JOB_WITHOUT_CACHE, &CACHE_PARAM_INVALID];

const SLOWER_THAN_SOFT_TTL: Rule = Rule {
    id: "schedule-slower-than-soft-ttl",
    severity: Severity::Error,
    summary: "the job runs too seldom for its cache",
    reason: "The brief: the interval is at most half the soft TTL, unless the hard TTL is at least twice the soft one, in which case it may be up to the soft TTL. The longest gap between two runs counts: `0 */7 * * * *` has gaps of seven minutes and of four, and `0 0 8-18 * * MON-FRI` one of a weekend.",
    remedy: "write `{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}`, or a schedule with shorter gaps",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts, soft_ttl: 300, hard_ttl: 450}",
    right: "name: refresh-accounts\nschedule: 0 */2 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts, soft_ttl: 300, hard_ttl: 450}",
};

const MAY_MISS_HARD_TTL: Rule = Rule {
    id: "refresh-may-miss-hard-ttl",
    severity: Severity::Warning,
    summary: "a slow refresh that is tried again can come after the cache is gone",
    reason: "The longest gap between two runs, and after it each attempt up to its timeout, is more than the hard TTL.",
    remedy: "shorten the schedule, `timeout` or `retries`, or raise the hard TTL",
    wrong: "name: refresh-accounts\nschedule: 0 * * * * *\nretries: 3\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 50}\nmetadata: {cache_param: accounts, soft_ttl: 120, hard_ttl: 180}",
    right: "name: refresh-accounts\nschedule: 0 * * * * *\nretries: 1\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 30}\nmetadata: {cache_param: accounts, soft_ttl: 120, hard_ttl: 180}",
};

const CACHE_WITHOUT_JOB: Rule = Rule {
    id: "cache-without-job",
    severity: Severity::Error,
    summary: "a row of cache_param has no job that is switched on",
    reason: "Nobody refreshes that cache. Rows whose column `enabled` says no are left out.",
    remedy: "add a job whose `metadata.cache_param` names the row, switch its job on, or say `enabled: false` in the row",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\ndisabled: true\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts}",
};

const JOB_WITHOUT_CACHE: Rule = Rule {
    id: "job-without-cache",
    severity: Severity::Warning,
    summary: "a scheduled http job names no row of cache_param",
    reason: "Whether it runs often enough cannot be told, and a cache that was renamed looks just like this.",
    remedy: "name the row in `metadata.cache_param`, or say `dkron-jobs.lint-allow: \"job-without-cache: why\"` there for a job that keeps no cache",
    wrong: "name: refresh-acounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: acounts}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts}",
};

const CACHE_PARAM_INVALID: Rule = Rule {
    id: "cache-param-invalid",
    severity: Severity::Error,
    summary: "a row of cache_param, or a TTL in a job's metadata, cannot be understood",
    reason: "A row needs a `name` of its own and a `soft_ttl`; TTLs are above zero, in seconds or with a unit.",
    remedy: "correct it: each row has a `name` of its own (`north-orders`, where several sources have `orders`), and TTLs in seconds (`300`) or with a unit (`5m`, `2h`, `1d`)",
    wrong: "name: refresh-accounts\nschedule: 0 * * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts, soft_ttl: soon}",
    right: "name: refresh-accounts\nschedule: 0 * * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {cache_param: accounts, soft_ttl: 5m}",
};

/// For how many names that no row has the nearest one is looked for: a table that is not the jobs' own has none of them.
const GUESSES: usize = 20;

/// Looks at all jobs that are for caches, and at all caches.
pub(super) fn look(subjects: &Subjects<'_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let nothing = Caches::default();
    let caches = circumstances.caches.unwrap_or(&nothing);
    for problem in &caches.problems {
        let message = format!("table `{}`: {problem}", cache::TABLE);
        notes.add_without_job(&CACHE_PARAM_INVALID, message, CACHE_PARAM_INVALID.remedy.to_owned());
    }
    let row = |subject: &Subject<'_>| caches.position(subject.cache.as_deref()?);
    let mut tallies = vec![Tally::default(); caches.all().len()];
    for subject in subjects.iter() {
        if let Some(row) = row(subject) {
            let worst_gap = subject.gaps().map(|gaps| gaps.worst);
            tallies[row].add(&caches.all()[row], subject.off.is_some(), worst_gap);
        }
    }
    let verdicts: Vec<_> = caches.all().iter().zip(tallies).map(|(cache, tally)| tally.verdict(cache)).collect();
    let mut guesses = GUESSES;
    for subject in subjects.iter() {
        let row = row(subject).map(|row| (&caches.all()[row], verdicts[row]));
        if circumstances.caches.is_some() && row.is_none() && subject.is_http && subject.parent().is_none() {
            no_row(subject, caches, &mut guesses, notes);
        }
        if subject.off.is_some() {
            continue;
        }
        if row.is_none() && subject.has_bad_ttl {
            say_bad_ttls(subject, notes);
        }
        let ttl = row.map(|(cache, _)| cache.ttl).or(subject.own_ttl.as_deref().copied());
        // Another job may run often enough for both.
        let kept = row.is_some_and(|(_, verdict)| verdict == Verdict::Kept);
        if let Some(ttl) = ttl {
            judge(subject, ttl, kept, notes);
        }
        if let Some((cache, Verdict::TooSlow)) = row {
            judge_single(subject, cache.ttl, notes);
        }
    }
    let mut left: BTreeMap<usize, Vec<Keeper>> = verdicts
        .iter()
        .enumerate()
        .filter(|(_, verdict)| verdict.is_abandoned())
        .map(|(row, _)| (row, Vec::new()))
        .collect();
    if left.is_empty() {
        return;
    }
    for subject in subjects.iter() {
        if let Some(keepers) = row(subject).and_then(|row| left.get_mut(&row)) {
            keepers.extend(subject.keeper());
        }
    }
    for (row, keepers) in left {
        let (name, why) = (&caches.all()[row].name, abandoned(&keepers));
        let message = format!("cache `{name}` is not refreshed: {why}");
        notes.add_without_job(&CACHE_WITHOUT_JOB, message, CACHE_WITHOUT_JOB.remedy.to_owned());
        if circumstances.others == Others::Possible {
            // Somebody else's job may keep it.
            notes.only_warn();
        }
    }
}

fn no_row(subject: &Subject<'_>, caches: &Caches, guesses: &mut usize, notes: &mut Notes) {
    let table = cache::TABLE;
    let Some(named) = subject.cache.as_deref() else {
        return notes.add(&JOB_WITHOUT_CACHE, subject, "metadata", format!("the job names no row of `{table}`"));
    };
    let known = caches.all().iter().map(|cache| cache.name.as_str());
    let near = if *guesses > 0 { crate::render::nearest(named, known) } else { None };
    *guesses = guesses.saturating_sub(1);
    let remedy = near.map_or_else(|| JOB_WITHOUT_CACHE.remedy.to_owned(), |near| format!("did you mean `{near}`?"));
    let message = format!("`{table}` has no row `{named}`");
    notes.add_with(&JOB_WITHOUT_CACHE, subject, "metadata.cache_param", message, remedy);
}

/// What of the TTLs that the job's own metadata gives counts as none.
fn say_bad_ttls(subject: &Subject<'_>, notes: &mut Notes) {
    let job = subject.job();
    cache::own_ttl(job, |key, bad| {
        let problem = match bad {
            BadTtl::NoDuration(words) => words,
            BadTtl::NotPositive => {
                let said = job.metadata.get(key).map_or("", String::as_str);
                format!("the {key} `{said}` is not positive")
            }
        };
        notes.add(&CACHE_PARAM_INVALID, subject, &format!("metadata.{key}"), problem);
    });
}

/// A job that does not come again by itself, of a cache that no other job keeps.
fn judge_single(subject: &Subject<'_>, ttl: Ttl, notes: &mut Notes) {
    let Some(timing) = subject.rhythm() else { return };
    let Some(Ok(schedule)) = &timing.schedule else { return };
    if !schedule.repeats() {
        let (said, soft) = (said(subject, timing), spoken(ttl.soft));
        let message = format!("{said} does not come again by itself, and the cache has a soft TTL of {soft}");
        notes.add(&SLOWER_THAN_SOFT_TTL, subject, "schedule", message);
    }
}

/// The schedule that is to blame: a child's own is of no account.
fn said(subject: &Subject<'_>, timing: &Timing) -> String {
    let whose = if subject.parent().is_some() { "its family's " } else { "" };
    format!("{whose}`{}`", timing.said)
}

fn judge(subject: &Subject<'_>, ttl: Ttl, kept: bool, notes: &mut Notes) {
    let Some((timing, gaps)) = subject.rhythm().zip(subject.gaps()) else { return };
    let allowed = ttl.allowed_interval();
    if gaps.worst > allowed {
        if !kept {
            let message = format!(
                "{} leaves up to {} between two runs, and a soft TTL of {}{} allows {}",
                said(subject, timing),
                spoken(gaps.worst),
                spoken(ttl.soft),
                ttl.hard.map_or_else(String::new, |hard| format!(" (hard {})", spoken(hard))),
                spoken(allowed),
            );
            notes.add(&SLOWER_THAN_SOFT_TTL, subject, "schedule", message);
        }
        return;
    }
    let Some(hard) = ttl.hard.filter(|_| subject.is_http) else { return };
    let attempts = i32::try_from(subject.retries).unwrap_or(i32::MAX).saturating_add(1);
    let tries = subject.timeout.and_then(|timeout| timeout.checked_mul(attempts));
    let latest = tries.and_then(|tries| tries.checked_add(gaps.worst));
    if latest.is_none_or(|latest| latest > hard) {
        let message = format!(
            "up to {} between two runs and {attempts} attempt{} of {} each are more than the hard TTL of {}",
            spoken(gaps.worst),
            if attempts == 1 { "" } else { "s" },
            subject.timeout.map_or_else(|| "any length".to_owned(), spoken),
            spoken(hard)
        );
        notes.add(&MAY_MISS_HARD_TTL, subject, "schedule", message);
    }
}

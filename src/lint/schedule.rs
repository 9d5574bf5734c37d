//! Schedules: those that Dkron refuses, and those that it takes and that cannot be meant (FACTS 19, 20).

use jiff::{SignedDuration, Timestamp};

use crate::job::{Job, NAME_REMEDY, SCHEDULE_REMEDY};
use crate::schedule::{After, ScheduleError};

use super::{Circumstances, Notes, Opened, Rule, Severity};

pub(super) const RULES: &[&Rule] = &[
    &NAME_INVALID,
    &SCHEDULE_INVALID,
    &SCHEDULE_NEVER_RUNS,
    &SCHEDULE_EVERY_SECOND,
    &EVERY_RESETS_ON_RELEASE,
    &AFTER_RUNS_TWICE,
    &AFTER_RUNS_AGAIN,
    &AFTER_GRACE_OVERFLOWS,
    &AFTER_NO_CALENDAR,
];

/// `@every` longer than this hardly ever comes to its end.
const LONGEST_EVERY: SignedDuration = SignedDuration::from_hours(24);

pub(super) const NAME_INVALID: Rule = Rule {
    id: "name-invalid",
    severity: Severity::Error,
    summary: "Dkron refuses the job's name",
    reason: "A name has lower-case letters, digits, `_` and `-` only; anything else is a 400 (FACTS 12).",
    remedy: NAME_REMEDY,
    wrong: "name: Refresh Accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

pub(crate) const SCHEDULE_INVALID: Rule = Rule {
    id: "schedule-invalid",
    severity: Severity::Error,
    summary: "Dkron refuses the schedule or its time zone",
    reason: "Dkron wants six fields, seconds first, or one of its `@` forms; what it refuses is a 400, in the words given (FACTS 12, 19, 38; 157 recorded verdicts of Dkron 4.1.2). A later Dkron may know schedules that this program does not: `--allow schedule-invalid` lets `render`, `lint`, `plan`, `apply`, `check` and `status` take them, and the server decides. In backups and live jobs it is a warning.",
    remedy: SCHEDULE_REMEDY,
    wrong: "name: refresh-accounts\nschedule: \"*/5 * * * *\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const SCHEDULE_NEVER_RUNS: Rule = Rule {
    id: "schedule-never-runs",
    severity: Severity::Error,
    summary: "the job never runs",
    reason: "Dkron accepts six fields that match no date, and then never runs the job (FACTS 20). An `@at`, an `@after` with its grace period or an `expires_at` that is past is a warning only: it may have been right when it was written.",
    remedy: "name a date that exists; `@manually` says that a job is only run by hand",
    wrong: "name: refresh-accounts\nschedule: 0 0 0 30 2 *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 0 0 28 2 *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const SCHEDULE_EVERY_SECOND: Rule = Rule {
    id: "schedule-every-second",
    severity: Severity::Error,
    summary: "`@every` of less than a second, of nothing, or of less than nothing",
    reason: "`@every 0s`, `@every -1h` and `@every 500ms` are accepted and run each second (FACTS 20).",
    remedy: "write the time that is meant, such as `@every 5m`; `@every 1s` if each second is meant",
    wrong: "name: refresh-accounts\nschedule: \"@every -1h\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: \"@every 1h\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const EVERY_RESETS_ON_RELEASE: Rule = Rule {
    id: "every-resets-on-release",
    severity: Severity::Warning,
    summary: "`@every` of more than a day",
    reason: "`@every` counts from the last start of Dkron, change of its leader or write of the job (FACTS 7): with releases or restarts more often than that it never runs.",
    remedy: "write six fields, such as `0 0 3 * * SUN`",
    wrong: "name: refresh-catalog\nschedule: \"@every 168h\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-catalog\nschedule: 0 0 3 * * SUN\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const AFTER_RUNS_TWICE: Rule = Rule {
    id: "after-runs-twice",
    severity: Severity::Warning,
    summary: "`@after` runs twice",
    reason: "If Dkron is running at the instant of an `@after`, it runs the job then and again about a second later (FACTS 40: 11 of 11 jobs). With `ephemeral: true` the job runs once, and Dkron deletes it.",
    remedy: "write `@at`, which runs once (and not at all if Dkron is down at that instant), or make sure that the target may be called twice",
    wrong: "name: open-season\nschedule: \"@after 2099-01-01T00:00:00Z <PT2H\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: open-season\nschedule: \"@at 2099-01-01T00:00:00Z\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const AFTER_RUNS_AGAIN: Rule = Rule {
    id: "after-runs-again",
    severity: Severity::Warning,
    summary: "`@after` runs again within its grace period",
    reason: "Dkron remembers only in memory that the job has run. Within the grace period the job runs again each time it is written or switched on, and after each restart of Dkron and each change of leader (FACTS 41).",
    remedy: "write `@at`, or keep the grace period as short as possible",
    wrong: "name: open-season\nschedule: \"@after 2099-01-01T00:00:00Z <PT2H\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: open-season\nschedule: \"@at 2099-01-01T00:00:00Z\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const AFTER_GRACE_OVERFLOWS: Rule = Rule {
    id: "after-grace-overflows",
    severity: Severity::Warning,
    summary: "the grace period of `@after` is too long for Dkron",
    reason: "Dkron keeps the grace period as 64 bits of nanoseconds, which is at most 292 years. A longer one overflows: it is over as soon as the instant has passed, or has another length (FACTS 42).",
    remedy: "write a grace period of at most 106751 days",
    wrong: "name: open-season\nschedule: \"@after 2099-01-01T00:00:00Z <P109500D\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: open-season\nschedule: \"@at 2099-01-01T00:00:00Z\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const AFTER_NO_CALENDAR: Rule = Rule {
    id: "after-no-calendar",
    severity: Severity::Warning,
    summary: "the grace period of `@after` has months or years",
    reason: "Dkron counts a month as 30 days and a year as 365 days, not as calendar months and years (FACTS 42).",
    remedy: "write days, such as `<P30D` instead of `<P1M`",
    wrong: "name: open-season\nschedule: \"@after 2099-01-01T00:00:00Z <P1M\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: open-season\nschedule: \"@at 2099-01-01T00:00:00Z\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

/// What to do about a schedule or time zone that we do not know.
const UNKNOWN_REMEDY: &str =
    "correct it if this Dkron does not know it either: it is passed on unchanged, and the server decides";

pub(super) fn look(subject: &Opened<'_, '_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let job = subject.job();
    if let Some(words) = Job::name_problem(&job.name) {
        notes.add(&NAME_INVALID, subject, "name", words);
    }
    let schedule = match &subject.timing.schedule {
        // A child's own schedule is never looked at by Dkron once it is stored.
        None => return,
        Some(Err(error @ ScheduleError::Timezone(words))) => {
            debug_assert_eq!(&error.to_string(), words, "Dkron's words as they are");
            notes.add_with(&SCHEDULE_INVALID, subject, "timezone", words.clone(), UNKNOWN_REMEDY);
            return notes.only_warn();
        }
        Some(Err(error)) if job.schedule.is_empty() || *error == ScheduleError::Crash => {
            return notes.add(&SCHEDULE_INVALID, subject, "schedule", error.to_string());
        }
        // A template with such a schedule is not rendered unless that is allowed: this job is from elsewhere.
        Some(Err(error)) => {
            notes.add_with(&SCHEDULE_INVALID, subject, "schedule", error.to_string(), UNKNOWN_REMEDY);
            return notes.only_warn();
        }
        Some(Ok(schedule)) => schedule,
    };
    if job.parent().is_some() {
        return;
    }
    let said = &job.schedule;
    if let Some(given) = schedule.every() {
        if given < SignedDuration::from_secs(1) {
            let message = format!("`{said}` runs each second");
            notes.add(&SCHEDULE_EVERY_SECOND, subject, "schedule", message);
        } else if given > LONGEST_EVERY {
            let message = format!("`{said}` begins anew with each write of the job and each start of Dkron");
            notes.add(&EVERY_RESETS_ON_RELEASE, subject, "schedule", message);
        }
    }
    let now = circumstances.now;
    if let Some(after) = schedule.after() {
        look_at_after(subject, after, now, notes);
    } else if let Some(at) = schedule.once() {
        if at <= now {
            notes.add_with(
                &SCHEDULE_NEVER_RUNS,
                subject,
                "schedule",
                format!("`{said}` is past: the job does not run any more"),
                "take the job away, or name an instant to come",
            );
            notes.only_warn();
        }
    } else if schedule.next(now).is_none() && !schedule.is_manual() {
        notes.add(&SCHEDULE_NEVER_RUNS, subject, "schedule", format!("`{said}` matches no date: the job never runs"));
    }
    if job.expires_at.is_some_and(|expires| expires <= now) {
        notes.add_with(
            &SCHEDULE_NEVER_RUNS,
            subject,
            "expires_at",
            "`expires_at` is past: the job does not run any more",
            "take the job away, or `expires_at`",
        );
        notes.only_warn();
    }
}

/// `@after`: the forms that Dkron takes and that do not do what they say (FACTS 40 to 42).
fn look_at_after(subject: &Opened<'_, '_>, after: &After, now: Timestamp, notes: &mut Notes) {
    let said = &subject.job().schedule;
    let is_to_come = after.at.is_none_or(|at| at > now);
    if !is_to_come && !after.runs_at_once(now) {
        notes.add_with(
            &SCHEDULE_NEVER_RUNS,
            subject,
            "schedule",
            format!("`{said}` and its grace period are past: the job does not run any more"),
            "take the job away, or name an instant to come",
        );
        notes.only_warn();
    } else if !subject.job().ephemeral {
        if is_to_come {
            let message = format!("`{said}` runs the job twice if Dkron is running at that instant");
            notes.add(&AFTER_RUNS_TWICE, subject, "schedule", message);
        }
        let message = format!(
            "`{said}` runs again within its grace period: after each write of the job, each restart of Dkron and each change of leader"
        );
        notes.add(&AFTER_RUNS_AGAIN, subject, "schedule", message);
    }
    if after.overflows {
        let message = format!("the grace period of `{said}` does not fit into the 64 bits that Dkron counts it in");
        notes.add(&AFTER_GRACE_OVERFLOWS, subject, "schedule", message);
    }
    if after.has_months {
        let message = format!("in `{said}` Dkron counts a month as 30 days and a year as 365 days");
        notes.add(&AFTER_NO_CALENDAR, subject, "schedule", message);
    }
}

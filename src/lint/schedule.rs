//! Schedules: those that Dkron refuses, and those that it takes and that cannot be meant (FACTS 19, 20).

use jiff::SignedDuration;

use crate::job::{Job, NAME_REMEDY, SCHEDULE_REMEDY, TIMEZONE_REMEDY};
use crate::schedule::ScheduleError;

use super::{Circumstances, Notes, Opened, Rule, Severity};

pub(super) const RULES: &[&Rule] =
    &[&NAME_INVALID, &SCHEDULE_INVALID, &SCHEDULE_NEVER_RUNS, &SCHEDULE_EVERY_SECOND, &EVERY_RESETS_ON_RELEASE];

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

pub(super) const SCHEDULE_INVALID: Rule = Rule {
    id: "schedule-invalid",
    severity: Severity::Error,
    summary: "Dkron refuses the schedule or its time zone",
    reason: "Dkron wants six fields, seconds first, or one of its `@` forms; what it refuses is a 400, in the words given (FACTS 12, 19; 106 recorded verdicts).",
    remedy: SCHEDULE_REMEDY,
    wrong: "name: refresh-accounts\nschedule: \"*/5 * * * *\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const SCHEDULE_NEVER_RUNS: Rule = Rule {
    id: "schedule-never-runs",
    severity: Severity::Error,
    summary: "the job never runs",
    reason: "Dkron accepts six fields that match no date, and then never runs the job (FACTS 20). An `@at` or `expires_at` that is past is a warning only: it may have been right when it was written.",
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

pub(super) fn look(subject: &Opened<'_, '_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let job = subject.job;
    if let Some(words) = Job::name_problem(job.name) {
        notes.add(&NAME_INVALID, subject, "name", words);
    }
    let schedule = match &subject.timing.schedule {
        // A child's own schedule is never looked at by Dkron once it is stored.
        None => return,
        Some(Err(error @ ScheduleError::Timezone(words))) => {
            debug_assert_eq!(&error.to_string(), words, "Dkron's words as they are");
            return notes.add_with(&SCHEDULE_INVALID, subject, "timezone", words.clone(), TIMEZONE_REMEDY);
        }
        Some(Err(error)) => return notes.add(&SCHEDULE_INVALID, subject, "schedule", error.to_string()),
        Some(Ok(schedule)) => schedule,
    };
    if job.parent().is_some() {
        return;
    }
    let said = job.schedule;
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
    if let Some(at) = schedule.once() {
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

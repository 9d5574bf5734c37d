//! Parents that are not there, and parents that go round in a circle (FACTS 10).

use std::collections::BTreeSet;

use super::{Notes, Rule, Severity, Subject, Subjects};

pub(super) const RULES: &[&Rule] = &[&PARENT_MISSING, &PARENT_CYCLE];

const PARENT_MISSING: Rule = Rule {
    id: "parent-missing",
    severity: Severity::Error,
    summary: "the parent is not among the jobs",
    reason: "Dkron refuses a child whose parent it does not hold: 404 `specified parent job not found` (FACTS 10). `plan` and `apply`, which know what Dkron holds, look there too.",
    remedy: "add the parent, or correct `parent_job`",
    wrong: "name: check-accounts\nparent_job: refresh-acounts\nexecutor_config: {method: GET, url: http://cache-manager:8080/cache/accounts}",
    right: "name: check-accounts\nparent_job: refresh-accounts\nexecutor_config: {method: GET, url: http://cache-manager:8080/cache/accounts}\n---\nname: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

pub(super) const PARENT_CYCLE: Rule = Rule {
    id: "parent-cycle",
    severity: Severity::Error,
    summary: "jobs that are their own ancestors",
    reason: "Dkron accepts them, never runs them, and can then delete none of them (FACTS 10, 11).",
    remedy: "take `parent_job` away from one of them",
    wrong: "name: a\nparent_job: b\nexecutor_config: {method: GET, url: http://cache-manager:8080/a}\n---\nname: b\nparent_job: a\nexecutor_config: {method: GET, url: http://cache-manager:8080/b}",
    right: "name: a\nschedule: 0 */5 * * * *\nexecutor_config: {method: GET, url: http://cache-manager:8080/a}\n---\nname: b\nparent_job: a\nexecutor_config: {method: GET, url: http://cache-manager:8080/b}",
};

pub(super) fn look(subjects: &Subjects<'_>, notes: &mut Notes) {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    for subject in subjects.iter() {
        let Some(parent) = subject.parent() else { continue };
        if subjects.get(parent).is_none() {
            let message = format!("the parent `{parent}` is not among the jobs");
            notes.add(&PARENT_MISSING, subject, "parent_job", message);
            continue;
        }
        // Each job is walked over once: its way leads to an end, or round a circle that is said at the first of its jobs.
        let mut path: Vec<&Subject<'_>> = Vec::new();
        let mut at = Some(subject);
        while let Some(job) = at
            && !settled.contains(&**job.name)
        {
            if let Some(start) = path.iter().position(|seen| seen.name == job.name) {
                let mut names: Vec<_> = path.iter().skip(start).map(|job| &**job.name).collect();
                names.push(job.name);
                let message = format!("the parents go round in a circle: {}", names.join(" -> "));
                notes.add(&PARENT_CYCLE, job, "parent_job", message);
                break;
            }
            path.push(job);
            at = job.parent().and_then(|parent| subjects.get(parent));
        }
        settled.extend(path.iter().map(|job| &**job.name));
    }
}

//! Where a job runs, whom it calls, and how long it stays.

use super::{ALLOW_KEY, Circumstances, Notes, Opened, Rule, Severity, rule, rules};

pub(super) const RULES: &[&Rule] =
    &[&RUNS_ON_EVERY_NODE, &FOREIGN_NAMESPACE, &EPHEMERAL_RECREATED, &LINT_ALLOW_UNKNOWN];

const RUNS_ON_EVERY_NODE: Rule = Rule {
    id: "runs-on-every-node",
    severity: Severity::Warning,
    summary: "the job runs on more than one node",
    reason: "A job without tags runs on each live node of the cluster, and one whose tags have no count on each that has them (FACTS 22d). Templates get `{server: \"true:1\"}` where they are silent.",
    remedy: "write `tags: {server: \"true:1\"}`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\ntags: null\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\ntags: {server: \"true:1\"}\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const FOREIGN_NAMESPACE: Rule = Rule {
    id: "foreign-namespace",
    severity: Severity::Warning,
    summary: "the job calls into another namespace",
    reason: "A job copied by hand still refreshes the caches of the namespace it came from.",
    remedy: "write `{{ service('cache-manager', 8080) }}`, which names the namespace of the release",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: 'http://cache-manager.elsewhere.svc.cluster.local:8080/refresh'}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: \"{{ service('cache-manager', 8080) }}/refresh\"}",
};

const EPHEMERAL_RECREATED: Rule = Rule {
    id: "ephemeral-recreated",
    severity: Severity::Warning,
    summary: "an ephemeral job of a template",
    reason: "Dkron deletes it after its first success, and the next `apply` creates it again: it runs once a release.",
    remedy: "take `ephemeral` away, or the job out of the templates",
    wrong: "name: warm-up\nschedule: 0 */5 * * * *\nephemeral: true\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: warm-up\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const LINT_ALLOW_UNKNOWN: Rule = Rule {
    id: "lint-allow-unknown",
    severity: Severity::Warning,
    summary: "dkron-jobs.lint-allow names a rule that there is not",
    reason: "A slip of the pen there switches nothing off.",
    remedy: "write `rule, rule: why`, with rules of docs/lint.md",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {dkron-jobs.lint-allow: 'stampeed: all at once is meant'}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}\nmetadata: {dkron-jobs.lint-allow: 'stampede: all at once is meant'}",
};

pub(super) fn look(subject: &Opened<'_, '_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let job = subject.job();
    if job.tags.is_empty() {
        notes.add(&RUNS_ON_EVERY_NODE, subject, "tags", "without `tags` the job runs on each node of the cluster");
    } else if !job.tags.iter().any(|(_, value)| has_count(value)) {
        let message = "no tag has a count, so the job runs on each node with these tags";
        notes.add(&RUNS_ON_EVERY_NODE, subject, "tags", message);
    }
    foreign(subject, circumstances, notes);
    if job.ephemeral {
        let message = "Dkron deletes the job after its first success, and the next `apply` creates it again";
        notes.add(&EPHEMERAL_RECREATED, subject, "ephemeral", message);
    }
    if let Some(text) = job.metadata.get(ALLOW_KEY) {
        let (named, _) = text.split_once(':').unwrap_or((text, ""));
        for id in named.split(',').map(str::trim).filter(|id| rule(id).is_none()) {
            let near = crate::render::nearest(id, rules().map(|rule| rule.id));
            let remedy =
                near.map_or_else(|| LINT_ALLOW_UNKNOWN.remedy.to_owned(), |near| format!("did you mean `{near}`?"));
            let message = format!("`{ALLOW_KEY}` names the rule `{id}`, which there is not");
            notes.add_with(&LINT_ALLOW_UNKNOWN, subject, &format!("metadata.{ALLOW_KEY}"), message, remedy);
        }
    }
}

/// `value:1`, as Dkron's tags count nodes.
fn has_count(value: &str) -> bool {
    value.rsplit_once(':').is_some_and(|(_, count)| count.parse::<u32>().is_ok())
}

fn foreign(subject: &Opened<'_, '_>, circumstances: &Circumstances<'_>, notes: &mut Notes) {
    let field = "executor_config.url";
    let Some(Ok(url)) = subject.url else { return };
    let Some(host) = url.host_str() else { return };
    let labels: Vec<_> = host.split('.').collect();
    let named = match labels.iter().position(|label| *label == "svc") {
        Some(at) if at >= 2 => labels[at - 1],
        _ => return,
    };
    let stamped = subject.owner().and_then(|owner| Some(owner.as_str().split_once('/')?.0.to_owned()));
    let ours = stamped.as_deref().unwrap_or(circumstances.namespace);
    if named != ours {
        let message = if subject.is_secret(field) {
            format!("the job calls into another namespace than `{ours}`")
        } else {
            format!("the job calls into the namespace `{named}`, and belongs to `{ours}`")
        };
        notes.add(&FOREIGN_NAMESPACE, subject, field, message);
    }
}

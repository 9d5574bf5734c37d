//! Credentials that stand in a job as they are.

use crate::report::carries_secret;

use super::{Notes, Opened, Rule, Severity};

pub(super) const RULES: &[&Rule] = &[&PLAIN_SECRET];

const PLAIN_SECRET: Rule = Rule {
    id: "plain-secret",
    severity: Severity::Warning,
    summary: "what looks like a credential stands in the job in plain text",
    reason: "It is in the templates' repository, and Dkron gives it to anyone who asks for `/v1/jobs`, which has no authentication. From `--vars-dir` it is at least in no repository, and masked in every output.",
    remedy: "put it into a Secret, mount that with `--vars-dir`, and write `{{ vars.name }}`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: {Authorization: Bearer abcdef}}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

pub(super) fn look(subject: &Opened<'_, '_>, notes: &mut Notes) {
    let maps = [("executor_config", &subject.job().executor_config), ("metadata", &subject.job().metadata)];
    let mut field = String::new();
    for (map, values) in maps {
        for (key, text) in values.iter() {
            field.clear();
            field.extend([map, ".", key]);
            if !subject.is_secret(&field) && carries_secret(&field, text) {
                notes.add(&PLAIN_SECRET, subject, &field, format!("`{field}` holds what looks like a credential"));
            }
        }
    }
}

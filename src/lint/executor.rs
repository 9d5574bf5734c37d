//! What the http executor does with its configuration: mostly without a word (FACTS 21 to 23).

use url::Url;

use crate::job::Concurrency;
use crate::job::http::{self, EXPECT_CODE, TIMEOUT};
use crate::render::nearest;
use crate::schedule::spoken;

use super::{Notes, Opened, Rule, Severity, Subject};

pub(super) const RULES: &[&Rule] = &[
    &CONFIG_MISSING,
    &UNKNOWN_KEY,
    &URL_INVALID,
    &HEADER_WITHOUT_COLON,
    &HEADER_VALUE_CUT,
    &HEADERS_NOT_A_LIST,
    &EXPECT_CODE_NEVER_MATCHES,
    &EXPECT_CODE_MISSING,
    &TIMEOUT_NOT_SECONDS,
    &TIMEOUT_LONGER_THAN_INTERVAL,
    &DEBUG_LEAKS_CONFIG,
    &UNKNOWN_EXECUTOR,
    &FORBID_CAN_STICK,
];

/// The executors that Dkron brings along.
const EXECUTORS: [&str; 7] = ["http", "shell", "grpc", "kafka", "nats", "rabbitmq", "gcppubsub"];

const CONFIG_MISSING: Rule = Rule {
    id: "executor-config-missing",
    severity: Severity::Error,
    summary: "an http job without url or method",
    reason: "Each of its runs fails: `url is empty`, `method is empty` (Dkron's http executor).",
    remedy: "add it to `executor_config`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const UNKNOWN_KEY: Rule = Rule {
    id: "unknown-executor-key",
    severity: Severity::Error,
    summary: "a key of executor_config that the http executor does not know",
    reason: "It ignores it without a word: `expect_code` or `header` do nothing (FACTS 22c).",
    remedy: "correct the key, or take it away",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, expect_code: 200}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, expectCode: 200}",
};

const URL_INVALID: Rule = Rule {
    id: "url-invalid",
    severity: Severity::Error,
    summary: "a url that is none",
    reason: "Dkron stores it, and each run fails.",
    remedy: "write `http://host:port/path`, or `{{ service('cache-manager', 8080) }}/path`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: cache-manager/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const HEADER_WITHOUT_COLON: Rule = Rule {
    id: "header-without-colon",
    severity: Severity::Error,
    summary: "a header without a colon",
    reason: "It ends the http executor: every later http job of that node fails until Dkron is restarted, and only `/health` of Dkron 4.1 shows it (FACTS 22b, 32).",
    remedy: "write `Name: value`, or headers as a map",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: ['Content-Type']}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: ['Content-Type: application/json']}",
};

const HEADER_VALUE_CUT: Rule = Rule {
    id: "header-value-cut",
    severity: Severity::Error,
    summary: "a header whose value has a colon in it",
    reason: "The http executor cuts the value there, and sends the rest of it to nobody (FACTS 22).",
    remedy: "send it in `body` or in the url",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: {Referer: 'http://dkron:8080'}}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: {Referer: dkron}}",
};

const HEADERS_NOT_A_LIST: Rule = Rule {
    id: "headers-not-a-list",
    severity: Severity::Error,
    summary: "headers that are no JSON list of texts",
    reason: "The http executor drops them with one line in the output, and the request goes out without them (FACTS 22).",
    remedy: "write headers as a map or a list in the template, or as `[\"Name: value\"]`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: 'Accept: text/plain'}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, headers: '[\"Accept: text/plain\"]'}",
};

const EXPECT_CODE_NEVER_MATCHES: Rule = Rule {
    id: "expect-code-never-matches",
    severity: Severity::Error,
    summary: "an expectCode that no answer has",
    reason: "It is a search for `200,` in the text: `2xx` is in no answer, and a blank before a comma hides a code (FACTS 22c).",
    remedy: "write codes of three digits, separated by commas, without blanks: `200,204`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, expectCode: 2xx}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, expectCode: '200,204'}",
};

const EXPECT_CODE_MISSING: Rule = Rule {
    id: "expect-code-missing",
    severity: Severity::Warning,
    summary: "an http job without expectCode",
    reason: "Any answer is a success then: a 404 of the target was recorded as `success: true` (FACTS 21). Templates get `200` where they are silent.",
    remedy: "add `expectCode: \"200\"` to `executor_config`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, expectCode: null}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const TIMEOUT_NOT_SECONDS: Rule = Rule {
    id: "timeout-not-seconds",
    severity: Severity::Error,
    summary: "a timeout that is no number of seconds",
    reason: "The http executor takes 30 seconds in its place, without a word: `5m` is 30 seconds (FACTS 23). `0` is no limit at all.",
    remedy: "write whole seconds: `timeout: 60`",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 60s}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 60}",
};

const TIMEOUT_LONGER_THAN_INTERVAL: Rule = Rule {
    id: "timeout-longer-than-interval",
    severity: Severity::Warning,
    summary: "an attempt may last longer than the time to the next run",
    reason: "Slow targets are then called again and again before they have answered.",
    remedy: "shorten `timeout`, or run the job less often",
    wrong: "name: refresh-accounts\nschedule: \"*/10 * * * * *\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 30}",
    right: "name: refresh-accounts\nschedule: \"*/10 * * * * *\"\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, timeout: 9}",
};

const DEBUG_LEAKS_CONFIG: Rule = Rule {
    id: "debug-leaks-config",
    severity: Severity::Warning,
    summary: "debug is set",
    reason: "Anything in `debug`, `false` too, writes the whole configuration with its secrets into the output of each run (FACTS 23).",
    remedy: "take `debug` away",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh, debug: false}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const UNKNOWN_EXECUTOR: Rule = Rule {
    id: "unknown-executor",
    severity: Severity::Warning,
    summary: "an executor that Dkron does not bring along",
    reason: "Dkron accepts it, and each run fails unless the plugin is installed on the node (FACTS 12).",
    remedy: "correct `executor`; `http` calls a URL",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor: htpp\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nexecutor: http\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

const FORBID_CAN_STICK: Rule = Rule {
    id: "forbid-can-stick",
    severity: Severity::Warning,
    summary: "concurrency: forbid",
    reason: "When Dkron dies while the job runs, the unfinished execution stays stored and blocks the job: on Dkron 4.0 for ever, from 4.1 on for four hours (FACTS 24c, 34). `apply` heals it, at the next release or reconcile run.",
    remedy: "write `concurrency: allow`, with a `timeout` shorter than the interval",
    wrong: "name: refresh-accounts\nschedule: 0 */5 * * * *\nconcurrency: forbid\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
    right: "name: refresh-accounts\nschedule: 0 */5 * * * *\nconcurrency: allow\nexecutor_config: {method: POST, url: http://cache-manager:8080/refresh}",
};

pub(super) fn look(subject: &Opened<'_, '_>, notes: &mut Notes) {
    let job = subject.job();
    if job.concurrency != Concurrency::Allow {
        notes.add(
            &FORBID_CAN_STICK,
            subject,
            "concurrency",
            "`concurrency: forbid` can stick: for ever on Dkron 4.0, for four hours from 4.1 on",
        );
    }
    if !EXECUTORS.contains(&&*job.executor) {
        let message = match job.executor.as_str() {
            "" => "the job has no executor, and each of its runs fails".to_owned(),
            executor => format!("Dkron brings no executor `{executor}` along"),
        };
        let near = nearest(&job.executor, EXECUTORS);
        let remedy = near.map_or_else(|| UNKNOWN_EXECUTOR.remedy.to_owned(), |near| format!("did you mean `{near}`?"));
        notes.add_with(&UNKNOWN_EXECUTOR, subject, "executor", message, remedy);
    }
    if !subject.is_http {
        return;
    }
    keys(subject, notes);
    headers(subject, notes);
    expect_code(subject, notes);
    timeout(subject, notes);
    if subject.config("debug").is_some_and(|debug| !debug.is_empty()) {
        let message = "`debug` writes the whole configuration into the output of each run, whatever it says";
        notes.add(&DEBUG_LEAKS_CONFIG, subject, "executor_config.debug", message);
    }
}

fn keys(subject: &Opened<'_, '_>, notes: &mut Notes) {
    for key in ["method", "url"] {
        if subject.config(key).unwrap_or_default().is_empty() {
            let message = format!("`executor_config` has no `{key}`, and each run fails");
            notes.add_with(&CONFIG_MISSING, subject, "executor_config", message, format!("add `{key}: …` to it"));
        }
    }
    for (key, _) in subject.job().executor_config.iter().filter(|(key, _)| !http::KEYS.contains(&key.as_str())) {
        let remedy = match nearest(key, http::KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it knows {}", http::KEYS.join(", ")),
        };
        let message = format!("the http executor has no key `{key}`, and ignores it");
        notes.add_with(&UNKNOWN_KEY, subject, &config_field(key), message, remedy);
    }
    let field = "executor_config.url";
    if let Some(url) = subject.config("url").filter(|url| !url.is_empty())
        && let Some(problem) = subject.url.and_then(|parsed| url_problem(url, parsed))
    {
        let shown = if subject.is_secret(field) { "the secret URL".to_owned() } else { format!("`{url}`") };
        notes.add(&URL_INVALID, subject, field, format!("{shown} is no URL: {problem}"));
    }
}

/// Why an http client takes this for no URL; `None` for one.
fn url_problem(url: &str, parsed: Result<&Url, url::ParseError>) -> Option<String> {
    match parsed {
        // URL parsers forgive these, and Dkron's does not.
        _ if url.trim() != url || url.chars().any(char::is_control) => {
            Some("it has a blank or a line break at an end, or a control character".to_owned())
        }
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => Some("it is neither http nor https".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn headers(subject: &Opened<'_, '_>, notes: &mut Notes) {
    let field = "executor_config.headers";
    let Some(text) = subject.config("headers").filter(|text| !text.is_empty()) else { return };
    // As Dkron reads it: null is an empty list, and so is an empty text in it.
    let Ok(list) = serde_json::from_str::<Option<Vec<Option<String>>>>(text) else {
        return notes.add(&HEADERS_NOT_A_LIST, subject, field, "`headers` is no JSON list of texts, and is dropped");
    };
    for (index, header) in list.iter().flatten().flatten().enumerate().filter(|(_, header)| !header.is_empty()) {
        // A header's value may be a secret, and without a colon all of it may be one.
        match header.split_once(':') {
            None => {
                let message =
                    format!("header {} has no colon, which ends the http executor of the whole node", index + 1);
                notes.add(&HEADER_WITHOUT_COLON, subject, field, message);
            }
            Some((name, value)) if value.contains(':') => {
                let message = format!("the value of header `{name}` is cut at its colon");
                notes.add(&HEADER_VALUE_CUT, subject, field, message);
            }
            Some(_) => {}
        }
    }
}

fn expect_code(subject: &Opened<'_, '_>, notes: &mut Notes) {
    let (key, usual) = EXPECT_CODE;
    let Some(said) = subject.config(key).filter(|said| !said.is_empty()) else {
        let message = format!("without `{key}` a 404 counts as a success; say `{usual}`");
        return notes.add(&EXPECT_CODE_MISSING, subject, "executor_config", message);
    };
    // `200,` and `200, ` are as good as `200`; a text of nothing else is in no answer.
    let codes: Vec<_> = said.split(',').filter(|code| !code.trim().is_empty()).collect();
    let never: Vec<_> = codes.iter().copied().filter(|code| !can_match(code)).collect();
    if codes.is_empty() {
        notes.add(
            &EXPECT_CODE_NEVER_MATCHES,
            subject,
            &config_field(key),
            format!("`{key}` holds no code, and each run fails"),
        );
    } else if !never.is_empty() {
        let never = never.join("`, `");
        notes.add(
            &EXPECT_CODE_NEVER_MATCHES,
            subject,
            &config_field(key),
            format!("`{never}` in `{key}` is in no answer"),
        );
    }
}

/// Whether there is an answer whose code is the end of this text: the executor looks for `200,` in the list.
fn can_match(code: &str) -> bool {
    let digits = code.as_bytes();
    matches!(digits, [.., b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'])
}

fn timeout(subject: &Opened<'_, '_>, notes: &mut Notes) {
    let Some(text) = subject.config(TIMEOUT).filter(|text| !text.is_empty()) else { return };
    let message = match http::timeout(Some(text)) {
        None => format!("`timeout: {text}` is no limit"),
        Some(_) if text.parse::<i64>().is_ok() => return,
        Some(taken) => format!("`timeout: {text}` is taken for {} seconds", taken.as_secs()),
    };
    notes.add(&TIMEOUT_NOT_SECONDS, subject, &config_field(TIMEOUT), message);
}

/// Whether an attempt can still be under way when the next one begins, where its limit is one.
pub(super) fn look_at_time(subject: &Subject<'_>, notes: &mut Notes) {
    let (Some(timeout), Some(gaps)) = (subject.timeout, subject.gaps()) else { return };
    if timeout > gaps.shortest {
        let message = format!(
            "an attempt may take {}, and the next run follows after {}",
            spoken(timeout),
            spoken(gaps.shortest)
        );
        notes.add(&TIMEOUT_LONGER_THAN_INTERVAL, subject, &config_field(TIMEOUT), message);
    }
}

fn config_field(key: &str) -> String {
    format!("executor_config.{key}")
}

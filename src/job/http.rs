//! What the http executor makes of a job's configuration (FACTS 21 to 23).

use jiff::SignedDuration;

use crate::schedule::Schedule;

/// The executor of cache refreshes.
pub(crate) const HTTP: &str = "http";
/// What it knows (FACTS 22c); everything else it ignores without a word.
pub(crate) const KEYS: [&str; 12] = [
    "method",
    "url",
    "headers",
    "body",
    TIMEOUT,
    EXPECT_CODE.0,
    "expectBody",
    "debug",
    "tlsNoVerifyPeer",
    "tlsCertificateFile",
    "tlsCertificateKeyFile",
    "tlsRootCAsFile",
];
/// Without it a 404 of the target counts as a success (FACTS 21).
pub(crate) const EXPECT_CODE: (&str, &str) = ("expectCode", "200");
/// How long one attempt may take.
pub(crate) const TIMEOUT: &str = "timeout";
/// The seconds that it waits where the job does not say, or says no number (FACTS 23).
pub(crate) const DEFAULT_TIMEOUT: i64 = 30;

/// How long one attempt may take by the job's `timeout`; `None` for as long as it likes: Go's client has no limit of 0 or less.
pub(crate) fn timeout(said: Option<&str>) -> Option<SignedDuration> {
    let seconds = said.unwrap_or_default().parse().unwrap_or(DEFAULT_TIMEOUT);
    (seconds > 0).then(|| SignedDuration::from_secs(seconds))
}

/// The timeout in seconds that a template gets where it is silent: less than the shortest gap between two runs.
pub(crate) fn fitting_timeout(schedule: Option<&Schedule>) -> String {
    // Finding the gaps takes a while, and few schedules have one that matters.
    let gaps = schedule.filter(|schedule| schedule.may_run_twice_a_minute()).and_then(Schedule::gaps);
    let gap = gaps.map(|gaps| gaps.shortest.as_secs());
    gap.map_or(DEFAULT_TIMEOUT, |gap| DEFAULT_TIMEOUT.min(gap - 1)).max(1).to_string()
}

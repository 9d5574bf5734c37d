//! The schedule dialect against the recordings of a real Dkron, hand-checked tables, and properties.

use dkron_jobs::schedule::{Schedule, ScheduleError};
use jiff::Timestamp;
use serde::Deserialize;

/// A line of the recordings: what Dkron 4.0.9 said to a schedule, and the `next` it gave when it took it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    schedule: String,
    status: u16,
    error: Option<String>,
    posted_at: Option<Timestamp>,
    next: Option<String>,
    timezone: Option<String>,
}

/// Go's zero time, which Dkron gives for a job that never runs.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[test]
fn recordings_of_a_real_dkron() {
    let mut agreed = 0;
    for line in include_str!("../data/schedules.ndjson").lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let timezone = recorded.timezone.as_deref().unwrap_or_default();
        let (status, error) = match Schedule::parse(&recorded.schedule, &recorded.name, timezone) {
            Ok(_) => (201, None),
            Err(ScheduleError::Crash) => (500, Some(String::new())),
            Err(error) => (400, Some(format!("Job validation failed: {error}."))),
        };
        assert_eq!((recorded.status, &recorded.error), (status, &error), "{line}");
        if status == 201 {
            // The API computes `next` without the job's time zone.
            let schedule = Schedule::parse(&recorded.schedule, &recorded.name, "").unwrap();
            let next = schedule.next(recorded.posted_at.unwrap()).map_or(NEVER.to_owned(), |next| next.to_string());
            assert_eq!(recorded.next.unwrap(), next, "{line}");
        }
        agreed += 1;
    }
    assert_eq!(agreed, 106);
}

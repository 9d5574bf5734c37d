//! The schedule dialect against the recordings of real Dkrons, and `@after` at the edges that these lack.

use dkron_jobs::schedule::{Dialect, Schedule, ScheduleError};
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;

use crate::schedule::NEVER;

/// A line of the recordings: what Dkron said to a schedule, and the `next` it gave when it took it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    schedule: String,
    #[serde(default)]
    timezone: String,
    status: u16,
    error: Option<String>,
    posted_at: Option<Timestamp>,
    next: Option<String>,
}

const RECORDED_4_0_9: &str = include_str!("../data/schedules.ndjson");
const RECORDED_4_1_2: &str = include_str!("../data/schedules-4.1.2.ndjson");

/// Holds the module to each line of a recording, and says how many there are.
fn agreed(dialect: Dialect, lines: &str) -> usize {
    let mut agreed = 0;
    for line in lines.lines() {
        let recorded: Recorded = serde_json::from_str(line).expect("a line of the recordings");
        let parsed = Schedule::parse_as(dialect, &recorded.schedule, &recorded.name, &recorded.timezone);
        let (status, error) = match &parsed {
            Ok(_) => (201, None),
            Err(ScheduleError::Crash) => (500, Some(String::new())),
            Err(error) => (400, Some(format!("Job validation failed: {error}."))),
        };
        assert_eq!((recorded.status, &recorded.error), (status, &error), "{line}");
        if let Ok(schedule) = parsed {
            let next = recorded.next.expect("a next run");
            let mut posted_at = recorded.posted_at.expect("when it was posted");
            // Within its grace period `@after` runs at once, and the recording has the second of the post only.
            if schedule.after().is_some_and(|after| after.runs_at_once(posted_at)) {
                let recorded: Timestamp = next.parse().expect("an instant");
                assert!((posted_at..posted_at + 1.second()).contains(&recorded), "{line}");
                posted_at = recorded - 1.nanosecond();
            }
            let answer = schedule.next_when_posted(posted_at);
            assert_eq!(next, answer.map_or(NEVER.to_owned(), |next| next.to_string()), "{line}");
        }
        agreed += 1;
    }
    agreed
}

#[test]
fn recordings_of_a_real_dkron() {
    assert_eq!(agreed(Dialect::V4_0, RECORDED_4_0_9), 106);
    assert_eq!(agreed(Dialect::V4_1, RECORDED_4_0_9), 106);
    assert_eq!(agreed(Dialect::V4_1, RECORDED_4_1_2), 157);
}

/// Dkron 4.0 does not know the word, whatever follows it.
#[test]
fn an_older_dkron_refuses_after() {
    let mut refused = 0;
    for line in RECORDED_4_1_2.lines() {
        let recorded: Recorded = serde_json::from_str(line).expect("a line of the recordings");
        let schedule = &recorded.schedule;
        let older = Schedule::parse_as(Dialect::V4_0, schedule, "sched", "");
        if schedule.starts_with("@after ") {
            let words = format!("unrecognized descriptor: {schedule}");
            assert_eq!(older, Err(ScheduleError::Schedule(words)), "{line}");
            refused += 1;
        } else {
            assert_eq!(older, Schedule::parse(schedule, "sched", ""), "{line}");
        }
        if let Ok(newer) = Schedule::parse(schedule, "sched", "") {
            assert_eq!(newer.dialect() == Dialect::V4_1, schedule.starts_with("@after "), "{line}");
        }
    }
    assert_eq!(refused, 41);
}

/// The instant, the grace period and an instant of a post: what runs by itself, and what a post gives. By Dkron's own tests.
#[test]
fn after_and_its_grace_period() {
    let table = [
        ("2020-01-01T00:00:00Z <PT2H", "2019-12-31T23:00:00Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00Z <PT2H", "2020-01-01T00:00:00Z", NEVER, "2020-01-01T00:00:00.000000001Z"),
        ("2020-01-01T00:00:00Z <PT2H", "2020-01-01T02:00:00Z", NEVER, "2020-01-01T02:00:00.000000001Z"),
        ("2020-01-01T00:00:00Z <PT2H", "2020-01-01T02:00:00.000000001Z", NEVER, NEVER),
        // Parts of a second, with Go's arithmetic: 0.3 s are 300,000,000 ns, 1.1 ns are one.
        ("2020-01-01T00:00:00Z <PT0.3S", "2020-01-01T00:00:00.3Z", NEVER, "2020-01-01T00:00:00.300000001Z"),
        ("2020-01-01T00:00:00Z <PT0.0000000011S", "2020-01-01T00:00:00.000000002Z", NEVER, NEVER),
        // A year has 365 days and a month 30, whatever the calendar says.
        ("2020-01-01T00:00:00Z <P1Y1M", "2021-01-30T00:00:00Z", NEVER, "2021-01-30T00:00:00.000000001Z"),
        ("2020-01-01T00:00:00Z <P1Y1M", "2021-01-30T00:00:01Z", NEVER, NEVER),
        // The last grace period that fits into 64 bits, the next one, and one that comes round.
        ("2020-01-01T00:00:00Z <P106751D", "2026-11-30T00:00:00Z", NEVER, "2026-11-30T00:00:00.000000001Z"),
        ("2020-01-01T00:00:00Z <P106752D", "2026-11-30T00:00:00Z", NEVER, NEVER),
        ("2020-01-01T00:00:00Z <P106752D", "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00Z <P213504D", "2020-01-01T00:25:00Z", NEVER, "2020-01-01T00:25:00.000000001Z"),
        ("2020-01-01T00:00:00Z <P213504D", "2020-01-01T00:26:00Z", NEVER, NEVER),
        ("2020-01-01T00:00:00Z <PT10000000000S", "2020-01-01T00:00:00Z", NEVER, NEVER),
        // A zone of the instant counts, and the end may lie past the year 9999.
        ("2020-01-01T02:00:00+02:00 <PT2H", "2020-01-01T01:00:00Z", NEVER, "2020-01-01T01:00:00.000000001Z"),
        ("9999-12-30T00:00:00Z <P30D", "9999-12-30T21:00:00Z", NEVER, "9999-12-30T21:00:00.000000001Z"),
        ("9999-12-31T23:00:00-10:00 <P30D", "9999-12-30T21:00:00Z", NEVER, NEVER),
    ];
    for (words, now, by_itself, posted) in table {
        let schedule = Schedule::parse(&format!("@after {words}"), "a", "Europe/Paris").unwrap();
        let now: Timestamp = now.parse().unwrap();
        let said = |next: Option<Timestamp>| next.map_or(NEVER.to_owned(), |next| next.to_string());
        assert_eq!(said(schedule.next(now)), by_itself, "{words} at {now}");
        assert_eq!(said(schedule.next_when_posted(now)), posted, "{words} posted at {now}");
        assert_eq!(schedule.gaps(), None, "{words}: one run has no gaps");
    }

    let after = |words: &str| *Schedule::parse(&format!("@after {words}"), "a", "").unwrap().after().unwrap();
    let overflows = ["<P106752D", "<P300Y", "<PT10000000000S", "<P213504D"];
    for grace in overflows {
        assert!(after(&format!("2020-01-01T00:00:00Z {grace}")).overflows, "{grace}");
    }
    for grace in ["<P106751D", "<P292Y", "<PT1.5S", "<P1DT"] {
        let after = after(&format!("2020-01-01T00:00:00Z {grace}"));
        assert_eq!((after.overflows, after.has_months), (false, grace == "<P292Y"), "{grace}");
    }
}

//! The schedule dialect against hand-checked tables, and properties. `schedule_recorded.rs` has the recordings of real Dkrons.

use dkron_jobs::schedule::{Gaps, RefreshError, Schedule, ScheduleError, allowed_interval, refresh_schedule, stagger};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

/// Go's zero time, which Dkron gives for a job that never runs.
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

/// Schedules that the recordings lack, and how robfig/cron v3.0.1 under Dkron's own grammar refuses them.
#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn refusals() {
    let table = [
        // Whole numbers: overflow is said where it happens, before what follows is looked at.
        (
            "0 99999999999999999999x 0 * * *",
            "",
            r#"failed to parse int from 99999999999999999999x: strconv.Atoi: parsing "99999999999999999999x": value out of range"#,
        ),
        (
            "0 9223372036854775808 0 * * *",
            "",
            r#"failed to parse int from 9223372036854775808: strconv.Atoi: parsing "9223372036854775808": value out of range"#,
        ),
        (
            "0 9223372036854775807 0 * * *",
            "",
            "end of range (9223372036854775807) above maximum (59): 9223372036854775807",
        ),
        ("0 */-5 0 * * *", "", "negative number (-5) not allowed: -5"),
        ("0 1-2-3 0 * * *", "", "too many hyphens: 1-2-3"),
        ("0 1/2/3 0 * * *", "", "too many slashes: 1/2/3"),
        (
            "0 \u{200b}\u{7}'é\" 0 * * *",
            "",
            "failed to parse int from \u{200b}\u{7}'é\": strconv.Atoi: parsing \"\\u200b\\a'é\\\"\": invalid syntax",
        ),
        // Durations.
        ("@every 1", "", r#"failed to parse duration @every 1: time: missing unit in duration "1""#),
        ("@every .s", "", r#"failed to parse duration @every .s: time: invalid duration ".s""#),
        ("@every ~s", "", r#"failed to parse duration @every ~s: time: invalid duration "~s""#),
        (
            "@every 1é\"",
            "",
            r#"failed to parse duration @every 1é": time: unknown unit "\xc3\xa9\"" in duration "1\xc3\xa9\"""#,
        ),
        (
            "@every 2562047h47m16.854775808s",
            "",
            r#"failed to parse duration @every 2562047h47m16.854775808s: time: invalid duration "2562047h47m16.854775808s""#,
        ),
        // Dates.
        (
            "@at 2027-02-29T00:00:00Z",
            "",
            r#"failed to parse date @at 2027-02-29T00:00:00Z: parsing time "2027-02-29T00:00:00Z": day out of range"#,
        ),
        (
            "@at 2027-13-01T00:00:00Z",
            "",
            r#"failed to parse date @at 2027-13-01T00:00:00Z: parsing time "2027-13-01T00:00:00Z": month out of range"#,
        ),
        (
            "@at 2027-01-01T24:00:00Z",
            "",
            r#"failed to parse date @at 2027-01-01T24:00:00Z: parsing time "2027-01-01T24:00:00Z": hour out of range"#,
        ),
        (
            "@at 2027-01-01T00:00:00+25:00",
            "",
            r#"failed to parse date @at 2027-01-01T00:00:00+25:00: parsing time "2027-01-01T00:00:00+25:00": time zone offset hour out of range"#,
        ),
        (
            "@at 2027-01-01T00:00:00+25:61",
            "",
            r#"failed to parse date @at 2027-01-01T00:00:00+25:61: parsing time "2027-01-01T00:00:00+25:61": time zone offset minute out of range"#,
        ),
        (
            "@at 2027-01-01T00:00:00",
            "",
            r#"failed to parse date @at 2027-01-01T00:00:00: parsing time "2027-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00""#,
        ),
        (
            "@at 2027-01-01T00:00:00Zé",
            "",
            r#"failed to parse date @at 2027-01-01T00:00:00Zé: parsing time "2027-01-01T00:00:00Z\xc3\xa9": extra text: "\xc3\xa9""#,
        ),
        // `@after`: each number has a limit of its own, and no number is looked at before the whole form is.
        (
            "@after 2099-01-01T00:00:00Z <P9223372036854775808YT1W",
            "",
            "failed to parse grace period in @after: P9223372036854775808YT1W: invalid ISO8601 duration format: P9223372036854775808YT1W",
        ),
        (
            "@after 2099-01-01T00:00:00Z <P1M9223372036854775808D",
            "",
            "failed to parse grace period in @after: P1M9223372036854775808D: invalid day value: 9223372036854775808",
        ),
        (
            "@after 2099-01-01T00:00:00Z <P1D1M",
            "",
            "failed to parse grace period in @after: P1D1M: invalid ISO8601 duration format: P1D1M",
        ),
        (
            "@after 2099-01-01T00:00:00Z <PT٣S",
            "",
            "failed to parse grace period in @after: PT٣S: invalid ISO8601 duration format: PT٣S",
        ),
        // Dkron's own names are seen before the zone prefix is, so not after it.
        ("TZ=UTC @manually", "", "unrecognized descriptor: @manually"),
        ("TZ=UTC @at 2099-01-01T00:00:00Z", "", "unrecognized descriptor: @at 2099-01-01T00:00:00Z"),
        // Zones: by their exact name, up to the first blank.
        (
            "CRON_TZ=Europe/Paris\t0 0 0 * * *",
            "",
            "provided bad location Europe/Paris\t0: unknown time zone Europe/Paris\t0",
        ),
        ("TZ=europe/paris 0 0 0 * * *", "", "provided bad location europe/paris: unknown time zone europe/paris"),
        ("TZ=Etc/Unknown 0 0 0 * * *", "", "provided bad location Etc/Unknown: unknown time zone Etc/Unknown"),
        ("TZ=Europe 0 0 0 * * *", "", "provided bad location Europe: is a directory"),
        ("TZ=../x 0 0 0 * * *", "", "provided bad location ../x: time: invalid location name"),
        // A bad schedule is said before a bad zone.
        ("0 0 0 * * 7", "Mars/Olympus", "end of range (7) above maximum (6): 7"),
    ];
    for (schedule, timezone, words) in table {
        let refusal = Schedule::parse(schedule, "a", timezone);
        assert_eq!(refusal, Err(ScheduleError::Schedule(words.to_owned())), "{schedule}");
    }

    for timezone in ["Mars/Olympus", "Europe/Paris 0", "utc"] {
        let refusal = Schedule::parse("0 0 0 * * *", "a", timezone);
        assert_eq!(refusal, Err(ScheduleError::Timezone(format!("unknown time zone {timezone}"))));
    }
    assert_eq!(Schedule::parse("TZ=", "a", ""), Err(ScheduleError::Crash));
}

/// Schedule, time zone, an instant, and the runs that follow it: worked out by hand and confirmed with robfig/cron v3.0.1.
#[test]
fn runs() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Paris skips 02:30 on the last Sunday of March, and has it twice on that of October: not run, run twice.
        ("0 30 2 * * *", "Europe/Paris", "2026-03-28T00:00:00Z", &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]),
        ("0 30 2 * * *", "Europe/Paris", "2026-10-24T01:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        ("0 0 * * * *", "Europe/Paris", "2026-10-24T23:30:00Z", &["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"]),
        ("0 0 */2 * * *", "Europe/Paris", "2026-03-28T22:30:00Z", &["2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z"]),
        // São Paulo had no midnight on 4 November 2018: the run of that day is lost,
        ("0 0 0 * * *", "America/Sao_Paulo", "2018-11-02T12:00:00Z", &["2018-11-03T03:00:00Z", "2018-11-05T02:00:00Z"]),
        // a run of the third at one o'clock happens on the fourth as well,
        (
            "0 0 1 3 11 *",
            "America/Sao_Paulo",
            "2018-11-02T12:00:00Z",
            &["2018-11-03T04:00:00Z", "2018-11-04T03:00:00Z"],
        ),
        // and one of the fourth at midnight waits for a month.
        ("0 0 0 4 * *", "America/Sao_Paulo", "2018-11-01T05:00:00Z", &["2018-12-04T02:00:00Z"]),
        // Cairo has no midnight on the last Friday of April.
        ("0 0 0 * * FRI", "Africa/Cairo", "2026-04-22T00:00:00Z", &["2026-04-30T21:00:00Z"]),
        ("0 0 1 * * THU", "Africa/Cairo", "2026-04-23T00:00:00Z", &["2026-04-23T22:00:00Z", "2026-04-29T22:00:00Z"]),
        // Lord Howe moves by half an hour.
        (
            "0 15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02T12:00:00Z",
            &["2026-10-02T15:45:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "0 45 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T12:00:00Z",
            &["2027-04-03T14:45:00Z", "2027-04-03T15:15:00Z"],
        ),
        // Chatham goes back from 03:45 to 02:45, where robfig/cron answers 03:00, an hour past.
        (
            "0 0 3-21 * * *",
            "Pacific/Chatham",
            "2026-04-04T13:00:00Z",
            &["2026-04-04T13:15:00Z", "2026-04-04T14:15:00Z"],
        ),
        ("0 0 3-21 * * *", "Pacific/Chatham", "2026-04-04T14:05:00Z", &["2026-04-04T14:15:00Z"]),
        // Leap days; past 2100 the next one is eight years off, and sought for five.
        ("0 0 0 29 2 *", "", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 0 29 2 *", "", "2096-03-01T00:00:00Z", &[NEVER]),
        // Day and weekday: either one, unless one is a plain `*` or `?`. `*/10` restricts, `*/1` does not.
        ("0 0 0 13 * FRI", "", "2026-11-01T00:00:00Z", &["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z"]),
        ("0 0 0 13 * ?", "", "2026-11-01T00:00:00Z", &["2026-11-13T00:00:00Z", "2026-12-13T00:00:00Z"]),
        ("0 0 0 */10 * FRI", "", "2026-11-01T00:00:00Z", &["2026-11-06T00:00:00Z", "2026-11-11T00:00:00Z"]),
        ("0 0 0 */1 * FRI", "", "2026-11-01T00:00:00Z", &["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z"]),
        // An empty list matches nothing.
        (", 0 0 * * *", "", "2027-01-01T00:00:00Z", &[NEVER]),
        ("0 0 0 , * MON", "", "2027-01-01T00:00:00Z", &["2027-01-04T00:00:00Z", "2027-01-11T00:00:00Z"]),
        // What follows `*-` counts for nothing, and FRİ is Friday.
        ("0 *-x/30 0 * * *", "", "2027-01-01T00:00:00Z", &["2027-01-01T00:30:00Z", "2027-01-02T00:00:00Z"]),
        ("0 0 0 * * FRİ", "", "2027-01-01T00:00:00Z", &["2027-01-08T00:00:00Z"]),
        ("0\u{a0}0 0 * * *", "", "2027-01-01T00:00:00Z", &["2027-01-02T00:00:00Z"]),
        // The job's name is `sched`, whose characters sum to 519. After a double blank, `~` counts as the next field: 519
        // modulo 24, not 60.
        ("0 ~ 0 * * *", "", "2026-11-01T00:00:00Z", &["2026-11-01T00:39:00Z"]),
        ("0  ~ 0 * * *", "", "2026-11-01T00:00:00Z", &["2026-11-01T00:15:00Z"]),
        // The zone of the job: for six fields without their own.
        ("0 0 0 * * *", "Europe/Paris", "2026-11-01T00:00:00Z", &["2026-11-01T23:00:00Z"]),
        ("TZ=Asia/Kolkata 0 0 0 * * *", "Europe/Paris", "2026-11-01T00:00:00Z", &["2026-11-01T18:30:00Z"]),
        ("@daily", "Europe/Paris", "2026-11-01T00:00:00Z", &["2026-11-02T00:00:00Z"]),
        ("TZ=Asia/Kolkata @daily", "Europe/Paris", "2026-11-01T00:00:00Z", &["2026-11-01T18:30:00Z"]),
        ("0 0 0 * * *", "Local", "2026-11-01T00:00:00Z", &["2026-11-02T00:00:00Z"]),
        // Durations: cut to whole seconds, from whole seconds; at least one; two halves of Go's limit are zero.
        ("@every 90.5s", "Europe/Paris", "2026-11-01T00:00:00.75Z", &["2026-11-01T00:01:30Z", "2026-11-01T00:03:00Z"]),
        ("@every 2562047h47m16.854775807s", "", "2027-01-01T00:00:00Z", &["2319-04-12T23:47:16Z"]),
        ("@every -2562047h47m16.854775808s", "", "2027-01-01T00:00:00Z", &["2027-01-01T00:00:01Z"]),
        ("@every 9223372036854775808ns9223372036854775808ns", "", "2027-01-01T00:00:00Z", &["2027-01-01T00:00:01Z"]),
        // Dates: parts of a second, strictly after, and what Go lets through.
        ("@at 2027-01-01T00:00:00.5Z", "", "2027-01-01T00:00:00Z", &["2027-01-01T00:00:00.5Z", NEVER]),
        ("@at 2027-01-01T00:00:00Z", "", "2027-01-01T00:00:00Z", &[NEVER]),
        ("@at 2027-01-01T5:00:00,25-24:60", "", "2027-01-01T00:00:00Z", &["2027-01-02T06:00:00.25Z"]),
        ("@at 0000-01-01T00:00:00Z", "", "2027-01-01T00:00:00Z", &[NEVER]),
        // Before 1970, seconds are cut downwards too.
        ("* * * * * *", "", "1969-12-31T23:59:58.5Z", &["1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]),
    ];
    for (schedule, timezone, after, runs) in table {
        let parsed = Schedule::parse(schedule, "sched", timezone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        for run in *runs {
            let next = parsed.next(at);
            assert_eq!(next.map_or(NEVER.to_owned(), |next| next.to_string()), *run, "{schedule} in {timezone:?}");
            at = next.unwrap_or(at);
        }
    }
}

#[test]
fn a_day_left_out_of_the_calendar_ends_the_search() {
    // Samoa had no 30 December 2011. robfig/cron never returns from this one.
    let schedule = Schedule::parse("0 0 0 31 12 *", "a", "Pacific/Apia").unwrap();
    assert_eq!(schedule.next("2011-12-20T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn gaps_of_known_schedules() {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let table = [
        ("* * * * * *", "", Some((1, 1))),
        ("* * * * * *", "Europe/Paris", Some((1, 1))),
        ("0 */5 * * * *", "", Some((5 * MINUTE, 5 * MINUTE))),
        // Sixty is no multiple of seven.
        ("0 */7 * * * *", "", Some((4 * MINUTE, 7 * MINUTE))),
        ("0 0 8-18 * * MON-FRI", "", Some((HOUR, 2 * DAY + 14 * HOUR))),
        // The week-end with the change of clocks.
        ("0 0 8-18 * * MON-FRI", "Europe/Paris", Some((HOUR, 2 * DAY + 15 * HOUR))),
        ("0 0 3 * * *", "", Some((DAY, DAY))),
        ("0 0 3 * * *", "Europe/Paris", Some((DAY - HOUR, DAY + HOUR))),
        // Run twice in October, not at all one day in March.
        ("0 30 2 * * *", "Europe/Paris", Some((HOUR, 2 * DAY - HOUR))),
        ("0 0 */2 * * *", "Europe/Paris", Some((HOUR, 3 * HOUR))),
        ("0 0 0 1 * *", "", Some((28 * DAY, 31 * DAY))),
        // Beside 29 February, the Mondays of February: a day apart in 2028, fifty weeks from 2027 to 2028.
        ("0 0 0 29 2 MON", "", Some((DAY, 350 * DAY))),
        ("0 0 0 29 2 *", "", Some((1461 * DAY, 1461 * DAY))),
        ("@yearly", "", Some((365 * DAY, 366 * DAY))),
        ("@every 90.5s", "", Some((90, 90))),
        ("0 0 0 30 2 *", "", None),
        (", * * * * *", "", None),
        ("@at 2099-01-01T00:00:00Z", "", None),
        ("@manually", "", None),
    ];
    for (schedule, timezone, expected) in table {
        let gaps = Schedule::parse(schedule, "a", timezone).unwrap().gaps();
        let seconds = gaps.map(|gaps| (gaps.shortest.as_secs(), gaps.worst.as_secs()));
        assert_eq!(seconds, expected, "{schedule} in {timezone:?}");
    }
}

/// Start and end of what `gaps` looks at, in UTC.
const WINDOW: (&str, &str) = ("2026-01-01T00:00:00Z", "2054-01-01T00:00:00Z");

/// The gaps that walking from run to run shows, as many runs as there are.
fn walked(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Option<Gaps> {
    let mut seen: Option<Gaps> = None;
    let mut run = schedule.next(from)?;
    while let Some(next) = schedule.next(run).filter(|next| *next < to) {
        let gap = run.duration_until(next);
        let before = seen.unwrap_or(Gaps { shortest: gap, worst: gap });
        seen = Some(Gaps { shortest: before.shortest.min(gap), worst: before.worst.max(gap) });
        run = next;
    }
    seen
}

#[test]
fn dense_gaps_equal_a_walk() {
    // Each second, in hours that the change of clocks cuts in odd ways.
    for (schedule, timezone) in [
        ("* 20-50 1-2 * 4 SUN", "Australia/Lord_Howe"),
        ("*/7 * 2-4 1-7 4,9,10 ?", "Pacific/Chatham"),
        ("0,59 * 0-3 * 3,10,11 SUN", "America/Havana"),
        ("*/20 */3 0-2 * 3,4,10 FRI", "Africa/Cairo"),
        // One run on the Sunday after the Saturdays asked for, when that Sunday has no midnight.
        ("* 13-51 1 6 3 FRI/1", "Atlantic/Azores"),
    ] {
        let parsed = Schedule::parse(schedule, "a", timezone).unwrap();
        let (from, to) = (WINDOW.0.parse().unwrap(), WINDOW.1.parse().unwrap());
        assert_eq!(parsed.gaps(), walked(&parsed, from, to), "{schedule} in {timezone}");
    }
}

/// Zones with the odd changes: no midnight, half an hour, at a quarter to, two hours, two in a month, none.
fn zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "Africa/Cairo",
        "Africa/Casablanca",
        "America/Havana",
        "America/New_York",
        "America/Santiago",
        "America/Sao_Paulo",
        "Antarctica/Troll",
        "Asia/Beirut",
        "Asia/Kolkata",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "Europe/Paris",
        "Pacific/Chatham",
    ])
}

/// A field between two numbers, of each shape that the grammar has.
fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let value = low..=high;
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => Just("?".to_owned()),
        4 => value.clone().prop_map(|value| value.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        2 => (value.clone(), 1..=high).prop_map(|(start, step)| format!("{start}/{step}")),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        2 => (value.clone(), value.clone(), value).prop_map(|(a, b, c)| format!("{a},{b},{c}")),
    ]
}

/// The fields of a day: with one second a run, at most one minute.
fn day_fields() -> impl Strategy<Value = String> {
    (field(1, 31), field(1, 12), field(0, 6)).prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"))
}

fn any_cron() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 59), field(0, 23), day_fields())
        .prop_map(|(second, minute, hour, day)| format!("{second} {minute} {hour} {day}"))
}

/// At most three runs a day.
fn sparse_cron() -> impl Strategy<Value = String> {
    let hours = prop::collection::btree_set(0..24_u8, 1..=3);
    (0..60_u8, 0..60_u8, hours, day_fields()).prop_map(|(second, minute, hours, day)| {
        let hours: Vec<_> = hours.iter().map(u8::to_string).collect();
        format!("{second} {minute} {} {day}", hours.join(","))
    })
}

/// Instants from 2013 to 2060, as often as not near where Paris changes its clocks.
fn instant() -> impl Strategy<Value = Timestamp> {
    let change = 1_774_746_000_i64;
    prop_oneof![1_356_998_400..2_840_140_800_i64, change - 100_000..change + 100_000]
        .prop_filter_map("an instant", |second| Timestamp::from_second(second).ok())
}

proptest! {
    #[test]
    fn parsing_never_panics(schedule in ".{0,40}", name in "[a-zé_-]{0,8}", timezone in "|Europe/Paris|.{0,12}") {
        _ = Schedule::parse(&schedule, &name, &timezone);
    }

    #[test]
    fn parsing_what_looks_like_a_schedule_never_panics(
        schedule in "(@every |@at |TZ=|CRON_TZ=|TZ=UTC )?[-0-9*/,?~+.:TZhmsµnu é]{0,30}",
    ) {
        _ = Schedule::parse(&schedule, "a", "");
    }

    #[test]
    fn next_lies_strictly_after(schedule in any_cron(), zone in zone(), after in instant()) {
        let schedule = Schedule::parse(&schedule, "a", zone).unwrap();
        prop_assert!(schedule.next(after).is_none_or(|next| next > after));
    }

    // Where clocks change at midnight, robfig/cron runs a job that it would not have run had it been asked later.
    #[test]
    fn next_skips_nothing_where_days_have_midnights(
        schedule in any_cron(),
        zone in prop::sample::select(vec!["", "UTC", "Asia/Kolkata", "America/New_York", "Europe/Paris"]),
        after in instant(),
    ) {
        let schedule = Schedule::parse(&schedule, "a", zone).unwrap();
        if let Some(next) = schedule.next(after) {
            // Seen from half way, the next run is the same, or one that robfig/cron steps over near a change of clocks.
            let half = Timestamp::from_second(after.as_second().midpoint(next.as_second())).unwrap();
            prop_assert!(schedule.next(half.min(next - SignedDuration::from_secs(1))).is_some_and(|run| run <= next));
        }
    }

    #[test]
    fn gaps_hold_every_gap_of_three_weeks(schedule in any_cron(), zone in zone(), after in instant()) {
        let schedule = Schedule::parse(&schedule, "a", zone).unwrap();
        let after = after.max(WINDOW.0.parse().unwrap());
        let to: Timestamp = WINDOW.1.parse().unwrap();
        let end = (after + SignedDuration::from_hours(21 * 24)).min(to - SignedDuration::from_hours(24));
        let gaps = schedule.gaps();
        let mut run = after;
        for _ in 0..500 {
            let Some(first) = schedule.next(run) else { break };
            let Some(second) = schedule.next(first) else { break };
            if second >= end {
                break;
            }
            let gap = first.duration_until(second);
            prop_assert!(gaps.is_some_and(|gaps| gaps.shortest <= gap && gap <= gaps.worst), "{first} {second} {gaps:?}");
            run = first;
        }
    }

    #[test]
    fn a_refresh_schedule_is_the_longest_that_fits(
        name in "[a-z0-9_-]{1,20}",
        soft in prop_oneof![1..200_i64, 1..400_000_i64],
        hard in prop::option::of(1..1_000_000_i64),
    ) {
        let (soft, hard) = (SignedDuration::from_secs(soft), hard.map(SignedDuration::from_secs));
        let allowed = allowed_interval(soft, hard);
        let candidates = (1..=86_400_u64).filter(|interval| {
            [(1, 60), (60, 3_600), (3_600, 86_400_u64)]
                .iter()
                .any(|(unit, size)| interval.is_multiple_of(*unit) && size.is_multiple_of(*interval))
        });
        let longest = candidates.filter(|interval| SignedDuration::from_secs(interval.cast_signed()) <= allowed).max();
        match refresh_schedule(&name, soft, hard) {
            Ok(schedule) => {
                let longest = longest.unwrap();
                let parsed = Schedule::parse(&schedule, &name, "").unwrap();
                let gap = SignedDuration::from_secs(longest.cast_signed());
                prop_assert_eq!(parsed.gaps(), Some(Gaps { shortest: gap, worst: gap }), "{}", schedule);
                // The first run of a day lies at the offset.
                let midnight: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
                let first = parsed.next(midnight - SignedDuration::from_nanos(1)).unwrap();
                prop_assert_eq!(midnight.duration_until(first).as_secs().cast_unsigned(), stagger(&name, longest));
            }
            Err(error) => {
                prop_assert_eq!(longest, None);
                prop_assert_eq!(error, RefreshError::TooShort { soft, allowed });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sparse_gaps_equal_a_walk_of_28_years(schedule in sparse_cron(), zone in zone()) {
        let parsed = Schedule::parse(&schedule, "a", zone).unwrap();
        let database = TimeZoneDatabase::bundled();
        let zone = database.get(if zone.is_empty() { "UTC" } else { zone }).unwrap();
        let [from, to] = [2026, 2054].map(|year| {
            zone.to_timestamp(jiff::civil::date(year, 1, 1).at(0, 0, 0, 0)).unwrap()
        });
        prop_assert_eq!(parsed.gaps(), walked(&parsed, from - SignedDuration::from_secs(1), to));
    }
}

#[test]
fn refresh_schedules() {
    let seconds = SignedDuration::from_secs;
    // Half the soft TTL, or all of it where the hard TTL is twice as long.
    assert_eq!(allowed_interval(seconds(600), None), seconds(300));
    assert_eq!(allowed_interval(seconds(600), Some(seconds(1_199))), seconds(300));
    assert_eq!(allowed_interval(seconds(600), Some(seconds(1_200))), seconds(600));
    assert_eq!(allowed_interval(SignedDuration::MAX, Some(SignedDuration::MAX)), SignedDuration::MAX / 2);

    // `refresh-370` begins 137 seconds into five minutes. SHA-256("ab") begins with fb8e20fc2e4c3f24.
    let table = [
        ("refresh-370", 600, "17 2/5 * * * *"),
        ("ab", 2, "* * * * * *"),
        ("ab", 60, "28/30 * * * * *"),
        ("ab", 120, "28 * * * * *"),
        ("ab", 7_200, "28 2 * * * *"),
        ("ab", 1_000_000, "28 2 1 * * *"),
        ("ab", 3_600, "28 2/30 * * * *"),
    ];
    for (name, soft, expected) in table {
        assert_eq!(refresh_schedule(name, seconds(soft), None).as_deref(), Ok(expected), "{name} {soft}");
    }

    assert_eq!(
        refresh_schedule("ab", seconds(1), None).unwrap_err().to_string(),
        "a soft TTL of 1s needs a refresh every 500ms, but Dkron runs a job at most once a second: raise the soft TTL to 2 s, \
         or to 1 s with a hard TTL of at least 2 s"
    );
    assert_eq!(
        refresh_schedule("ab", seconds(0), None).unwrap_err().to_string(),
        "the soft TTL is 0s, which is not positive: give the time the cache lives for, such as 300 or 5m"
    );
    assert_eq!(
        refresh_schedule("ab", seconds(60), Some(seconds(-1))),
        Err(RefreshError::NotPositive { which: "hard", ttl: seconds(-1) })
    );
}

#[test]
fn stagger_is_part_of_a_digest() {
    assert_eq!(stagger("ab", u64::MAX), 0xfb8e_20fc_2e4c_3f24);
    assert_eq!(stagger("", u64::MAX), 0xe3b0_c442_98fc_1c14);
    // Dkron's own `~` would give these two the same second.
    assert_ne!(stagger("ab", 60), stagger("ba", 60));
    assert_eq!(stagger("ab", 0), 0);
}

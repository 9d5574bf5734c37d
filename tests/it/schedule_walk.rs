//! When jobs run, against a walk that knows nothing of the schedule module: each second of a window, or each day of some
//! years, is asked whether its fields are in the sets that the schedule was written from.

use std::collections::BTreeSet;

use dkron_jobs::schedule::Schedule;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use crate::laws::law;

/// One part of a field: all, a value, a range, each with a step or without.
#[derive(Debug, Clone)]
struct Part {
    text: String,
    values: BTreeSet<i8>,
    star: bool,
}

/// A field: its text, the values it matches, and whether it leaves everything open.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    values: BTreeSet<i8>,
    star: bool,
}

fn part(low: i8, high: i8, names: &'static [&'static str]) -> impl Strategy<Value = Part> {
    let said = move |value: i8, name: bool| match names.get(usize::try_from(value - low).unwrap_or(usize::MAX)) {
        Some(text) if name => (*text).to_owned(),
        _ => value.to_string(),
    };
    let stepped = |from: i8, to: i8, step: i8| {
        (i16::from(from)..=i16::from(to))
            .step_by(step.unsigned_abs().into())
            .filter_map(|n| i8::try_from(n).ok())
            .collect()
    };
    let step = || prop_oneof![3 => Just(1_i8), 1 => 2..=high.max(2), 1 => 2..=127_i8];
    let open = (any::<bool>(), step()).prop_map(move |(question, step)| {
        let sign = if question { "?" } else { "*" };
        let text = if step == 1 { sign.to_owned() } else { format!("{sign}/{step}") };
        Part { text, values: stepped(low, high, step), star: step == 1 }
    });
    let value = (low..=high, any::<bool>()).prop_map(move |(value, name)| Part {
        text: said(value, name),
        values: [value].into(),
        star: false,
    });
    let from = (low..=high, 1..=high.max(1)).prop_map(move |(from, step)| Part {
        text: format!("{from}/{step}"),
        values: stepped(from, high, step),
        star: false,
    });
    let range = (low..=high, low..=high, step(), any::<bool>()).prop_map(move |(a, b, step, name)| {
        let (from, to) = (a.min(b), a.max(b));
        let text = format!("{}-{}", said(from, name), said(to, name));
        let text = if step == 1 { text } else { format!("{text}/{step}") };
        Part { text, values: stepped(from, to, step), star: false }
    });
    prop_oneof![4 => open, 2 => value, 1 => from, 2 => range]
}

fn field(low: i8, high: i8, names: &'static [&'static str]) -> impl Strategy<Value = Field> {
    prop::collection::vec(part(low, high, names), 1..3).prop_map(|parts| Field {
        text: parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(","),
        values: parts.iter().flat_map(|part| part.values.iter().copied()).collect(),
        star: parts.iter().any(|part| part.star),
    })
}

/// A schedule as its sets.
#[derive(Debug, Clone)]
struct Model {
    fields: [Field; 6],
}

impl Model {
    fn text(&self) -> String {
        self.fields.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn is_day(&self, date: Date) -> bool {
        let [_, _, _, days, months, weekdays] = &self.fields;
        let day = days.values.contains(&date.day());
        let weekday = weekdays.values.contains(&date.weekday().to_sunday_zero_offset());
        // Both restricted: either does (FACTS 19).
        let matches = if days.star || weekdays.star { day && weekday } else { day || weekday };
        months.values.contains(&date.month()) && matches
    }

    fn is_second(&self, at: DateTime) -> bool {
        let [seconds, minutes, hours, ..] = &self.fields;
        seconds.values.contains(&at.second())
            && minutes.values.contains(&at.minute())
            && hours.values.contains(&at.hour())
            && self.is_day(at.date())
    }
}

const MONTHS: &[&str] = &["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "Mon", "TUE", "wed", "thu", "fri", "sat"];

fn model() -> impl Strategy<Value = Model> {
    let time = (field(0, 59, &[]), field(0, 59, &[]), field(0, 23, &[]));
    let day = (field(1, 31, &[]), field(1, 12, MONTHS), field(0, 6, DAYS));
    (time, day).prop_map(|((second, minute, hour), (day, month, weekday))| Model {
        fields: [second, minute, hour, day, month, weekday],
    })
}

/// Zones without a change of clocks in these years: with one, robfig/cron has ways of its own, which `schedule.rs` looks at.
fn zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["UTC", "Asia/Tokyo", "Asia/Kolkata", "America/Phoenix", "Asia/Kathmandu"])
}

fn instant() -> impl Strategy<Value = Timestamp> {
    // 2026 to 2035.
    (1_767_225_600_i64..2_082_758_400).prop_map(|second| Timestamp::from_second(second).expect("an instant"))
}

/// How far the walk by seconds goes.
const WINDOW: SignedDuration = SignedDuration::from_secs(3 * 3600);
/// How far the walk by days goes.
const DAYS_WALKED: i32 = 800;

#[test]
fn each_second_of_a_window() {
    law((model(), zone(), instant()), |(model, zone, from)| {
        let schedule = Schedule::parse(&model.text(), "a", zone).expect("a schedule that Dkron takes");
        let zone = TimeZone::get(zone).expect("a zone");
        let offset = zone.to_offset(from);
        let wall = offset.to_datetime(from);
        let seconds = (1..=WINDOW.as_secs()).filter(|second| {
            let at = wall.checked_add(second.seconds()).expect("a time");
            model.is_second(at)
        });
        let mut at = from;
        for second in seconds {
            let expected = from + SignedDuration::from_secs(second);
            prop_assert_eq!(schedule.next(at), Some(expected), "{} after {}", model.text(), at);
            at = expected;
        }
        let after = schedule.next(at);
        prop_assert!(after.is_none_or(|next| next > from + WINDOW), "{}: {after:?}", model.text());
        Ok(())
    });
}

#[test]
fn each_day_of_years() {
    law((model(), zone(), instant()), |(mut model, zone, from)| {
        // One run a day, at whatever time: the days are what is looked at.
        for field in &mut model.fields[..3] {
            let first = *field.values.iter().next().expect("a value");
            *field = Field { text: first.to_string(), values: [first].into(), star: false };
        }
        let schedule = Schedule::parse(&model.text(), "a", zone).expect("a schedule that Dkron takes");
        let zone = TimeZone::get(zone).expect("a zone");
        let [second, minute, hour, ..] = &model.fields;
        let time = [hour, minute, second].map(|field| *field.values.iter().next().expect("a value"));
        let today = zone.to_datetime(from).date();
        let days = (0..DAYS_WALKED).map(|day| today.checked_add(day.days()).expect("a date"));
        let mut at = from;
        for date in days.filter(|date| model.is_day(*date)) {
            let run = zone.to_timestamp(date.at(time[0], time[1], time[2], 0)).expect("a time");
            if run <= from {
                continue;
            }
            prop_assert_eq!(schedule.next(at), Some(run), "{} after {}", model.text(), at);
            at = run;
        }
        Ok(())
    });
}

/// Where every day is like every other, a day's seconds are those that walking from run to run gives.
#[test]
fn a_day_that_is_like_every_other() {
    law((model(), instant()), |(mut model, from)| {
        for field in &mut model.fields[3..] {
            *field = Field { text: "*".to_owned(), values: field.values.clone(), star: true };
        }
        let schedule = Schedule::parse(&model.text(), "a", "").expect("a schedule that Dkron takes");
        let midnight = from.as_second().div_euclid(86_400) * 86_400;
        let mut walked = Vec::new();
        let mut at = midnight - 1;
        // Those that run more often than that are looked at by their first runs.
        while walked.len() < 2_000 {
            let next = schedule.next(Timestamp::from_second(at).expect("an instant")).expect("a run").as_second();
            if next >= midnight + 86_400 {
                break;
            }
            walked.push(u32::try_from(next - midnight).expect("a second of the day"));
            at = next;
        }
        let seconds: Vec<_> = schedule.seconds_of_day().expect("each day alike").collect();
        prop_assert_eq!(&seconds[..walked.len()], &walked[..], "{}", model.text());
        prop_assert!(walked.len() == 2_000 || seconds.len() == walked.len(), "{}", model.text());
        Ok(())
    });
}

//! When six fields match, as robfig/cron v3.0.1 finds it, also where clocks are put forward or back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::fields::Bits;

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// robfig/cron gives up after this many years.
const YEARS: i16 = 5;

/// Six fields and the zone they are read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    pub(super) seconds: Bits,
    pub(super) minutes: Bits,
    pub(super) hours: Bits,
    pub(super) days: Bits,
    pub(super) months: Bits,
    pub(super) weekdays: Bits,
    pub(super) zone: TimeZone,
}

/// An instant and what a clock on the wall shows then.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Seconds since 1970 in UTC.
    pub(super) unix: i64,
    /// The same for the clock on the wall.
    pub(super) wall: i64,
}

impl Moment {
    fn second(self) -> u32 {
        part(self.wall, MINUTE, 1)
    }

    fn minute(self) -> u32 {
        part(self.wall, HOUR, MINUTE)
    }

    fn hour(self) -> u32 {
        part(self.wall, DAY, HOUR)
    }

    pub(super) fn offset(self) -> i64 {
        self.wall - self.unix
    }

    fn date(self) -> Option<DateTime> {
        Some(Offset::UTC.to_datetime(Timestamp::from_second(self.wall).ok()?))
    }
}

/// How many units have passed in the larger unit.
fn part(wall: i64, larger: i64, unit: i64) -> u32 {
    // At most 59, by the two constants.
    u32::try_from(wall.rem_euclid(larger) / unit).unwrap_or_default()
}

impl Cron {
    /// The first second after this one that matches; `None` when there is none in this year or the next five, or past 9999.
    pub(super) fn next(&self, after: i64) -> Option<i64> {
        // A field that matches nothing (`,`) would be sought for five years, second by second.
        if self.never() {
            return None;
        }
        let mut from = after;
        loop {
            let run = self.search(from)?;
            if run > after {
                return Some(run);
            }
            // Where clocks go back to within an hour (Chatham, 03:45 to 02:45) and that hour does not match, robfig/cron
            // answers with an instant that is past, and Dkron runs the job over and over until the hour is out. The next
            // run that is one lies after that hour.
            let start = self.moment(from.checked_add(1)?)?;
            from += HOUR - start.wall.rem_euclid(HOUR);
        }
    }

    /// What robfig/cron answers: nearly always an instant after this one.
    ///
    /// Fields are met from the month down to the second. One that does not match is moved on until it does, with everything
    /// below it set to its start; when it passes the end of its range, the search starts again at the month. Whoever wants
    /// this simpler should know that the order of steps decides what happens around a change of clocks.
    fn search(&self, after: i64) -> Option<i64> {
        let mut at = self.moment(after.checked_add(1)?)?;
        let last_year = at.date()?.year() + YEARS;
        // Whether everything below the field in hand is at its start already.
        let mut rounded = false;
        'fields: loop {
            let mut date = at.date()?;
            if date.year() > last_year {
                return None;
            }

            while !self.month_matches(date) {
                if !rounded {
                    rounded = true;
                    at = self.at_wall(midnight(date.first_of_month())?)?;
                    date = at.date()?;
                }
                let next_month = date.date().last_of_month().tomorrow().ok()?;
                let days = i64::from(date.day() - 1);
                at = self.at_wall(midnight(next_month.into())? + days * DAY + at.wall.rem_euclid(DAY))?;
                date = at.date()?;
                if date.month() == 1 {
                    continue 'fields;
                }
            }

            while !self.day_matches(date) {
                if !rounded {
                    rounded = true;
                    at = self.at_wall(midnight(date)?)?;
                }
                let mut next = self.at_wall(at.wall + DAY)?;
                // Where that day has no midnight, this lands an hour before or after.
                match i64::from(next.hour()) {
                    0 => {}
                    hour @ 13.. => next = self.moment(next.unix + (24 - hour) * HOUR)?,
                    hour => next = self.moment(next.unix - hour * HOUR)?,
                }
                if next.unix <= at.unix {
                    // A day left out of the calendar (Samoa, 30 December 2011): robfig/cron never comes out of it.
                    return None;
                }
                at = next;
                date = at.date()?;
                if date.day() == 1 {
                    continue 'fields;
                }
            }

            while !self.hours.has(at.hour()) {
                if !rounded {
                    rounded = true;
                    at = self.at_wall(at.wall - at.wall.rem_euclid(HOUR))?;
                }
                at = self.step(at, self.hours, at.hour(), 24, HOUR)?;
                if at.hour() == 0 {
                    continue 'fields;
                }
            }

            while !self.minutes.has(at.minute()) {
                if !rounded {
                    rounded = true;
                    at = self.moment(at.unix - at.unix.rem_euclid(MINUTE))?;
                }
                at = self.step(at, self.minutes, at.minute(), 60, MINUTE)?;
                if at.minute() == 0 {
                    continue 'fields;
                }
            }

            while !self.seconds.has(at.second()) {
                rounded = true;
                at = self.step(at, self.seconds, at.second(), 60, 1)?;
                if at.second() == 0 {
                    continue 'fields;
                }
            }
            return Some(at.unix);
        }
    }

    /// Whether a field matches nothing at all.
    fn never(&self) -> bool {
        [self.seconds, self.minutes, self.hours, self.months].iter().any(|field| field.set == 0)
            || self.days.set | self.weekdays.set == 0
    }

    /// Whether all six fields match. robfig/cron's runs nearly always do: not those just after a change of clocks that leaves
    /// out the start of a day or an hour.
    pub(super) fn matches(&self, at: Moment) -> bool {
        self.seconds.has(at.second())
            && self.minutes.has(at.minute())
            && self.hours.has(at.hour())
            && at.date().is_some_and(|date| self.month_matches(date) && self.day_matches(date))
    }

    /// Whether the month is right.
    pub(super) fn month_matches(&self, date: DateTime) -> bool {
        self.months.has(unsigned(date.month()))
    }

    /// The seconds of each day at which it runs, from midnight UTC, where every day is like every other.
    pub(super) fn seconds_of_day(&self) -> Option<impl Iterator<Item = u32>> {
        let (seconds, minutes) = (self.seconds, self.minutes);
        let same = self.every_day() && self.zone == TimeZone::UTC && !self.never();
        same.then(|| {
            self.hours.values().flat_map(move |hour| {
                minutes
                    .values()
                    .flat_map(move |minute| seconds.values().map(move |second| (hour * 60 + minute) * 60 + second))
            })
        })
    }

    /// Whether there is no day without a run, as far as can be told without a calendar.
    pub(super) fn every_day(&self) -> bool {
        self.months.star && self.days.star && self.weekdays.star
    }

    /// Whether the day of the month and the weekday are right: either, when both are restricted.
    pub(super) fn day_matches(&self, date: DateTime) -> bool {
        let day = self.days.has(unsigned(date.day()));
        let weekday = self.weekdays.has(unsigned(date.weekday().to_sunday_zero_offset()));
        if self.days.star || self.weekdays.star { day && weekday } else { day || weekday }
    }

    /// Moves a field to its next value in the set, or past its end, and nothing less when clocks change on the way.
    fn step(&self, at: Moment, field: Bits, value: u32, size: u32, unit: i64) -> Option<Moment> {
        let above = field.set & (u64::MAX << value << 1);
        let target = if above == 0 { size } else { above.trailing_zeros() };
        let there = self.moment(at.unix + i64::from(target - value) * unit)?;
        if there.offset() == at.offset() { Some(there) } else { self.moment(at.unix + unit) }
    }

    /// What the wall shows at an instant.
    pub(super) fn moment(&self, unix: i64) -> Option<Moment> {
        Some(Moment { unix, wall: unix + self.offset(unix)? })
    }

    /// The instant at which the wall shows this, as Go's `time.Date` chooses where there are two or none.
    pub(super) fn at_wall(&self, wall: i64) -> Option<Moment> {
        let offset = match self.offset(wall)? {
            0 => 0,
            near => self.offset(wall - near)?,
        };
        self.moment(wall - offset)
    }

    fn offset(&self, unix: i64) -> Option<i64> {
        let offset = self.zone.to_offset(Timestamp::from_second(unix).ok()?);
        Some(i64::from(offset.seconds()))
    }
}

/// The start of a date on the wall.
pub(super) fn midnight(date: DateTime) -> Option<i64> {
    let instant = Offset::UTC.to_timestamp(date.date().to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(instant.as_second())
}

/// Months, days and weekdays are positive.
fn unsigned(value: i8) -> u32 {
    u32::from(value.unsigned_abs())
}

//! How far apart runs lie.
//!
//! Walking from run to run over 28 years takes minutes for a job that runs each second. But far from a change of clocks,
//! every day that matches looks like every other: its pattern is measured once, and only the distances between days are
//! walked. Around a change of clocks, the same is done by the hour or minute, and everything else is asked of [`Cron::next`].

use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Timestamp};

use super::cron::{Cron, DAY, HOUR, MINUTE, midnight};

/// The time between one run and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// The shortest.
    pub shortest: SignedDuration,
    /// The longest: what a time to live must outlast.
    pub worst: SignedDuration,
}

/// The years that are looked at.
const FROM: DateTime = date(2026, 1, 1).at(0, 0, 0, 0);
const TO: DateTime = date(2054, 1, 1).at(0, 0, 0, 0);

/// The shortest and longest seen, in seconds.
#[derive(Clone, Copy)]
struct Seen {
    shortest: i64,
    worst: i64,
}

impl Seen {
    const NONE: Self = Self { shortest: i64::MAX, worst: i64::MIN };

    fn add(&mut self, gap: i64) {
        self.shortest = self.shortest.min(gap);
        self.worst = self.worst.max(gap);
    }

    fn gaps(self) -> Option<Gaps> {
        (self.worst > 0).then(|| Gaps {
            shortest: SignedDuration::from_secs(self.shortest),
            worst: SignedDuration::from_secs(self.worst),
        })
    }

    fn merge(&mut self, other: Self) {
        self.shortest = self.shortest.min(other.shortest);
        self.worst = self.worst.max(other.worst);
    }
}

/// The runs of one minute, hour or day: the first and last, in seconds from its start, and the gaps between.
#[derive(Clone, Copy)]
struct Pattern {
    first: i64,
    last: i64,
    inside: Seen,
}

impl Pattern {
    /// A pattern repeated at each of these starts.
    fn repeated(self, starts: impl Iterator<Item = i64>) -> Option<Self> {
        let mut starts = starts.peekable();
        let first = *starts.peek()?;
        let mut whole = Self { first: first + self.first, last: first + self.last, inside: self.inside };
        for start in starts.skip(1) {
            whole.inside.add(start + self.first - whole.last);
            whole.last = start + self.last;
        }
        Some(whole)
    }
}

/// The gaps of a cron schedule.
pub(super) fn of(cron: &Cron) -> Option<Gaps> {
    let instant = Pattern { first: 0, last: 0, inside: Seen::NONE };
    let minute = instant.repeated(cron.seconds.values().map(i64::from))?;
    let hour = minute.repeated(cron.minutes.values().map(|minute| i64::from(minute) * MINUTE))?;
    let day = hour.repeated(cron.hours.values().map(|hour| i64::from(hour) * HOUR))?;

    let (from, to) = (cron.at_wall(midnight(FROM)?)?.unix, cron.at_wall(midnight(TO)?)?.unix);
    // A change disturbs the days within its own size of it, as the wall shows times that are not, or are twice. An hour or a
    // minute is disturbed only by a change within.
    let (changes, margin) = changes(cron, from, to)?;
    if changes.is_empty() && cron.every_day() {
        // Each day looks like every other: there is nothing to walk.
        let mut seen = day.inside;
        seen.add(DAY + day.first - day.last);
        return seen.gaps();
    }
    let mut seen = Seen::NONE;
    let mut run = cron.next(from - 1)?;
    while run < to {
        let at = cron.moment(run)?;
        let after = changes.partition_point(|change| *change <= run);
        let previous = after.checked_sub(1).and_then(|index| changes.get(index)).copied().unwrap_or(i64::MIN / 2);
        let following = changes.get(after).copied().unwrap_or(to);

        let mut last = run;
        let matches = cron.matches(at);
        for (length, pattern, margin) in [(DAY, day, margin), (HOUR, hour, 0), (MINUTE, minute, 0)] {
            let start = at.wall - at.wall.rem_euclid(length);
            // No clock changes between these, as the wall shows them.
            let (quiet_start, quiet_end) = (previous + at.offset() + margin, following + at.offset() - margin);
            if matches && at.wall == start + pattern.first && start >= quiet_start && start + length <= quiet_end {
                seen.merge(pattern.inside);
                let mut end = start;
                if length == DAY {
                    end = walk_days(cron, start, quiet_end, day, &mut seen)?;
                }
                last = end + pattern.last - at.offset();
                break;
            }
        }
        let Some(next) = cron.next(last) else { break };
        if next < to {
            seen.add(next - last);
        }
        run = next;
    }
    seen.gaps()
}

/// Goes from a day that matches to the last one that matches and is over by `quiet_end`; both are given as its midnight.
fn walk_days(cron: &Cron, start: i64, quiet_end: i64, day: Pattern, seen: &mut Seen) -> Option<i64> {
    if cron.every_day() {
        let days = (quiet_end - start) / DAY - 1;
        if days > 0 {
            seen.add(DAY + day.first - day.last);
        }
        return Some(start + days * DAY);
    }
    let mut last = start;
    let mut midnight_of = start;
    let mut date = jiff::tz::Offset::UTC.to_datetime(Timestamp::from_second(start).ok()?);
    loop {
        midnight_of += DAY;
        date = date.tomorrow().ok()?;
        if midnight_of + DAY > quiet_end {
            return Some(last);
        }
        if cron.month_matches(date) && cron.day_matches(date) {
            seen.add(midnight_of + day.first - last - day.last);
            last = midnight_of;
        }
    }
}

/// When the zone's clocks change, in seconds since 1970, and the most they change by.
fn changes(cron: &Cron, from: i64, to: i64) -> Option<(Vec<i64>, i64)> {
    let from = Timestamp::from_second(from - DAY).ok()?;
    let mut offset = cron.zone.to_offset(from).seconds();
    let mut most = 0;
    let mut changes = Vec::new();
    for change in cron.zone.following(from) {
        if change.timestamp().as_second() >= to + DAY {
            break;
        }
        most = most.max(change.offset().seconds().abs_diff(offset));
        offset = change.offset().seconds();
        changes.push(change.timestamp().as_second());
    }
    Some((changes, i64::from(most)))
}

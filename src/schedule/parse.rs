//! From a job's schedule, name and time zone to what it means: `~`, the zone prefix, `@…` names, six fields.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::cron::Cron;
use super::fields::{self, Bits};
use super::{After, Dialect, Kind, ScheduleError, at, duration, zone};

/// Judges a job's schedule, then its time zone, then puts the two together.
pub(super) fn job(dialect: Dialect, schedule: &str, name: &str, timezone: &str) -> Result<Kind, ScheduleError> {
    let spec = with_hash(schedule, name);
    let mut kind = spec_kind(dialect, &spec)?;
    let zone = zone::load(timezone).map_err(ScheduleError::Timezone)?;
    if let Kind::Cron(cron) = &mut kind
        && !timezone.is_empty()
        && !spec.starts_with('@')
        && zone_prefix(&spec).is_none()
    {
        cron.zone = zone;
    }
    Ok(kind)
}

/// Replaces `~` by a number that depends on the name and the field.
///
/// Fields are counted between single blanks here, though parsed between runs of them later: after a double blank, `~` is
/// taken for the next field. A part that begins with `@` anywhere leaves the whole schedule alone.
fn with_hash(schedule: &str, name: &str) -> String {
    if !schedule.contains('~') || schedule.split(' ').any(|part| part.starts_with('@')) {
        return schedule.to_owned();
    }
    let sum: u64 = name.chars().map(|char| u64::from(u32::from(char))).sum();
    let mut field = 0;
    let parts = schedule.split(' ').map(|part| {
        if zone_prefix(part).is_some() {
            return part.to_owned();
        }
        let number = match field {
            2 => sum % 24,
            3 => sum % 28 + 1,
            4 => sum % 12 + 1,
            5 => sum % 7,
            _ => sum % 60,
        };
        field += 1;
        part.replace('~', &number.to_string())
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// What follows `TZ=` or `CRON_TZ=`.
fn zone_prefix(spec: &str) -> Option<&str> {
    spec.strip_prefix("TZ=").or_else(|| spec.strip_prefix("CRON_TZ="))
}

/// Reads a schedule whose `~` is replaced, in UTC where it names no zone.
fn spec_kind(dialect: Dialect, spec: &str) -> Result<Kind, ScheduleError> {
    let refuse = |words: String| Err(ScheduleError::Schedule(words));
    // These are Dkron's own: they are seen before a zone prefix is.
    if spec == "@manually" {
        return Ok(Kind::Once(None));
    }
    if spec == "@minutely" {
        return Ok(Kind::Cron(named([Some(0), None, None, None, None, None], TimeZone::UTC)));
    }
    if let Some(text) = spec.strip_prefix("@at ") {
        return match at::parse(text) {
            Ok(instant) => Ok(Kind::Once(instant)),
            Err(words) => refuse(format!("failed to parse date {spec}: {words}")),
        };
    }
    if dialect >= Dialect::V4_1
        && let Some(words) = spec.strip_prefix("@after ")
    {
        return After::parse(spec, words).map(Kind::After).map_err(ScheduleError::Schedule);
    }

    if spec.is_empty() {
        return refuse("empty spec string".to_owned());
    }
    let (zone, spec) = match zone_prefix(spec) {
        None => (TimeZone::UTC, spec),
        Some(rest) => {
            let (name, rest) = rest.split_once(' ').ok_or(ScheduleError::Crash)?;
            match zone::load(name) {
                Ok(zone) => (zone, rest.trim()),
                Err(words) => return refuse(format!("provided bad location {name}: {words}")),
            }
        }
    };
    let kind = if spec.starts_with('@') { descriptor(spec, zone) } else { six_fields(spec, zone).map(Kind::Cron) };
    kind.map_err(ScheduleError::Schedule)
}

/// `@hourly` and its like, and `@every`.
fn descriptor(spec: &str, zone: TimeZone) -> Result<Kind, String> {
    let bits = match spec {
        "@yearly" | "@annually" => [Some(0), Some(0), Some(0), Some(1), Some(1), None],
        "@monthly" => [Some(0), Some(0), Some(0), Some(1), None, None],
        "@weekly" => [Some(0), Some(0), Some(0), None, None, Some(0)],
        "@daily" | "@midnight" => [Some(0), Some(0), Some(0), None, None, None],
        "@hourly" => [Some(0), Some(0), None, None, None, None],
        _ => {
            let text = spec.strip_prefix("@every ").ok_or_else(|| format!("unrecognized descriptor: {spec}"))?;
            let nanoseconds =
                duration::parse(text).map_err(|words| format!("failed to parse duration {spec}: {words}"))?;
            // Less than a second, also zero and negative, is taken as one second (FACTS 20); parts of a second are cut.
            let seconds = (nanoseconds / 1_000_000_000).max(1);
            let said = SignedDuration::from_nanos(nanoseconds);
            return Ok(Kind::Every { delay: SignedDuration::from_secs(seconds), said });
        }
    };
    Ok(Kind::Cron(named(bits, zone)))
}

/// The fields of a name such as `@hourly`: each is one value, or (`None`) all.
fn named(values: [Option<u32>; 6], zone: TimeZone) -> Cron {
    let [seconds, minutes, hours, days, months, weekdays] = values;
    let bits = |value: Option<u32>, range| value.map_or_else(|| Bits::all(range), Bits::one);
    Cron {
        seconds: bits(seconds, &fields::SECONDS),
        minutes: bits(minutes, &fields::MINUTES),
        hours: bits(hours, &fields::HOURS),
        days: bits(days, &fields::DAYS),
        months: bits(months, &fields::MONTHS),
        weekdays: bits(weekdays, &fields::WEEKDAYS),
        zone,
    }
}

/// Six fields between white space.
fn six_fields(spec: &str, zone: TimeZone) -> Result<Cron, String> {
    let parts: Vec<&str> = spec.split_whitespace().collect();
    let [seconds, minutes, hours, days, months, weekdays] = parts[..] else {
        return Err(format!("expected exactly 6 fields, found {}: [{}]", parts.len(), parts.join(" ")));
    };
    Ok(Cron {
        seconds: fields::parse(seconds, &fields::SECONDS)?,
        minutes: fields::parse(minutes, &fields::MINUTES)?,
        hours: fields::parse(hours, &fields::HOURS)?,
        days: fields::parse(days, &fields::DAYS)?,
        months: fields::parse(months, &fields::MONTHS)?,
        weekdays: fields::parse(weekdays, &fields::WEEKDAYS)?,
        zone,
    })
}

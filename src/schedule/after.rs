//! `@after INSTANT <GRACE`: once, at an instant, or within a grace period after it (FACTS 38 to 42). Dkron knows it from 4.1 on.

use jiff::{SignedDuration, Timestamp};

use super::at;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What `@after` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The instant; `None` when it lies past the year 9999.
    pub at: Option<Timestamp>,
    /// How long after the instant Dkron still runs the job. Negative where the duration as written has overflowed.
    pub grace: SignedDuration,
    /// Whether the duration as written does not fit into Dkron's 64 bits of nanoseconds (about 292 years), so that `grace` is
    /// not what was meant.
    pub overflows: bool,
    /// Whether the duration has years or months, which Dkron takes as 365 and 30 days.
    pub has_months: bool,
}

impl After {
    /// Reads the words after `@after `, and refuses them in Dkron's words. `spec` is the whole schedule.
    pub(super) fn parse(spec: &str, words: &str) -> Result<Self, String> {
        let parts: Vec<&str> = words.split_whitespace().collect();
        let [instant, grace] = parts[..] else {
            return Err(format!("@after requires format: @after <RFC3339 datetime> <ISO8601 duration>, got: {spec}"));
        };
        let at = at::parse(instant).map_err(|words| format!("failed to parse date in @after: {instant}: {words}"))?;
        let Some(duration) = grace.strip_prefix('<') else {
            return Err(format!("grace period must start with '<', got: {grace}"));
        };
        let grace = Grace::parse(duration)
            .map_err(|words| format!("failed to parse grace period in @after: {duration}: {words}"))?;
        let Grace { nanoseconds, overflows, has_months } = grace;
        Ok(Self { at, grace: SignedDuration::from_nanos(nanoseconds), overflows, has_months })
    }

    /// The last instant at which Dkron still runs the job at once; `None` when it lies past the year 9999.
    pub fn until(&self) -> Option<Timestamp> {
        self.at?.checked_add(self.grace).ok()
    }

    /// Whether Dkron runs the job at once when it is posted, switched on or loaded at this instant (FACTS 41): the instant has
    /// come, and the grace period has not ended.
    pub fn runs_at_once(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| at <= now) && self.until().is_none_or(|until| now <= until)
    }
}

/// An ISO 8601 duration as Dkron adds it up.
struct Grace {
    nanoseconds: i64,
    overflows: bool,
    has_months: bool,
}

impl Grace {
    /// `P`, then years, months and days, then `T` and hours, minutes and seconds. Each may be missing, `T` may end the text, and
    /// only seconds may have a fraction.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty duration string".to_owned());
        }
        let invalid = || format!("invalid ISO8601 duration format: {text}");
        // The form is judged before any number is.
        let mut rest = text.strip_prefix('P').ok_or_else(invalid)?;
        let date = [b'Y', b'M', b'D'].map(|unit| number(&mut rest, unit, false));
        let time = match rest.strip_prefix('T') {
            None => [None; 3],
            Some(after) => {
                rest = after;
                [(b'H', false), (b'M', false), (b'S', true)]
                    .map(|(unit, has_fraction)| number(&mut rest, unit, has_fraction))
            }
        };
        if !rest.is_empty() {
            return Err(invalid());
        }

        let [years, months, days] = date;
        let [hours, minutes, seconds] = time;
        let parts = [
            (years, "year", 365 * DAY),
            (months, "month", 30 * DAY),
            (days, "day", DAY),
            (hours, "hour", HOUR),
            (minutes, "minute", MINUTE),
        ];
        let mut total: i64 = 0;
        let mut exact: i128 = 0;
        for (digits, unit, size) in parts {
            let Some(digits) = digits else { continue };
            let count: i64 = digits.parse().map_err(|_| format!("invalid {unit} value: {digits}"))?;
            total = total.wrapping_add(count.wrapping_mul(size));
            exact += i128::from(count) * i128::from(size);
        }
        if let Some(digits) = seconds {
            let seconds = digits.parse().ok().filter(|seconds: &f64| seconds.is_finite());
            let seconds = seconds.ok_or_else(|| format!("invalid second value: {digits}"))?;
            let (wrapped, whole) = from_float(seconds);
            total = total.wrapping_add(wrapped);
            exact = exact.saturating_add(whole);
        }
        if total == 0 {
            return Err("duration must be greater than zero".to_owned());
        }
        let has_months = years.is_some() || months.is_some();
        Ok(Self { nanoseconds: total, overflows: i128::from(total) != exact, has_months })
    }
}

/// Takes the digits before a unit, if the text begins with such a part.
fn number<'a>(rest: &mut &'a str, unit: u8, has_fraction: bool) -> Option<&'a str> {
    let count = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = *rest;
    let mut end = count(text);
    if end == 0 {
        return None;
    }
    if has_fraction && let Some(fraction) = text[end..].strip_prefix('.') {
        match count(fraction) {
            0 => return None,
            digits => end += 1 + digits,
        }
    }
    if text.as_bytes().get(end) != Some(&unit) {
        return None;
    }
    *rest = &text[end + 1..];
    Some(&text[..end])
}

/// Seconds as nanoseconds: as Go converts them to 64 bits on amd64, where too many become the smallest number, and as they are.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Go's own arithmetic, in which a fraction of a nanosecond is cut"
)]
fn from_float(seconds: f64) -> (i64, i128) {
    let nanoseconds = seconds * SECOND as f64;
    let whole = nanoseconds as i128;
    (i64::try_from(whole).unwrap_or(i64::MIN), whole)
}

//! One field of six: a list of values, ranges and steps.

use std::iter;

use super::quote::quote;

/// What a field may hold.
pub(super) struct Range {
    low: u64,
    high: u64,
    /// Names, the first standing for `low`.
    names: &'static [&'static str],
}

pub(super) const SECONDS: Range = Range { low: 0, high: 59, names: &[] };
pub(super) const MINUTES: Range = Range { low: 0, high: 59, names: &[] };
pub(super) const HOURS: Range = Range { low: 0, high: 23, names: &[] };
pub(super) const DAYS: Range = Range { low: 1, high: 31, names: &[] };
pub(super) const MONTHS: Range = Range {
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
pub(super) const WEEKDAYS: Range = Range { low: 0, high: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The values a field matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    /// Bit n for value n.
    pub(super) set: u64,
    /// Whether a plain `*` or `?` was among them: of day and weekday, one that has it does not restrict.
    pub(super) star: bool,
}

impl Bits {
    /// `*`.
    pub(super) fn all(range: &Range) -> Self {
        Self { set: bits(range.low, range.high, 1), star: true }
    }

    /// One value.
    pub(super) fn one(value: u32) -> Self {
        Self { set: 1 << value, star: false }
    }

    /// Whether this value is in.
    pub(super) fn has(self, value: u32) -> bool {
        self.set & (1 << value) != 0
    }

    /// The values, ascending.
    pub(super) fn values(self) -> impl Iterator<Item = u32> {
        let mut left = self.set;
        iter::from_fn(move || {
            let value = left.trailing_zeros();
            // Without its lowest bit; there is none in zero.
            left &= left.checked_sub(1)?;
            Some(value)
        })
    }
}

/// Reads a field. Empty parts of the list are dropped, so that `,` alone is a field that matches nothing.
pub(super) fn parse(field: &str, range: &Range) -> Result<Bits, String> {
    let mut all = Bits { set: 0, star: false };
    for part in field.split(',').filter(|part| !part.is_empty()) {
        let bits = parse_part(part, range)?;
        all = Bits { set: all.set | bits.set, star: all.star || bits.star };
    }
    Ok(all)
}

/// Reads `*`, `7`, `7-9` with an optional `/2`. What follows `*-` is ignored, as robfig/cron does.
fn parse_part(part: &str, range: &Range) -> Result<Bits, String> {
    let (span, step) = match part.split_once('/') {
        None => (part, None),
        Some((span, step)) => (span, Some(step)),
    };
    let (low, high) = match span.split_once('-') {
        None => (span, None),
        Some((low, high)) => (low, Some(high)),
    };
    let any = low == "*" || low == "?";
    let (start, mut end) = if any {
        (range.low, range.high)
    } else {
        let start = value(low, range)?;
        match high {
            None => (start, start),
            Some(high) if high.contains('-') => return Err(format!("too many hyphens: {part}")),
            Some(high) => (start, value(high, range)?),
        }
    };
    let step = match step {
        None => 1,
        Some(step) if step.contains('/') => return Err(format!("too many slashes: {part}")),
        Some(step) => {
            let step = number(step)?;
            // `7/2` is from 7 on.
            if high.is_none() {
                end = range.high;
            }
            step
        }
    };

    if start < range.low {
        Err(format!("beginning of range ({start}) below minimum ({}): {part}", range.low))
    } else if end > range.high {
        Err(format!("end of range ({end}) above maximum ({}): {part}", range.high))
    } else if start > end {
        Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"))
    } else if step == 0 {
        Err(format!("step of range should be a positive number: {part}"))
    } else {
        Ok(Bits { set: bits(start, end, step), star: any && step == 1 })
    }
}

/// Every `step`th bit from one to the other.
fn bits(start: u64, end: u64, step: u64) -> u64 {
    let mut set = 0;
    let mut value = start;
    while value <= end {
        set |= 1 << value;
        // A step may be as large as Go's int: saturating ends the loop all the same.
        value = value.saturating_add(step);
    }
    set
}

/// A name in any case, or a number.
fn value(text: &str, range: &Range) -> Result<u64, String> {
    // Go lowers İ to a plain i, and so takes FRİ for Friday; Rust would add a combining dot.
    let lower = text.replace('İ', "i").to_lowercase();
    match (range.low..).zip(range.names).find(|(_, name)| **name == lower) {
        Some((value, _)) => Ok(value),
        None => number(text),
    }
}

/// A whole number as Go's `strconv.Atoi` reads it, in its words where it does not.
fn number(text: &str) -> Result<u64, String> {
    let fail = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing {}: {why}", quote(text));
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(fail("invalid syntax"));
    }
    let mut sum: u64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(fail("invalid syntax"));
        }
        // Overflow is said at the digit where it happens, even if rubbish follows.
        sum = sum
            .checked_mul(10)
            .and_then(|sum| sum.checked_add(u64::from(byte - b'0')))
            .ok_or_else(|| fail("value out of range"))?;
    }
    let limit = if negative { i64::MIN.unsigned_abs() } else { i64::MAX.unsigned_abs() };
    if sum > limit {
        return Err(fail("value out of range"));
    }
    if negative && sum > 0 {
        return Err(format!("negative number (-{sum}) not allowed: {text}"));
    }
    Ok(sum)
}

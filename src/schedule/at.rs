//! Go's `time.Parse(time.RFC3339, …)`: laxer than RFC 3339, with its own words.

use jiff::Timestamp;
use jiff::civil::Date;

use super::quote::quote_bytes;

/// The layout that Go parses by, as it stands in its messages.
const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// Its last element.
const ZONE: &str = "Z07:00";

/// Reads an instant. `None` is one that lies outside the years -9999 to 9999 in UTC, which no clock will reach.
pub(super) fn parse(text: &str) -> Result<Option<Timestamp>, String> {
    let mut rest = Rest { all: text, left: text };

    let year = rest.take("2006", |left| match left.as_bytes() {
        [a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => Some((left[..4].parse().ok()?, 4)),
        _ => None,
    })?;
    rest.literal("-")?;
    let month = rest.take("01", two_digits)?;
    rest.within("month", 1, month, 12)?;
    rest.literal("-")?;
    let day = rest.take("02", two_digits)?;
    rest.literal("T")?;
    // The hour may have one digit.
    let hour = rest.take("15", |left| two_digits(left).or_else(|| one_digit(left)))?;
    rest.within("hour", 0, hour, 23)?;
    rest.literal(":")?;
    let minute = rest.take("04", two_digits)?;
    rest.within("minute", 0, minute, 59)?;
    rest.literal(":")?;
    let second = rest.take("05", two_digits)?;
    rest.within("second", 0, second, 59)?;
    let nanosecond = rest.fraction();
    let offset = rest.offset()?;
    if !rest.left.is_empty() {
        return Err(rest.fail(&format!("extra text: {}", quote_bytes(rest.left))));
    }

    let out_of_range = || rest.fail("day out of range");
    let narrow = |number: i32| i8::try_from(number).map_err(|_| out_of_range());
    let date = Date::new(year, narrow(month)?, narrow(day)?).map_err(|_| out_of_range())?;
    // Not by a `Timestamp`: those end before the last day of the year 9999 does.
    let midnight = date.duration_since(Date::constant(1970, 1, 1)).as_secs();
    let second = midnight + i64::from((hour * 60 + minute) * 60 + second - offset);
    Ok(Timestamp::new(second, nanosecond).ok())
}

/// What is left of the text.
struct Rest<'a> {
    all: &'a str,
    left: &'a str,
}

impl Rest<'_> {
    /// A refusal that says why.
    fn fail(&self, why: &str) -> String {
        format!("parsing time {}: {why}", quote_bytes(self.all))
    }

    /// A refusal that shows where.
    fn cannot(&self, element: &str) -> String {
        let [all, layout, left, element] = [self.all, LAYOUT, self.left, element].map(quote_bytes);
        format!("parsing time {all} as {layout}: cannot parse {left} as {element}")
    }

    fn literal(&mut self, text: &str) -> Result<(), String> {
        self.left = self.left.strip_prefix(text).ok_or_else(|| self.cannot(text))?;
        Ok(())
    }

    /// Reads an element of the layout by a function that gives its value and length.
    fn take<T>(&mut self, element: &str, read: impl Fn(&str) -> Option<(T, usize)>) -> Result<T, String> {
        let (value, length) = read(self.left).ok_or_else(|| self.cannot(element))?;
        self.left = &self.left[length..];
        Ok(value)
    }

    fn within(&self, what: &str, low: i32, value: i32, high: i32) -> Result<(), String> {
        if (low..=high).contains(&value) { Ok(()) } else { Err(self.fail(&format!("{what} out of range"))) }
    }

    /// Parts of a second after a point or a comma, of which nine digits count.
    fn fraction(&mut self) -> i32 {
        let Some(after) = self.left.strip_prefix(['.', ',']) else { return 0 };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        let nanosecond = after[..digits].bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanosecond = nanosecond.fold(0, |sum, byte| sum * 10 + i32::from(byte - b'0'));
        self.left = &after[digits..];
        nanosecond
    }

    /// `Z`, or an offset of up to 24 hours and 60 minutes: Go lets both through.
    fn offset(&mut self) -> Result<i32, String> {
        if let Some(after) = self.left.strip_prefix('Z') {
            self.left = after;
            return Ok(0);
        }
        let &[sign, hour_1, hour_2, b':', minute_1, minute_2, ..] = self.left.as_bytes() else {
            return Err(self.cannot(ZONE));
        };
        let hours = pair(hour_1, hour_2);
        let minutes = hours.and(pair(minute_1, minute_2));
        // Out of range is said before a wrong sign is, the minute's over the hour's.
        self.within("time zone offset minute", 0, minutes.unwrap_or(0), 60)?;
        self.within("time zone offset hour", 0, hours.unwrap_or(0), 24)?;
        let sign = match sign {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(self.cannot(ZONE)),
        };
        let (Some(hours), Some(minutes)) = (hours, minutes) else { return Err(self.cannot(ZONE)) };
        self.left = &self.left[6..];
        Ok(sign * (hours * 60 + minutes) * 60)
    }
}

fn one_digit(text: &str) -> Option<(i32, usize)> {
    let byte = *text.as_bytes().first()?;
    byte.is_ascii_digit().then(|| (i32::from(byte - b'0'), 1))
}

fn two_digits(text: &str) -> Option<(i32, usize)> {
    match text.as_bytes() {
        &[ten, one, ..] => pair(ten, one).map(|value| (value, 2)),
        _ => None,
    }
}

fn pair(ten: u8, one: u8) -> Option<i32> {
    (ten.is_ascii_digit() && one.is_ascii_digit()).then(|| i32::from(ten - b'0') * 10 + i32::from(one - b'0'))
}

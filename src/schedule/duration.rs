//! Go's `time.ParseDuration`, with its limits and its words.

use super::quote::quote_bytes;

/// Past this many nanoseconds a duration is invalid; exactly this many are fine when negative.
const LIMIT: u64 = 1 << 63;

/// Reads a duration such as `1h30m`, `-1.5h` or `0` as nanoseconds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    let invalid = || format!("time: invalid duration {}", quote_bytes(text));
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = whole(rest).ok_or_else(invalid)?;
        let mut digits = after.len() != rest.len();
        rest = after;
        let (mut fraction, mut scale) = (0, 1.0);
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, scale, rest) = leading_fraction(after);
            digits |= after.len() != rest.len();
        }
        if !digits {
            return Err(invalid());
        }
        let end = rest.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote_bytes(text)));
        }
        rest = after;
        let unit = unit(name)
            .ok_or_else(|| format!("time: unknown unit {} in duration {}", quote_bytes(name), quote_bytes(text)))?;
        if whole > LIMIT / unit {
            return Err(invalid());
        }
        let part = whole * unit + nanoseconds(fraction, unit, scale);
        if part > LIMIT {
            return Err(invalid());
        }
        // Two halves of exactly the limit come round to zero in Go, and are accepted.
        total = total.wrapping_add(part);
        if total > LIMIT {
            return Err(invalid());
        }
    }
    if negative { Ok(0_i64.wrapping_sub_unsigned(total)) } else { i64::try_from(total).map_err(|_| invalid()) }
}

/// The nanoseconds of a unit.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        // With the micro sign U+00B5 and the Greek letter U+03BC too.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The digits in front, as a number, and what follows; `None` when they are too many.
fn whole(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = digits(text);
    let mut sum: u64 = 0;
    for byte in digits.bytes() {
        if sum > LIMIT / 10 {
            return None;
        }
        sum = sum * 10 + u64::from(byte - b'0');
        if sum > LIMIT {
            return None;
        }
    }
    Some((sum, rest))
}

/// The digits after a point as a number and the power of ten it must be divided by. Digits too many are dropped.
fn leading_fraction(text: &str) -> (u64, f64, &str) {
    let (digits, rest) = digits(text);
    let mut sum: u64 = 0;
    let mut scale = 1.0;
    for byte in digits.bytes() {
        if sum > (LIMIT - 1) / 10 {
            break;
        }
        let next = sum * 10 + u64::from(byte - b'0');
        if next > LIMIT {
            break;
        }
        sum = next;
        scale *= 10.0;
    }
    (sum, scale, rest)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()))
}

/// A fraction of a unit, in floating point as Go does it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go's own arithmetic; the result lies between zero and an hour of nanoseconds"
)]
fn nanoseconds(fraction: u64, unit: u64, scale: f64) -> u64 {
    (fraction as f64 * (unit as f64 / scale)) as u64
}

//! How often a cache must be refreshed, and the six fields that do it.

use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

/// Why no schedule keeps a cache fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// A time to live that is zero or negative.
    #[error("the {which} TTL is {ttl:#}, which is not positive: give the time the cache lives for, such as 300 or 5m")]
    NotPositive {
        /// `soft` or `hard`.
        which: &'static str,
        /// What was given.
        ttl: SignedDuration,
    },
    /// The interval allowed is below one second, and Dkron runs nothing more often than that.
    #[error(
        "a soft TTL of {soft:#} needs a refresh every {allowed:#}, but Dkron runs a job at most once a second: \
         raise the soft TTL to 2 s, or to 1 s with a hard TTL of at least 2 s"
    )]
    TooShort {
        /// The soft TTL given.
        soft: SignedDuration,
        /// What follows from it.
        allowed: SignedDuration,
    },
}

/// The longest time that may pass between two refreshes of a cache.
///
/// The rule of the brief: at most half the soft TTL, unless the hard TTL is at least twice the soft one, in which case up to
/// the soft TTL, as one missed refresh still leaves a value to serve.
pub fn allowed_interval(soft: SignedDuration, hard: Option<SignedDuration>) -> SignedDuration {
    // Twice the soft TTL overflows only where no hard TTL can reach it.
    let lenient = hard.zip(soft.checked_mul(2)).is_some_and(|(hard, twice)| hard >= twice);
    if lenient { soft } else { soft / 2 }
}

/// The schedule that keeps a cache fresh: the longest interval that divides a minute, an hour or a day, is a day at most,
/// and is within [`allowed_interval`], begun at [`stagger`] for this name.
///
/// Six fields to be read in UTC. Never `@every`, which starts again whenever Dkron gets a new leader (FACTS 7). Because the
/// interval divides what the fields repeat in, every gap is the interval.
///
/// # Errors
/// A TTL that is not positive, or an interval below one second.
pub fn refresh_schedule(
    name: &str,
    soft: SignedDuration,
    hard: Option<SignedDuration>,
) -> Result<String, RefreshError> {
    for (which, ttl) in [("soft", Some(soft)), ("hard", hard)] {
        if let Some(ttl) = ttl
            && !ttl.is_positive()
        {
            return Err(RefreshError::NotPositive { which, ttl });
        }
    }
    let allowed = allowed_interval(soft, hard);
    // The longest first.
    let units = [(3_600, 24_u64), (60, 60), (1, 60)];
    let mut intervals = units.into_iter().flat_map(|(unit, count)| {
        (1..=count).rev().filter(move |number| count.is_multiple_of(*number)).map(move |number| (unit, number))
    });
    let fits = |interval: u64| i64::try_from(interval).is_ok_and(|interval| interval <= allowed.as_secs());
    let (unit, number) =
        intervals.find(|(unit, number)| fits(unit * number)).ok_or(RefreshError::TooShort { soft, allowed })?;

    let offset = stagger(name, unit * number);
    let (second, minute, start) = (offset % 60, offset / 60 % 60, offset / unit);
    let field = |size: u64| match number {
        1 => "*".to_owned(),
        number if number == size => start.to_string(),
        number => format!("{start}/{number}"),
    };
    Ok(match unit {
        1 => format!("{} * * * * *", field(60)),
        60 => format!("{second} {} * * * *", field(60)),
        _ => format!("{second} {minute} {} * * *", field(24)),
    })
}

/// Where in an interval the job of this name begins, so that jobs do not fire together: the first eight bytes of the name's
/// SHA-256, as a big-endian number, modulo the interval. Zero for an interval of zero.
///
/// Stable across versions, hosts and restarts. Dkron's own `~` is a plain sum of characters, in which `ab` and `ba` collide.
pub fn stagger(name: &str, interval_seconds: u64) -> u64 {
    let digest = Sha256::digest(name.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number.checked_rem(interval_seconds).unwrap_or_default()
}

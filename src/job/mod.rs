//! A Dkron job in canonical form, and what is known of it on either side of a plan.
//!
//! Two definitions are the same exactly when their [`Job`]s are equal: server-owned fields are not in it, absent, `null` and
//! `{}` are one thing (FACTS 17), defaults are filled in (FACTS 6) and instants are instants, not texts.

mod diff;
mod order;
mod packed;
mod printable;
mod set;
mod stamp;
mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use litemap::LiteMap;

pub use self::diff::{Change, diff};
pub use self::order::generations;
pub use self::packed::Packed;
pub use self::printable::printable;
pub use self::set::{Desired, Live, LiveJob, Origin, Scope, Wanted};
pub use self::stamp::{Owner, PRUNE_KEY, STAMP_KEYS, STAMP_PREFIX, Scheme, Stamp, digest};
pub use self::wire::{FIELDS, SERVER_FIELDS, WireJob, instant};

/// Dkron's maps of strings: tags, metadata and plugin configurations (FACTS 12).
pub type StringMap = LiteMap<String, String>;

/// The default of `concurrency`, and what Dkron means by the empty string (FACTS 6, 12).
pub const CONCURRENCY_ALLOW: &str = "allow";

/// The definition of one job: every field a client owns, none that the server owns (FACTS 8).
///
/// Field names are those of Dkron's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique in a Dkron; lower-case letters, digits, `_` and `-` (FACTS 12).
    pub name: String,
    /// What the UI shows instead of the name; empty for none.
    pub displayname: String,
    /// IANA time zone of the schedule; empty for the server's own.
    pub timezone: String,
    /// When to run (FACTS 19); may be empty for a child.
    pub schedule: String,
    /// A free text of Dkron's, not the owner in our stamp.
    pub owner: String,
    /// Where Dkron mails notifications.
    pub owner_email: String,
    /// Stored but not scheduled.
    pub disabled: bool,
    /// Which nodes run it: `{"server": "true:1"}` is one server (FACTS 22d).
    pub tags: StringMap,
    /// Free key-values; our stamp is among them.
    pub metadata: StringMap,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// The job after whose runs this one runs; empty for none.
    pub parent_job: String,
    /// Output processors by name.
    pub processors: BTreeMap<String, StringMap>,
    /// `allow` or `forbid`.
    pub concurrency: String,
    /// The plugin that runs it: `http`, `shell`, …
    pub executor: String,
    /// The plugin's configuration.
    pub executor_config: StringMap,
    /// Deleted by Dkron after the first success.
    pub ephemeral: bool,
    /// Not run before.
    pub starts_at: Option<Timestamp>,
    /// Not run after.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// A job with this name and Dkron's own defaults everywhere else (FACTS 6).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            displayname: String::new(),
            timezone: String::new(),
            schedule: String::new(),
            owner: String::new(),
            owner_email: String::new(),
            disabled: false,
            tags: StringMap::new(),
            metadata: StringMap::new(),
            retries: 0,
            parent_job: String::new(),
            processors: BTreeMap::new(),
            concurrency: CONCURRENCY_ALLOW.to_owned(),
            executor: String::new(),
            executor_config: StringMap::new(),
            ephemeral: false,
            starts_at: None,
            expires_at: None,
        }
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&str> {
        (!self.parent_job.is_empty()).then_some(self.parent_job.as_str())
    }

    /// Why Dkron would refuse this name, in its own words (FACTS 12); `None` when it would not.
    pub fn name_problem(name: &str) -> Option<String> {
        if name.is_empty() {
            return Some("name cannot be empty".to_owned());
        }
        // Go's `\p{Ll}` is the general category; `char::is_lowercase` also has Other_Lowercase (ª, ⁿ, …).
        let legal =
            |c: char| matches!(c, '0'..='9' | '_' | '-' | 'a'..='z') || (!c.is_ascii() && is_lowercase_letter(c));
        name.chars().find(|&c| !legal(c)).map(|c| format!("name contains illegal character '{c}'"))
    }
}

/// Whether a non-ASCII character is in the Unicode category `Ll`: lower-case, and no modifier letter, mark or number that
/// only counts as lower-case by the property `Other_Lowercase`.
fn is_lowercase_letter(c: char) -> bool {
    c.is_lowercase() && !OTHER_LOWERCASE.iter().any(|&(first, last)| (first..=last).contains(&c))
}

/// `Other_Lowercase` of Unicode's `PropList.txt`, outside ASCII.
const OTHER_LOWERCASE: &[(char, char)] = &[
    ('\u{aa}', '\u{aa}'),
    ('\u{ba}', '\u{ba}'),
    ('\u{2b0}', '\u{2b8}'),
    ('\u{2c0}', '\u{2c1}'),
    ('\u{2e0}', '\u{2e4}'),
    ('\u{345}', '\u{345}'),
    ('\u{37a}', '\u{37a}'),
    ('\u{10fc}', '\u{10fc}'),
    ('\u{1d2c}', '\u{1d6a}'),
    ('\u{1d78}', '\u{1d78}'),
    ('\u{1d9b}', '\u{1dbf}'),
    ('\u{2071}', '\u{2071}'),
    ('\u{207f}', '\u{207f}'),
    ('\u{2090}', '\u{209c}'),
    ('\u{2170}', '\u{217f}'),
    ('\u{24d0}', '\u{24e9}'),
    ('\u{2c7c}', '\u{2c7d}'),
    ('\u{a69c}', '\u{a69d}'),
    ('\u{a770}', '\u{a770}'),
    ('\u{a7f2}', '\u{a7f4}'),
    ('\u{a7f8}', '\u{a7f9}'),
    ('\u{ab5c}', '\u{ab5f}'),
    ('\u{ab69}', '\u{ab69}'),
    ('\u{10780}', '\u{10780}'),
    ('\u{10783}', '\u{10785}'),
    ('\u{10787}', '\u{107b0}'),
    ('\u{107b2}', '\u{107ba}'),
    ('\u{1e030}', '\u{1e06d}'),
];

//! An instant as Go keeps one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use serde::{Serialize, Serializer};

/// With the offset in which it was posted: the echo of a job has it still, the stored job is in UTC (FACTS 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    offset: Offset,
}

impl Moment {
    /// RFC 3339; where `short` is set also `2006-01-02T15:04`, which the UI sends.
    pub(crate) fn parse(text: &str, short: bool) -> Option<Self> {
        if let Ok(at) = text.parse::<Timestamp>() {
            let offset = Pieces::parse(text).ok().and_then(|pieces| pieces.to_numeric_offset()).unwrap_or(Offset::UTC);
            return Some(Self { at, offset });
        }
        let civil = text.parse::<DateTime>().ok().filter(|_| short && text.len() == 16)?;
        TimeZone::UTC.to_timestamp(civil).ok().map(Self::from)
    }

    pub(crate) fn utc(self) -> Self {
        Self::from(self.at)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, offset: Offset::UTC }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.offset == Offset::UTC {
            serializer.collect_str(&self.at)
        } else {
            serializer.collect_str(&self.at.display_with_offset(self.offset))
        }
    }
}

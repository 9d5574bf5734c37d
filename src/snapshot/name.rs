//! The names of backups.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// What the name of each file of ours begins with; nothing else in a folder of backups may.
const PREFIX: &str = "backup-dkron_";
const SUFFIX: &str = ".ndjson";
const MANIFEST: &str = ".manifest.json";

/// How a file is compressed, as its ending says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// Not at all.
    #[default]
    Plain,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Zstd];

    /// What a file's name ends with, dot included.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// What a file with this name should be.
    pub fn of_name(name: &str) -> Self {
        // The plain one comes last: every name ends with nothing.
        Self::ALL.into_iter().rev().find(|packing| name.ends_with(packing.ending())).unwrap_or_default()
    }

    /// What a file that begins with these bytes (four are enough) is, whatever its name says.
    pub fn of_bytes(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// The name of a backup of this instant: `backup-dkron_20261124T081900.123Z.ndjson`, so that names sort as their times do.
pub fn file_name(time: Timestamp, packing: Packing) -> String {
    let time = Offset::UTC.to_datetime(time).strftime("%Y%m%dT%H%M%S.%3fZ");
    format!("{PREFIX}{time}{SUFFIX}{}", packing.ending())
}

/// The instant that a backup's name tells; `None` for a name that is not exactly such a one.
pub fn time_of(name: &str) -> Option<Timestamp> {
    let rest = name.strip_prefix(PREFIX)?;
    let rest = rest.strip_suffix(Packing::of_name(name).ending())?;
    let civil: DateTime = DateTime::strptime("%Y%m%dT%H%M%S.%3fZ", rest.strip_suffix(SUFFIX)?).ok()?;
    let time = Offset::UTC.to_timestamp(civil).ok()?;
    // Other spellings of the same instant are none of ours.
    (file_name(time, Packing::of_name(name)) == name).then_some(time)
}

/// Whether a name is one of a backup or of its manifest.
pub fn is_ours(name: &str) -> bool {
    time_of(data_of(name).unwrap_or(name)).is_some()
}

/// The name of the manifest of this file.
pub fn manifest_name(file: &str) -> String {
    format!("{file}{MANIFEST}")
}

/// The name of the file that a manifest with this name is about.
pub fn data_of(manifest: &str) -> Option<&str> {
    manifest.strip_suffix(MANIFEST)
}

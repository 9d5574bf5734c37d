//! What is said of a backup in the file beside it.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The version of the format that is written, and the highest that is read.
const VERSION: u32 = 1;

/// A backup's manifest: `<file>.manifest.json`, written after the file it describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format_version: u32,
    /// When the list was read, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    pub time: Timestamp,
    /// The namespace whose Dkron it is.
    pub namespace: String,
    /// The release that took it.
    pub release: String,
    /// Dkron's URL, without credentials.
    pub source: String,
    /// Dkron's version, if it could be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dkron: Option<String>,
    /// How many jobs are in the file.
    pub count: u64,
    /// The SHA-256 of the file's bytes as they are stored, in hexadecimal.
    pub sha256: String,
    /// How many bytes those are.
    pub size: u64,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A later version wrote it.
    #[error(
        "it has format version {0}, and this dkron-jobs knows versions up to {VERSION}: use the newer dkron-jobs that wrote it"
    )]
    Newer(u64),
    /// It is something else.
    #[error("it is no manifest: {0}")]
    Broken(String),
}

impl Manifest {
    /// A manifest of this version. The file's digest and size come with [`Manifest::of`].
    pub fn new(time: Timestamp, namespace: &str, release: &str, source: &str, dkron: Option<&str>, count: u64) -> Self {
        Self {
            format_version: VERSION,
            time: Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time),
            namespace: namespace.to_owned(),
            release: release.to_owned(),
            source: source.to_owned(),
            dkron: dkron.map(ToOwned::to_owned),
            count,
            sha256: String::new(),
            size: 0,
        }
    }

    /// The manifest of a file with these bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Self {
        Self { sha256: digest(bytes), size: bytes.len() as u64, ..self }
    }

    /// Whether the bytes are those that it was written for.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        self.size == bytes.len() as u64 && self.sha256.eq_ignore_ascii_case(&digest(bytes))
    }

    /// The text of its file.
    pub fn to_text(&self) -> String {
        // Strings and numbers always have a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is of a later version, or no manifest.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Version {
            format_version: u64,
        }
        let broken = |error: serde_json::Error| ManifestError::Broken(error.to_string());
        let version: Version = serde_json::from_slice(text).map_err(broken)?;
        match version.format_version {
            0 => Err(ManifestError::Broken("there is no format version 0".to_owned())),
            version if version > u64::from(VERSION) => Err(ManifestError::Newer(version)),
            _ => serde_json::from_slice(text).map_err(broken),
        }
    }
}

/// The SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    let nibbles = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

fn milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Offset::UTC.to_datetime(*time).strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}

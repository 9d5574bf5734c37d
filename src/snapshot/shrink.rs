//! The guard before a backup: a list that is suddenly small looks like an accident, and must not push good ones out.

use super::Entry;

/// Fewer than this share (in percent) of the last backup's jobs are refused …
const SHARE: u64 = 50;
/// … when more than this many are gone.
const GONE: u64 = 10;

/// Why a backup is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Dkron has {new} jobs, and the newest good backup, {file}, has {old}; no backup was written and none removed. Restore that one if the jobs should be there, or say `--force` if they are rightly gone"
)]
pub struct Shrunk {
    /// How many jobs there are now.
    pub new: u64,
    /// How many jobs the newest good backup has.
    pub old: u64,
    /// That backup's file.
    pub file: String,
}

/// Says no when there is not one job left, or more than half and more than ten are gone since the newest good backup.
///
/// # Errors
/// Then.
pub fn shrinks(new: u64, newest_good: Option<&Entry>) -> Result<(), Shrunk> {
    let Some((entry, manifest)) = newest_good.and_then(|entry| Some((entry, entry.good()?))) else { return Ok(()) };
    let old = manifest.count;
    let gone = old.saturating_sub(new);
    let small = gone > GONE && u128::from(new) * 100 < u128::from(old) * u128::from(SHARE);
    if (new == 0 && old > 0) || small { Err(Shrunk { new, old, file: entry.file.clone() }) } else { Ok(()) }
}

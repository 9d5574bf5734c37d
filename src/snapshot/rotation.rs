//! Which backups may go.

use std::collections::BTreeSet;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::{Entry, Fault, Listing, manifest_name};

/// How long a file without a manifest may still be one that somebody is writing.
const WRITING: SignedDuration = SignedDuration::from_hours(1);

/// Which backups stay. The newest good one always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// So many of the newest.
    pub newest: usize,
    /// The newest of each of so many days (UTC), today included.
    pub days: u32,
}

/// The names of the files to remove, in the order to do it: a backup's manifest goes before its file, so that what is left when
/// that is interrupted is no good one.
///
/// Only backups of this namespace are counted and removed. One that is not good goes when it is older than all good ones that
/// stay, as it would if it were good; whose it is must be known from its manifest, or it has none. Other files are never
/// named.
pub fn expired(listing: &Listing, namespace: &str, keep: Keep, now: Timestamp) -> Vec<String> {
    let today = Offset::UTC.to_datetime(now).date();
    let mut days = BTreeSet::new();
    let mut stay = BTreeSet::new();
    let mut oldest = None;
    for (index, entry) in listing.good(Some(namespace)).enumerate() {
        let day = Offset::UTC.to_datetime(entry.time()).date();
        let age = today.duration_since(day).as_hours() / 24;
        // From the newest to the oldest, the first of a day is its newest.
        let first_of_day = days.insert(day) && age < i64::from(keep.days);
        if index == 0 || index < keep.newest || first_of_day {
            stay.insert(entry.file.as_str());
            oldest = Some(entry.time());
        }
    }
    // Without a good one nothing goes.
    let Some(oldest) = oldest else { return Vec::new() };
    let may_go = |entry: &&Entry| {
        let ours = entry.manifest.as_ref().is_some_and(|manifest| manifest.namespace == namespace);
        match &entry.fault {
            None => ours && !stay.contains(entry.file.as_str()),
            Some(Fault::Manifest(_) | Fault::Unreadable(_)) => false,
            Some(Fault::NoManifest) => entry.time() < oldest && now.duration_since(entry.time()) > WRITING,
            Some(Fault::NoFile | Fault::Size { .. } | Fault::Digest | Fault::Packed(_) | Fault::Count { .. }) => {
                ours && entry.time() < oldest
            }
        }
    };
    let files = |entry: &Entry| {
        let manifest = entry.manifest.is_some().then(|| manifest_name(&entry.file));
        manifest.into_iter().chain(entry.size.is_some().then(|| entry.file.clone()))
    };
    listing.entries.iter().rev().filter(may_go).flat_map(files).collect()
}

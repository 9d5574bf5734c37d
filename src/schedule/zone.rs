//! Go's `time.LoadLocation` on a host with the tz database, as Dkron's image has it.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Finds a time zone by its exact name. Empty, `UTC` and `Local` are UTC: so is the server's own (README).
pub(super) fn load(name: &str) -> Result<TimeZone, String> {
    if ["", "UTC", "Local"].contains(&name) {
        return Ok(TimeZone::UTC);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err("time: invalid location name".to_owned());
    }
    if name.contains('\0') {
        return Err("invalid argument".to_owned());
    }
    let zones = TimeZoneDatabase::bundled();
    // Each zone is a file, and `Europe` a directory of them: the operating system's words come through.
    let below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    match zones.get(name) {
        // jiff takes names in any case and knows a zone of its own for "unknown"; Go opens a file.
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(zone),
        _ if zones.available().any(|zone| below(zone.as_str(), name.trim_end_matches('/'))) => {
            Err("is a directory".to_owned())
        }
        _ if zones.available().any(|zone| below(name, zone.as_str())) => Err("not a directory".to_owned()),
        _ => Err(format!("unknown time zone {name}")),
    }
}

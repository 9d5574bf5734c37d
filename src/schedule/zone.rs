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
    let zones = TimeZoneDatabase::bundled();
    match zones.get(name) {
        // jiff takes names in any case and knows a zone of its own for "unknown"; Go opens a file.
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(zone),
        _ => Err(format!("unknown time zone {name}")),
    }
}

//! Versions of Dkron, as servers say them in their Serf tag `version`.

/// The first version that knows `@after` and deletes a job's executions (FACTS 33b, 38).
pub(crate) const KNOWS_AFTER: (u32, u32) = (4, 1);

/// Major and minor version: `4.1.2` and `v4.1.2-rc1` are `(4, 1)`. `None` for what is no version, such as `devel`, which a build from
/// source says.
pub(crate) fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v').unwrap_or(version).split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether `cron_entries` of this version has the form that is known (FACTS 37c): 4.0 and 4.1 are measured. A build from source does not
/// say its version, and is judged by the form of its entries alone.
pub(crate) fn has_known_entries(version: Option<&str>) -> bool {
    version.is_some_and(|version| version == "devel" || matches!(release(version), Some((4, 0 | 1))))
}

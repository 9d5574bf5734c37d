//! The guard: looks at a finished plan and says no to what looks like an accident.

use crate::job::{Desired, Scope};

use super::{Change, Plan, Policy, named};

/// More deletes than this share of our jobs (in percent) are refused …
const SHARE: usize = 30;
/// … when they are also more than this many,
const SHARE_ABOVE: usize = 10;
/// and more than this share (in percent) …
const HALF: usize = 50;
/// … when they are also more than this many.
const HALF_ABOVE: usize = 3;

/// Why the guard refuses a whole plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The templates render nothing.
    #[error(
        "the templates render no job at all while Dkron holds {ours} of this release; check the templates and their data, or say `--force` (or `--allow-deletes {ours}`) if all of them should go"
    )]
    NothingDesired {
        /// How many jobs of ours are live.
        ours: usize,
    },
    /// Too many deletes at once.
    #[error(
        "the plan would delete {} of the {ours} jobs of this release ({percent} %), {}; if that is meant, say `--allow-deletes {}` or `--force`",
        names.len(), named(names), names.len()
    )]
    TooManyDeletes {
        /// The jobs that would be deleted.
        names: Vec<String>,
        /// How many jobs of ours are live.
        ours: usize,
        /// The share in percent, rounded down.
        percent: usize,
    },
}

pub(super) fn check(plan: &Plan, desired: &Desired, ours: usize, policy: &Policy) -> Result<(), Refusal> {
    // With pruning off nothing of ours goes, however little is desired.
    if policy.force || ours == 0 || !policy.prune || desired.scope != Scope::Release {
        return Ok(());
    }
    if desired.jobs.is_empty() && policy.allow_deletes < ours {
        return Err(Refusal::NothingDesired { ours });
    }
    let goes = || plan.items.iter().filter(|item| item.change == Change::Delete);
    let deletes = goes().count();
    let above = |share: usize, count: usize| deletes * 100 > ours * share && deletes > count;
    if deletes > policy.allow_deletes && (above(SHARE, SHARE_ABOVE) || above(HALF, HALF_ABOVE)) {
        let names = goes().map(|item| item.name.to_string()).collect();
        return Err(Refusal::TooManyDeletes { names, ours, percent: deletes * 100 / ours });
    }
    Ok(())
}

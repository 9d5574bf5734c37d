//! `@after` is written only where every server knows it: another one drops such a job silently (FACTS 43).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::dkron::{Reading, knows_after};
use crate::job::{Desired, Live, printable};
use crate::plan::{self, Plan, Policy};
use crate::shutdown::Shutdown;

use super::{Error, Kind, done_or_stop};

/// What a command does with jobs of a backup that this Dkron is too old for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooNew {
    /// Nothing is written.
    Refuse,
    /// The others are restored.
    LeaveOut,
}

/// A plan, and what is left out of it, one sentence a job. The members of the cluster are asked for only where `@after` jobs
/// would be posted.
pub(super) async fn planned(
    desired: &mut Desired,
    reading: &Reading,
    policy: &Policy,
    too_new: TooNew,
    shutdown: &Shutdown,
) -> Result<(Plan, Vec<String>), Error> {
    let plan = plan::plan(desired, &reading.live, policy)?;
    let after: BTreeSet<Arc<str>> = plan.posts_after().into_iter().cloned().collect();
    if after.is_empty() {
        return Ok((plan, Vec::new()));
    }
    let members = done_or_stop(shutdown, reading.members()).await?;
    let why = match members.map(|members| knows_after(&members)) {
        Ok(Ok(())) => return Ok((plan, Vec::new())),
        Ok(Err(too_old)) => too_old.to_string(),
        Err(failure) => format!("the versions of the servers cannot be read: {failure}"),
    };
    let is_saved = |name: &Arc<str>| desired.restored.contains_key(name) && !desired.jobs.contains_key(name);
    if too_new == TooNew::Refuse || !after.iter().all(is_saved) {
        let jobs: Vec<_> = after.iter().map(|job| format!("`{job}`")).collect();
        let these = if jobs.len() == 1 { "this job" } else { "these jobs" };
        let what = format!("`@after` needs Dkron 4.1 or later on every server, and {why}");
        let jobs = jobs.join(", ");
        let jobs = printable(&jobs);
        let remedy =
            format!("nothing was written. Upgrade the servers first, or give {these} another schedule: {jobs}");
        return Err(Error::new(Kind::Refused, what).remedy(remedy));
    }
    let left_out = leave_out(desired, &after, &reading.live, &why);
    Ok((plan::plan(desired, &reading.live, policy)?, left_out))
}

/// Takes jobs out of those that are to be restored, with the children that would come back without a parent.
fn leave_out(desired: &mut Desired, after: &BTreeSet<Arc<str>>, live: &Live, why: &str) -> Vec<String> {
    let mut gone = after.clone();
    loop {
        let is_orphan = |name: &&Arc<str>| {
            let parent = desired.restored.get(*name).and_then(|wanted| wanted.job.parent());
            !gone.contains(*name)
                && parent.is_some_and(|parent| gone.contains(parent) && !live.jobs.contains_key(parent))
        };
        let orphans: Vec<_> = desired.restored.keys().filter(is_orphan).cloned().collect();
        if orphans.is_empty() {
            break;
        }
        gone.extend(orphans);
    }
    desired.restored.retain(|name, _| !gone.contains(name));
    let said = |name: &Arc<str>| {
        if after.contains(name) {
            format!(
                "job `{name}` was not restored: `@after` needs Dkron 4.1 or later on every server, and {why}; upgrade the \
                 servers, then restore it"
            )
        } else {
            format!("job `{name}` was not restored: its parent was not; restore both when the servers are upgraded")
        }
    };
    gone.iter().map(said).collect()
}

//! Bringing back what was there before, as if it had been restored first and the templates applied over it: one plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::job::{Desired, JobMap, Live, Owner, Scope, Wanted};

use super::{Change, Item, Policy, after, order, will_be};

/// Whether a Dkron counts as empty, so that what was saved before is to be brought back: it holds no job, or none of `owner` and
/// each job as it was saved, so that a run that was cut short goes on. Another release's jobs do not count. A job of `owner` that
/// others' jobs need as their parent was written before them: it does not count as long as one of those is not back.
pub fn is_empty(live: &Live, saved: &JobMap<Wanted>, owner: &Owner) -> bool {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut missing = false;
    for wanted in saved.values().filter(|wanted| wanted.job.kept_by() != Some(owner)) {
        missing |= !live.jobs.contains_key(&wanted.job.name);
        let mut parent = wanted.job.parent();
        while let Some(name) = parent
            && needed.insert(name)
        {
            parent = saved.get(name).and_then(|wanted| wanted.job.parent());
        }
    }
    live.jobs.iter().all(|(name, live)| match live.job.kept_by() {
        Some(by) if by == owner => missing && needed.contains(&**name),
        Some(_) => true,
        None => saved.get(name).is_some_and(|wanted| wanted.job == live.job),
    })
}

/// Takes out what stays away, and, where templates are applied over it, what cannot be brought back: nothing that was saved may
/// keep a release from being made.
pub(super) fn settle(items: &mut Vec<Item>, desired: &Desired, live: &Live, warnings: &mut Vec<String>) {
    items.retain(|item| item.change != Change::Delete || live.jobs.contains_key(&item.name));
    if desired.scope != Scope::Release {
        return;
    }
    loop {
        let parents = after(items, live);
        let impossible: Vec<(Arc<str>, String)> = items
            .iter()
            .filter(|item| matches!(item.change, Change::Create { .. }) && !desired.jobs.contains_key(&item.name))
            .filter_map(|item| {
                let parent = *parents.get(&*item.name)?;
                let why = if will_be(items, live, parent) {
                    format!("its parents go round in a circle: {}", order::cycle(&item.name, &parents)?.join(" -> "))
                } else {
                    format!("its parent `{parent}` is neither there nor saved")
                };
                Some((item.name.clone(), why))
            })
            .collect();
        if impossible.is_empty() {
            return;
        }
        items.retain(|item| !impossible.iter().any(|(name, _)| *name == item.name));
        warnings.extend(
            impossible
                .into_iter()
                .map(|(name, why)| format!("job `{name}` cannot be brought back from the backup: {why}")),
        );
    }
}

/// Whether an item is to be written before all others: a job that is not ours and is brought back. As long as none of ours is
/// there, a run that was cut short is gone on with.
pub(super) fn is_first(item: &Item, desired: &Desired, policy: &Policy) -> bool {
    desired.scope == Scope::Release
        && !desired.jobs.contains_key(&item.name)
        && matches!(&item.change, Change::Create { to } if !to.is_of(&policy.owner))
}

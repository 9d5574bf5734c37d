//! Bringing back what was there before, as if it had been restored first and the templates applied over it: one plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::job::{Desired, JobMap, Live, Owner, Packed, Scope, Wanted};

use super::{Action, Conflict, Item, Policy, Reason, after, decide, order, will_be};

/// Whether a Dkron counts as empty, so that what was saved before is to be brought back: it holds no job, or none of `owner` and
/// each job as it was saved, so that a run that was cut short goes on. Another release's jobs do not count. A job of `owner` that
/// others' jobs need as their parent was written before them: it does not count as long as one of those is not back.
pub fn is_empty(live: &Live, saved: &JobMap<Wanted>, owner: &Owner) -> bool {
    let owner_of = |job: &Packed| job.own_stamp().map(|stamp| stamp.owner);
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut missing = false;
    for wanted in saved.values().filter(|wanted| owner_of(&wanted.job).as_ref() != Some(owner)) {
        missing |= !live.jobs.contains_key(wanted.job.name());
        let mut parent = wanted.job.parent();
        while let Some(name) = parent
            && needed.insert(name)
        {
            parent = saved.get(name).and_then(|wanted| wanted.job.parent());
        }
    }
    live.jobs.iter().all(|(name, live)| match owner_of(&live.job) {
        Some(by) if by == *owner => missing && needed.contains(&**name),
        Some(_) => true,
        None => saved.get(name).is_some_and(|wanted| wanted.job == live.job),
    })
}

/// Adds what is to be brought back to the items of a plan.
pub(super) fn add(
    items: &mut Vec<Item>,
    conflicts: &mut Vec<Conflict>,
    desired: &Desired,
    live: &Live,
    policy: &Policy,
) {
    for item in items.iter_mut().filter(|item| !live.jobs.contains_key(&item.name)) {
        if let Some(was) = desired.restored.get(&item.name) {
            // What was decided about it as if it were there: left, or changed.
            if item.action == Action::Unchanged {
                item.to = Some(was.job.clone());
            }
            item.action = Action::Create;
            item.from = None;
            item.reasons.insert(0, Reason::Restored);
        }
    }
    for (name, was) in desired.restored.iter().filter(|(name, _)| !desired.jobs.contains_key(*name)) {
        match live.jobs.get(name) {
            Some(live) if desired.overwrite => match decide::put_back(was, &live.job, policy) {
                Ok(item) => items.push(item),
                Err(conflict) => conflicts.push(conflict),
            },
            Some(live) if desired.scope == Scope::Part => {
                let differs = !live.job.same_but_stamp(&was.job);
                items.push(item(was, Action::Unchanged, differs.then_some(Reason::LeftAsItIs).into_iter().collect()));
            }
            Some(_) => {}
            None if desired.scope != Scope::Part && was.job.is_of(&policy.owner) => {
                items.push(gone(was, desired.scope, policy));
            }
            None => items.push(item(was, Action::Create, vec![Reason::Restored])),
        }
    }
}

/// A job of ours that was there, is not there now, and that no template wants: it stays away, unless others need it or its
/// next owner waits for it.
fn gone(was: &Wanted, scope: Scope, policy: &Policy) -> Item {
    let unwanted = decide::unwanted(&was.job, scope, &Policy { prune: true, ..policy.clone() });
    let action = if unwanted.action == Action::Update { Action::Create } else { unwanted.action };
    Item {
        action,
        reasons: unwanted.reasons,
        to: unwanted.to.or_else(|| Some(was.job.clone())),
        ..Item::unchanged(was)
    }
}

fn item(was: &Wanted, action: Action, reasons: Vec<Reason>) -> Item {
    let to = (action == Action::Create).then(|| was.job.clone());
    Item { action, reasons, to, ..Item::unchanged(was) }
}

/// Takes out what stays away, and, where templates are applied over it, what cannot be brought back: nothing that was saved may
/// keep a release from being made.
pub(super) fn settle(items: &mut Vec<Item>, desired: &Desired, live: &Live, warnings: &mut Vec<String>) {
    items.retain(|item| item.action != Action::Delete || live.jobs.contains_key(&item.name));
    if desired.scope != Scope::Release {
        return;
    }
    loop {
        let parents = after(items, live);
        let impossible: Vec<(Arc<str>, String)> = items
            .iter()
            .filter(|item| item.action == Action::Create && !desired.jobs.contains_key(&item.name))
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
        && item.action == Action::Create
        && !desired.jobs.contains_key(&item.name)
        && item.to.as_ref().is_some_and(|job| !job.is_of(&policy.owner))
}

//! The decision for one job: what is wanted, what is live, what a backup has, and what we wrote last (the stamp).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::job::{Compared, Desired, Job, Live, Owner, PRUNE_KEY, Scope, Stamp, Wanted, printable};

use super::{Change, Conflict, Drift, Item, Policy, Reason};

/// The jobs that a plan says something about, in order: those that are wanted, those to be brought back, and those of ours. A copy of
/// a job of ours that was made by hand is nobody's, and is told in `warnings`.
pub(super) fn names(desired: &Desired, live: &Live, policy: &Policy, warnings: &mut Vec<String>) -> BTreeSet<Arc<str>> {
    let mut names: BTreeSet<_> = desired.jobs.keys().chain(desired.restored.keys()).cloned().collect();
    for (name, live) in &live.jobs {
        let Some(stamp) = live.job.stamp.as_ref().filter(|stamp| stamp.owner == policy.owner) else { continue };
        if *stamp.job == **name {
            names.insert(name.clone());
        } else if !desired.jobs.contains_key(name) {
            // One that stands where a job of ours should is adopted like any job made by hand.
            let original = printable(&stamp.job);
            warnings.push(format!("job `{name}` is a copy of `{original}` made by hand; it is left alone"));
        }
    }
    names
}

/// Decides for one name. Nothing is to be said about a job that is not wanted and not ours.
///
/// | wanted | live | in the backup | change |
/// |---|---|---|---|
/// | yes | no | no | create |
/// | yes | no | yes | create what an update of the saved job would make |
/// | yes | yes | any | keep or update, by [`three_way`] and [`switch`] |
/// | no | yes | yes | put back with `--overwrite`, else keep; but a release decides about its own |
/// | no | ours | no | delete; release where its metadata says so; keep without `--prune` |
/// | no | no | yes | create; but what this release no longer wants stays away |
///
/// A job of ours that a run set aside and did not put back (FACTS 24d) counts as what it was, and is written in any case.
///
/// # Errors
/// A [`Conflict`] when another owner keeps a different job of that name and it may not be taken over.
pub(super) fn decide(name: &str, desired: &Desired, live: &Live, policy: &Policy) -> Result<Option<Item>, Conflict> {
    let now = live.jobs.get(name).map(|live| &live.job);
    let parked = now.and_then(Job::unparked).filter(|job| job.is_of(&policy.owner));
    let before = parked.as_ref().or(now);
    let item = match (desired.jobs.get(name), before, desired.restored.get(name)) {
        (Some(wanted), None, None) => {
            let to = wanted.job.stamped(&policy.owner, wanted.job.disabled);
            Item::of(wanted, Change::Create { to }, vec![Reason::Missing])
        }
        (Some(wanted), None, Some(saved)) => {
            let item = compared(wanted, &saved.job, policy)?;
            let to = item.definition().unwrap_or(&saved.job).clone();
            let reasons = [Reason::Restored].into_iter().chain(item.reasons).collect();
            Item { change: Change::Create { to }, reasons, ..item }
        }
        (Some(wanted), Some(before), _) => compared(wanted, before, policy)?,
        (None, Some(before), Some(saved)) => match desired.scope {
            Scope::Part if desired.overwrite => put_back(saved, before, policy)?,
            Scope::Part => {
                let differs = !before.same_but_stamp(&saved.job);
                Item::of(saved, Change::KEEP, differs.then_some(Reason::LeftAsItIs).into_iter().collect())
            }
            scope if before.is_of(&policy.owner) => unwanted(before, scope, policy),
            _ => return Ok(None),
        },
        (None, Some(before), None) if before.is_of(&policy.owner) && desired.scope != Scope::Part => {
            unwanted(before, desired.scope, policy)
        }
        (None, None, Some(saved)) if desired.scope != Scope::Part && saved.job.is_of(&policy.owner) => {
            let item = unwanted(&saved.job, desired.scope, &Policy { prune: true, ..policy.clone() });
            let change = match item.change {
                Change::Update { to, .. } => Change::Create { to },
                change => change,
            };
            Item::of(saved, change, item.reasons)
        }
        (None, None, Some(saved)) => Item::of(saved, Change::Create { to: saved.job.clone() }, vec![Reason::Restored]),
        (None, _, None) => return Ok(None),
    };
    Ok(Some(match (parked, now) {
        (Some(was), Some(now)) => unparked(item, was, now),
        _ => item,
    }))
}

/// A job of ours that is set aside and stays: it is written as it was, or as it is wanted now.
fn unparked(mut item: Item, was: Job, now: &Job) -> Item {
    let to = match item.change {
        Change::Update { to, .. } => to,
        Change::Keep { .. } => was,
        Change::Create { .. } | Change::Delete => return item,
    };
    item.change = Change::Update { from: now.clone(), to, heal: None };
    item.reasons.insert(0, Reason::Unparked);
    item
}

/// Decides for a job that is wanted and there.
fn compared(wanted: &Wanted, live: &Job, policy: &Policy) -> Result<Item, Conflict> {
    let template_disabled = wanted.job.disabled;
    let stamp = live.own_stamp();
    let switch = switch(template_disabled, live, stamp, policy);
    let mut reasons = Vec::new();
    let mut definition = Definition::Desired;
    // Whether the stamp has to be written even if nothing else has.
    let mut stamp_missing = true;
    match stamp {
        None => reasons.push(Reason::Adopted),
        Some(stamp) if stamp.owner == policy.owner => {
            let (reason, chosen) = three_way(&wanted.job, live, stamp, policy.drift);
            reasons.extend(reason);
            definition = chosen;
            stamp_missing = false;
        }
        Some(stamp) if policy.take_ownership.covers(&stamp.owner) => {
            reasons.push(Reason::TakenOver(stamp.owner.clone()));
        }
        Some(stamp) => {
            let ours = wanted.job.with_disabled(switch.disabled);
            if !live.same_but_stamp(&ours) {
                return Err(conflict(live, &ours, &stamp.owner));
            }
            reasons.push(Reason::SameAsForeign(stamp.owner.clone()));
            reasons.extend(switch.reason);
            return Ok(Item::of(wanted, Change::KEEP, reasons));
        }
    }
    // The definition and the switch may have changed for one and the same reason.
    reasons.extend(switch.reason.filter(|reason| !reasons.contains(reason)));

    let job = match definition {
        Definition::Desired => &wanted.job,
        Definition::Live => live,
    };
    let job = job.with_disabled(switch.disabled);
    if live.same_but_stamp(&job) && !stamp_missing {
        let kept = reasons.contains(&Reason::DriftKept);
        let differs = kept.then(|| (live.clone(), wanted.job.clone()));
        return Ok(Item::of(wanted, Change::Keep { differs }, reasons));
    }
    let to = match definition {
        // The stamp's digest stays: it tells what we wrote, and so that the rest is an edit.
        Definition::Live => job.with_disabled_noted(template_disabled),
        Definition::Desired => job.stamped(&policy.owner, template_disabled),
    };
    Ok(Item::of(wanted, Change::Update { from: live.clone(), to, heal: None }, reasons))
}

/// Decides for a job of ours that is not among the desired ones.
fn unwanted(live: &Job, scope: Scope, policy: &Policy) -> Item {
    let released = live.metadata.get(PRUNE_KEY).is_some_and(|value| value == "false");
    let (change, reason) = if !policy.prune {
        (Change::KEEP, Reason::PruneOff)
    } else if released {
        (Change::Update { from: live.clone(), to: live.unstamped(), heal: None }, Reason::Released)
    } else if scope == Scope::Nothing {
        (Change::Delete, Reason::Destroyed)
    } else {
        (Change::Delete, Reason::NoTemplate)
    };
    Item { name: live.name.clone(), change, reasons: vec![reason], secret_fields: BTreeSet::new(), origin: None }
}

/// Decides for a job that is there and shall be as it was.
fn put_back(was: &Wanted, live: &Job, policy: &Policy) -> Result<Item, Conflict> {
    let (now, before) = (live.kept_by(), was.job.kept_by());
    // A difference in the stamp alone is worth no write, unless it is gone.
    if live.same_but_stamp(&was.job) && (now.is_some() || before.is_none()) {
        return Ok(Item::of(was, Change::KEEP, Vec::new()));
    }
    if let Some(now) = now
        && before != Some(now)
        && *now != policy.owner
        && !policy.take_ownership.covers(now)
    {
        return Err(conflict(live, &was.job, now));
    }
    let change = Change::Update { from: live.clone(), to: was.job.clone(), heal: None };
    Ok(Item::of(was, change, vec![Reason::PutBack]))
}

fn conflict(live: &Job, wanted: &Job, owner: &Owner) -> Conflict {
    let fields = live.diff(wanted).into_iter().map(|change| change.field).collect();
    Conflict { name: live.name.to_string(), owner: owner.clone(), fields }
}

/// Whose definition is written, the switch aside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Definition {
    Desired,
    Live,
}

/// Template, live and stamp: who changed the definition since we wrote it, and whose is right.
fn three_way(desired: &Job, live: &Job, stamp: &Stamp, drift: Drift) -> (Option<Reason>, Definition) {
    if desired.same_definition(live) {
        return (None, Definition::Desired);
    }
    match stamp.compare(&live.digest()) {
        Compared::AsWritten => (Some(Reason::TemplateChanged), Definition::Desired),
        // Nothing is known of edits then; the definitions differ, and the template is the one to hold to.
        Compared::NotComparable => (Some(Reason::Differs), Definition::Desired),
        Compared::Edited if stamp.compare(&desired.digest()) != Compared::AsWritten => {
            (Some(Reason::TemplateWins), Definition::Desired)
        }
        Compared::Edited => match drift {
            Drift::Revert => (Some(Reason::DriftReverted), Definition::Desired),
            Drift::Keep => (Some(Reason::DriftKept), Definition::Live),
        },
    }
}

struct Switch {
    disabled: bool,
    reason: Option<Reason>,
}

/// `disabled` stands apart from the definition: it is the switch that operators use.
fn switch(template: bool, live: &Job, stamp: Option<&Stamp>, policy: &Policy) -> Switch {
    let note = stamp.and_then(|stamp| stamp.disabled);
    let ours = stamp.is_some_and(|stamp| stamp.owner == policy.owner);
    if live.disabled == template {
        Switch { disabled: template, reason: None }
    } else if policy.keep_disabled && live.disabled && note != Some(true) {
        Switch { disabled: true, reason: Some(Reason::KeptDisabled) }
    } else if ours && note == Some(live.disabled) {
        // Live is what we wrote; the template changed its mind.
        Switch { disabled: template, reason: Some(Reason::TemplateChanged) }
    } else if ours && note == Some(template) {
        match policy.drift {
            Drift::Revert => Switch { disabled: template, reason: Some(Reason::DriftReverted) },
            Drift::Keep => Switch { disabled: live.disabled, reason: Some(Reason::DriftKept) },
        }
    } else {
        // No note of ours. A job that is adopted or taken over says so already.
        Switch { disabled: template, reason: ours.then_some(Reason::Differs) }
    }
}

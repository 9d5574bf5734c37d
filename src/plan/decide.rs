//! The three-way decision for one job: what is desired, what is live, and what we wrote last (the stamp).

use std::collections::BTreeSet;

use crate::job::{Compared, PRUNE_KEY, Packed, Scope, Stamp, Wanted};

use super::{Action, Conflict, Drift, Item, Policy, Reason};

/// Decides for a job that is desired.
///
/// # Errors
/// A [`Conflict`] when another owner keeps a different job of that name and it may not be taken over.
pub(super) fn wanted(wanted: &Wanted, live: Option<&Packed>, policy: &Policy) -> Result<Item, Conflict> {
    let mut item = Item::unchanged(wanted);
    let template_disabled = wanted.job.disabled();
    let Some(live) = live else {
        item.reasons = vec![Reason::Missing];
        item.to = Some(wanted.job.stamped(&policy.owner, template_disabled));
        item.action = Action::Create;
        return Ok(item);
    };

    let stamp = live.own_stamp();
    let disabled = disabled(template_disabled, live, stamp.as_ref(), policy);
    let mut definition = Definition::Desired;
    // Whether the stamp has to be written even if nothing else has.
    let mut stamp_missing = true;
    match &stamp {
        None => item.reasons.push(Reason::Adopted),
        Some(stamp) if stamp.owner == policy.owner => {
            let (reason, chosen) = three_way(&wanted.job, live, stamp, policy.drift);
            item.reasons.extend(reason);
            definition = chosen;
            stamp_missing = false;
        }
        Some(stamp) if policy.take_ownership.covers(&stamp.owner) => {
            item.reasons.push(Reason::TakenOver(stamp.owner.clone()));
        }
        Some(stamp) => {
            let ours = wanted.job.with_disabled(disabled.value);
            if !live.same_but_stamp(&ours) {
                let fields = live.diff(&ours).into_iter().map(|change| change.field).collect();
                return Err(Conflict { name: item.name.to_string(), owner: stamp.owner.clone(), fields });
            }
            item.reasons.push(Reason::SameAsForeign(stamp.owner.clone()));
            item.reasons.extend(disabled.reason);
            return Ok(item);
        }
    }
    // The definition and the switch may have changed for one and the same reason.
    if let Some(reason) = disabled.reason
        && !item.reasons.contains(&reason)
    {
        item.reasons.push(reason);
    }

    let job = match definition {
        Definition::Desired => &wanted.job,
        Definition::Live => live,
    };
    let job = job.with_disabled(disabled.value);
    if live.same_but_stamp(&job) && !stamp_missing {
        if item.reasons.contains(&Reason::DriftKept) {
            item.from = Some(live.clone());
            item.to = Some(wanted.job.clone());
        }
        return Ok(item);
    }
    item.from = Some(live.clone());
    item.to = Some(match definition {
        // The stamp's digest stays: it tells what we wrote, and so that the rest is an edit.
        Definition::Live => job.with_disabled_noted(template_disabled),
        Definition::Desired => job.stamped(&policy.owner, template_disabled),
    });
    item.action = Action::Update;
    Ok(item)
}

/// Decides for a job of ours that is not among the desired ones.
pub(super) fn unwanted(live: &Packed, scope: Scope, policy: &Policy) -> Item {
    let released = || live.unpack().metadata.get(PRUNE_KEY).is_some_and(|value| value == "false");
    let (action, reason) = if !policy.prune {
        (Action::Unchanged, Reason::PruneOff)
    } else if released() {
        (Action::Update, Reason::Released)
    } else if scope == Scope::Nothing {
        (Action::Delete, Reason::Destroyed)
    } else {
        (Action::Delete, Reason::NoTemplate)
    };
    Item {
        name: live.name().clone(),
        action,
        reasons: vec![reason],
        from: (action == Action::Update).then(|| live.clone()),
        to: (action == Action::Update).then(|| live.unstamped()),
        secret_fields: BTreeSet::new(),
        origin: None,
        heal: None,
    }
}

/// Decides for a job that is there and shall be as it was.
///
/// # Errors
/// A [`Conflict`] when it has come to another owner since, and differs.
pub(super) fn put_back(was: &Wanted, live: &Packed, policy: &Policy) -> Result<Item, Conflict> {
    let mut item = Item::unchanged(was);
    let owner = |job: &Packed| job.own_stamp().map(|stamp| stamp.owner);
    let (now, before) = (owner(live), owner(&was.job));
    // A difference in the stamp alone is worth no write, unless it is gone.
    if live.same_but_stamp(&was.job) && (now.is_some() || before.is_none()) {
        return Ok(item);
    }
    if let Some(now) = now
        && before.as_ref() != Some(&now)
        && now != policy.owner
        && !policy.take_ownership.covers(&now)
    {
        let fields = live.diff(&was.job).into_iter().map(|change| change.field).collect();
        return Err(Conflict { name: item.name.to_string(), owner: now, fields });
    }
    item.reasons = vec![Reason::PutBack];
    item.from = Some(live.clone());
    item.to = Some(was.job.clone());
    item.action = Action::Update;
    Ok(item)
}

/// Whose definition is written, `disabled` aside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Definition {
    Desired,
    Live,
}

fn three_way(desired: &Packed, live: &Packed, stamp: &Stamp, drift: Drift) -> (Option<Reason>, Definition) {
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

struct Disabled {
    value: bool,
    reason: Option<Reason>,
}

/// `disabled` stands apart from the definition: it is the switch that operators use.
fn disabled(template: bool, live: &Packed, stamp: Option<&Stamp>, policy: &Policy) -> Disabled {
    let note = stamp.and_then(|stamp| stamp.disabled);
    let ours = stamp.is_some_and(|stamp| stamp.owner == policy.owner);
    if live.disabled() == template {
        Disabled { value: template, reason: None }
    } else if policy.keep_disabled && live.disabled() && note != Some(true) {
        Disabled { value: true, reason: Some(Reason::KeptDisabled) }
    } else if ours && note == Some(live.disabled()) {
        // Live is what we wrote; the template changed its mind.
        Disabled { value: template, reason: Some(Reason::TemplateChanged) }
    } else if ours && note == Some(template) {
        match policy.drift {
            Drift::Revert => Disabled { value: template, reason: Some(Reason::DriftReverted) },
            Drift::Keep => Disabled { value: live.disabled(), reason: Some(Reason::DriftKept) },
        }
    } else {
        // No note of ours. A job that is adopted or taken over says so already.
        Disabled { value: template, reason: ours.then_some(Reason::Differs) }
    }
}

//! Children that a run has set aside to heal their parent, and has not put back: it was killed in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::job::{Live, Packed};

use super::{Action, Item, Policy, Reason, position, will_be};

/// What our jobs that are set aside were before.
pub(super) fn find(live: &Live, policy: &Policy) -> BTreeMap<Arc<str>, Packed> {
    let parked = live.jobs.iter().filter_map(|(name, live)| Some((name, live.job.unparked()?)));
    parked.filter(|(_, job)| job.is_of(&policy.owner)).map(|(name, job)| (name.clone(), job)).collect()
}

/// Items were decided as if these jobs were as before: each of them is written, whatever the policy is, or it would never run.
pub(super) fn put_back(items: &mut [Item], parked: BTreeMap<Arc<str>, Packed>, live: &Live) {
    for (name, was) in parked {
        let Some(index) = position(items, &name) else { continue };
        let parent_is_there = was.parent().is_none_or(|parent| will_be(items, live, parent));
        let item = &mut items[index];
        match item.action {
            Action::Update => {}
            // Dkron would refuse it. Where a template wants it so, that is an error with the template's place.
            Action::Unchanged if parent_is_there || item.origin.is_some() => {
                item.action = Action::Update;
                item.to = Some(was);
            }
            Action::Unchanged | Action::Create | Action::Delete => continue,
        }
        item.from = live.jobs.get(&name).map(|live| live.job.clone());
        item.reasons.insert(0, Reason::Unparked);
    }
}

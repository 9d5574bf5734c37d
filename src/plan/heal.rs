//! Jobs that Dkron does not run though it should: ours are healed, others' are told of.
//!
//! A stuck job runs again only after it was deleted and created (FACTS 24c), and Dkron deletes no job with children: ours are set
//! aside meanwhile (FACTS 24d). Healing comes after all other writes, when each job is somebody's child or nobody's as the plan
//! wants it. Only what a template wants is ever deleted for it: a run that is killed then loses nothing that the next one does not
//! create again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::job::{Ailment, Live, Packed};

use super::{Action, Item, Left, Policy, Reason, after, position};

/// How a job is healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heal {
    /// Posted: that puts it back into the scheduler.
    Post,
    /// Deleted and created again, as one write.
    Anew {
        /// Its children as they are to be when it is done; set aside ([`Packed::parked`]) meanwhile.
        children: Vec<Packed>,
    },
}

impl Item {
    /// The children that are set aside while this job is deleted and created again; `None` where that is not done.
    pub fn set_aside(&self) -> Option<&[Packed]> {
        match &self.heal {
            Some(Heal::Anew { children }) => Some(children),
            Some(Heal::Post) | None => None,
        }
    }

    /// What ails the job, whether that is healed or left.
    pub fn ailment(&self) -> Option<Ailment> {
        self.reasons.iter().find_map(|reason| match reason {
            Reason::Healed(ailment, _) | Reason::LeftAiling(ailment, _) => Some(*ailment),
            _ => None,
        })
    }

    /// Whether the write changes nothing of the job: it is only healed.
    pub fn only_heals(&self) -> bool {
        self.heal.is_some() && self.from == self.to
    }
}

/// Heals what ails and is ours, and tells of the rest.
pub(super) fn add(items: &mut [Item], live: &Live, policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if live.ailing.is_empty() {
        return warnings;
    }
    let children = children(items, live, policy);
    for (name, ailment) in &live.ailing {
        let Some(job) = live.jobs.get(name).map(|live| &live.job) else { continue };
        let ours = job.is_of(&policy.owner);
        // What is adopted or taken over is ours from now on.
        let Some(index) = position(items, name).filter(|&index| ours || items[index].action == Action::Update) else {
            warnings.push(format!("job `{name}` is not ours and does not run: {ailment}; it is left alone"));
            continue;
        };
        heal(&mut items[index], *ailment, job, children.get(name).map_or(&[][..], Vec::as_slice), policy);
    }
    warnings
}

/// Decides for one job of ours.
fn heal(item: &mut Item, ailment: Ailment, live: &Packed, children: &[Child], policy: &Policy) {
    let to = item.definition().unwrap_or(live).clone();
    if item.action == Action::Delete || to.disabled() {
        // It shall not run any more.
        return;
    }
    let anew = matches!(ailment, Ailment::Stuck { .. }) && to.unpack().forbids_overlap();
    let foreign: Vec<_> =
        children.iter().filter(|child| !child.ours).map(|child| child.job.name().to_string()).collect();
    let left = if !policy.heal_stuck {
        Some(Left::Off)
    } else if item.origin.is_none() {
        Some(Left::Unwanted)
    } else if anew && !foreign.is_empty() {
        Some(Left::ForeignChildren(foreign))
    } else {
        None
    };
    if let Some(left) = left {
        item.reasons.push(Reason::LeftAiling(ailment, left));
        return;
    }
    let children: Vec<_> = children.iter().filter(|_| anew).map(|child| child.job.clone()).collect();
    item.action = Action::Update;
    item.from = Some(live.clone());
    item.to = Some(to);
    let aside = children.iter().map(|child| child.name().to_string()).collect();
    item.reasons.insert(0, Reason::Healed(ailment, anew.then_some(aside)));
    item.heal = Some(if anew { Heal::Anew { children } } else { Heal::Post });
}

/// A job that is somebody's child when all other writes are done.
struct Child {
    job: Packed,
    ours: bool,
}

/// The children that each job has when all other writes are done and nothing is deleted yet.
fn children(items: &[Item], live: &Live, policy: &Policy) -> BTreeMap<Arc<str>, Vec<Child>> {
    let mut parents = after(items, live);
    for item in items.iter().filter(|item| item.action == Action::Delete) {
        let parent = live.jobs.get(&item.name).and_then(|live| live.job.parent());
        parents.extend(parent.map(|parent| (&*item.name, parent)));
    }
    let mut children: BTreeMap<Arc<str>, Vec<Child>> = BTreeMap::new();
    for (name, parent) in parents {
        let item = position(items, name).map(|index| &items[index]);
        let live = live.jobs.get(name).map(|live| &live.job);
        let Some(job) = item.and_then(Item::definition).or(live) else { continue };
        let ours = job.is_of(&policy.owner);
        children.entry(parent.into()).or_default().push(Child { job: job.clone(), ours });
    }
    children
}

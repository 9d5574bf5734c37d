//! Jobs that Dkron does not run as they are stored: this release's are repaired, others' are reported.
//!
//! A job that the scheduler has otherwise than it is stored runs as written once it is posted again (FACTS 37). A stuck job runs again
//! once its executions are deleted, where all servers are 4.1 (FACTS 35). Before, only delete and create heal it (FACTS 24c), and Dkron
//! deletes no job with children: this release's are set aside meanwhile (FACTS 24d). Healing comes after all other writes, when each job has the parent that the plan wants. Only what a template wants is
//! ever deleted for it: a run that is killed then loses nothing that the next one does not create again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::job::{Live, Mismatch, Packed, Stuck};

use super::{Action, Item, Left, Policy, Reason, after, position};

/// How a job is healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heal {
    /// Posted: an execution without an end does not block it any more.
    Post,
    /// Its executions are deleted, which ends the block (FACTS 35); what else changes is posted before.
    Forget,
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
            Some(Heal::Post | Heal::Forget) | None => None,
        }
    }

    /// Why Dkron does not run the job as it is stored, whether that is repaired or left.
    pub fn ailment(&self) -> Option<Ailment> {
        self.reasons.iter().find_map(|reason| match reason {
            Reason::Healed(stuck, _) => Some(Ailment::Stuck(*stuck)),
            Reason::Rescheduled(mismatch) => Some(Ailment::Mismatched(*mismatch)),
            Reason::LeftAiling(ailment, _) => Some(*ailment),
            _ => None,
        })
    }

    /// Whether the write puts the job back into the scheduler as it is stored (FACTS 37).
    pub fn reschedules(&self) -> bool {
        self.action == Action::Update && self.reasons.iter().any(|reason| matches!(reason, Reason::Rescheduled(_)))
    }

    /// Whether the write changes nothing of the job, and only makes Dkron run it as it is stored.
    pub fn only_heals(&self) -> bool {
        (self.heal.is_some() || self.reschedules()) && self.from == self.to
    }
}

/// Why Dkron does not run a job as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// An execution without an end blocks it.
    Stuck(Stuck),
    /// The scheduler has it otherwise, or not at all.
    Mismatched(Mismatch),
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Mismatched(mismatch) => mismatch.fmt(f),
        }
    }
}

/// Repairs what is this release's and does not run as it is stored, and reports the rest.
pub(super) fn add(items: &mut [Item], live: &Live, policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if live.stuck.is_empty() && live.mismatched.is_empty() {
        return warnings;
    }
    let children = children(items, live, policy);
    let mismatched = live.mismatched.iter().filter(|(name, _)| !live.stuck.contains_key(*name));
    let ailing = (live.stuck.iter().map(|(name, stuck)| (name, Ailment::Stuck(*stuck))))
        .chain(mismatched.map(|(name, mismatch)| (name, Ailment::Mismatched(*mismatch))));
    for (name, ailment) in ailing {
        let Some(job) = live.jobs.get(name).map(|live| &live.job) else { continue };
        let ours = job.is_of(&policy.owner);
        // A job that is adopted or taken over belongs to this release from now on.
        let Some(index) = position(items, name).filter(|&index| ours || items[index].action == Action::Update) else {
            warnings.push(format!(
                "job `{name}`, which this release does not own, does not run as it is stored: {ailment}; it is left alone"
            ));
            continue;
        };
        let item = &mut items[index];
        match ailment {
            Ailment::Stuck(stuck) => {
                let children = children.get(name).map_or(&[][..], Vec::as_slice);
                heal(item, stuck, job, children, live.deletes_executions, policy);
                // Deleting executions does not put it into the scheduler.
                if let Some(mismatch) = live.mismatched.get(name).filter(|_| item.heal.is_some()) {
                    item.reasons.push(Reason::Rescheduled(*mismatch));
                }
            }
            Ailment::Mismatched(mismatch) => reschedule(item, mismatch, job, policy),
        }
    }
    warnings
}

/// Decides for one stuck job of this release.
fn heal(item: &mut Item, stuck: Stuck, live: &Packed, children: &[Child], forgets: bool, policy: &Policy) {
    let to = item.definition().unwrap_or(live).clone();
    if item.action == Action::Delete || to.disabled() {
        // It shall not run any more.
        return;
    }
    let blocked = to.forbids_overlap();
    // A Dkron 4.1 needs no delete of the job, and so no child is in the way.
    let (forget, anew) = (blocked && forgets, blocked && !forgets);
    let foreign: Vec<_> =
        children.iter().filter(|child| !child.ours).map(|child| child.job.name().to_string()).collect();
    if let Some(left) =
        left(item, policy).or_else(|| (anew && !foreign.is_empty()).then_some(Left::ForeignChildren(foreign)))
    {
        item.reasons.push(Reason::LeftAiling(Ailment::Stuck(stuck), left));
        return;
    }
    let children: Vec<_> = children.iter().filter(|_| anew).map(|child| child.job.clone()).collect();
    item.action = Action::Update;
    item.from = Some(live.clone());
    item.to = Some(to);
    let heal = match (forget, anew) {
        (true, _) => Heal::Forget,
        (_, true) => Heal::Anew { children },
        _ => Heal::Post,
    };
    item.reasons.insert(0, Reason::Healed(stuck, heal.clone()));
    item.heal = Some(heal);
}

/// Decides for one job of this release that the scheduler has otherwise than it is stored: what the plan wants is posted, or what is
/// stored where the plan leaves it.
fn reschedule(item: &mut Item, mismatch: Mismatch, live: &Packed, policy: &Policy) {
    match item.action {
        Action::Delete => return,
        Action::Create | Action::Update => {}
        Action::Unchanged => {
            if let Some(left) = left(item, policy) {
                item.reasons.push(Reason::LeftAiling(Ailment::Mismatched(mismatch), left));
                return;
            }
            item.action = Action::Update;
            item.from = Some(live.clone());
            item.to = Some(live.clone());
        }
    }
    item.reasons.insert(0, Reason::Rescheduled(mismatch));
}

/// Why a job of this release is not repaired, if it is not.
fn left(item: &Item, policy: &Policy) -> Option<Left> {
    if !policy.heal_stuck {
        Some(Left::Off)
    } else if item.origin.is_none() {
        Some(Left::Unwanted)
    } else {
        None
    }
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

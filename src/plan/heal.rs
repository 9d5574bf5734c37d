//! Jobs that Dkron does not run as they are stored: this release's are repaired, others' are reported.
//!
//! A job that the scheduler has otherwise than it is stored runs as written once it is posted again (FACTS 37). A stuck job runs again
//! once its executions are deleted, where all servers are 4.1 (FACTS 35). Before, only delete and create heal it (FACTS 24c), and Dkron
//! deletes no job with children: this release's are set aside meanwhile (FACTS 24d). Healing comes after all other writes, when each job has the parent that the plan wants. Only what a template wants is
//! ever deleted for it: a run that is killed then loses nothing that the next one does not create again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::job::{Job, Live, Mismatch, Stuck};

use super::{Change, Item, Left, Policy, Reason, after, position};

/// How a job is healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heal {
    /// Posted: an execution without an end does not block it any more.
    Post,
    /// Its executions are deleted, which ends the block (FACTS 35); what else changes is posted before.
    Forget,
    /// Deleted and created again, as one write.
    Anew {
        /// Its children as they are to be when it is done; set aside ([`Job::parked`]) meanwhile.
        children: Vec<Job>,
    },
}

impl Item {
    /// The children that are set aside while this job is deleted and created again; `None` where that is not done.
    pub fn set_aside(&self) -> Option<&[Job]> {
        match &self.change {
            Change::Update { heal: Some(Heal::Anew { children }), .. } => Some(children),
            _ => None,
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
        matches!(self.change, Change::Update { .. })
            && self.reasons.iter().any(|reason| matches!(reason, Reason::Rescheduled(_)))
    }

    /// Whether the write changes nothing of the job, and only makes Dkron run it as it is stored.
    pub fn only_heals(&self) -> bool {
        matches!(&self.change, Change::Update { from, to, heal } if from == to && (heal.is_some() || self.reschedules()))
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
        let Some(index) =
            position(items, name).filter(|&index| ours || matches!(items[index].change, Change::Update { .. }))
        else {
            warnings.push(format!(
                "job `{name}`, which this release does not own, does not run as it is stored: {ailment}; it is left alone"
            ));
            continue;
        };
        let item = &mut items[index];
        match ailment {
            Ailment::Stuck(stuck) => {
                let children = children.get(name).map_or(&[][..], Vec::as_slice);
                let healed = heal(item, stuck, job, children, live.deletes_executions, policy);
                // Deleting executions does not put it into the scheduler.
                item.reasons.extend(live.mismatched.get(name).filter(|_| healed).copied().map(Reason::Rescheduled));
            }
            Ailment::Mismatched(mismatch) => reschedule(item, mismatch, job, policy),
        }
    }
    warnings
}

/// Decides for one stuck job of this release; whether it is healed.
fn heal(item: &mut Item, stuck: Stuck, live: &Job, children: &[Child], forgets: bool, policy: &Policy) -> bool {
    let to = item.definition().unwrap_or(live).clone();
    if item.change == Change::Delete || to.disabled {
        // It shall not run any more.
        return false;
    }
    let how = match (to.forbids_overlap(), forgets) {
        (false, _) => Ok(Heal::Post),
        // A Dkron 4.1 needs no delete of the job, and so no child is in the way.
        (true, true) => Ok(Heal::Forget),
        (true, false) => anew(children),
    };
    let heal = match (left(item, policy), how) {
        (Some(left), _) | (None, Err(left)) => {
            item.reasons.push(Reason::LeftAiling(Ailment::Stuck(stuck), left));
            return false;
        }
        (None, Ok(heal)) => heal,
    };
    item.reasons.insert(0, Reason::Healed(stuck, heal.clone()));
    item.change = Change::Update { from: live.clone(), to, heal: Some(heal) };
    true
}

/// Deleting a job and creating it again, its children set aside meanwhile.
///
/// # Errors
/// Children that are not ours.
fn anew(children: &[Child]) -> Result<Heal, Left> {
    let foreign: Vec<_> = children.iter().filter(|child| !child.ours).map(|child| child.job.name.to_string()).collect();
    if foreign.is_empty() {
        Ok(Heal::Anew { children: children.iter().map(|child| child.job.clone()).collect() })
    } else {
        Err(Left::ForeignChildren(foreign))
    }
}

/// Decides for one job of this release that the scheduler has otherwise than it is stored: what the plan wants is posted, or what is
/// stored where the plan leaves it.
fn reschedule(item: &mut Item, mismatch: Mismatch, live: &Job, policy: &Policy) {
    match item.change {
        Change::Delete => return,
        Change::Create { .. } | Change::Update { .. } => {}
        Change::Keep { .. } => {
            if let Some(left) = left(item, policy) {
                item.reasons.push(Reason::LeftAiling(Ailment::Mismatched(mismatch), left));
                return;
            }
            item.change = Change::Update { from: live.clone(), to: live.clone(), heal: None };
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
    job: Job,
    ours: bool,
}

/// The children that each job has when all other writes are done and nothing is deleted yet.
fn children(items: &[Item], live: &Live, policy: &Policy) -> BTreeMap<Arc<str>, Vec<Child>> {
    let mut parents = after(items, live);
    for item in items.iter().filter(|item| item.change == Change::Delete) {
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

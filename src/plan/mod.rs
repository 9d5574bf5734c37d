//! Decides what must be written so that Dkron holds what is desired.
//!
//! A plan leaves no choice to whoever carries it out: what to write, in which order, and what was seen on the way. It is
//! made from data alone; nothing here knows a server.

mod decide;
mod guard;
mod heal;
mod order;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::job::{Desired, Difference, Job, Live, Mismatch, Origin, Owner, Stuck, Wanted, printable};

pub use self::guard::Refusal;
pub use self::heal::{Ailment, Heal};
pub use self::restore::is_empty;

/// What a plan may do, as the user set it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, named as the user names it")]
pub struct Policy {
    /// Who we are: the owner in the stamps of our jobs.
    pub owner: Owner,
    /// What to do with our jobs that someone edited.
    pub drift: Drift,
    /// Whether a job switched off by hand stays off.
    pub keep_disabled: bool,
    /// Whether our jobs that no template wants any more are deleted.
    pub prune: bool,
    /// How many deletes the guard lets pass, above its own limits.
    pub allow_deletes: usize,
    /// Whether the guard is off.
    pub force: bool,
    /// Whose jobs may be taken over.
    pub take_ownership: TakeOwnership,
    /// Whether our jobs that Dkron does not run any more are healed.
    pub heal_stuck: bool,
}

/// What to do with a job of ours that someone edited while its template stayed the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// Put the template's definition back.
    Revert,
    /// Leave the edit.
    Keep,
}

/// Whose jobs may be taken over when they have a name of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeOwnership {
    /// Nobody's.
    No,
    /// Anybody's.
    Any,
    /// This owner's only.
    From(Owner),
}

impl TakeOwnership {
    fn covers(&self, owner: &Owner) -> bool {
        match self {
            Self::No => false,
            Self::Any => true,
            Self::From(from) => from == owner,
        }
    }
}

/// Everything that is to be done, in order, and everything that is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One entry for each job that is desired or of ours, by name.
    pub items: Vec<Item>,
    /// The creates and updates as indices into `items`: a wave is written when the one before it is done, so parents come
    /// before their children (FACTS 10). Within a wave the order is free. What is deleted and created again comes last.
    pub writes: Vec<Vec<usize>>,
    /// The deletes, likewise: children before their parents (FACTS 11).
    pub deletes: Vec<Vec<usize>>,
    /// What is worth knowing and changes nothing.
    pub warnings: Vec<String>,
}

impl Plan {
    /// The index of the item of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        position(&self.items, name)
    }

    /// The jobs with an `@after` schedule that it posts, by name: a Dkron before 4.1 takes none of them.
    pub fn posts_after(&self) -> BTreeSet<&Arc<str>> {
        let posted = self
            .items
            .iter()
            .flat_map(|item| item.definition().into_iter().chain(item.set_aside().into_iter().flatten()));
        posted.filter(|job| job.is_after()).map(|job| &job.name).collect()
    }

    /// The item of this name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.position(name).map(|index| &self.items[index])
    }
}

/// What is to be done with one job, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The job's name.
    pub name: Arc<str>,
    /// What is to be done.
    pub change: Change,
    /// Why, and what was noticed.
    pub reasons: Vec<Reason>,
    /// The fields that hold a secret.
    pub secret_fields: BTreeSet<String>,
    /// Where the job is written down, if it is.
    pub origin: Option<Origin>,
}

/// What is to be done with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Post the definition; there is no job of that name.
    Create {
        /// What is posted.
        to: Job,
    },
    /// Post the definition over the one that is there.
    Update {
        /// What is live.
        from: Job,
        /// What is posted.
        to: Job,
        /// What else makes Dkron run it again, if that is needed.
        heal: Option<Heal>,
    },
    /// Delete it.
    Delete,
    /// Send nothing (FACTS 7).
    Keep {
        /// Where that is worth showing: what is live, and what it is not.
        differs: Option<(Job, Job)>,
    },
}

impl Change {
    /// Send nothing, and nothing is worth showing.
    pub const KEEP: Self = Self::Keep { differs: None };

    /// The word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete => "delete",
            Self::Keep { .. } => "unchanged",
        }
    }

    /// Whether something is sent.
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::Keep { .. })
    }

    /// The definition to post, if one is to be posted.
    pub fn definition(&self) -> Option<&Job> {
        match self {
            Self::Create { to } | Self::Update { to, .. } => Some(to),
            Self::Delete | Self::Keep { .. } => None,
        }
    }
}

impl Item {
    /// A change of a job that is written down.
    pub(crate) fn of(wanted: &Wanted, change: Change, reasons: Vec<Reason>) -> Self {
        Self {
            name: wanted.job.name.clone(),
            change,
            reasons,
            secret_fields: wanted.secret_fields.clone(),
            origin: Some(wanted.origin.clone()),
        }
    }

    /// The definition to post, if one is to be posted.
    pub fn definition(&self) -> Option<&Job> {
        self.change.definition()
    }

    /// Whether posting it may run it: a job with `@after` runs after each upsert within its grace (FACTS 41).
    pub fn runs_on_post(&self) -> bool {
        self.definition().is_some_and(Job::runs_on_post)
    }

    /// The fields that the write changes; for a kept drift the fields that stay different.
    pub fn changes(&self) -> Vec<Difference> {
        match &self.change {
            Change::Create { to } => to.diff_from_defaults(),
            Change::Update { from, to, .. } | Change::Keep { differs: Some((from, to)) } => from.diff(to),
            Change::Delete | Change::Keep { differs: None } => Vec::new(),
        }
    }
}

/// Why something is done with a job, or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is desired and not there.
    Missing,
    /// The template says something else than what we wrote last.
    TemplateChanged,
    /// Not what the template says; the stamp cannot tell whether the template or someone's hand changed it.
    Differs,
    /// Edited by someone since we wrote it; put back.
    DriftReverted,
    /// Edited by someone since we wrote it; left.
    DriftKept,
    /// Edited by someone, and the template changed too: the template wins.
    TemplateWins,
    /// Switched off by hand, and kept so.
    KeptDisabled,
    /// There without a stamp; from now on ours.
    Adopted,
    /// Another release's; from now on ours.
    TakenOver(Owner),
    /// Another release's, and already as we want it.
    SameAsForeign(Owner),
    /// Ours, and no template wants it any more.
    NoTemplate,
    /// Ours and no longer wanted, but pruning is off.
    PruneOff,
    /// Ours and no longer wanted, but other jobs are its children.
    HasChildren(Vec<String>),
    /// Ours and no longer wanted; `dkron-jobs.prune: "false"` leaves it, unstamped, for its next owner.
    Released,
    /// Ours, and this release wants nothing any more.
    Destroyed,
    /// It was there before, and is not there now.
    Restored,
    /// Not what it was; put back.
    PutBack,
    /// Not what it was; left.
    LeftAsItIs,
    /// It was stuck; healed in this way.
    Healed(Stuck, Heal),
    /// The scheduler has it otherwise than it is stored, or not at all; posted again.
    Rescheduled(Mismatch),
    /// Dkron does not run it as it is stored; left.
    LeftAiling(Ailment, Left),
    /// Set aside by a run that was cut short while it healed the parent; put back.
    Unparked,
    /// An `@after` job that is posted though it may have run: within its grace period that runs it again (FACTS 41).
    RunsAgain,
}

/// Why a job that Dkron does not run any more is left so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Healing is off.
    Off,
    /// No template wants it any more.
    Unwanted,
    /// It would have to be deleted, and these children are not ours.
    ForeignChildren(Vec<String>),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("left, since healing is off (`--heal-stuck=false`)"),
            Self::Unwanted => f.write_str("left, since no template wants it any more"),
            Self::ForeignChildren(children) => write!(
                f,
                "left, since it would have to be deleted and created again, and these of its children are not ours: {}",
                named(children)
            ),
        }
    }
}

/// The first names of a list, and how many more there are, for a sentence.
pub(crate) fn named(names: &[String]) -> String {
    let mut text = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        text = format!("{text} and {} more", names.len() - 3);
    }
    text
}

/// Why no plan was made. Nothing may be written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Jobs of ours name parents that would not be there.
    #[error("{}", lines(.0))]
    ParentMissing(Vec<MissingParent>),
    /// Jobs that would be their own ancestors: Dkron accepts them and can then delete none of them (FACTS 10).
    #[error(
        "{origin}: the parents go round in a circle: {}; take `parent_job` away from one of them",
        path.join(" -> ")
    )]
    Cycle {
        /// The circle, from one job to the same one.
        path: Vec<String>,
        /// Where that job is written down.
        origin: Origin,
    },
    /// Names of ours that another owner keeps, with other definitions.
    #[error("{}", lines(.0))]
    Conflict(Vec<Conflict>),
    /// The guard says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A job whose parent would not be there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{origin}: job `{child}` names the parent `{parent}`, which is not among the jobs to be written and not in Dkron; add it, or correct `parent_job`"
)]
pub struct MissingParent {
    /// The job.
    pub child: String,
    /// The parent it names.
    pub parent: String,
    /// Where it is written down.
    pub origin: Origin,
}

/// A name of ours that another owner keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "job `{name}` belongs to `{owner}` and differs in {}; rename ours, or take it over with `{}`",
    printable(&fields.join(", ")), owner.take_over_flag()
)]
pub struct Conflict {
    /// The job.
    pub name: String,
    /// Its owner.
    pub owner: Owner,
    /// Where the definitions differ.
    pub fields: Vec<String>,
}

fn lines<T: ToString>(errors: &[T]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Compares the two sides under a policy.
///
/// Each name is decided once, in `plan/decide.rs`. Then jobs that others need are kept, what cannot be brought back is left out, what
/// does not run as it is stored is repaired, and the rest is put into order. The guard looks at the finished plan.
///
/// # Errors
/// A [`PlanError`] when nothing may be written: a parent is missing, parents form a cycle, another owner's job stands in
/// the way, or the guard refuses.
pub fn plan(desired: &Desired, live: &Live, policy: &Policy) -> Result<Plan, PlanError> {
    let mut warnings = Vec::new();
    let mut items = Vec::with_capacity(desired.jobs.len().max(desired.restored.len()));
    let mut conflicts = Vec::new();
    for name in decide::names(desired, live, policy, &mut warnings) {
        match decide::decide(&name, desired, live, policy) {
            Ok(item) => items.extend(item),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    if !conflicts.is_empty() {
        return Err(PlanError::Conflict(conflicts));
    }
    leave_aside(&mut items, live);
    keep_parents(&mut items, desired, live);
    restore::settle(&mut items, desired, live, &mut warnings);
    order::check(&items, live)?;
    warnings.extend(heal::add(&mut items, live, policy));
    for item in &mut items {
        if runs_again(item, live) {
            item.reasons.push(Reason::RunsAgain);
        }
    }
    for item in &items {
        warnings.extend(warning(item));
    }
    let plan = order::arrange(items, live, warnings, |item| restore::is_first(item, desired, policy));
    let ours = live.jobs.values().filter(|live| live.job.is_of(&policy.owner)).count();
    guard::check(&plan, desired, ours, policy)?;
    Ok(plan)
}

/// Whether an item posts an `@after` job that may have run already. One that is new has not.
fn runs_again(item: &Item, live: &Live) -> bool {
    let may_have_run = || match live.jobs.get(&item.name) {
        Some(live) => live.job.is_after(),
        None => item.reasons.contains(&Reason::Restored),
    };
    item.runs_on_post() && may_have_run()
}

/// Takes back the write of each job that is set aside, that nobody wants, and whose parent is gone: Dkron would refuse it. Where a
/// template wants it so, that is an error with the template's place.
fn leave_aside(items: &mut [Item], live: &Live) {
    let orphaned = |item: &Item| {
        let parent = item.definition().and_then(Job::parent);
        item.reasons == [Reason::Unparked, Reason::PruneOff]
            && parent.is_some_and(|parent| !will_be(items, live, parent))
    };
    let orphans: Vec<_> = (0..items.len()).filter(|&index| orphaned(&items[index])).collect();
    for index in orphans {
        (items[index].change, items[index].reasons) = (Change::KEEP, vec![Reason::PruneOff]);
    }
}

/// Takes back the delete of each job that would still be somebody's parent: Dkron would refuse it (FACTS 11). One that is to be
/// brought back, and would stay away, comes back.
fn keep_parents(items: &mut [Item], desired: &Desired, live: &Live) {
    loop {
        let after = after(items, live);
        let mut children: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (child, parent) in &after {
            children.entry(*parent).or_default().push((*child).to_owned());
        }
        let kept: Vec<_> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.change == Change::Delete)
            .filter_map(|(index, item)| Some((index, children.remove(&*item.name)?)))
            .collect();
        if kept.is_empty() {
            return;
        }
        // A parent that stays may itself be the child of one that would go: look again.
        for (index, children) in kept {
            let item = &mut items[index];
            (item.change, item.reasons) = match desired.restored.get(&item.name) {
                Some(was) if !live.jobs.contains_key(&item.name) => {
                    (Change::Create { to: was.job.clone() }, vec![Reason::Restored, Reason::HasChildren(children)])
                }
                _ => (Change::KEEP, vec![Reason::HasChildren(children)]),
            };
        }
    }
}

/// Who is whose child once the plan is done: each job that will be there and has a parent, with its parent.
fn after<'a>(items: &'a [Item], live: &'a Live) -> BTreeMap<&'a str, &'a str> {
    let mut parents: BTreeMap<&str, &str> =
        live.jobs.iter().filter_map(|(name, live)| Some((&**name, live.job.parent()?))).collect();
    for item in items {
        match item.definition().and_then(Job::parent) {
            Some(parent) => drop(parents.insert(&item.name, parent)),
            None if item.change.is_write() => drop(parents.remove(&*item.name)),
            None => {}
        }
    }
    parents
}

/// Where the item of this name is among items, which are by name.
fn position(items: &[Item], name: &str) -> Option<usize> {
    items.binary_search_by(|item| (*item.name).cmp(name)).ok()
}

/// Whether there will be a job of this name once the plan is done.
fn will_be(items: &[Item], live: &Live, name: &str) -> bool {
    match position(items, name).map(|index| &items[index].change) {
        Some(Change::Create { .. }) => true,
        Some(Change::Delete) => false,
        Some(Change::Update { .. } | Change::Keep { .. }) | None => live.jobs.contains_key(name),
    }
}

/// The line that an item adds to the plan's warnings, if any.
fn warning(item: &Item) -> Option<String> {
    let name = &item.name;
    item.reasons.iter().find_map(|reason| match reason {
        Reason::HasChildren(children) => Some(format!(
            "job `{name}` is no longer wanted but {}: {} still its child{}",
            if item.change.is_write() { "comes back" } else { "stays" },
            if children.len() == 1 {
                format!("`{}` is", children[0])
            } else {
                format!("{} jobs (`{}`, …) are", children.len(), children[0])
            },
            if children.len() == 1 { "" } else { "ren" }
        )),
        Reason::SameAsForeign(owner) => Some(format!(
            "job `{name}` is already as wanted but belongs to `{owner}`, who may delete it; `{}` makes it ours",
            owner.take_over_flag()
        )),
        Reason::LeftAiling(ailment, left) => {
            Some(format!("job `{name}` does not run as it is stored: {ailment}; {left}"))
        }
        _ => None,
    })
}

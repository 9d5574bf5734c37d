//! Decides what must be written so that Dkron holds what is desired.
//!
//! A plan leaves no choice to whoever carries it out: what to write, in which order, and what was seen on the way. It is
//! made from data alone; nothing here knows a server.

mod decide;
mod guard;
mod heal;
mod order;
mod parked;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::job::{Change, Desired, Live, Mismatch, Origin, Owner, Packed, Scope, Stuck, Wanted, printable};

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
        posted.filter(|job| job.is_after()).map(Packed::name).collect()
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
    pub action: Action,
    /// Why, and what was noticed.
    pub reasons: Vec<Reason>,
    /// What is live, where that is worth showing.
    pub from: Option<Packed>,
    /// What it becomes; where nothing is sent, what it should have been.
    pub to: Option<Packed>,
    /// The fields that hold a secret.
    pub secret_fields: BTreeSet<String>,
    /// Where the job is written down, if it is.
    pub origin: Option<Origin>,
    /// How it is healed, if it is: an update that may be more than one request.
    pub heal: Option<Heal>,
}

impl Item {
    /// Nothing is to be done with this job.
    pub(crate) fn unchanged(wanted: &Wanted) -> Self {
        Self {
            name: wanted.job.name().clone(),
            action: Action::Unchanged,
            reasons: Vec::new(),
            from: None,
            to: None,
            secret_fields: wanted.secret_fields.clone(),
            origin: Some(wanted.origin.clone()),
            heal: None,
        }
    }

    /// The definition to post, if one is to be posted.
    pub fn definition(&self) -> Option<&Packed> {
        match self.action {
            Action::Create | Action::Update => self.to.as_ref(),
            Action::Delete | Action::Unchanged => None,
        }
    }

    /// Whether posting it may run it: a job with `@after` runs after each upsert within its grace (FACTS 41).
    pub fn runs_on_post(&self) -> bool {
        self.definition().is_some_and(Packed::runs_on_post)
    }

    /// The fields that the write changes; for a kept drift the fields that stay different.
    pub fn changes(&self) -> Vec<Change> {
        match (&self.from, &self.to) {
            (_, None) => Vec::new(),
            (None, Some(to)) => to.diff_from_defaults(),
            (Some(from), Some(to)) => from.diff(to),
        }
    }
}

/// What is to be done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Post the definition; there is no job of that name.
    Create,
    /// Post the definition over the one that is there.
    Update,
    /// Delete it.
    Delete,
    /// Send nothing (FACTS 7).
    Unchanged,
}

impl Action {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unchanged => "unchanged",
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
/// # Errors
/// A [`PlanError`] when nothing may be written: a parent is missing, parents form a cycle, another owner's job stands in
/// the way, or the guard refuses.
pub fn plan(desired: &Desired, live: &Live, policy: &Policy) -> Result<Plan, PlanError> {
    // What a run that was cut short has set aside counts as what it was before.
    let parked = parked::find(live, policy);
    // What is brought back counts as if it were there already: the templates go over it.
    let before = |name: &str| {
        let live = parked.get(name).or_else(|| live.jobs.get(name).map(|live| &live.job));
        live.or_else(|| desired.restored.get(name).map(|wanted| &wanted.job))
    };
    let mut items = Vec::with_capacity(desired.jobs.len().max(desired.restored.len()));
    let mut conflicts = Vec::new();
    for (name, wanted) in &desired.jobs {
        match decide::wanted(wanted, before(name), policy) {
            Ok(item) => items.push(item),
            Err(conflict) => conflicts.push(conflict),
        }
    }

    let mut warnings = Vec::new();
    let mut ours = 0;
    for (name, live) in &live.jobs {
        let Some(stamp) = live.job.stamp().filter(|stamp| stamp.owner == policy.owner) else { continue };
        if *stamp.job != **name {
            // A copy that stands where a job of ours should is adopted like any job made by hand.
            if !desired.jobs.contains_key(name) {
                warnings.push(format!(
                    "job `{name}` is a copy of `{}` made by hand; it is left alone",
                    printable(&stamp.job)
                ));
            }
            continue;
        }
        ours += 1;
        if desired.scope != Scope::Part && !desired.jobs.contains_key(name) {
            items.push(decide::unwanted(parked.get(name).unwrap_or(&live.job), desired.scope, policy));
        }
    }
    restore::add(&mut items, &mut conflicts, desired, live, policy);
    if !conflicts.is_empty() {
        return Err(PlanError::Conflict(conflicts));
    }
    items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    parked::put_back(&mut items, parked, live);

    keep_parents(&mut items, live);
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
    guard::check(&plan, desired, ours, policy)?;
    Ok(plan)
}

/// Whether an item posts an `@after` job that may have run already. One that is new has not.
fn runs_again(item: &Item, live: &Live) -> bool {
    let may_have_run = || match live.jobs.get(&item.name) {
        Some(live) => live.job.is_after(),
        None => item.reasons.contains(&Reason::Restored),
    };
    item.definition().is_some_and(Packed::runs_on_post) && may_have_run()
}

/// Takes back the delete of each job that would still be somebody's parent: Dkron would refuse it (FACTS 11).
fn keep_parents(items: &mut [Item], live: &Live) {
    loop {
        let after = after(items, live);
        let mut children: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (child, parent) in &after {
            children.entry(*parent).or_default().push((*child).to_owned());
        }
        let kept: Vec<_> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.action == Action::Delete)
            .filter_map(|(index, item)| Some((index, children.remove(&*item.name)?)))
            .collect();
        if kept.is_empty() {
            return;
        }
        // A parent that stays may itself be the child of one that would go: look again.
        for (index, children) in kept {
            let item = &mut items[index];
            (item.action, item.reasons) = if live.jobs.contains_key(&item.name) {
                (Action::Unchanged, vec![Reason::HasChildren(children)])
            } else {
                (Action::Create, vec![Reason::Restored, Reason::HasChildren(children)])
            };
        }
    }
}

/// Who is whose child once the plan is done: each job that will be there and has a parent, with its parent.
fn after<'a>(items: &'a [Item], live: &'a Live) -> BTreeMap<&'a str, &'a str> {
    let mut parents: BTreeMap<&str, &str> =
        live.jobs.iter().filter_map(|(name, live)| Some((&**name, live.job.parent()?))).collect();
    for item in items {
        match (item.action, item.definition().and_then(Packed::parent)) {
            (Action::Unchanged, _) => {}
            (_, Some(parent)) => drop(parents.insert(&item.name, parent)),
            (_, None) => drop(parents.remove(&*item.name)),
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
    match position(items, name).map(|index| items[index].action) {
        Some(Action::Create) => true,
        Some(Action::Delete) => false,
        Some(Action::Update | Action::Unchanged) | None => live.jobs.contains_key(name),
    }
}

/// The line that an item adds to the plan's warnings, if any.
fn warning(item: &Item) -> Option<String> {
    let name = &item.name;
    item.reasons.iter().find_map(|reason| match reason {
        Reason::HasChildren(children) => Some(format!(
            "job `{name}` is no longer wanted but {}: {} still its child{}",
            if item.action == Action::Create { "comes back" } else { "stays" },
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

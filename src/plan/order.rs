//! The order of writing.
//!
//! ```text
//!   creates and updates        deletes
//!
//!   grandparent                grandchild
//!     parent                     child
//!       child                      parent
//! ```
//!
//! A child posted before its parent is refused (FACTS 10), a parent deleted before its children likewise (FACTS 11).

use std::collections::BTreeMap;

use crate::job::{Desired, Live};

use super::{Action, Item, MissingParent, Plan, PlanError};

/// Refuses what Dkron would refuse, or accept and never let go of: a parent that is not there, and a circle.
/// `parents` tells who is whose child once everything is done.
pub(super) fn check(
    desired: &Desired,
    parents: &BTreeMap<&str, &str>,
    exists: impl Fn(&str) -> bool,
) -> Result<(), PlanError> {
    let missing: Vec<_> = desired
        .jobs
        .values()
        .filter_map(|wanted| {
            let parent = wanted.job.parent()?;
            (!exists(parent)).then(|| MissingParent {
                child: wanted.job.name.clone(),
                parent: parent.to_owned(),
                origin: wanted.origin.clone(),
            })
        })
        .collect();
    if !missing.is_empty() {
        return Err(PlanError::ParentMissing(missing));
    }
    for name in desired.jobs.keys() {
        if let Some(cycle) = cycle(name, parents) {
            return Err(PlanError::Cycle(cycle));
        }
    }
    Ok(())
}

/// The circle that this job is part of, starting and ending with it.
fn cycle(name: &str, parents: &BTreeMap<&str, &str>) -> Option<Vec<String>> {
    let mut path = vec![name.to_owned()];
    let mut at = name;
    // A walk longer than the number of children has met a circle that this job only leads to.
    for _ in 0..=parents.len() {
        at = parents.get(at)?;
        path.push(at.to_owned());
        if at == name {
            return Some(path);
        }
    }
    None
}

/// Sorts what is to be done into waves.
pub(super) fn arrange(items: Vec<Item>, live: &Live, warnings: Vec<String>) -> Plan {
    let index: BTreeMap<&str, usize> = items.iter().enumerate().map(|(i, item)| (item.name.as_str(), i)).collect();
    let parent_to_write = |i: usize| {
        let parent = items[i].action.definition()?.parent()?;
        index.get(parent).copied().filter(|&parent| items[parent].action.definition().is_some())
    };
    let parent_to_delete = |i: usize| {
        let parent = live.jobs.get(&items[i].name)?.job.parent()?;
        index.get(parent).copied().filter(|&parent| items[parent].action == Action::Delete)
    };
    let chosen =
        |wanted: fn(&Action) -> bool| (0..items.len()).filter(|&i| wanted(&items[i].action)).collect::<Vec<_>>();
    let writes = waves(&chosen(|action| action.definition().is_some()), parent_to_write);
    let mut deletes = waves(&chosen(|action| *action == Action::Delete), parent_to_delete);
    deletes.reverse();
    Plan { items, writes, deletes, warnings }
}

/// Groups items by how many of their ancestors are in the same phase.
fn waves(chosen: &[usize], parent: impl Fn(usize) -> Option<usize>) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for &i in chosen {
        let mut depth = 0;
        let mut at = i;
        // Old stores can hold circles (FACTS 10); the bound lets the walk end, and Dkron says what it thinks of the delete.
        while let Some(up) = parent(at)
            && depth < chosen.len()
        {
            depth += 1;
            at = up;
        }
        if waves.len() <= depth {
            waves.resize_with(depth + 1, Vec::new);
        }
        waves[depth].push(i);
    }
    waves.retain(|wave| !wave.is_empty());
    waves
}

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

use std::collections::{BTreeMap, BTreeSet};

use crate::job::{Live, generations};

use super::{Change, Item, MissingParent, Plan, PlanError, after, position, will_be};

/// Refuses what Dkron would refuse, or accept and never let go of: a parent that is not there, and a circle.
pub(super) fn check(items: &[Item], live: &Live) -> Result<(), PlanError> {
    let parents = after(items, live);
    let missing: Vec<_> = items
        .iter()
        .filter_map(|item| {
            let (parent, origin) = (parents.get(&*item.name)?, item.origin.as_ref()?);
            (!will_be(items, live, parent)).then(|| MissingParent {
                child: item.name.to_string(),
                parent: (*parent).to_owned(),
                origin: origin.clone(),
            })
        })
        .collect();
    if !missing.is_empty() {
        return Err(PlanError::ParentMissing(missing));
    }
    for item in items {
        if let Some(origin) = &item.origin
            && let Some(path) = cycle(&item.name, &parents)
        {
            return Err(PlanError::Cycle { path, origin: origin.clone() });
        }
    }
    Ok(())
}

/// The circle that this job is part of, starting and ending with it.
pub(super) fn cycle(name: &str, parents: &BTreeMap<&str, &str>) -> Option<Vec<String>> {
    let mut path = vec![name];
    let mut at = name;
    // A walk longer than the number of children has met a circle that this job only leads to.
    for _ in 0..=parents.len() {
        at = parents.get(at)?;
        path.push(at);
        if at == name {
            return Some(path.into_iter().map(str::to_owned).collect());
        }
    }
    None
}

/// Sorts what is to be done into waves; what is to be `first`, with its parents, comes before all else.
pub(super) fn arrange(items: Vec<Item>, live: &Live, warnings: Vec<String>, first: impl Fn(&Item) -> bool) -> Plan {
    let parent_to_write = |i: usize| {
        let parent = items[i].definition()?.parent()?;
        position(&items, parent).filter(|&parent| items[parent].definition().is_some())
    };
    let parent_to_delete = |i: usize| {
        let parent = live.jobs.get(&items[i].name)?.job.parent()?;
        position(&items, parent).filter(|&parent| items[parent].change == Change::Delete)
    };
    let chosen = |wanted: fn(&Item) -> bool| (0..items.len()).filter(|&i| wanted(&items[i])).collect::<Vec<_>>();
    let mut early: BTreeSet<usize> = BTreeSet::new();
    for i in (0..items.len()).filter(|&i| first(&items[i])) {
        let mut at = Some(i);
        while let Some(i) = at
            && early.insert(i)
        {
            at = parent_to_write(i);
        }
    }
    let (early, late): (Vec<_>, Vec<_>) =
        chosen(|item| item.definition().is_some()).into_iter().partition(|i| early.contains(i));
    // A parent that is deleted and created again is there all the time before: its children need not wait for it.
    let (anew, late): (Vec<_>, Vec<_>) = late.into_iter().partition(|&i| items[i].set_aside().is_some());
    let among =
        |jobs: &[usize]| generations(jobs, |i| parent_to_write(i).filter(|parent| jobs.binary_search(parent).is_ok()));
    let mut writes = generations(&early, parent_to_write);
    writes.extend(among(&late));
    writes.extend(among(&anew));
    let mut deletes = generations(&chosen(|item| item.change == Change::Delete), parent_to_delete);
    deletes.reverse();
    Plan { items, writes, deletes, warnings }
}

//! Jobs in any order, put in the order of their names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dkron_jobs::job::by_name;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::laws::law;

/// Sorting is our own: it must be right, keep equals in their order, and not take long where all but one are in order.
#[test]
fn jobs_by_name_are_in_order_and_the_later_of_two_counts() {
    let names = || prop_oneof![vec("[a-c]{1,2}", 0..30), vec("[a-z]{1,3}", 0..300)];
    law(names(), |names| {
        let jobs: Vec<(Arc<str>, usize)> = names.iter().map(|name| Arc::from(name.as_str())).zip(0..).collect();
        let tree: BTreeMap<_, _> = jobs.iter().cloned().collect();
        prop_assert!(
            by_name(jobs)
                .iter()
                .map(|(name, number)| (name, *number))
                .eq(tree.iter().map(|(name, number)| (name, *number)))
        );
        Ok(())
    });
    let start = Instant::now();
    let names = (1..200_000).map(|number| format!("refresh-{number:06}")).chain(["check".to_owned()]);
    let jobs = by_name(names.map(|name| (Arc::from(name), ())).collect());
    assert_eq!(jobs.first().map(|(name, ())| &**name), Some("check"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

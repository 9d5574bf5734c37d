//! Sorting of lists, small in the program.
//!
//! The standard library's stable sort is six kilobytes of code for each type that it sorts, and we sort dozens of types, nearly all of
//! them short lists. Here only the comparison and the moving are made for each; what lies between is there once.

use std::cmp::Ordering;
use std::mem;

/// Sorts by a comparison, as `slice::sort_by`: equals stay in their order.
pub(crate) fn by<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    if list.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut order = order(list.len(), &mut |a, b| compare(&list[a], &list[b]));
    for start in 0..order.len() {
        // Whoever is moved leaves a place for the next, until that is the one that was moved first: each is moved once.
        let mut at = start;
        loop {
            let from = mem::replace(&mut order[at], at);
            if from == start {
                break;
            }
            list.swap(at, from);
            at = from;
        }
    }
}

/// Sorts by a key, as `slice::sort_by_key`: equals stay in their order.
pub(crate) fn by_key<T, K: Ord>(list: &mut [T], mut key: impl FnMut(&T) -> K) {
    by(list, |a, b| key(a).cmp(&key(b)));
}

/// Sorts by a comparison; of equals only the last stays.
pub(crate) fn last_of_each<T>(list: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    if list.is_sorted_by(|a, b| compare(a, b).is_lt()) {
        return;
    }
    by(list, &mut compare);
    list.dedup_by(|later, kept| {
        let same = compare(kept, later).is_eq();
        if same {
            mem::swap(later, kept);
        }
        same
    });
}

/// The indices of a list in the order in which they belong.
fn order(length: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<_> = (0..length).collect();
    order.sort_by(|&a, &b| compare(a, b));
    order
}

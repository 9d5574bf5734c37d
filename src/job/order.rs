//! Parents before children.

/// Groups jobs, given by their indices, by how many of their ancestors `parent` knows: those without first. Within a group the
/// order stays. Old stores can hold circles of parents (FACTS 10): a job in one is put where the walk met it.
pub fn generations(jobs: &[usize], parent: impl Fn(usize) -> Option<usize>) -> Vec<Vec<usize>> {
    let mut depths: Vec<Option<usize>> = vec![None; jobs.iter().max().map_or(0, |last| last + 1)];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut path = Vec::new();
    for &job in jobs {
        let mut at = Some(job);
        // Up to an ancestor whose depth is known, or to the first of all. In a circle the second visit ends the walk.
        let above = loop {
            let Some(i) = at else { break 0 };
            match depths.get(i).copied().flatten() {
                Some(depth) => break depth + 1,
                None if path.len() > depths.len() => break 0,
                None => path.push(i),
            }
            at = parent(i);
        };
        for (depth, i) in (above..).zip(path.drain(..).rev()) {
            if let Some(known) = depths.get_mut(i) {
                *known = Some(depth);
            }
        }
        let depth = depths.get(job).copied().flatten().unwrap_or_default();
        if groups.len() <= depth {
            groups.resize_with(depth + 1, Vec::new);
        }
        groups[depth].push(job);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

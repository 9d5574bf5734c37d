//! `apply`: the hook's main job.

use crate::dkron::Role;
use crate::plan::{Change, Reason};
use crate::settings::ApplySettings;
use crate::shutdown::Shutdown;

use super::carry_out::{Work, carry_out};
use super::gate::TooNew;
use super::{Ending, Error, backup, judge, or_stop, saved};

pub(super) async fn run(settings: &ApplySettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let ApplySettings { target, wanted, judge, save } = settings;
    let (sides, _) =
        judge::judged(&target.dkron, wanted, judge.as_ref(), Role::Writer, shutdown, judge::errors).await?;
    let mut work = Work::plan("apply", sides, &target.policy, TooNew::LeaveOut, shutdown).await?;
    // Jobs made by hand are in no template: what they were is saved before the first of them changes.
    let adopts = work
        .plan
        .items
        .iter()
        .any(|item| matches!(item.change, Change::Update { .. }) && item.reasons.contains(&Reason::Adopted));
    if adopts && let Some(store) = saved::store(&wanted.store)? {
        let saved = or_stop(shutdown, backup::save(&store, &work.dkron, save)).await?;
        work.warnings.push(format!("jobs made by hand are adopted; all jobs were saved before in {}", saved.file));
    }
    carry_out(work, target, shutdown).await
}

//! `apply`: the hook's main job.

use crate::dkron::Role;
use crate::plan::{Change, Reason};
use crate::settings::Settings;
use crate::shutdown::Shutdown;

use super::carry_out::{Work, carry_out};
use super::gate::{TooNew, planned};
use super::gather::{Sides, policy};
use super::{Ending, Error, backup, lint, or_stop, print_error, saved};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let work = work(settings, shutdown).await.map_err(|error| print_error("apply", settings, error))?;
    carry_out(work, settings, shutdown).await
}

async fn work(settings: &Settings, shutdown: &Shutdown) -> Result<Work, Error> {
    let (sides, _) = lint::linted(settings, Role::Writer, shutdown, lint::errors).await?;
    let Sides { mut desired, reading, dkron, masker, mut warnings } = sides;
    let policy = policy(settings);
    let (plan, left_out) = planned(&mut desired, &reading, &policy, TooNew::LeaveOut, shutdown).await?;
    // Jobs made by hand are in no template: what they were is saved before the first of them changes.
    let adopts = plan
        .items
        .iter()
        .any(|item| matches!(item.change, Change::Update { .. }) && item.reasons.contains(&Reason::Adopted));
    if adopts && let Some(store) = saved::store(settings)? {
        let saved = or_stop(shutdown, backup::save(&store, &dkron, settings)).await?;
        warnings.push(format!("jobs made by hand are adopted; all jobs were saved before in {}", saved.file));
    }
    Ok(Work { command: "apply", plan, dkron, reading, masker, warnings, left_out })
}

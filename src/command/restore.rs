//! `restore`: jobs as they were.

use crate::dkron::Role;
use crate::job::{Desired, Live, Scope};
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::{TooNew, planned};
use super::gather::policy;
use super::{Ending, Error, or_stop, print_error, saved};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let work = work(settings, shutdown).await.map_err(|error| print_error("restore", settings, error))?;
    carry_out(work, settings, shutdown).await
}

async fn work(settings: &Settings, shutdown: &Shutdown) -> Result<Work, Error> {
    let dkron = dkron(&settings.dkron)?;
    // A file that is no good is said at once, whatever Dkron does.
    let mut saved = or_stop(shutdown, saved::read(settings, &settings.templates.namespace)).await?;
    saved.warn_of_unknown_times();
    bring_back("restore", saved, TooNew::LeaveOut, dkron, settings, shutdown).await
}

/// The plan that writes jobs as they are given.
pub(super) async fn bring_back(
    command: &'static str,
    saved: saved::Saved,
    too_new: TooNew,
    dkron: crate::dkron::Dkron,
    settings: &Settings,
    shutdown: &Shutdown,
) -> Result<Work, Error> {
    let overwrite = settings.source.overwrite;
    let reading = or_stop(shutdown, async { Ok(dkron.read::<Live>(Role::Writer).await?) }).await?;
    let mut desired = Desired { restored: saved.jobs, scope: Scope::Part, overwrite, ..Desired::default() };
    let policy = policy(settings);
    let (plan, left_out) = planned(&mut desired, &reading, &policy, too_new, shutdown).await?;
    let warnings = saved.warnings.into_iter().chain(reading.warnings.iter().cloned()).collect();
    Ok(Work { command, plan, dkron, reading, masker: telemetry::masker(), warnings, left_out })
}

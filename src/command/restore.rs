//! `restore`: jobs as they were.

use crate::dkron::Role;
use crate::job::{Desired, Live, Scope};
use crate::settings::{RestoreSettings, TargetSettings};
use crate::shutdown::Shutdown;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::TooNew;
use super::gather::Sides;
use super::saved::{self, Saved, pick};
use super::{Ending, Error, or_stop};

pub(super) async fn run(settings: &RestoreSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let RestoreSettings { target, source, only, overwrite } = settings;
    // A file that is no good is said at once, whatever Dkron does.
    let mut saved = or_stop(shutdown, saved::read(source, target.policy.owner.namespace())).await?;
    pick(&mut saved.jobs, only)?;
    saved.warn_of_unknown_times();
    let work = bring_back("restore", saved, *overwrite, TooNew::LeaveOut, target, shutdown).await?;
    carry_out(work, target, shutdown).await
}

/// The plan that writes jobs as they are given.
pub(super) async fn bring_back(
    command: &'static str,
    saved: Saved,
    overwrite: bool,
    too_new: TooNew,
    target: &TargetSettings,
    shutdown: &Shutdown,
) -> Result<Work, Error> {
    let dkron = dkron(&target.dkron)?;
    let reading = or_stop(shutdown, dkron.read::<Live>(Role::Writer)).await?;
    let desired = Desired { restored: saved.jobs, scope: Scope::Part, overwrite, ..Desired::default() };
    let sides = Sides::new(desired, dkron, reading, saved.warnings);
    Work::plan(command, sides, &target.policy, too_new, shutdown).await
}

//! `check`: whether Dkron can be trusted and holds what it should. `helm test` runs it.

use crate::dkron::Role;
use crate::exit::ExitCode;
use crate::plan;
use crate::report::Report;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

use super::gather::{Sides, desired_and_live, policy};
use super::{Ending, Error, print, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let sides = desired_and_live(settings, Role::Reader, shutdown).await;
    let Sides { desired, reading, masker, warnings, .. } =
        sides.map_err(|error| print_error("check", settings, error))?;
    let plan = plan::plan(&desired, &reading.live, &policy(settings))
        .map_err(|error| print_error("check", settings, error.into()))?;
    let mut report = Report::of_plan("check", &plan, &settings.templates.owner(), &masker);
    report.add_warnings(warnings, &masker);
    print(&report, settings.output)?;
    let exit = if report.has_changes() { ExitCode::Changes } else { ExitCode::Done };
    Ok(Ending { exit, last: report.brief(super::TERMINATION_LIMIT) })
}

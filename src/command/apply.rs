//! `apply`: the hook's main job.

use crate::apply::{Applied, apply};
use crate::dkron::{Role, Session, WaitError};
use crate::exit::ExitCode;
use crate::plan;
use crate::report::Report;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry;

use super::gather::{Sides, desired_and_live, policy};
use super::{Ending, Error, print, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let sides = desired_and_live(settings, Role::Writer, shutdown).await;
    let Sides { desired, reading, dkron, masker, warnings: before } =
        sides.map_err(|error| print_error("apply", settings, error))?;
    let plan = plan::plan(&desired, &reading.live, &policy(settings))
        .map_err(|error| print_error("apply", settings, error.into()))?;
    // Room for what is read again at the end.
    drop(desired);
    let writes = plan.writes.iter().chain(&plan.deletes).map(Vec::len).sum();
    let session = Session::new(&dkron, &reading, shutdown);
    let bar = telemetry::progress(writes);
    let applied = apply(&plan, &session, settings.dkron.concurrency, shutdown, &|| bar.inc(1)).await;
    bar.finish_and_clear();

    let Applied { outcomes, warnings, unproven, stopped } = applied;
    let mut report = Report::new("apply", &plan, &outcomes, &settings.templates.owner(), &masker);
    report.add_warnings(before.into_iter().chain(warnings), &masker);
    report.add_errors(unproven.as_ref().map(ToString::to_string), &masker);
    report.add_errors(stopped.map(|signal| format!("stopped by {}", signal.name())), &masker);
    print(&report, settings.output)?;
    let exit = match (stopped, unproven) {
        (Some(signal), _) => signal.exit_code(),
        (None, Some(WaitError::TimedOut { .. })) => ExitCode::TimedOut,
        (None, None) if report.is_success() => ExitCode::Done,
        (None, _) => ExitCode::Failed,
    };
    Ok(Ending { exit, last: report.brief(super::TERMINATION_LIMIT) })
}

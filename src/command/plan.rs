//! `plan`: what `apply` would do.

use crate::dkron::Role;
use crate::exit::ExitCode;
use crate::lint::{Finding, Severity};
use crate::report::Report;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

use super::gate::{TooNew, planned};
use super::gather::{Sides, policy};
use super::{Ending, Error, lint, print, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let told = |error| print_error("plan", settings, error);
    let (sides, findings) = lint::linted(settings, Role::Observer, shutdown, Ok).await.map_err(told)?;
    let Sides { mut desired, reading, masker, warnings, .. } = sides;
    let policy = policy(settings);
    let planned = planned(&mut desired, &reading, &policy, TooNew::LeaveOut, shutdown).await;
    let (plan, left_out) = planned.map_err(told)?;
    let mut report = Report::of_plan("plan", &plan, &settings.templates.owner(), &masker);
    report.add_warnings(warnings);
    report.add_errors(left_out);
    let grouped = findings.grouped();
    let errors = grouped.iter().filter(|finding| finding.note.severity == Severity::Error);
    report.add_errors(errors.map(Finding::one_line));
    print(&report, settings.output)?;
    let exit = match (findings.has(Severity::Error), settings.exit_code && report.has_changes()) {
        // `apply` would refuse it.
        (true, _) => ExitCode::Lint,
        (false, true) => ExitCode::Changes,
        (false, false) => ExitCode::Done,
    };
    Ok(Ending { exit, last: report.brief(super::TERMINATION_LIMIT) })
}

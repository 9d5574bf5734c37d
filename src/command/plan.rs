//! `plan`: what `apply` would do.

use crate::dkron::Role;
use crate::exit::ExitCode;
use crate::lint::{Finding, Severity};
use crate::report::Report;
use crate::settings::PlanSettings;
use crate::shutdown::Shutdown;

use super::carry_out::Work;
use super::gate::TooNew;
use super::{Ending, Error, TERMINATION_LIMIT, judge, print};

pub(super) async fn run(settings: &PlanSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let PlanSettings { target, wanted, judge, exit_code } = settings;
    let (sides, findings) = judge::judged(&target.dkron, wanted, judge.as_ref(), Role::Observer, shutdown, Ok).await?;
    let work = Work::plan("plan", sides, &target.policy, TooNew::LeaveOut, shutdown).await?;
    let mut report = Report::of_plan(work.command, &work.plan, &target.policy.owner, &work.masker);
    report.add_warnings(work.warnings);
    report.add_errors(work.left_out);
    let grouped = findings.grouped();
    let errors = grouped.iter().filter(|finding| finding.note.severity == Severity::Error);
    report.add_errors(errors.map(Finding::one_line));
    print(&report, target.output)?;
    let exit = match (findings.has(Severity::Error), *exit_code && report.has_changes()) {
        // `apply` would refuse it.
        (true, _) => ExitCode::Lint,
        (false, true) => ExitCode::Changes,
        (false, false) => ExitCode::Done,
    };
    Ok(Ending { exit, last: report.brief(TERMINATION_LIMIT) })
}

//! The way of every command that writes: a plan, carried out, proven and reported.

use crate::apply::{Applied, apply};
use crate::dkron::{Dkron, Reading, Session, WaitError};
use crate::exit::ExitCode;
use crate::plan::{Plan, Policy};
use crate::report::{Masker, Report};
use crate::settings::TargetSettings;
use crate::shutdown::Shutdown;
use crate::telemetry;

use super::gate::{TooNew, planned};
use super::gather::Sides;
use super::{Ending, Error, TERMINATION_LIMIT, print};

/// What there is to do where some writes came to nothing; each says its cause itself.
const INCOMPLETE: &str =
    "not all of it is done: mend what the causes name, and run it again; what stands already is left alone";

/// What is to be carried out, where, and what is to be said beside it.
pub(super) struct Work {
    /// The command's name in the report.
    pub(super) command: &'static str,
    pub(super) plan: Plan,
    pub(super) dkron: Dkron,
    pub(super) reading: Reading,
    pub(super) masker: Masker,
    /// What was noticed so far.
    pub(super) warnings: Vec<String>,
    /// Jobs that the plan leaves out though they were asked for, and why: the run fails when the rest is done.
    pub(super) left_out: Vec<String>,
}

impl Work {
    /// Compares the two sides.
    pub(super) async fn plan(
        command: &'static str,
        sides: Sides,
        policy: &Policy,
        too_new: TooNew,
        shutdown: &Shutdown,
    ) -> Result<Self, Error> {
        let Sides { mut desired, reading, dkron, masker, warnings } = sides;
        let (plan, left_out) = planned(&mut desired, &reading, policy, too_new, shutdown).await?;
        Ok(Self { command, plan, dkron, reading, masker, warnings, left_out })
    }
}

/// Carries a plan out and prints its report.
pub(super) async fn carry_out(work: Work, settings: &TargetSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let Work { command, plan, dkron, reading, masker, warnings: before, left_out } = work;
    let session = Session::new(&dkron, &reading, shutdown);
    // Room for what is read again at the end.
    drop(reading);
    let bar = telemetry::progress(plan.writes.iter().chain(&plan.deletes).map(Vec::len).sum());
    let applied = apply(&plan, &session, settings.dkron.concurrency, shutdown, &|| bar.inc(1)).await;
    bar.finish_and_clear();

    let Applied { outcomes, warnings, unproven, stopped } = applied;
    let mut report = Report::new(command, &plan, &outcomes, &settings.policy.owner, &masker);
    let new: Vec<_> = warnings.into_iter().filter(|warning| !before.contains(warning)).collect();
    report.add_warnings(before.into_iter().chain(new));
    report.add_errors(left_out);
    report.add_errors(unproven.as_ref().map(ToString::to_string));
    report.add_errors(stopped.map(|signal| format!("stopped by {}", signal.name())));
    // Both of those say themselves what there is to do.
    let incomplete = unproven.is_none() && stopped.is_none() && !report.is_success();
    report.add_errors(incomplete.then(|| INCOMPLETE.to_owned()));
    print(&report, settings.output)?;
    let exit = match (stopped, unproven) {
        (Some(signal), _) => signal.exit_code(),
        (None, Some(WaitError::TimedOut { .. })) => ExitCode::TimedOut,
        (None, None) if report.is_success() => ExitCode::Done,
        (None, _) => ExitCode::Failed,
    };
    Ok(Ending { exit, last: report.brief(TERMINATION_LIMIT) })
}

//! `check`: whether Dkron can be trusted, holds what it should and runs it, and, when asked, whether jobs succeed. `helm test`
//! runs it.

use crate::dkron::Role;
use crate::exit::ExitCode;
use crate::plan::{self, Action, Plan};
use crate::report::Report;
use crate::settings::CheckSettings;
use crate::shutdown::Shutdown;

use super::gather::{Sides, sides};
use super::runs::{all, error, turns};
use super::{Ending, Error, TERMINATION_LIMIT, or_stop, print};

pub(super) async fn run(settings: &CheckSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let CheckSettings { target, wanted, run } = settings;
    let sides = sides(&target.dkron, wanted, Role::Checker, shutdown, |prepared, _| Ok((prepared.jobs()?, ()))).await;
    let (Sides { desired, reading, dkron, masker, warnings }, ()) = sides.map_err(Error::without_scheduler)?;
    let plan = plan::plan(&desired, &reading.live, &target.policy)?;
    let mut report = Report::of_plan("check", &plan, &target.policy.owner, &masker);
    report.add_warnings(warnings);
    let ailing = ailing(&plan);
    let unhealthy = or_stop(shutdown, async { Ok(reading.health(&dkron).await) }).await?;
    let unhealthy = unhealthy.iter().filter(|(_, issues)| !issues.is_empty()).map(|(node, issues)| {
        format!(
            "node `{node}` is unhealthy: {}; restart it, since jobs that need it fail until then",
            issues.join(", ")
        )
    });
    let ailing: Vec<_> = ailing.into_iter().chain(unhealthy).collect();
    let mut failing = !ailing.is_empty();
    report.add_errors(ailing);
    let turns = turns(&desired, &reading.live, run)?;
    // What Dkron does not hold as it should is not worth a run.
    if !failing && !report.has_changes() {
        let limit = target.dkron.network.wait_timeout;
        let runs = or_stop(shutdown, async { Ok(all(&turns, &reading, limit).await) }).await?;
        let errors: Vec<_> = runs.iter().filter_map(error).collect();
        failing = !errors.is_empty();
        report.add_runs(runs);
        report.add_errors(errors);
    } else if !turns.is_empty() {
        let why = "no job was run: Dkron does not hold and run what the templates say".to_owned();
        report.add_warnings([why]);
    }
    print(&report, target.output)?;
    let differs = plan.items.iter().any(|item| item.action != Action::Unchanged && !item.only_heals());
    let exit = match (differs, failing) {
        (true, _) => ExitCode::Changes,
        (false, true) => ExitCode::Failing,
        (false, false) => ExitCode::Done,
    };
    Ok(Ending { exit, last: report.brief(TERMINATION_LIMIT) })
}

/// The jobs of this release that Dkron does not run as they are stored, each as an error.
fn ailing(plan: &Plan) -> Vec<String> {
    let ails =
        |item: &plan::Item| Some(format!("job `{}` does not run as it is stored: {}", item.name, item.ailment()?));
    plan.items.iter().filter_map(ails).collect()
}

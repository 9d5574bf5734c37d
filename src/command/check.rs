//! `check`: whether Dkron can be trusted and holds what it should, and, when asked, whether jobs succeed. `helm test` runs it.

use tracing::info;

use crate::dkron::{Reading, Role};
use crate::exit::ExitCode;
use crate::job::{Desired, printable};
use crate::plan;
use crate::report::Report;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

use super::gather::{Sides, desired_and_live, policy};
use super::saved::pick;
use super::{Ending, Error, or_stop, print, print_error};

/// How much of a failing job's output is shown, in lines.
const OUTPUT_LINES: usize = 5;

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let told = |error| print_error("check", settings, error);
    let sides = desired_and_live(settings, Role::Reader, shutdown).await.map_err(told)?;
    let Sides { mut desired, reading, masker, warnings, .. } = sides;
    let plan = plan::plan(&desired, &reading.live, &policy(settings)).map_err(|error| told(error.into()))?;
    let mut report = Report::of_plan("check", &plan, &settings.templates.owner(), &masker);
    report.add_warnings(warnings, &masker);
    let mut failing = false;
    // What Dkron does not hold as it should is not worth a run.
    if !settings.run.is_empty() && !report.has_changes() {
        let failed = or_stop(shutdown, runs(&mut desired, &reading, settings)).await.map_err(told)?;
        failing = !failed.is_empty();
        report.add_errors(failed, &masker);
    }
    print(&report, settings.output)?;
    let exit = match (report.has_changes(), failing) {
        (true, _) => ExitCode::Changes,
        (false, true) => ExitCode::Failing,
        (false, false) => ExitCode::Done,
    };
    Ok(Ending { exit, last: report.brief(super::TERMINATION_LIMIT) })
}

/// Runs the jobs that were asked for, one after the other, and tells which failed.
async fn runs(desired: &mut Desired, reading: &Reading, settings: &Settings) -> Result<Vec<String>, Error> {
    pick(&mut desired.jobs, &settings.run, "--run")?;
    let mut failed = Vec::new();
    for name in desired.jobs.keys() {
        let Some(job) = reading.live.jobs.get(name).map(|live| live.job.unpack()) else { continue };
        if job.disabled {
            failed.push(format!("job `{name}` was not run: it is switched off"));
            continue;
        }
        match reading.run(name, job.retries, settings.dkron.wait_timeout).await {
            Ok(ran) if ran.success => info!(job = &**name, took_ms = ran.took.as_millis(), "ran with success"),
            Ok(ran) => {
                let lines: Vec<_> = ran.output.lines().take(OUTPUT_LINES).map(printable).collect();
                let output = if lines.is_empty() { "it left no output".to_owned() } else { lines.join(" | ") };
                failed.push(format!("job `{name}` failed after {} ms: {output}", ran.took.as_millis()));
            }
            Err(error) => failed.push(format!("job `{name}`: {error}")),
        }
    }
    Ok(failed)
}

//! `destroy`: what a release owns goes, and nothing else.

use std::io::{self, IsTerminal, Write};

use crate::dkron::Role;
use crate::job::{Desired, Owner, Scope};
use crate::plan;
use crate::report::Report;
use crate::settings::{Output, Settings};
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::words::counted;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::{TooNew, planned};
use super::gather::{beside, policy};
use super::{Ending, Error, or_stop, print, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let work = work(settings, shutdown).await.map_err(|error| print_error("destroy", settings, error))?;
    carry_out(work, settings, shutdown).await
}

async fn work(settings: &Settings, shutdown: &Shutdown) -> Result<Work, Error> {
    let dkron = dkron(&settings.dkron)?;
    let reading = or_stop(shutdown, async { Ok(dkron.read(Role::Writer).await?) }).await?;
    let mut desired = Desired { scope: Scope::Nothing, ..Desired::default() };
    // Whoever destroys wants nothing kept.
    let policy = plan::Policy { prune: true, ..policy(settings) };
    let (plan, left_out) = planned(&mut desired, &reading, &policy, TooNew::Refuse, shutdown).await?;
    let doing = doing(&plan, &settings.templates.owner());
    if let Some(doing) = doing.filter(|_| !settings.yes) {
        or_stop(shutdown, confirm(&plan, doing, settings)).await?;
    }
    let warnings = reading.warnings.clone();
    Ok(Work { command: "destroy", plan, dkron, reading, masker: telemetry::masker(), warnings, left_out })
}

/// What is to be confirmed, as it would be ordered; `None` if nothing would be written.
fn doing(plan: &plan::Plan, owner: &Owner) -> Option<String> {
    let count = |waves: &[Vec<usize>]| waves.iter().map(Vec::len).sum::<usize>();
    // What is written here are the jobs that `dkron-jobs.prune: "false"` leaves behind.
    match (count(&plan.deletes), count(&plan.writes)) {
        (0, 0) => None,
        (0, left) => Some(format!("leave {} of {owner} behind, unstamped", counted(left, "job"))),
        (gone, 0) => Some(format!("delete {} of {owner}", counted(gone, "job"))),
        (gone, left) => Some(format!("delete {} of {owner} and leave {left} behind, unstamped", counted(gone, "job"))),
    }
}

/// Shows what would go and asks on the terminal.
async fn confirm(plan: &plan::Plan, doing: String, settings: &Settings) -> Result<(), Error> {
    let owner = settings.templates.owner();
    let refused = |asked| Error::NotConfirmed { doing: doing.clone(), asked };
    if settings.output == Output::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refused(false));
    }
    let masker = telemetry::masker();
    print(&Report::of_plan("plan", plan, &owner, &masker), settings.output)?;
    let question = format!("This would {doing}. Type `yes` to do it: ");
    let answer = beside(move || {
        let mut err = io::stderr();
        let mut line = String::new();
        err.write_all(question.as_bytes())
            .and_then(|()| err.flush())
            .and_then(|()| io::stdin().read_line(&mut line))?;
        Ok::<_, io::Error>(line)
    })
    .await;
    match answer {
        Ok(line) if line.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(refused(true)),
    }
}

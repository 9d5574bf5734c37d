//! `destroy`: what a release owns goes, and nothing else.

use std::io::{self, IsTerminal, Write};

use crate::dkron::Role;
use crate::job::{Desired, Scope};
use crate::plan;
use crate::report::{Masker, Report};
use crate::settings::{Output, Settings};
use crate::shutdown::Shutdown;

use super::carry_out::{Work, carry_out};
use super::gather::{beside, dkron, policy};
use super::{Ending, Error, or_stop, print, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let work = work(settings, shutdown).await.map_err(|error| print_error("destroy", settings, error))?;
    carry_out(work, settings, shutdown).await
}

async fn work(settings: &Settings, shutdown: &Shutdown) -> Result<Work, Error> {
    let dkron = dkron(&settings.dkron)?;
    let reading = or_stop(shutdown, async { Ok(dkron.read(Role::Writer).await?) }).await?;
    let desired = Desired { scope: Scope::Nothing, ..Desired::default() };
    // Whoever destroys wants nothing kept.
    let policy = plan::Policy { prune: true, ..policy(settings) };
    let plan = plan::plan(&desired, &reading.live, &policy)?;
    let count: usize = plan.writes.iter().chain(&plan.deletes).map(Vec::len).sum();
    if count > 0 && !settings.yes {
        or_stop(shutdown, confirm(&plan, count, settings)).await?;
    }
    let warnings = reading.warnings.clone();
    Ok(Work { command: "destroy", plan, dkron, reading, masker: Masker::default(), warnings })
}

/// Shows what would go and asks on the terminal.
async fn confirm(plan: &plan::Plan, count: usize, settings: &Settings) -> Result<(), Error> {
    let owner = settings.templates.owner();
    let refused = |asked| Error::NotConfirmed { owner: owner.clone(), count, asked };
    if settings.output == Output::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refused(false));
    }
    let masker = Masker::default();
    print(&Report::of_plan("plan", plan, &owner, &masker), settings.output)?;
    let question = format!("Delete these {count} jobs of {owner}? Type `yes`: ");
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

//! `destroy`: what a release owns goes, and nothing else.

use std::io::{self, IsTerminal, Write};

use crate::dkron::Role;
use crate::job::{Desired, Owner, Scope};
use crate::plan::Plan;
use crate::report::Report;
use crate::settings::{DestroySettings, Output, TargetSettings};
use crate::shutdown::Shutdown;
use crate::words::counted;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::TooNew;
use super::gather::{Sides, beside};
use super::{Ending, Error, Kind, or_stop, print};

pub(super) async fn run(settings: &DestroySettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let DestroySettings { target, yes } = settings;
    let dkron = dkron(&target.dkron)?;
    let reading = or_stop(shutdown, dkron.read(Role::Writer)).await?;
    let desired = Desired { scope: Scope::Nothing, ..Desired::default() };
    let sides = Sides::new(desired, dkron, reading, Vec::new());
    let work = Work::plan("destroy", sides, &target.policy, TooNew::Refuse, shutdown).await?;
    let doing = doing(&work.plan, &target.policy.owner);
    if let Some(doing) = doing.filter(|_| !yes) {
        or_stop(shutdown, confirm(&work, &doing, target)).await?;
    }
    carry_out(work, target, shutdown).await
}

/// What is to be confirmed, as it would be ordered; `None` if nothing would be written.
fn doing(plan: &Plan, owner: &Owner) -> Option<String> {
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
async fn confirm(work: &Work, doing: &str, target: &TargetSettings) -> Result<(), Error> {
    if target.output == Output::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::new(Kind::Refused, format!("this would {doing}"))
            .remedy("say `--yes` (JOBS_YES) if that is meant; nothing was deleted"));
    }
    print(&Report::of_plan("plan", &work.plan, &target.policy.owner, &work.masker), target.output)?;
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
        _ => Err(Error::new(Kind::Refused, "not confirmed; nothing was deleted")),
    }
}

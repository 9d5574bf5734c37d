//! `enable`: switches copies on at the cut-over.

use crate::dkron::Role;
use crate::job::{Desired, JobMap, Live, Origin, Scope, Wanted};
use crate::report::shown_url;
use crate::settings::EnableSettings;
use crate::shutdown::Shutdown;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::TooNew;
use super::gather::Sides;
use super::saved::{all_match, is_named};
use super::{Ending, Error, Kind, or_stop};

pub(super) async fn run(settings: &EnableSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let EnableSettings { target, only } = settings;
    if only.is_empty() {
        return Err(Error::new(Kind::Usage, "--only (JOBS_ONLY) is needed")
            .because("the jobs to switch on, by name or like `refresh-*`"));
    }
    let dkron = dkron(&target.dkron)?;
    let reading = or_stop(shutdown, dkron.read::<Live>(Role::Writer)).await?;
    let origin = Origin { file: shown_url(&dkron.url).into(), line: 0 };
    all_match(only, &reading.live.jobs.keys(), "--only")?;
    let jobs: JobMap<Wanted> = reading
        .live
        .jobs
        .iter()
        .filter(|(name, _)| is_named(only, name))
        .map(|(name, live)| {
            // What its own template switches off is not a copy that waits: the next apply would switch it off again.
            let off = live.job.stamp.as_ref().is_some_and(|stamp| stamp.disabled == Some(true));
            let job = live.job.with_disabled(live.job.disabled && off);
            (name.clone(), Wanted::as_is(job, origin.clone()))
        })
        .collect();
    let off = jobs.values().filter(|wanted| wanted.job.disabled);
    let off: Vec<_> = off.map(|wanted| format!("job `{}` stays off: its template says so", wanted.job.name)).collect();
    let desired = Desired { restored: jobs, scope: Scope::Part, overwrite: true, ..Desired::default() };
    let mut sides = Sides::new(desired, dkron, reading, Vec::new());
    sides.warnings.extend(off);
    let work = Work::plan("enable", sides, &target.policy, TooNew::Refuse, shutdown).await?;
    carry_out(work, target, shutdown).await
}

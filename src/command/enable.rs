//! `enable`: switches copies on at the cut-over.

use crate::dkron::Role;
use crate::job::{Desired, JobMap, Live, Origin, Scope, Wanted};
use crate::report::shown_url;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::telemetry;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::{TooNew, planned};
use super::gather::policy;
use super::saved::{all_match, is_named};
use super::{Ending, Error, or_stop, print_error};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let work = work(settings, shutdown).await.map_err(|error| print_error("enable", settings, error))?;
    carry_out(work, settings, shutdown).await
}

async fn work(settings: &Settings, shutdown: &Shutdown) -> Result<Work, Error> {
    if settings.source.only.is_empty() {
        return Err(Error::WhichJobs);
    }
    let dkron = dkron(&settings.dkron)?;
    let reading = or_stop(shutdown, async { Ok(dkron.read::<Live>(Role::Writer).await?) }).await?;
    let origin = Origin { file: shown_url(&dkron.url).into(), line: 0 };
    let only = &settings.source.only;
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
    let mut warnings = reading.warnings.clone();
    let off = jobs.values().filter(|wanted| wanted.job.disabled);
    warnings.extend(off.map(|wanted| format!("job `{}` stays off: its template says so", wanted.job.name)));
    let mut desired = Desired { restored: jobs, scope: Scope::Part, overwrite: true, ..Desired::default() };
    let policy = policy(settings);
    let (plan, left_out) = planned(&mut desired, &reading, &policy, TooNew::Refuse, shutdown).await?;
    Ok(Work { command: "enable", plan, dkron, reading, masker: telemetry::masker(), warnings, left_out })
}

//! `render`: templates to jobs on standard output, without Dkron.

use std::io::{self, Write};

use crate::job::{Desired, Job};
use crate::render::to_yaml;
use crate::report::Masker;
use crate::settings::{RenderFormat, RenderSettings};
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::words::counted;

use super::gather::{Prepared, gather};
use super::output::json;
use super::{Ending, Error, json_line, or_stop, write_out};

pub(super) async fn run(settings: &RenderSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let gathered = gather(&settings.templates)?;
    let (desired, _) = or_stop(shutdown, async { gathered.prepare(Prepared::jobs).await? }).await?;
    let masker = telemetry::masker();
    let jobs = shown(&desired, settings.show_secrets, &masker);
    let mut count = 0;
    let mut jobs = jobs.inspect(|_| count += 1);
    write_out(&mut io::stdout(), |out| match settings.format {
        RenderFormat::Ndjson => jobs.try_for_each(|job| json_line(out, &job)),
        RenderFormat::Json => array(out, jobs),
        RenderFormat::Yaml => jobs.map(|job| to_yaml(&job)).try_for_each(|text| out.write_all(text.as_bytes())),
    })?;
    Ok(Ending::done(format!("rendered {}", counted(count, "job"))))
}

/// The jobs as they are shown, in an order in which they can be posted.
fn shown(desired: &Desired, show_secrets: bool, masker: &Masker) -> impl Iterator<Item = Job> {
    desired.parents_first().into_iter().map(move |wanted| {
        if show_secrets { wanted.job.clone() } else { masker.job(&wanted.job, &wanted.secret_fields) }
    })
}

fn array(out: &mut dyn Write, jobs: impl Iterator<Item = Job>) -> io::Result<()> {
    let mut before = "[";
    for job in jobs {
        out.write_all(before.as_bytes())?;
        json(out, &job)?;
        before = ",";
    }
    out.write_all(if before == "[" { b"[]\n" } else { b"]\n" })
}

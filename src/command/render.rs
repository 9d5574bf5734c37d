//! `render`: templates to jobs on standard output, without Dkron.

use std::io;

use serde::Serialize;

use crate::exit::ExitCode;
use crate::job::{Desired, Job};
use crate::render::to_yaml;
use crate::report::{Masker, masked};
use crate::settings::{RenderFormat, Settings};
use crate::shutdown::Shutdown;

use super::{Ending, Error, gather, or_stop, write_out};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let gathered = gather(settings)?;
    let masker = gathered.masker.clone();
    let desired = or_stop(shutdown, gathered.fetch_and_render()).await?;
    let jobs = jobs(&desired, settings.show_secrets, &masker);
    let text = match settings.render_format {
        RenderFormat::Ndjson => {
            let lines = jobs.iter().map(json).collect::<Result<Vec<_>, _>>()?;
            lines.into_iter().map(|line| line + "\n").collect()
        }
        RenderFormat::Json => json(&jobs)? + "\n",
        RenderFormat::Yaml => to_yaml(&jobs),
    };
    write_out(&mut io::stdout(), text.as_bytes())?;
    Ok(Ending { exit: ExitCode::Done, last: format!("rendered {} jobs", jobs.len()) })
}

/// The jobs as they are shown, in an order in which they can be posted.
fn jobs(desired: &Desired, show_secrets: bool, masker: &Masker) -> Vec<Job> {
    let shown = |wanted: &crate::job::Wanted| {
        if show_secrets { wanted.job.clone() } else { masked(&wanted.job, &wanted.secret_fields, masker) }
    };
    desired.parents_first().into_iter().map(shown).collect()
}

fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Output(error.into()))
}

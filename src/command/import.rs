//! `import`: jobs to template files, so that an existing installation moves in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::disk;
use crate::dkron::Role;
use crate::exit::ExitCode;
use crate::import::{Given, Imported, import};
use crate::job::Live;
use crate::lint::SCHEDULE_INVALID;
use crate::report::shown_url;
use crate::settings::{Output, Settings};
use crate::shutdown::Shutdown;
use crate::words::counted;

use super::connect::dkron;
use super::saved::{self, Saved, pick};
use super::{Ending, Error, json_line, or_stop, write_out};

/// What `import` prints.
#[derive(Serialize)]
struct Done<'a> {
    command: &'static str,
    folder: String,
    jobs: usize,
    files: Vec<&'a str>,
    warnings: &'a [String],
}

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let given = &settings.templates;
    let (saved, source) = jobs(settings, shutdown).await?;
    let given = Given {
        source,
        namespace: given.namespace.clone(),
        release: given.release.clone(),
        cluster_domain: given.cluster_domain.clone(),
        name_prefix: given.name_prefix.clone(),
    };
    let jobs: Vec<_> = saved.jobs.values().map(|wanted| wanted.job.clone()).collect();
    let (count, owner) = (jobs.len(), settings.templates.owner());
    let mut warnings = saved.warnings;
    for wanted in saved.jobs.values() {
        if let Some(stamp) = wanted.job.stamp.as_ref().filter(|stamp| stamp.owner != owner) {
            let (name, other) = (&wanted.job.name, &stamp.owner);
            warnings.push(format!("job `{name}` is kept by {other}: its templates have it already"));
        }
    }
    let Imported { files, notes, needs_allowance } = import(jobs, &given)?;
    warnings.extend(notes);
    let to = &settings.import_to;
    let texts: BTreeMap<&Path, &str> =
        files.iter().map(|file| (Path::new(file.path.as_str()), file.text.as_str())).collect();
    disk::write_all(to, &texts, settings.policy.force)?;
    let done = Done {
        command: "import",
        folder: to.display().to_string(),
        jobs: count,
        files: files.iter().map(|file| file.path.as_str()).collect(),
        warnings: &warnings,
    };
    let last = format!("imported {} to {} in {}", counted(count, "job"), counted(files.len(), "file"), to.display());
    write_out(&mut io::stdout(), |out| match settings.output {
        Output::Json | Output::Sarif | Output::OpenMetrics => json_line(out, &done),
        Output::Text => {
            for file in &files {
                writeln!(out, "{}", to.join(&file.path).display())?;
            }
            for warning in &warnings {
                writeln!(out, "warning: {warning}")?;
            }
            let allow = if needs_allowance { format!(" --allow {}", SCHEDULE_INVALID.id) } else { String::new() };
            let to = to.display();
            writeln!(out, "{last}; `dkron-jobs plan --templates {to}{allow}` shows what they would change")
        }
    })?;
    Ok(Ending { exit: ExitCode::Done, last })
}

/// The jobs to import, and where they are from in words.
async fn jobs(settings: &Settings, shutdown: &Shutdown) -> Result<(Saved, String), Error> {
    if settings.source.path.is_some() {
        let saved = or_stop(shutdown, saved::read(settings, &settings.templates.namespace)).await?;
        let source = saved.source.clone();
        return Ok((saved, source));
    }
    let from = dkron(&settings.dkron)?;
    let reading = or_stop(shutdown, async { Ok(from.read::<Live>(Role::Reader).await?) }).await?;
    let place = shown_url(&from.url);
    let mut saved = Saved::of_live(reading.live, reading.warnings, &place);
    if saved.jobs.is_empty() {
        return Err(Error::NoLiveJobs { url: place });
    }
    pick(&mut saved.jobs, &settings.source.only, "--only")?;
    Ok((saved, format!("the Dkron at {place}")))
}

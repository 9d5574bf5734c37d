//! `import`: jobs to template files, so that an existing installation moves in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::disk;
use crate::dkron::Role;
use crate::import::{Given, Imported, import};
use crate::job::Live;
use crate::lint::SCHEDULE_INVALID;
use crate::report::shown_url;
use crate::settings::{ImportSettings, Output, ReleaseSettings};
use crate::shutdown::Shutdown;
use crate::words::counted;

use super::connect;
use super::saved::{self, Saved, pick};
use super::{Ending, Error, Kind, json_line, or_stop, write_out};

/// What `import` prints.
#[derive(Serialize)]
struct Done<'a> {
    command: &'static str,
    folder: String,
    jobs: usize,
    files: Vec<&'a str>,
    warnings: &'a [String],
}

pub(super) async fn run(settings: &ImportSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let saved = jobs(settings, shutdown).await?;
    let owner = settings.release.owner();
    let ReleaseSettings { namespace, release, cluster_domain, name_prefix } = settings.release.clone();
    let given = Given { source: saved.source, namespace, release, cluster_domain, name_prefix };
    let jobs: Vec<_> = saved.jobs.values().map(|wanted| wanted.job.clone()).collect();
    let count = jobs.len();
    let mut warnings = saved.warnings;
    for wanted in saved.jobs.values() {
        if let Some(stamp) = wanted.job.stamp.as_ref().filter(|stamp| stamp.owner != owner) {
            let (name, other) = (&wanted.job.name, &stamp.owner);
            warnings.push(format!("job `{name}` is kept by {other}: its templates have it already"));
        }
    }
    let Imported { files, notes, needs_allowance } =
        import(jobs, &given).map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
    warnings.extend(notes);
    let to = &settings.to;
    let texts: BTreeMap<&Path, &str> =
        files.iter().map(|file| (Path::new(file.path.as_str()), file.text.as_str())).collect();
    disk::write_all(to, &texts, settings.force)?;
    let done = Done {
        command: "import",
        folder: to.display().to_string(),
        jobs: count,
        files: files.iter().map(|file| file.path.as_str()).collect(),
        warnings: &warnings,
    };
    let last = format!("imported {} to {} in {}", counted(count, "job"), counted(files.len(), "file"), to.display());
    write_out(&mut io::stdout(), |out| match settings.output {
        Output::Json => json_line(out, &done),
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
    Ok(Ending::done(last))
}

/// The jobs to import.
async fn jobs(settings: &ImportSettings, shutdown: &Shutdown) -> Result<Saved, Error> {
    let ImportSettings { dkron, source, only, release, .. } = settings;
    let mut saved = if source.path.is_some() {
        or_stop(shutdown, saved::read(source, &release.namespace)).await?
    } else {
        let from = connect::dkron(dkron)?;
        let reading = or_stop(shutdown, from.read::<Live>(Role::Reader)).await?;
        let place = shown_url(&from.url);
        if reading.live.jobs.is_empty() {
            return Err(Error::new(Kind::Failed, format!("{place} holds no job"))
                .remedy("correct `--dkron-url`, or name a file or folder of jobs"));
        }
        let saved = Saved::of_live(reading.live, reading.warnings, &place);
        Saved { source: format!("the Dkron at {place}"), ..saved }
    };
    pick(&mut saved.jobs, only)?;
    Ok(saved)
}

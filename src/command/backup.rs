//! `backup`: all jobs of Dkron to a file or object.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use tracing::{info, warn};

use crate::dkron::{Dkron, Reading, Role};
use crate::exit::ExitCode;
use crate::report;
use crate::settings::{BackupSettings, Output, ReleaseSettings, SaveSettings};
use crate::shutdown::Shutdown;
use crate::snapshot::{Lines, Manifest, expired, shrinks};
use crate::store::{Saved, Store};
use crate::words::counted;

use super::saved::the_store;
use super::{Ending, Error, Kind, connect, json_line, or_stop, write_out};

/// What `backup` prints.
#[derive(Serialize)]
struct Done<'a> {
    command: &'static str,
    place: &'a str,
    file: &'a str,
    manifest: &'a Manifest,
    removed: &'a [String],
    warnings: &'a [String],
}

pub(super) async fn run(settings: &BackupSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    match backup(settings, shutdown).await {
        Err(error) if settings.best_effort && !matches!(error.kind(), Kind::Stopped(_) | Kind::Output(_)) => {
            let last = format!("no backup was made, which is no failure here (`--best-effort`): {error}");
            warn!("{last}");
            Ok(Ending::done(last))
        }
        result => result,
    }
}

async fn backup(settings: &BackupSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let store = &the_store(&settings.store)?;
    let dkron = &connect::dkron(&settings.dkron)?;
    let save = async {
        let Reading { live: lines, warnings, version, .. } = dkron.read::<Lines>(Role::Observer).await?;
        let saved = write(store, &lines, dkron, version.as_deref(), &settings.save).await?;
        Ok((saved, lines.len(), warnings))
    };
    let (Saved { file, manifest }, jobs, mut warnings) = or_stop(shutdown, save).await?;
    let last = format!("saved {} in {}, {file}", counted(jobs, "job"), store.shown());
    let mut removed = Vec::new();
    let rotated = or_stop(shutdown, rotate(store, settings, &mut removed, &mut warnings)).await;
    // The backup is there; that old ones are too harms nobody.
    let exit = match rotated {
        Ok(()) => ExitCode::Done,
        Err(error) => {
            let (exit, why) = match error.kind() {
                Kind::Stopped(signal) => (signal.exit_code(), format!("stopped by {}", signal.name())),
                _ => (ExitCode::Done, error.to_string()),
            };
            let warning = format!("old backups were not all removed: {why}");
            warn!("{warning}");
            warnings.push(warning);
            exit
        }
    };
    let done = Done {
        command: "backup",
        place: store.shown(),
        file: &file,
        manifest: &manifest,
        removed: &removed,
        warnings: &warnings,
    };
    write_out(&mut io::stdout(), |out| match settings.output {
        Output::Json => json_line(out, &done),
        Output::Text => {
            for warning in &warnings {
                writeln!(out, "warning: {warning}")?;
            }
            let gone = if removed.is_empty() { String::new() } else { format!("; removed {}", removed.join(", ")) };
            writeln!(out, "{last} ({} bytes){gone}", manifest.size)
        }
    })?;
    Ok(Ending { exit, last })
}

/// Removes the backups that are not to be kept. One that cannot be is told, and the others go all the same.
async fn rotate(
    store: &Store,
    settings: &BackupSettings,
    removed: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let Some(keep) = settings.keep else { return Ok(()) };
    for file in expired(&store.listing().await?, &settings.save.release.namespace, keep, Timestamp::now()) {
        match store.remove(&file).await {
            Ok(()) => removed.push(file),
            Err(error) => {
                warn!("{error}");
                warnings.push(error.to_string());
            }
        }
    }
    Ok(())
}

/// Saves what Dkron holds now.
pub(super) async fn save(store: &Store, dkron: &Dkron, settings: &SaveSettings) -> Result<Saved, Error> {
    let reading = dkron.read::<Lines>(Role::Reader).await?;
    write(store, &reading.live, dkron, reading.version.as_deref(), settings).await
}

async fn write(
    store: &Store,
    lines: &Lines,
    dkron: &Dkron,
    version: Option<&str>,
    settings: &SaveSettings,
) -> Result<Saved, Error> {
    let ReleaseSettings { namespace, release, .. } = &settings.release;
    let listing = store.listing().await?;
    if !settings.force {
        shrinks(lines.len() as u64, listing.newest_good(Some(namespace)))?;
    }
    let now = Timestamp::now();
    let source = report::shown_url(&dkron.url);
    let manifest = Manifest::new(now, namespace, release, &source, version, lines.len() as u64);
    let saved = store.save(manifest, settings.packing, lines.parents_first(), now).await?;
    info!(file = saved.file, jobs = saved.manifest.count, place = store.shown(), "saved");
    Ok(saved)
}

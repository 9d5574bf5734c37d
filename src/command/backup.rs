//! `backup`: all jobs of Dkron to a file or object; `backup list` and `backup verify`.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use tracing::{info, warn};

use crate::dkron::{Dkron, Reading, Role};
use crate::exit::ExitCode;
use crate::job::printable;
use crate::report;
use crate::settings::{BackupSettings, BackupsSettings, Output, ReleaseSettings, SaveSettings};
use crate::shutdown::Shutdown;
use crate::snapshot::{Entry, Fault, Lines, Manifest, expired, shrinks};
use crate::store::{Saved, Store};
use crate::words::counted;

use super::saved::{self, the_store};
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
        Ok::<_, Error>((saved, lines.len(), warnings))
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
        shrinks(lines.len() as u64, listing.newest_good(Some(namespace)))
            .map_err(|error| Error::new(Kind::Refused, error.to_string()))?;
    }
    let now = Timestamp::now();
    let source = report::shown_url(&dkron.url);
    let manifest = Manifest::new(now, namespace, release, &source, version, lines.len() as u64);
    let saved = store.save(manifest, settings.packing, lines.parents_first(), now).await?;
    info!(file = saved.file, jobs = saved.manifest.count, place = store.shown(), "saved");
    Ok(saved)
}

/// One backup as `backup list` and `backup verify` show it.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct Kept<'a> {
    command: &'static str,
    place: &'a str,
    backups: Vec<Shown<'a>>,
}

pub(super) async fn list(settings: &BackupsSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let store = the_store(&settings.store)?;
    let listing = or_stop(shutdown, store.listing()).await?;
    let shown = listing.entries.iter().map(|entry| shown(entry, entry.fault.as_ref())).collect();
    show("backup list", &store, shown, settings.output).map(|(ending, _)| ending)
}

pub(super) async fn verify(settings: &BackupsSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let store = the_store(&settings.store)?;
    let listing = or_stop(shutdown, store.listing()).await?;
    let mut checked = Vec::new();
    for entry in &listing.entries {
        let fault = or_stop(shutdown, saved::check(&store, entry)).await?;
        checked.push(shown(entry, fault.as_ref()));
    }
    let (ending, good) = show("backup verify", &store, checked, settings.output)?;
    Ok(if good { ending } else { Ending { exit: ExitCode::Failed, ..ending } })
}

fn shown<'a>(entry: &'a Entry, fault: Option<&Fault>) -> Shown<'a> {
    let manifest = entry.manifest.as_ref();
    Shown {
        file: &entry.file,
        time: entry.time(),
        namespace: manifest.map(|manifest| manifest.namespace.as_str()),
        release: manifest.map(|manifest| manifest.release.as_str()),
        count: manifest.map(|manifest| manifest.count),
        size: entry.size,
        good: fault.is_none(),
        why: fault.map(ToString::to_string),
    }
}

/// Shows backups, and tells whether all are good.
fn show(
    command: &'static str,
    store: &Store,
    backups: Vec<Shown<'_>>,
    output: Output,
) -> Result<(Ending, bool), Error> {
    let good = backups.iter().filter(|backup| backup.good).count();
    let last = format!("{}: {}, {good} good", store.shown(), counted(backups.len(), "backup"));
    let all = good == backups.len();
    write_out(&mut io::stdout(), |out| match output {
        Output::Json => json_line(out, &Kept { command, place: store.shown(), backups }),
        Output::Text => {
            table(out, &backups)?;
            writeln!(out, "{last}")
        }
    })?;
    Ok((Ending::done(last), all))
}

/// Two lines for each, of which the first is a table: a file's name takes half a terminal.
fn table(out: &mut dyn Write, backups: &[Shown<'_>]) -> io::Result<()> {
    if backups.is_empty() {
        return Ok(());
    }
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    writeln!(out, "{:24}  {:>6}  {:>10}  {:8}  RELEASE", "TIME", "JOBS", "BYTES", "STATE")?;
    for backup in backups {
        let (jobs, bytes) = (number(backup.count), number(backup.size));
        let time = backup.time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let state = if backup.good { "good" } else { "not good" };
        // A manifest is a file like any other: what it says must not steer a terminal.
        let owner = match (backup.namespace, backup.release) {
            (Some(namespace), Some(release)) => printable(&format!("{namespace}/{release}")).into_owned(),
            _ => "?".to_owned(),
        };
        writeln!(out, "{time:24}  {jobs:>6}  {bytes:>10}  {state:8}  {owner}")?;
        writeln!(out, "    {}", backup.file)?;
        if let Some(why) = &backup.why {
            writeln!(out, "    {}", printable(why))?;
        }
    }
    writeln!(out)
}

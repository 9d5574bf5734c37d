//! `backup list` and `backup verify`: which backups there are, and whether they are good.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::exit::ExitCode;
use crate::job::printable;
use crate::settings::{BackupsSettings, Output};
use crate::shutdown::Shutdown;
use crate::snapshot::{Entry, Fault};
use crate::store::Store;
use crate::words::counted;

use super::saved::{self, the_store};
use super::{Ending, Error, json_line, or_stop, write_out};

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
    let listing = or_stop(shutdown, async { Ok(store.listing().await?) }).await?;
    let shown = listing.entries.iter().map(|entry| shown(entry, entry.fault.as_ref())).collect();
    show("backup list", &store, shown, settings.output).map(|(ending, _)| ending)
}

pub(super) async fn verify(settings: &BackupsSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let store = the_store(&settings.store)?;
    let listing = or_stop(shutdown, async { Ok(store.listing().await?) }).await?;
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

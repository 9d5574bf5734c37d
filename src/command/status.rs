//! `status`: how jobs and the caches that they refresh are doing, once or again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;
use jiff::Timestamp;
use terminal_size::{Height, Width, terminal_size};
use tracing::warn;

use crate::cache;
use crate::dkron::{Reading, Role};
use crate::exit::ExitCode;
use crate::job::Live;
use crate::plan::{self, Change, Plan};
use crate::render::Problems;
use crate::report::{Masker, shown_url};
use crate::settings::{DEFAULT_TEMPLATES, StatusOutput, StatusSettings, TemplateSettings};
use crate::shutdown::Shutdown;
use crate::status::{Look, Screen, Status, write_down};
use crate::telemetry;

use super::connect::dkron;
use super::gather::{Prepared, gather};
use super::saved::{all_match, is_named};
use super::{Ending, Error, Kind, TERMINATION_LIMIT, done_or_stop, json_line, or_stop, unless_gone, write_on};

/// How many failed jobs are asked for their output; the newest failures say most.
const OUTPUTS: usize = 20;
/// The width of tables that go to a file or a pipe, in characters.
const PIPE_WIDTH: usize = 120;

pub(super) async fn run(settings: &StatusSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let Some(interval) = settings.watch else {
        let status = look(settings, shutdown).await?;
        unless_gone(print(&status, settings.output, false))?;
        let exit = if status.is_failing() { ExitCode::Failing } else { ExitCode::Done };
        return Ok(Ending { exit, last: status.brief(TERMINATION_LIMIT) });
    };
    if is_drawn(settings) {
        telemetry::say(&format!("looking at Dkron at {}\n", shown_url(&settings.dkron.url)));
    }
    let mut last = String::new();
    let mut given = settings.clone();
    loop {
        let printed = match look(&given, shutdown).await {
            Ok(status) => {
                // What was there and is away is told of soon: nobody should take an old status for a new one.
                let network = &mut given.dkron.network;
                network.wait_timeout = network.wait_timeout.min(network.request_timeout);
                given.templates.network = network.clone();
                last = status.brief(TERMINATION_LIMIT);
                print(&status, settings.output, true)
            }
            Err(error) => match error.kind() {
                Kind::Stopped(signal) => return Ok(Ending { exit: signal.exit_code(), last }),
                // It may be back when it is looked at again. Whatever else is wrong stays so.
                Kind::NoDkron(_) => {
                    error.say(settings.log_format);
                    print_errors(settings, error.each(), &telemetry::masker())
                }
                _ => return Err(error),
            },
        };
        if printed.is_err() {
            return unless_gone(printed).map(|()| Ending::done(last));
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            signal = shutdown.stopping() => return Ok(Ending { exit: signal.exit_code(), last }),
        }
    }
}

/// Whether what is seen is drawn over and over again on one terminal.
pub(super) fn is_drawn(settings: &StatusSettings) -> bool {
    settings.watch.is_some()
        && settings.output == StatusOutput::Text
        && io::stdout().is_terminal()
        && io::stderr().is_terminal()
}

/// An error is a status too, where no people read. That the reader has gone away is an error.
pub(super) fn print_errors(settings: &StatusSettings, errors: Vec<String>, masker: &Masker) -> Result<(), Error> {
    if settings.output == StatusOutput::Text {
        return Ok(());
    }
    let (owner, dkron) = (&settings.policy.owner, shown_url(&settings.dkron.url));
    print(&Status::of_errors(owner.as_str(), &dkron, errors, masker), settings.output, false)
}

/// Looks once.
async fn look(settings: &StatusSettings, shutdown: &Shutdown) -> Result<Status, Error> {
    let StatusSettings { policy, templates, .. } = settings;
    let dkron = dkron(&settings.dkron)?;
    let alone = *templates.folders == [PathBuf::from(DEFAULT_TEMPLATES)] && !Path::new(DEFAULT_TEMPLATES).exists();
    let gathered = if alone { gather(&without_templates(templates)) } else { gather(templates) }?;
    let rendered = Box::pin(async {
        let jobs = |Prepared { rendered, caches, warnings }: Prepared| {
            Problems::check(rendered.problems)?;
            Ok::<_, Error>((rendered.desired, caches, warnings))
        };
        gathered.prepare(jobs).await?
    });
    let read = Box::pin(async {
        let mut reading = dkron.read::<Live>(Role::Observer).await?;
        reading.look_for_ailments().await;
        let nodes = reading.health(&dkron).await;
        Ok((reading, nodes))
    });
    let ((desired, caches, mut warnings), (reading, nodes)) =
        or_stop(shutdown, async { tokio::try_join!(rendered, read) }).await?;
    warnings.extend(reading.warnings.iter().cloned());
    let mut ours = Vec::new();
    let plan = if alone {
        ours.push(format!(
            "drift is not known: there is no folder `{DEFAULT_TEMPLATES}`, and `--templates` names none"
        ));
        None
    } else {
        let plan = plan::plan(&desired, &reading.live, policy);
        plan.map_err(|error| ours.push(format!("drift is not known: {error}"))).ok()
    };
    let only = only(&settings.only, &reading.live, plan.as_ref())?;
    let seen = runs(&reading, only.as_ref(), &mut ours);
    let (running, outputs) = done_or_stop(shutdown, seen).await?;
    let url = shown_url(&dkron.url);
    let now = reading.now.unwrap_or_else(|| {
        ours.push("Dkron did not say what time it is: ages are by the clock of this machine".to_owned());
        Timestamp::now()
    });
    if settings.output == StatusOutput::OpenMetrics {
        // Metrics have no place for words.
        for warning in &ours {
            warn!("{warning}");
        }
    }
    warnings.extend(ours);
    let look = Look {
        owner: policy.owner.as_str(),
        dkron: (&url, reading.version.as_deref()),
        now,
        live: &reading.live,
        scheduler_runs: reading.scheduler_runs(),
        nodes: &nodes,
        running: &running,
        outputs: &outputs,
        plan: plan.as_ref(),
        caches: caches.as_ref(),
        key: &settings.cache_key,
        only: only.as_ref(),
    };
    Ok(Status::new(&look, warnings, &telemetry::masker()))
}

/// The same settings without a folder of templates; tables that are named count still.
fn without_templates(settings: &TemplateSettings) -> TemplateSettings {
    let mut given = settings.clone();
    given.folders.clear();
    given.data.retain(|table, _| table == cache::TABLE);
    given
}

/// The jobs that were asked for; `None` for all.
fn only(only: &[Pattern], live: &Live, plan: Option<&Plan>) -> Result<Option<BTreeSet<Arc<str>>>, Error> {
    if only.is_empty() {
        return Ok(None);
    }
    let created = plan.iter().flat_map(|plan| &plan.items).filter(|item| matches!(item.change, Change::Create { .. }));
    let names = created.map(|item| &item.name).chain(live.jobs.keys());
    all_match(only, &names, "--only")?;
    Ok(Some(names.filter(|name| is_named(only, name)).cloned().collect()))
}

/// The runs in flight, and what the newest failed ones left as output. What cannot be told is a warning.
async fn runs(
    reading: &Reading,
    only: Option<&BTreeSet<Arc<str>>>,
    warnings: &mut Vec<String>,
) -> (BTreeMap<String, Timestamp>, BTreeMap<Arc<str>, String>) {
    let running = reading.running().await.unwrap_or_else(|failure| {
        warnings.push(format!("what is running could not be told: {failure}"));
        BTreeMap::new()
    });
    let mut failed: Vec<_> = reading
        .live
        .jobs
        .iter()
        .filter(|(name, live)| live.history.failed_last() && only.is_none_or(|only| only.contains(*name)))
        .map(|(name, live)| (live.history.last_error, name))
        .collect();
    failed.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    if failed.len() > OUTPUTS {
        warnings.push(format!(
            "{} jobs failed last; only the {OUTPUTS} that failed last of all were asked for their output (`--only` asks for others)",
            failed.len()
        ));
    }
    let mut outputs = BTreeMap::new();
    let asked = failed.iter().take(OUTPUTS).map(|(_, name)| *name);
    if let Err(failure) = reading.outputs_of_failures(asked, &mut outputs).await {
        warnings.push(format!("what failed runs left as output could not be told: {failure}"));
    }
    (running, outputs)
}

/// Prints a status on standard output. That the reader has gone away is an error.
fn print(status: &Status, output: StatusOutput, again: bool) -> Result<(), Error> {
    match output {
        StatusOutput::Text => {
            let terminal = terminal_size().filter(|_| io::stdout().is_terminal());
            let (width, height) = terminal.map_or((PIPE_WIDTH, None), |(Width(width), Height(height))| {
                (width.into(), again.then_some(usize::from(height)))
            });
            let screen = Screen { width, height };
            if again && terminal.is_some() {
                return redraw(status, screen);
            }
            write_on(&mut anstream::stdout(), |out| {
                status.write_text(out, screen)?;
                if again { writeln!(out) } else { Ok(()) }
            })
        }
        StatusOutput::Json => write_on(&mut io::stdout(), |out| json_line(out, status)),
        StatusOutput::OpenMetrics => write_on(&mut io::stdout(), |out| write_down(status, out)),
    }
}

/// Draws a status over the one before it, line by line: nothing is seen to go and come again. Without colour the cursor is moved all
/// the same.
fn redraw(status: &Status, screen: Screen) -> Result<(), Error> {
    const HOME: &[u8] = b"\x1b[H";
    const CLEAR_LINE: &[u8] = b"\x1b[K\n";
    const CLEAR_BELOW: &[u8] = b"\x1b[J";
    let mut drawn = Vec::new();
    let choice = anstream::AutoStream::choice(&io::stdout());
    status.write_text(&mut anstream::AutoStream::new(&mut drawn, choice), screen).map_err(Error::output)?;
    write_on(&mut io::stdout(), |out| {
        out.write_all(HOME)?;
        for line in drawn.split_inclusive(|byte| *byte == b'\n') {
            out.write_all(line.strip_suffix(b"\n").unwrap_or(line))?;
            out.write_all(CLEAR_LINE)?;
        }
        out.write_all(CLEAR_BELOW)
    })
}

//! `check`: whether Dkron can be trusted, holds what it should and runs it, and, when asked, whether jobs succeed. `helm test`
//! runs it.
//!
//! Of a family of jobs that are all to be run only the first is: Dkron runs a child when its parent has succeeded, and so each of
//! them once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::info;

use crate::dkron::{Before, Ran, Reading, Role, RunError, Runner};
use crate::exit::ExitCode;
use crate::job::{Desired, Live, printable};
use crate::plan::{self, Plan};
use crate::report::{Report, RunReport};
use crate::settings::{CheckSettings, RunSettings};
use crate::shutdown::Shutdown;

use super::gather::{Sides, sides};
use super::saved::{all_match, is_named};
use super::{Ending, Error, TERMINATION_LIMIT, done_or_stop, print};

/// How much of a failing job's output is shown, in lines.
const OUTPUT_LINES: usize = 5;
/// How many runs are under way at once: each is work for what it calls, and all of them at once are not what is to be tested.
const RUNS_AT_ONCE: usize = 4;

pub(super) async fn run(settings: &CheckSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let CheckSettings { target, wanted, run } = settings;
    let sides = sides(&target.dkron, wanted, Role::Checker, shutdown, |prepared, _| Ok((prepared.jobs()?, ()))).await;
    let (Sides { desired, reading, dkron, masker, warnings }, ()) = sides.map_err(Error::without_scheduler)?;
    let plan = plan::plan(&desired, &reading.live, &target.policy)?;
    let mut report = Report::of_plan("check", &plan, &target.policy.owner, &masker);
    report.add_warnings(warnings);
    let ailing = ailing(&plan);
    let unhealthy = done_or_stop(shutdown, reading.health(&dkron)).await?;
    let unhealthy = unhealthy.iter().filter(|(_, issues)| !issues.is_empty()).map(|(node, issues)| {
        format!(
            "node `{node}` is unhealthy: {}; restart it, since jobs that need it fail until then",
            issues.join(", ")
        )
    });
    let ailing: Vec<_> = ailing.into_iter().chain(unhealthy).collect();
    let mut failing = !ailing.is_empty();
    report.add_errors(ailing);
    let turns = turns(&desired, &reading.live, run)?;
    // What Dkron does not hold as it should is not worth a run.
    if !failing && !report.has_changes() {
        let limit = target.dkron.network.wait_timeout;
        let runs = done_or_stop(shutdown, all(&turns, &reading, limit)).await?;
        let errors: Vec<_> = runs.iter().filter_map(error).collect();
        failing = !errors.is_empty();
        report.add_runs(runs);
        report.add_errors(errors);
    } else if !turns.is_empty() {
        let why = "no job was run: Dkron does not hold and run what the templates say".to_owned();
        report.add_warnings([why]);
    }
    print(&report, target.output)?;
    let differs = plan.items.iter().any(|item| item.change.is_write() && !item.only_heals());
    let exit = match (differs, failing) {
        (true, _) => ExitCode::Changes,
        (false, true) => ExitCode::Failing,
        (false, false) => ExitCode::Done,
    };
    Ok(Ending { exit, last: report.brief(TERMINATION_LIMIT) })
}

/// The jobs of this release that Dkron does not run as they are stored, each as an error.
fn ailing(plan: &Plan) -> Vec<String> {
    let ails =
        |item: &plan::Item| Some(format!("job `{}` does not run as it is stored: {}", item.name, item.ailment()?));
    plan.items.iter().filter_map(ails).collect()
}

/// What is done about a job that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// It is run.
    Run,
    /// Dkron runs it after this one, which is run too.
    After(Arc<str>),
    /// It is not run, since it is switched off; whether it was asked for by its name.
    Off { named: bool },
}

/// Chooses the jobs to run.
fn turns(desired: &Desired, live: &Live, settings: &RunSettings) -> Result<BTreeMap<Arc<str>, Turn>, Error> {
    let is_off = |name: &str| live.jobs.get(name).is_none_or(|live| live.job.disabled);
    let mut chosen: BTreeSet<Arc<str>> = BTreeSet::new();
    if !settings.jobs.is_empty() {
        all_match(&settings.jobs, &desired.jobs.keys(), "--run")?;
        chosen.extend(desired.jobs.keys().filter(|name| is_named(&settings.jobs, name)).cloned());
    }
    if settings.one_per_template {
        let mut documents: BTreeMap<_, Vec<&Arc<str>>> = BTreeMap::new();
        for (name, wanted) in &desired.jobs {
            documents.entry(&wanted.origin).or_default().push(name);
        }
        let first = |names: Vec<&Arc<str>>| names.iter().find(|name| !is_off(name)).or(names.first()).copied().cloned();
        chosen.extend(documents.into_values().filter_map(first));
    }
    if settings.all {
        chosen.extend(desired.jobs.keys().cloned());
    }
    let named = |name: &str| settings.jobs.iter().any(|pattern| pattern.as_str() == name);
    let parent = |name: &str| live.jobs.get(name).and_then(|live| live.job.parent());
    let turn = |name: &Arc<str>| match parent(name).and_then(|parent| chosen.get(parent)) {
        _ if is_off(name) => Turn::Off { named: named(name) },
        Some(parent) if !is_off(parent) => Turn::After(parent.clone()),
        _ => Turn::Run,
    };
    Ok(chosen.iter().map(|name| (name.clone(), turn(name))).collect())
}

/// Runs what was chosen, a few at a time, and tells by name what came of it.
async fn all(turns: &BTreeMap<Arc<str>, Turn>, reading: &Reading, limit: Duration) -> Vec<RunReport> {
    let runner = reading.runner(limit);
    let mut runs: Vec<_> = turns
        .iter()
        .filter_map(|(name, turn)| match turn {
            Turn::Off { named } => Some(RunReport {
                note: Some("not run: it is switched off".to_owned()),
                failed: *named,
                ..RunReport::of(name)
            }),
            Turn::Run | Turn::After(_) => None,
        })
        .collect();
    let mut children: BTreeMap<&str, Vec<&Arc<str>>> = BTreeMap::new();
    for (name, turn) in turns {
        if let Turn::After(parent) = turn {
            children.entry(parent).or_default().push(name);
        }
    }
    let first = turns.iter().filter(|(_, turn)| **turn == Turn::Run).map(|(name, _)| name);
    let families: Vec<Vec<RunReport>> = stream::iter(first)
        .map(|name| family(name, &children, reading, &runner))
        .buffer_unordered(RUNS_AT_ONCE)
        .collect()
        .await;
    runs.extend(families.into_iter().flatten());
    runs.sort_by(|a, b| a.job.cmp(&b.job));
    runs
}

/// Runs one job, and waits for those that Dkron runs after it.
async fn family(
    first: &Arc<str>,
    children: &BTreeMap<&str, Vec<&Arc<str>>>,
    reading: &Reading,
    runner: &Runner<'_>,
) -> Vec<RunReport> {
    // Each with the place of its parent among the members, the first of which is nobody's child.
    let mut waiting: Vec<(usize, &Arc<str>, Result<Before, RunError>)> = Vec::new();
    let mut parent = first;
    for at in 0.. {
        for child in children.get(&**parent).into_iter().flatten() {
            waiting.push((at, child, runner.before(child).await));
        }
        let Some((_, next, _)) = waiting.get(at) else { break };
        parent = next;
    }
    let retries = |name: &str| reading.live.jobs.get(name).map_or(0, |live| live.job.retries);
    let mut runs = vec![told(first, runner.run(first, retries(first)).await)];
    for (parent, child, before) in waiting {
        let parent = &runs[parent];
        let run = match before {
            _ if parent.success != Some(true) => RunReport {
                note: Some(format!("not run: its parent `{}` did not succeed", parent.job)),
                ..RunReport::of(child)
            },
            Ok(before) => told(child, runner.wait(child, retries(child), &before).await),
            Err(error) => told(child, Err(error)),
        };
        runs.push(run);
    }
    runs
}

/// What came of one run.
fn told(job: &str, ran: Result<Ran, RunError>) -> RunReport {
    match ran {
        Ok(ran) => {
            info!(job, success = ran.success, took_ms = ran.took.as_millis(), "ran");
            let lines: Vec<_> = ran.output.lines().take(OUTPUT_LINES).map(printable).collect();
            RunReport {
                success: Some(ran.success),
                duration_ms: u64::try_from(ran.took.as_millis()).ok(),
                output: lines.join("\n"),
                failed: !ran.success,
                ..RunReport::of(job)
            }
        }
        Err(error) => RunReport { note: Some(error.to_string()), failed: true, ..RunReport::of(job) },
    }
}

/// What is wrong with a run, if something is.
fn error(run: &RunReport) -> Option<String> {
    let name = &run.job;
    match (&run.note, run.duration_ms) {
        _ if !run.failed => None,
        (Some(note), _) => Some(format!("job `{name}`: {note}")),
        (None, took) => {
            let output = if run.output.is_empty() { "it left no output" } else { &run.output };
            let took = took.unwrap_or_default();
            Some(format!("job `{name}` failed after {took} ms: {}", output.lines().collect::<Vec<_>>().join(" | ")))
        }
    }
}

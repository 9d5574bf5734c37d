//! `clone`: the jobs of one namespace, made to be another's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::dkron::{Dkron, Role};
use crate::job::{Desired, Job, Live, Wanted, printable};
use crate::plan::{Change, Item, Plan, Reason};
use crate::report::{Outcome, Report, shown_url};
use crate::rewrite::{Leftover, Move, rewrite};
use crate::settings::{CloneSettings, DkronSettings, Output, TargetSettings};
use crate::shutdown::Shutdown;
use crate::store::{is_store, write_new};
use crate::telemetry;
use crate::words::counted;

use super::carry_out::{Work, carry_out};
use super::connect::dkron;
use super::gate::TooNew;
use super::restore::bring_back;
use super::saved::{self, Saved, pick};
use super::{Ending, Error, Kind, or_stop, print, write_out};

pub(super) async fn run(settings: &CloneSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let target = &settings.target;
    let copies = copies(settings, shutdown).await?;
    if let Some(file) = &settings.to_file {
        return to_file(copies, file, target);
    }
    let mut work = bring_back("clone", copies, settings.overwrite, TooNew::Refuse, target, shutdown).await?;
    let taken = names_taken(&work, &settings.to);
    work.warnings.extend(taken);
    carry_out(work, target, shutdown).await
}

/// What is to be said where copies are not written because jobs of another namespace, such as the originals, have their names.
fn names_taken(work: &Work, namespace: &str) -> Option<String> {
    let theirs = |item: &&Item| {
        let stamp = work.reading.live.jobs.get(&item.name).and_then(|live| live.job.stamp.as_ref());
        item.reasons.contains(&Reason::LeftAsItIs) && stamp.is_some_and(|stamp| stamp.owner.namespace() != namespace)
    };
    let first = work.plan.items.iter().find(theirs)?;
    let count = work.plan.items.iter().filter(theirs).count();
    Some(format!(
        "{} not copied: jobs of another namespace have these names there (`{}`, …); `--name-prefix` gives the copies names of their own",
        counted(count, "job"),
        first.name
    ))
}

/// Reads the originals and rewrites them.
async fn copies(settings: &CloneSettings, shutdown: &Shutdown) -> Result<Saved, Error> {
    let CloneSettings { target, source, only, from_url, from, .. } = settings;
    if from.is_empty() {
        return Err(Error::new(Kind::Usage, "--from-namespace (JOBS_FROM_NAMESPACE) is needed")
            .because("the namespace that the jobs come from"));
    }
    let with = Move {
        from: from.clone(),
        to: settings.to.clone(),
        name_prefix: settings.name_prefix.clone(),
        disabled: settings.disabled,
    };
    if let (Some(file), Some(_)) = (&source.path, from_url) {
        return Err(Error::new(Kind::Usage, format!("{} and --from-url (JOBS_FROM_URL)", file.display()))
            .because("jobs can be cloned from one of them only")
            .remedy("leave the other out"));
    }
    // A backup says itself whose it is.
    let may_be_misspelt = from_url.is_some() || source.path.as_deref().is_some_and(|path| !is_store(path));
    let mut saved = match from_url {
        Some(url) => {
            let original = dkron(&DkronSettings { url: url.clone(), ..target.dkron.clone() })?;
            or_stop(shutdown, live(&original)).await?
        }
        None => or_stop(shutdown, saved::read(source, from)).await?,
    };
    pick(&mut saved.jobs, only)?;
    let (jobs, origins): (Vec<_>, Vec<_>) =
        std::mem::take(&mut saved.jobs).into_iter().map(|(_, wanted)| (wanted.job, wanted.origin)).unzip();
    let rewritten = rewrite(jobs, &with).map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
    let mentioned = rewritten.places > 0 || !rewritten.leftovers.is_empty();
    if may_be_misspelt && !mentioned && with.from != with.to && !rewritten.jobs.is_empty() {
        let Saved { source, .. } = saved;
        return Err(Error::new(
            Kind::Usage,
            format!("no job of {source} calls into namespace `{from}` or belongs to it"),
        )
        .remedy("nothing was written. Correct `--from-namespace`"));
    }
    let by_name: BTreeMap<_, _> = rewritten.jobs.iter().map(|job| (&*job.name, job)).collect();
    let shown = |leftover: &Leftover| shown(leftover, by_name.get(leftover.job.as_str()).copied(), &with.from);
    let leftovers: Vec<_> = rewritten.leftovers.iter().map(shown).collect();
    if !leftovers.is_empty() && !settings.allow_leftovers {
        let each = leftovers.iter().map(|leftover| format!("`{from}` is still mentioned: {leftover}")).collect();
        return Err(Error::of_each(Kind::Refused, each)
            .remedy("nothing was written; say `--allow-leftovers` if these may stay, or correct the originals"));
    }
    saved.jobs = rewritten
        .jobs
        .iter()
        .zip(origins)
        .map(|(job, origin)| (job.name.clone(), Wanted::as_is(job.clone(), origin)))
        .collect();
    saved.warn_of_unknown_times();
    for leftover in leftovers {
        saved.say(format!("still mentions `{}`: {leftover}", with.from));
    }
    Ok(saved)
}

/// All jobs of a live Dkron.
async fn live(source: &Dkron) -> Result<Saved, Error> {
    let reading = source.read::<Live>(Role::Reader).await?;
    Ok(Saved::of_live(reading.live, reading.warnings, &shown_url(&source.url)))
}

/// Where the old namespace is still mentioned. The text around it is shown only where it can be seen in the masked job too.
fn shown(leftover: &Leftover, job: Option<&Job>, namespace: &str) -> String {
    let Leftover { job: name, field, excerpt, mentions } = leftover;
    let seen = job.is_some_and(|job| {
        let masked = telemetry::masker().job(job, &BTreeSet::new());
        let (map, key) = field.split_once('.').unwrap_or((field, ""));
        let fields = serde_json::to_value(masked).unwrap_or_default();
        let value = if key.is_empty() { fields.get(map) } else { fields.get(map).and_then(|map| map.get(key)) };
        value.and_then(serde_json::Value::as_str).is_some_and(|text| text.contains(excerpt.as_str()))
    });
    let around = if seen { excerpt.as_str() } else { namespace };
    let times = if *mentions == 1 { String::new() } else { format!(" ({mentions} times)") };
    format!("job `{name}`, `{field}`: `{}`{times}", printable(around))
}

fn to_file(copies: Saved, file: &Path, target: &TargetSettings) -> Result<Ending, Error> {
    let desired = Desired { jobs: copies.jobs, ..Desired::default() };
    let mut text = Vec::new();
    for wanted in desired.parents_first() {
        serde_json::to_writer(&mut text, &wanted.job).map_err(|error| Error::output(error.into()))?;
        text.push(b'\n');
    }
    write_new(file, &text, target.policy.force)?;
    let last = format!("wrote {} to {}", counted(desired.jobs.len(), "job"), file.display());
    let masker = telemetry::masker();
    let plan = Plan {
        items: desired.jobs.into_iter().map(|(_, wanted)| copied(&wanted)).collect(),
        writes: Vec::new(),
        deletes: Vec::new(),
        warnings: copies.warnings,
    };
    let outcomes = vec![Outcome::Done; plan.items.len()];
    let report = Report::new("clone", &plan, &outcomes, &target.policy.owner, &masker);
    print(&report, target.output)?;
    if target.output == Output::Text {
        write_out(&mut io::stdout(), |out| writeln!(out, "{last}"))?;
    }
    Ok(Ending::done(last))
}

/// A job in a new file, as the report shows it.
fn copied(wanted: &Wanted) -> Item {
    Item::of(wanted, Change::Create { to: wanted.job.clone() }, vec![Reason::Restored])
}

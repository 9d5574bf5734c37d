//! `lint`: what is wrong with jobs, whether they are written down in templates, saved in a file or live.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::cache::{Caches, Key};
use crate::disk;
use crate::dkron::{Reading, Role};
use crate::exit::ExitCode;
use crate::job::{JobMap, Live, Wanted, printable};
use crate::lint::{Circumstances, Finding, Findings, Lint, Others, Severity, Subjects, lint, lint_and_cover};
use crate::page::{self, Page};
use crate::render::{Places, Problems};
use crate::report::{Masker, brief, shown_url};
use crate::settings::{LintSettings, Output, Settings, SourceSettings};
use crate::shutdown::Shutdown;
use crate::snapshot;
use crate::store::is_store;
use crate::telemetry;

use super::connect::dkron;
use super::error::draw;
use super::gather::{Prepared, Sides, beside, gather, sides};
use super::saved::{self, Saved, all_match, is_named};
use super::{Ending, Error, TERMINATION_LIMIT, json_line, or_stop, print_error, write_out};

/// How many warnings a plan's report names one by one.
const WARNINGS: usize = 20;

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let found = Box::pin(find(settings, shutdown)).await.map_err(|error| print_error("lint", settings, error))?;
    let title = telemetry::masked(&found.title);
    let findings = match &settings.lint.html {
        Some(file) => or_stop(shutdown, found.write_page(settings, file.clone())).await?,
        None => found.findings,
    };
    let said = format!("lint of {}: {}", printable(&title), findings.counts());
    match settings.output {
        Output::Text => write_out(&mut anstream::stdout(), |out| {
            for finding in &findings.grouped() {
                out.write_all(draw(finding, true).as_bytes())?;
            }
            writeln!(out, "{said}")
        }),
        Output::Json | Output::OpenMetrics => json(&findings.json()),
        Output::Sarif => json(&findings.sarif()),
    }?;
    let exit = if findings.has(settings.lint.fail_on) { ExitCode::Lint } else { ExitCode::Done };
    let mut last = std::iter::once(said).chain(findings.grouped().into_iter().map(|finding| finding.one_line()));
    Ok(Ending { exit, last: brief(&mut last, TERMINATION_LIMIT) })
}

fn json(value: &serde_json::Value) -> Result<(), Error> {
    write_out(&mut io::stdout(), |out| json_line(out, value))
}

/// Prints why nothing could be judged.
pub(super) fn print_errors(output: Output, errors: &[String], masker: &Masker) -> Result<(), Error> {
    let errors = errors.iter().map(|error| masker.text(error));
    let nothing = Findings::default();
    if output == Output::Sarif {
        let told = errors.map(|error| json!({"level": "error", "message": {"text": error}}));
        let mut report = nothing.sarif();
        report["runs"][0]["invocations"] = json!([
            {"executionSuccessful": false, "toolExecutionNotifications": told.collect::<Vec<_>>()}
        ]);
        json(&report)
    } else {
        let mut report = nothing.json();
        report["errors"] = errors.collect();
        json(&report)
    }
}

async fn find(settings: &Settings, shutdown: &Shutdown) -> Result<Found, Error> {
    let judge = Judge::new(settings);
    let Settings { lint: LintSettings { live, .. }, source, .. } = settings;
    if *live && source.path.is_some() {
        return Err(Error::TwoPlaces);
    }
    let gathered = gather(settings)?;
    let masker = gathered.masker.clone();
    let mut found = if !live && source.path.is_none() {
        let title = settings.templates.owner().to_string();
        let work = gathered.prepare(move |prepared| judge.templates(title, prepared, masker));
        or_stop(shutdown, async { work.await? }).await?
    } else {
        // Whether a cache has a job is to be seen in all of them.
        let all = Settings { source: SourceSettings { only: Vec::new(), ..source.clone() }, ..settings.clone() };
        let jobs = jobs(&all, *live);
        let ((saved, refused), caches) =
            or_stop(shutdown, Box::pin(async { tokio::try_join!(jobs, gathered.caches()) })).await?;
        let refused = refused.iter().filter_map(|problem| Finding::of_flaw(problem, &masker)).collect();
        judge.found(saved.source, saved.jobs, refused, &Places::default(), caches, masker)
    };
    if !source.only.is_empty() {
        all_match(&source.only, &found.names.iter(), "--only")?;
        found.findings.retain(|name| is_named(&source.only, name));
    }
    Ok(found)
}

/// What was found, and in what.
struct Found {
    findings: Findings,
    /// Whose templates they are in, or where they are from, for people.
    title: String,
    jobs: JobMap<Wanted>,
    /// The names of the jobs, also of those that cannot be rendered.
    names: Vec<Arc<str>>,
    caches: Option<Caches>,
    judge: Judge,
    masker: Masker,
}

impl Found {
    /// Writes the page, beside what else goes on.
    async fn write_page(self, settings: &Settings, file: PathBuf) -> Result<Findings, Error> {
        let only = settings.source.only.clone();
        beside(move || {
            let circumstances = self.judge.circumstances(self.caches.as_ref(), Others::None);
            let subjects = Subjects::new(&self.jobs, circumstances.key);
            let page = Page {
                title: &self.title,
                findings: &self.findings,
                subjects: &subjects,
                wanted: &|name| is_named(&only, name),
                circumstances: &circumstances,
                // A page of the same jobs is the same all day.
                from: midnight(self.judge.now),
                masker: &self.masker,
            };
            let mut html = Vec::new();
            page::write(&mut html, &page).map_err(Error::Output)?;
            let place = file.display().to_string();
            disk::write(&file, &html).map_err(|error| Error::Page { file: place.clone(), error })?;
            tracing::info!("the page is in {place}");
            Ok(self.findings)
        })
        .await
    }
}

/// When the day began, in UTC.
fn midnight(at: Timestamp) -> Timestamp {
    let day = 24 * 60 * 60;
    Timestamp::from_second(at.as_second() - at.as_second().rem_euclid(day)).unwrap_or(at)
}

/// The jobs of a file or backup, or those that Dkron holds; and what Dkron would refuse.
async fn jobs(settings: &Settings, live: bool) -> Result<(Saved, Vec<snapshot::Problem>), Error> {
    if live {
        let dkron = dkron(&settings.dkron)?;
        let Reading { live, warnings, .. } = dkron.read::<Live>(Role::Reader).await?;
        return Ok((Saved::of_live(live, warnings, &shown_url(&settings.dkron.url)), Vec::new()));
    }
    match &settings.source.path {
        Some(path) if !is_store(path) => saved::to_judge(path, &settings.source),
        _ => Ok((saved::read(settings, &settings.templates.namespace).await?, Vec::new())),
    }
}

/// Both sides of a plan, with what lint says to those jobs that are to be written. `refuse` says whether that may go on.
pub(super) async fn linted(
    settings: &Settings,
    role: Role,
    shutdown: &Shutdown,
    refuse: fn(Findings) -> Result<Findings, Error>,
) -> Result<(Sides, Findings), Error> {
    let judge = Judge::new(settings);
    let off = settings.lint.off;
    let (mut sides, findings) = sides(settings, role, shutdown, move |prepared, masker| {
        let Prepared { rendered, caches, warnings } = prepared;
        Problems::check(rendered.problems)?;
        let found = if off {
            Findings::default()
        } else {
            let found = judge.to_write(&rendered.desired.jobs, caches.as_ref());
            refuse(Findings::new(found, Vec::new(), &rendered.places, masker))?
        };
        Ok(((rendered.desired, warnings), found))
    })
    .await?;
    let grouped = findings.grouped();
    sides.warnings.extend(told(grouped.iter().filter(|finding| finding.note.severity == Severity::Warning)));
    if !off && !sides.desired.restored.is_empty() {
        // What was there before is brought back as it was, right or wrong.
        let only_saved = |name: &Arc<str>| !sides.desired.jobs.contains_key(name);
        let restored = sides.desired.restored.iter().filter(|(name, _)| only_saved(name));
        let restored = restored.map(|(name, wanted)| (name.clone(), wanted.clone())).collect();
        let found = Judge::new(settings).to_write(&restored, None);
        let found = Findings::new(found, Vec::new(), &Places::default(), &sides.masker);
        sides.warnings.extend(told(found.grouped().iter()));
    }
    Ok((sides, findings))
}

/// The errors among them, as what ends a run.
pub(super) fn errors(findings: Findings) -> Result<Findings, Error> {
    if !findings.has(Severity::Error) {
        return Ok(findings);
    }
    Err(Error::Lint(
        findings.grouped().into_iter().filter(|finding| finding.note.severity == Severity::Error).collect(),
    ))
}

/// The first of them, one line each, and how many more there are.
fn told<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<String> {
    let mut lines: Vec<_> = findings.map(Finding::one_line).collect();
    let more = lines.len().saturating_sub(WARNINGS);
    lines.truncate(WARNINGS);
    if more > 0 {
        lines.push(format!("lint has {more} more like these: `dkron-jobs lint` shows all"));
    }
    lines
}

/// What the judgement of jobs depends on, beside the jobs.
#[derive(Debug)]
struct Judge {
    namespace: String,
    key: Arc<Key>,
    stampede: usize,
    allow: BTreeSet<String>,
    now: Timestamp,
}

impl Judge {
    fn new(settings: &Settings) -> Self {
        let lint = &settings.lint;
        Self {
            namespace: settings.templates.namespace.clone(),
            key: lint.cache_key.clone(),
            stampede: lint.stampede,
            allow: lint.allow.clone(),
            now: Timestamp::now(),
        }
    }

    fn circumstances<'a>(&'a self, caches: Option<&'a Caches>, others: Others) -> Circumstances<'a> {
        Circumstances {
            namespace: &self.namespace,
            caches,
            key: &self.key,
            stampede: self.stampede,
            allow: &self.allow,
            now: self.now,
            others,
        }
    }

    /// What is wrong with templates. What Dkron would refuse is among it.
    ///
    /// # Errors
    /// Templates that are wrong in themselves.
    fn templates(self, title: String, prepared: Prepared, masker: Masker) -> Result<Found, Error> {
        let Prepared { rendered, caches, .. } = prepared;
        let (refused, wrong): (Vec<_>, Vec<_>) =
            rendered.problems.into_iter().partition(|problem| problem.verdict().is_some());
        Problems::check(wrong)?;
        let refused: Vec<_> = refused.iter().filter_map(|problem| Finding::of_problem(problem, &masker)).collect();
        let jobs = rendered.desired.jobs;
        Ok(self.found(title, jobs, refused, &rendered.places, caches, masker))
    }

    /// What is wrong with jobs. What Dkron would refuse is among it.
    fn found(
        self,
        title: String,
        jobs: JobMap<Wanted>,
        refused: Vec<Finding>,
        places: &Places,
        caches: Option<Caches>,
        masker: Masker,
    ) -> Found {
        let names = jobs.keys().cloned().chain(refused.iter().filter_map(|finding| finding.note.job.clone())).collect();
        // What is refused may be the parent of something, and the job of a cache.
        let others = if refused.is_empty() { Others::None } else { Others::Possible };
        let (found, coverage) = lint_and_cover(&jobs, &self.circumstances(caches.as_ref(), others));
        let findings = Findings::new(found, refused, places, &masker).with(coverage);
        Found { findings, title, jobs, names, caches, judge: self, masker }
    }

    /// What is wrong with jobs that are to be written: whether their parents are there is for the plan to say.
    fn to_write(&self, jobs: &JobMap<Wanted>, caches: Option<&Caches>) -> Lint {
        lint(jobs, &self.circumstances(caches, Others::Possible))
    }
}

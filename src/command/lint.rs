//! `lint`: what is wrong with jobs, whether they are written down in templates, saved in a file or live.

use std::io;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;

use glob::Pattern;
use jiff::Timestamp;
use serde_json::json;

use crate::cache::Caches;
use crate::disk;
use crate::dkron::{Reading, Role};
use crate::exit::ExitCode;
use crate::job::{JobMap, Live, Wanted, printable};
use crate::lint::{Finding, Findings, Others, Subjects, lint_and_cover};
use crate::page::{self, Page};
use crate::render::{Places, Problems};
use crate::report::{Masker, brief, shown_url};
use crate::settings::{LintOutput, LintSettings};
use crate::shutdown::Shutdown;
use crate::snapshot;
use crate::store::is_store;
use crate::telemetry;

use super::connect::dkron;
use super::error::draw;
use super::gather::{Prepared, beside, gather};
use super::judge::Judge;
use super::saved::{self, Saved, all_match, is_named};
use super::{Ending, Error, Kind, TERMINATION_LIMIT, json_line, or_stop, write_out};

pub(super) async fn run(settings: &LintSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let found = Box::pin(find(settings, shutdown)).await?;
    let title = telemetry::masked(&found.title);
    let findings = match &settings.html {
        Some(file) => or_stop(shutdown, found.write_page(settings.only.clone(), file.clone())).await?,
        None => found.findings,
    };
    let said = format!("lint of {}: {}", printable(&title), findings.counts());
    match settings.output {
        LintOutput::Text => write_out(&mut anstream::stdout(), |out| {
            for finding in &findings.grouped() {
                out.write_all(draw(finding, true).as_bytes())?;
            }
            writeln!(out, "{said}")
        }),
        LintOutput::Json => json(&findings.json()),
        LintOutput::Sarif => json(&findings.sarif()),
    }?;
    let exit = if findings.has(settings.fail_on) { ExitCode::Lint } else { ExitCode::Done };
    let mut last = iter::once(said).chain(findings.grouped().into_iter().map(|finding| finding.one_line()));
    Ok(Ending { exit, last: brief(&mut last, TERMINATION_LIMIT) })
}

fn json(value: &serde_json::Value) -> Result<(), Error> {
    write_out(&mut io::stdout(), |out| json_line(out, value))
}

/// Prints why nothing could be judged, where no people read.
pub(super) fn print_errors(output: LintOutput, errors: &[String], masker: &Masker) -> Result<(), Error> {
    let errors = errors.iter().map(|error| masker.text(error));
    let nothing = Findings::default();
    match output {
        LintOutput::Text => Ok(()),
        LintOutput::Json => {
            let mut report = nothing.json();
            report["errors"] = errors.collect();
            json(&report)
        }
        LintOutput::Sarif => {
            let told = errors.map(|error| json!({"level": "error", "message": {"text": error}}));
            let mut report = nothing.sarif();
            report["runs"][0]["invocations"] = json!([
                {"executionSuccessful": false, "toolExecutionNotifications": told.collect::<Vec<_>>()}
            ]);
            json(&report)
        }
    }
}

async fn find(settings: &LintSettings, shutdown: &Shutdown) -> Result<Found, Error> {
    let LintSettings { templates, source, only, live, .. } = settings;
    let judge = Judge::new(&settings.judge);
    if *live && source.path.is_some() {
        return Err(Error::new(Kind::Usage, "a file and --live (JOBS_LINT_LIVE)")
            .because("one of them only can be looked at")
            .remedy("leave the other out"));
    }
    let gathered = gather(templates)?;
    let mut found = if !live && source.path.is_none() {
        let title = templates.release.owner().to_string();
        let work = gathered.prepare(move |prepared| Found::of_templates(judge, title, prepared, telemetry::masker()));
        or_stop(shutdown, async { work.await? }).await?
    } else {
        // Whether a cache has a job is to be seen in all of them.
        let ((saved, refused), caches) =
            or_stop(shutdown, Box::pin(async { tokio::try_join!(jobs(settings), gathered.caches()) })).await?;
        let masker = telemetry::masker();
        let refused = refused.iter().filter_map(|problem| Finding::of_flaw(problem, &masker)).collect();
        Found::of_jobs(judge, saved.source, saved.jobs, refused, &Places::default(), caches, masker)
    };
    if !only.is_empty() {
        all_match(only, &found.names.iter(), "--only")?;
        found.findings.retain(|name| is_named(only, name));
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
    /// What is wrong with templates. What Dkron would refuse is among it.
    ///
    /// # Errors
    /// Templates that are wrong in themselves.
    fn of_templates(judge: Judge, title: String, prepared: Prepared, masker: Masker) -> Result<Self, Error> {
        let Prepared { rendered, caches, .. } = prepared;
        let (refused, wrong): (Vec<_>, Vec<_>) =
            rendered.problems.into_iter().partition(|problem| problem.verdict().is_some());
        Problems::check(wrong)?;
        let refused: Vec<_> = refused.iter().filter_map(|problem| Finding::of_problem(problem, &masker)).collect();
        let jobs = rendered.desired.jobs;
        Ok(Self::of_jobs(judge, title, jobs, refused, &rendered.places, caches, masker))
    }

    /// What is wrong with jobs. What Dkron would refuse is among it.
    fn of_jobs(
        judge: Judge,
        title: String,
        jobs: JobMap<Wanted>,
        refused: Vec<Finding>,
        places: &Places,
        caches: Option<Caches>,
        masker: Masker,
    ) -> Self {
        let names = jobs.keys().cloned().chain(refused.iter().filter_map(|finding| finding.note.job.clone())).collect();
        // What is refused may be the parent of something, and the job of a cache.
        let others = if refused.is_empty() { Others::None } else { Others::Possible };
        let (found, coverage) = lint_and_cover(&jobs, &judge.circumstances(caches.as_ref(), others));
        let findings = Findings::new(found, refused, places, &masker).with(coverage);
        Self { findings, title, jobs, names, caches, judge, masker }
    }

    /// Writes the page, beside what else goes on.
    async fn write_page(self, only: Vec<Pattern>, file: PathBuf) -> Result<Findings, Error> {
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
            page::write(&mut html, &page).map_err(Error::output)?;
            let place = file.display().to_string();
            disk::write(&file, &html).map_err(|error| {
                Error::new(Kind::Failed, format!("--html (JOBS_LINT_HTML): {place} cannot be written"))
                    .because(error.to_string())
                    .remedy("correct the path, make room, or let this user write there")
            })?;
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
async fn jobs(settings: &LintSettings) -> Result<(Saved, Vec<snapshot::Problem>), Error> {
    if settings.live {
        let dkron = dkron(&settings.dkron)?;
        let Reading { live, warnings, .. } = dkron.read::<Live>(Role::Reader).await?;
        return Ok((Saved::of_live(live, warnings, &shown_url(&dkron.url)), Vec::new()));
    }
    match &settings.source.path {
        Some(path) if !is_store(path) => saved::to_judge(path, &settings.source),
        _ => Ok((saved::read(&settings.source, &settings.judge.namespace).await?, Vec::new())),
    }
}

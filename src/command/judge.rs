//! Lint beside a plan: jobs are judged before they are written.

use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::Caches;
use crate::dkron::Role;
use crate::job::{JobMap, Wanted};
use crate::lint::{Circumstances, Finding, Findings, Lint, Others, Severity, lint};
use crate::render::{Places, Problems};
use crate::settings::{DkronSettings, JudgeSettings, WantedSettings};
use crate::shutdown::Shutdown;

use super::Error;
use super::gather::{Prepared, Sides, sides};

/// How many warnings a plan's report names one by one.
const WARNINGS: usize = 20;

/// Both sides of a plan, and the findings of lint for the jobs that are to be written; none without `settings`. `refuse` decides
/// whether the run goes on.
pub(super) async fn judged(
    dkron: &DkronSettings,
    wanted: &WantedSettings,
    settings: Option<&JudgeSettings>,
    role: Role,
    shutdown: &Shutdown,
    refuse: fn(Findings) -> Result<Findings, Error>,
) -> Result<(Sides, Findings), Error> {
    let judge = settings.map(Judge::new);
    let (mut sides, findings) = sides(dkron, wanted, role, shutdown, move |prepared, masker| {
        let Prepared { rendered, caches, warnings } = prepared;
        Problems::check(rendered.problems)?;
        let found = match judge {
            None => Findings::default(),
            Some(judge) => {
                let found = judge.to_write(&rendered.desired.jobs, caches.as_ref());
                refuse(Findings::new(found, Vec::new(), &rendered.places, masker))?
            }
        };
        Ok(((rendered.desired, warnings), found))
    })
    .await?;
    let grouped = findings.grouped();
    sides.warnings.extend(told(grouped.iter().filter(|finding| finding.note.severity == Severity::Warning)));
    if let Some(settings) = settings.filter(|_| !sides.desired.restored.is_empty()) {
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
    Err(Error::lint(
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
pub(super) struct Judge {
    settings: JudgeSettings,
    pub(super) now: Timestamp,
}

impl Judge {
    pub(super) fn new(settings: &JudgeSettings) -> Self {
        Self { settings: settings.clone(), now: Timestamp::now() }
    }

    pub(super) fn circumstances<'a>(&'a self, caches: Option<&'a Caches>, others: Others) -> Circumstances<'a> {
        let JudgeSettings { namespace, allow, cache_key, stampede } = &self.settings;
        Circumstances { namespace, caches, key: cache_key, stampede: *stampede, allow, now: self.now, others }
    }

    /// What is wrong with jobs that are to be written: whether their parents are there is for the plan to say.
    fn to_write(&self, jobs: &JobMap<Wanted>, caches: Option<&Caches>) -> Lint {
        lint(jobs, &self.circumstances(caches, Others::Possible))
    }
}

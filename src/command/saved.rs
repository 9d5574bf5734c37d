//! Jobs from elsewhere than templates: files, folders, and backups in a store.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use glob::Pattern;
use tracing::{info, warn};

use crate::job::{JobMap, Live, LiveJob, Origin, Wanted, by_name, printable};
use crate::settings::{SourceSettings, StoreSettings};
use crate::snapshot::{Entry, Fault, Flaw, Problem, Reader};
use crate::store::{Limits, Store, StoreError, is_store, job_files, read_file};
use crate::words::counted;

use super::connect::tls;
use super::{Error, Kind};

/// How many problems of a file are told one by one.
const PROBLEMS: usize = 20;

/// Jobs that were read.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) jobs: JobMap<Wanted>,
    /// What is to be said about them; in the log already.
    pub(super) warnings: Vec<String>,
    /// Where they are from, for people.
    pub(super) source: String,
}

impl Saved {
    /// What a Dkron at this place holds.
    pub(super) fn of_live(live: Live, warnings: Vec<String>, place: &str) -> Self {
        let file: Arc<str> = place.into();
        let wanted = |(name, live): (Arc<str>, LiveJob)| {
            let origin = Origin { file: file.clone(), line: 0 };
            (name, Wanted::as_is(live.job, origin))
        };
        Self { jobs: live.jobs.into_iter().map(wanted).collect(), warnings, source: place.to_owned() }
    }

    /// Tells of the jobs whose schedule or time zone we do not know. They stay as they are: the server decides.
    pub(super) fn warn_of_unknown_times(&mut self) {
        let warning = |wanted: &Wanted| {
            let (field, words) = wanted.job.unknown_time()?;
            Some(format!(
                "{}: job `{}`: its `{field}` is not one that this version of dkron-jobs knows ({words}); it is kept as it is, and Dkron decides",
                wanted.origin, wanted.job.name
            ))
        };
        let warnings: Vec<_> = self.jobs.values().filter_map(warning).collect();
        for warning in warnings {
            self.say(warning);
        }
    }

    pub(super) fn say(&mut self, warning: String) {
        warn!("{warning}");
        self.warnings.push(warning);
    }
}

/// The store that the settings name.
pub(super) fn store(settings: &StoreSettings) -> Result<Option<Store>, Error> {
    settings.location.as_ref().map(|location| open(location, settings)).transpose()
}

fn open(location: &str, settings: &StoreSettings) -> Result<Store, Error> {
    let network = &settings.network;
    let limits = Limits { request: network.request_timeout, retries: network.wait_timeout };
    // Our certificate is for Dkron alone.
    let tls = tls(network, None)?;
    Ok(Store::open(location, settings.env.clone(), &tls, limits)?)
}

/// The store that the settings must name.
pub(super) fn the_store(settings: &StoreSettings) -> Result<Store, Error> {
    store(settings)?.ok_or_else(no_store)
}

/// A place for backups is needed.
pub(super) fn no_store() -> Error {
    Error::new(Kind::Usage, "--backups (JOBS_BACKUPS) is needed")
        .because("the folder, or the s3://, gs:// or az:// URL, where backups are kept")
}

/// The jobs that the settings name: those of a file or folder, or of the newest good backup of a namespace.
pub(super) async fn read(given: &SourceSettings, namespace: &str) -> Result<Saved, Error> {
    let saved = match &given.path {
        Some(path) if !is_store(path) => files(path, given)?,
        path => {
            let store = match path {
                Some(path) => Some(open(&path.display().to_string(), &given.store)?),
                None => store(&given.store)?,
            };
            let store = store.ok_or_else(|| {
                Error::new(Kind::Usage, "no jobs to read")
                    .remedy("name a file or folder of jobs, or the place of backups with `--backups` (JOBS_BACKUPS)")
            })?;
            newest(&store, namespace, given.skip_invalid).await?.map_err(|_| {
                let what = format!("{} holds no good backup of namespace `{namespace}`", store.shown());
                Error::new(Kind::Failed, what)
                    .remedy("`dkron-jobs backup list` shows what there is, and a file can be named")
            })?
        }
    };
    if given.path.is_some() && saved.jobs.is_empty() && saved.warnings.is_empty() {
        return Err(no_jobs(saved.source));
    }
    Ok(saved)
}

/// A file or folder without a job.
fn no_jobs(place: String) -> Error {
    Error::new(Kind::Failed, place).because("there is no job in it").remedy("name another file, or a folder of files")
}

/// Leaves only the jobs that are wanted.
pub(super) fn pick<T>(jobs: &mut JobMap<T>, only: &[Pattern]) -> Result<(), Error> {
    if only.is_empty() {
        return Ok(());
    }
    all_match(only, &jobs.keys(), "--only")?;
    jobs.retain(|name, _| is_named(only, name));
    Ok(())
}

/// Whether a job is among those that are asked for: all are where none is named.
pub(super) fn is_named(only: &[Pattern], name: &str) -> bool {
    only.is_empty() || only.iter().any(|pattern| pattern.matches(name))
}

/// Refuses names that nobody has: they are slips of the pen, and not a wish for less.
pub(super) fn all_match<'n>(
    only: &[Pattern],
    names: &(impl Iterator<Item = &'n Arc<str>> + Clone),
    flag: &'static str,
) -> Result<(), Error> {
    let idle: Vec<_> = only
        .iter()
        .filter(|pattern| !names.clone().any(|name| pattern.matches(name)))
        .map(|pattern| format!("`{}`", printable(pattern.as_str())))
        .collect();
    if idle.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, flag)
        .because(format!("no job is called {}", idle.join(" or ")))
        .remedy("write a whole name, or a pattern such as `refresh-*`"))
}

/// The newest good backup of a namespace, or what is to be said of those that turned out damaged where none is left; of a
/// damaged one it is said, and the one before it taken.
pub(super) async fn newest(
    store: &Store,
    namespace: &str,
    skip_invalid: bool,
) -> Result<Result<Saved, Vec<String>>, Error> {
    let listing = store.listing().await?;
    let mut damaged = Vec::new();
    for entry in listing.good(Some(namespace)) {
        match backup(store, entry, skip_invalid).await? {
            Ok(mut saved) => {
                for warning in damaged {
                    saved.say(warning);
                }
                info!(backup = saved.source, jobs = saved.jobs.len(), "read");
                return Ok(Ok(saved));
            }
            Err(error @ (StoreError::NotGood { .. } | StoreError::Packed { .. } | StoreError::TooLong { .. })) => {
                damaged.push(format!("{error}; the one before it is looked for"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    for warning in &damaged {
        warn!("{warning}");
    }
    Ok(Err(damaged))
}

/// What is wrong with a backup once all of it was read; `None` for a good one.
pub(super) async fn check(store: &Store, entry: &Entry) -> Result<Option<Fault>, Error> {
    if entry.fault.is_some() {
        return Ok(entry.fault.clone());
    }
    match backup(store, entry, true).await? {
        Ok(_) => Ok(None),
        Err(StoreError::NotGood { fault, .. }) => Ok(Some(fault)),
        Err(StoreError::Packed { cause, .. }) => Ok(Some(Fault::Packed(cause.to_string()))),
        Err(error @ StoreError::TooLong { .. }) => Ok(Some(Fault::Packed(error.to_string()))),
        Err(error) => Err(error.into()),
    }
}

/// The jobs of a backup, or what is wrong with it as a whole.
async fn backup(store: &Store, entry: &Entry, skip_invalid: bool) -> Result<Result<Saved, StoreError>, Error> {
    let mut collector = Collector::default();
    match store.read(entry).await {
        Ok(bytes) => collector.read(&entry.file, &bytes),
        Err(error) => return Ok(Err(error)),
    }
    let (count, expected) = (collector.pieces, entry.manifest.as_ref().map(|manifest| manifest.count));
    let saved = collector.finish(format!("{} in {}", entry.file, store.shown()), skip_invalid)?;
    Ok(match expected {
        Some(said) if said != count => {
            Err(StoreError::NotGood { file: entry.file.clone(), fault: Fault::Count { is: count, said } })
        }
        _ => Ok(saved),
    })
}

fn files(path: &Path, given: &SourceSettings) -> Result<Saved, Error> {
    collect(path)?.finish(path.display().to_string(), given.skip_invalid)
}

/// The jobs of a file or folder, right or wrong, to be judged: what Dkron would refuse is set apart.
pub(super) fn to_judge(path: &Path, given: &SourceSettings) -> Result<(Saved, Vec<Problem>), Error> {
    let mut collector = collect(path)?;
    let refused = mem::take(&mut collector.refused);
    let saved = collector.finish(path.display().to_string(), given.skip_invalid)?;
    if saved.jobs.is_empty() && saved.warnings.is_empty() && refused.is_empty() {
        return Err(no_jobs(saved.source));
    }
    Ok((saved, refused))
}

fn collect(path: &Path) -> Result<Collector, Error> {
    let mut collector = Collector::default();
    for path in job_files(path)? {
        collector.read(&path.display().to_string(), &read_file(&path)?);
    }
    Ok(collector)
}

/// Takes what a [`Reader`] finds.
#[derive(Default)]
struct Collector {
    reader: Reader,
    jobs: Vec<(Arc<str>, Wanted)>,
    /// Objects seen, jobs or not.
    pieces: u64,
    mended: u64,
    problems: Vec<Problem>,
    more: usize,
    /// Jobs with a name, schedule or time zone that Dkron would refuse.
    refused: Vec<Problem>,
}

impl Collector {
    /// Takes what a file with these bytes holds.
    fn read(&mut self, file: &str, bytes: &[u8]) {
        let file: Arc<str> = file.into();
        for record in self.reader.read(&file, bytes) {
            self.pieces += 1;
            match record {
                Ok(record) => {
                    self.mended += u64::from(record.mended);
                    let origin = Origin { file: file.clone(), line: record.line.try_into().unwrap_or(usize::MAX) };
                    let name = record.live.job.name.clone();
                    self.jobs.push((name, Wanted::as_is(record.live.job, origin)));
                }
                // What lint has a rule for.
                Err(problem)
                    if matches!(
                        problem.flaw,
                        Flaw::Refused { field: "name" | "parent_job" | "schedule" | "timezone", .. }
                    ) =>
                {
                    self.refused.push(problem);
                }
                Err(problem) if self.problems.len() < PROBLEMS => self.problems.push(problem),
                Err(_) => self.more += 1,
            }
        }
    }

    fn finish(self, source: String, skip_invalid: bool) -> Result<Saved, Error> {
        let Self { jobs, mut problems, mut more, refused, .. } = self;
        problems.extend(refused);
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        more += problems.len().saturating_sub(PROBLEMS);
        problems.truncate(PROBLEMS);
        if !problems.is_empty() && !skip_invalid {
            let more = (more > 0).then(|| format!("and {more} more"));
            return Err(Error::of_each(Kind::Failed, problems.iter().map(ToString::to_string).chain(more).collect())
                .remedy("nothing was written; correct the file, or say `--skip-invalid` to leave these out"));
        }
        let mut saved = Saved { jobs: by_name(jobs), warnings: Vec::new(), source };
        if self.mended > 0 {
            saved.say(format!(
                "{}: {} had a line break within a text, as the old backup script leaves it between `}}` and `{{`; it was taken out",
                saved.source,
                counted(self.mended, "job")
            ));
        }
        for problem in problems {
            saved.say(format!("left out: {problem}"));
        }
        if more > 0 {
            saved.say(format!("left out: {} of {}", counted(more, "more piece"), saved.source));
        }
        Ok(saved)
    }
}

//! Gathers what the pure part needs: files, variables, tables, and what Dkron holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::cache::{self, Caches};
use crate::disk;
use crate::dkron::{Dkron, Reading, Role};
use crate::fetch::{self, Limits};
use crate::job::{Desired, JobMap, Live};
use crate::plan;
use crate::render::{Context, Problems, Rendered, Var, examine};
use crate::report::Masker;
use crate::settings::{DkronSettings, NetworkSettings, ReleaseSettings, Restore, TemplateSettings, WantedSettings};
use crate::shutdown::Shutdown;
use crate::table::Table;
use crate::telemetry;

use super::connect::{self, tls};
use super::{Error, or_stop, saved};

/// What rendering needs: what is small is read, the rest is known by its place.
#[derive(Debug)]
pub(super) struct Gathered {
    context: Context,
    /// The folders of templates.
    folders: Vec<PathBuf>,
    /// Tables in files.
    tables: BTreeMap<String, String>,
    /// Tables at URLs.
    urls: BTreeMap<String, String>,
    /// How those are reached.
    network: NetworkSettings,
}

/// What templates came to, and what goes with the jobs.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) rendered: Rendered,
    /// The caches, where their table is known.
    pub(super) caches: Option<Caches>,
    /// What was noticed on the way; in the log already.
    pub(super) warnings: Vec<String>,
}

impl Gathered {
    /// Reads the files, fetches what is to be fetched, renders, and lets `judge` look at it, all beside what else goes on: signals
    /// among it are not held up.
    pub(super) async fn prepare<T: Send + 'static>(
        self,
        judge: impl FnOnce(Prepared) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Self { context, folders, tables, urls, network, .. } = self;
        let files = async { Ok::<_, Error>(beside(move || disk::sources(&folders, &tables)).await?) };
        let (disk::Found { mut sources, warnings }, fetched) = tokio::try_join!(files, fetch(&urls, &network))?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        sources.tables.extend(fetched);
        let work = move || {
            let caches = sources.tables.get(cache::TABLE).map(Caches::of);
            let rendered = examine(&sources, &context);
            // A large table is not kept while its jobs are looked at.
            drop(sources);
            telemetry::hide(made_of_secrets(&rendered.desired));
            judge(Prepared { rendered, caches, warnings })
        };
        Ok(beside(work).await)
    }

    /// The caches alone, for jobs that come from elsewhere: nothing of the templates is looked at.
    pub(super) async fn caches(self) -> Result<Option<Caches>, Error> {
        let Self { folders, tables, urls, network, .. } = self;
        let files = async { Ok::<_, Error>(beside(move || disk::tables(&folders, &tables)).await?) };
        let (mut tables, fetched) = tokio::try_join!(files, fetch(&urls, &network))?;
        tables.extend(fetched);
        Ok(tables.get(cache::TABLE).map(Caches::of))
    }
}

impl Prepared {
    /// The jobs, if nothing is wrong with any template.
    pub(super) fn jobs(self) -> Result<(Desired, Vec<String>), Error> {
        Problems::check(self.rendered.problems)?;
        Ok((self.rendered.desired, self.warnings))
    }
}

/// Fetches the tables that are at URLs, all at once.
async fn fetch(urls: &BTreeMap<String, String>, network: &NetworkSettings) -> Result<Vec<(String, Table)>, Error> {
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    // Our certificate is for Dkron, like our other credentials: no other host gets to see them.
    let tls = &tls(network, None)?;
    let limits = Limits { request: network.request_timeout, whole: network.wait_timeout };
    try_join_all(urls.iter().map(async |(table, url)| Ok((table.clone(), fetch::table(url, tls, limits).await?)))).await
}

/// Works on a thread of its own.
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It was not cancelled: a panic in it is ours.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Reads the variables. From here on every secret is masked.
///
/// # Errors
/// What cannot be read or understood.
pub(super) fn gather(given: &TemplateSettings) -> Result<Gathered, Error> {
    let is_url = |source: &str| {
        source
            .split_once("://")
            .is_some_and(|(scheme, _)| ["http", "https"].iter().any(|s| s.eq_ignore_ascii_case(scheme)))
    };
    let (urls, tables): (BTreeMap<_, _>, BTreeMap<_, _>) = given
        .data
        .iter()
        .map(|(table, source)| (table.clone(), source.clone()))
        .partition(|(_, source)| is_url(source));
    let vars = vars(given)?;
    let mut secrets = Vec::new();
    for var in vars.values().filter(|var| var.secret) {
        texts(&var.value, &mut secrets);
    }
    telemetry::hide(secrets);
    let ReleaseSettings { namespace, release, cluster_domain, name_prefix } = given.release.clone();
    let allow_unknown_schedules = given.allow_unknown_schedules;
    let context = Context { namespace, release, cluster_domain, name_prefix, vars, allow_unknown_schedules };
    Ok(Gathered { context, folders: given.folders.clone(), tables, urls, network: given.network.clone() })
}

/// What templates made of secrets so that the secrets themselves are not in it any more, such as `{{ vars.token | upper }}`.
fn made_of_secrets(desired: &Desired) -> BTreeSet<String> {
    let masker = telemetry::masker();
    let mut made = BTreeSet::new();
    for wanted in desired.jobs.values().filter(|wanted| !wanted.secret_fields.is_empty()) {
        wanted.job.texts(|place, text| {
            if wanted.secret_fields.contains(&place.to_string()) && masker.text(text) == text {
                made.insert(text.to_owned());
            }
        });
    }
    made
}

/// Every text and number in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The variables, later sources over earlier ones: environment, values file, folder of secrets, flags.
fn vars(given: &TemplateSettings) -> Result<BTreeMap<String, Var>, Error> {
    let is_secret = |name: &str| given.secret_vars.iter().any(|secret| secret.eq_ignore_ascii_case(name));
    let text = |(name, value): (&String, &String)| {
        (name.clone(), Var { value: Value::from(value.as_str()), secret: is_secret(name) })
    };
    let mut vars: BTreeMap<String, Var> = given.env_vars.iter().map(text).collect();
    if let Some(file) = &given.values {
        let values = disk::values(file)?;
        vars.extend(values.into_iter().map(|(name, value)| {
            let secret = is_secret(&name);
            (name, Var { value, secret })
        }));
    }
    if let Some(folder) = &given.vars_dir {
        let secrets = disk::vars_dir(folder)?;
        vars.extend(secrets.into_iter().map(|(name, value)| (name, Var { value: Value::from(value), secret: true })));
    }
    vars.extend(given.flag_vars.iter().map(text));
    Ok(vars)
}

/// Both sides of a plan, and what goes with them.
pub(super) struct Sides {
    pub(super) desired: Desired,
    pub(super) reading: Reading,
    pub(super) dkron: Dkron,
    pub(super) masker: Masker,
    /// What was noticed on the way to either.
    pub(super) warnings: Vec<String>,
}

impl Sides {
    /// The sides of jobs that no template has; `warnings` were noticed before Dkron was read.
    pub(super) fn new(desired: Desired, dkron: Dkron, reading: Reading, mut warnings: Vec<String>) -> Self {
        warnings.extend(reading.warnings.iter().cloned());
        Self { desired, reading, dkron, masker: telemetry::masker(), warnings }
    }
}

/// Fetches and renders while Dkron is waited for and read, and lets `judge` look at the templates. An error of theirs ends the wait at
/// once.
pub(super) async fn sides<T: Send + 'static>(
    dkron: &DkronSettings,
    wanted: &WantedSettings,
    role: Role,
    shutdown: &Shutdown,
    judge: impl FnOnce(Prepared, &Masker) -> Result<((Desired, Vec<String>), T), Error> + Send + 'static,
) -> Result<(Sides, T), Error> {
    if wanted.restore == Restore::Missing && wanted.store.location.is_none() {
        return Err(saved::no_store());
    }
    let dkron = connect::dkron(dkron)?;
    let gathered = gather(&wanted.templates)?;
    let render = Box::pin(async { gathered.prepare(move |prepared| judge(prepared, &telemetry::masker())).await? });
    let read = Box::pin(async {
        let mut reading = dkron.read(role).await?;
        reading.look_for_ailments().await;
        Ok(reading)
    });
    let (((mut desired, mut warnings), judged), reading) =
        or_stop(shutdown, async { tokio::try_join!(render, read) }).await?;
    warnings.extend(reading.warnings.iter().cloned());
    warnings.extend(or_stop(shutdown, Box::pin(add_lost(&mut desired, &reading.live, wanted))).await?);
    Ok((Sides { desired, reading, dkron, masker: telemetry::masker(), warnings }, judged))
}

/// Adds what a backup has and Dkron has lost, and tells what is to be said about it.
async fn add_lost(desired: &mut Desired, live: &Live, settings: &WantedSettings) -> Result<Vec<String>, Error> {
    let release = &settings.templates.release;
    let (owner, namespace) = (release.owner(), &release.namespace);
    let nothing = JobMap::new();
    // A Dkron with all that the templates want has lost nothing that a run before this one has not brought back.
    let lacks = live.jobs.is_empty() || desired.jobs.keys().any(|name| !live.jobs.contains_key(name));
    let wanted = match settings.restore {
        Restore::Never => false,
        Restore::WhenEmpty => lacks,
        Restore::Missing => true,
    };
    let Some(store) = saved::store(&settings.store)?.filter(|_| wanted) else { return Ok(Vec::new()) };
    // One line that is no job must not keep all others away.
    let holds_ours = || live.jobs.values().any(|live| live.job.is_of(&owner));
    let saved = match saved::newest(&store, namespace, true).await {
        // A Dkron with jobs of ours has not lost everything: a store that is down is no reason to make no release.
        Err(error) if settings.restore == Restore::WhenEmpty && holds_ours() => {
            let warning = format!("{error}; nothing is brought back, and Dkron holds jobs of {owner}");
            tracing::warn!("{warning}");
            return Ok(vec![warning]);
        }
        Err(error) => return Err(error),
        Ok(Ok(saved)) => saved,
        Ok(Err(damaged)) => {
            let matters = settings.restore == Restore::Missing || plan::is_empty(live, &nothing, &owner);
            let none = format!(
                "{} holds no good backup of namespace `{namespace}`; only the templates are applied",
                store.shown()
            );
            tracing::info!("{none}");
            return Ok(if matters { damaged.into_iter().chain([none]).collect() } else { Vec::new() });
        }
    };
    if settings.restore == Restore::WhenEmpty && !plan::is_empty(live, &saved.jobs, &owner) {
        return Ok(Vec::new());
    }
    tracing::info!(backup = saved.source, "what Dkron has lost is brought back");
    desired.restored = saved.jobs;
    Ok(saved.warnings)
}

//! What several commands take: parts of their settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::cache::Key;
use crate::job::{Job, Owner};
use crate::lint::{self, SCHEDULE_INVALID};
use crate::plan::{Drift, Policy, TakeOwnership};
use crate::render::nearest;
use crate::snapshot::Packing;

use super::given::{DATA_PREFIX, Given, VAR_PREFIX, read, settings};
use super::options::{self, Opt};
use super::parse::{header, parse_concurrency, parse_stampede, parse_take_ownership};
use super::secrets::secrets_of_header;

settings! { given =>
    /// Reaching anything: Dkron, data URLs and stores.
    NetworkSettings {
        /// PEM certificates to trust.
        ca_file: Option<PathBuf> = given.path(&options::CA_FILE),
        /// The limit of waiting.
        wait_timeout: Duration = given.duration(&options::WAIT_TIMEOUT),
        /// The limit of one request.
        request_timeout: Duration = given.duration(&options::REQUEST_TIMEOUT),
    }

    /// Reaching Dkron.
    DkronSettings {
        /// What is sent with every request.
        headers: Vec<(HeaderName, HeaderValue)> = headers(given),
        /// Certificate and key, both PEM.
        client_cert: Option<(PathBuf, PathBuf)> = client_cert(given),
        /// A file with `user:password`.
        basic_auth_file: Option<PathBuf> = given.path(&options::BASIC_AUTH_FILE),
        /// A file with a token.
        bearer_token_file: Option<PathBuf> = bearer_token_file(given),
        /// The base URL.
        url: Url = given.url(&options::DKRON_URL).unwrap_or_else(default_url),
        /// Certificates and limits.
        network: NetworkSettings,
        /// Writes under way at once; at least 1.
        concurrency: usize = given.parsed(&options::CONCURRENCY, parse_concurrency, 1),
    }

    /// Whose jobs they are, and how they are named.
    ReleaseSettings {
        /// The namespace.
        namespace: String = half_of_owner(given, &options::NAMESPACE),
        /// The release.
        release: String = half_of_owner(given, &options::RELEASE),
        /// The cluster's DNS domain.
        cluster_domain: String = given.string(&options::CLUSTER_DOMAIN),
        /// In front of every name.
        name_prefix: String = name_prefix(given),
    }

    /// What to render and with what.
    TemplateSettings {
        /// From `--var`.
        flag_vars: BTreeMap<String, String> = given.pairs(&options::VAR),
        /// Tables by name: a path or a URL.
        data: BTreeMap<String, String> = data(given),
        /// For whom.
        release: ReleaseSettings,
        /// Folders, in order.
        folders: Vec<PathBuf> = given.values(&options::TEMPLATES).1.into_iter().map(PathBuf::from).collect(),
        /// From `JOBS_VAR_*`, by their lower-case keys.
        env_vars: BTreeMap<String, String> = given.free_env(VAR_PREFIX),
        /// A folder of secret variables.
        vars_dir: Option<PathBuf> = given.path(&options::VARS_DIR),
        /// A file of variables.
        values: Option<PathBuf> = given.path(&options::VALUES),
        /// Names of variables that are secret.
        secret_vars: BTreeSet<String> = given.values(&options::SECRET_VAR).1.into_iter().collect(),
        /// How tables at URLs are reached.
        network: NetworkSettings,
        /// Whether schedules that this version does not know are let through.
        allow_unknown_schedules: bool = given.values(&options::ALLOW).1.iter().any(|id| id == SCHEDULE_INVALID.id),
    }

    /// What to compare with, what may be done about it, and how it is shown.
    TargetSettings {
        /// The Dkron whose jobs are looked at and written.
        dkron: DkronSettings,
        /// What a plan may do.
        policy: Policy = policy(given),
        /// The form of the report.
        output: Output,
    }

    /// Where backups are kept.
    StoreSettings {
        /// A path or a URL; `None` where none was named.
        location: Option<String> = location(given),
        /// The variables that stores know: `AWS_*`, `GOOGLE_*`, `AZURE_*`.
        env: BTreeMap<String, String> = given.store_env.clone(),
        /// How it is reached.
        network: NetworkSettings,
    }

    /// How a backup is made.
    SaveSettings {
        /// Whose namespace and release it names.
        release: ReleaseSettings,
        /// How it is compressed.
        packing: Packing = given.choice(
            &options::COMPRESS,
            &[("none", Packing::Plain), ("gzip", Packing::Gzip), ("zstd", Packing::Zstd)],
        ),
        /// Whether it may be suddenly small.
        force: bool = given.bool(&options::FORCE),
    }

    /// What Dkron should hold.
    WantedSettings {
        /// The templates.
        templates: TemplateSettings,
        /// What was saved before.
        store: StoreSettings,
        /// When that is brought back.
        restore: Restore,
    }

    /// Where jobs are read from that no template has.
    SourceSettings {
        /// A file, folder or store; `None` for the newest good backup, or the live jobs.
        path: Option<PathBuf> = given.path(&options::FROM_FILE),
        /// Whether what is no job is left out.
        skip_invalid: bool = given.bool(&options::SKIP_INVALID),
        /// Where the newest backup is.
        store: StoreSettings,
    }

    /// How jobs are judged.
    JudgeSettings {
        /// The namespace that they should call into.
        namespace: String = given.string(&options::NAMESPACE),
        /// Rules that are switched off.
        allow: BTreeSet<String> = allow(given),
        /// Which cache a job is for.
        cache_key: Arc<Key> = cache_key(given),
        /// More jobs on one target in the same second are a stampede.
        stampede: usize = given.parsed(&options::STAMPEDE, parse_stampede, usize::MAX),
    }
}

impl ReleaseSettings {
    /// The owner in the stamps.
    pub fn owner(&self) -> Owner {
        Owner::new(&self.namespace, &self.release)
    }
}

impl TargetSettings {
    /// The target of a command with a policy of its own.
    pub(super) fn of(policy: Policy, given: &mut Given<'_>) -> Self {
        Self { policy, ..Self::read(given) }
    }
}

/// What a plan may do, for the owner that the release is.
pub(super) fn policy(given: &mut Given<'_>) -> Policy {
    let number = |text: &str| text.parse().map_err(|_| "is no number of deletes".to_owned());
    Policy {
        owner: ReleaseSettings::read(given).owner(),
        drift: given.choice(&options::DRIFT, &[("revert", Drift::Revert), ("keep", Drift::Keep)]),
        keep_disabled: given.bool(&options::KEEP_DISABLED),
        prune: given.bool(&options::PRUNE),
        allow_deletes: given.parsed(&options::ALLOW_DELETES, number, 0),
        force: given.bool(&options::FORCE),
        take_ownership: given.parsed(&options::TAKE_OWNERSHIP, parse_take_ownership, TakeOwnership::No),
        heal_stuck: given.bool(&options::HEAL_STUCK),
    }
}

/// When jobs are brought back from a backup before the templates are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// When Dkron has lost everything.
    WhenEmpty,
    /// Whatever is missing.
    Missing,
    /// Never.
    Never,
}

impl Restore {
    fn read(given: &mut Given<'_>) -> Self {
        let times = [("when-empty", Self::WhenEmpty), ("missing", Self::Missing), ("never", Self::Never)];
        given.choice(&options::RESTORE, &times)
    }
}

/// The form of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Output {
    pub(super) fn read(given: &mut Given<'_>) -> Self {
        given.output(&[("text", Self::Text), ("json", Self::Json)])
    }
}

fn headers(given: &mut Given<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let (from, texts) = given.values(&options::HEADER);
    let mut headers = Vec::new();
    for text in texts {
        match header(&text) {
            Ok((name, value)) => {
                given.secrets.extend(secrets_of_header(&name, &value));
                headers.push((name, value));
            }
            // The text itself may be a secret: it is not shown.
            Err(problem) => given.problem(format!("{from}: {problem}; write `Name: value`")),
        }
    }
    headers
}

fn client_cert(given: &mut Given<'_>) -> Option<(PathBuf, PathBuf)> {
    let (from_cert, cert) = given.text(&options::CLIENT_CERT_FILE);
    let (from_key, key) = given.text(&options::CLIENT_KEY_FILE);
    match (&cert, &key) {
        (Some(_), None) => given.problem(format!("{from_cert}: needs its key, {from_key}")),
        (None, Some(_)) => given.problem(format!("{from_key}: needs its certificate, {from_cert}")),
        _ => {}
    }
    cert.zip(key).map(|(cert, key)| (cert.into(), key.into()))
}

fn bearer_token_file(given: &mut Given<'_>) -> Option<PathBuf> {
    let (from_basic, basic) = given.text(&options::BASIC_AUTH_FILE);
    let (from_bearer, bearer) = given.text(&options::BEARER_TOKEN_FILE);
    if basic.is_some() && bearer.is_some() {
        given.problem(format!("{from_basic} and {from_bearer}: only one of them can be sent"));
    }
    bearer.map(PathBuf::from)
}

fn default_url() -> Url {
    #[expect(clippy::expect_used, reason = "a constant, parsed by every test")]
    Url::parse(options::DKRON_URL.default).expect("the default URL is one")
}

fn half_of_owner(given: &mut Given<'_>, opt: &Opt) -> String {
    let (from, value) = given.text(opt);
    let value = value.unwrap_or_default();
    if value.is_empty() {
        given.problem(format!("{from}: it is empty; name one, or leave it out for `{}`", opt.default));
    } else if value.contains('/') || value.chars().any(char::is_whitespace) {
        given.problem(format!("{from}: `{value}` has a blank or a `/` in it, which separates the owner's halves"));
    }
    value
}

fn name_prefix(given: &mut Given<'_>) -> String {
    let (from, prefix) = given.text(&options::NAME_PREFIX);
    let prefix = prefix.unwrap_or_default();
    if let Some(problem) = Job::name_problem(&format!("{prefix}x")) {
        given.problem(format!("{from}: `{prefix}` cannot begin a job's name: {problem}"));
    }
    prefix
}

fn data(given: &mut Given<'_>) -> BTreeMap<String, String> {
    let mut data = given.free_env(DATA_PREFIX);
    data.extend(given.pairs(&options::DATA));
    for source in data.values() {
        given.hide_url(source);
    }
    data
}

fn location(given: &mut Given<'_>) -> Option<String> {
    let location = given.text(&options::BACKUPS).1?;
    given.hide_url(&location);
    Some(location)
}

fn allow(given: &mut Given<'_>) -> BTreeSet<String> {
    let (from, rules) = given.values(&options::ALLOW);
    for id in rules.iter().filter(|id| lint::rule(id).is_none()) {
        let near = nearest(id, lint::rules().map(|rule| rule.id));
        let near = near.map_or_else(|| "docs/lint.md lists them".to_owned(), |near| format!("did you mean `{near}`?"));
        given.problem(format!("{from}: `{id}` is no rule; {near}"));
    }
    rules.into_iter().collect()
}

/// Which cache a job is for.
pub(super) fn cache_key(given: &mut Given<'_>) -> Arc<Key> {
    given.parsed(&options::CACHE_KEY, |text| Key::parse(text).map(Arc::new), Arc::default())
}

//! From flags and environment to typed settings; every problem is reported at once.

mod options;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use glob::Pattern;
use http::header::{HeaderName, HeaderValue};
use url::{Url, form_urlencoded};

use crate::cache::Key;
use crate::job::Owner;
use crate::lint::Severity;
use crate::plan::{Drift, TakeOwnership};
use crate::report::secret_name;
use crate::snapshot::{Keep, Packing};

pub use self::options::{Group, Kind, OPTIONS, Opt};
pub use self::read::{Flags, resolve};

/// The folder of templates that is looked for where none is named.
pub const DEFAULT_TEMPLATES: &str = options::TEMPLATES.default;

/// Everything the user set, typed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Reaching Dkron.
    pub dkron: DkronSettings,
    /// Rendering.
    pub templates: TemplateSettings,
    /// Deciding.
    pub policy: PolicySettings,
    /// Where backups are kept: a path or a URL.
    pub backups: Option<String>,
    /// The variables that stores know: `AWS_*`, `GOOGLE_*`, `AZURE_*`.
    pub store_env: BTreeMap<String, String>,
    /// When jobs are brought back beside the templates.
    pub restore: Restore,
    /// Saving.
    pub backup: BackupSettings,
    /// Reading jobs from elsewhere.
    pub source: SourceSettings,
    /// Cloning.
    pub clone: CloneSettings,
    /// Where imported templates go.
    pub import_to: PathBuf,
    /// Judging jobs.
    pub lint: LintSettings,
    /// Which jobs `check` runs.
    pub run: RunSettings,
    /// How long after a look `status` looks again; `None` for one look only.
    pub watch: Option<Duration>,
    /// Whether nobody is asked.
    pub yes: bool,
    /// The form of standard output.
    pub output: Output,
    /// Logs.
    pub log_format: LogFormat,
    /// The least severe lines shown.
    pub log_level: LogLevel,
    /// Where the last words go; `None` for the default place where it exists.
    pub termination_log: Option<PathBuf>,
    /// Whether `plan` tells changes from none by its exit code.
    pub exit_code: bool,
    /// The form of `render`'s jobs.
    pub render_format: RenderFormat,
    /// Whether `render` shows secrets.
    pub show_secrets: bool,
    /// Variables that look like misspelt ones of ours.
    pub warnings: Vec<String>,
}

/// How jobs are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintSettings {
    /// Rules that are switched off.
    pub allow: BTreeSet<String>,
    /// Which cache a job is for.
    pub cache_key: Arc<Key>,
    /// More jobs on one target in the same second are a stampede.
    pub stampede: usize,
    /// Whether errors are no reason not to write.
    pub off: bool,
    /// Whether the jobs are those of Dkron.
    pub live: bool,
    /// Where to write the page.
    pub html: Option<PathBuf>,
    /// The least bad thing that makes `lint` fail.
    pub fail_on: Severity,
}

/// How to reach Dkron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkronSettings {
    /// The base URL.
    pub url: Url,
    /// What is sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A file with `user:password`.
    pub basic_auth_file: Option<PathBuf>,
    /// A file with a token.
    pub bearer_token_file: Option<PathBuf>,
    /// PEM certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key, both PEM.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// The limit of waiting.
    pub wait_timeout: Duration,
    /// The limit of one request.
    pub request_timeout: Duration,
    /// Writes under way at once; at least 1.
    pub concurrency: usize,
}

/// What to render and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSettings {
    /// The namespace.
    pub namespace: String,
    /// The release.
    pub release: String,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// Folders, in order.
    pub folders: Vec<PathBuf>,
    /// In front of every name.
    pub name_prefix: String,
    /// From `JOBS_VAR_*`, by their lower-case keys.
    pub env_vars: BTreeMap<String, String>,
    /// From `--var`.
    pub flag_vars: BTreeMap<String, String>,
    /// A folder of secret variables.
    pub vars_dir: Option<PathBuf>,
    /// A file of variables.
    pub values: Option<PathBuf>,
    /// Names of variables that are secret.
    pub secret_vars: BTreeSet<String>,
    /// Tables by name: a path or a URL.
    pub data: BTreeMap<String, String>,
}

impl Settings {
    /// The credentials among them, each as it may be said back to us: what goes to a server can come from it again.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for (name, value) in &self.dkron.headers {
            let (is_secret, value) = (secret_name(name.as_str()), String::from_utf8_lossy(value.as_bytes()));
            // `Bearer …`, and its like: the word before a secret is none.
            let secret = value.split_once(' ').filter(|_| is_secret);
            secrets.extend(secret.map(|(_, secret)| secret.to_owned()));
            // A cookie's parts: an answer that says it back may be cut between two of them.
            let parts = value.split([';', ' ']).filter(|part| is_secret && part.contains('='));
            secrets.extend(parts.map(ToOwned::to_owned));
            if is_secret || !is_word(&value) {
                secrets.push(value.into_owned());
            }
        }
        let urls = [Some(&self.dkron.url), self.clone.from_url.as_ref()].into_iter().flatten().cloned();
        let sources = self.templates.data.values().chain(&self.backups).filter_map(|source| Url::parse(source).ok());
        for url in urls.chain(sources) {
            secrets.extend(secrets_of(&url));
        }
        let is_secret = |name: &str| secret_name(name) || name.ends_with("_KEY") || name.contains("SAS");
        secrets.extend(self.store_env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()));
        secrets
    }
}

/// A value that hides nothing: `production`, `shop.example.com`.
fn is_word(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '.'))
}

/// The password of a URL, as it is sent too, and what its parameters name a secret.
fn secrets_of(url: &Url) -> Vec<String> {
    let decoded = |text: &str| {
        // As in a form, but that a plus is one.
        let text = text.replace('+', "%2B");
        form_urlencoded::parse(text.as_bytes()).map(|(text, _)| text.into_owned()).collect::<String>()
    };
    let parameters = url.query_pairs().filter(|(name, _)| secret_name(name)).map(|(_, value)| value.into_owned());
    let mut secrets: Vec<_> = parameters.collect();
    let user = decoded(url.username());
    match url.password().map(decoded) {
        Some(password) => {
            secrets.extend([BASE64_STANDARD.encode(format!("{user}:{password}")), password]);
        }
        // A token may stand alone.
        None if !user.is_empty() => secrets.extend([BASE64_STANDARD.encode(format!("{user}:")), user]),
        None => {}
    }
    secrets
}

impl TemplateSettings {
    /// The owner in the stamps.
    pub fn owner(&self) -> Owner {
        Owner::new(&self.namespace, &self.release)
    }
}

/// What a plan may do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, named as the user names it")]
pub struct PolicySettings {
    /// What happens to edited jobs.
    pub drift: Drift,
    /// Whether jobs switched off by hand stay off.
    pub keep_disabled: bool,
    /// Whether jobs that nobody wants are deleted.
    pub prune: bool,
    /// How many deletes the guard lets pass.
    pub allow_deletes: usize,
    /// Whether the guard is off.
    pub force: bool,
    /// Whose jobs may be taken over.
    pub take_ownership: TakeOwnership,
    /// Whether jobs that Dkron does not run any more are healed.
    pub heal_stuck: bool,
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

/// How to save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupSettings {
    /// Which backups stay; `None` for all.
    pub keep: Option<Keep>,
    /// How they are compressed.
    pub packing: Packing,
    /// Whether it is no failure when none can be made.
    pub best_effort: bool,
}

/// Which jobs to read from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// A file or a folder; `None` for the newest good backup, or the live jobs.
    pub path: Option<PathBuf>,
    /// Names and globs; empty for all jobs.
    pub only: Vec<Pattern>,
    /// Whether what is no job is left out.
    pub skip_invalid: bool,
    /// Whether jobs that are there and differ are overwritten.
    pub overwrite: bool,
}

/// Which jobs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSettings {
    /// Names and globs.
    pub jobs: Vec<Pattern>,
    /// The first of each template document.
    pub one_per_template: bool,
    /// All.
    pub all: bool,
}

/// How to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneSettings {
    /// A live Dkron to clone from.
    pub from_url: Option<Url>,
    /// The namespace that the jobs come from; empty where none was given.
    pub from: String,
    /// The namespace that they go to; empty for the release's own.
    pub to: String,
    /// A file to clone to.
    pub to_file: Option<PathBuf>,
    /// Whether copies are switched off.
    pub disabled: bool,
    /// Whether mentions of the old namespace may stay.
    pub allow_leftovers: bool,
}

/// The form of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For code-review tools: `lint` alone has it.
    Sarif,
    /// For a metrics collector: `status` alone has it.
    OpenMetrics,
}

impl Output {
    /// The forms that a command has, with the words for them; none for one that has no `--output`.
    pub fn forms(command: &str) -> &'static [(&'static str, Self)] {
        match command {
            "wait" | "render" => &[],
            "lint" => &[("text", Self::Text), ("json", Self::Json), ("sarif", Self::Sarif)],
            "status" => &[("text", Self::Text), ("json", Self::Json), ("openmetrics", Self::OpenMetrics)],
            _ => &[("text", Self::Text), ("json", Self::Json)],
        }
    }
}

/// The form of rendered jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderFormat {
    /// One job a line.
    Ndjson,
    /// One array.
    Json,
    /// One document a job.
    Yaml,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Plain,
    /// For collectors.
    Json,
}

/// How severe a log line must be to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may be wrong.
    Warn,
    /// What happens.
    Info,
    /// What happens within.
    Debug,
}

/// Everything that is wrong with flags and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// One line each, naming the flag or the variable.
    pub problems: Vec<String>,
    /// What is clear all the same, defaults elsewhere: it says how and where the problems are to be said.
    pub rest: Box<Settings>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for SettingsError {}
